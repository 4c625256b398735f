/* SPDX-License-Identifier: Apache-2.0
 * Which contents there are and under which names they were delivered. */
#include <stdlib.h>

#include "base/limits.h"
#include "ingest/ingest_private.h"
#include "json/json.h"

enum { STEP_ROWS = 4096 };
#define LIST_MEMORY_MAX (UINT64_C(8) << 30)

/* Calls fn for each segment of a table, in order of arrival. */
typedef th_err (*segment_fn)(void *ctx, const th_loaded *loaded);
static th_err each_segment(th_version *version, uint32_t table, th_arena *arena, segment_fn fn,
                           void *ctx, th_diag *diag)
{
    th_segment_ref *refs = NULL;
    size_t count = 0;
    TH_TRY(th_version_segments(version, table, INT32_MIN, INT32_MAX, arena, &refs, &count, diag));
    for (size_t i = 0; i < count; i++) {
        const th_loaded *loaded = NULL;
        TH_TRY(th_version_load(version, &refs[i], &loaded, diag));
        th_err err = fn(ctx, loaded);
        th_version_unload(loaded);
        TH_TRY(err);
    }
    return TH_OK;
}

/* One delivered name of a content, in a list by order of arrival. */
typedef struct name_node {
    th_slice name;
    struct name_node *next;
} name_node;
typedef struct name_list {
    name_node *first, *last;
    size_t count;
    uint32_t rows; /* of the content; more than one when it was taken apart again */
    bool listed;
} name_list;

typedef struct listing {
    th_version *version;
    th_arena *arena, *rows;
    th_map *names; /* SHA-256 -> name_list */
    th_content_fn fn;
    void *ctx;
    th_diag *diag;
    bool counting;
} listing;

static th_err no_memory(const listing *l)
{
    return th_fail(l->diag, TH_ELIMIT, NULL, "no memory for the list of contents");
}

static name_list *list_of(listing *l, const uint8_t sha[TH_SHA256_SIZE])
{
    uint64_t *slot = th_map_put(l->names, th_slice_of(sha, TH_SHA256_SIZE), 0, NULL);
    if (slot == NULL) return NULL;
    if (*slot == 0) *slot = (uint64_t)(uintptr_t)TH_NEW(l->arena, name_list);
    return (name_list *)(uintptr_t)*slot;
}

static th_err add_name(listing *l, th_slice hex, th_slice name)
{
    uint8_t sha[TH_SHA256_SIZE];
    if (hex.size != 2 * sizeof(sha) || !th_hex_decode(hex, sha, sizeof(sha))) return TH_OK;
    name_list *list = list_of(l, sha);
    if (list == NULL) return no_memory(l);
    for (name_node *n = list->first; n != NULL; n = n->next) {
        if (th_slice_equal(n->name, name)) return TH_OK;
    }
    name_node *node = TH_NEW(l->arena, name_node);
    if (node == NULL) return no_memory(l);
    node->name = th_arena_copy(l->arena, name);
    if (node->name.bytes == NULL) return no_memory(l);
    if (list->last == NULL)
        list->first = node;
    else
        list->last->next = node;
    list->last = node;
    list->count++;
    return TH_OK;
}

static th_slice cell_at(const th_segment_column *column, uint32_t row)
{
    uint32_t at = column->codes == NULL ? row : column->codes[row];
    return column->kinds[at] == TH_CELL_STRING ? column->values[at] : (th_slice){0};
}

static th_err add_names(void *ctx, const th_loaded *loaded)
{
    listing *l = ctx;
    for (uint32_t begin = 0; begin < loaded->ref.rows; begin += STEP_ROWS) {
        uint32_t count =
            loaded->ref.rows - begin < STEP_ROWS ? loaded->ref.rows - begin : STEP_ROWS;
        th_segment_column names, contents;
        uint64_t bytes = 0;
        th_arena_reset(l->rows);
        th_err err =
            th_segment_read_column(loaded->segment, "name", begin, count, l->rows, &names, &bytes);
        if (err == TH_OK)
            err = th_segment_read_column(loaded->segment, "content", begin, count, l->rows,
                                         &contents, &bytes);
        if (err != TH_OK)
            return th_fail(l->diag, err, NULL, "cannot read deliveries: %s", th_err_text(err));
        for (uint32_t i = 0; i < count; i++)
            TH_TRY(add_name(l, cell_at(&contents, i), cell_at(&names, i)));
    }
    return TH_OK;
}

static th_err give_content(listing *l, th_slice row)
{
    ingest_content_head head;
    ingest_recipe_reader steps;
    TH_TRY(ingest_content_head_read(row, &head, &steps, l->diag));
    name_list *list = list_of(l, head.sha.bytes);
    if (list == NULL) return no_memory(l);
    if (l->counting) {
        list->rows++;
        return TH_OK;
    }
    if (list->listed) return TH_OK;
    list->listed = true;
    th_slice newest;
    ingest_content_head now = head;
    if (list->rows > 1) {
        TH_TRY(ingest_content_row(l->version, &head.sha, l->rows, &newest, l->diag));
        TH_TRY(ingest_content_head_read(newest, &now, &steps, l->diag));
    }
    th_slice *names = malloc((list->count + 1) * sizeof(*names));
    if (names == NULL) return no_memory(l);
    size_t count = 0;
    for (name_node *n = list->first; n != NULL; n = n->next) names[count++] = n->name;
    th_content_info info = {.sha = now.sha,
                            .size = now.size,
                            .records = now.records,
                            .source = now.source,
                            .names = names,
                            .name_count = count,
                            .quarantined = now.refused};
    th_err err = l->fn(l->ctx, &info);
    free(names);
    return err;
}

static th_err give_contents(void *ctx, const th_loaded *loaded)
{
    enum { STEP = 256 };
    listing *l = ctx;
    for (uint32_t begin = 0; begin < loaded->ref.rows; begin += STEP) {
        uint32_t count = loaded->ref.rows - begin < STEP ? loaded->ref.rows - begin : STEP;
        th_slice rows[STEP];
        th_arena_reset(l->rows);
        th_err err = th_segment_records(loaded->segment, begin, count, l->rows, rows);
        if (err != TH_OK)
            return th_fail(l->diag, err, NULL, "cannot read contents: %s", th_err_text(err));
        for (uint32_t i = 0; i < count; i++) TH_TRY(give_content(l, rows[i]));
    }
    return TH_OK;
}

th_err th_content_list(th_version *version, th_content_fn fn, void *ctx, th_diag *diag)
{
    listing l = {.version = version, .fn = fn, .ctx = ctx, .diag = diag};
    l.arena = th_arena_new(LIST_MEMORY_MAX, NULL);
    l.rows = th_arena_new(LIST_MEMORY_MAX, NULL);
    l.names = l.arena == NULL ? NULL : th_map_new(l.arena);
    th_err err = l.names == NULL || l.rows == NULL ? no_memory(&l) : TH_OK;
    if (err == TH_OK) err = each_segment(version, TH_TABLE_objects, l.arena, add_names, &l, diag);
    l.counting = true;
    if (err == TH_OK)
        err = each_segment(version, TH_TABLE_contents, l.arena, give_contents, &l, diag);
    l.counting = false;
    if (err == TH_OK)
        err = each_segment(version, TH_TABLE_contents, l.arena, give_contents, &l, diag);
    th_arena_free(l.rows);
    th_arena_free(l.arena);
    return err;
}

/* ---- all of them, with their bytes ------------------------------------------------------------------------------------- */

typedef struct exporting {
    th_record_reader *reader;
    th_arena *rows;
    const th_content_sink *sink;
    th_err failed; /* of a callback: it ends the walk */
    th_diag *diag;
} exporting;

static th_err pass_bytes(void *ctx, th_slice bytes)
{
    exporting *e = ctx;
    e->failed = e->sink->bytes(e->sink->ctx, bytes);
    return e->failed;
}

static th_err export_row(exporting *e, th_slice row)
{
    ingest_content_head head;
    ingest_recipe_reader steps;
    th_diag why = {0};
    TH_TRY(ingest_content_head_read(row, &head, &steps, e->diag));
    TH_TRY(e->sink->begin(e->sink->ctx, &head.sha, head.size));
    th_err err = ingest_content_read_row(e->reader, row, pass_bytes, e, &why);
    if (e->failed != TH_OK) return e->failed;
    return e->sink->end(e->sink->ctx, err, &why);
}

static th_err export_rows(void *ctx, const th_loaded *loaded)
{
    exporting *e = ctx;
    for (uint32_t row = 0; row < loaded->ref.rows; row++) {
        th_slice record;
        th_arena_reset(e->rows);
        th_err err = th_segment_records(loaded->segment, row, 1, e->rows, &record);
        if (err != TH_OK)
            return th_fail(e->diag, err, NULL, "cannot read contents: %s", th_err_text(err));
        TH_TRY(export_row(e, record));
    }
    return TH_OK;
}

th_err th_content_export(th_version *version, const th_content_sink *sink, th_diag *diag)
{
    th_arena *refs = th_arena_new(LIST_MEMORY_MAX, NULL);
    exporting e = {.sink = sink, .diag = diag};
    e.rows = th_arena_new(LIST_MEMORY_MAX, NULL);
    e.reader = th_record_reader_new(version, NULL);
    th_err err = refs == NULL || e.rows == NULL || e.reader == NULL
                     ? th_fail(diag, TH_ENOMEM, NULL, "no memory to export contents")
                     : each_segment(version, TH_TABLE_contents, refs, export_rows, &e, diag);
    th_record_reader_free(e.reader);
    th_arena_free(e.rows);
    th_arena_free(refs);
    return err;
}

/* ---- by name ------------------------------------------------------------------------------------------------------------ */

typedef struct name_search {
    listing l;
    th_slice name;
    th_sha256 *found;
    size_t count, capacity;
    th_arena *out;
} name_search;

static th_err add_found(name_search *s, th_slice hex)
{
    th_sha256 sha;
    if (hex.size != 64 || !th_hex_decode(hex, sha.bytes, TH_SHA256_SIZE)) return TH_OK;
    for (size_t i = 0; i < s->count; i++) {
        if (th_sha256_equal(&s->found[i], &sha)) return TH_OK;
    }
    if (s->count == s->capacity) {
        size_t capacity = s->capacity == 0 ? 4 : s->capacity * 2;
        th_sha256 *bigger = TH_NEW_ARRAY(s->out, th_sha256, capacity);
        if (bigger == NULL) return no_memory(&s->l);
        if (s->count > 0) memcpy(bigger, s->found, s->count * sizeof(*bigger));
        s->found = bigger;
        s->capacity = capacity;
    }
    s->found[s->count++] = sha;
    return TH_OK;
}

static th_err search_names(void *ctx, const th_loaded *loaded)
{
    name_search *s = ctx;
    if (!th_segment_may_equal(loaded->segment, "name", s->name)) return TH_OK;
    for (uint32_t begin = 0; begin < loaded->ref.rows; begin += STEP_ROWS) {
        uint32_t count =
            loaded->ref.rows - begin < STEP_ROWS ? loaded->ref.rows - begin : STEP_ROWS;
        th_segment_column names, contents;
        uint64_t bytes = 0;
        th_arena_reset(s->l.rows);
        th_err err = th_segment_read_column(loaded->segment, "name", begin, count, s->l.rows,
                                            &names, &bytes);
        if (err == TH_OK)
            err = th_segment_read_column(loaded->segment, "content", begin, count, s->l.rows,
                                         &contents, &bytes);
        if (err != TH_OK)
            return th_fail(s->l.diag, err, NULL, "cannot read deliveries: %s", th_err_text(err));
        for (uint32_t i = 0; i < count; i++) {
            if (th_slice_equal(cell_at(&names, i), s->name))
                TH_TRY(add_found(s, cell_at(&contents, i)));
        }
    }
    return TH_OK;
}

static th_err find_by_hash(th_version *version, th_slice ref, th_arena *arena, th_sha256 **out,
                           size_t *count, th_diag *diag)
{
    th_sha256 *sha = TH_NEW(arena, th_sha256);
    th_slice row;
    if (sha == NULL) return th_fail(diag, TH_ELIMIT, NULL, "no memory to look a content up");
    if (!th_hex_decode(ref, sha->bytes, TH_SHA256_SIZE)) return TH_ENOTFOUND;
    TH_TRY(ingest_content_row(version, sha, arena, &row, diag));
    *out = sha;
    *count = 1;
    return TH_OK;
}

th_err th_content_find(th_version *version, const char *ref, th_arena *arena, th_sha256 **out,
                       size_t *count, th_diag *diag)
{
    th_slice name = th_slice_text(ref);
    if (name.size == 64) {
        th_diag own = {0};
        th_err err = find_by_hash(version, name, arena, out, count, &own);
        if (err != TH_ENOTFOUND)
            return err == TH_OK ? TH_OK : th_fail(diag, err, NULL, "%s", own.text);
    }
    if (!th_utf8_valid(name)) {
        /* Rows can only say text: the name is looked for as they tell it. */
        th_buf quoted;
        th_buf_init(&quoted, 16 * TH_NAME_SIZE_MAX);
        th_json_quote(&quoted, name);
        bool good = th_buf_error(&quoted) == TH_OK;
        if (good) name = th_arena_copy(arena, th_json_string(th_buf_slice(&quoted), arena));
        th_buf_free(&quoted);
        if (!good || name.bytes == NULL)
            return th_fail(diag, TH_ELIMIT, NULL, "the name is too long");
    }
    name_search s = {.l = {.version = version, .diag = diag}, .name = name, .out = arena};
    s.l.rows = th_arena_new(LIST_MEMORY_MAX, NULL);
    th_err err = s.l.rows == NULL ? no_memory(&s.l) : TH_OK;
    if (err == TH_OK) err = each_segment(version, TH_TABLE_objects, arena, search_names, &s, diag);
    th_arena_free(s.l.rows);
    TH_TRY(err);
    *out = s.found;
    *count = s.count;
    if (s.count == 0) return th_fail(diag, TH_ENOTFOUND, NULL, "no object '%s'", ref);
    if (s.count > 1)
        return th_fail(diag, TH_EAMBIGUOUS, NULL, "'%s' was delivered with %zu different contents",
                       ref, s.count);
    return TH_OK;
}
