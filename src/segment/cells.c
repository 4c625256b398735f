/* SPDX-License-Identifier: Apache-2.0
 * Cells: what a path is in one row, from the values of its slots or from a record that was kept whole. */
#include "json/json.h"
#include "segment/paths.h"
#include "segment/route.h"

bool segment_cell_of_slot(uint8_t leaf_kind, th_slice value, th_arena *arena, uint8_t *kind,
                          th_slice *text)
{
    if (leaf_kind == SEGMENT_LEAF_FIELD) {
        segment_cell_of_field(value, kind, text);
        return true;
    }
    *text = value;
    if (leaf_kind == SEGMENT_LEAF_SCALAR) {
        *kind = TH_CELL_JSON;
        if (value.size != 4 || memcmp(value.bytes, "null", 4) != 0) return true;
        *kind = TH_CELL_NULL;
        *text = (th_slice){NULL, 0};
        return true;
    }
    *kind = TH_CELL_STRING;
    if (value.size == 0 || memchr(value.bytes, '\\', value.size) == NULL) return true;
    *text = th_json_key(value, arena);
    return text->bytes != NULL;
}

/* An object or array, put together from its literals and values. */
static th_err put_text(const segment_skeleton *k, uint32_t shape, const segment_spot *spot,
                       const th_slice *values, th_arena *arena, th_slice *out)
{
    const uint32_t *joints = k->joints[shape] + spot->joint;
    th_slice first = k->literals[joints[0]];
    if (spot->count == 0) {
        *out = th_slice_of(first.bytes + spot->from, spot->to - spot->from);
        return TH_OK;
    }
    size_t size = first.size - spot->from + spot->to;
    for (uint32_t i = 0; i < spot->count; i++) size += values[i].size;
    for (uint32_t i = 1; i < spot->count; i++) size += k->literals[joints[i]].size;
    if (size > SEGMENT_CHUNK_MAX) return TH_ECORRUPT;
    uint8_t *to = th_arena_alloc(arena, size);
    if (to == NULL) return TH_ELIMIT;
    *out = th_slice_of(to, size);
    memcpy(to, first.bytes + spot->from, first.size - spot->from);
    to += first.size - spot->from;
    for (uint32_t i = 0; i < spot->count; i++) {
        if (values[i].size > 0) memcpy(to, values[i].bytes, values[i].size);
        to += values[i].size;
        th_slice literal = k->literals[joints[i + 1]];
        size_t take = i + 1 == spot->count ? spot->to : literal.size;
        memcpy(to, literal.bytes, take);
        to += take;
    }
    return TH_OK;
}

th_err segment_cell_of_spots(const segment_skeleton *k, uint32_t shape, const segment_spots *spots,
                             const th_slice *steps, th_arena *arena, uint8_t *kind, th_slice *text)
{
    static const uint8_t leaf_kinds[] = {[SEGMENT_SPOT_STRING] = SEGMENT_LEAF_STRING,
                                         [SEGMENT_SPOT_SCALAR] = SEGMENT_LEAF_SCALAR,
                                         [SEGMENT_SPOT_FIELD] = SEGMENT_LEAF_FIELD};
    *kind = TH_CELL_ABSENT;
    *text = (th_slice){NULL, 0};
    for (uint32_t i = 0; i < spots->count; i++) {
        const segment_spot *spot = &spots->spots[i];
        const th_slice *values = spot->count == 0 ? NULL : steps + spot->first;
        if (spot->kind == SEGMENT_SPOT_TEXT) {
            *kind = TH_CELL_JSON;
            return put_text(k, shape, spot, values, arena, text);
        }
        if (!segment_cell_of_slot(leaf_kinds[spot->kind], *values, arena, kind, text))
            return TH_ELIMIT;
        if (*kind != TH_CELL_NULL) break;
    }
    return TH_OK;
}

th_err segment_whole_begin(segment_whole_cells *cells, const th_segment *segment,
                           const segment_route *route)
{
    *cells = (segment_whole_cells){.route = route, .segment = segment};
    if (segment->table->format != TH_RECORD_JSON) return TH_OK;
    cells->paths = segment_paths_new(&route->name, 1, route->strict);
    return cells->paths == NULL ? TH_ENOMEM : TH_OK;
}

void segment_whole_end(segment_whole_cells *cells)
{
    segment_paths_free(cells->paths);
}

th_err segment_whole_cell(segment_whole_cells *cells, uint32_t row, th_slice record,
                          th_arena *arena, uint8_t *kind, th_slice *text)
{
    const th_segment *s = cells->segment;
    *kind = TH_CELL_ABSENT;
    *text = (th_slice){NULL, 0};
    if (cells->paths != NULL) {
        bool folded = false;
        segment_paths_run(cells->paths, record);
        th_slice raw = segment_paths_value(cells->paths, 0, &folded);
        return segment_cell_of_json(raw, arena, kind, text) ? TH_OK : TH_ELIMIT;
    }
    if (s->table->format != TH_RECORD_LINE || s->run_count == 0) return TH_OK;
    uint32_t layout = s->runs[segment_run_of(s, row)].layout;
    uint32_t variant = cells->route->variant_of[layout];
    if (variant == SEGMENT_NONE) return TH_OK;
    uint32_t field = cells->route->fields[variant];
    th_slice fields[SEGMENT_FIELDS_MAX];
    uint32_t found = th_model_line_split(record, s->layouts[layout], fields, field + 1);
    segment_cell_of_field(field < found ? fields[field] : (th_slice){NULL, 0}, kind, text);
    return TH_OK;
}

const segment_spots *segment_route_spots(const segment_route *route, const segment_image *image,
                                         uint32_t row, uint32_t shape, uint32_t *run)
{
    const th_segment *s = &image->base;
    if (s->table->format == TH_RECORD_JSON) return &route->spots[shape];
    if (route->variants == 0 || s->run_count == 0) return NULL;
    if (*run == 0) *run = segment_run_of(s, row);
    while (*run + 1 < s->run_count && s->runs[*run + 1].first_row <= row) ++*run;
    uint32_t variant = route->variant_of[s->runs[*run].layout];
    if (variant == SEGMENT_NONE) return NULL;
    return &route->spots[(size_t)variant * (image->shape_count + 1) + shape];
}
