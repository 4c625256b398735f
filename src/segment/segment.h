/* SPDX-License-Identifier: Apache-2.0
 * An immutable run of rows of one stored table, compressed; the image is position independent: it knows neither day,
 * sequence, nor log position (store/ keeps those beside it). Layout: docs/FORMAT.md.
 *
 * Every record comes back byte for byte. Threads: an open segment may be read from any thread. */
#ifndef TH_SEGMENT_SEGMENT_H
#define TH_SEGMENT_SEGMENT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/hash.h"
#include "model/model.h"

typedef struct th_segment_builder th_segment_builder;

/* NULL: no memory. budget may be NULL. */
th_segment_builder *th_segment_builder_new(const th_stored_table *table, th_budget *budget);
void th_segment_builder_free(th_segment_builder *builder); /* accepts NULL */
/* What builders of one thread may share: what was learnt about how records are written, and the memory that finish needs.
 * With it many builders (one a day) together cost little more than their rows. Must outlive its builders. */
typedef struct th_segment_shaper th_segment_shaper;
th_segment_shaper *th_segment_shaper_new(
    th_budget *budget);                                 /* NULL: no memory. budget may be NULL */
void th_segment_shaper_free(th_segment_shaper *shared); /* accepts NULL */
/* shared NULL: one of its own. */
th_segment_builder *th_segment_builder_new_sharing(const th_stored_table *table, th_budget *budget,
                                                   th_segment_shaper *shared);
/* Append a row. layout: see model.h. time_us: the event time, has_time false = none. Copies what it needs.
 * TH_ELIMIT: full (TH_SEGMENT_ROWS_MAX rows or TH_SEGMENT_RAW_MAX bytes; a first row always fits up to the record limit). */
TH_MUST_CHECK th_err th_segment_builder_add(th_segment_builder *builder, th_slice record,
                                            th_slice layout, bool has_time, int64_t time_us);
/* How hard finish tries: FAST at ingest, COMPACT in the background (some 10 times slower, 25 % smaller). Kept by finish. */
typedef enum th_segment_tier { TH_TIER_FAST, TH_TIER_COMPACT } th_segment_tier;
void th_segment_builder_set_tier(th_segment_builder *builder, th_segment_tier tier);
uint32_t th_segment_builder_rows(const th_segment_builder *builder);
uint64_t th_segment_builder_bytes(const th_segment_builder *builder); /* raw record bytes so far */
/* Append the image to out; the builder is empty again afterwards. */
TH_MUST_CHECK th_err th_segment_builder_finish(th_segment_builder *builder, th_buf *out);

typedef struct th_segment th_segment;

/* Check and open the image. Borrows bytes until th_segment_close. The directory's checksum and all offsets are checked
 * here, once; later calls trust them. TH_ECORRUPT, TH_EVERSION (written by a newer version), TH_ENOMEM. */
TH_MUST_CHECK th_err th_segment_open(th_slice image, th_segment **out, th_diag *diag);
/* The same, charged to a budget: what opening takes, and what the segment keeps decoded later. The budget outlives it.
 * TH_ELIMIT, TH_ENOMEM: it has no room. */
TH_MUST_CHECK th_err th_segment_open_within(th_slice image, th_budget *budget, th_segment **out,
                                            th_diag *diag);
void th_segment_close(th_segment *segment); /* accepts NULL */
/* Bytes that it keeps at present beside its image, about; they grow when it is read. Never waits. */
size_t th_segment_held(const th_segment *segment);
uint32_t th_segment_rows(const th_segment *segment);
uint64_t th_segment_raw_bytes(const th_segment *segment);
/* False when no row has a time. Both inclusive, us. */
bool th_segment_times(const th_segment *segment, int64_t *first_us, int64_t *last_us);

/* Exact bytes of rows [begin, begin + count), in the arena: out[count]. TH_ECORRUPT, TH_ELIMIT. */
TH_MUST_CHECK th_err th_segment_records(const th_segment *segment, uint32_t begin, uint32_t count,
                                        th_arena *arena, th_slice *out);
/* The tier it was written with; images of earlier versions count as FAST. */
th_segment_tier th_segment_tier_of(const th_segment *segment);
/* Rows in order, for merges, exports and scans of whole records: keeps what it decoded between calls, charged
 * to budget (may be NULL). One thread; the segment stays open meanwhile. */
typedef struct th_segment_cursor th_segment_cursor;
TH_MUST_CHECK th_err th_segment_cursor_open(const th_segment *segment, uint32_t begin,
                                            th_budget *budget, th_segment_cursor **out);
/* The next records, at most most rows and about 1 MiB of them; *count 0: the end. Valid until the next call. */
TH_MUST_CHECK th_err th_segment_cursor_next(th_segment_cursor *cursor, uint32_t most,
                                            const th_slice **records, uint32_t *count);
void th_segment_cursor_close(th_segment_cursor *cursor); /* accepts NULL */
/* Layout of a row (empty for JSON). Borrowed from the image or the segment. */
th_slice th_segment_layout(const th_segment *segment, uint32_t row);

/* Values of one path for rows [begin, begin + count): only what holds them is read; bytes_read grows by the stored bytes of
 * that.
 * Values are: kind per row NONE (absent), NULL, or text: decoded text of strings, raw JSON of all else.
 * When the column is held as a dictionary, codes and dictionary are set (dictionary holds distinct values, entry kinds
 * in kinds); else values and kinds have a value a row.
 * What out points to lives in the arena or in the segment: valid until the arena is reset or the segment closed,
 * whichever is first. A dictionary is the same memory at each call (as long as the segment keeps less than some MiB of
 * them; what was handed out stays).
 *
 * path: "a.b.c"; "a|b" takes the first alternative that is neither absent nor null. At each step the key spelt exactly
 * so (in a stored column's path, for those) is preferred, else the first that differs only in the case of ASCII letters
 * is taken; with '=' before the path
 * ("=requestParameters.bucketName", as json_extract wants it) only exact spelling counts. LINE: a field name of the
 * layout; '-' as value is NULL. bytes_read counts in proportion to the rows, also when something was decoded before. */
typedef enum th_cell_kind {
    TH_CELL_ABSENT,
    TH_CELL_NULL,
    TH_CELL_STRING,
    TH_CELL_JSON
} th_cell_kind;
typedef struct th_segment_column {
    uint32_t value_count; /* of values and kinds: rows, or dictionary entries */
    const th_slice *values;
    const uint8_t *kinds;  /* th_cell_kind */
    const uint32_t *codes; /* a row each, or NULL */
} th_segment_column;
TH_MUST_CHECK th_err th_segment_read_column(const th_segment *segment, const char *path,
                                            uint32_t begin, uint32_t count, th_arena *arena,
                                            th_segment_column *out, uint64_t *bytes_read);
/* Event times of rows in us; INT64_MIN where there is none. */
TH_MUST_CHECK th_err th_segment_read_times(const th_segment *segment, uint32_t begin,
                                           uint32_t count, th_arena *arena, int64_t *out);
/* Smallest and largest text of a stored column, or false when the path is not stored or has no text. Borrowed. */
bool th_segment_zone(const th_segment *segment, const char *path, th_slice *min, th_slice *max);
/* Can any row's text at path equal value? False only when certainly none does. */
bool th_segment_may_equal(const th_segment *segment, const char *path, th_slice value);
/* Set a bit for each row whose record holds the bytes; bits has one for each row and begins as zeroes. TH_EUNSUPPORTED: the
 * text could lie across values (it has one of " , : { } [ ], blanks or control characters), or the image is none that can
 * be searched: look at the records. */
TH_MUST_CHECK th_err th_segment_search(const th_segment *segment, th_slice text, uint64_t *bits,
                                       uint64_t *bytes_read);
/* Decode everything and compare with the checksums inside. TH_ECORRUPT with the place in diag. */
TH_MUST_CHECK th_err th_segment_verify(const th_segment *segment, th_diag *diag);

#endif
