/* SPDX-License-Identifier: Apache-2.0
 * The plan: which part of the bytes falls on which day, account, region and five minutes, and the run through it. */
#include <stdlib.h>

#include "generate/generate_private.h"
#include "os/os.h"

enum {
    PART_MAX = 4 << 20,
    SLACK_MAX = 64 << 10,
    SLACK_PART = 64,
    OWED_MIN = 300,
    PROGRESS_EVERY_US = 100000
};

const gen_source_row gen_sources[TH_GENERATE_SOURCE_COUNT] = {
    [TH_GENERATE_CLOUDTRAIL] = {"cloudtrail", 64, 30000, 900000, GEN_DAYTIME, true, gen_trail_open,
                                gen_trail_fill, gen_trail_end, gen_trail_close},
    [TH_GENERATE_VPC_FLOW] = {"vpc_flow", 18, 60000, 1500000, GEN_DAYTIME, false, gen_flow_open,
                              gen_flow_fill, NULL, gen_flow_close},
    [TH_GENERATE_DNS] = {"dns", 9, 30000, 600000, GEN_DAYTIME, true, gen_dns_open, gen_dns_fill,
                         NULL, gen_dns_close},
    [TH_GENERATE_CONFIG] = {"config", 6, 20000, 600000, GEN_OFFICE, true, gen_items_open,
                            gen_items_fill, NULL, gen_items_close},
    [TH_GENERATE_FINDINGS] = {"findings", 3, 10000, 200000, GEN_STEADY, true, gen_findings_open,
                              gen_findings_fill, NULL, gen_findings_close},
};

static const uint32_t region_weights[GEN_REGIONS_MAX] = {60, 22, 10, 5, 3, 2};

typedef struct plan {
    const th_generate_options *options;
    gen_world world;
    gen_out *out;
    th_generate_summary *summary;
    void *states[TH_GENERATE_SOURCE_COUNT];
    uint64_t bytes[TH_GENERATE_SOURCE_COUNT]; /* of each source in all */
    int64_t owed[TH_GENERATE_SOURCE_COUNT];   /* bytes that are due and not yet written */
    uint64_t day_weight, account_weight;      /* sums */
    uint64_t passed;                          /* weight that was gone through */
    int64_t shown_us;
} plan;

const char *th_generate_source_name(th_generate_source source)
{
    return source < TH_GENERATE_SOURCE_COUNT ? gen_sources[source].name : "";
}

/* Some days are busier than others, weekends much less so. */
static uint32_t weight_of_day(const gen_world *world, uint32_t day)
{
    uint32_t noise = 85 + (uint32_t)(gen_mix(world->seed, day + 9) % 31);
    bool weekend = (world->start_day + (int32_t)day + 3) % 7 >= 5;
    return noise * (weekend ? 55u : 100u);
}

static uint32_t weight_of_account(const gen_account *account)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < account->region_count; i++) sum += region_weights[i];
    return account->weight * sum;
}

static th_err plan_open(plan *p, th_diag *diag)
{
    const th_generate_options *options = p->options;
    TH_TRY(gen_world_init(&p->world, options, diag));
    TH_TRY(gen_out_open(options, &p->world, p->summary, &p->out, diag));
    uint64_t shares = 0;
    for (int i = 0; i < TH_GENERATE_SOURCE_COUNT; i++) shares += options->share[i];
    for (int i = 0; i < TH_GENERATE_SOURCE_COUNT; i++) {
        if (options->share[i] == 0) continue;
        p->bytes[i] = (uint64_t)((unsigned __int128)options->bytes * options->share[i] / shares);
        TH_TRY(gen_sources[i].open(&p->world, &p->states[i], diag));
    }
    for (uint32_t d = 0; d < options->days; d++) p->day_weight += weight_of_day(&p->world, d);
    for (uint32_t a = 0; a < options->accounts; a++) {
        gen_account account;
        gen_account_make(&p->world, a, &account);
        p->account_weight += weight_of_account(&account);
    }
    return TH_OK;
}

static void plan_close(plan *p)
{
    for (int i = 0; i < TH_GENERATE_SOURCE_COUNT; i++)
        if (p->states[i] != NULL) gen_sources[i].close(p->states[i]);
    gen_out_close(p->out);
    gen_world_free(&p->world);
}

static th_err show_progress(plan *p, th_diag *diag)
{
    const th_generate_options *o = p->options;
    int64_t now_us = th_os_mono_us();
    if (o->progress == NULL || now_us - p->shown_us < PROGRESS_EVERY_US) return TH_OK;
    p->shown_us = now_us;
    if (o->progress(o->ctx, p->summary->record_bytes, o->bytes)) return TH_OK;
    return th_fail(diag, TH_ECANCELED, NULL, "interrupted");
}

/* Spread the unit's bytes over the slots of the day into parts[]; the sum of what was given. */
static uint64_t spread_slots(const gen_unit *unit, const gen_source_row *source, uint64_t bytes,
                             uint32_t *parts)
{
    uint32_t weights[GEN_SLOTS];
    uint64_t sum = 0, given = 0;
    for (uint32_t i = 0; i < GEN_SLOTS; i++) {
        weights[i] =
            20 + gen_rhythm_at(source->rhythm, unit->start_s + i * GEN_SLOT_SECONDS, unit->region);
        sum += weights[i];
        parts[i] = 0;
    }
    uint64_t usual = gen_spread(unit->random, source->object_low, source->object_high);
    uint64_t busy = 1 + bytes / usual;
    bool all = busy >= GEN_SLOTS;
    for (uint64_t k = 0; k < (all ? GEN_SLOTS : busy); k++) {
        /* Few objects: they fall where it is busy. Many: each slot has its own. */
        uint32_t i = (uint32_t)k, part = 50 + gen_below(unit->random, 101);
        if (!all) {
            uint64_t at = gen_below(unit->random, (uint32_t)sum);
            for (i = 0; at >= weights[i]; i++) at -= weights[i];
        } else {
            part = part * weights[i] / 16;
        }
        parts[i] += part;
        given += part;
    }
    return given;
}

static th_err run_slot(plan *p, int source, gen_unit *unit, th_diag *diag)
{
    int64_t *owed = &p->owed[source];
    while (*owed >= OWED_MIN) {
        uint64_t written = 0;
        unit->bytes = *owed < PART_MAX ? (uint64_t)*owed : PART_MAX;
        TH_TRY(gen_sources[source].fill(p->states[source], unit, &written, diag));
        *owed -= (int64_t)written;
        TH_TRY(show_progress(p, diag));
    }
    return TH_OK;
}

static th_err run_unit(plan *p, int source, const gen_account *account, uint32_t region,
                       uint32_t day, uint64_t bytes, th_diag *diag)
{
    gen_random random;
    gen_random_seed(
        &random, gen_mix(gen_mix(account->key, (uint64_t)day << 8 | region), (uint64_t)source + 5));
    gen_unit unit = {.world = &p->world,
                     .account = account,
                     .region = region,
                     .start_s = ((int64_t)p->world.start_day + day) * 86400,
                     .slack = p->bytes[source] / SLACK_PART,
                     .random = &random,
                     .out = p->out};
    if (unit.slack > SLACK_MAX) unit.slack = SLACK_MAX;
    if (p->owed[source] + (int64_t)bytes < OWED_MIN) {
        p->owed[source] += (int64_t)bytes;
        return TH_OK;
    }
    uint32_t parts[GEN_SLOTS];
    uint64_t sum = spread_slots(&unit, &gen_sources[source], bytes, parts), done = 0, given = 0;
    int64_t start_s = unit.start_s;
    for (uint32_t i = 0; i < GEN_SLOTS; i++) {
        if (parts[i] == 0) continue;
        done += parts[i];
        uint64_t until = (uint64_t)((unsigned __int128)bytes * done / sum);
        p->owed[source] += (int64_t)(until - given);
        given = until;
        unit.start_s = start_s + (int64_t)i * GEN_SLOT_SECONDS;
        unit.end_s = unit.start_s + GEN_SLOT_SECONDS;
        TH_TRY(run_slot(p, source, &unit, diag));
    }
    if (gen_sources[source].end != NULL)
        TH_TRY(gen_sources[source].end(p->states[source], &unit, diag));
    return TH_OK;
}

/* Bytes of a source that are due once weight `passed` of all is gone through. */
static uint64_t due(const plan *p, int source, uint64_t passed)
{
    unsigned __int128 whole = (unsigned __int128)p->day_weight * p->account_weight;
    return (uint64_t)((unsigned __int128)p->bytes[source] * passed / whole);
}

static th_err run_account(plan *p, uint32_t index, uint32_t day, th_diag *diag)
{
    gen_account account;
    gen_account_make(&p->world, index, &account);
    for (uint32_t r = 0; r < account.region_count; r++) {
        uint64_t next = p->passed + (uint64_t)weight_of_day(&p->world, day) * account.weight *
                                        region_weights[r];
        for (int source = 0; source < TH_GENERATE_SOURCE_COUNT; source++) {
            if (p->options->share[source] == 0) continue;
            uint64_t bytes = due(p, source, next) - due(p, source, p->passed);
            TH_TRY(run_unit(p, source, &account, account.regions[r], day, bytes, diag));
        }
        p->passed = next;
    }
    return TH_OK;
}

static th_err plan_run(plan *p, th_diag *diag)
{
    for (uint32_t day = 0; day < p->options->days; day++) {
        for (uint32_t a = 0; a < p->options->accounts; a++) {
            TH_TRY(run_account(p, a, day, diag));
            TH_TRY(show_progress(p, diag));
        }
    }
    return gen_out_flush(p->out, diag);
}

static th_err check_options(const th_generate_options *o, th_diag *diag)
{
    uint64_t shares = 0;
    for (int i = 0; i < TH_GENERATE_SOURCE_COUNT; i++) shares += o->share[i];
    if (o->accounts == 0 || o->accounts > TH_GENERATE_ACCOUNTS_MAX)
        return th_fail(diag, TH_EINVAL, NULL, "accounts must be 1 to %u", TH_GENERATE_ACCOUNTS_MAX);
    if (o->days == 0 || o->days > TH_GENERATE_DAYS_MAX)
        return th_fail(diag, TH_EINVAL, NULL, "days must be 1 to %u", TH_GENERATE_DAYS_MAX);
    if (o->bytes == 0 || o->bytes > TH_GENERATE_BYTES_MAX)
        return th_fail(diag, TH_EINVAL, NULL, "the size must be 1 byte to 1 PiB");
    if (o->level < 1 || o->level > 9)
        return th_fail(diag, TH_EINVAL, NULL, "the level must be 1 to 9");
    if (shares == 0) return th_fail(diag, TH_EINVAL, NULL, "no source is named");
    if (o->start_day < 0 || o->start_day > 200000)
        return th_fail(diag, TH_EINVAL, NULL, "the start must be between 1970 and 2500");
    return TH_OK;
}

/* In one stream flow log lines and JSON cannot be told apart from each other's middle. */
static th_err check_stream(const th_generate_options *o, th_diag *diag)
{
    bool json = false, lines = false;
    for (int i = 0; i < TH_GENERATE_SOURCE_COUNT; i++) {
        json |= o->share[i] > 0 && gen_sources[i].json;
        lines |= o->share[i] > 0 && !gen_sources[i].json;
    }
    if (o->folder != NULL || !json || !lines) return TH_OK;
    th_fail(diag, TH_EINVAL, NULL, "vpc_flow and JSON sources do not go into one stream");
    th_diag_hint(diag, "write them to a folder, or make one stream of each");
    return TH_EINVAL;
}

th_err th_generate(const th_generate_options *options, th_generate_summary *summary, th_diag *diag)
{
    *summary = (th_generate_summary){0};
    TH_TRY(check_options(options, diag));
    TH_TRY(check_stream(options, diag));
    plan *p = calloc(1, sizeof(*p));
    if (p == NULL) return th_fail(diag, TH_ENOMEM, NULL, "no memory to generate");
    p->options = options;
    p->summary = summary;
    th_err err = plan_open(p, diag);
    if (err == TH_OK) err = plan_run(p, diag);
    plan_close(p);
    free(p);
    return err;
}
