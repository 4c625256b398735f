/* SPDX-License-Identifier: Apache-2.0
 * query_bench DATA [BUDGET_MB]: the engine alone, inside one process as embedded engines are measured. Reads lines
 * "RUNS<tab>OPTIONS<tab>STATEMENT" from standard input; answers each with one line of JSON: seconds of each run, what was
 * read in the last one, the most memory that the statement held, and its rows as CSV; or {"error": ...}. OPTIONS as
 * th_query_options_parse takes them ("threads=1,vectors=off"), or nothing. All statements are of one session. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "json/json.h"
#include "query/result.h"

#define RUNS_MAX 1000
#define CACHE_SHARE 5 /* as a server does */

typedef struct bench {
    th_store *store;
    th_provider *provider;
    th_session *session;
    th_budget budget;
    th_buf rows;
} bench;

_Noreturn static void stop(const char *what, const th_diag *diag)
{
    fprintf(stderr, "query_bench: %s%s%s\n", what, diag == NULL ? "" : ": ",
            diag == NULL ? "" : diag->text);
    exit(1);
}

static th_err keep(void *ctx, th_slice bytes)
{
    th_buf *rows = ctx;
    th_buf_add_slice(rows, bytes);
    return th_buf_error(rows);
}

/* The clock runs from the statement's text to its last byte of CSV. */
static th_err run(bench *b, const th_query_options *tuning, th_slice sql, th_query_stats *stats,
                  double *seconds, th_diag *diag)
{
    th_query_control control = {0};
    th_query_env env = {.provider = b->provider,
                        .session = b->session,
                        .options = *tuning,
                        .principal = {.name = "bench", .source = "cli"},
                        .control = &control,
                        .budget = &b->budget};
    th_writer_options options = {.format = TH_FORMAT_CSV, .write = keep, .ctx = &b->rows};
    th_buf_clear(&b->rows);
    int64_t begin = th_os_mono_us();
    th_result_writer *writer = th_result_writer_new(&options);
    if (writer == NULL) stop("no memory", NULL);
    th_result_sink sink = th_result_writer_sink(writer);
    th_err err = th_query_run(&env, sql, &sink, stats, diag);
    if (err == TH_OK) err = th_result_writer_finish(writer);
    *seconds = (double)(th_os_mono_us() - begin) / 1e6;
    th_result_writer_free(writer);
    stats->rows_read = atomic_load(&control.rows_read);
    stats->bytes_read = atomic_load(&control.bytes_read);
    stats->segments_read = atomic_load(&control.segments_read);
    stats->segments_pruned = atomic_load(&control.segments_pruned);
    return err;
}

static void print_quoted(th_slice text)
{
    th_buf quoted;
    th_buf_init(&quoted, text.size * 6 + 16);
    th_json_quote(&quoted, text);
    if (th_buf_error(&quoted) != TH_OK) stop("the rows are too many", NULL);
    fwrite(quoted.bytes, 1, quoted.size, stdout);
    th_buf_free(&quoted);
}

static void answer(bench *b, long runs, const th_query_options *tuning, th_slice sql)
{
    th_query_stats stats = {0};
    static double seconds[RUNS_MAX];
    for (long i = 0; i < runs; i++) {
        th_diag diag = {0};
        if (run(b, tuning, sql, &stats, &seconds[i], &diag) == TH_OK) continue;
        printf("{\"error\":");
        print_quoted(th_slice_text(diag.text));
        printf("}\n");
        fflush(stdout);
        return;
    }
    printf("{\"seconds\":[");
    for (long i = 0; i < runs; i++) printf("%s%.6f", i == 0 ? "" : ",", seconds[i]);
    printf(
        "],\"rows_read\":%llu,\"bytes_read\":%llu,\"segments_read\":%llu,\"segments_pruned\":%llu,"
        "\"peak_bytes\":%llu,\"csv\":",
        (unsigned long long)stats.rows_read, (unsigned long long)stats.bytes_read,
        (unsigned long long)stats.segments_read, (unsigned long long)stats.segments_pruned,
        (unsigned long long)stats.peak_bytes);
    print_quoted(th_buf_slice(&b->rows));
    printf("}\n");
    fflush(stdout);
}

int main(int argc, char **argv)
{
    if (argc < 2) stop("usage: query_bench DATA [BUDGET_MB]", NULL);
    bench b = {0};
    th_diag diag = {0};
    size_t budget = argc > 2 ? (size_t)strtoul(argv[2], NULL, 10) << 20 : (size_t)4 << 30;
    th_budget_init(&b.budget, "bench", budget, NULL);
    th_buf_init(&b.rows, 256u << 20);
    th_store_options options = {
        .no_background = true, .budget = &b.budget, .cache_bytes = budget / CACHE_SHARE};
    if (th_store_open(argv[1], &options, &b.store, NULL, &diag) != TH_OK)
        stop("the data folder does not open", &diag);
    b.provider = th_engine_new(b.store, &b.budget);
    b.session = th_session_new();
    if (b.provider == NULL || b.session == NULL) stop("no memory", NULL);
    char *line = NULL;
    size_t room = 0;
    ssize_t size;
    while ((size = getline(&line, &room, stdin)) > 0) {
        if (line[size - 1] == '\n') line[--size] = '\0';
        char *tuning = NULL;
        long runs = strtol(line, &tuning, 10);
        char *sql = *tuning == '\t' ? strchr(tuning + 1, '\t') : NULL;
        th_query_options options_of_line;
        if (runs < 1 || runs > RUNS_MAX || sql == NULL) stop("a line has another form", NULL);
        *sql = '\0';
        if (!th_query_options_parse(th_slice_text(tuning + 1), &options_of_line))
            stop("unknown options", NULL);
        answer(&b, runs, &options_of_line, th_slice_text(sql + 1));
    }
    free(line);
    th_buf_free(&b.rows);
    th_session_free(b.session);
    th_engine_free(b.provider);
    th_store_close(b.store);
    return 0;
}
