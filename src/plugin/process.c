/* SPDX-License-Identifier: Apache-2.0
 * The runner process seen from the host: the .so is read once, hashed, checked against the pins and sealed into memory
 * before anything runs; the runner gets that copy and one end of a socket pair, and nothing else of ours. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/log.h"
#include "plugin/host_private.h"
#include "plugin/pinned.h"

#define CODE_SIZE_MAX (256u << 20)
#define END_WAIT_US INT64_C(2000000)
#define SEND_WAIT_S 10 /* a runner that does not read */
#define STOP_LOOK_US INT64_C(100000)

static bool pinned(const char *name, const th_sha256 *sha)
{
    for (size_t i = 0; i < th_pinned_plugin_count; i++) {
        if (strcmp(th_pinned_plugins[i].name, name) == 0 &&
            memcmp(th_pinned_plugins[i].sha256, sha->bytes, 32) == 0)
            return true;
    }
    return false;
}

static th_err seal(th_plugin_host *host, th_slice code, th_diag *diag)
{
    int fd = memfd_create("plugin", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return th_fail(diag, TH_EIO, NULL, "cannot make memory for plugin %s: %s", host->name,
                       strerror(errno));
    th_err err = th_os_write_all(fd, code, diag);
    if (err == TH_OK &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
        err = th_fail(diag, TH_EIO, NULL, "cannot seal plugin %s: %s", host->name, strerror(errno));
    }
    if (err != TH_OK) {
        th_os_close(fd);
        return err;
    }
    host->code_fd = fd;
    return TH_OK;
}

static th_err read_code(int fd, th_buf *out, th_diag *diag)
{
    for (;;) {
        uint8_t *room = th_buf_reserve(out, 65536);
        if (room == NULL)
            return th_fail(diag, TH_ELIMIT, NULL, "the plugin is larger than %u MiB",
                           CODE_SIZE_MAX >> 20);
        size_t got = 0;
        TH_TRY(th_os_read(fd, room, 65536, &got, diag));
        if (got == 0) return TH_OK;
        th_buf_grow(out, got);
    }
}

th_err host_code_load(th_plugin_host *host, th_diag *diag)
{
    if (host->code_fd >= 0) return TH_OK;
    int fd = th_os_open(host->path, O_RDONLY | O_NOFOLLOW, 0, diag);
    if (fd < 0) return TH_EIO;
    th_buf code;
    th_buf_init(&code, CODE_SIZE_MAX);
    th_err err = read_code(fd, &code, diag);
    th_os_close(fd);
    if (err == TH_OK) {
        th_sha256 sha = th_sha256_of(th_buf_slice(&code));
        pthread_mutex_lock(&host->all->lock);
        host->sha = sha;
        pthread_mutex_unlock(&host->all->lock);
        if (!pinned(host->name, &sha)) {
            err =
                th_fail(diag, TH_EPERM, "PLUGIN_NOT_TRUSTED",
                        "%s is not one of the plugins that this binary was built with", host->path);
        }
    }
    if (err == TH_OK) err = seal(host, th_buf_slice(&code), diag);
    th_buf_free(&code);
    return err;
}

/* The list shows the process id: it changes under the lock. */
static void set_pid(th_plugin_host *host, pid_t pid)
{
    pthread_mutex_lock(&host->all->lock);
    host->pid = pid;
    pthread_mutex_unlock(&host->all->lock);
}

static th_err spawn(th_plugin_host *host, int runner_end, th_diag *diag)
{
    char self[TH_PATH_SIZE_MAX];
    TH_TRY(th_os_self_path(self, sizeof(self), diag));
    int null_fd = th_os_open("/dev/null", O_RDWR, 0, diag);
    if (null_fd < 0) return TH_EIO;
    const char *argv[] = {"trailhold", "plugin-runner", host->name, NULL};
    const char *env[] = {"PATH=/usr/bin:/bin", "LANG=C.UTF-8", NULL};
    const int fds[] = {null_fd, null_fd, null_fd, runner_end, host->code_fd};
    th_os_spawn spec = {.program = self,
                        .argv = argv,
                        .env = env,
                        .fds = fds,
                        .fd_count = 5,
                        .die_with_parent = true};
    pid_t pid = 0;
    th_err err = th_os_spawn_process(&spec, &pid, diag);
    th_os_close(null_fd);
    if (err == TH_OK) set_pid(host, pid);
    return err;
}

static th_err bind_subscription(th_plugin_host *host, const wire_subscription *wire,
                                plugin_subscription *out, th_diag *diag)
{
    char table[WIRE_KEY_MAX + 1];
    snprintf(table, sizeof(table), "%.*s", TH_SLICE_ARGS(wire->table));
    const th_stored_table *stored = th_model_table_by_name(table);
    if (stored == NULL)
        return th_fail(diag, TH_EINVAL, NULL, "plugin %s subscribes to '%s', which is no table",
                       host->name, table);
    out->wire = *wire;
    out->table = stored->id;
    if (wire->predicate.bytes == NULL) return TH_OK;
    return th_row_filter_new(host->all->provider, table, wire->predicate, &out->filter, diag);
}

static th_err take_greeting(th_plugin_host *host, th_diag *diag)
{
    wire_ready ready;
    th_arena_reset(host->greeting);
    /* What is decoded borrows from the frame, which the next message overwrites: keep a copy. */
    th_slice kept = th_arena_copy(host->greeting, th_buf_slice(&host->frame));
    if (kept.bytes == NULL) return TH_ENOMEM;
    TH_TRY(wire_ready_decode(kept, host->greeting, &ready, diag));
    if (!th_slice_is(ready.name, host->name)) {
        return th_fail(diag, TH_EINVAL, NULL, "the plugin in %s calls itself '%.*s'", host->path,
                       TH_SLICE_ARGS(ready.name));
    }
    host->subscriptions =
        TH_NEW_ARRAY(host->greeting, plugin_subscription, (size_t)ready.subscription_count + 1);
    if (host->subscriptions == NULL) return TH_ENOMEM;
    for (uint32_t i = 0; i < ready.subscription_count; i++) {
        host->subscription_count = i + 1;
        TH_TRY(bind_subscription(host, &ready.subscriptions[i], &host->subscriptions[i], diag));
    }
    pthread_mutex_lock(&host->all->lock);
    host_copy_text(host->version, sizeof(host->version), ready.version);
    pthread_mutex_unlock(&host->all->lock);
    return TH_OK;
}

static void log_line(th_plugin_host *host)
{
    if (host->log_lines++ >= HOST_LOG_LINES_MAX) return;
    th_reader r = th_reader_of(th_buf_slice(&host->frame));
    uint8_t level = th_take_u8(&r);
    th_slice text = wire_take_bytes(&r, WIRE_TEXT_MAX);
    if (r.bad || text.bytes == NULL) return;
    th_log(level == 0   ? TH_LOG_INFO
           : level == 1 ? TH_LOG_WARN
                        : TH_LOG_ERROR,
           "plugin %s: %.*s", host->name, TH_SLICE_ARGS(text));
}

static th_err answer_state(th_plugin_host *host)
{
    th_slice value = {0};
    if (host->frame.size == 0 || host->frame.size > WIRE_KEY_MAX) return TH_EPARSE;
    th_arena_reset(host->answers);
    TH_TRY(hits_state_get(host, th_buf_slice(&host->frame), host->answers, &value));
    th_buf reply;
    th_buf_init(&reply, WIRE_FRAME_MAX);
    wire_put_bytes(&reply, value);
    th_err err = th_buf_error(&reply);
    if (err == TH_OK) err = wire_send(host->socket, WIRE_STATE, th_buf_slice(&reply), -1);
    th_buf_free(&reply);
    return err;
}

/* Until the runner says something; an order to stop does not wait for a slow one. */
static th_err await_runner(th_plugin_host *host, int64_t give_up_us)
{
    for (;;) {
        if (host_stopping(host)) return TH_ESTOPPING;
        int64_t left = give_up_us - th_os_mono_us();
        if (left <= 0) return TH_ETIME;
        struct pollfd p = {.fd = host->socket, .events = POLLIN};
        int n = poll(&p, 1, (int)((left < STOP_LOOK_US ? left : STOP_LOOK_US) / 1000 + 1));
        if (n > 0) return TH_OK;
        if (n < 0 && errno != EINTR) return TH_EIO;
    }
}

/* The next message that is neither a log line nor a question. */
static th_err next_message(th_plugin_host *host, int64_t give_up_us, wire_kind *kind)
{
    host->log_lines = 0;
    for (;;) {
        TH_TRY(await_runner(host, give_up_us));
        int64_t left = give_up_us - th_os_mono_us();
        TH_TRY(wire_receive(host->socket, left > 0 ? left : 0, kind, &host->frame, NULL));
        if (*kind == WIRE_LOG)
            log_line(host);
        else if (*kind == WIRE_STATE_GET)
            TH_TRY(answer_state(host));
        else
            return TH_OK;
    }
}

static th_err greet(th_plugin_host *host, th_diag *diag)
{
    th_buf open;
    th_buf_init(&open, WIRE_FRAME_MAX);
    wire_put_text(&open, "{}");
    th_err err = wire_send(host->socket, WIRE_OPEN, th_buf_slice(&open), -1);
    th_buf_free(&open);
    wire_kind kind = WIRE_CLOSE;
    if (err == TH_OK) err = next_message(host, th_os_mono_us() + HOST_OPEN_TIME_US, &kind);
    if (err == TH_ESTOPPING) return err;
    if (err != TH_OK)
        return th_fail(diag, err, "PLUGIN_FAULT", "plugin %s did not start: %s", host->name,
                       th_err_text(err));
    if (kind == WIRE_REFUSED) {
        th_reader r = th_reader_of(th_buf_slice(&host->frame));
        th_slice text = wire_take_bytes(&r, WIRE_TEXT_MAX);
        return th_fail(diag, TH_EPERM, "PLUGIN_REFUSED", "plugin %s: %.*s", host->name,
                       TH_SLICE_ARGS(text));
    }
    if (kind != WIRE_READY)
        return th_fail(diag, TH_EPARSE, "PLUGIN_FAULT", "plugin %s did not greet", host->name);
    return take_greeting(host, diag);
}

th_err host_process_start(th_plugin_host *host, th_diag *diag)
{
    TH_TRY(host_code_load(host, diag));
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        return th_fail(diag, TH_EIO, NULL, "cannot make a socket for plugin %s: %s", host->name,
                       strerror(errno));
    }
    host->socket = ends[0];
    struct timeval patience = {.tv_sec = SEND_WAIT_S};
    (void)setsockopt(ends[0], SOL_SOCKET, SO_SNDTIMEO, &patience,
                     sizeof(patience)); /* of a socket of ours: cannot fail */
    th_err err = spawn(host, ends[1], diag);
    th_os_close(ends[1]);
    if (err == TH_OK) err = greet(host, diag);
    if (err != TH_OK) host_process_end(host, false);
    return err;
}

void host_process_end(th_plugin_host *host, bool gently)
{
    if (host->socket >= 0) {
        if (gently && wire_send(host->socket, WIRE_CLOSE, (th_slice){0}, -1) != TH_OK)
            gently = false;
        shutdown(host->socket, SHUT_WR);
    }
    if (host->pid > 0) {
        int64_t give_up = th_os_mono_us() + (gently ? END_WAIT_US : 0);
        while (waitpid(host->pid, NULL, WNOHANG) == 0) {
            if (th_os_mono_us() >= give_up) {
                kill(host->pid, SIGKILL);
                while (waitpid(host->pid, NULL, 0) < 0 && errno == EINTR) {}
                break;
            }
            usleep(1000);
        }
    }
    for (uint32_t i = 0; i < host->subscription_count; i++)
        th_row_filter_free(host->subscriptions[i].filter);
    host->subscription_count = 0;
    th_os_close(host->socket);
    host->socket = -1;
    set_pid(host, 0);
}

th_err host_exchange(th_plugin_host *host, int batch_fd, uint32_t rows, wire_result *out,
                     th_diag *diag)
{
    wire_kind kind = WIRE_CLOSE;
    th_err err = wire_send(host->socket, WIRE_BATCH, (th_slice){0}, batch_fd);
    if (err == TH_OK) err = next_message(host, th_os_mono_us() + HOST_BATCH_TIME_US, &kind);
    if (err == TH_ESTOPPING) return err;
    if (err == TH_OK && kind != WIRE_RESULT) err = TH_EPARSE;
    if (err != TH_OK) {
        return th_fail(diag, err, "PLUGIN_FAULT", "plugin %s %s", host->name,
                       err == TH_ETIME ? "took too long over a batch"
                       : err == TH_EIO ? "died over a batch"
                                       : "answered nonsense");
    }
    th_diag wrong = {0};
    th_slice kept = th_arena_copy(host->scratch, th_buf_slice(&host->frame));
    if (kept.bytes == NULL) return TH_ELIMIT;
    err = wire_result_decode(kept, rows, host->scratch, out, &wrong);
    if (err == TH_EPARSE)
        return th_fail(diag, err, "PLUGIN_FAULT", "plugin %s: %s", host->name, wrong.text);
    if (err != TH_OK || out->status == 0) return err;
    return th_fail(diag, TH_EINVAL, "PLUGIN_FAULT", "plugin %s gave %d for a batch", host->name,
                   out->status);
}
