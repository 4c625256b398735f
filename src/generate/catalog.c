/* SPDX-License-Identifier: Apache-2.0
 * Sources whose records are one template each: Resolver query logs, Config items, findings. */
#include <stdlib.h>

#include "generate/generate_private.h"

enum { KINDS_MAX = 64, SNAPSHOT_ONE_OF = 8 };

static const struct {
    th_generate_source source;
    const char *type; /* of the resource, for Config; else "" */
    uint32_t weight;
    const char *text;
} rows[] = {
#define RECORD(source, type, weight, text) {TH_GENERATE_##source, type, weight, text},
#include "generate/catalog.def"
#undef RECORD
};

typedef struct catalog {
    const gen_world *world;
    th_generate_source source;
    gen_file file;
    uint32_t count, weight;
    uint32_t rows[KINDS_MAX];
    gen_template texts[KINDS_MAX];
} catalog;

static void catalog_close(void *state)
{
    catalog *c = state;
    if (c == NULL) return;
    gen_file_free(&c->file);
    free(c);
}

static th_err compile_rows(catalog *c, th_diag *diag)
{
    for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].source != c->source) continue;
        if (c->count == KINDS_MAX)
            return th_fail(diag, TH_ELIMIT, NULL, "too many kinds of records");
        TH_TRY(gen_template_compile(rows[i].text, c->world->arena, &c->texts[c->count], diag));
        c->rows[c->count++] = i;
        c->weight += rows[i].weight;
    }
    return TH_OK;
}

static th_err catalog_open(const gen_world *world, th_generate_source source, void **state,
                           th_diag *diag)
{
    catalog *c = calloc(1, sizeof(*c));
    if (c == NULL) return th_fail(diag, TH_ENOMEM, NULL, "no memory to generate records");
    c->world = world;
    c->source = source;
    th_err err = compile_rows(c, diag);
    if (err == TH_OK) err = gen_file_init(&c->file, diag);
    if (err == TH_OK)
        *state = c;
    else
        catalog_close(c);
    return err;
}

static uint32_t draw_row(const catalog *c, gen_random *r)
{
    uint32_t at = gen_below(r, c->weight), i = 0;
    while (at >= rows[c->rows[i]].weight) at -= rows[c->rows[i++]].weight;
    return i;
}

static th_err catalog_fill(catalog *c, const gen_unit *unit, uint64_t *bytes, th_diag *diag)
{
    gen_random *r = unit->random;
    gen_scene s = {.random = r,
                   .world = c->world,
                   .account = unit->account,
                   .peer = unit->account,
                   .region = unit->region};
    c->file.source = c->source;
    c->file.account = unit->account;
    c->file.region = unit->region;
    c->file.pick = 1 + gen_skewed(r, 3);
    /* A history file is about one type of resource, a snapshot about all. */
    uint32_t kind = draw_row(c, r);
    bool mixed = c->source != TH_GENERATE_CONFIG || gen_below(r, SNAPSHOT_ONE_OF) == 0;
    c->file.layout = mixed ? NULL : rows[c->rows[kind]].type;
    while (*bytes < unit->bytes) {
        if (mixed) kind = draw_row(c, r);
        uint8_t *room = gen_file_room(&c->file, c->texts[kind].bound);
        if (room == NULL) {
            TH_TRY(gen_out_write(unit->out, &c->file, r, diag));
            continue;
        }
        gen_scene_forget(&s);
        if (c->source == TH_GENERATE_DNS) s.pick[GEN_ENTITY_vpc] = c->file.pick;
        s.now_s = unit->start_s + (int64_t)gen_below(r, (uint32_t)(unit->end_s - unit->start_s));
        s.now_ms = gen_below(r, 1000);
        uint8_t *end = gen_template_run(&c->texts[kind], &s, room);
        *bytes += (uint64_t)(end - room);
        gen_file_add(&c->file, s.now_s, end);
    }
    return gen_out_write(unit->out, &c->file, r, diag);
}

#define CATALOG(name, source)                                                                   \
    th_err gen_##name##_open(const gen_world *world, void **state, th_diag *diag)               \
    {                                                                                           \
        return catalog_open(world, source, state, diag);                                        \
    }                                                                                           \
    th_err gen_##name##_fill(void *state, const gen_unit *unit, uint64_t *bytes, th_diag *diag) \
    {                                                                                           \
        return catalog_fill(state, unit, bytes, diag);                                          \
    }                                                                                           \
    void gen_##name##_close(void *state)                                                        \
    {                                                                                           \
        catalog_close(state);                                                                   \
    }
CATALOG(dns, TH_GENERATE_DNS)
CATALOG(items, TH_GENERATE_CONFIG)
CATALOG(findings, TH_GENERATE_FINDINGS)
