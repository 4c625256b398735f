/* SPDX-License-Identifier: Apache-2.0
 * An ingest from new to free: options, commits, the summary. */
#include "ingest/ingest.h"

#include <stdlib.h>

#include "base/assert.h"
#include "ingest/object.h"
#include "ingest/pool.h"
#include "json/json.h"
#include "os/os.h"

#define BATCH_ARENA_MAX (UINT64_C(1) << 30)

th_err ingest_grow(void **at, uint32_t count, uint32_t *capacity, size_t size)
{
    if (count < *capacity) return TH_OK;
    uint32_t more = *capacity == 0 ? 64 : *capacity * 2;
    void *bigger = realloc(*at, more * size);
    if (bigger == NULL) return TH_ENOMEM;
    *at = bigger;
    *capacity = more;
    return TH_OK;
}

static bool fill(th_ingest *in, const th_ingest_options *options)
{
    in->arena = th_arena_new(BATCH_ARENA_MAX, NULL);
    in->staged.arena = th_arena_new(BATCH_ARENA_MAX, NULL);
    in->window.arena = th_arena_new(BATCH_ARENA_MAX, NULL);
    in->days_arena = th_arena_new(64u << 20, NULL);
    in->resolving = th_arena_new(BATCH_ARENA_MAX, NULL);
    in->kept = th_arena_new(256u << 20, NULL);
    if (in->arena == NULL || in->staged.arena == NULL || in->window.arena == NULL ||
        in->days_arena == NULL || in->resolving == NULL || in->kept == NULL)
        return false;
    in->options = *options;
    const char **texts[] = {&in->options.source,      &in->options.as_prefix, &in->options.case_id,
                            &in->options.acquired_by, &in->options.note,      &in->options.who};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (*texts[i] == NULL) continue;
        th_slice copy = th_arena_copy(in->kept, th_slice_text(*texts[i]));
        if (copy.bytes == NULL) return false;
        *texts[i] = (const char *)copy.bytes;
    }
    in->who = in->options.who;
    in->tmp_dir = th_arena_printf(in->kept, "%s/tmp", th_store_dir(in->store));
    if (in->tmp_dir == NULL) return false;
    ingest_log_init(&in->refusals, in->tmp_dir);
    ingest_log_init(&in->mark_log, in->tmp_dir);
    return true;
}

th_ingest *th_ingest_new(th_store *store, const th_ingest_options *options)
{
    static const th_ingest_options defaults;
    if (options == NULL) options = &defaults;
    th_ingest *in = calloc(1, sizeof(*in));
    if (in == NULL) return NULL;
    in->store = store;
    in->memory_max = INGEST_SLURP_MEMORY_MAX;
    in->spare.bytes_max = INGEST_SPARE_BYTES;
    in->seed = th_store_fingerprint(store, TH_SLICE("twins"));
    in->started_us = th_os_mono_us();
    in->source = ingest_recogniser_find(options->source);
    /* An unknown name is the caller's to refuse; here everything would be quarantined for it. */
    if (in->source == INGEST_RECOGNISER_COUNT) in->source = INGEST_AUTO;
    in->batch_bytes = options->batch_bytes == 0 ? INGEST_BATCH_BYTES : options->batch_bytes;
    if (in->batch_bytes > INGEST_BATCH_BYTES_MAX) in->batch_bytes = INGEST_BATCH_BYTES_MAX;
    in->window_bytes =
        in->batch_bytes * 3 < INGEST_BATCH_BYTES_MAX ? in->batch_bytes * 3 : INGEST_BATCH_BYTES_MAX;
    in->days_max = INGEST_DAYS_MAX;
    in->batch_objects = options->batch_objects == 0 ? INGEST_BATCH_OBJECTS : options->batch_objects;
    if (!fill(in, options)) {
        th_ingest_free(in);
        return NULL;
    }
    return in;
}

void th_ingest_free(th_ingest *in)
{
    if (in == NULL) return;
    if (in->pool != NULL) {
        th_diag unread = {0};
        (void)!ingest_pool_finish(in, &unread);
    }
    if (in->tmp_dir != NULL) {
        ingest_forget_batch(in);
        ingest_log_free(&in->refusals);
        ingest_log_free(&in->mark_log);
    }
    th_arena_free(in->arena);
    th_arena_free(in->staged.arena);
    th_arena_free(in->window.arena);
    th_arena_free(in->days_arena);
    th_arena_free(in->resolving);
    th_arena_free(in->kept);
    ingest_spare_free(&in->spare);
    free(in->inflate_state);
    free(in->objects.at);
    free(in->staged.items.at);
    free(in->window.items.at);
    free(in->marks.at);
    free(in->reasons.at);
    free(in->chains);
    free(in->twins);
    free(in);
}

th_err th_ingest_commit(th_ingest *in, th_diag *diag)
{
    TH_TRY(ingest_pool_finish(in, diag));
    if (in->objects.count == 0) return TH_OK;
    th_err err = ingest_commit_batch(in, diag);
    ingest_forget_batch(in);
    return err == TH_OK ? TH_OK
                        : th_fail(diag, err, NULL, "cannot store objects: %s", th_err_text(err));
}

void ingest_add_reason(th_ingest *in, const char *path, uint64_t offset, const char *reason)
{
    if (in->reasons.count >= INGEST_REASONS_MAX || INGEST_GROW(in->reasons) != TH_OK) return;
    th_slice name = th_arena_copy(in->kept, th_slice_text(path));
    th_slice text = th_arena_copy(in->kept, th_slice_text(reason));
    if (name.bytes == NULL || text.bytes == NULL) return;
    in->reasons.at[in->reasons.count++] =
        (th_ingest_reason){(const char *)name.bytes, offset, (const char *)text.bytes};
}

const th_ingest_summary *th_ingest_summary_get(th_ingest *in)
{
    in->summary.elapsed_us = th_os_mono_us() - in->started_us;
    in->summary.reasons = in->reasons.at;
    in->summary.reason_count = in->reasons.count;
    if (in->summary.lsn == 0) in->summary.lsn = th_store_lsn(in->store);
    return &in->summary;
}

static void put_count(th_json_writer *w, const char *key, uint64_t v)
{
    th_json_put_key(w, key);
    th_json_put_u64(w, v);
}

void th_ingest_summary_json(const th_ingest_summary *s, th_buf *out)
{
    th_json_writer w;
    th_json_writer_init(&w, out);
    th_json_begin_object(&w);
    put_count(&w, "objects", s->objects);
    put_count(&w, "objects_known", s->objects_known);
    put_count(&w, "deliveries", s->deliveries);
    put_count(&w, "records", s->records);
    put_count(&w, "duplicates", s->duplicates);
    put_count(&w, "variants", s->variants);
    put_count(&w, "quarantined", s->quarantined);
    put_count(&w, "bytes", s->bytes);
    th_json_put_key(&w, "seconds");
    th_json_put_double(&w, (double)s->elapsed_us / 1e6);
    put_count(&w, "lsn", s->lsn);
    put_count(&w, "unreadable", s->unreadable);
    th_json_put_key(&w, "reasons");
    th_json_begin_array(&w);
    for (size_t i = 0; i < s->reason_count; i++) {
        th_json_begin_object(&w);
        th_json_put_key(&w, "path");
        th_json_put_text(&w, s->reasons[i].path);
        put_count(&w, "offset", s->reasons[i].offset);
        th_json_put_key(&w, "reason");
        th_json_put_text(&w, s->reasons[i].reason);
        th_json_end_object(&w);
    }
    th_json_end_array(&w);
    th_json_end_object(&w);
}

const char *const *th_ingest_sources(void)
{
    static const char *const names[] = {
#define RECOGNISER(name, version, table, alias, what) #name,
#include "ingest/recognisers.def"
#undef RECOGNISER
#define RECOGNISER(name, version, table, alias, what) alias,
#include "ingest/recognisers.def"
#undef RECOGNISER
        NULL,
    };
    return names;
}
