/* SPDX-License-Identifier: Apache-2.0
 * Run SQL text against a provider. The one door of query/ for cmd/, net/ and plugin/.
 *
 * Threads: a statement runs on the caller's thread; never call this on the network loop. */
#ifndef TH_QUERY_QUERY_H
#define TH_QUERY_QUERY_H

#include "query/provider.h"

/* What a client keeps between statements: schema in use, prepared statements, its own views. */
typedef struct th_session th_session;
th_session *th_session_new(void); /* NULL: no memory */
void th_session_free(th_session *session);
/* From now on what it defines is its own, and not in the provider's catalog. */
void th_session_set_apart(th_session *session);
/* Is told of every change of the session as a line of text (without its end) before it counts; an error undoes it. */
typedef th_err (*th_session_journal)(void *ctx, th_slice line, th_diag *diag);
void th_session_set_journal(th_session *session, th_session_journal journal, void *ctx);
/* Take up a line that the journal was told before. */
TH_MUST_CHECK th_err th_session_replay(th_session *session, th_slice line, th_diag *diag);

typedef struct th_query_limits {
    uint64_t memory_bytes; /* 0 = the default, 1 GiB */
    int64_t time_us;       /* 0 = none */
    uint64_t rows;         /* result rows; 0 = none */
} th_query_limits;

/* How a statement is run; answers are the same whatever they say. All zero: as fast as can be. */
typedef struct th_query_options {
    uint32_t threads;   /* most that work for one statement; 0 = as many as there are cores */
    bool plain_vectors; /* no shortcut by dictionary, kernel or kept count: row by row */
    bool plain_plan;    /* the plan as it was bound */
} th_query_options;
/* "threads=1,vectors=off,optimizer=off", each of them or none; false when it is nothing of that. */
bool th_query_options_parse(th_slice text, th_query_options *out);

typedef struct th_query_env {
    th_provider *provider;
    th_session *session; /* may be NULL */
    th_principal principal;
    th_as_known_at as_known_at;
    th_query_limits limits;
    th_query_options options;
    th_budget *budget;         /* parent of the query's memory; may be NULL */
    th_query_control *control; /* may be NULL; shared with whoever cancels or shows progress */
    const th_slice *params;    /* values of ?, each SQL literal text */
    uint32_t param_count;
    const char *temp_dir; /* for spilling */
} th_query_env;

typedef struct th_result_column {
    th_slice name;
    const th_type *type;
} th_result_column;

/* Where results go. Calls come on the running thread, columns once first, then batches; what they point to dies when
 * the call returns. A callback's error stops the query and is returned. A batch may be held back as long as the sink
 * likes: that is the back-pressure. */
typedef struct th_result_sink {
    th_err (*columns)(void *ctx, const th_result_column *columns, uint32_t count);
    th_err (*batch)(void *ctx, const th_batch *batch);
    void *ctx;
} th_result_sink;

typedef enum th_statement_kind {
    TH_STATEMENT_QUERY,
    TH_STATEMENT_DDL,
    TH_STATEMENT_UTILITY
} th_statement_kind;

typedef struct th_query_stats {
    th_statement_kind kind;
    uint64_t rows;         /* delivered */
    uint64_t rows_written; /* INSERT, CREATE TABLE AS, UNLOAD */
    uint64_t rows_read, bytes_read, segments_read, segments_pruned;
    int64_t elapsed_us;
    uint64_t peak_bytes;
} th_query_stats;

/* Parse, bind, plan and run one statement (a trailing ; is allowed). Errors are in diag with Trino's name, line and
 * column; TH_ESYNTAX, TH_ESQL, TH_ELIMIT, TH_ECANCELED, TH_ETIME or what the provider gave. stats may be NULL. */
TH_MUST_CHECK th_err th_query_run(const th_query_env *env, th_slice sql, const th_result_sink *sink,
                                  th_query_stats *stats, th_diag *diag);

/* Cut text into statements at ; outside strings, quoted names and comments. Returns the first statement without
 * its ;, and sets *rest to what follows and *line to the line number at which the statement starts (from *line, the
 * number of the line at which text starts). Empty result: none left. *complete false: the text ended before a ;. */
th_slice th_sql_split(th_slice text, th_slice *rest, uint32_t *line, bool *complete);

/* "error: line L:C: NAME: text", the source line, a caret under the column, "hint: ..." into out. sql may be empty. */
void th_query_print_error(th_buf *out, const th_diag *diag, th_slice sql);

#endif
