/* SPDX-License-Identifier: Apache-2.0
 * The image of a builder's rows: docs/FORMAT.md, "Segments, version 2". Parts of the directory are written in its order,
 * which is that of the payloads, too; the chunk table, which comes first, is known only at the end. */
#include <lz4.h>

#include "base/assert.h"
#include "base/hash.h"
#include "base/map.h"
#include "segment/build.h"

typedef struct image {
    th_segment_builder *b;
    th_segment_shaper *shared;
    segment_encoder encoder;
    th_buf *body; /* the directory but for the chunk table */
    uint8_t *held;
    build_reference *references;
} image;

static void put_payload(image *m, const th_buf *bytes)
{
    th_err err = th_buf_error(bytes);
    if (err != TH_OK) m->body->error = err;
    if (err != TH_OK) return;
    th_buf_add_varint(m->body, bytes->size);
    segment_payload_add(&m->shared->payloads, th_buf_slice(bytes), SEGMENT_SQUEEZE_TEXT);
}

/* ---- layouts, times, whole records ---- */

static void put_layouts(image *m)
{
    const th_segment_builder *b = m->b;
    uint32_t count = build_layouts(b);
    if (count == 1 && build_layout(b, 0).size == 0) count = 0;
    th_buf_add_varint(m->body, count);
    for (uint32_t i = 0; i < count; i++) {
        th_slice layout = build_layout(b, i);
        th_buf_add_varint(m->body, layout.size);
        th_buf_add_slice(m->body, layout);
    }
    if (count == 0) return;
    th_buf_add_varint(m->body, b->run_count);
    for (uint32_t i = 0; i < b->run_count; i++) {
        th_buf_add_varint(m->body, b->runs[i].layout);
        th_buf_add_varint(m->body, b->runs[i].rows);
    }
}

static th_err put_times(image *m)
{
    const th_segment_builder *b = m->b;
    int64_t first = INT64_MAX, last = INT64_MIN;
    uint32_t timed = 0;
    th_arena_reset(m->shared->scratch);
    int64_t *times = th_arena_alloc(m->shared->scratch, (size_t)b->rows * sizeof(int64_t));
    uint32_t *flags = th_arena_alloc(m->shared->scratch, (size_t)b->rows * sizeof(uint32_t));
    if (times == NULL || flags == NULL) return TH_ELIMIT;
    for (uint32_t row = 0; row < b->rows; row++) {
        flags[row] = b->timed[row];
        if (!b->timed[row]) continue;
        times[timed++] = b->times[row];
        if (b->times[row] < first) first = b->times[row];
        if (b->times[row] > last) last = b->times[row];
    }
    bool same = timed == b->rows && first == last;
    th_buf_add_byte(m->body, timed == 0 ? SEGMENT_TIMES_NONE
                             : same     ? SEGMENT_TIMES_SAME
                                        : SEGMENT_TIMES_INTS);
    if (timed == 0) return TH_OK;
    th_buf_add_u64(m->body, (uint64_t)first);
    th_buf_add_u64(m->body, (uint64_t)last);
    if (same) return TH_OK;
    th_buf_add_varint(m->body, b->rows - timed);
    if (timed < b->rows) TH_TRY(segment_encode_codes(&m->encoder, flags, b->rows, 2));
    return segment_encode_ints(&m->encoder, times, timed);
}

static th_err put_plain(image *m, th_slice *values, size_t count)
{
    segment_array array = {(uint32_t)count, NULL, values, (uint32_t)count};
    return segment_encode_array(&m->encoder, &array);
}

static th_err put_whole(image *m)
{
    const th_segment_builder *b = m->b;
    th_buf_add_varint(m->body, b->whole_count);
    if (b->whole_count == 0) return TH_OK;
    th_slice *values = TH_NEW_ARRAY(m->shared->arena, th_slice, b->whole_count);
    if (values == NULL) return TH_ELIMIT;
    const uint8_t *at = b->whole.bytes;
    for (uint32_t i = 0; i < b->whole_count; i++) {
        values[i] = th_slice_of(at, b->whole_sizes[i]);
        if (b->whole_sizes[i] > 0) at += b->whole_sizes[i]; /* of empty records alone: no bytes */
    }
    return put_plain(m, values, b->whole_count);
}

/* ---- nodes, literals, columns ---- */

/* The image's number of a node, its parents before it. */
static th_err put_node(image *m, build_map *map, segment_memory *memory, th_buf *nodes,
                       uint32_t node, uint32_t *out)
{
    const segment_shaper *shaper = m->b->book->shaper;
    uint32_t chain[SEGMENT_DEPTH_MAX + 1], depth = 0, parent, field;
    segment_node_kind kind;
    th_slice key;
    *out = 0;
    for (uint32_t at = node; at != 0; at = parent) {
        uint32_t known = build_map_get(map, at);
        if (known != BUILD_NONE) {
            *out = known;
            break;
        }
        TH_ASSERT(depth <= SEGMENT_DEPTH_MAX);
        chain[depth++] = at;
        segment_shaper_node(shaper, at, &parent, &kind, &key, &field);
    }
    while (depth > 0) {
        uint32_t at = chain[--depth];
        segment_shaper_node(shaper, at, &parent, &kind, &key, &field);
        th_buf_add_varint(nodes, *out);
        th_buf_add_byte(nodes, (uint8_t)kind);
        if (kind == SEGMENT_NODE_MEMBER) {
            th_buf_add_varint(nodes, key.size);
            th_buf_add_slice(nodes, key);
        } else if (kind == SEGMENT_NODE_FIELD) {
            th_buf_add_varint(nodes, field);
        }
        *out = map->count + 1;
        TH_TRY(build_map_put(map, memory, at, *out));
    }
    return TH_OK;
}

static th_err put_nodes(image *m, uint32_t *column_nodes)
{
    const th_segment_builder *b = m->b;
    build_map map = {0};
    segment_memory memory = {0};
    th_buf *nodes = &m->shared->record;
    th_buf_clear(nodes);
    th_err err = TH_OK;
    for (uint32_t i = 0; err == TH_OK && i < b->column_count; i++) {
        uint32_t node;
        segment_leaf_kind kind;
        segment_shaper_column(b->book->shaper, b->columns[i].number, &node, &kind);
        err = put_node(m, &map, &memory, nodes, node, &column_nodes[i]);
    }
    th_buf_add_varint(m->body, map.count);
    if (map.count > 0) put_payload(m, nodes);
    build_map_free(&map, &memory);
    return err;
}

/* Literals of the image's shapes; map: the shaper's numbers to the image's. */
static th_err put_literals(image *m, build_map *map, segment_memory *memory)
{
    const th_segment_builder *b = m->b;
    const segment_shaper *shaper = b->shape_count == 0 ? NULL : b->book->shaper;
    th_buf *sizes = &m->shared->record, *bytes = &m->shared->directory;
    th_buf_clear(sizes);
    th_buf_clear(bytes);
    for (uint32_t s = 0; s < b->shape_count; s++) {
        segment_shape learnt;
        segment_shaper_shape(shaper, b->shapes[s].number, &learnt);
        for (uint32_t i = 0; i <= learnt.slots; i++) {
            if (build_map_get(map, learnt.literals[i]) != BUILD_NONE) continue;
            th_slice text = segment_shaper_literal(shaper, learnt.literals[i]);
            th_buf_add_varint(sizes, text.size);
            th_buf_add_slice(bytes, text);
            TH_TRY(build_map_put(map, memory, learnt.literals[i], map->count));
        }
    }
    TH_TRY(th_buf_error(bytes));
    th_buf_add_slice(sizes, th_buf_slice(bytes));
    th_buf_add_varint(m->body, map->count);
    if (map->count > 0) put_payload(m, sizes);
    return TH_OK;
}

static th_err put_reference(image *m, const build_column *c, const build_reference *r)
{
    th_buf_add_varint(m->body, r->target);
    th_buf_add_varint(m->body, r->other_count);
    if (r->other_count == 0) return TH_OK;
    TH_TRY(segment_encode_codes(&m->encoder, r->flags, c->count, 2));
    th_slice *others = TH_NEW_ARRAY(m->shared->scratch, th_slice, r->other_count);
    if (others == NULL) return TH_ELIMIT;
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->count; i++)
        if (r->flags[i]) others[n++] = build_column_value(c, i);
    return put_plain(m, others, n);
}

static th_err put_column(image *m, uint32_t i, uint32_t node)
{
    const th_segment_builder *b = m->b;
    const build_column *c = &b->columns[i];
    uint32_t shaper_node;
    segment_leaf_kind kind;
    segment_shaper_column(b->book->shaper, c->number, &shaper_node, &kind);
    th_buf_add_varint(m->body, node);
    th_buf_add_byte(m->body, (uint8_t)kind);
    th_buf_add_varint(m->body, c->count);
    th_buf_add_byte(m->body, m->held[i]);
    th_arena_reset(m->shared->scratch);
    if (m->held[i] == BUILD_RESIDUAL) return TH_OK;
    if (m->held[i] == BUILD_REFERENCE) return put_reference(m, c, &m->references[i]);
    segment_array array;
    segment_memory memory = {0};
    TH_TRY(segment_grow(&memory, (void **)&m->shared->slices, &m->shared->slices_room, c->count,
                        sizeof(th_slice)));
    if (!build_column_array(c, m->shared->scratch, m->shared->slices, &array)) return TH_ELIMIT;
    return segment_encode_array(&m->encoder, &array);
}

static th_err put_columns(image *m)
{
    th_segment_builder *b = m->b;
    if (b->shape_count == 0) {
        for (int part = 0; part < 4; part++) th_buf_add_varint(m->body, 0);
        return TH_OK;
    }
    uint32_t *nodes = TH_NEW_ARRAY(m->shared->arena, uint32_t, b->column_count + 1u);
    if (nodes == NULL) return TH_ELIMIT;
    TH_TRY(put_nodes(m, nodes));
    build_map literals = {0};
    segment_memory memory = {0};
    th_err err = put_literals(m, &literals, &memory);
    th_buf_add_varint(m->body, b->column_count);
    for (uint32_t i = 0; err == TH_OK && i < b->column_count; i++) err = put_column(m, i, nodes[i]);
    th_buf *shapes = &m->shared->record;
    th_buf_clear(shapes);
    for (uint32_t s = 0; err == TH_OK && s < b->shape_count; s++) {
        segment_shape learnt;
        segment_shaper_shape(b->book->shaper, b->shapes[s].number, &learnt);
        const uint32_t *columns = build_shape_columns(b, &b->shapes[s]);
        th_buf_add_varint(shapes, learnt.slots);
        for (uint32_t i = 0; i <= learnt.slots; i++) {
            th_buf_add_varint(shapes, build_map_get(&literals, learnt.literals[i]));
            if (i < learnt.slots) th_buf_add_varint(shapes, columns[i]);
        }
    }
    th_buf_add_varint(m->body, b->shape_count);
    if (b->shape_count > 0) put_payload(m, shapes);
    build_map_free(&literals, &memory);
    return err;
}

/* ---- rows, residual values ---- */

static th_err put_rows(image *m)
{
    const th_segment_builder *b = m->b;
    if (b->shape_count == 0) return TH_OK;
    th_arena_reset(m->shared->scratch);
    uint32_t *codes = th_arena_alloc(m->shared->scratch, (size_t)b->rows * sizeof(uint32_t));
    if (codes == NULL) return TH_ELIMIT;
    for (uint32_t row = 0; row < b->rows; row++) codes[row] = b->row_shapes[row];
    return segment_encode_codes(&m->encoder, codes, b->rows, b->shape_count + 1);
}

static th_err put_residual(image *m)
{
    const th_segment_builder *b = m->b;
    uint32_t count = 0, n = 0;
    for (uint32_t i = 0; i < b->column_count; i++)
        if (m->held[i] == BUILD_RESIDUAL) count += b->columns[i].count;
    th_buf_add_varint(m->body, count);
    if (count == 0) return TH_OK;
    th_arena *arena = m->shared->scratch;
    th_arena_reset(arena);
    th_slice *values = TH_NEW_ARRAY(arena, th_slice, count);
    uint32_t *next = TH_NEW_ARRAY(arena, uint32_t, b->column_count);
    bool *some = TH_NEW_ARRAY(arena, bool, b->shape_count + 1u);
    if (values == NULL || next == NULL || some == NULL) return TH_ELIMIT;
    for (uint32_t s = 0; s < b->shape_count; s++)
        for (uint32_t i = 0; i < b->shapes[s].slots; i++)
            some[s + 1] |= m->held[build_shape_columns(b, &b->shapes[s])[i]] == BUILD_RESIDUAL;
    for (uint32_t row = 0; row < b->rows; row++) {
        uint32_t s = b->row_shapes[row];
        if (!some[s]) continue;
        const uint32_t *columns = build_shape_columns(b, &b->shapes[s - 1]);
        for (uint32_t i = 0; i < b->shapes[s - 1].slots; i++) {
            if (m->held[columns[i]] != BUILD_RESIDUAL) continue;
            values[n++] = build_column_value(&b->columns[columns[i]], next[columns[i]]++);
        }
    }
    TH_ASSERT(n == count);
    return put_plain(m, values, count);
}

/* ---- the image ---- */

static th_err choose_held(image *m)
{
    const th_segment_builder *b = m->b;
    m->held = TH_NEW_ARRAY(m->shared->arena, uint8_t, b->column_count + 1u);
    m->references = TH_NEW_ARRAY(m->shared->arena, build_reference, b->column_count + 1u);
    if (m->held == NULL || m->references == NULL) return TH_ELIMIT;
    for (uint32_t i = 0; i < b->column_count; i++)
        m->held[i] = b->columns[i].count <= BUILD_RESIDUAL_MAX ? BUILD_RESIDUAL : BUILD_CODEC;
    if (b->tier != TH_TIER_COMPACT) return TH_OK;
    return build_find_references(b, m->shared->arena, m->held, m->references);
}

static th_err put_pool(image *m)
{
    uint32_t count = m->encoder.pool == NULL ? 0 : segment_pool_count(m->encoder.pool);
    th_buf_add_varint(m->body, count);
    if (count == 0) return TH_OK;
    th_arena_reset(m->shared->scratch);
    return segment_encode_pool(&m->encoder, m->encoder.pool);
}

static th_err put_parts(image *m)
{
    put_layouts(m);
    TH_TRY(put_times(m));
    TH_TRY(put_whole(m));
    TH_TRY(choose_held(m));
    TH_TRY(put_columns(m));
    TH_TRY(put_rows(m));
    TH_TRY(put_residual(m));
    TH_TRY(put_pool(m));
    TH_TRY(build_put_zones(m->b, m->body));
    return th_buf_error(m->body);
}

/* Chunk table and body, packed when that is smaller; then the header. */
static th_err close_image(image *m, th_buf *out, size_t base)
{
    const th_segment_builder *b = m->b;
    th_buf *raw = &m->shared->directory;
    th_buf_clear(raw);
    th_buf_add_varint(raw, m->shared->payloads.count);
    th_buf_add_slice(raw, th_buf_slice(&m->shared->payloads.chunks));
    th_buf_add_slice(raw, th_buf_slice(m->body));
    TH_TRY(th_buf_error(raw));
    if (raw->size > LZ4_MAX_INPUT_SIZE) return TH_ELIMIT;
    size_t at = out->size, stored = raw->size;
    uint8_t *room = th_buf_reserve(out, raw->size);
    if (room == NULL) return th_buf_error(out);
    int packed = LZ4_compress_default((const char *)raw->bytes, (char *)room, (int)raw->size,
                                      (int)raw->size - 1);
    if (packed > 0)
        stored = (size_t)packed;
    else
        memcpy(room, raw->bytes, raw->size);
    th_buf_grow(out, stored);
    segment_header header = {.magic = SEGMENT_MAGIC,
                             .version = SEGMENT_VERSION,
                             .flags = b->tier == TH_TIER_COMPACT ? SEGMENT_FLAG_COMPACT : 0,
                             .rows = b->rows,
                             .table = (uint32_t)b->table->id,
                             .raw_bytes = b->raw_bytes,
                             .image_bytes = out->size - base,
                             .directory_at = at - base,
                             .directory_stored = (uint32_t)stored,
                             .directory_raw = (uint32_t)raw->size,
                             .directory_hash = th_xxh3(th_slice_of(out->bytes + at, stored))};
    header.header_hash = th_xxh3(th_slice_of(&header, offsetof(segment_header, header_hash)));
    memcpy(out->bytes + base, &header, sizeof(header));
    return TH_OK;
}

static th_err write_image(th_segment_builder *b, th_buf *out)
{
    th_segment_shaper *shared = b->shared;
    segment_tier_effort effort =
        b->tier == TH_TIER_COMPACT ? SEGMENT_EFFORT_COMPACT : SEGMENT_EFFORT_FAST;
    image m = {.b = b, .shared = shared, .body = &shared->body};
    size_t base = out->size;
    segment_header empty = {0};
    th_buf_add(out, &empty, sizeof(empty));
    TH_TRY(th_buf_error(out));
    th_buf_clear(m.body);
    th_arena_reset(shared->arena);
    th_arena_reset(shared->scratch);
    segment_payload_begin(&shared->payloads, out, effort);
    m.encoder = (segment_encoder){.payloads = &shared->payloads,
                                  .directory = m.body,
                                  .effort = effort,
                                  .scratch = shared->scratch};
    if (b->tier == TH_TIER_COMPACT) {
        if (shared->pool == NULL) shared->pool = segment_pool_new(shared->budget);
        if (shared->pool == NULL) return TH_ENOMEM;
        segment_pool_clear(shared->pool);
        m.encoder.pool = shared->pool;
    }
    TH_TRY(put_parts(&m));
    TH_TRY(segment_payload_end(&shared->payloads));
    return close_image(&m, out, base);
}

/* All rows become whole records: columns are gone afterwards. */
static th_err make_whole(th_segment_builder *b)
{
    th_buf all;
    th_buf_init(&all, SEGMENT_CHUNK_MAX);
    build_walk walk;
    th_arena_reset(b->shared->arena);
    uint32_t *sizes = TH_NEW_ARRAY(b->shared->arena, uint32_t, b->rows);
    th_err err = sizes != NULL && build_walk_begin(&walk, b, b->shared->arena) ? TH_OK : TH_ELIMIT;
    for (uint32_t row = 0; err == TH_OK && row < b->rows; row++) {
        err = build_walk_record(&walk, &b->shared->record);
        th_buf_add_slice(&all, th_buf_slice(&b->shared->record));
        sizes[row] = (uint32_t)b->shared->record.size;
    }
    if (err == TH_OK) err = th_buf_error(&all);
    if (err == TH_OK)
        err = segment_grow(&b->memory, (void **)&b->whole_sizes, &b->whole_room, b->rows,
                           sizeof(uint32_t));
    if (err == TH_OK) {
        memcpy(b->whole_sizes, sizes, b->rows * sizeof(uint32_t));
        memset(b->row_shapes, 0, b->rows * sizeof(uint16_t));
        th_buf_clear(&b->whole);
        th_buf_add_slice(&b->whole, th_buf_slice(&all));
        err = th_buf_error(&b->whole);
        b->whole_count = b->rows;
        b->column_count = b->shape_count = 0;
    }
    th_buf_free(&all);
    return err;
}

th_err build_write(th_segment_builder *b, th_buf *out)
{
    size_t base = out->size;
    TH_TRY(write_image(b, out));
    size_t most = b->tier == TH_TIER_COMPACT ? BUILD_TRY_WHOLE_COMPACT : BUILD_TRY_WHOLE_FAST;
    if (b->raw_bytes > most || b->shape_count == 0) return TH_OK;
    th_buf *second = &b->shared->second;
    th_buf_clear(second);
    TH_TRY(make_whole(b));
    TH_TRY(write_image(b, second));
    if (second->size >= out->size - base) return TH_OK;
    out->size = base;
    th_buf_add_slice(out, th_buf_slice(second));
    return th_buf_error(out);
}
