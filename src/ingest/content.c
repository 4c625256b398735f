/* SPDX-License-Identifier: Apache-2.0
 * Contents back out: rebuilt by their recipes, byte for byte, and checked against their SHA-256 before anybody is told
 * that they are whole. */
#include <stdlib.h>

#include "base/limits.h"
#include "ingest/escape.h"
#include "ingest/ingest_private.h"

/* ---- the row of a content ----------------------------------------------------------------------------------------------- */

typedef struct row_search {
    th_version *version;
    const th_sha256 *sha;
    th_arena *arena;
    th_slice row; /* the newest so far */
    th_diag *diag;
} row_search;

static th_err take_row(void *ctx, size_t which, const th_record_id *id)
{
    (void)which;
    row_search *s = ctx;
    th_slice row;
    ingest_content_head head;
    ingest_recipe_reader steps;
    TH_TRY(th_version_record(s->version, id, s->arena, &row, NULL, s->diag));
    TH_TRY(ingest_content_head_read(row, &head, &steps, s->diag));
    if (th_sha256_equal(&head.sha, s->sha)) s->row = row;
    return TH_OK;
}

th_err ingest_content_row(th_version *version, const th_sha256 *sha, th_arena *arena, th_slice *row,
                          th_diag *diag)
{
    char hex[65];
    row_search search = {version, sha, arena, {0}, diag};
    uint64_t fingerprint =
        th_store_fingerprint(th_version_store(version), th_slice_of(sha->bytes, TH_SHA256_SIZE));
    TH_TRY(
        th_version_find(version, TH_TABLE_contents, 0, &fingerprint, 1, take_row, &search, diag));
    if (search.row.bytes == NULL) {
        th_sha256_hex(sha, hex);
        return th_fail(diag, TH_ENOTFOUND, NULL, "no content %s", hex);
    }
    *row = search.row;
    return TH_OK;
}

/* ---- walking a recipe --------------------------------------------------------------------------------------------------- */

typedef struct walk {
    th_record_reader *reader;
    ingest_recipe_reader steps;
    th_buf more; /* steps that were moved to blobs */
    th_diag *diag;
} walk;

static th_err append_records(void *ctx, const th_slice *records, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) th_buf_add_slice(ctx, records[i]);
    return th_buf_error(ctx);
}

/* TH_ENOTFOUND at the end. */
static th_err next_step(walk *w, ingest_step *step)
{
    if (!ingest_recipe_next(&w->steps, step))
        return w->steps.in.bad
                   ? th_fail(w->diag, TH_ECORRUPT, NULL, "the recipe of a content is damaged")
                   : TH_ENOTFOUND;
    if (step->kind != INGEST_STEP_MORE) return TH_OK;
    if (w->more.bytes != NULL)
        return th_fail(w->diag, TH_ECORRUPT, NULL, "the recipe of a content goes in a circle");
    w->more.limit = (size_t)step->size;
    TH_TRY(th_record_reader_run(w->reader, TH_TABLE_blobs, step->day, step->first, step->count,
                                append_records, &w->more, w->diag));
    ingest_recipe_reader_more(&w->steps, th_buf_slice(&w->more));
    return next_step(w, step);
}

static th_err walk_open(walk *w, th_record_reader *reader, th_slice row, ingest_content_head *head,
                        th_diag *diag)
{
    *w = (walk){.reader = reader, .diag = diag};
    th_buf_init(&w->more, 0);
    return ingest_content_head_read(row, head, &w->steps, diag);
}

static void walk_close(walk *w)
{
    th_buf_free(&w->more);
}

/* ---- reading ------------------------------------------------------------------------------------------------------------ */

typedef struct reading {
    th_bytes_fn fn;
    void *ctx;
    th_sha256_ctx *digest;
    uint64_t done, size;
    const ingest_step *step;
    uint64_t place; /* of the next record in the step */
    th_buf text;    /* small pieces are handed over together */
} reading;

static th_err flush_text(reading *r)
{
    th_slice bytes = th_buf_slice(&r->text);
    TH_TRY(th_buf_error(&r->text));
    if (bytes.size == 0) return TH_OK;
    r->done += bytes.size;
    th_sha256_update(r->digest, bytes);
    th_err err = r->fn(r->ctx, bytes);
    th_buf_clear(&r->text);
    return err;
}

static th_err give(reading *r, th_slice bytes)
{
    th_buf_add_slice(&r->text, bytes);
    return r->text.size >= (256u << 10) ? flush_text(r) : TH_OK;
}

static th_err give_records(void *ctx, const th_slice *records, uint32_t count)
{
    reading *r = ctx;
    for (uint32_t i = 0; i < count; i++, r->place++) {
        const ingest_step *s = r->step;
        if (s->kind == INGEST_STEP_RUN && (r->place > 0 || s->lead)) TH_TRY(give(r, s->bytes));
        if (s->mode == INGEST_MODE_ESCAPED) {
            ingest_escape(&r->text, records[i], s->escape);
            TH_TRY(give(r, (th_slice){0}));
        } else {
            TH_TRY(give(r, records[i]));
        }
    }
    return TH_OK;
}

static th_err read_step(walk *w, reading *r, const ingest_step *step)
{
    if (step->kind == INGEST_STEP_LITERAL) return give(r, step->bytes);
    if (step->mode == INGEST_MODE_GHOST) return TH_OK;
    uint32_t table = step->kind == INGEST_STEP_RUN ? step->table : TH_TABLE_blobs;
    uint64_t from = r->done + r->text.size;
    r->step = step;
    r->place = 0;
    th_err err = th_record_reader_run(w->reader, table, step->day, step->first, step->count,
                                      give_records, r, w->diag);
    if (err != TH_ENOTFOUND) return err;
    const th_stored_table *t = th_model_table(table);
    th_diag_clear(w->diag);
    return th_fail(w->diag, TH_EPARTIAL, NULL,
                   "the content's bytes from %llu on are gone: rows %llu to %llu of %s",
                   (unsigned long long)from, (unsigned long long)step->first,
                   (unsigned long long)(step->first + step->count - 1),
                   t == NULL ? "an unknown table" : t->name);
}

static th_err read_all(walk *w, reading *r)
{
    ingest_step step;
    for (;;) {
        th_err err = next_step(w, &step);
        if (err == TH_ENOTFOUND) return flush_text(r);
        TH_TRY(err);
        TH_TRY(read_step(w, r, &step));
        if (r->done + r->text.size > r->size)
            return th_fail(w->diag, TH_ECORRUPT, NULL, "a content comes back longer than it was");
    }
}

th_err ingest_content_read_row(th_record_reader *reader, th_slice row, th_bytes_fn fn, void *ctx,
                               th_diag *diag)
{
    ingest_content_head head = {0};
    walk w = {0};
    reading r = {.fn = fn, .ctx = ctx, .digest = th_sha256_new()};
    th_buf_init(&r.text, 4u * TH_RECORD_SIZE_MAX * 2u);
    th_err err = r.digest == NULL ? th_fail(diag, TH_ENOMEM, NULL, "no memory to read a content")
                                  : walk_open(&w, reader, row, &head, diag);
    r.size = head.size;
    if (err == TH_OK) err = read_all(&w, &r);
    if (err == TH_OK) {
        th_sha256 got = th_sha256_finish(r.digest);
        if (!th_sha256_equal(&got, &head.sha))
            err = th_fail(diag, TH_ECORRUPT, NULL,
                          "a content comes back other than it was: its SHA-256 differs");
    }
    walk_close(&w);
    th_buf_free(&r.text);
    th_sha256_free(r.digest);
    return err;
}

th_err th_content_read(th_version *version, const th_sha256 *sha, th_bytes_fn fn, void *ctx,
                       th_diag *diag)
{
    th_arena *arena = th_arena_new(4u * TH_RECORD_SIZE_MAX, NULL);
    th_record_reader *reader = th_record_reader_new(version, NULL);
    th_slice row;
    th_err err = arena == NULL || reader == NULL
                     ? th_fail(diag, TH_ENOMEM, NULL, "no memory to read a content")
                     : ingest_content_row(version, sha, arena, &row, diag);
    if (err == TH_OK) err = ingest_content_read_row(reader, row, fn, ctx, diag);
    th_record_reader_free(reader);
    th_arena_free(arena);
    return err;
}

/* ---- where its records are ---------------------------------------------------------------------------------------------- */

static th_err collect_runs(walk *w, th_arena *arena, th_content_run **out, size_t *count)
{
    size_t capacity = 0;
    uint64_t ordinal = 0;
    ingest_step step;
    *out = NULL;
    *count = 0;
    for (;;) {
        th_err err = next_step(w, &step);
        if (err == TH_ENOTFOUND) return TH_OK;
        TH_TRY(err);
        if (step.kind != INGEST_STEP_RUN) continue;
        if (*count == capacity) {
            capacity = capacity == 0 ? 4 : capacity * 2;
            th_content_run *bigger = TH_NEW_ARRAY(arena, th_content_run, capacity);
            if (bigger == NULL)
                return th_fail(w->diag, TH_ELIMIT, NULL,
                               "no memory for a content's list of records");
            if (*count > 0) memcpy(bigger, *out, *count * sizeof(*bigger));
            *out = bigger;
        }
        (*out)[(*count)++] =
            (th_content_run){step.table, step.day, step.first, step.count, ordinal};
        ordinal += step.count;
    }
}

th_err th_content_runs(th_version *version, const th_sha256 *sha, th_arena *arena,
                       th_content_run **out, size_t *count, th_diag *diag)
{
    th_slice row;
    ingest_content_head head;
    walk w;
    TH_TRY(ingest_content_row(version, sha, arena, &row, diag));
    th_record_reader *reader = th_record_reader_new(version, NULL);
    if (reader == NULL) return th_fail(diag, TH_ENOMEM, NULL, "no memory to read a content");
    th_err err = walk_open(&w, reader, row, &head, diag);
    if (err == TH_OK) err = collect_runs(&w, arena, out, count);
    walk_close(&w);
    th_record_reader_free(reader);
    return err;
}
