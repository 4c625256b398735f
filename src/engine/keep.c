/* SPDX-License-Identifier: Apache-2.0
 * Columns kept decoded: of a segment its distinct values, typed, and a code a stored row. The next batch, and the next
 * query, take them as they are; the segment need not be loaded again.
 *
 * What is kept is charged to a budget of its own; when that is full, what is kept of the segment that was used longest ago
 * goes, and when nothing can go, columns are read anew each time. A column whose values hardly repeat is not kept, but for
 * the event time: most of what is asked about it costs next to nothing when it is known as numbers. */
#include <pthread.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/map.h"
#include "engine/engine_private.h"

#define COLUMNS_MAX 64u   /* kept of one segment */
#define SAMPLE_ROWS 2048u /* of which half must repeat, where the segment has no dictionary */
#define BYTES_MAX ((size_t)1 << 30)
#define BUCKETS 4096u

typedef struct kept_column {
    char *key;
    bool is_kept; /* else it is known not to be worth it */
    engine_kept column;
} kept_column;

/* Rows of a table's day never change: what was read of them is good for ever, whatever file they lie in. */
struct engine_kept_segment {
    engine_keep *keep;
    uint64_t first_seq;
    uint32_t rows;
    int32_t day;
    uint16_t table;
    engine_kept_segment *chain, *newer, *older; /* these and users under the keep's lock */
    uint32_t users;
    pthread_mutex_t lock; /* guards what follows */
    th_arena *arena;
    kept_column *columns; /* COLUMNS_MAX */
    uint32_t count;
};

struct engine_keep {
    th_budget budget;
    pthread_mutex_t lock;
    engine_kept_segment *buckets[BUCKETS];
    engine_kept_segment *newest, *oldest;
    atomic_uint_fast64_t next_id;
};

engine_keep *engine_keep_new(th_budget *budget)
{
    engine_keep *keep = calloc(1, sizeof(*keep));
    if (keep == NULL) return NULL;
    size_t limit = BYTES_MAX;
    if (budget != NULL && budget->limit_bytes / 4 < limit) limit = budget->limit_bytes / 4;
    th_budget_init(&keep->budget, "columns", limit, budget);
    pthread_mutex_init(&keep->lock, NULL);
    return keep;
}

static engine_kept_segment **bucket_of(engine_keep *keep, const th_segment_ref *ref)
{
    uint64_t key[3] = {ref->first_seq, (uint64_t)ref->table << 32 | (uint32_t)ref->day,
                       ref->rows_stored};
    return &keep->buckets[th_xxh3(th_slice_of(key, sizeof(key))) % BUCKETS];
}

static void unlink_used(engine_keep *keep, engine_kept_segment *s)
{
    *(s->newer != NULL ? &s->newer->older : &keep->newest) = s->older;
    *(s->older != NULL ? &s->older->newer : &keep->oldest) = s->newer;
}

static void link_newest(engine_keep *keep, engine_kept_segment *s)
{
    s->newer = NULL;
    s->older = keep->newest;
    *(keep->newest != NULL ? &keep->newest->newer : &keep->oldest) = s;
    keep->newest = s;
}

/* With the lock held, of a segment that nobody uses. */
static void drop(engine_keep *keep, engine_kept_segment *s)
{
    th_segment_ref ref = {
        .table = s->table, .day = s->day, .first_seq = s->first_seq, .rows_stored = s->rows};
    engine_kept_segment **at = bucket_of(keep, &ref);
    while (*at != s) at = &(*at)->chain;
    *at = s->chain;
    unlink_used(keep, s);
    th_arena_free(s->arena);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

void engine_keep_free(engine_keep *keep)
{
    if (keep == NULL) return;
    while (keep->newest != NULL) drop(keep, keep->newest);
    pthread_mutex_destroy(&keep->lock);
    free(keep);
}

static engine_kept_segment *find(engine_keep *keep, const th_segment_ref *ref)
{
    engine_kept_segment *s = *bucket_of(keep, ref);
    while (s != NULL && (s->table != ref->table || s->day != ref->day ||
                         s->first_seq != ref->first_seq || s->rows != ref->rows_stored))
        s = s->chain;
    return s;
}

static engine_kept_segment *add(engine_keep *keep, const th_segment_ref *ref)
{
    engine_kept_segment *s = calloc(1, sizeof(*s)), **bucket = bucket_of(keep, ref);
    if (s == NULL) return NULL;
    *s = (engine_kept_segment){.keep = keep,
                               .first_seq = ref->first_seq,
                               .rows = ref->rows_stored,
                               .day = ref->day,
                               .table = ref->table,
                               .chain = *bucket};
    pthread_mutex_init(&s->lock, NULL);
    *bucket = s;
    link_newest(keep, s);
    return s;
}

engine_kept_segment *engine_keep_begin(engine_keep *keep, const th_segment_ref *ref)
{
    if (keep == NULL) return NULL;
    pthread_mutex_lock(&keep->lock);
    engine_kept_segment *s = find(keep, ref);
    if (s == NULL) s = add(keep, ref);
    if (s != NULL) {
        s->users++;
        unlink_used(keep, s);
        link_newest(keep, s);
    }
    pthread_mutex_unlock(&keep->lock);
    return s;
}

/* Nothing is kept of most segments that a query leaves out: those go at once. */
void engine_keep_end(engine_kept_segment *s)
{
    if (s == NULL) return;
    engine_keep *keep = s->keep;
    pthread_mutex_lock(&keep->lock);
    if (--s->users == 0 && s->count == 0) drop(keep, s);
    pthread_mutex_unlock(&keep->lock);
}

/* Room for so many bytes more; false when all that could go has gone. */
static bool make_room(engine_keep *keep, size_t bytes)
{
    pthread_mutex_lock(&keep->lock);
    for (engine_kept_segment *s = keep->oldest, *newer;
         s != NULL && th_budget_used(&keep->budget) + bytes > keep->budget.limit_bytes; s = newer) {
        newer = s->newer;
        if (s->users == 0) drop(keep, s);
    }
    bool fits = th_budget_used(&keep->budget) + bytes <= keep->budget.limit_bytes;
    pthread_mutex_unlock(&keep->lock);
    return fits;
}

/* ---- filling ------------------------------------------------------------------------------------------------------ */

typedef struct fill {
    const th_loaded *loaded;
    const engine_table *table;
    const th_scan_column *column;
    th_arena *arena; /* what is kept */
    th_arena *work;
    engine_kept *out;
    th_diag *diag;
} fill;

static th_err read_cells(const fill *f, uint32_t count, th_arena *arena, th_segment_column *cells)
{
    engine_unit unit = {.ref = f->loaded->ref, .count = count};
    engine_rows rows = {.loaded = f->loaded, .unit = &unit, .count = count};
    uint64_t bytes = 0;
    TH_TRY(engine_schema_cells(&rows, f->table, f->column, arena, cells, &bytes));
    f->out->stored = bytes;
    return TH_OK;
}

static bool is_event_time(const fill *f)
{
    return f->column->column == f->table->time_column && f->column->field_count == 0 &&
           f->column->json_path.size == 0;
}

/* One code for each kind and text; *distinct how many there are. codes and entries may be NULL: only counted. */
static th_err number_cells(const fill *f, const th_segment_column *cells, uint32_t *codes,
                           uint32_t *entries, uint32_t *distinct)
{
    th_map *map = th_map_new(f->work);
    size_t room = 0;
    uint8_t *key = NULL;
    *distinct = 0;
    if (map == NULL) return TH_ELIMIT;
    for (uint32_t i = 0; i < cells->value_count; i++) {
        th_slice text = cells->values[i];
        bool has_text = cells->kinds[i] == TH_CELL_STRING || cells->kinds[i] == TH_CELL_JSON;
        size_t size = has_text ? text.size : 0;
        if (size + 1 > room) {
            room = (size + 1) * 2;
            key = th_arena_alloc(f->work, room);
            if (key == NULL) return TH_ELIMIT;
        }
        key[0] = cells->kinds[i];
        if (size > 0) memcpy(key + 1, text.bytes, size);
        bool added;
        uint64_t *code = th_map_put(map, th_slice_of(key, size + 1), *distinct, &added);
        if (code == NULL) return TH_ELIMIT;
        if (added && entries != NULL) entries[*distinct] = i;
        *distinct += added;
        if (codes != NULL) codes[i] = (uint32_t)*code;
    }
    return TH_OK;
}

/* A dictionary of our own for cells that came a value a row. */
static th_err make_dictionary(const fill *f, th_segment_column *cells)
{
    uint32_t rows = cells->value_count, distinct;
    uint32_t *codes = th_arena_alloc(f->arena, ((size_t)rows + 1) * sizeof(*codes));
    uint32_t *entries = th_arena_alloc(f->work, ((size_t)rows + 1) * sizeof(*entries));
    if (codes == NULL || entries == NULL) return TH_ELIMIT;
    TH_TRY(number_cells(f, cells, codes, entries, &distinct));
    th_slice *values = TH_NEW_ARRAY(f->arena, th_slice, (size_t)distinct + 1);
    uint8_t *kinds = th_arena_alloc(f->arena, (size_t)distinct + 1);
    if (values == NULL || kinds == NULL) return TH_ELIMIT;
    for (uint32_t i = 0; i < distinct; i++) {
        kinds[i] = cells->kinds[entries[i]];
        if (kinds[i] != TH_CELL_STRING && kinds[i] != TH_CELL_JSON) continue;
        values[i] = th_arena_copy(f->arena, cells->values[entries[i]]);
        if (values[i].bytes == NULL) return TH_ELIMIT;
    }
    *cells = (th_segment_column){distinct, values, kinds, codes};
    return TH_OK;
}

/* The moments that a dictionary's texts spell, when each is written YYYY-MM-DDTHH:MM:SSZ. */
static th_err find_instants(th_arena *arena, th_vector *dictionary)
{
    if (dictionary->type->kind != TH_VARCHAR || dictionary->count == 0) return TH_OK;
    const th_slice *texts = dictionary->data.str;
    for (uint32_t i = 0; i < dictionary->count; i++)
        if (th_vector_is_null(dictionary, i) || texts[i].size != 20 || texts[i].bytes[19] != 'Z')
            return TH_OK;
    int64_t *us = TH_NEW_ARRAY(arena, int64_t, dictionary->count);
    if (us == NULL) return TH_ELIMIT;
    for (uint32_t i = 0; i < dictionary->count; i++) {
        char back[40];
        if (!th_time_parse_iso(texts[i], &us[i])) return TH_OK;
        size_t size = th_time_format_iso(us[i], back);
        if (size != 20 || memcmp(back, texts[i].bytes, 20) != 0) return TH_OK;
    }
    dictionary->instants = us;
    return TH_OK;
}

/* Texts may lie in the segment, which is closed earlier. */
static th_err own_texts(const fill *f)
{
    th_vector *d = &f->out->dictionary;
    th_type_kind kind = d->type->kind;
    if (kind != TH_VARCHAR && kind != TH_CHAR && kind != TH_VARBINARY && kind != TH_JSON)
        return TH_OK;
    th_slice *texts = TH_NEW_ARRAY(f->arena, th_slice, (size_t)d->count + 1);
    if (texts == NULL) return TH_ELIMIT;
    for (uint32_t i = 0; i < d->count; i++) {
        if (d->data.str[i].bytes == NULL) continue;
        texts[i] = th_arena_copy(f->arena, d->data.str[i]);
        if (texts[i].bytes == NULL) return TH_ELIMIT;
    }
    d->data.str = texts;
    return TH_OK;
}

/* False in *worth: not kept. */
static th_err fill_column(const fill *f, bool *worth)
{
    uint32_t rows = th_segment_rows(f->loaded->segment), distinct = 0;
    uint32_t sample = rows < SAMPLE_ROWS ? rows : SAMPLE_ROWS;
    th_segment_column cells;
    th_vector v;
    TH_TRY(read_cells(f, sample, f->work, &cells));
    if (cells.codes == NULL && !is_event_time(f)) {
        TH_TRY(number_cells(f, &cells, NULL, NULL, &distinct));
        *worth = distinct <= sample / 2;
        if (!*worth) return TH_OK;
    }
    TH_TRY(read_cells(f, rows, cells.codes != NULL ? f->arena : f->work, &cells));
    if (cells.codes == NULL) TH_TRY(make_dictionary(f, &cells));
    f->out->type = *f->column->type;
    engine_names names = {f->table->schema, f->table->schema->columns[f->column->column].name};
    TH_TRY(engine_cells_vector(&cells, rows, &f->out->type, &names, f->arena, &v, f->diag));
    f->out->codes = v.codes;
    f->out->dictionary = *v.dictionary;
    f->out->rows = rows;
    TH_TRY(own_texts(f));
    return find_instants(f->arena, &f->out->dictionary);
}

static bool is_nested(const th_type *type)
{
    return type->kind == TH_ROW || type->kind == TH_ARRAY || type->kind == TH_MAP;
}

/* What tells columns of one segment apart. */
static char *key_of(const engine_table *table, const th_scan_column *column, th_arena *arena)
{
    th_buf key;
    th_buf_init(&key, 4096);
    const th_schema_column *schema = &table->schema->columns[column->column];
    th_buf_printf(&key, "%s %u.%u.%u", schema->path, (unsigned)column->type->kind,
                  (unsigned)column->type->precision, (unsigned)column->type->scale);
    for (uint32_t i = 0; i < column->field_count; i++) {
        th_buf_add_slice(&key, TH_SLICE("/"));
        th_buf_add_slice(&key, column->fields[i]);
    }
    th_buf_add_slice(&key, column->json_scalar ? TH_SLICE("$") : TH_SLICE("="));
    th_buf_add_slice(&key, column->json_path);
    char *text = th_buf_error(&key) == TH_OK && memchr(key.bytes, 0, key.size) == NULL
                     ? th_arena_printf(arena, "%.*s", (int)key.size, (const char *)key.bytes)
                     : NULL;
    th_buf_free(&key);
    return text;
}

static const kept_column *find_column(const engine_kept_segment *s, const char *key)
{
    for (uint32_t i = 0; i < s->count; i++)
        if (strcmp(s->columns[i].key, key) == 0) return &s->columns[i];
    return NULL;
}

static bool begin_columns(engine_kept_segment *s)
{
    if (s->arena == NULL) s->arena = th_arena_new(BYTES_MAX, &s->keep->budget);
    if (s->arena != NULL && s->columns == NULL)
        s->columns = TH_NEW_ARRAY(s->arena, kept_column, COLUMNS_MAX);
    return s->columns != NULL && s->count < COLUMNS_MAX;
}

/* Under the segment's lock. NULL: could not be filled; the caller reads the column without us and says why it fails. */
static const kept_column *add_column(engine_kept_segment *s, const fill *given, const char *key)
{
    if (!begin_columns(s)) return NULL;
    kept_column *to = &s->columns[s->count];
    *to = (kept_column){.key = th_arena_printf(s->arena, "%s", key), .is_kept = true};
    fill f = *given;
    th_diag diag = {0};
    f.arena = s->arena;
    f.work = th_arena_new(BYTES_MAX, &s->keep->budget);
    f.out = &to->column;
    f.diag = &diag;
    bool ok = to->key != NULL && f.work != NULL && fill_column(&f, &to->is_kept) == TH_OK;
    th_arena_free(f.work);
    if (!ok) return NULL;
    to->column.dictionary.type = &to->column.type;
    to->column.id = atomic_fetch_add(&s->keep->next_id, 1) + 1;
    s->count++;
    return to;
}

const engine_kept *engine_keep_column(engine_kept_segment *s, const th_loaded *loaded,
                                      const engine_table *table, const th_scan_column *column,
                                      th_arena *arena, bool *known)
{
    *known = s == NULL || is_nested(column->type);
    char *key = *known ? NULL : key_of(table, column, arena);
    if (key == NULL) {
        *known = true;
        return NULL;
    }
    pthread_mutex_lock(&s->lock);
    const kept_column *found = find_column(s, key);
    if (found == NULL && loaded != NULL && make_room(s->keep, (size_t)s->rows * 64)) {
        fill f = {.loaded = loaded, .table = table, .column = column};
        found = add_column(s, &f, key);
    }
    pthread_mutex_unlock(&s->lock);
    *known = found != NULL || loaded != NULL;
    return found != NULL && found->is_kept ? &found->column : NULL;
}

th_err engine_kept_vector(const engine_kept *kept, const engine_rows *rows, const th_type *type,
                          th_arena *arena, th_vector *out, uint64_t *bytes)
{
    *out = (th_vector){.type = type,
                       .form = TH_DICT,
                       .count = rows->count,
                       .dictionary = &kept->dictionary,
                       .dictionary_id = kept->id};
    if (rows->count == 0) return TH_OK;
    uint64_t first = engine_row(rows, 0), end = (uint64_t)engine_row(rows, rows->count - 1) + 1;
    *bytes += kept->stored * end / kept->rows - kept->stored * first / kept->rows;
    if (rows->unit->rows == NULL) {
        out->codes = kept->codes + first;
        return TH_OK;
    }
    uint32_t *codes = th_arena_alloc(arena, rows->count * sizeof(*codes));
    if (codes == NULL) return TH_ELIMIT;
    for (uint32_t i = 0; i < rows->count; i++) codes[i] = kept->codes[engine_row(rows, i)];
    out->codes = codes;
    return TH_OK;
}
