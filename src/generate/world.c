/* SPDX-License-Identifier: Apache-2.0
 * The world: accounts, regions, and the entities in them. Nothing is kept for an account: all follows from its key, so
 * that a hundred thousand accounts take no more memory than one. */
#include "base/assert.h"
#include "generate/write.h"

enum {
    ARENA_MAX = 32 << 20,
    PICK_NEW_BIT = 63,
    ENTITY_ROOM = 2048,
    POOL_BITS = 20,
    MADE_SECONDS = 300 * 86400
};

const gen_region_row gen_regions[] = {
#define REGION(name, hours) {name, hours},
#include "generate/regions.def"
#undef REGION
};
const uint32_t gen_region_count = sizeof(gen_regions) / sizeof(gen_regions[0]);

static const struct {
    const char *name;
    gen_entity_kind base;
    gen_scope scope;
    uint32_t pool;
    int64_t days;
    const char *text;
} entities[GEN_ENTITY_COUNT] = {
#define ENTITY(name, base, scope, pool, days, text) \
    {#name, GEN_ENTITY_##base, scope, pool, days, text},
#include "generate/entities.def"
#undef ENTITY
};

static const struct {
    const char *name, *text;
} fragments[] = {
#define FRAGMENT(name, text) {#name, text},
#include "generate/fragments.def"
#undef FRAGMENT
};

uint32_t gen_entity_find(const char *name)
{
    uint32_t i = 0;
    while (i < GEN_ENTITY_COUNT && strcmp(entities[i].name, name) != 0) i++;
    return i;
}

const char *gen_fragment_find(const char *name)
{
    for (size_t i = 0; i < sizeof(fragments) / sizeof(fragments[0]); i++) {
        if (strcmp(fragments[i].name, name) == 0) return fragments[i].text;
    }
    return NULL;
}

void gen_scene_forget(gen_scene *scene)
{
    memset(scene->pick, 0, sizeof(scene->pick));
    scene->key_seed = 0;
}

/* What belongs to something else follows from it: an instance is always in the same subnet. */
#define FOLLOWS(kind, leader) {GEN_ENTITY_##kind, GEN_ENTITY_##leader},
static const struct {
    gen_entity_kind kind, leader;
} follows[] = {
#include "generate/follows.def"
};
#undef FOLLOWS

static uint32_t draw_member(const gen_scene *s, uint32_t kind, uint32_t pool)
{
    for (size_t i = 0; i < sizeof(follows) / sizeof(follows[0]); i++) {
        uint64_t leader = s->pick[follows[i].leader];
        if (follows[i].kind == kind && leader != 0)
            return (uint32_t)(gen_mix(s->account->key ^ kind, leader) % pool);
    }
    return gen_skewed(s->random, pool);
}

/* Pools that change do so one member at a time: member i is renewed i/pool of the way through its time. */
static uint64_t pick_entity(const gen_scene *s, uint32_t kind)
{
    uint32_t pool = entities[kind].pool;
    uint64_t i = draw_member(s, kind, pool), generation = 0;
    if (entities[kind].days > 0) {
        int64_t life_s = entities[kind].days * 86400;
        generation = (uint64_t)((s->now_s + life_s * (int64_t)i / pool) / life_s);
    }
    return generation << POOL_BITS | (i + 1);
}

static uint64_t scope_key(const gen_scene *s, gen_scope scope)
{
    switch (scope) {
    case GEN_WORLD: return s->world->seed;
    case GEN_ACCOUNT: return s->account->key;
    case GEN_REGION: break;
    }
    return s->account->key ^ ((uint64_t)(s->region + 1) << 48);
}

uint8_t *gen_entity_write(gen_scene *s, uint32_t kind, uint8_t *out)
{
    uint32_t base = entities[kind].base;
    if (s->pick[base] == 0) s->pick[base] = pick_entity(s, base);
    gen_random own;
    gen_random_seed(&own, gen_mix(scope_key(s, entities[kind].scope) + kind, s->pick[base]));
    gen_random *outer = s->random;
    uint8_t text[ENTITY_ROOM];
    s->random = &own;
    size_t size = (size_t)(gen_template_run(&s->world->entities[kind], s, text) - text);
    s->random = outer;
    return gen_put(out, (const char *)text, size < GEN_ENTITY_MAX ? size : GEN_ENTITY_MAX);
}

int64_t gen_entity_made(gen_scene *s, uint32_t kind)
{
    uint32_t base = entities[kind].base, pool = entities[base].pool;
    if (s->pick[base] == 0) s->pick[base] = pick_entity(s, base);
    uint64_t pick = s->pick[base], chance = gen_mix(s->account->key ^ base, pick);
    int64_t life_s = entities[base].days * 86400, made_s;
    if (pick >> PICK_NEW_BIT != 0) return s->now_s;
    if (life_s == 0) {
        made_s = s->world->start_day * INT64_C(86400) - (int64_t)(chance % MADE_SECONDS);
    } else {
        int64_t i = (int64_t)(pick & ((1u << POOL_BITS) - 1)) - 1;
        made_s =
            life_s * (int64_t)(pick >> POOL_BITS) - life_s * i / pool + (int64_t)(chance % 600);
    }
    return made_s < s->now_s ? made_s : s->now_s;
}

uint8_t *gen_field_entity(gen_scene *s, const gen_arg *arg, uint8_t *out)
{
    return gen_entity_write(s, arg->kind, out);
}

uint8_t *gen_field_new(gen_scene *s, const gen_arg *arg, uint8_t *out)
{
    s->pick[entities[arg->kind].base] = gen_next(s->random) | UINT64_C(1) << PICK_NEW_BIT;
    return gen_entity_write(s, arg->kind, out);
}

static void make_regions(const gen_world *world, gen_account *account, gen_random *r)
{
    /* A company lives in two or three regions; an account uses one of them the most. */
    uint32_t common = (uint32_t)(gen_mix(world->seed, 77) % 4);
    account->regions[0] = (uint8_t)(gen_chance(r, 3, 4) ? common : gen_below(r, gen_region_count));
    account->region_count = 1;
    uint32_t wanted = 1 + gen_skewed(r, GEN_REGIONS_MAX);
    while (account->region_count < wanted) {
        uint8_t next = (uint8_t)(account->region_count == 1 && account->regions[0] != GEN_US_EAST_1
                                     ? GEN_US_EAST_1
                                     : gen_below(r, gen_region_count));
        bool there = false;
        for (uint32_t i = 0; i < account->region_count; i++) there |= account->regions[i] == next;
        if (!there) account->regions[account->region_count++] = next;
    }
}

void gen_account_make(const gen_world *world, uint32_t index, gen_account *out)
{
    static const uint32_t weights[GEN_ACCOUNT_KIND_COUNT] = {60, 18, 40, 25};
    memset(out, 0, sizeof(*out));
    out->index = index;
    out->key = gen_mix(gen_mix(world->seed, 0xACC0), index);
    gen_random r;
    gen_random_seed(&r, out->key);
    /* Account ids do not meet: the last five digits count. */
    uint64_t head = 1000000 + gen_mix(world->seed, index % 7) % 9000000;
    uint8_t *end = gen_write_padded((uint32_t)head, 7, (uint8_t *)out->id);
    gen_write_padded((uint32_t)((index * 40503u + world->seed % 100000) % 100000), 5, end);
    gen_write_letters(&r, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 32, 8, (uint8_t *)out->code);
    out->kind = index == 0   ? GEN_PRODUCTION
                : index == 1 ? GEN_CENTRAL
                             : (gen_account_kind)gen_below(&r, GEN_ACCOUNT_KIND_COUNT);
    out->weight = weights[out->kind] * (uint32_t)gen_spread(&r, 1, 15);
    make_regions(world, out, &r);
}

th_err gen_world_init(gen_world *world, const th_generate_options *options, th_diag *diag)
{
    memset(world, 0, sizeof(*world));
    world->seed = gen_mix(options->seed, 0x7261696C);
    world->accounts = options->accounts;
    world->start_day = options->start_day;
    world->days = options->days;
    world->company = (uint32_t)(gen_mix(world->seed, 1) >> 40);
    world->arena = th_arena_new(ARENA_MAX, NULL);
    if (world->arena == NULL) return th_fail(diag, TH_ENOMEM, NULL, "no memory for templates");
    for (uint32_t i = 0; i < GEN_ENTITY_COUNT; i++) {
        TH_TRY(gen_template_compile(entities[i].text, world->arena, &world->entities[i], diag));
        TH_ASSERT(world->entities[i].bound <= ENTITY_ROOM);
    }
    return TH_OK;
}

void gen_world_free(gen_world *world)
{
    th_arena_free(world->arena);
    world->arena = NULL;
}

/* Parts of 1000 by hour of the day. */
static const uint16_t office_hours[24] = {10,  6,   5,    5,   6,   15,  60,  250,
                                          700, 950, 1000, 960, 700, 850, 980, 950,
                                          820, 600, 320,  180, 120, 80,  45,  20};
static const uint16_t daytime_hours[24] = {320, 270, 240, 230,  250, 320, 430, 560,
                                           700, 820, 900, 950,  970, 960, 950, 940,
                                           930, 940, 980, 1000, 920, 760, 580, 430};
static const uint16_t night_hours[24] = {700, 1000, 950, 600, 300, 150, 60, 30, 20, 20, 20,  20,
                                         20,  20,   20,  20,  20,  20,  20, 20, 30, 60, 120, 350};

uint32_t gen_rhythm_at(gen_rhythm rhythm, int64_t seconds, uint32_t region)
{
    int64_t local = seconds + gen_regions[region].utc_hours * 3600;
    uint32_t hour = (uint32_t)(local / 3600 % 24);
    bool weekend = (local / 86400 + 3) % 7 >= 5; /* 1970-01-01 was a Thursday */
    switch (rhythm) {
    case GEN_OFFICE: return weekend ? office_hours[hour] / 12u : office_hours[hour];
    case GEN_DAYTIME: return weekend ? daytime_hours[hour] * 7u / 10u : daytime_hours[hour];
    case GEN_NIGHT: return night_hours[hour];
    case GEN_STEADY:
    case GEN_RHYTHM_COUNT: break;
    }
    return 600;
}
