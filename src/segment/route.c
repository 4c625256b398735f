/* SPDX-License-Identifier: Apache-2.0
 * Routes: where a path leads in each shape, which columns that touches, and which slots a scan of them must read. Kept
 * with the segment; the least recently used one goes when they are too many, unless its dictionary was handed out. */
#include <stdlib.h>

#include "base/assert.h"
#include "segment/paths.h"
#include "segment/route.h"

#define ROUTES_MAX 128u
#define ROUTES_BYTES ((size_t)8 << 20) /* of one segment */
#define ROUTE_ARENA_MAX ((size_t)256 << 20)

typedef struct cached_route {
    th_arena *arena; /* the route and all of it; NULL: a free place */
    const segment_route *route;
    uint64_t used; /* when */
    uint32_t users;
    bool pinned; /* its dictionary is somewhere outside */
} cached_route;

typedef struct segment_route_cache {
    uint64_t clock;
    size_t bytes;
    uint32_t count;
    cached_route routes[ROUTES_MAX];
} segment_route_cache;

typedef struct make {
    segment_image *image;
    const segment_skeleton *k;
    segment_route *route;
    th_arena *arena; /* the route's */
} make;

/* The numbers that the field has in the layouts, and which layout has which. */
static th_err find_fields(make *m)
{
    const th_segment *s = &m->image->base;
    segment_route *route = m->route;
    route->variants = 0;
    route->variant_of = TH_NEW_ARRAY(m->arena, uint32_t, (size_t)s->layout_count + 1);
    route->fields = TH_NEW_ARRAY(m->arena, uint32_t, SEGMENT_FIELDS_MAX);
    if (route->variant_of == NULL || route->fields == NULL) return TH_ELIMIT;
    for (uint32_t i = 0; i < s->layout_count; i++) {
        uint32_t field = segment_line_index(s->layouts[i], route->name), v = 0;
        route->variant_of[i] = SEGMENT_NONE;
        if (field >= SEGMENT_FIELDS_MAX) continue;
        while (v < route->variants && route->fields[v] != field) v++;
        if (v == route->variants) route->fields[route->variants++] = field;
        route->variant_of[i] = v;
    }
    return TH_OK;
}

static th_err find_field(make *m, uint32_t shape, uint32_t field, segment_spots *out)
{
    const segment_steps *slots = &m->k->shapes[shape];
    for (uint32_t i = 0; i < slots->count; i++) {
        const segment_leaf *leaf = &m->image->columns[segment_slot_column(slots->slots[i])];
        if (leaf->kind != SEGMENT_LEAF_FIELD || m->k->nodes[leaf->node - 1].field != field)
            continue;
        segment_spot *spot = TH_NEW(m->arena, segment_spot);
        if (spot == NULL) return TH_ELIMIT;
        *spot = (segment_spot){.kind = SEGMENT_SPOT_FIELD, .first = i, .count = 1};
        *out = (segment_spots){spot, 1};
        return TH_OK;
    }
    return TH_OK;
}

static th_err find_spots(make *m)
{
    segment_route *route = m->route;
    th_record_format format = m->image->base.table->format;
    uint32_t width = m->image->shape_count + 1;
    route->variants = format == TH_RECORD_JSON ? 1 : 0;
    if (format == TH_RECORD_LINE) TH_TRY(find_fields(m));
    route->spots = TH_NEW_ARRAY(m->arena, segment_spots, (size_t)route->variants * width + 1);
    if (route->spots == NULL) return TH_ELIMIT;
    for (uint32_t v = 0; v < route->variants; v++) {
        for (uint32_t shape = 1; shape < width; shape++) {
            segment_spots *spots = &route->spots[(size_t)v * width + shape];
            TH_TRY(format == TH_RECORD_LINE
                       ? find_field(m, shape, route->fields[v], spots)
                       : segment_resolve(m->k, shape, route->name, route->strict, m->arena, spots));
        }
    }
    return TH_OK;
}

/* Which streams the spots of a shape touch: those of their slots, and what these refer to. */
static void touch(make *m, uint32_t shape, const segment_spots *spots)
{
    const segment_steps *slots = &m->k->shapes[shape];
    segment_route *route = m->route;
    for (uint32_t i = 0; i < spots->count; i++) {
        const segment_spot *spot = &spots->spots[i];
        for (uint32_t k = spot->first; k < spot->first + spot->count; k++) {
            uint32_t column = segment_slot_column(slots->slots[k]);
            const segment_leaf *leaf = &m->image->columns[column];
            if (leaf->held == SEGMENT_HELD_RESIDUAL) column = m->image->column_count;
            route->touched[column] = true;
            if (leaf->held == SEGMENT_HELD_REFERENCE) route->touched[leaf->target] = true;
        }
    }
}

static bool is_step(const make *m, uint32_t slot)
{
    return segment_slot_kind_of(slot) == SEGMENT_SLOT_RESIDUAL
               ? m->route->touched[m->image->column_count]
               : m->route->touched[segment_slot_column(slot)];
}

/* The slots of a shape that a scan reads, and where they are among them: steps_before[slot]. */
static th_err choose_steps(make *m, uint32_t shape, uint32_t *steps_before)
{
    const segment_steps *slots = &m->k->shapes[shape];
    uint32_t count = 0;
    for (uint32_t i = 0; i < slots->count; i++) {
        steps_before[i] = count;
        count += is_step(m, slots->slots[i]);
    }
    steps_before[slots->count] = count;
    if (count == 0) return TH_OK;
    uint32_t *steps = th_arena_alloc(m->arena, count * sizeof(uint32_t));
    if (steps == NULL) return TH_ELIMIT;
    for (uint32_t i = 0; i < slots->count; i++)
        if (is_step(m, slots->slots[i])) steps[steps_before[i]] = slots->slots[i];
    m->route->steps[shape] = (segment_steps){steps, count};
    return TH_OK;
}

static th_err find_steps(make *m)
{
    segment_route *route = m->route;
    uint32_t width = m->image->shape_count + 1, streams = m->image->column_count + 1;
    uint32_t *steps_before = TH_NEW_ARRAY(m->arena, uint32_t, SEGMENT_SLOTS_MAX + 1);
    route->steps = TH_NEW_ARRAY(m->arena, segment_steps, width);
    route->touched = TH_NEW_ARRAY(m->arena, bool, streams);
    if (steps_before == NULL || route->steps == NULL || route->touched == NULL) return TH_ELIMIT;
    for (uint32_t v = 0; v < route->variants; v++)
        for (uint32_t shape = 1; shape < width; shape++)
            touch(m, shape, &route->spots[(size_t)v * width + shape]);
    route->simple = route->variants == 1;
    for (uint32_t i = 0; route->variant_of != NULL && i < m->image->base.layout_count; i++)
        route->simple &= route->variant_of[i] == 0;
    for (uint32_t shape = 1; shape < width; shape++) {
        TH_TRY(choose_steps(m, shape, steps_before));
        for (uint32_t v = 0; v < route->variants; v++) {
            const segment_spots *spots = &route->spots[(size_t)v * width + shape];
            route->simple &= spots->count <= 1 && spots->count == route->steps[shape].count;
            for (uint32_t i = 0; i < spots->count; i++) {
                segment_spot *spot = (segment_spot *)(uintptr_t)&spots->spots[i]; /* still ours */
                route->simple &= spot->kind != SEGMENT_SPOT_TEXT;
                spot->first = steps_before[spot->first];
            }
        }
    }
    return TH_OK;
}

static void find_only(make *m)
{
    segment_route *route = m->route;
    const segment_image *s = m->image;
    route->only = SEGMENT_NONE;
    route->stored = s->whole_stored;
    uint32_t touched = 0;
    for (uint32_t i = 0; i <= s->column_count; i++) {
        if (!route->touched[i]) continue;
        touched++;
        route->only = i;
        route->stored += i < s->column_count ? s->columns[i].stored : s->residual_stored;
    }
    if (touched != 1) route->only = SEGMENT_NONE;
}

static th_err make_route(segment_image *s, const char *path, th_arena *arena,
                         const segment_route **out)
{
    make m = {.image = s, .arena = arena};
    TH_TRY(segment_need_skeleton(s, &m.k));
    segment_route *route = m.route = TH_NEW(arena, segment_route);
    if (route == NULL) return TH_ELIMIT;
    route->path = th_arena_printf(arena, "%s", path);
    if (route->path == NULL) return TH_ELIMIT;
    route->strict = path[0] == '=';
    route->name = route->path + route->strict;
    /* Of a stored column the spelling in the table counts. */
    uint32_t stored = route->strict ? SEGMENT_NONE : segment_stored_column(&s->base, path);
    if (stored != SEGMENT_NONE) route->name = s->base.table->columns[stored].path;
    TH_TRY(find_spots(&m));
    TH_TRY(find_steps(&m));
    find_only(&m);
    TH_TRY(segment_make_dictionary(s, m.k, route, arena, &route->dictionary));
    *out = route;
    return TH_OK;
}

/* ---- the cache; all of it under the lock ---- */

static cached_route *find_cached(segment_route_cache *cache, const char *path)
{
    for (uint32_t i = 0; i < cache->count; i++)
        if (cache->routes[i].arena != NULL && strcmp(cache->routes[i].route->path, path) == 0)
            return &cache->routes[i];
    return NULL;
}

static void drop(segment_route_cache *cache, cached_route *c)
{
    cache->bytes -= th_arena_used(c->arena);
    th_arena_free(c->arena);
    *c = (cached_route){0};
}

/* A place for a route of so many bytes, or NULL. */
static cached_route *find_place(segment_route_cache *cache, size_t bytes)
{
    for (;;) {
        cached_route *oldest = NULL, *empty = NULL;
        for (uint32_t i = 0; i < cache->count; i++) {
            cached_route *c = &cache->routes[i];
            if (c->arena == NULL)
                empty = c;
            else if (c->users == 0 && !c->pinned && (oldest == NULL || c->used < oldest->used))
                oldest = c;
        }
        if (empty == NULL && cache->count < ROUTES_MAX) empty = &cache->routes[cache->count++];
        if (empty != NULL && cache->bytes + bytes <= ROUTES_BYTES) return empty;
        if (oldest == NULL) return NULL;
        drop(cache, oldest);
    }
}

static segment_route_cache *need_cache(segment_image *s)
{
    if (s->routes == NULL) s->routes = calloc(1, sizeof(*s->routes));
    return s->routes;
}

static const segment_route *use_cached(segment_route_cache *cache, const char *path)
{
    cached_route *c = find_cached(cache, path);
    if (c == NULL) return NULL;
    c->used = ++cache->clock;
    c->pinned |= c->route->dictionary != NULL;
    c->users++;
    return c->route;
}

/* Keep a route that was made meanwhile; the arena is taken over, or freed when another was faster. False: no room. */
static bool keep(segment_route_cache *cache, th_arena *arena, const segment_route **route)
{
    const segment_route *other = use_cached(cache, (*route)->path);
    if (other != NULL) {
        th_arena_free(arena);
        *route = other;
        return true;
    }
    size_t bytes = th_arena_used(arena);
    cached_route *c = find_place(cache, bytes);
    if (c == NULL) return false;
    *c = (cached_route){arena, *route, ++cache->clock, 1, (*route)->dictionary != NULL};
    cache->bytes += bytes;
    return true;
}

th_err segment_need_route(segment_image *s, const char *path, th_arena *arena,
                          const segment_route **out)
{
    (void)pthread_mutex_lock(&s->lock);
    segment_route_cache *cache = need_cache(s);
    *out = cache == NULL ? NULL : use_cached(cache, path);
    (void)pthread_mutex_unlock(&s->lock);
    if (cache == NULL) return TH_ENOMEM;
    if (*out != NULL) return TH_OK;
    th_arena *own = th_arena_new(ROUTE_ARENA_MAX, s->base.budget);
    if (own == NULL) return TH_ENOMEM;
    th_err err = make_route(s, path, own, out);
    bool kept = false;
    if (err == TH_OK) {
        (void)pthread_mutex_lock(&s->lock);
        size_t before = cache->bytes;
        kept = keep(cache, own, out);
        segment_holds(&s->base, cache->bytes, before);
        (void)pthread_mutex_unlock(&s->lock);
    }
    if (kept) return TH_OK;
    th_arena_free(own);
    /* No room to keep it, or not that much memory: for this call alone. */
    return err == TH_OK || err == TH_ELIMIT ? make_route(s, path, arena, out) : err;
}

void segment_release_route(segment_image *s, const segment_route *route)
{
    (void)pthread_mutex_lock(&s->lock);
    segment_route_cache *cache = s->routes;
    for (uint32_t i = 0; i < cache->count; i++)
        if (cache->routes[i].arena != NULL && cache->routes[i].route == route)
            cache->routes[i].users--;
    (void)pthread_mutex_unlock(&s->lock);
}

void segment_route_cache_free(segment_route_cache *cache)
{
    if (cache == NULL) return;
    for (uint32_t i = 0; i < cache->count; i++) th_arena_free(cache->routes[i].arena);
    free(cache);
}
