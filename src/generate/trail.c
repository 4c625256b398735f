/* SPDX-License-Identifier: Apache-2.0
 * CloudTrail: scenes. A scene is an actor with a session who follows a script for some seconds or minutes. What a scene
 * does belongs to the file of its slot, but for what AWS records elsewhere (global services, the other account of a
 * call that crosses accounts): that goes into files aside. */
#include <stdlib.h>

#include "generate/trail.h"
#include "generate/write.h"

enum {
    SIDES = 24,
    SIDE_BYTES = 96 << 10, /* a file aside is written when it has so much */
    SAVED_MAX = 6000,
    SAVE_ONE_OF = 2500,    /* records that are delivered once more in the next file */
    OVERHANG_SECONDS = 240 /* a scene may run on so long behind its slot */
};

typedef struct side {
    gen_account account;
    gen_file file;
    bool used;
} side;

typedef struct trail {
    const gen_world *world;
    trail_tables tables;
    gen_scene scene;
    gen_account peer;
    gen_file file;
    side sides[SIDES];
    uint32_t side_account; /* the account and day for which files aside were opened */
    int64_t side_day;
    gen_random ids;
    uint8_t saved[SAVED_MAX];
    size_t saved_size;
    int64_t saved_s;
    uint32_t saved_account, saved_region;
    uint64_t bytes; /* of this slot */
} trail;

void gen_trail_close(void *state)
{
    trail *t = state;
    if (t == NULL) return;
    gen_file_free(&t->file);
    for (int i = 0; i < SIDES; i++) gen_file_free(&t->sides[i].file);
    free(t);
}

th_err gen_trail_open(const gen_world *world, void **state, th_diag *diag)
{
    trail *t = calloc(1, sizeof(*t));
    if (t == NULL) return th_fail(diag, TH_ENOMEM, NULL, "no memory to generate a trail");
    t->world = world;
    gen_random_seed(&t->ids, gen_mix(world->seed, 0x1D5));
    th_err err = trail_tables_make(world, &t->tables, diag);
    if (err == TH_OK) err = gen_file_init(&t->file, diag);
    if (err == TH_OK)
        *state = t;
    else
        gen_trail_close(t);
    return err;
}

static th_err flush_side(trail *t, const gen_unit *unit, side *s, th_diag *diag)
{
    s->used = false;
    (void)t;
    if (s->file.count == 0) return TH_OK;
    return gen_out_write(unit->out, &s->file, unit->random, diag);
}

static th_err flush_sides(trail *t, const gen_unit *unit, th_diag *diag)
{
    for (int i = 0; i < SIDES; i++) TH_TRY(flush_side(t, unit, &t->sides[i], diag));
    return TH_OK;
}

/* The file of another account or region; the fullest one makes room. */
static th_err find_side(trail *t, const gen_unit *unit, const gen_account *account, uint32_t region,
                        side **out, th_diag *diag)
{
    side *fullest = NULL, *unused = NULL;
    for (int i = 0; i < SIDES; i++) {
        side *s = &t->sides[i];
        if (!s->used) {
            if (unused == NULL) unused = s;
            continue;
        }
        if (s->account.index == account->index && s->file.region == region) {
            *out = s;
            return TH_OK;
        }
        if (fullest == NULL || s->file.bytes.size > fullest->file.bytes.size) fullest = s;
    }
    if (unused == NULL) {
        TH_TRY(flush_side(t, unit, fullest, diag));
        unused = fullest;
    }
    if (unused->file.records == NULL) TH_TRY(gen_file_init(&unused->file, diag));
    unused->used = true;
    unused->account = *account;
    unused->file.source = TH_GENERATE_CLOUDTRAIL;
    unused->file.account = &unused->account;
    unused->file.region = region;
    *out = unused;
    return TH_OK;
}

static th_err write_call(trail *t, const gen_unit *unit, gen_file *file, const trail_call *call,
                         th_diag *diag)
{
    uint8_t *room = gen_file_room(file, call->event->bound);
    if (room == NULL) {
        TH_TRY(gen_out_write(unit->out, file, unit->random, diag));
        room = gen_file_room(file, call->event->bound);
        if (room == NULL) return th_fail(diag, TH_ENOMEM, NULL, "no memory for a file of records");
    }
    uint8_t *end = trail_write_record(&t->scene, call, room);
    size_t size = (size_t)(end - room);
    gen_file_add(file, t->scene.now_s, end);
    t->bytes += size;
    if (t->saved_size == 0 && file == &t->file && size <= SAVED_MAX &&
        gen_below(unit->random, SAVE_ONE_OF) == 0) {
        memcpy(t->saved, room, size);
        t->saved_size = size;
        t->saved_s = t->scene.now_s;
        t->saved_account = unit->account->index;
        t->saved_region = unit->region;
    }
    return TH_OK;
}

static th_err write_aside(trail *t, const gen_unit *unit, const gen_account *account,
                          uint32_t region, const trail_call *call, th_diag *diag)
{
    side *s = NULL;
    TH_TRY(find_side(t, unit, account, region, &s, diag));
    TH_TRY(write_call(t, unit, &s->file, call, diag));
    return s->file.bytes.size >= SIDE_BYTES ? flush_side(t, unit, s, diag) : TH_OK;
}

static const trail_error *draw_error(const trail *t, const trail_actor *actor,
                                     const trail_event *event)
{
    for (uint32_t i = 0; i < event->error_count; i++) {
        const trail_error *e = event->errors[i];
        /* What fails by its nature does so for everybody. */
        uint32_t rate = e->rate >= 1000 ? e->rate : e->rate * actor->errors / 100;
        if (gen_chance(t->scene.random, rate, 10000)) return e;
    }
    return NULL;
}

static th_err do_event(trail *t, const gen_unit *unit, const trail_actor *actor,
                       const trail_event *event, bool console, th_diag *diag)
{
    gen_scene *s = &t->scene;
    trail_call call = {.event = event, .actor = actor, .console = console, .ids = &t->ids};
    call.error = draw_error(t, actor, event);
    bool elsewhere = (event->flags & GLOBAL) != 0 && unit->region != GEN_US_EAST_1;
    bool crosses = (event->flags & CROSS) != 0;
    if ((event->flags & (SHARED | CROSS)) != 0) gen_write_uuid(s->random, call.shared);
    if (!crosses || s->peer->index >= t->world->accounts) {
        if (elsewhere) return write_aside(t, unit, unit->account, GEN_US_EAST_1, &call, diag);
        return write_call(t, unit, &t->file, &call, diag);
    }
    /* The other account's record has the same ids of the request, so the same numbers are drawn for it. */
    gen_random numbers = *s->random;
    uint64_t pick[GEN_ENTITY_COUNT], key_seed = s->key_seed;
    memcpy(pick, s->pick, sizeof(pick));
    TH_TRY(write_call(t, unit, &t->file, &call, diag));
    gen_random after = *s->random;
    *s->random = numbers;
    s->key_seed = key_seed;
    memcpy(s->pick, pick, sizeof(pick));
    call.as_owner = true;
    th_err err = write_aside(t, unit, s->peer, unit->region, &call, diag);
    *s->random = after;
    return err;
}

static uint64_t hash_text(const char *text)
{
    uint64_t hash = 7;
    for (; *text != '\0'; text++) hash = gen_mix(hash, (uint8_t)*text);
    return hash;
}

static void run_text(gen_scene *s, const gen_template *template, char *out, size_t size)
{
    uint8_t text[GEN_ENTITY_MAX * 4];
    size_t used = 0;
    if (template->bound <= sizeof(text))
        used = (size_t)(gen_template_run(template, s, text) - text);
    if (used >= size) used = size - 1;
    memcpy(out, text, used);
    out[used] = '\0';
}

/* Who it is this time, and the session that the hour gives: credentials last for a while and come back in many files. */
static void enter(trail *t, const gen_unit *unit, const trail_actor *actor, int64_t now_s)
{
    gen_scene *s = &t->scene;
    gen_actor_state *me = &s->me;
    gen_scene_forget(s);
    s->random = unit->random;
    s->world = t->world;
    s->account = unit->account;
    s->region = unit->region;
    s->now_s = now_s;
    s->now_ms = gen_below(s->random, 1000);
    s->key_is_log = false;
    uint32_t other = t->world->accounts > 1 ? gen_below(s->random, t->world->accounts - 1) : 1;
    if (other >= unit->account->index) other++;
    gen_account_make(t->world, t->world->accounts > 1 ? other : t->world->accounts + 1, &t->peer);
    s->peer = &t->peer;
    run_text(s, &actor->path, me->path, sizeof(me->path));
    run_text(s, &actor->session, me->session, sizeof(me->session)); /* the role follows from it */
    run_text(s, &actor->role, me->role, sizeof(me->role));
    run_text(s, &actor->address, me->address, sizeof(me->address));
    uint64_t who = gen_mix(hash_text(me->role), hash_text(me->session)) ^ s->account->key;
    if (actor->minutes == 0) {
        me->session_key = gen_next(s->random);
        me->created_s = now_s - (int64_t)gen_below(s->random, 3);
    } else {
        int64_t length = (int64_t)actor->minutes * 60, offset = (int64_t)(who % (uint64_t)length);
        int64_t turn = (now_s + offset) / length;
        me->session_key = gen_mix(who, (uint64_t)turn);
        me->created_s = turn * length - offset;
    }
    me->agent = &actor->agents[who % actor->agent_count].text;
    me->agent_key = who;
    uint8_t *end = gen_template_run(&actor->identity->text, s, me->identity);
    me->identity_size = (size_t)(end - me->identity);
}

static th_err play(trail *t, const gen_unit *unit, const trail_actor *actor,
                   const trail_script *script, th_diag *diag)
{
    gen_scene *s = &t->scene;
    bool console = actor->agents[s->me.agent_key % actor->agent_count].console;
    int64_t now_ms = s->now_s * 1000;
    for (uint32_t i = 0; i < script->step_count; i++) {
        const trail_step *step = &script->steps[i];
        if (step->percent < 100 && !gen_chance(s->random, step->percent, 100)) continue;
        uint32_t times = (uint32_t)gen_between(s->random, step->low, step->high);
        for (uint32_t k = 0; k < times; k++) {
            if (step->anew) gen_scene_forget(s);
            const trail_event *event = step->choices[gen_below(s->random, step->choice_count)];
            TH_TRY(do_event(t, unit, actor, event, console, diag));
            now_ms += gen_below(s->random, script->gap_ms) + gen_below(s->random, script->gap_ms);
            s->now_s = now_ms / 1000;
            s->now_ms = (uint32_t)(now_ms % 1000);
            bool late = s->now_s > unit->end_s + OVERHANG_SECONDS;
            if (late || t->bytes > unit->bytes + unit->slack) return TH_OK;
        }
    }
    return TH_OK;
}

static const trail_script *draw_script(const trail_actor *actor, gen_random *r)
{
    uint32_t at = gen_below(r, actor->script_weight), i = 0;
    while (at >= actor->scripts[i]->weight) at -= actor->scripts[i++]->weight;
    return actor->scripts[i];
}

/* How much each is at work in this slot; the sum. */
static uint32_t weigh_actors(const trail *t, const gen_unit *unit, uint32_t *weights)
{
    uint32_t sum = 0, rhythm[GEN_RHYTHM_COUNT];
    for (uint32_t i = 0; i < GEN_RHYTHM_COUNT; i++)
        rhythm[i] = gen_rhythm_at((gen_rhythm)i, unit->start_s, unit->region);
    for (uint32_t i = 0; i < t->tables.actor_count; i++) {
        const trail_actor *a = &t->tables.actors[i];
        weights[i] = a->weights[unit->account->kind] * rhythm[a->rhythm];
        sum += weights[i];
    }
    return sum;
}

/* A record of the file before comes a second time. */
static void repeat_saved(trail *t, const gen_unit *unit)
{
    if (t->saved_size == 0) return;
    uint8_t *room = t->saved_account == unit->account->index && t->saved_region == unit->region
                        ? gen_file_room(&t->file, t->saved_size)
                        : NULL;
    if (room != NULL) {
        memcpy(room, t->saved, t->saved_size);
        gen_file_add(&t->file, t->saved_s, room + t->saved_size);
        t->bytes += t->saved_size;
    }
    t->saved_size = 0;
}

th_err gen_trail_fill(void *state, const gen_unit *unit, uint64_t *bytes, th_diag *diag)
{
    trail *t = state;
    uint32_t weights[64];
    t->bytes = 0;
    if (t->side_account != unit->account->index || t->side_day != unit->start_s / 86400)
        TH_TRY(flush_sides(t, unit, diag));
    t->side_account = unit->account->index;
    t->side_day = unit->start_s / 86400;
    t->file.source = TH_GENERATE_CLOUDTRAIL;
    t->file.account = unit->account;
    t->file.region = unit->region;
    repeat_saved(t, unit);
    uint32_t sum = weigh_actors(t, unit, weights);
    while (t->bytes < unit->bytes) {
        uint32_t at = gen_below(unit->random, sum), i = 0;
        while (at >= weights[i]) at -= weights[i++];
        const trail_actor *actor = &t->tables.actors[i];
        int64_t slot = unit->end_s - unit->start_s;
        enter(t, unit, actor, unit->start_s + (int64_t)gen_below(unit->random, (uint32_t)slot));
        TH_TRY(play(t, unit, actor, draw_script(actor, unit->random), diag));
    }
    *bytes = t->bytes;
    return gen_out_write(unit->out, &t->file, unit->random, diag);
}

th_err gen_trail_end(void *state, const gen_unit *unit, th_diag *diag)
{
    return flush_sides(state, unit, diag);
}
