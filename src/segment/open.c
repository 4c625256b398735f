/* SPDX-License-Identifier: Apache-2.0
 * The directory of an image of format 2: sizes and descriptions are checked here, payloads when they are read. */
#include <lz4.h>
#include <stdlib.h>

#include "segment/filter.h"
#include "segment/image.h"

#define DIRECTORY_MAX (64u << 20) /* raw bytes */
#define LZ4_RATIO_MAX 256u

enum { ZONE_FOLDED = 1, ZONE_MIN_MAX = 2 };

typedef struct parse {
    segment_image *image;
    th_reader reader;
    segment_describing describing;
} parse;

static th_err ended(const th_reader *reader)
{
    return reader->bad ? TH_ECORRUPT : TH_OK;
}

/* The directory as it was before compression: in the image, or in the arena. */
static th_err unpack_directory(segment_image *s, const segment_header *header, th_slice *out)
{
    th_slice stored = {s->base.image.bytes + header->directory_at, header->directory_stored};
    uint32_t raw = header->directory_raw;
    *out = stored;
    if (raw == stored.size) return TH_OK;
    if (raw < stored.size || raw > DIRECTORY_MAX || raw / LZ4_RATIO_MAX > stored.size)
        return TH_ECORRUPT;
    uint8_t *bytes = th_arena_alloc(s->arena, raw);
    if (bytes == NULL) return TH_ENOMEM;
    int size =
        LZ4_decompress_safe((const char *)stored.bytes, (char *)bytes, (int)stored.size, (int)raw);
    *out = th_slice_of(bytes, raw);
    return size >= 0 && (uint32_t)size == raw ? TH_OK : TH_ECORRUPT;
}

static th_err take_times(parse *p)
{
    segment_image *s = p->image;
    th_reader *r = &p->reader;
    s->times_encoding = th_take_u8(r);
    if (s->times_encoding == SEGMENT_TIMES_NONE) return ended(r);
    if (s->times_encoding != SEGMENT_TIMES_SAME && s->times_encoding != SEGMENT_TIMES_INTS)
        return TH_ECORRUPT;
    s->base.has_times = true;
    s->base.first_us = (int64_t)th_take_u64(r);
    s->base.last_us = (int64_t)th_take_u64(r);
    bool constant = s->times_encoding == SEGMENT_TIMES_SAME;
    if (s->base.first_us > s->base.last_us || (constant && s->base.first_us != s->base.last_us))
        return TH_ECORRUPT;
    if (constant) return ended(r);
    uint64_t untimed = th_take_varint(r);
    if (r->bad || untimed >= s->base.rows) return TH_ECORRUPT;
    s->timed_count = s->base.rows - (uint32_t)untimed;
    if (untimed > 0) TH_TRY(segment_describe_codes(&p->describing, s->base.rows, 2, &s->timed));
    return segment_describe_ints(&p->describing, s->timed_count, &s->times);
}

/* A count of strings and, when there are some, how they are held. */
static th_err take_array(parse *p, uint64_t max, uint32_t *count, segment_codec **out)
{
    uint64_t n = th_take_varint(&p->reader);
    if (p->reader.bad || n > max) return TH_ECORRUPT;
    *count = (uint32_t)n;
    return n == 0 ? TH_OK : segment_describe_array(&p->describing, *count, out);
}

/* A count of things that are in one payload, each in at least one byte. */
static th_err take_payload(parse *p, uint64_t max, uint32_t *count, segment_payload *out)
{
    uint64_t n = th_take_varint(&p->reader);
    if (n == 0) return ended(&p->reader);
    *out = segment_payload_take(&p->reader, p->describing.payloads, &p->describing.at);
    if (p->reader.bad || n > max || n > out->size) return TH_ECORRUPT;
    *count = (uint32_t)n;
    return TH_OK;
}

static th_err take_reference(parse *p, uint32_t number, segment_leaf *leaf)
{
    uint64_t target = th_take_varint(&p->reader), others = th_take_varint(&p->reader);
    if (p->reader.bad || target >= number || others > leaf->count) return TH_ECORRUPT;
    leaf->target = (uint32_t)target;
    leaf->other_count = (uint32_t)others;
    if (p->image->columns[target].held != SEGMENT_HELD_CODEC) return TH_ECORRUPT;
    if (others == 0) return TH_OK;
    TH_TRY(segment_describe_codes(&p->describing, leaf->count, 2, &leaf->others_at));
    return segment_describe_array(&p->describing, leaf->other_count, &leaf->codec);
}

static th_err take_column(parse *p, uint32_t number)
{
    segment_image *s = p->image;
    segment_leaf *leaf = &s->columns[number];
    uint64_t node = th_take_varint(&p->reader);
    leaf->kind = th_take_u8(&p->reader);
    uint64_t count = th_take_varint(&p->reader);
    leaf->held = th_take_u8(&p->reader);
    bool sane = node <= s->node_count && leaf->kind <= SEGMENT_LEAF_FIELD && count > 0 &&
                count <= (uint64_t)s->base.rows * SEGMENT_SLOTS_MAX && !p->reader.bad;
    if (!sane) return TH_ECORRUPT;
    leaf->node = (uint32_t)node;
    leaf->count = (uint32_t)count;
    uint64_t before = p->describing.at;
    const uint8_t *description = p->reader.pos;
    th_err err = TH_ECORRUPT;
    switch (leaf->held) {
    case SEGMENT_HELD_CODEC:
        err = segment_describe_array(&p->describing, leaf->count, &leaf->codec);
        break;
    case SEGMENT_HELD_REFERENCE: err = take_reference(p, number, leaf); break;
    case SEGMENT_HELD_RESIDUAL: err = TH_OK; break;
    default: break;
    }
    leaf->stored = segment_payloads_stored(s->payloads, before, p->describing.at) +
                   (uint64_t)(p->reader.pos - description);
    return err;
}

static th_err take_columns(parse *p)
{
    segment_image *s = p->image;
    s->column_count = segment_take_count(&p->reader, SEGMENT_LEAVES_MAX);
    s->columns = TH_NEW_ARRAY(s->arena, segment_leaf, (size_t)s->column_count + 1);
    if (s->columns == NULL) return TH_ENOMEM;
    for (uint32_t i = 0; i < s->column_count; i++) TH_TRY(take_column(p, i));
    return ended(&p->reader);
}

static th_err take_shapes(parse *p)
{
    segment_image *s = p->image;
    uint64_t before = p->describing.at;
    TH_TRY(take_payload(p, SEGMENT_LEAVES_MAX * SEGMENT_DEPTH_MAX, &s->node_count, &s->nodes));
    TH_TRY(take_payload(p, SEGMENT_CHUNK_MAX, &s->literal_count, &s->literals));
    s->skeleton_stored = segment_payloads_stored(s->payloads, before, p->describing.at);
    TH_TRY(take_columns(p));
    before = p->describing.at;
    TH_TRY(take_payload(p, SEGMENT_SHAPES_MAX, &s->shape_count, &s->shapes));
    if (s->shape_count > 0)
        TH_TRY(segment_describe_codes(&p->describing, s->base.rows, s->shape_count + 1, &s->rows));
    s->skeleton_stored += segment_payloads_stored(s->payloads, before, p->describing.at);
    before = p->describing.at;
    uint64_t most = (uint64_t)s->base.rows * SEGMENT_SLOTS_MAX;
    TH_TRY(take_array(p, most, &s->residual_count, &s->residual));
    s->residual_stored = segment_payloads_stored(s->payloads, before, p->describing.at);
    return TH_OK;
}

/* Zones of columns that a newer version appended are passed over. */
static th_err take_zones(parse *p)
{
    segment_image *s = p->image;
    uint32_t known = s->base.table->column_count;
    s->zones = TH_NEW_ARRAY(s->arena, segment_zone_entry, (size_t)known + 1);
    if (s->zones == NULL) return TH_ENOMEM;
    uint32_t count = segment_take_count(&p->reader, SEGMENT_COLUMNS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        segment_zone_entry passed, *z = i < known ? &s->zones[i] : &passed;
        *z = (segment_zone_entry){.known = true};
        uint8_t flags = th_take_u8(&p->reader);
        z->folded = (flags & ZONE_FOLDED) != 0;
        z->has_zone = (flags & ZONE_MIN_MAX) != 0;
        uint64_t absent = th_take_varint(&p->reader), nulls = th_take_varint(&p->reader);
        if (p->reader.bad || flags > (ZONE_FOLDED | ZONE_MIN_MAX) || absent > s->base.rows ||
            nulls > s->base.rows - absent) {
            return TH_ECORRUPT;
        }
        z->absent = (uint32_t)absent;
        z->nulls = (uint32_t)nulls;
        if (!z->has_zone) continue;
        z->min = segment_take_text(&p->reader, SEGMENT_ZONE_BYTES);
        z->max = segment_take_text(&p->reader, SEGMENT_ZONE_BYTES);
    }
    return ended(&p->reader);
}

static th_err take_filters(parse *p)
{
    segment_image *s = p->image;
    uint32_t count = segment_take_count(&p->reader, SEGMENT_COLUMNS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t column = th_take_varint(&p->reader), keys = th_take_varint(&p->reader);
        segment_payload at =
            segment_payload_take(&p->reader, p->describing.payloads, &p->describing.at);
        if (p->reader.bad || keys == 0 || keys > UINT32_MAX || at.size == 0 ||
            at.size % SEGMENT_FILTER_BLOCK != 0 ||
            at.size > segment_filter_size(keys, SEGMENT_FILTER_BITS) ||
            column >= SEGMENT_COLUMNS_MAX) {
            return TH_ECORRUPT;
        }
        if (column >= s->base.table->column_count) continue;
        s->zones[column].filter_keys = (uint32_t)keys;
        s->zones[column].filter = at;
    }
    return ended(&p->reader);
}

static th_err read_directory(segment_image *s, const segment_header *header)
{
    th_slice bytes;
    TH_TRY(unpack_directory(s, header, &bytes));
    parse p = {.image = s, .reader = th_reader_of(bytes)};
    s->payloads = segment_payloads_open(&p.reader, s->base.image, sizeof(*header),
                                        header->directory_at, s->arena);
    if (s->payloads == NULL) return p.reader.bad ? TH_ECORRUPT : TH_ENOMEM;
    p.describing =
        (segment_describing){.directory = &p.reader, .payloads = s->payloads, .arena = s->arena};
    TH_TRY(segment_take_layouts(&s->base, &p.reader));
    TH_TRY(take_times(&p));
    uint64_t before = p.describing.at;
    TH_TRY(take_array(&p, s->base.rows, &s->whole_count, &s->whole));
    s->whole_stored = segment_payloads_stored(s->payloads, before, p.describing.at);
    TH_TRY(take_shapes(&p));
    TH_TRY(take_array(&p, UINT32_MAX, &s->pool_count, &s->pool));
    TH_TRY(take_zones(&p));
    TH_TRY(take_filters(&p));
    s->mark_count = p.describing.marks;
    bool all = p.reader.pos == p.reader.end && !p.reader.bad &&
               segment_payloads_used_up(s->payloads, p.describing.at);
    return all ? TH_OK : TH_ECORRUPT;
}

static void close_image(th_segment *segment)
{
    segment_image *s = segment_image_of(segment);
    segment_route_cache_free(s->routes);
    segment_marks_free(atomic_load(&s->marks));
    th_arena_free(s->kept);
    th_arena_free(s->arena);
    (void)pthread_mutex_destroy(&s->lock);
}

static const segment_ops ops = {.close = close_image,
                                .records = segment_v2_records,
                                .column = segment_v2_column,
                                .times = segment_v2_times,
                                .zone = segment_v2_zone,
                                .may_equal = segment_v2_may_equal,
                                .verify = segment_v2_verify,
                                .search = segment_v2_search,
                                .scan_open = segment_v2_scan_open,
                                .scan_next = segment_v2_scan_next,
                                .scan_close = segment_v2_scan_close};

th_err segment_v2_open(th_slice image, const segment_header *header, th_budget *budget,
                       th_segment **out)
{
    if ((header->flags & ~SEGMENT_FLAG_COMPACT) != 0) return TH_ECORRUPT;
    segment_image *s = calloc(1, sizeof(*s));
    if (s == NULL) return TH_ENOMEM;
    bool compact = (header->flags & SEGMENT_FLAG_COMPACT) != 0;
    s->base = (th_segment){.magic = SEGMENT_OPEN_MAGIC,
                           .ops = &ops,
                           .image = image,
                           .table = th_model_table(header->table),
                           .budget = budget,
                           .rows = header->rows,
                           .raw_bytes = header->raw_bytes,
                           .tier = compact ? TH_TIER_COMPACT : TH_TIER_FAST};
    (void)pthread_mutex_init(&s->lock, NULL);
    s->arena = th_arena_new(SEGMENT_WORK_MAX, budget);
    th_err err = s->arena == NULL ? TH_ENOMEM : read_directory(s, header);
    if (err == TH_OK) segment_holds(&s->base, sizeof(*s) + th_arena_used(s->arena), 0);
    if (err != TH_OK)
        th_segment_close(&s->base);
    else
        *out = &s->base;
    return err;
}
