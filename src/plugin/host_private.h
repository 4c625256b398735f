/* SPDX-License-Identifier: Apache-2.0
 * What the files of the host share: one th_plugin_host a plugin, driven by its own thread.
 *
 *   host.c    threads, start and stop, waiting, listing, control
 *   process.c the runner process: start, greeting, one exchange, end
 *   feed.c    log ranges -> rows that a subscription takes -> sealed memfds
 *   deliver.c one stretch of the log through the plugin; faults, halving, setting aside
 *   hits.c    hits -> findings, evidence, tags
 *   settle.c  their commit, then that of state and cursor
 */
#ifndef TH_PLUGIN_HOST_PRIVATE_H
#define TH_PLUGIN_HOST_PRIVATE_H

#include "engine/engine.h"
#include "finding/finding.h"
#include "plugin/plugin.h"
#include "plugin/wire.h"

#define HOST_PLUGINS_MAX 32u
#define HOST_FAULTS_MAX 10u /* starts without progress in between: the plugin is switched off */
#define HOST_BATCH_FAULTS_MAX 26u /* batches in a row, the deepest halving among them: the same */
#define HOST_ROW_TRIES \
    3u /* of one record, before it is set aside: a runner may die of something else */
#define HOST_LOG_LINES_MAX 256u /* a batch; more are dropped */
#define HOST_BATCH_ROWS 4096u
#define HOST_STRETCH_ROWS 65536u /* rows looked at between two cursors */
#define HOST_BATCH_TIME_US INT64_C(30000000)
#define HOST_OPEN_TIME_US INT64_C(30000000)
#define HOST_STATE_BYTES (UINT64_C(4) << 30)
#define HOST_ARENA (512u << 20)
#define HOST_CURSOR_EVERY_US \
    INT64_C(5000000) /* a cursor that moved past nothing of interest is saved this often */

typedef enum plugin_state {
    PLUGIN_STOPPED,
    PLUGIN_STARTING,
    PLUGIN_RUNNING,
    PLUGIN_WAITING,
    PLUGIN_DISABLED,
    PLUGIN_FAILED
} plugin_state;

typedef struct plugin_subscription {
    wire_subscription wire;
    uint32_t table;
    th_row_filter *filter; /* NULL: all rows */
} plugin_subscription;

typedef struct th_plugin_host {
    struct th_plugins *all;
    char name[64];
    char *path;
    pthread_t thread;
    bool thread_started;

    /* Under all->lock. */
    plugin_state state;
    bool enabled, replay_asked;
    char reason[256];
    char version[64];
    uint64_t cursor, rows, findings, faults, restarts, set_aside;
    th_sha256 sha;
    pid_t pid;

    /* The thread's own. */
    th_kv *kv;
    int code_fd; /* sealed copy of the .so */
    int socket;
    th_arena *greeting; /* subscriptions */
    th_arena *scratch;  /* of one batch, then of the settling */
    th_arena *answers;  /* of one question of the runner */
    plugin_subscription *subscriptions;
    uint32_t subscription_count;
    th_buf frame;
    struct hit_list *pending; /* of the stretch in hand */
    uint64_t saved_cursor, findings_lsn;
    uint64_t rebuild_until; /* below it the archive may hold rows of ours that a lost file knew */
    int64_t saved_us;
    uint32_t faults_in_a_row, log_lines;
} th_plugin_host;

struct th_plugins {
    th_store *store;
    th_provider *provider;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* cursors, states, new commits, stop */
    bool stopping;
    uint64_t woken; /* grows with each wake */
    th_plugin_host hosts[HOST_PLUGINS_MAX];
    uint32_t host_count;
};

bool host_stopping(th_plugin_host *host);
/* Copy as a C string, cut at a character to room - 1 bytes. */
void host_copy_text(char *out, size_t room, th_slice text);
/* The plugin's own file, opened when it is not. */
TH_MUST_CHECK th_err host_open_state(th_plugin_host *host, th_diag *diag);

/* process.c */
TH_MUST_CHECK th_err host_code_load(th_plugin_host *host, th_diag *diag); /* hash, pin, seal */
TH_MUST_CHECK th_err host_process_start(th_plugin_host *host, th_diag *diag);
void host_process_end(th_plugin_host *host, bool gently);
/* Send a batch and wait for its result, which lives in host->scratch; state questions and log lines in between are answered.
 * PLUGIN_FAULT is the runner's own failure; TH_ESTOPPING: the host is to stop. */
TH_MUST_CHECK th_err host_exchange(th_plugin_host *host, int batch_fd, uint32_t rows,
                                   wire_result *out, th_diag *diag);

/* feed.c: rows of one range that the subscription takes, ascending; then some of them as a sealed memfd. */
TH_MUST_CHECK th_err feed_rows(const plugin_subscription *subscription, th_version *version,
                               const th_log_range *range, th_arena *arena, uint32_t **rows,
                               uint32_t *count, th_diag *diag);
TH_MUST_CHECK th_err feed_batch(const plugin_subscription *subscription, uint32_t index,
                                const th_loaded *loaded, const uint32_t *rows, uint32_t count,
                                uint64_t lsn, th_arena *arena, int *fd, th_diag *diag);

/* hits.c: what a stretch gave, gathered until it is committed. */
typedef struct hit_list hit_list;
hit_list *hits_new(th_plugin_host *host, th_arena *arena);
TH_MUST_CHECK th_err hits_add(hit_list *list, const wire_result *result, uint32_t table,
                              const th_loaded *loaded, const uint32_t *rows, th_arena *scratch);
/* Findings commit; then state and cursor. cursor: the stretch's last log position. */
TH_MUST_CHECK th_err hits_commit(hit_list *list, th_version *version, uint64_t cursor,
                                 th_diag *diag);
bool hits_empty(const hit_list *list);
/* State value of a plugin's key with its time-to-live applied, the stretch in hand included; bytes NULL = none. */
TH_MUST_CHECK th_err hits_state_get(th_plugin_host *host, th_slice key, th_arena *arena,
                                    th_slice *value);

/* deliver.c: one stretch after the cursor; *moved false when there is nothing new. */
TH_MUST_CHECK th_err deliver_stretch(th_plugin_host *host, bool *moved, th_diag *diag);
/* cursor keys in the plugin's own file */
TH_MUST_CHECK th_err cursor_load(th_plugin_host *host, th_diag *diag);
TH_MUST_CHECK th_err cursor_save(th_plugin_host *host, uint64_t cursor, th_diag *diag);

#endif
