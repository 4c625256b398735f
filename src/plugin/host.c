/* SPDX-License-Identifier: Apache-2.0
 * Plugins under one roof: a thread each that follows the log, waiting, listing and control.
 *
 * Inserts never wait: a commit only wakes the threads. A plugin that cannot start, or fails HOST_FAULTS_MAX times in a row,
 * is switched off with its reason until it is enabled again. */
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/log.h"
#include "json/json.h"
#include "plugin/host_private.h"

#define BACK_OFF_FIRST_US INT64_C(100000)
#define BACK_OFF_MAX_US INT64_C(30000000)
#define LINE_MAX_BYTES (1u << 20)
#define LIST_ARENA (1u << 20)

static const char *const state_names[] = {
    [PLUGIN_STOPPED] = "stopped", [PLUGIN_STARTING] = "starting", [PLUGIN_RUNNING] = "running",
    [PLUGIN_WAITING] = "waiting", [PLUGIN_DISABLED] = "disabled", [PLUGIN_FAILED] = "failed",
};

bool host_stopping(th_plugin_host *host)
{
    pthread_mutex_lock(&host->all->lock);
    bool stopping = host->all->stopping || !host->enabled;
    pthread_mutex_unlock(&host->all->lock);
    return stopping;
}

void host_copy_text(char *out, size_t room, th_slice text)
{
    size_t size = text.size < room ? text.size : room - 1;
    while (size > 0 && size < text.size && (text.bytes[size] & 0xC0) == 0x80) size--;
    if (size > 0) memcpy(out, text.bytes, size);
    out[size] = '\0';
    if (th_utf8_valid(th_slice_of(out, size))) return;
    for (size_t i = 0; i < size; i++) {
        if ((out[i] & 0x80) != 0) out[i] = '?';
    }
}

static void set_state(th_plugin_host *host, plugin_state state, const char *reason)
{
    pthread_mutex_lock(&host->all->lock);
    host->state = state;
    if (reason != NULL) host_copy_text(host->reason, sizeof(host->reason), th_slice_text(reason));
    pthread_cond_broadcast(&host->all->changed);
    pthread_mutex_unlock(&host->all->lock);
}

static void until(struct timespec *at, int64_t us)
{
    clock_gettime(CLOCK_MONOTONIC, at);
    at->tv_sec += us / 1000000;
    at->tv_nsec += (us % 1000000) * 1000;
    if (at->tv_nsec >= 1000000000) {
        at->tv_sec++;
        at->tv_nsec -= 1000000000;
    }
}

/* Wait for something to do: a commit, an order, the end. woken: the count that was seen last. */
static void wait_for_work(th_plugin_host *host, uint64_t *woken, int64_t at_most_us)
{
    struct th_plugins *all = host->all;
    struct timespec at;
    until(&at, at_most_us);
    pthread_mutex_lock(&all->lock);
    int rc = 0;
    while (!all->stopping && host->enabled && !host->replay_asked && all->woken == *woken &&
           rc == 0) {
        rc = pthread_cond_timedwait(&all->changed, &all->lock, &at);
    }
    *woken = all->woken;
    pthread_mutex_unlock(&all->lock);
}

static bool take_replay(th_plugin_host *host)
{
    pthread_mutex_lock(&host->all->lock);
    bool asked = host->replay_asked;
    host->replay_asked = false;
    if (asked) host->cursor = 0;
    pthread_mutex_unlock(&host->all->lock);
    return asked;
}

/* Follow the log until there is an error, an order to stop, or a switch-off. */
static th_err follow(th_plugin_host *host, th_diag *diag)
{
    TH_TRY(host_open_state(host, diag));
    TH_TRY(host_process_start(host, diag));
    uint64_t woken = 0;
    for (;;) {
        if (host_stopping(host)) return TH_ESTOPPING;
        if (take_replay(host)) TH_TRY(cursor_save(host, 0, diag));
        set_state(host, PLUGIN_RUNNING, "");
        bool moved = false;
        TH_TRY(deliver_stretch(host, &moved, diag));
        if (moved) continue;
        set_state(host, PLUGIN_WAITING, "");
        wait_for_work(host, &woken, HOST_CURSOR_EVERY_US);
    }
}

/* Sleep that an order ends early. */
static void back_off(th_plugin_host *host, int64_t us)
{
    struct timespec at;
    until(&at, us);
    pthread_mutex_lock(&host->all->lock);
    while (!host->all->stopping && host->enabled &&
           pthread_cond_timedwait(&host->all->changed, &host->all->lock, &at) == 0) {}
    pthread_mutex_unlock(&host->all->lock);
}

static void wait_until_enabled(th_plugin_host *host)
{
    pthread_mutex_lock(&host->all->lock);
    while (!host->all->stopping && !host->enabled)
        pthread_cond_wait(&host->all->changed, &host->all->lock);
    pthread_mutex_unlock(&host->all->lock);
}

static bool all_stopping(th_plugin_host *host)
{
    pthread_mutex_lock(&host->all->lock);
    bool stopping = host->all->stopping;
    pthread_mutex_unlock(&host->all->lock);
    return stopping;
}

static void switch_off(th_plugin_host *host, const char *reason)
{
    th_log(TH_LOG_ERROR, "plugin %s is switched off: %s", host->name, reason);
    pthread_mutex_lock(&host->all->lock);
    host->enabled = false;
    host->state = PLUGIN_FAILED; /* together: whoever waits must not see one without the other */
    host_copy_text(host->reason, sizeof(host->reason), th_slice_text(reason));
    pthread_cond_broadcast(&host->all->changed);
    pthread_mutex_unlock(&host->all->lock);
}

static void *host_run(void *arg)
{
    th_plugin_host *host = arg;
    int64_t pause_us = BACK_OFF_FIRST_US;
    uint32_t failures = 0;
    while (!all_stopping(host)) {
        wait_until_enabled(host);
        if (all_stopping(host)) break;
        th_diag diag = {0};
        uint64_t before = host->cursor;
        set_state(host, PLUGIN_STARTING, "");
        th_err err = follow(host, &diag);
        host_process_end(host, err == TH_ESTOPPING);
        if (err == TH_ESTOPPING) {
            if (!all_stopping(host)) set_state(host, PLUGIN_DISABLED, NULL);
            continue;
        }
        if (host->cursor != before) {
            failures = 0;
            pause_us = BACK_OFF_FIRST_US;
        }
        const char *reason = diag.text[0] != '\0' ? diag.text : th_err_text(err);
        if (++failures > HOST_FAULTS_MAX || err == TH_EPERM) {
            switch_off(host, reason);
            failures = 0;
            continue;
        }
        th_log(TH_LOG_WARN, "plugin %s starts again: %s", host->name, reason);
        set_state(host, PLUGIN_STARTING, reason);
        back_off(host, pause_us);
        pause_us = pause_us * 2 < BACK_OFF_MAX_US ? pause_us * 2 : BACK_OFF_MAX_US;
    }
    th_diag diag = {0};
    if (host->kv != NULL && cursor_save(host, host->cursor, &diag) != TH_OK)
        th_log(TH_LOG_WARN, "%s", diag.text);
    set_state(host, PLUGIN_STOPPED, NULL);
    return NULL;
}

/* ---- start and stop ----------------------------------------------------------------------------------------------------- */

static bool enabled_setting(struct th_plugins *all, const char *name)
{
    char key[128];
    snprintf(key, sizeof(key), "plugin.%s.enabled", name);
    th_buf value;
    th_buf_init(&value, 64);
    bool enabled = th_store_setting_get(all->store, key, &value) != TH_OK ||
                   th_slice_is(th_buf_slice(&value), "1");
    th_buf_free(&value);
    return enabled;
}

/* State is a cache: a file that cannot be used is made again from the log. */
static th_err open_file(th_plugin_host *host, const char *path, th_diag *diag)
{
    TH_TRY(th_kv_open(path, HOST_STATE_BYTES, &host->kv, diag));
    th_err err = cursor_load(host, diag);
    if (err != TH_OK) {
        th_kv_close(host->kv);
        host->kv = NULL;
    }
    return err;
}

th_err host_open_state(th_plugin_host *host, th_diag *diag)
{
    if (host->kv != NULL) return TH_OK;
    char path[TH_PATH_SIZE_MAX];
    int size =
        snprintf(path, sizeof(path), "%s/plugins/%s", th_store_dir(host->all->store), host->name);
    if (size < 0 || (size_t)size + 16 >= sizeof(path))
        return th_fail(diag, TH_EINVAL, NULL, "the data folder's path is too long");
    TH_TRY(th_os_mkdirs(path, 0700, diag));
    memcpy(path + size, "/state.mdb", sizeof("/state.mdb"));
    th_err err = open_file(host, path, diag);
    if (err != TH_ECORRUPT) return err;
    th_log(TH_LOG_WARN, "%s; plugin %s begins again", diag->text, host->name);
    th_diag_clear(diag);
    TH_TRY(th_os_unlink(path, diag));
    return open_file(host, path, diag);
}

static th_err host_add(struct th_plugins *all, const char *path, const char *name, size_t name_size,
                       th_diag *diag)
{
    if (all->host_count == HOST_PLUGINS_MAX)
        return th_fail(diag, TH_ELIMIT, NULL, "more than %u plugins", HOST_PLUGINS_MAX);
    th_plugin_host *host = &all->hosts[all->host_count];
    if (name_size == 0 || name_size >= sizeof(host->name))
        return th_fail(diag, TH_EINVAL, NULL, "%s is no name for a plugin", name);
    *host = (th_plugin_host){.all = all, .code_fd = -1, .socket = -1, .state = PLUGIN_STOPPED};
    memcpy(host->name, name, name_size);
    host->path = strdup(path);
    host->greeting = th_arena_new(64u << 20, NULL);
    host->scratch = th_arena_new(HOST_ARENA, NULL);
    host->answers = th_arena_new(4u << 20, NULL);
    th_buf_init(&host->frame, WIRE_FRAME_MAX);
    host->enabled = enabled_setting(all, host->name);
    if (!host->enabled) host->state = PLUGIN_DISABLED;
    all->host_count++;
    if (host->path == NULL || host->greeting == NULL || host->scratch == NULL ||
        host->answers == NULL)
        return TH_ENOMEM;
    /* Here for the list's cursor; the thread tries again and says what is wrong. */
    th_diag later = {0};
    if (host_open_state(host, &later) != TH_OK)
        th_log(TH_LOG_WARN, "plugin %s: %s", host->name, later.text);
    return TH_OK;
}

/* Plugins beside the binary: ../plugins/NAME.so seen from it. */
static th_err default_dir(char out[TH_PATH_SIZE_MAX], th_diag *diag)
{
    TH_TRY(th_os_self_path(out, TH_PATH_SIZE_MAX, diag));
    for (int i = 0; i < 2; i++) {
        char *slash = strrchr(out, '/');
        if (slash != NULL) *slash = '\0';
    }
    size_t size = strlen(out);
    if (size + sizeof("/plugins") > TH_PATH_SIZE_MAX)
        return th_fail(diag, TH_EINVAL, NULL, "the path of this program is too long");
    memcpy(out + size, "/plugins", sizeof("/plugins"));
    return TH_OK;
}

static th_err add_folder(struct th_plugins *all, const char *dir, th_diag *diag)
{
    th_arena *arena = th_arena_new(LIST_ARENA, NULL);
    if (arena == NULL) return TH_ENOMEM;
    const char **names = NULL;
    size_t count = 0;
    th_diag ignored = {0};
    th_err err = th_os_list_dir(dir, arena, &names, &count, &ignored);
    if (err == TH_ENOTFOUND)
        count = 0, err = TH_OK; /* a binary without its plugins still stores and answers */
    for (size_t i = 0; i < count && err == TH_OK; i++) {
        size_t size = strlen(names[i]);
        if (size < 4 || strcmp(names[i] + size - 3, ".so") != 0) continue;
        char *path = th_arena_printf(arena, "%s/%s", dir, names[i]);
        err = path == NULL ? TH_ENOMEM : host_add(all, path, names[i], size - 3, diag);
    }
    th_arena_free(arena);
    return err;
}

static th_err start_threads(struct th_plugins *all, th_diag *diag)
{
    for (uint32_t i = 0; i < all->host_count; i++) {
        char name[16];
        snprintf(name, sizeof(name), "p-%.13s", all->hosts[i].name);
        TH_TRY(th_os_thread(&all->hosts[i].thread, name, 0, host_run, &all->hosts[i], diag));
        all->hosts[i].thread_started = true;
    }
    return TH_OK;
}

th_err th_plugins_start(const th_plugins_options *options, th_plugins **out, th_diag *diag)
{
    th_plugins *all = calloc(1, sizeof(*all));
    if (all == NULL) return TH_ENOMEM;
    all->store = options->store;
    all->provider = options->provider;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&all->lock, NULL);
    pthread_cond_init(&all->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    char dir[TH_PATH_SIZE_MAX];
    th_err err = TH_OK;
    if (options->plugin_dir == NULL) err = default_dir(dir, diag);
    if (err == TH_OK)
        err = add_folder(all, options->plugin_dir != NULL ? options->plugin_dir : dir, diag);
    for (const char *const *extra = options->extra; err == TH_OK && extra != NULL && *extra != NULL;
         extra++) {
        const char *slash = strrchr(*extra, '/'), *name = slash == NULL ? *extra : slash + 1;
        size_t size = strlen(name);
        err = host_add(all, *extra, name, size > 3 ? size - 3 : 0, diag);
    }
    if (err == TH_OK) err = start_threads(all, diag);
    if (err != TH_OK) {
        th_plugins_stop(all);
        return err;
    }
    *out = all;
    return TH_OK;
}

void th_plugins_wake(th_plugins *plugins)
{
    pthread_mutex_lock(&plugins->lock);
    plugins->woken++;
    pthread_cond_broadcast(&plugins->changed);
    pthread_mutex_unlock(&plugins->lock);
}

void th_plugins_stop(th_plugins *plugins)
{
    if (plugins == NULL) return;
    pthread_mutex_lock(&plugins->lock);
    plugins->stopping = true;
    pthread_cond_broadcast(&plugins->changed);
    pthread_mutex_unlock(&plugins->lock);
    for (uint32_t i = 0; i < plugins->host_count; i++) {
        th_plugin_host *host = &plugins->hosts[i];
        if (host->thread_started) pthread_join(host->thread, NULL);
        th_kv_close(host->kv);
        th_os_close(host->code_fd);
        th_arena_free(host->greeting);
        th_arena_free(host->scratch);
        th_arena_free(host->answers);
        th_buf_free(&host->frame);
        free(host->path);
    }
    pthread_cond_destroy(&plugins->changed);
    pthread_mutex_destroy(&plugins->lock);
    free(plugins);
}

/* ---- questions and orders ------------------------------------------------------------------------------------------------ */

/* The first enabled plugin that is behind lsn; *failed: one that was switched off by a fault. */
static const th_plugin_host *behind(th_plugins *plugins, uint64_t lsn,
                                    const th_plugin_host **failed)
{
    const th_plugin_host *found = NULL;
    *failed = NULL;
    for (uint32_t i = 0; i < plugins->host_count; i++) {
        const th_plugin_host *host = &plugins->hosts[i];
        if (host->state == PLUGIN_FAILED)
            *failed = host;
        else if (host->enabled && (host->replay_asked || host->cursor < lsn))
            found = host;
    }
    return found;
}

th_err th_plugins_wait(th_plugins *plugins, uint64_t lsn, int64_t timeout_us, th_diag *diag)
{
    struct timespec at;
    until(&at, timeout_us);
    th_plugins_wake(plugins);
    const th_plugin_host *failed = NULL, *slow;
    int rc = 0;
    pthread_mutex_lock(&plugins->lock);
    while ((slow = behind(plugins, lsn, &failed)) != NULL && rc == 0) {
        rc = pthread_cond_timedwait(&plugins->changed, &plugins->lock, &at);
    }
    th_err err = TH_OK;
    if (slow != NULL) {
        err = th_fail(diag, TH_ETIME, NULL, "plugin %s is at log position %llu of %llu", slow->name,
                      (unsigned long long)slow->cursor, (unsigned long long)lsn);
    } else if (failed != NULL) {
        err = th_fail(diag, TH_EPARTIAL, "PLUGIN_OFF", "plugin %s is switched off: %s",
                      failed->name, failed->reason);
    }
    pthread_mutex_unlock(&plugins->lock);
    return err;
}

static void put_number(th_json_writer *w, const char *key, uint64_t value)
{
    th_json_put_key(w, key);
    th_json_put_u64(w, value);
}

static void list_one(const th_plugin_host *host, uint64_t lsn, th_buf *out)
{
    char hex[65];
    th_sha256_hex(&host->sha, hex);
    th_json_writer w;
    th_json_writer_init(&w, out);
    th_json_begin_object(&w);
    th_json_put_key(&w, "name");
    th_json_put_text(&w, host->name);
    th_json_put_key(&w, "version");
    th_json_put_text(&w, host->version);
    th_json_put_key(&w, "sha256");
    th_json_put_text(&w, hex);
    th_json_put_key(&w, "enabled");
    th_json_put_bool(&w, host->enabled);
    th_json_put_key(&w, "state");
    th_json_put_text(&w, state_names[host->state]);
    put_number(&w, "cursor", host->cursor);
    put_number(&w, "lag_commits", lsn > host->cursor ? lsn - host->cursor : 0);
    put_number(&w, "rows", host->rows);
    put_number(&w, "findings", host->findings);
    put_number(&w, "faults", host->faults);
    put_number(&w, "restarts", host->restarts);
    put_number(&w, "set_aside", host->set_aside);
    th_json_put_key(&w, "pid");
    th_json_put_i64(&w, host->pid);
    th_json_put_key(&w, "reason");
    th_json_put_text(&w, host->reason);
    th_json_end_object(&w);
    th_buf_add_byte(out, '\n');
}

th_err th_plugins_list(th_plugins *plugins, th_buf *out)
{
    uint64_t lsn = th_store_lsn(plugins->store);
    pthread_mutex_lock(&plugins->lock);
    for (uint32_t i = 0; i < plugins->host_count; i++) list_one(&plugins->hosts[i], lsn, out);
    pthread_mutex_unlock(&plugins->lock);
    return th_buf_error(out);
}

static th_err set_enabled(th_plugins *plugins, th_plugin_host *host, bool enabled, th_diag *diag)
{
    char key[128];
    snprintf(key, sizeof(key), "plugin.%s.enabled", host->name);
    TH_TRY(
        th_store_setting_put(plugins->store, key, enabled ? TH_SLICE("1") : TH_SLICE("0"), diag));
    pthread_mutex_lock(&plugins->lock);
    host->enabled = enabled;
    if (enabled) host->reason[0] = '\0';
    if (enabled && host->state == PLUGIN_FAILED) host->state = PLUGIN_STARTING;
    pthread_cond_broadcast(&plugins->changed);
    pthread_mutex_unlock(&plugins->lock);
    return TH_OK;
}

th_err th_plugins_control(th_plugins *plugins, const char *verb, const char *name, th_diag *diag)
{
    th_plugin_host *host = NULL;
    for (uint32_t i = 0; i < plugins->host_count; i++) {
        if (strcmp(plugins->hosts[i].name, name) == 0) host = &plugins->hosts[i];
    }
    if (host == NULL) return th_fail(diag, TH_ENOTFOUND, NULL, "no plugin '%s'", name);
    if (strcmp(verb, "enable") == 0) return set_enabled(plugins, host, true, diag);
    if (strcmp(verb, "disable") == 0) return set_enabled(plugins, host, false, diag);
    if (strcmp(verb, "replay") != 0)
        return th_fail(diag, TH_EINVAL, NULL, "no order '%s' for plugins", verb);
    pthread_mutex_lock(&plugins->lock);
    host->replay_asked = true;
    pthread_cond_broadcast(&plugins->changed);
    pthread_mutex_unlock(&plugins->lock);
    return TH_OK;
}
