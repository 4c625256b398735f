/* SPDX-License-Identifier: Apache-2.0
 * Which rows are in a table: all copies, the shown variant of each identity, one row a delivered copy, or the current
 * event of each finding.
 *
 * Marks of variants are read for the days in question only; deliveries are turned around (content -> records becomes
 * record -> contents) by runs, so that memory grows with the number of runs, not of rows. */
#include "engine/engine_private.h"

#include <stdlib.h>

#include "finding/finding.h"

/* ---- marks ------------------------------------------------------------------------------------------------------- */

typedef struct day_marks {
    bool loaded;
    int32_t day;
    th_variant_mark *marks;
    size_t count;
} day_marks;

static th_err marks_of_day(th_snapshot *snapshot, uint32_t table, int32_t day, th_arena *arena,
                           day_marks *cache, th_diag *diag)
{
    if (cache->loaded && cache->day == day) return TH_OK;
    cache->loaded = false;
    TH_TRY(
        th_variant_marks(snapshot->version, table, day, arena, &cache->marks, &cache->count, diag));
    cache->day = day;
    cache->loaded = true;
    return TH_OK;
}

/* Flags of the unit's stored rows from the day's marks (sorted by seq); NULL when none falls into it. */
static th_err unit_flags(engine_unit *unit, const day_marks *marks, th_arena *arena)
{
    uint8_t *flags = NULL;
    for (size_t i = 0; i < marks->count; i++) {
        const th_variant_mark *m = &marks->marks[i];
        if (m->seq < unit->ref.first_seq || m->seq - unit->ref.first_seq >= unit->ref.rows_stored)
            continue;
        if (flags == NULL) {
            flags = TH_NEW_ARRAY(arena, uint8_t, unit->ref.rows_stored);
            if (flags == NULL) return TH_ELIMIT;
        }
        flags[m->seq - unit->ref.first_seq] =
            (uint8_t)((m->hidden ? ENGINE_HIDDEN : 0u) | (m->conflict ? ENGINE_CONFLICT : 0u));
    }
    unit->flags = flags;
    return TH_OK;
}

static th_err drop_hidden(engine_unit *unit, th_arena *arena)
{
    if (unit->flags == NULL) return TH_OK;
    uint32_t *rows = th_arena_alloc(arena, sizeof(*rows) * unit->ref.rows);
    if (rows == NULL) return TH_ELIMIT;
    uint32_t kept = 0;
    for (uint32_t r = 0; r < unit->ref.rows; r++) {
        if ((unit->flags[r] & ENGINE_HIDDEN) == 0) rows[kept++] = r;
    }
    unit->rows = rows;
    unit->count = kept;
    return TH_OK;
}

static th_err plain_units(th_snapshot *snapshot, const engine_table *table, const engine_days *days,
                          th_arena *arena, engine_unit **units, size_t *count, th_diag *diag)
{
    th_segment_ref *refs = NULL;
    size_t n = 0;
    uint32_t id = table->stored->id;
    if (table->one_day) {
        TH_TRY(th_version_segments(snapshot->version, id, table->day, table->day, arena, &refs, &n,
                                   diag));
    } else if (days->first != TH_DAY_UNDATED) {
        th_segment_ref *undated = NULL, *dated = NULL;
        size_t undated_count = 0, dated_count = 0;
        TH_TRY(th_version_segments(snapshot->version, id, TH_DAY_UNDATED, TH_DAY_UNDATED, arena,
                                   &undated, &undated_count, diag));
        TH_TRY(th_version_segments(snapshot->version, id, days->first, days->last, arena, &dated,
                                   &dated_count, diag));
        n = undated_count + dated_count;
        refs = TH_NEW_ARRAY(arena, th_segment_ref, n + 1);
        if (refs == NULL) return TH_ELIMIT;
        if (undated_count > 0) memcpy(refs, undated, undated_count * sizeof(*refs));
        if (dated_count > 0) memcpy(refs + undated_count, dated, dated_count * sizeof(*refs));
    } else {
        TH_TRY(th_version_segments(snapshot->version, id, TH_DAY_UNDATED, days->last, arena, &refs,
                                   &n, diag));
    }
    engine_unit *list = TH_NEW_ARRAY(arena, engine_unit, n + 1);
    if (list == NULL) return TH_ELIMIT;
    for (size_t i = 0; i < n; i++) {
        list[i].ref = refs[i];
        list[i].count = refs[i].rows;
    }
    *units = list;
    *count = n;
    return TH_OK;
}

static th_err mark_units(th_snapshot *snapshot, const engine_table *table, engine_unit *units,
                         size_t count, bool shown, th_arena *arena, th_diag *diag)
{
    if (table->stored->identity != TH_IDENTITY_EVENT) return TH_OK;
    uint64_t rows = 0;
    TH_TRY(th_version_rows(snapshot->version, TH_TABLE_hidden_rows, &rows, diag));
    if (rows == 0) return TH_OK;
    day_marks cache = {0};
    for (size_t i = 0; i < count; i++) {
        TH_TRY(marks_of_day(snapshot, table->stored->id, units[i].ref.day, arena, &cache, diag));
        TH_TRY(unit_flags(&units[i], &cache, arena));
        if (shown) TH_TRY(drop_hidden(&units[i], arena));
    }
    return TH_OK;
}

/* ---- deliveries -------------------------------------------------------------------------------------------------- */

typedef struct delivered_run {
    int32_t day;
    uint64_t seq, count;
    uint32_t source;
} delivered_run;

typedef struct delivery_list {
    th_snapshot *snapshot;
    uint32_t table;
    th_arena *arena;
    engine_source *sources;
    size_t source_count, source_room;
    delivered_run *runs;
    size_t run_count, run_room;
    th_diag *diag;
} delivery_list;

static th_err add_source(delivery_list *list, th_slice name, const th_sha256 *sha,
                         const th_content_run *runs, size_t count)
{
    list->sources = th_arena_room(list->arena, list->sources, list->source_count,
                                  &list->source_room, sizeof(*list->sources));
    if (list->sources == NULL) return TH_ELIMIT;
    engine_source *source = &list->sources[list->source_count];
    source->name = th_arena_copy(list->arena, name);
    source->content = *sha;
    if (source->name.bytes == NULL) return TH_ELIMIT;
    for (size_t i = 0; i < count; i++) {
        if (runs[i].table != list->table) continue;
        list->runs = th_arena_room(list->arena, list->runs, list->run_count, &list->run_room,
                                   sizeof(*list->runs));
        if (list->runs == NULL) return TH_ELIMIT;
        list->runs[list->run_count++] =
            (delivered_run){runs[i].day, runs[i].seq, runs[i].count, (uint32_t)list->source_count};
    }
    list->source_count++;
    return TH_OK;
}

static th_err add_content(void *ctx, const th_content_info *info)
{
    delivery_list *list = ctx;
    if (info->records == 0) return TH_OK;
    th_content_run *runs = NULL;
    size_t count = 0;
    TH_TRY(th_content_runs(list->snapshot->version, &info->sha, list->arena, &runs, &count,
                           list->diag));
    for (size_t i = 0; i < info->name_count; i++)
        TH_TRY(add_source(list, info->names[i], &info->sha, runs, count));
    return TH_OK;
}

static int compare_runs(const void *a, const void *b)
{
    const delivered_run *x = a, *y = b;
    if (x->day != y->day) return x->day < y->day ? -1 : 1;
    if (x->seq != y->seq) return x->seq < y->seq ? -1 : 1;
    return x->source < y->source ? -1 : x->source > y->source;
}

typedef struct delivered_row {
    uint32_t row, source;
} delivered_row;

static int compare_rows(const void *a, const void *b)
{
    const delivered_row *x = a, *y = b;
    if (x->row != y->row) return x->row < y->row ? -1 : 1;
    return x->source < y->source ? -1 : x->source > y->source;
}

/* Rows of one run that fall into the unit's segment. */
static uint32_t run_overlap(const delivered_run *run, const th_segment_ref *ref, uint64_t *first)
{
    if (run->day != ref->day) return 0;
    uint64_t begin = run->seq > ref->first_seq ? run->seq : ref->first_seq;
    uint64_t run_end = run->seq + run->count, ref_end = ref->first_seq + ref->rows;
    uint64_t end = run_end < ref_end ? run_end : ref_end;
    *first = begin;
    return begin < end ? (uint32_t)(end - begin) : 0;
}

/* Fill the unit's rows and sources from the runs of its day (longest: rows of the longest run, to know where to start). */
static th_err deliver_unit(engine_unit *unit, const delivery_list *list, uint64_t longest,
                           th_arena *arena)
{
    uint64_t first = 0, total = 0;
    uint64_t from = unit->ref.first_seq > longest ? unit->ref.first_seq - longest : 0;
    delivered_run key = {unit->ref.day, from, 0, 0};
    size_t low = 0, high = list->run_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (compare_runs(&list->runs[mid], &key) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    size_t end = low;
    for (; end < list->run_count && list->runs[end].day == unit->ref.day &&
           list->runs[end].seq < unit->ref.first_seq + unit->ref.rows;
         end++) {
        total += run_overlap(&list->runs[end], &unit->ref, &first);
    }
    if (total > UINT32_MAX) return TH_ELIMIT;
    delivered_row *pairs = TH_NEW_ARRAY(arena, delivered_row, total + 1);
    uint32_t *rows = TH_NEW_ARRAY(arena, uint32_t, total + 1),
             *sources = TH_NEW_ARRAY(arena, uint32_t, total + 1);
    if (pairs == NULL || rows == NULL || sources == NULL) return TH_ELIMIT;
    size_t n = 0;
    for (size_t i = low; i < end; i++) {
        uint32_t overlap = run_overlap(&list->runs[i], &unit->ref, &first);
        for (uint32_t k = 0; k < overlap; k++) {
            pairs[n++] =
                (delivered_row){(uint32_t)(first + k - unit->ref.first_seq), list->runs[i].source};
        }
    }
    qsort(pairs, n, sizeof(*pairs), compare_rows);
    for (size_t i = 0; i < n; i++) {
        rows[i] = pairs[i].row;
        sources[i] = pairs[i].source;
    }
    unit->rows = rows;
    unit->sources = sources;
    unit->count = (uint32_t)n;
    return TH_OK;
}

static th_err delivered_units(th_snapshot *snapshot, const engine_table *table, engine_unit *units,
                              size_t count, th_arena *arena, const engine_source **sources,
                              th_diag *diag)
{
    delivery_list list = {
        .snapshot = snapshot, .table = table->stored->id, .arena = arena, .diag = diag};
    TH_TRY(th_content_list(snapshot->version, add_content, &list, diag));
    if (list.run_count > 0) qsort(list.runs, list.run_count, sizeof(*list.runs), compare_runs);
    uint64_t longest = 0;
    for (size_t i = 0; i < list.run_count; i++) {
        if (list.runs[i].count > longest) longest = list.runs[i].count;
    }
    for (size_t i = 0; i < count; i++) TH_TRY(deliver_unit(&units[i], &list, longest, arena));
    *sources = list.sources;
    return TH_OK;
}

/* ---- the current state of findings --------------------------------------------------------------------------------- */

static int compare_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static th_err current_units(th_snapshot *snapshot, engine_unit *units, size_t count,
                            th_arena *arena, th_diag *diag)
{
    th_record_id *ids = NULL;
    size_t id_count = 0;
    TH_TRY(th_finding_current(snapshot->version, arena, &ids, &id_count, diag));
    for (size_t u = 0; u < count; u++) {
        uint32_t *rows = TH_NEW_ARRAY(arena, uint32_t, (size_t)units[u].ref.rows + 1);
        if (rows == NULL) return TH_ELIMIT;
        units[u].rows = rows;
        units[u].count = 0;
    }
    /* ids are sorted by (day, seq), as units are. */
    size_t u = 0;
    for (size_t i = 0; i < id_count; i++) {
        while (u < count && (units[u].ref.day < ids[i].day ||
                             (units[u].ref.day == ids[i].day &&
                              units[u].ref.first_seq + units[u].ref.rows <= ids[i].seq))) {
            u++;
        }
        if (u == count || units[u].ref.day != ids[i].day || ids[i].seq < units[u].ref.first_seq)
            continue;
        uint32_t *rows = (uint32_t *)(uintptr_t)units[u].rows;
        rows[units[u].count++] = (uint32_t)(ids[i].seq - units[u].ref.first_seq);
    }
    for (u = 0; u < count; u++) {
        qsort((void *)(uintptr_t)units[u].rows, units[u].count, sizeof(uint32_t), compare_u32);
    }
    return TH_OK;
}

static th_err window_unit(const engine_window *w, th_arena *arena, engine_unit **units,
                          size_t *count)
{
    engine_unit *unit = TH_NEW(arena, engine_unit);
    if (unit == NULL) return TH_ELIMIT;
    unit->ref = w->ref;
    unit->begin = w->begin;
    unit->count = w->count;
    *units = unit;
    *count = 1;
    return TH_OK;
}

th_err engine_rows_find(th_snapshot *snapshot, const engine_table *table, const engine_days *days,
                        th_arena *arena, engine_unit **units, size_t *count,
                        const engine_source **sources, th_diag *diag)
{
    *sources = NULL;
    if (snapshot->window != NULL) return window_unit(snapshot->window, arena, units, count);
    th_row_set set = table->schema->rows;
    engine_days all = {TH_DAY_UNDATED, INT32_MAX};
    TH_TRY(plain_units(snapshot, table, set == TH_ROWS_CURRENT ? &all : days, arena, units, count,
                       diag));
    if (set == TH_ROWS_CURRENT) return current_units(snapshot, *units, *count, arena, diag);
    TH_TRY(mark_units(snapshot, table, *units, *count, set == TH_ROWS_SHOWN, arena, diag));
    if (set == TH_ROWS_DELIVERIES)
        return delivered_units(snapshot, table, *units, *count, arena, sources, diag);
    return TH_OK;
}
