/* SPDX-License-Identifier: Apache-2.0
 * Definitions as JSON events, and the set that a list of events makes. */
#include "query/catalog.h"

#include <stdlib.h>

#include "base/map.h"
#include "json/json.h"

#define EVENT_DEPTH_MAX 8

struct th_catalog {
    th_arena *arena;
    th_map *index; /* key -> place + 1 in list; 0: dropped */
    const th_definition **list;
    size_t room;
    uint32_t count, live;
    uint64_t last_number;
};

static const char *const kind_names[TH_DEFINE_KINDS] = {"schema", "view", "table", "mapping",
                                                        "prepared"};

th_catalog *th_catalog_new(void)
{
    th_catalog *c = calloc(1, sizeof *c);
    if (c == NULL) return NULL;
    c->arena = th_arena_new(TH_CATALOG_BYTES_MAX, NULL);
    c->index = c->arena == NULL ? NULL : th_map_new(c->arena);
    if (c->index != NULL) return c;
    th_catalog_free(c);
    return NULL;
}

void th_catalog_free(th_catalog *catalog)
{
    if (catalog == NULL) return;
    th_arena_free(catalog->arena);
    free(catalog);
}

/* ---- writing ------------------------------------------------------------------------------------------------------ */

static void put(th_json_writer *w, const char *key, th_slice value)
{
    if (value.size == 0) return;
    th_json_put_key(w, key);
    th_json_put_string(w, value);
}

static void put_pairs(th_json_writer *w, const char *key, const th_definition_pair *pairs,
                      uint32_t count)
{
    if (count == 0) return;
    th_json_put_key(w, key);
    th_json_begin_array(w);
    for (uint32_t i = 0; i < count; i++) {
        th_json_begin_array(w);
        th_json_put_string(w, pairs[i].key);
        th_json_put_string(w, pairs[i].value);
        th_json_end_array(w);
    }
    th_json_end_array(w);
}

static void put_columns(th_json_writer *w, const th_definition *d)
{
    if (d->column_count == 0) return;
    th_json_put_key(w, "columns");
    th_json_begin_array(w);
    for (uint32_t i = 0; i < d->column_count; i++) {
        const th_definition_column *c = &d->columns[i];
        th_json_begin_object(w);
        put(w, "name", c->name);
        put(w, "type", c->type);
        put(w, "comment", c->comment);
        if (c->partition) {
            th_json_put_key(w, "partition");
            th_json_put_bool(w, true);
        }
        if (d->kind != TH_DEFINE_VIEW) {
            th_json_put_key(w, "slot");
            th_json_put_u64(w, c->slot);
        }
        th_json_end_object(w);
    }
    th_json_end_array(w);
}

static void put_head(th_json_writer *w, const char *op, const th_definition *d)
{
    th_json_begin_object(w);
    th_json_put_key(w, "op");
    th_json_put_text(w, op);
    th_json_put_key(w, "kind");
    th_json_put_text(w, kind_names[d->kind]);
    put(w, "schema", d->schema);
    put(w, "name", d->name);
}

void th_catalog_put_event(th_buf *out, const th_definition *d)
{
    th_json_writer w;
    th_json_writer_init(&w, out);
    put_head(&w, "put", d);
    put(&w, "text", d->text);
    put(&w, "in_schema", d->in_schema);
    put(&w, "comment", d->comment);
    put(&w, "location", d->location);
    put(&w, "serde", d->serde);
    put(&w, "stored_as", d->stored_as);
    put(&w, "delimiter", d->delimiter);
    if (d->number != 0) {
        th_json_put_key(&w, "number");
        th_json_put_u64(&w, d->number);
    }
    put_columns(&w, d);
    put_pairs(&w, "properties", d->properties, d->property_count);
    put_pairs(&w, "serde_properties", d->serde_properties, d->serde_property_count);
    put_pairs(&w, "partitions", d->partitions, d->partition_count);
    th_json_end_object(&w);
}

void th_catalog_drop_event(th_buf *out, const th_definition *d)
{
    th_json_writer w;
    th_json_writer_init(&w, out);
    put_head(&w, "drop", d);
    th_json_end_object(&w);
}

/* ---- reading ------------------------------------------------------------------------------------------------------ */

static th_slice text_of(th_arena *arena, th_slice object, const char *key)
{
    th_slice raw = th_json_member(object, th_slice_text(key));
    if (th_json_kind_of(raw) != TH_JSON_STRING) return (th_slice){0};
    th_slice text = th_json_string(raw, arena);
    return text.size == 0 ? (th_slice){0} : th_arena_copy(arena, text);
}

static th_slice lower(th_arena *arena, th_slice name)
{
    th_slice copy = th_arena_copy(arena, name);
    for (size_t i = 0; copy.bytes != NULL && i < copy.size; i++) {
        uint8_t c = copy.bytes[i];
        if (c >= 'A' && c <= 'Z') ((uint8_t *)(uintptr_t)copy.bytes)[i] = (uint8_t)(c + 32);
    }
    return copy;
}

static uint32_t size_of_array(th_slice raw, uint32_t max)
{
    th_json_iter it = th_json_iter_of(raw);
    th_slice key, value;
    uint32_t n = 0;
    while (n < max && th_json_next(&it, &key, &value)) n++;
    return n;
}

static bool read_pairs(th_arena *arena, th_slice event, const char *key, uint32_t *count,
                       const th_definition_pair **out)
{
    th_slice raw = th_json_member(event, th_slice_text(key)), none, value;
    *count = size_of_array(raw, TH_DEFINITION_PARTITIONS_MAX);
    th_definition_pair *pairs = TH_NEW_ARRAY(arena, th_definition_pair, (size_t)*count + 1);
    if (pairs == NULL) return false;
    th_json_iter it = th_json_iter_of(raw);
    for (uint32_t i = 0; i < *count && th_json_next(&it, &none, &value); i++) {
        pairs[i].key = th_arena_copy(arena, th_json_string(th_json_element(value, 0), arena));
        pairs[i].value = th_arena_copy(arena, th_json_string(th_json_element(value, 1), arena));
    }
    *out = pairs;
    return true;
}

static bool read_columns(th_arena *arena, th_slice event, th_definition *d)
{
    th_slice raw = th_json_member(event, TH_SLICE("columns")), none, value;
    d->column_count = size_of_array(raw, TH_DEFINITION_COLUMNS_MAX);
    th_definition_column *columns =
        TH_NEW_ARRAY(arena, th_definition_column, (size_t)d->column_count + 1);
    if (columns == NULL) return false;
    th_json_iter it = th_json_iter_of(raw);
    for (uint32_t i = 0; i < d->column_count && th_json_next(&it, &none, &value); i++) {
        uint64_t slot = i;
        th_slice_to_u64(th_json_member(value, TH_SLICE("slot")), &slot);
        columns[i] = (th_definition_column){
            .name = lower(arena, text_of(arena, value, "name")),
            .type = text_of(arena, value, "type"),
            .comment = text_of(arena, value, "comment"),
            .slot = (uint32_t)slot,
            .partition =
                th_json_kind_of(th_json_member(value, TH_SLICE("partition"))) == TH_JSON_TRUE};
    }
    d->columns = columns;
    return true;
}

static bool read_definition(th_arena *arena, th_slice event, th_definition *d)
{
    d->schema = lower(arena, text_of(arena, event, "schema"));
    d->name = lower(arena, text_of(arena, event, "name"));
    d->text = text_of(arena, event, "text");
    d->in_schema = text_of(arena, event, "in_schema");
    d->comment = text_of(arena, event, "comment");
    d->location = text_of(arena, event, "location");
    d->serde = text_of(arena, event, "serde");
    d->stored_as = text_of(arena, event, "stored_as");
    d->delimiter = text_of(arena, event, "delimiter");
    th_slice_to_u64(th_json_member(event, TH_SLICE("number")), &d->number);
    return read_columns(arena, event, d) &&
           read_pairs(arena, event, "properties", &d->property_count, &d->properties) &&
           read_pairs(arena, event, "serde_properties", &d->serde_property_count,
                      &d->serde_properties) &&
           read_pairs(arena, event, "partitions", &d->partition_count, &d->partitions);
}

/* ---- the set ------------------------------------------------------------------------------------------------------ */

/* Views, tables and mappings share their names; schemas and prepared statements have their own. */
static th_slice key_of(th_arena *arena, th_definition_kind kind, th_slice schema, th_slice name)
{
    char class = kind == TH_DEFINE_SCHEMA ? 's' : kind == TH_DEFINE_PREPARED ? 'p' : 'r';
    char *key = th_arena_alloc(arena, schema.size + name.size + 2);
    if (key == NULL) return (th_slice){0};
    key[0] = class;
    if (schema.size > 0) memcpy(key + 1, schema.bytes, schema.size);
    key[1 + schema.size] = '\0';
    if (name.size > 0) memcpy(key + 2 + schema.size, name.bytes, name.size);
    return lower(arena, th_slice_of(key, schema.size + name.size + 2));
}

static th_err no_room(th_diag *diag)
{
    return th_fail(diag, TH_ELIMIT, NULL, "the catalog of definitions is full");
}

static th_err set(th_catalog *c, const th_definition *d, bool drop, th_diag *diag)
{
    th_slice key = key_of(c->arena, d->kind, d->schema, d->name);
    bool added;
    uint64_t *place = key.bytes == NULL ? NULL : th_map_put(c->index, key, 0, &added);
    if (place == NULL) return no_room(diag);
    if (*place != 0) {
        c->list[*place - 1] = NULL;
        c->live--;
    }
    *place = 0;
    if (drop) return TH_OK;
    if (c->live >= TH_DEFINITIONS_MAX) return no_room(diag);
    c->list = th_arena_room(c->arena, c->list, c->count, &c->room, sizeof *c->list);
    if (c->list == NULL) return no_room(diag);
    c->list[c->count++] = d;
    c->live++;
    *place = c->count;
    return TH_OK;
}

static void take_number(th_catalog *c, uint64_t number)
{
    if (number > c->last_number) c->last_number = number;
}

uint64_t th_catalog_next_number(const th_catalog *c)
{
    return c == NULL ? 1 : c->last_number + 1;
}

void th_catalog_reserve_event(th_buf *out, uint64_t number)
{
    th_buf_printf(out, "{\"op\":\"reserve\",\"number\":%llu}", (unsigned long long)number);
}

th_err th_catalog_apply(th_catalog *c, th_slice event, th_diag *diag)
{
    th_slice raw;
    TH_TRY(th_json_document(event, EVENT_DEPTH_MAX, &raw, diag));
    th_slice op = text_of(c->arena, raw, "op"), kind = text_of(c->arena, raw, "kind");
    bool drop = th_slice_is(op, "drop");
    uint64_t number = 0;
    if (th_slice_to_u64(th_json_member(raw, TH_SLICE("number")), &number)) take_number(c, number);
    if (!drop && !th_slice_is(op, "put")) return TH_OK;
    for (int k = 0; k < TH_DEFINE_KINDS; k++) {
        if (!th_slice_is(kind, kind_names[k])) continue;
        th_definition *d = TH_NEW(c->arena, th_definition);
        if (d == NULL || !read_definition(c->arena, raw, d)) return no_room(diag);
        d->kind = (th_definition_kind)k;
        return set(c, d, drop, diag);
    }
    return TH_OK;
}

static const th_definition *find(const th_catalog *c, th_definition_kind kind, th_slice schema,
                                 th_slice name)
{
    char key[1024];
    size_t size = schema.size + name.size + 2;
    if (c == NULL || c->live == 0 || size > sizeof key) return NULL;
    key[0] = kind == TH_DEFINE_SCHEMA ? 's' : kind == TH_DEFINE_PREPARED ? 'p' : 'r';
    if (schema.size > 0) memcpy(key + 1, schema.bytes, schema.size);
    key[1 + schema.size] = '\0';
    if (name.size > 0) memcpy(key + 2 + schema.size, name.bytes, name.size);
    for (size_t i = 1; i < size; i++)
        if (key[i] >= 'A' && key[i] <= 'Z') key[i] = (char)(key[i] + 32);
    const uint64_t *place = th_map_get(c->index, th_slice_of(key, size));
    return place == NULL || *place == 0 ? NULL : c->list[*place - 1];
}

const th_definition *th_catalog_relation(const th_catalog *c, th_slice schema, th_slice name)
{
    return find(c, TH_DEFINE_VIEW, schema, name);
}

const th_definition *th_catalog_schema(const th_catalog *c, th_slice schema)
{
    return find(c, TH_DEFINE_SCHEMA, schema, (th_slice){0});
}

const th_definition *th_catalog_prepared(const th_catalog *c, th_slice name)
{
    return find(c, TH_DEFINE_PREPARED, (th_slice){0}, name);
}

uint32_t th_catalog_places(const th_catalog *c)
{
    return c == NULL ? 0 : c->count;
}

const th_definition *th_catalog_at(const th_catalog *c, uint32_t place)
{
    return c->list[place];
}

th_slice th_definition_property(const th_definition *d, const char *key)
{
    for (uint32_t i = 0; i < d->property_count; i++)
        if (th_slice_equal_nocase(d->properties[i].key, th_slice_text(key)))
            return d->properties[i].value;
    return (th_slice){0};
}
