/* SPDX-License-Identifier: Apache-2.0
 * trailhold generate: believable evidence, for sizing a machine and for measuring. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/time.h"
#include "cmd/cmd.h"
#include "generate/generate.h"
#include "os/os.h"

typedef struct generate_run {
    cmd_call *call;
    bool terminal;
    int64_t started_us;
} generate_run;

static bool generate_progress(void *ctx, uint64_t done, uint64_t total)
{
    generate_run *run = ctx;
    if (run->terminal) {
        double seconds = (double)(th_os_mono_us() - run->started_us) / 1e6;
        double rate = seconds > 0 ? (double)done / seconds : 0;
        cmd_message(run->call->io, "\r%.1f of %.1f MB, %.0f MB/s, %.0f s left \033[K",
                    (double)done / 1e6, (double)total / 1e6, rate / 1e6,
                    rate > 0 && total > done ? (double)(total - done) / rate : 0.0);
    }
    return cmd_interrupted == 0;
}

static th_err write_stream(void *ctx, th_slice bytes, th_diag *diag)
{
    (void)ctx;
    return th_os_write_all(STDOUT_FILENO, bytes, diag);
}

/* A number of a word, from 1 but for the seed. */
static bool take_number(cmd_call *call, const char *option, const char *word, uint64_t low,
                        uint64_t high, uint64_t *out)
{
    if (word == NULL) return true;
    if (th_slice_to_u64(th_slice_text(word), out) && *out >= low && *out <= high) return true;
    cmd_usage(call->io, call->name, "%s takes %llu to %llu, not '%s'", option,
              (unsigned long long)low, (unsigned long long)high, word);
    return false;
}

/* Objects go into a folder of their own: nothing of somebody else's is mixed with what was made up. */
static th_err check_folder(const char *folder, th_diag *diag)
{
    th_os_stat stat;
    th_diag ignored = {0};
    if (th_os_stat_path(folder, true, &stat, &ignored) != TH_OK)
        return th_os_mkdirs(folder, 0777, diag);
    if (!stat.is_dir) return th_fail(diag, TH_EINVAL, NULL, "%s is not a folder", folder);
    th_arena *arena = th_arena_new(64 << 20, NULL);
    const char **names = NULL;
    size_t count = 0;
    th_err err = arena == NULL ? th_fail(diag, TH_ENOMEM, NULL, "no memory to read the folder")
                               : th_os_list_dir(folder, arena, &names, &count, diag);
    if (err == TH_OK && count > 0) {
        err = th_fail(diag, TH_EEXIST, NULL, "%s is not empty", folder);
        th_diag_hint(diag, "name a new folder, or empty this one");
    }
    th_arena_free(arena);
    return err;
}

static void report(cmd_call *call, const th_generate_summary *s, bool stream, double seconds)
{
    if (call->json && !stream) {
        cmd_print(call->io,
                  "{\"records\":%llu,\"record_bytes\":%llu,\"objects\":%llu,\"object_bytes\":%llu,"
                  "\"repeated\":%llu,\"seconds\":%.3f}\n",
                  (unsigned long long)s->records, (unsigned long long)s->record_bytes,
                  (unsigned long long)s->objects, (unsigned long long)s->object_bytes,
                  (unsigned long long)s->repeated, seconds);
    } else if (!call->quiet) {
        cmd_message(call->io, "%llu records, %.1f MB", (unsigned long long)s->records,
                    (double)s->record_bytes / 1e6);
        if (!stream)
            cmd_message(call->io, ", in %llu objects of %.1f MB", (unsigned long long)s->objects,
                        (double)s->object_bytes / 1e6);
        cmd_message(call->io, "; %.1f s\n", seconds);
    }
}

typedef struct generate_words {
    const char *seed, *accounts, *days, *size, *sources, *start, *out, *level;
} generate_words;

/* Words into options; false after it said what is wrong. */
static bool understand(cmd_call *call, const generate_words *w, th_generate_options *o,
                       th_diag *diag)
{
    uint64_t seed = 1, accounts = 3, days = 7, level = 1;
    if (!take_number(call, "--seed", w->seed, 0, UINT64_MAX, &seed) ||
        !take_number(call, "--accounts", w->accounts, 1, TH_GENERATE_ACCOUNTS_MAX, &accounts) ||
        !take_number(call, "--days", w->days, 1, TH_GENERATE_DAYS_MAX, &days) ||
        !take_number(call, "--level", w->level, 1, 9, &level))
        return false;
    o->seed = seed;
    o->accounts = (uint32_t)accounts;
    o->days = (uint32_t)days;
    o->level = (int)level;
    o->start_day = TH_GENERATE_START_DAY;
    if (w->start != NULL &&
        (!th_day_parse(th_slice_text(w->start), &o->start_day) || o->start_day == TH_DAY_UNDATED)) {
        cmd_usage(call->io, call->name, "--start takes a day like 2025-03-03, not '%s'", w->start);
        return false;
    }
    return th_generate_parse_size(w->size == NULL ? "10M" : w->size, &o->bytes, diag) == TH_OK &&
           th_generate_parse_sources(w->sources == NULL ? "cloudtrail" : w->sources, o->share,
                                     diag) == TH_OK;
}

int cmd_run_generate(cmd_call *call)
{
    generate_words w = {0};
    const cmd_option options[] = {
        {"--seed", &w.seed, NULL},       {"--accounts", &w.accounts, NULL},
        {"--days", &w.days, NULL},       {"--size", &w.size, NULL},
        {"--sources", &w.sources, NULL}, {"--start", &w.start, NULL},
        {"--level", &w.level, NULL},     {"-o", &w.out, NULL},
        {"--output", &w.out, NULL},      {NULL, NULL, NULL}};
    const char **rest = calloc((size_t)call->argc + 1, sizeof(*rest));
    int rest_count = 0;
    if (rest == NULL) return CMD_EXIT_ERROR;
    bool good = cmd_options_parse(call, options, rest, &rest_count);
    const char *extra = rest_count > 0 ? rest[0] : NULL;
    free(rest);
    if (!good) return CMD_EXIT_USAGE;
    if (extra != NULL) return cmd_usage(call->io, call->name, "what is '%s'?", extra);
    if (w.out == NULL)
        return cmd_usage(call->io, call->name, "where to? -o FOLDER, or -o - for standard output");
    generate_run run = {call, !call->quiet && isatty(STDERR_FILENO), th_os_mono_us()};
    th_generate_options o = {.write = write_stream, .progress = generate_progress, .ctx = &run};
    th_diag diag = {0};
    if (!understand(call, &w, &o, &diag))
        return diag.code == TH_OK ? CMD_EXIT_USAGE
                                  : (cmd_error(call->io, &diag, (th_slice){0}), CMD_EXIT_USAGE);
    bool stream = strcmp(w.out, "-") == 0;
    o.folder = stream ? NULL : w.out;
    th_generate_summary summary;
    th_err err = stream ? TH_OK : check_folder(w.out, &diag);
    if (err == TH_OK) err = th_generate(&o, &summary, &diag);
    if (run.terminal) cmd_message(call->io, "\r\033[K");
    if (err != TH_OK) return cmd_error(call->io, &diag, (th_slice){0});
    report(call, &summary, stream, (double)(th_os_mono_us() - run.started_us) / 1e6);
    return CMD_EXIT_OK;
}
