/* SPDX-License-Identifier: Apache-2.0
 * The dictionary of a path: the entries of all columns that it touches, the values of the records that were kept whole,
 * and the objects and arrays that are empty, each once. Rows then have codes. A path has none when some of its values are
 * only told row by row. */
#include "base/map.h"
#include "segment/paths.h"
#include "segment/route.h"

#define DIRECT_MAX 4096u /* values that become entries one by one, where no dictionary is held */

typedef struct make {
    segment_image *image;
    const segment_skeleton *k;
    const segment_route *route;
    segment_dictionary *d;
    th_arena *arena; /* what is kept */
    th_arena *work;
    segment_reading reading;
    th_map *map;     /* kind and text -> code; NULL: all entries differ */
    th_slice *texts; /* in work */
    size_t room;
} make;

/* Entries that a column brings, or UINT64_MAX: they are not to be had. */
static uint64_t entries_of(const segment_leaf *leaf)
{
    if (leaf->codec == NULL) return 0;
    if (segment_codec_dictionary(leaf->codec) != NULL) return segment_codec_entries(leaf->codec);
    bool direct = leaf->held == SEGMENT_HELD_REFERENCE && leaf->other_count <= DIRECT_MAX;
    return direct ? leaf->other_count : UINT64_MAX;
}

/* Can all values be entries? At most how many, and from how many places. */
static bool is_coded(const make *m, uint64_t *entries, uint32_t *sources)
{
    const segment_image *s = m->image;
    *entries = 1;
    *sources = 0;
    if (m->route->touched[s->column_count] || s->whole_count > DIRECT_MAX) return false;
    *entries += s->whole_count;
    *sources += s->whole_count > 0;
    for (uint32_t i = 0; i < s->column_count; i++) {
        if (!m->route->touched[i]) continue;
        uint64_t more = entries_of(&s->columns[i]);
        if (more == UINT64_MAX) return false;
        *entries += more;
        *sources += more > 0;
    }
    uint32_t width = s->shape_count + 1;
    for (uint32_t i = 0; i < m->route->variants * width; i++) {
        const segment_spots *spots = &m->route->spots[i];
        for (uint32_t k = 0; k < spots->count; k++) {
            if (spots->spots[k].kind != SEGMENT_SPOT_TEXT) continue;
            if (spots->spots[k].count > 0) return false;
            ++*entries;
            ++*sources;
        }
    }
    return true;
}

static th_err start_map(make *m)
{
    if (m->map == NULL) m->map = th_map_new(m->work);
    return m->map == NULL ? TH_ELIMIT : TH_OK;
}

static th_err add(make *m, uint8_t kind, th_slice text, uint32_t *code)
{
    segment_dictionary *d = m->d;
    if (m->map != NULL) {
        uint8_t *key = th_arena_alloc(m->work, text.size + 1);
        if (key == NULL) return TH_ELIMIT;
        key[0] = kind;
        if (text.size > 0) memcpy(key + 1, text.bytes, text.size);
        bool added;
        uint64_t *found = th_map_put(m->map, th_slice_of(key, text.size + 1), d->count, &added);
        if (found == NULL) return TH_ELIMIT;
        *code = (uint32_t)*found;
        if (!added) return TH_OK;
    }
    *code = d->count;
    d->kinds[d->count] = kind;
    m->texts[d->count++] = text;
    return TH_OK;
}

/* Entries of one column; equal texts may be written with different escapes, and then are one. */
static th_err add_column(make *m, uint32_t column)
{
    const segment_leaf *leaf = &m->image->columns[column];
    uint32_t count = (uint32_t)entries_of(leaf);
    if (count == 0) return TH_OK;
    const segment_codec *dictionary = segment_codec_dictionary(leaf->codec);
    th_slice *values = TH_NEW_ARRAY(m->work, th_slice, count);
    m->d->code_of[column] = th_arena_alloc(m->arena, count * sizeof(uint32_t));
    if (values == NULL || m->d->code_of[column] == NULL) return TH_ELIMIT;
    TH_TRY(segment_codec_read(dictionary != NULL ? dictionary : leaf->codec, &m->reading, 0, count,
                              values));
    for (uint32_t i = 0; m->map == NULL && i < count; i++)
        if (values[i].size > 0 && memchr(values[i].bytes, '\\', values[i].size) != NULL)
            TH_TRY(start_map(m));
    for (uint32_t i = 0; i < count; i++) {
        uint8_t kind;
        th_slice text;
        if (!segment_cell_of_slot(leaf->kind, values[i], m->work, &kind, &text)) return TH_ELIMIT;
        TH_TRY(add(m, kind, text, &m->d->code_of[column][i]));
        m->d->exact &= m->d->code_of[column][i] == i;
    }
    return TH_OK;
}

static th_err add_whole(make *m)
{
    const segment_image *s = m->image;
    if (s->whole_count == 0) return TH_OK;
    th_slice *records = TH_NEW_ARRAY(m->work, th_slice, s->whole_count);
    m->d->whole_codes = TH_NEW_ARRAY(m->arena, uint32_t, s->whole_count);
    if (records == NULL || m->d->whole_codes == NULL) return TH_ELIMIT;
    TH_TRY(segment_codec_read(s->whole, &m->reading, 0, s->whole_count, records));
    segment_whole_cells cells;
    TH_TRY(segment_whole_begin(&cells, &s->base, m->route));
    th_err err = TH_OK;
    for (uint32_t row = 0, n = 0; err == TH_OK && n < s->whole_count; row++) {
        if (m->k->rows != NULL && m->k->rows[row] != 0) continue;
        uint8_t kind;
        th_slice text;
        err = segment_whole_cell(&cells, row, records[n], m->work, &kind, &text);
        if (err == TH_OK) err = add(m, kind, text, &m->d->whole_codes[n++]);
    }
    segment_whole_end(&cells);
    return err;
}

/* Empty objects and arrays; and is there a shape without a value at all? */
static th_err add_spots(make *m, bool *absent)
{
    const segment_image *s = m->image;
    uint32_t width = s->shape_count + 1;
    *absent = m->route->variants == 0;
    for (uint32_t i = 0; i < s->base.layout_count && m->route->variant_of != NULL; i++)
        *absent |= m->route->variant_of[i] == SEGMENT_NONE;
    for (uint32_t i = 0; i < m->route->variants * width; i++) {
        uint32_t shape = i % width;
        const segment_spots *spots = &m->route->spots[i];
        *absent |= shape != 0 && spots->count == 0;
        for (uint32_t n = 0; n < spots->count; n++) {
            segment_spot *spot = (segment_spot *)(uintptr_t)&spots->spots[n]; /* still ours */
            if (spot->kind != SEGMENT_SPOT_TEXT) continue;
            uint8_t kind;
            th_slice text;
            segment_spots one = {spot, 1};
            TH_TRY(segment_cell_of_spots(m->k, shape, &one, NULL, m->work, &kind, &text));
            TH_TRY(add(m, kind, text, &spot->from));
        }
    }
    return TH_OK;
}

/* Texts move to memory of their own, so that the chunks they were in can go. */
static th_err keep_texts(make *m)
{
    segment_dictionary *d = m->d;
    size_t size = 0;
    for (uint32_t i = 0; i < d->count; i++) size += m->texts[i].size;
    uint8_t *bytes = th_arena_alloc(m->arena, size);
    d->values = TH_NEW_ARRAY(m->arena, th_slice, (size_t)d->count + 1);
    if (bytes == NULL || d->values == NULL) return TH_ELIMIT;
    for (uint32_t i = 0; i < d->count; i++) {
        if (!segment_kind_has_text(d->kinds[i])) continue;
        if (m->texts[i].size > 0) memcpy(bytes, m->texts[i].bytes, m->texts[i].size);
        d->values[i] = th_slice_of(bytes, m->texts[i].size);
        bytes += m->texts[i].size;
    }
    return TH_OK;
}

static th_err make_entries(make *m, uint64_t entries, uint32_t sources)
{
    const segment_image *s = m->image;
    segment_dictionary *d = m->d = TH_NEW(m->arena, segment_dictionary);
    if (d == NULL || entries > UINT32_MAX) return TH_ELIMIT;
    d->kinds = TH_NEW_ARRAY(m->arena, uint8_t, entries);
    d->code_of = th_arena_zalloc(m->arena, (size_t)s->column_count + 1, sizeof(*d->code_of));
    m->texts = TH_NEW_ARRAY(m->work, th_slice, entries);
    if (d->kinds == NULL || d->code_of == NULL || m->texts == NULL) return TH_ELIMIT;
    d->absent = SEGMENT_NONE;
    d->exact = sources == 1;
    if (sources > 1 || s->whole_count > 0) TH_TRY(start_map(m));
    TH_TRY(segment_image_reading(s, m->work, m->work, &m->reading));
    for (uint32_t i = 0; i < s->column_count; i++)
        if (m->route->touched[i]) TH_TRY(add_column(m, i));
    TH_TRY(add_whole(m));
    bool absent;
    TH_TRY(add_spots(m, &absent));
    if (absent) TH_TRY(add(m, TH_CELL_ABSENT, (th_slice){NULL, 0}, &d->absent));
    return keep_texts(m);
}

th_err segment_make_dictionary(segment_image *image, const segment_skeleton *skeleton,
                               const segment_route *route, th_arena *arena,
                               segment_dictionary **out)
{
    make m = {.image = image, .k = skeleton, .route = route, .arena = arena};
    uint64_t entries;
    uint32_t sources;
    *out = NULL;
    if (!is_coded(&m, &entries, &sources)) return TH_OK;
    m.work = th_arena_new(SEGMENT_WORK_MAX, image->base.budget);
    if (m.work == NULL) return TH_ENOMEM;
    th_err err = make_entries(&m, entries, sources);
    th_arena_free(m.work);
    if (err == TH_OK) *out = m.d;
    return err;
}
