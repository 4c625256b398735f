/* SPDX-License-Identifier: Apache-2.0
 * The plugin host: runner processes, subscriptions, delivery in log order, findings out, cursors.
 *
 * A runner is `trailhold plugin-runner`, one a plugin, started by the supervisor thread; it has no descriptor of ours but
 * a socket pair and its batch, and loads the .so itself. The host evaluates predicates, writes each batch into a sealed
 * memfd, and never reads it back. Order after a batch: findings commit, then state and cursor. An insert never waits. */
#ifndef TH_PLUGIN_PLUGIN_H
#define TH_PLUGIN_PLUGIN_H

#include "query/provider.h"
#include "store/store.h"

typedef struct th_plugins th_plugins;

typedef struct th_plugins_options {
    th_store *store;
    th_provider *provider;
    const char *
        plugin_dir; /* folder of .so files beside the binary: zig-out/plugins; NULL: found from the binary */
    const char *const *extra; /* more .so paths, ended by NULL; may be NULL */
} th_plugins_options;

/* Start the supervisor; enabled plugins begin at their cursors. */
TH_MUST_CHECK th_err th_plugins_start(const th_plugins_options *options, th_plugins **out,
                                      th_diag *diag);
/* New commits are there; cheap, any thread. */
void th_plugins_wake(th_plugins *plugins);
/* Wait until every enabled plugin has passed lsn. TH_ETIME; TH_EPARTIAL when a plugin is switched off with a fault. */
TH_MUST_CHECK th_err th_plugins_wait(th_plugins *plugins, uint64_t lsn, int64_t timeout_us,
                                     th_diag *diag);
/* Stop runners and supervisor. Accepts NULL. */
void th_plugins_stop(th_plugins *plugins);
/* `plugins list --json`: ndjson, one plugin a line: name, version, sha256, enabled, state, cursor, lag_commits,
 * lag_seconds, rows, findings, faults, restarts, reason. */
TH_MUST_CHECK th_err th_plugins_list(th_plugins *plugins, th_buf *out);
/* verb: enable, disable, replay (cursor back to 0). TH_ENOTFOUND. */
TH_MUST_CHECK th_err th_plugins_control(th_plugins *plugins, const char *verb, const char *name,
                                        th_diag *diag);
/* Entry of the hidden command plugin-runner; returns its exit status. */
int th_plugin_runner_main(int argc, char **argv);

#endif
