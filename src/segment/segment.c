/* SPDX-License-Identifier: Apache-2.0
 * The door of the readers: the header is checked here, its version chooses who reads the rest. */
#include <stdlib.h>

#include "base/assert.h"
#include "base/hash.h"
#include "segment/reader.h"

static void segment_check(const th_segment *segment)
{
    TH_ASSERT(segment != NULL);
    TH_ASSERT(segment->magic == SEGMENT_OPEN_MAGIC);
}

static th_err check_sizes(th_slice image, const segment_header *h, th_diag *diag)
{
    bool sane = h->image_bytes == image.size && h->directory_at >= sizeof(*h) &&
                h->directory_at <= image.size &&
                h->directory_stored == image.size - h->directory_at &&
                h->rows <= TH_SEGMENT_ROWS_MAX && h->raw_bytes <= TH_SEGMENT_RAW_MAX;
    return sane ? TH_OK : th_fail(diag, TH_ECORRUPT, NULL, "segment header has impossible sizes");
}

static th_err read_header(th_slice image, segment_header *header, th_diag *diag)
{
    if (image.size < sizeof(*header))
        return th_fail(diag, TH_ECORRUPT, NULL, "segment is cut short");
    memcpy(header, image.bytes, sizeof(*header));
    if (header->magic != SEGMENT_MAGIC) return th_fail(diag, TH_ECORRUPT, NULL, "not a segment");
    if (header->version == 0 || header->version > SEGMENT_VERSION) {
        return th_fail(diag, TH_EVERSION, NULL, "segment has format version %u, known are 1 to %u",
                       (unsigned)header->version, SEGMENT_VERSION);
    }
    if (th_xxh3(th_slice_of(header, offsetof(segment_header, header_hash))) != header->header_hash)
        return th_fail(diag, TH_ECORRUPT, NULL, "segment header does not match its checksum");
    TH_TRY(check_sizes(image, header, diag));
    th_slice directory = {image.bytes + header->directory_at, header->directory_stored};
    if (th_xxh3(directory) != header->directory_hash)
        return th_fail(diag, TH_ECORRUPT, NULL, "segment directory does not match its checksum");
    if (th_model_table(header->table) == NULL)
        return th_fail(diag, TH_EVERSION, NULL, "segment is of table %u, which is not known",
                       header->table);
    return TH_OK;
}

th_err th_segment_open_within(th_slice image, th_budget *budget, th_segment **out, th_diag *diag)
{
    static th_err (*const openers[SEGMENT_VERSION])(th_slice, const segment_header *, th_budget *,
                                                    th_segment **) = {segment_v1_open,
                                                                      segment_v2_open};
    segment_header header;
    TH_TRY(read_header(image, &header, diag));
    th_err err = openers[header.version - 1](image, &header, budget, out);
    if (err == TH_OK) return TH_OK;
    return th_fail(diag, err, NULL,
                   err == TH_ECORRUPT ? "segment directory is not consistent"
                                      : "no memory to open a segment");
}

th_err th_segment_open(th_slice image, th_segment **out, th_diag *diag)
{
    return th_segment_open_within(image, NULL, out, diag);
}

void th_segment_close(th_segment *s)
{
    if (s == NULL) return;
    segment_check(s);
    s->ops->close(s);
    free(s->layouts);
    free(s->runs);
    s->magic = 0;
    free(s);
}

th_err th_segment_search(const th_segment *s, th_slice text, uint64_t *bits, uint64_t *bytes_read)
{
    segment_check(s);
    if (s->ops->search == NULL) return TH_EUNSUPPORTED;
    return s->ops->search(s, text, bits, bytes_read);
}

size_t th_segment_held(const th_segment *s)
{
    segment_check(s);
    return atomic_load_explicit(&s->held, memory_order_relaxed);
}

uint32_t th_segment_rows(const th_segment *s)
{
    segment_check(s);
    return s->rows;
}

uint64_t th_segment_raw_bytes(const th_segment *s)
{
    segment_check(s);
    return s->raw_bytes;
}

th_segment_tier th_segment_tier_of(const th_segment *s)
{
    segment_check(s);
    return s->tier;
}

bool th_segment_times(const th_segment *s, int64_t *first_us, int64_t *last_us)
{
    segment_check(s);
    if (!s->has_times) return false;
    *first_us = s->first_us;
    *last_us = s->last_us;
    return true;
}

th_slice th_segment_layout(const th_segment *s, uint32_t row)
{
    segment_check(s);
    TH_ASSERT(row < s->rows);
    if (s->run_count == 0) return (th_slice){NULL, 0};
    return s->layouts[s->runs[segment_run_of(s, row)].layout];
}

th_err th_segment_records(const th_segment *s, uint32_t begin, uint32_t count, th_arena *arena,
                          th_slice *out)
{
    segment_check(s);
    TH_ASSERT(begin <= s->rows && count <= s->rows - begin);
    return count == 0 ? TH_OK : s->ops->records(s, begin, count, arena, out);
}

th_err th_segment_read_column(const th_segment *s, const char *path, uint32_t begin, uint32_t count,
                              th_arena *arena, th_segment_column *out, uint64_t *bytes_read)
{
    segment_check(s);
    TH_ASSERT(begin <= s->rows && count <= s->rows - begin);
    if (count > 0) return s->ops->column(s, path, begin, count, arena, out, bytes_read);
    *out = (th_segment_column){0};
    return TH_OK;
}

th_err th_segment_read_times(const th_segment *s, uint32_t begin, uint32_t count, th_arena *arena,
                             int64_t *out)
{
    (void)arena;
    segment_check(s);
    TH_ASSERT(begin <= s->rows && count <= s->rows - begin);
    return count == 0 ? TH_OK : s->ops->times(s, begin, count, out);
}

bool th_segment_zone(const th_segment *s, const char *path, th_slice *min, th_slice *max)
{
    segment_check(s);
    return s->ops->zone(s, path, min, max);
}

bool th_segment_may_equal(const th_segment *s, const char *path, th_slice value)
{
    segment_check(s);
    return s->ops->may_equal(s, path, value);
}

th_err th_segment_verify(const th_segment *s, th_diag *diag)
{
    segment_check(s);
    return s->ops->verify(s, diag);
}

/* ---- cursors ---- */

#define CURSOR_MAGIC UINT32_C(0x53454743)
#define CURSOR_BYTES (768u << 10) /* still in the cache when it is hashed and handed on */
#define CURSOR_ARENA_MAX ((size_t)1 << 30)

struct th_segment_cursor {
    uint32_t magic;
    const th_segment *segment;
    th_arena *arena;
    void *scan; /* of versions that have one */
    uint32_t row;
};

th_err th_segment_cursor_open(const th_segment *s, uint32_t begin, th_budget *budget,
                              th_segment_cursor **out)
{
    segment_check(s);
    TH_ASSERT(begin <= s->rows);
    th_segment_cursor *c = calloc(1, sizeof(*c));
    if (c == NULL) return TH_ENOMEM;
    *c = (th_segment_cursor){.magic = CURSOR_MAGIC, .segment = s, .row = begin};
    c->arena = th_arena_new(CURSOR_ARENA_MAX, budget);
    th_err err = c->arena == NULL ? TH_ENOMEM : TH_OK;
    if (err == TH_OK) th_arena_keep(c->arena, CURSOR_BYTES);
    if (err == TH_OK && s->ops->scan_open != NULL && begin < s->rows)
        err = s->ops->scan_open(s, begin, budget, &c->scan);
    if (err != TH_OK)
        th_segment_cursor_close(c);
    else
        *out = c;
    return err;
}

/* Rows that make about CURSOR_BYTES when records are of average size. */
static uint32_t fair_share(const th_segment_cursor *c, uint32_t most)
{
    const th_segment *s = c->segment;
    uint64_t rows = (uint64_t)CURSOR_BYTES * s->rows / (s->raw_bytes + 1) + 1;
    if (rows > most) rows = most;
    if (rows > s->rows - c->row) rows = s->rows - c->row;
    return (uint32_t)rows;
}

th_err th_segment_cursor_next(th_segment_cursor *c, uint32_t most, const th_slice **records,
                              uint32_t *count)
{
    TH_ASSERT(c != NULL && c->magic == CURSOR_MAGIC);
    th_arena_reset(c->arena);
    uint32_t rows = fair_share(c, most);
    *records = NULL;
    *count = rows;
    if (rows == 0) return TH_OK;
    th_slice *out = TH_NEW_ARRAY(c->arena, th_slice, rows);
    if (out == NULL) return TH_ELIMIT;
    const segment_ops *ops = c->segment->ops;
    TH_TRY(c->scan != NULL ? ops->scan_next(c->scan, rows, c->arena, out)
                           : ops->records(c->segment, c->row, rows, c->arena, out));
    c->row += rows;
    *records = out;
    return TH_OK;
}

void th_segment_cursor_close(th_segment_cursor *c)
{
    if (c == NULL) return;
    TH_ASSERT(c->magic == CURSOR_MAGIC);
    if (c->scan != NULL) c->segment->ops->scan_close(c->scan);
    th_arena_free(c->arena);
    c->magic = 0;
    free(c);
}
