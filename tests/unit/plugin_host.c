/* SPDX-License-Identifier: Apache-2.0
 * The host against runners that misbehave. The host starts its own binary as the runner: here that is this program, which
 * then plays the part that the test wrote down for it. */
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>

#include "engine/engine.h"
#include "finding/finding.h"
#include "plugin/batch.h"
#include "plugin/plugin.h"
#include "plugin/wire.h"
#include "plugins/sdk/trailhold_rows.h"
#include "tests/unit/store_help.h"

#define SOCKET 3
#define PLUGIN "root-use" /* a name that the pins know */

/* ---- the runner ------------------------------------------------------------------------------------------------------ */

/* Where the part stands; `process` is the host's. */
static void part_path(char out[64], pid_t process, const char *end)
{
    snprintf(out, 64, "/tmp/th-fake-%ld%s", (long)process, end);
}

static bool first_time(void)
{
    char path[64];
    part_path(path, getppid(), ".once");
    int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
    if (fd >= 0) close(fd);
    return fd >= 0;
}

static void say_ready(const char *name)
{
    th_buf frame;
    th_buf_init(&frame, WIRE_FRAME_MAX);
    for (uint32_t i = 0; i < 3; i++) th_buf_add_u32(&frame, i == 1 ? 0 : 1);
    wire_put_text(&frame, name);
    wire_put_text(&frame, "1.0.0");
    wire_put_text(&frame, NULL);
    th_buf_add_varint(&frame, 1);
    wire_put_text(&frame, "cloudtrail");
    wire_put_text(&frame, NULL);
    th_buf_add_varint(&frame, 2);
    wire_put_text(&frame, "eventName");
    wire_put_text(&frame, "record");
    if (wire_send(SOCKET, WIRE_READY, th_buf_slice(&frame), -1) != TH_OK) _exit(1);
}

/* One hit a row; wrong: the first names a row past the batch. */
static void say_result(const th_plugin_batch *batch, bool wrong)
{
    th_buf frame;
    th_buf_init(&frame, WIRE_FRAME_MAX);
    th_buf_add_u32(&frame, 0);
    th_buf_add_varint(&frame, batch->rows);
    for (uint32_t row = 0; row < batch->rows; row++) {
        char text[64];
        th_buf_add_varint(&frame, wrong ? batch->rows : row);
        for (int i = 0; i < HIT_TEXTS; i++) {
            wire_put_text(&frame, i == HIT_RULE       ? "rule"
                                  : i == HIT_SEVERITY ? "LOW"
                                  : i == HIT_RESOURCE_ID
                                      ? th_text_copy(th_text_at(batch, 0, row), text, sizeof(text))
                                      : NULL);
        }
    }
    th_buf_add_varint(&frame, 0);
    th_buf_add_varint(&frame, 0);
    if (wire_send(SOCKET, WIRE_RESULT, th_buf_slice(&frame), -1) != TH_OK) _exit(1);
    th_buf_free(&frame);
}

static void flood(void)
{
    th_buf frame;
    th_buf_init(&frame, WIRE_FRAME_MAX);
    th_buf_add_byte(&frame, 0);
    wire_put_bytes(&frame, th_slice_of("\xff\n\x1b[2J", 6));
    for (int i = 0; i < 20000; i++) {
        if (wire_send(SOCKET, WIRE_LOG, th_buf_slice(&frame), -1) != TH_OK) _exit(1);
    }
    th_buf_free(&frame);
}

static bool holds_poison(const th_plugin_batch *batch)
{
    for (uint32_t row = 0; row < batch->rows; row++) {
        if (th_text_has(th_text_at(batch, 1, row), "\"Get6\"")) return true;
    }
    return false;
}

static void play_batch(const char *part, const th_plugin_batch *batch)
{
    bool poison = holds_poison(batch);
    if (strcmp(part, "dies once") == 0 && first_time()) _exit(1);
    if (strcmp(part, "dies of poison") == 0 && poison) raise(SIGKILL);
    if (strcmp(part, "hangs") == 0) pause();
    if (strcmp(part, "floods") == 0) flood();
    say_result(batch, strcmp(part, "lies about poison") == 0 && poison);
}

__attribute__((constructor)) static void play(int argc, char **argv)
{
    if (argc < 3 || strcmp(argv[1], "plugin-runner") != 0) return;
    char path[64], part[64] = "";
    part_path(path, getppid(), "");
    int fd = open(path, O_RDONLY);
    if (fd < 0 || read(fd, part, sizeof(part) - 1) <= 0) _exit(1);
    close(fd);
    th_buf frame;
    th_buf_init(&frame, WIRE_FRAME_MAX);
    wire_kind kind;
    if (wire_receive(SOCKET, -1, &kind, &frame, NULL) != TH_OK) _exit(1);
    say_ready(strcmp(part, "has another name") == 0 ? "other" : argv[2]);
    while (wire_receive(SOCKET, -1, &kind, &frame, &fd) == TH_OK && kind == WIRE_BATCH) {
        runner_batch batch;
        if (runner_batch_map(fd, &batch) != TH_OK) _exit(1);
        play_batch(part, &batch.batch);
        runner_batch_unmap(&batch);
        close(fd);
    }
    _exit(0);
}

/* ---- the host -------------------------------------------------------------------------------------------------------- */

typedef struct rig {
    th_store *store;
    th_provider *provider;
    th_plugins *plugins;
} rig;

static void set_part(const char *part)
{
    char path[64], once[64];
    part_path(path, getpid(), "");
    part_path(once, getpid(), ".once");
    unlink(once);
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    CHECK(fd >= 0 && write(fd, part, strlen(part)) == (ssize_t)strlen(part));
    close(fd);
}

static void clean(void)
{
    char path[64];
    part_path(path, getpid(), "");
    unlink(path);
    part_path(path, getpid(), ".once");
    unlink(path);
}

static void start_plugins(rig *r)
{
    static const char *const extra[] = {"zig-out/plugins/" PLUGIN ".so", NULL};
    th_plugins_options options = {
        .store = r->store, .provider = r->provider, .plugin_dir = "/nowhere", .extra = extra};
    th_diag diag = {0};
    if (th_plugins_start(&options, &r->plugins, &diag) != TH_OK) FAIL("%s", diag.text);
}

static void start(rig *r, const char *part)
{
    set_part(part);
    help_new_dir();
    r->store = help_open();
    r->provider = th_engine_new(r->store, NULL);
    CHECK(r->provider != NULL);
    start_plugins(r);
}

static void stop(rig *r)
{
    th_plugins_stop(r->plugins);
    th_engine_free(r->provider);
    th_store_close(r->store);
    clean();
}

static th_err wait_all(rig *r, th_diag *diag)
{
    return th_plugins_wait(r->plugins, th_store_lsn(r->store), 60000000, diag);
}

static th_err add_count(void *ctx, th_slice asff, uint64_t lsn, int64_t arrival_us)
{
    (void)lsn;
    (void)arrival_us;
    size_t at = th_slice_find(asff, TH_SLICE("trailhold/count\":\""));
    CHECK(at != SIZE_MAX);
    *(long *)ctx += strtol((const char *)asff.bytes + at + 18, NULL, 10);
    return TH_OK;
}

/* Pieces of evidence over all findings. */
static long counted(rig *r)
{
    long sum = 0;
    th_version *version = th_store_version(r->store);
    th_diag diag = {0};
    CHECK(th_finding_each(version, false, add_count, &sum, &diag) == TH_OK);
    th_version_release(version);
    return sum;
}

/* A member of the list's one line. */
static long listed(rig *r, const char *key)
{
    th_buf out;
    char wanted[64];
    th_buf_init(&out, 1u << 20);
    CHECK(th_plugins_list(r->plugins, &out) == TH_OK);
    snprintf(wanted, sizeof(wanted), "\"%s\":", key);
    const char *at = strstr(th_buf_text(&out), wanted);
    CHECK(at != NULL);
    long value = strtol(at + strlen(wanted), NULL, 10);
    th_buf_free(&out);
    return value;
}

/* Rows 0 to 69, of which every seventh is poison. */
static void play_seventy(rig *r, const char *part)
{
    start(r, part);
    for (uint64_t first = 0; first < 70; first += 35) (void)help_commit(r->store, 20000, first, 35);
    th_diag diag = {0};
    if (wait_all(r, &diag) != TH_OK) FAIL("%s", diag.text);
}

TEST(every_row_is_delivered)
{
    rig r;
    play_seventy(&r, "works");
    CHECK_EQ_I64(counted(&r), 70);
    CHECK_EQ_I64(listed(&r, "rows"), 70);
    CHECK_EQ_I64(listed(&r, "faults"), 0);
    stop(&r);
}

TEST(replay_counts_nothing_twice)
{
    rig r;
    play_seventy(&r, "works");
    uint64_t before = th_store_lsn(r.store);
    th_diag diag = {0};
    for (int i = 0; i < 3; i++) {
        CHECK(th_plugins_control(r.plugins, "replay", PLUGIN, &diag) == TH_OK);
        CHECK(wait_all(&r, &diag) == TH_OK);
    }
    CHECK_EQ_I64(listed(&r, "rows"), 4 * 70);
    CHECK_EQ_I64(counted(&r), 70);
    CHECK_EQ_U64(th_store_lsn(r.store), before); /* nothing was written */
    stop(&r);
}

TEST(a_lost_state_file_is_made_again)
{
    rig r;
    play_seventy(&r, "works");
    th_plugins_stop(r.plugins);
    char path[256];
    snprintf(path, sizeof(path), "%s/plugins/" PLUGIN "/state.mdb", help_dir);
    CHECK(unlink(path) == 0);
    uint64_t before = th_store_lsn(r.store);
    start_plugins(&r);
    th_diag diag = {0};
    CHECK(wait_all(&r, &diag) == TH_OK);
    CHECK_EQ_I64(counted(&r), 70);
    CHECK_EQ_U64(th_store_lsn(r.store), before);
    stop(&r);
}

TEST(a_runner_that_dies_of_something_else_loses_no_row)
{
    rig r;
    start(&r, "dies once");
    (void)help_commit(r.store, 20000, 0, 1);
    th_diag diag = {0};
    CHECK(wait_all(&r, &diag) == TH_OK);
    CHECK_EQ_I64(counted(&r), 1);
    CHECK_EQ_I64(listed(&r, "faults"), 1);
    CHECK_EQ_I64(listed(&r, "set_aside"), 0);
    stop(&r);
}

TEST(a_record_that_kills_the_runner_is_set_aside)
{
    rig r;
    play_seventy(&r, "dies of poison");
    CHECK_EQ_I64(counted(&r), 60);
    CHECK_EQ_I64(listed(&r, "set_aside"), 10);
    stop(&r);
}

TEST(an_answer_that_is_not_valid_is_a_fault_of_the_runner)
{
    rig r;
    play_seventy(&r, "lies about poison");
    CHECK_EQ_I64(counted(&r), 60);
    CHECK_EQ_I64(listed(&r, "set_aside"), 10);
    stop(&r);
}

TEST(a_flood_of_log_lines_is_cut_short)
{
    rig r;
    play_seventy(&r, "floods");
    CHECK_EQ_I64(counted(&r), 70);
    stop(&r);
}

TEST(stopping_does_not_wait_for_a_runner_that_hangs)
{
    rig r;
    start(&r, "hangs");
    (void)help_commit(r.store, 20000, 0, 1);
    th_plugins_wake(r.plugins);
    for (int i = 0; i < 500 && listed(&r, "pid") == 0; i++) usleep(10000);
    usleep(100000);
    th_diag diag = {0};
    CHECK(th_plugins_wait(r.plugins, 1, 50000, &diag) == TH_ETIME);
    pid_t runner = (pid_t)listed(&r, "pid");
    CHECK(runner > 0);
    int64_t began = th_os_mono_us();
    stop(&r);
    CHECK(th_os_mono_us() - began < 10000000);
    CHECK(kill(runner, 0) != 0); /* and reaped */
}

TEST(a_plugin_that_is_another_is_switched_off)
{
    rig r;
    start(&r, "has another name");
    (void)help_commit(r.store, 20000, 0, 1);
    th_diag diag = {0};
    CHECK(th_plugins_control(r.plugins, "disable", PLUGIN, &diag) == TH_OK);
    CHECK(wait_all(&r, &diag) == TH_OK); /* nobody to wait for */
    CHECK(th_plugins_control(r.plugins, "enable", "no-such", &diag) == TH_ENOTFOUND);
    stop(&r);
}

TEST(a_plugin_that_was_switched_off_goes_on_where_it_was)
{
    rig r;
    play_seventy(&r, "works");
    th_diag diag = {0};
    CHECK(th_plugins_control(r.plugins, "disable", PLUGIN, &diag) == TH_OK);
    (void)help_commit(r.store, 20000, 70, 30);
    CHECK(wait_all(&r, &diag) == TH_OK);
    CHECK_EQ_I64(counted(&r), 70);
    CHECK(th_plugins_control(r.plugins, "enable", PLUGIN, &diag) == TH_OK);
    CHECK(wait_all(&r, &diag) == TH_OK);
    CHECK_EQ_I64(counted(&r), 100);
    stop(&r);
}

TEST_MAIN(every_row_is_delivered, replay_counts_nothing_twice, a_lost_state_file_is_made_again,
          a_runner_that_dies_of_something_else_loses_no_row,
          a_record_that_kills_the_runner_is_set_aside,
          an_answer_that_is_not_valid_is_a_fault_of_the_runner, a_flood_of_log_lines_is_cut_short,
          stopping_does_not_wait_for_a_runner_that_hangs, a_plugin_that_is_another_is_switched_off,
          a_plugin_that_was_switched_off_goes_on_where_it_was)
