/* SPDX-License-Identifier: Apache-2.0
 * What users have defined: the events of table `definitions`, in order, make a catalog. It is kept for the next snapshot,
 * and goes on from there when only events were added. */
#include "engine/engine_private.h"

#include <stdlib.h>

#include "store/reader.h"

static th_err apply_events(void *ctx, const th_slice *records, uint32_t count)
{
    th_catalog *catalog = ctx;
    th_diag diag = {0};
    for (uint32_t i = 0; i < count; i++) TH_TRY(th_catalog_apply(catalog, records[i], &diag));
    return TH_OK;
}

static th_err count_events(th_snapshot *snapshot, uint64_t *events, th_diag *diag)
{
    uint64_t rows = 0;
    *events = 0;
    TH_TRY(th_version_rows(snapshot->version, TH_TABLE_definitions, &rows, diag));
    if (rows == 0) return TH_OK;
    th_arena *arena = th_arena_new(16u << 20, NULL);
    th_segment_ref *refs;
    size_t count = 0;
    if (arena == NULL) return TH_ENOMEM;
    th_err err = th_version_segments(snapshot->version, TH_TABLE_definitions, 0, 0, arena, &refs,
                                     &count, diag);
    for (size_t i = 0; err == TH_OK && i < count; i++) *events += refs[i].rows;
    th_arena_free(arena);
    return err;
}

/* The latest one when no snapshot holds it and it is not ahead: it may grow. Taken out of the engine. */
static engine_catalog *take_latest(engine *e, uint64_t events)
{
    engine_catalog *latest = e->latest;
    if (latest == NULL || latest->refs > 1 || latest->events > events) return NULL;
    e->latest = NULL;
    return latest;
}

static void drop_ref(engine_catalog *c)
{
    if (c == NULL || --c->refs > 0) return;
    th_catalog_free(c->catalog);
    free(c);
}

static engine_catalog *new_catalog(void)
{
    engine_catalog *c = calloc(1, sizeof *c);
    if (c == NULL) return NULL;
    c->catalog = th_catalog_new();
    c->refs = 1;
    if (c->catalog != NULL) return c;
    free(c);
    return NULL;
}

static th_err read_events(th_snapshot *snapshot, engine_catalog *c, uint64_t events, th_diag *diag)
{
    th_record_reader *reader = th_record_reader_new(snapshot->version, snapshot->engine->budget);
    if (reader == NULL) return TH_ENOMEM;
    th_record_reader_keep(reader, 1);
    th_err err = th_record_reader_run(reader, TH_TABLE_definitions, 0, c->events,
                                      events - c->events, apply_events, c->catalog, diag);
    th_record_reader_free(reader);
    return err;
}

static th_err load(engine *e, th_snapshot *snapshot, uint64_t events, th_diag *diag)
{
    engine_catalog *c = take_latest(e, events);
    if (c == NULL) c = new_catalog();
    if (c == NULL) return TH_ENOMEM;
    th_err err = TH_OK;
    if (events > c->events) err = read_events(snapshot, c, events, diag);
    if (err != TH_OK) {
        drop_ref(c);
        return th_fail(diag, err, NULL, "the definitions of views and tables cannot be read");
    }
    c->events = events;
    if (e->latest == NULL || e->latest->events <= events) {
        drop_ref(e->latest);
        e->latest = c;
        c->refs++;
    }
    snapshot->defined = c;
    return TH_OK;
}

th_err engine_defined_open(th_snapshot *snapshot, th_diag *diag)
{
    engine *e = snapshot->engine;
    uint64_t events;
    TH_TRY(count_events(snapshot, &events, diag));
    if (events == 0) return TH_OK;
    pthread_mutex_lock(&e->mutex);
    th_err err = TH_OK;
    if (e->latest != NULL && e->latest->events == events) {
        snapshot->defined = e->latest;
        snapshot->defined->refs++;
    } else {
        err = load(e, snapshot, events, diag);
    }
    pthread_mutex_unlock(&e->mutex);
    return err;
}

void engine_defined_close(th_snapshot *snapshot)
{
    engine *e = snapshot->engine;
    if (snapshot->defined == NULL) return;
    pthread_mutex_lock(&e->mutex);
    drop_ref(snapshot->defined);
    pthread_mutex_unlock(&e->mutex);
}

th_err engine_views_build(engine *e)
{
    size_t count;
    const th_model_view *views = th_model_views(&count);
    th_buf event;
    th_buf_init(&event, 1u << 20);
    th_diag diag = {0};
    e->views = th_catalog_new();
    th_err err = e->views == NULL ? TH_ENOMEM : TH_OK;
    for (size_t i = 0; err == TH_OK && i < count; i++) {
        th_definition d = {.kind = TH_DEFINE_VIEW,
                           .schema = TH_SLICE("default"),
                           .name = th_slice_text(views[i].name),
                           .text = th_slice_text(views[i].sql),
                           .in_schema = TH_SLICE("default")};
        th_buf_clear(&event);
        th_catalog_put_event(&event, &d);
        err = th_catalog_apply(e->views, th_buf_slice(&event), &diag);
    }
    th_buf_free(&event);
    return err;
}

const th_catalog *engine_built_in(th_provider *provider)
{
    return ((const engine *)provider)->views;
}

th_slice engine_alias(th_provider *provider, th_slice name)
{
    char lower[128];
    (void)provider;
    if (name.size >= sizeof(lower)) return (th_slice){0};
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.bytes[i];
        lower[i] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    const char *known = th_model_alias(th_slice_of(lower, name.size));
    return known == NULL ? (th_slice){0} : th_slice_text(known);
}

void engine_defined_free(engine *e)
{
    th_catalog_free(e->views);
    drop_ref(e->latest);
}

const th_catalog *engine_defined(th_snapshot *snapshot)
{
    return snapshot->defined == NULL ? NULL : snapshot->defined->catalog;
}
