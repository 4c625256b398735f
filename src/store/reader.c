/* SPDX-License-Identifier: Apache-2.0
 * Runs of records read in turn. A content's records mostly follow those of the content before it: a few places in
 * segments are kept open with what is decoded there, and a run that goes on from one of them decodes nothing twice. */
#include <stdlib.h>

#include "base/assert.h"
#include "store/reader.h"
#include "store/store_private.h"

enum { PLACES = 8, SKIP_MAX = 4096 };

typedef struct place {
    const th_loaded *loaded; /* NULL: free */
    th_segment_cursor *cursor;
    const th_slice *records; /* handed out by the cursor and not used yet */
    uint32_t row, left;      /* of the first of them; how many */
    uint64_t used;           /* when, for taking the oldest away */
} place;

struct th_record_reader {
    th_version *version;
    th_budget *budget;
    place places[PLACES];
    uint32_t place_count; /* in use */
    uint64_t turns;
};

th_record_reader *th_record_reader_new(th_version *version, th_budget *budget)
{
    th_record_reader *reader = calloc(1, sizeof(*reader));
    if (reader == NULL) return NULL;
    reader->version = version;
    reader->budget = budget;
    reader->place_count = PLACES;
    return reader;
}

void th_record_reader_keep(th_record_reader *reader, uint32_t places)
{
    TH_ASSERT(places > 0 && places <= PLACES && reader->turns == 0);
    reader->place_count = places;
}

static void place_close(place *p)
{
    th_segment_cursor_close(p->cursor);
    if (p->loaded != NULL) th_version_unload(p->loaded);
    *p = (place){0};
}

void th_record_reader_free(th_record_reader *reader)
{
    if (reader == NULL) return;
    for (uint32_t i = 0; i < PLACES; i++) place_close(&reader->places[i]);
    free(reader);
}

/* Does the place's segment hold the row? */
static bool place_holds(const place *p, const th_record_id *id)
{
    if (p->loaded == NULL) return false;
    const th_segment_ref *ref = &p->loaded->ref;
    return ref->table == id->table && ref->day == id->day && id->seq >= ref->first_seq &&
           id->seq - ref->first_seq < ref->rows;
}

static th_err place_open(th_record_reader *reader, place *p, const th_record_id *id, th_diag *diag)
{
    place_close(p);
    th_segment_ref ref;
    th_err err = store_find_row(reader->version, id, &ref, diag);
    if (err != TH_OK)
        return th_fail(diag, err, NULL, "record %llu of a run is not there",
                       (unsigned long long)id->seq);
    return th_version_load(reader->version, &ref, &p->loaded, diag);
}

/* A place whose next record is the row. */
static th_err seek(th_record_reader *reader, const th_record_id *id, place **out, th_diag *diag)
{
    place *oldest = &reader->places[0], *found = NULL;
    for (uint32_t i = 0; i < reader->place_count && found == NULL; i++) {
        if (place_holds(&reader->places[i], id)) found = &reader->places[i];
        if (reader->places[i].used < oldest->used) oldest = &reader->places[i];
    }
    if (found == NULL) {
        TH_TRY(place_open(reader, oldest, id, diag));
        found = oldest;
    }
    found->used = ++reader->turns;
    *out = found;
    uint32_t row = (uint32_t)(id->seq - found->loaded->ref.first_seq);
    if (found->cursor != NULL && found->row <= row && row - found->row < found->left + SKIP_MAX)
        return TH_OK;
    th_segment_cursor_close(found->cursor);
    found->cursor = NULL;
    found->left = 0;
    found->row = row;
    th_err err =
        th_segment_cursor_open(found->loaded->segment, row, reader->budget, &found->cursor);
    return err == TH_OK ? TH_OK
                        : th_fail(diag, err, NULL, "cannot read records: %s", th_err_text(err));
}

/* Hand over rows from `row` on, at most count: *done of them. */
static th_err hand_over(place *p, uint32_t row, uint64_t count, th_records_fn fn, void *ctx,
                        uint64_t *done, th_diag *diag)
{
    *done = 0;
    while (p->row + p->left <= row) {
        p->row += p->left;
        th_err err = th_segment_cursor_next(p->cursor, SKIP_MAX, &p->records, &p->left);
        if (err == TH_OK && p->left == 0) err = TH_ECORRUPT;
        if (err != TH_OK) {
            th_segment_cursor_close(p->cursor);
            p->cursor = NULL;
            p->left = 0;
            return th_fail(diag, err, NULL, "cannot read records: %s", th_err_text(err));
        }
    }
    uint32_t skip = row - p->row;
    uint64_t rows = p->left - skip < count ? p->left - skip : count;
    th_err err = fn(ctx, p->records + skip, (uint32_t)rows);
    p->records += skip + rows;
    p->left -= skip + (uint32_t)rows;
    p->row = row + (uint32_t)rows;
    *done = rows;
    return err;
}

th_err th_record_reader_run(th_record_reader *reader, uint32_t table, int32_t day, uint64_t seq,
                            uint64_t count, th_records_fn fn, void *ctx, th_diag *diag)
{
    if (seq > UINT64_MAX - count)
        return th_fail(diag, TH_EINVAL, NULL, "a run of rows that ends behind the last number");
    for (uint64_t end = seq + count, done; seq < end; seq += done) {
        th_record_id id = {.table = (uint16_t)table, .day = day, .seq = seq};
        place *p;
        TH_TRY(seek(reader, &id, &p, diag));
        uint32_t row = (uint32_t)(seq - p->loaded->ref.first_seq);
        uint64_t here = p->loaded->ref.rows - row;
        TH_TRY(hand_over(p, row, here < end - seq ? here : end - seq, fn, ctx, &done, diag));
    }
    return TH_OK;
}
