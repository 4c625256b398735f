/* SPDX-License-Identifier: Apache-2.0
 * Zones and filters of the stored columns: extremes, rows without a value and with null, and which texts there are.
 *
 * Where a path's value lies is asked once for each shape, with an empty record of that shape. As a rule it is one slot, and
 * then the column's distinct values tell all. Else (several alternatives, objects, keys in several cases, whole records)
 * the rows are put together again and asked one by one. */
#include "base/assert.h"
#include "base/hash.h"
#include "json/json.h"
#include "segment/build.h"
#include "segment/filter.h"

typedef struct span {
    th_slice min, max; /* bytes NULL: no text yet */
    uint32_t found, nulls;
    bool folded;
    bool hard;     /* some rows must be asked one by one */
    bool filtered; /* hashes are kept */
    uint64_t *hashes;
    size_t hash_count, hash_room;
} span;

/* What one shape says about one path. */
typedef enum finding { FIND_NOTHING, FIND_SLOT, FIND_HARD } finding;
typedef struct place {
    uint8_t finding;
    uint32_t column; /* the image's */
} place;

typedef struct zoning {
    th_segment_builder *b;
    th_arena *arena;
    uint32_t count; /* of stored columns */
    span *zones;
    place *places; /* [shape][stored column] */
    uint32_t layouts;
    uint32_t *fields; /* LINE with one layout: field of each stored column */
    bool one_by_one;  /* some row must be asked */
} zoning;

/* ---- texts ---- */

static th_err add_text(zoning *z, span *zone, th_slice text)
{
    if (zone->min.bytes == NULL || th_slice_compare(text, zone->min) < 0) zone->min = text;
    if (zone->max.bytes == NULL || th_slice_compare(text, zone->max) > 0) zone->max = text;
    if (!zone->filtered) return TH_OK;
    uint64_t *hashes =
        th_arena_room(z->arena, zone->hashes, zone->hash_count, &zone->hash_room, sizeof(uint64_t));
    if (hashes == NULL) return TH_ELIMIT;
    zone->hashes = hashes;
    hashes[zone->hash_count++] = th_xxh3(text);
    return TH_OK;
}

/* Of a value between quotes as written. */
static bool decode(zoning *z, th_slice value, th_slice *text)
{
    *text = value.size == 0 ? TH_SLICE("") : value;
    if (value.size == 0 || memchr(value.bytes, '\\', value.size) == NULL) return true;
    uint8_t *quoted = th_arena_alloc(z->arena, value.size + 2);
    if (quoted == NULL) return false;
    quoted[0] = quoted[value.size + 1] = '"';
    memcpy(quoted + 1, value.bytes, value.size);
    *text = th_json_string(th_slice_of(quoted, value.size + 2), z->arena);
    return text->bytes != NULL;
}

static bool is_null(segment_leaf_kind kind, th_slice value)
{
    if (kind == SEGMENT_LEAF_SCALAR) return value.size == 4 && value.bytes[0] == 'n';
    return kind == SEGMENT_LEAF_FIELD && value.size == 1 && value.bytes[0] == '-';
}

/* All values of a column are values of the path. */
static th_err take_column(zoning *z, span *zone, const build_column *c)
{
    uint32_t node;
    segment_leaf_kind kind;
    segment_shaper_column(z->b->book->shaper, c->number, &node, &kind);
    uint32_t null_entry = BUILD_NONE;
    for (uint32_t i = 0; i < c->entry_count; i++) {
        th_slice value = build_column_entry(c, i), text = value;
        if (is_null(kind, value)) {
            if (i >= c->entries_coded && c->plain)
                zone->nulls++;
            else
                null_entry = i;
            continue;
        }
        if (kind == SEGMENT_LEAF_STRING && !decode(z, value, &text)) return TH_ELIMIT;
        if (text.size == 0) text = TH_SLICE("");
        TH_TRY(add_text(z, zone, text));
    }
    for (uint32_t i = 0; null_entry != BUILD_NONE && i < c->coded; i++)
        zone->nulls += c->codes[i] == null_entry;
    zone->found += c->count;
    return TH_OK;
}

/* ---- where values lie ---- */

/* A record of the shape with empty strings and zeros; starts[i] is where the value of slot i begins. */
static th_err put_empty(const zoning *z, const build_shape *shape, th_buf *out, uint32_t *starts)
{
    const segment_shaper *shaper = z->b->book->shaper;
    segment_shape learnt;
    segment_shaper_shape(shaper, shape->number, &learnt);
    th_buf_clear(out);
    for (uint32_t i = 0; i <= learnt.slots; i++) {
        th_buf_add_slice(out, segment_shaper_literal(shaper, learnt.literals[i]));
        if (i == learnt.slots) break;
        uint32_t node;
        segment_leaf_kind kind;
        segment_shaper_column(shaper, learnt.columns[i], &node, &kind);
        starts[i] = (uint32_t)out->size;
        if (kind == SEGMENT_LEAF_SCALAR) th_buf_add_byte(out, '0');
    }
    return th_buf_error(out);
}

/* The slot whose value raw is, BUILD_NONE: it is an object or array. */
static uint32_t slot_of(th_slice raw, const th_buf *record, const uint32_t *starts, uint32_t slots)
{
    if (raw.bytes[0] == '{' || raw.bytes[0] == '[') return BUILD_NONE;
    uint32_t at = (uint32_t)(raw.bytes - record->bytes) + (raw.bytes[0] == '"');
    uint32_t low = 0, high = slots;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (starts[middle] < at)
            low = middle + 1;
        else
            high = middle;
    }
    TH_ASSERT(low < slots && starts[low] == at);
    return low;
}

static th_err place_json(zoning *z, const build_shape *shape, place *places)
{
    th_buf *record = &z->b->shared->record;
    uint32_t *starts = TH_NEW_ARRAY(z->arena, uint32_t, shape->slots + 1u);
    if (starts == NULL) return TH_ELIMIT;
    TH_TRY(put_empty(z, shape, record, starts));
    segment_paths_run(z->b->book->paths, th_buf_slice(record));
    for (uint32_t i = 0; i < z->count; i++) {
        bool folded = false;
        uint32_t spelt = segment_paths_found(z->b->book->paths, i);
        th_slice raw = segment_paths_value(z->b->book->paths, i, &folded);
        if (raw.bytes == NULL) continue;
        z->zones[i].folded |= folded;
        uint32_t slot = slot_of(raw, record, starts, shape->slots);
        if (slot == BUILD_NONE || spelt > 1) {
            places[i].finding = FIND_HARD;
            continue;
        }
        places[i] = (place){FIND_SLOT, build_shape_columns(z->b, shape)[slot]};
    }
    return TH_OK;
}

static th_err place_line(zoning *z, const build_shape *shape, place *places)
{
    const segment_shaper *shaper = z->b->book->shaper;
    const uint32_t *columns = build_shape_columns(z->b, shape);
    uint32_t *slots = TH_NEW_ARRAY(z->arena, uint32_t, TH_LINE_FIELDS_MAX);
    if (slots == NULL) return TH_ELIMIT;
    for (uint32_t i = 0; i < shape->slots; i++) {
        uint32_t node, parent, field;
        segment_leaf_kind kind;
        segment_node_kind node_kind;
        th_slice key;
        segment_shaper_column(shaper, z->b->columns[columns[i]].number, &node, &kind);
        segment_shaper_node(shaper, node, &parent, &node_kind, &key, &field);
        if (field < TH_LINE_FIELDS_MAX) slots[field] = i + 1;
    }
    for (uint32_t i = 0; i < z->count; i++) {
        if (z->layouts > 1) {
            places[i].finding = FIND_HARD;
        } else if (z->fields[i] < TH_LINE_FIELDS_MAX && slots[z->fields[i]] != 0) {
            places[i] = (place){FIND_SLOT, columns[slots[z->fields[i]] - 1]};
        }
    }
    return TH_OK;
}

/* A column counts as a whole when every shape that has it has it as this path's value; else its rows are asked. */
static th_err judge_columns(zoning *z, uint32_t stored)
{
    const th_segment_builder *b = z->b;
    build_map rows = {0};
    segment_memory memory = {0};
    th_err err = TH_OK;
    for (uint32_t s = 0; err == TH_OK && s < b->shape_count; s++) {
        const place *p = &z->places[(size_t)s * z->count + stored];
        if (p->finding != FIND_SLOT) continue;
        if (build_map_find(&rows, p->column) == NULL)
            err = build_map_put(&rows, &memory, p->column, b->shapes[s].rows);
        else
            *build_map_find(&rows, p->column) += b->shapes[s].rows;
    }
    for (uint32_t s = 0; err == TH_OK && s < b->shape_count; s++) {
        place *p = &z->places[(size_t)s * z->count + stored];
        if (p->finding == FIND_SLOT &&
            build_map_get(&rows, p->column) != b->columns[p->column].count)
            p->finding = FIND_HARD;
        z->zones[stored].hard |= p->finding == FIND_HARD;
    }
    size_t texts = z->zones[stored].hard || b->whole_count > 0 ? b->rows : 0;
    for (size_t i = 0; i < rows.room; i++)
        if (rows.pairs[i].key != 0) texts += b->columns[rows.pairs[i].key - 1].entry_count;
    /* Times are asked for by their extremes. */
    z->zones[stored].filtered =
        texts > BUILD_FILTER_FROM && b->table->columns[stored].kind != TH_STORED_TIME;
    for (size_t i = 0; err == TH_OK && i < rows.room; i++) {
        if (rows.pairs[i].key == 0) continue;
        const build_column *c = &b->columns[rows.pairs[i].key - 1];
        if (rows.pairs[i].value == c->count) err = take_column(z, &z->zones[stored], c);
    }
    build_map_free(&rows, &memory);
    z->one_by_one |= z->zones[stored].hard;
    return err;
}

/* ---- rows one by one ---- */

static th_err take_cell(zoning *z, span *zone, uint8_t kind, th_slice text, th_slice record)
{
    zone->found += kind != TH_CELL_ABSENT;
    zone->nulls += kind == TH_CELL_NULL;
    if (!segment_kind_has_text(kind)) return TH_OK;
    bool inside =
        text.size > 0 && text.bytes >= record.bytes && text.bytes < record.bytes + record.size;
    bool extreme = zone->min.bytes == NULL || th_slice_compare(text, zone->min) < 0 ||
                   th_slice_compare(text, zone->max) > 0;
    if (text.size == 0) text = TH_SLICE("");
    if (inside && extreme) text = th_arena_copy(z->arena, text);
    if (text.bytes == NULL) return TH_ELIMIT;
    return add_text(z, zone, text);
}

static th_err ask_row(zoning *z, th_slice record, th_slice layout, const place *places)
{
    const th_segment_builder *b = z->b;
    th_slice fields[SEGMENT_FIELDS_MAX];
    bool line = b->table->format == TH_RECORD_LINE;
    uint32_t count = line ? th_model_line_split(record, layout, fields, SEGMENT_FIELDS_MAX) : 0;
    if (!line) segment_paths_run(b->book->paths, record);
    for (uint32_t i = 0; i < z->count; i++) {
        if (places != NULL && places[i].finding != FIND_HARD) continue;
        uint8_t kind;
        th_slice text;
        if (line) {
            uint32_t field = segment_line_index(layout, b->table->columns[i].path);
            segment_cell_of_field(field < count ? fields[field] : (th_slice){NULL, 0}, &kind,
                                  &text);
        } else {
            th_slice raw = segment_paths_value(b->book->paths, i, &z->zones[i].folded);
            if (!segment_cell_of_json(raw, z->arena, &kind, &text)) return TH_ELIMIT;
        }
        TH_TRY(take_cell(z, &z->zones[i], kind, text, record));
    }
    return TH_OK;
}

static bool shape_is_hard(const zoning *z, uint32_t shape)
{
    for (uint32_t i = 0; i < z->count; i++)
        if (z->places[(size_t)shape * z->count + i].finding == FIND_HARD) return true;
    return false;
}

static th_err ask_rows(zoning *z)
{
    th_segment_builder *b = z->b;
    build_walk walk;
    bool *hard = TH_NEW_ARRAY(z->arena, bool, b->shape_count + 1u);
    if (hard == NULL || !build_walk_begin(&walk, b, z->arena)) return TH_ELIMIT;
    for (uint32_t s = 0; s < b->shape_count; s++) hard[s + 1] = shape_is_hard(z, s);
    hard[0] = true;
    uint32_t run = 0, left = b->runs[0].rows;
    for (uint32_t row = 0; row < b->rows; row++, left--) {
        while (left == 0) left = b->runs[++run].rows;
        uint32_t shape = b->row_shapes[row];
        if (!hard[shape]) {
            build_walk_skip(&walk);
            continue;
        }
        TH_TRY(build_walk_record(&walk, &b->shared->record));
        TH_TRY(ask_row(z, th_buf_slice(&b->shared->record), build_layout(b, b->runs[run].layout),
                       shape == 0 ? NULL : &z->places[(size_t)(shape - 1) * z->count]));
    }
    return TH_OK;
}

/* ---- writing ---- */

static void put_text(th_buf *directory, th_slice text)
{
    th_buf_add_varint(directory, text.size);
    th_buf_add_slice(directory, text);
}

static void put_zone(const th_segment_builder *b, const span *zone, th_buf *directory)
{
    bool extremes = zone->min.bytes != NULL && zone->min.size <= SEGMENT_ZONE_BYTES &&
                    zone->max.size <= SEGMENT_ZONE_BYTES;
    th_buf_add_byte(directory, (uint8_t)((zone->folded ? 1u : 0u) | (extremes ? 2u : 0u)));
    th_buf_add_varint(directory, b->rows - zone->found);
    th_buf_add_varint(directory, zone->nulls);
    if (!extremes) return;
    put_text(directory, zone->min);
    put_text(directory, zone->max);
}

static th_err put_filters(zoning *z, th_buf *directory)
{
    uint32_t filters = 0, key_bits = z->b->tier == TH_TIER_COMPACT ? SEGMENT_FILTER_BITS_COMPACT
                                                                   : SEGMENT_FILTER_BITS;
    for (uint32_t i = 0; i < z->count; i++) filters += z->zones[i].hash_count > BUILD_FILTER_FROM;
    th_buf_add_varint(directory, filters);
    for (uint32_t i = 0; i < z->count; i++) {
        const span *zone = &z->zones[i];
        if (zone->hash_count <= BUILD_FILTER_FROM) continue;
        size_t size = segment_filter_size(zone->hash_count, key_bits);
        uint8_t *bits = TH_NEW_ARRAY(z->arena, uint8_t, size);
        if (bits == NULL) return TH_ELIMIT;
        for (size_t k = 0; k < zone->hash_count; k++)
            segment_filter_add(bits, size, zone->hashes[k]);
        th_buf_add_varint(directory, i);
        th_buf_add_varint(directory, zone->hash_count);
        th_buf_add_varint(directory, size);
        segment_payload_add(&z->b->shared->payloads, th_slice_of(bits, size), SEGMENT_SQUEEZE_NONE);
    }
    return TH_OK;
}

static th_err find_places(zoning *z)
{
    const th_segment_builder *b = z->b;
    size_t shapes = b->shape_count;
    z->zones = TH_NEW_ARRAY(z->arena, span, z->count);
    z->places = TH_NEW_ARRAY(z->arena, place, shapes * z->count + 1);
    z->fields = TH_NEW_ARRAY(z->arena, uint32_t, z->count);
    if (z->zones == NULL || z->places == NULL || z->fields == NULL) return TH_ELIMIT;
    bool line = b->table->format == TH_RECORD_LINE;
    z->layouts = build_layouts(b);
    for (uint32_t i = 0; line && i < z->count; i++)
        z->fields[i] = segment_line_index(build_layout(b, 0), b->table->columns[i].path);
    for (uint32_t s = 0; s < shapes; s++) {
        place *places = &z->places[s * z->count];
        TH_TRY(line ? place_line(z, &b->shapes[s], places) : place_json(z, &b->shapes[s], places));
    }
    return TH_OK;
}

th_err build_put_zones(th_segment_builder *b, th_buf *directory)
{
    zoning z = {.b = b, .arena = b->shared->scratch, .count = b->table->column_count};
    if (b->rows == 0 || b->table->format == TH_RECORD_BINARY) z.count = 0;
    th_buf_add_varint(directory, z.count);
    if (z.count > 0) {
        th_arena_reset(z.arena);
        TH_TRY(find_places(&z));
        z.one_by_one = b->whole_count > 0;
        for (uint32_t i = 0; i < z.count; i++) TH_TRY(judge_columns(&z, i));
        if (z.one_by_one) TH_TRY(ask_rows(&z));
    }
    for (uint32_t i = 0; i < z.count; i++) put_zone(b, &z.zones[i], directory);
    return put_filters(&z, directory);
}
