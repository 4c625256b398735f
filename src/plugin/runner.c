/* SPDX-License-Identifier: Apache-2.0
 * The process that holds one plugin: loads the .so that the host handed over, passes batches in and results out.
 *
 * Descriptors: 3 the socket to the host, 4 the sealed copy of the .so; nothing else but /dev/null on 0 to 2. The host is
 * trusted here, the plugin is not trusted by the host. Leaves when the socket closes. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/assert.h"
#include "plugin/abi.h"
#include "plugin/batch.h"
#include "plugin/plugin.h"
#include "plugin/wire.h"

#define RUNNER_SOCKET 3
#define RUNNER_CODE "/proc/self/fd/4"
#define RUNNER_LOG_MAX 1024u

typedef struct runner {
    th_host host;
    void *code; /* of the plugin, until the process ends */
    const th_plugin *plugin;
    th_plugin_state *state;
    th_buf hits, tags, puts; /* of the batch in hand, encoded */
    uint32_t hit_count, tag_count, put_count;
    uint32_t rows; /* of the batch in hand */
    th_buf frame, reply;
    bool host_gone;
} runner;

/* ---- what the plugin calls ---------------------------------------------------------------------------------------- */

static void runner_log(void *ctx, th_plugin_log_level level, const char *text)
{
    runner *r = ctx;
    char copy[RUNNER_LOG_MAX + 1];
    snprintf(copy, sizeof(copy), "%s", text == NULL ? "" : text);
    th_buf frame;
    th_buf_init(&frame, WIRE_FRAME_MAX);
    th_buf_add_byte(&frame, (uint8_t)level);
    wire_put_text(&frame, copy);
    if (wire_send(RUNNER_SOCKET, WIRE_LOG, th_buf_slice(&frame), -1) != TH_OK) r->host_gone = true;
    th_buf_free(&frame);
}

/* As the host will check it; NULL is fine. */
static bool text_fits(const char *text, size_t max)
{
    return text == NULL || (strlen(text) <= max && th_utf8_valid(th_slice_text(text)));
}

static int runner_hit(void *ctx, const th_hit *hit)
{
    runner *r = ctx;
    if (hit == NULL || hit->struct_size < sizeof(th_hit) || hit->row >= r->rows ||
        hit->rule == NULL)
        return -1;
    if (r->hit_count >= WIRE_HITS_MAX) return -2;
    const char *texts[HIT_TEXTS] = {hit->rule,     hit->title,         hit->description,
                                    hit->severity, hit->finding_type,  hit->account,
                                    hit->actor,    hit->resource_type, hit->resource_id,
                                    hit->region,   hit->author,        hit->reference};
    for (int i = 0; i < HIT_TEXTS; i++) {
        if (!text_fits(texts[i], i == HIT_RULE ? WIRE_RULE_MAX : WIRE_TEXT_MAX)) return -1;
    }
    if (hit->rule[0] == '\0' || !wire_severity_known(th_slice_text(hit->severity))) return -1;
    th_buf_add_varint(&r->hits, hit->row);
    for (int i = 0; i < HIT_TEXTS; i++) wire_put_text(&r->hits, texts[i]);
    if (th_buf_error(&r->hits) != TH_OK) return -2;
    r->hit_count++;
    return 0;
}

static int runner_tag(void *ctx, const th_tag *tag)
{
    runner *r = ctx;
    if (tag == NULL || tag->struct_size < sizeof(th_tag) || tag->row >= r->rows || tag->tag == NULL)
        return -1;
    if (tag->tag[0] == '\0' || !text_fits(tag->tag, WIRE_KEY_MAX) ||
        !text_fits(tag->places, WIRE_TEXT_MAX))
        return -1;
    if (r->tag_count >= WIRE_HITS_MAX) return -2;
    th_buf_add_varint(&r->tags, tag->row);
    wire_put_text(&r->tags, tag->tag);
    th_buf_add_varint(&r->tags, tag->count);
    wire_put_text(&r->tags, tag->places);
    if (th_buf_error(&r->tags) != TH_OK) return -2;
    r->tag_count++;
    return 0;
}

static int runner_put(runner *r, th_slice key, th_slice value, uint64_t ttl_s)
{
    if (key.size == 0 || key.size > WIRE_KEY_MAX) return -1;
    if (value.size > WIRE_VALUE_MAX || r->put_count >= WIRE_HITS_MAX) return -2;
    wire_put_bytes(&r->puts, key);
    wire_put_bytes(&r->puts, value);
    th_buf_add_varint(&r->puts, ttl_s);
    if (th_buf_error(&r->puts) != TH_OK) return -2;
    r->put_count++;
    return 0;
}

static int runner_state_put(void *ctx, const void *key, size_t key_size, const void *value,
                            size_t value_size, uint64_t ttl_s)
{
    th_slice bytes = th_slice_of(value == NULL ? "" : value, value_size);
    return key == NULL ? -1 : runner_put(ctx, th_slice_of(key, key_size), bytes, ttl_s);
}

static int runner_state_delete(void *ctx, const void *key, size_t key_size)
{
    return key == NULL ? -1 : runner_put(ctx, th_slice_of(key, key_size), (th_slice){0}, 0);
}

/* The last change of this key in the batch in hand; true when there is one (value.bytes NULL = deleted). */
static bool put_in_hand(const runner *r, th_slice key, th_slice *value)
{
    bool found = false;
    th_reader reader = th_reader_of(th_buf_slice(&r->puts));
    for (uint32_t i = 0; i < r->put_count; i++) {
        th_slice k = wire_take_bytes(&reader, WIRE_KEY_MAX),
                 v = wire_take_bytes(&reader, WIRE_VALUE_MAX);
        th_take_varint(&reader);
        if (!th_slice_equal(k, key)) continue;
        *value = v;
        found = true;
    }
    return found;
}

static int runner_state_get(void *ctx, const void *key, size_t key_size, const void **value,
                            size_t *value_size)
{
    runner *r = ctx;
    th_slice found = {0}, wanted = th_slice_of(key, key_size);
    if (key == NULL || key_size == 0 || key_size > WIRE_KEY_MAX) return -1;
    if (!put_in_hand(r, wanted, &found)) {
        wire_kind kind;
        if (wire_send(RUNNER_SOCKET, WIRE_STATE_GET, wanted, -1) != TH_OK ||
            wire_receive(RUNNER_SOCKET, -1, &kind, &r->reply, NULL) != TH_OK ||
            kind != WIRE_STATE) {
            r->host_gone = true;
            return -3;
        }
        th_reader reader = th_reader_of(th_buf_slice(&r->reply));
        found = wire_take_bytes(&reader, WIRE_VALUE_MAX);
    }
    if (found.bytes == NULL) return -3;
    *value = found.bytes;
    *value_size = found.size;
    return 0;
}

/* Event-time timers are announced in the ABI and not offered by this host yet: the plugin is told so. */
static int runner_timer_set(void *ctx, uint64_t id, int64_t at_us)
{
    (void)ctx;
    (void)id;
    (void)at_us;
    return -3;
}

/* ---- batches ------------------------------------------------------------------------------------------------------- */

static int run_batch(runner *r, int fd)
{
    runner_batch m = {0};
    int status = -1;
    if (runner_batch_map(fd, &m) == TH_OK) {
        r->rows = m.batch.rows;
        status = r->plugin->on_batch(r->state, &m.batch);
    }
    runner_batch_unmap(&m);
    return status;
}

static th_err answer_batch(runner *r, int fd)
{
    th_buf_clear(&r->hits);
    th_buf_clear(&r->tags);
    th_buf_clear(&r->puts);
    r->hit_count = r->tag_count = r->put_count = 0;
    int status = run_batch(r, fd);
    close(fd);
    th_buf result;
    th_buf_init(&result, WIRE_FRAME_MAX);
    th_buf_add_u32(&result, (uint32_t)status);
    th_buf_add_varint(&result, r->hit_count);
    th_buf_add_slice(&result, th_buf_slice(&r->hits));
    th_buf_add_varint(&result, r->tag_count);
    th_buf_add_slice(&result, th_buf_slice(&r->tags));
    th_buf_add_varint(&result, r->put_count);
    th_buf_add_slice(&result, th_buf_slice(&r->puts));
    th_err err = th_buf_error(&result);
    if (err == TH_OK) err = wire_send(RUNNER_SOCKET, WIRE_RESULT, th_buf_slice(&result), -1);
    th_buf_free(&result);
    return err;
}

/* ---- start --------------------------------------------------------------------------------------------------------- */

static int refuse(const char *text)
{
    th_buf frame;
    th_buf_init(&frame, WIRE_FRAME_MAX);
    wire_put_text(&frame, text);
    th_err err = wire_send(RUNNER_SOCKET, WIRE_REFUSED, th_buf_slice(&frame), -1);
    th_buf_free(&frame);
    return err == TH_OK ? 1 : 2;
}

static th_err load_plugin(runner *r, th_diag *diag)
{
    r->code = dlopen(RUNNER_CODE, RTLD_NOW | RTLD_LOCAL);
    if (r->code == NULL)
        return th_fail(diag, TH_EINVAL, NULL, "the plugin cannot be loaded: %s", dlerror());
    const th_plugin *(*entry)(void) = NULL;
    void *symbol = dlsym(r->code, "th_plugin_entry");
    if (symbol == NULL)
        return th_fail(diag, TH_EINVAL, NULL, "the plugin exports no th_plugin_entry");
    memcpy(&entry, &symbol, sizeof(entry)); /* ISO C has no cast from object to function */
    r->plugin = entry();
    return plugin_abi_check(r->plugin, diag);
}

static th_err greet(runner *r, th_diag *diag)
{
    const th_subscription *list = NULL;
    uint32_t count = 0;
    if (r->plugin->subscriptions(r->state, &list, &count) != 0 || count > WIRE_SUBSCRIPTIONS_MAX ||
        (count > 0 && list == NULL)) {
        return th_fail(diag, TH_EINVAL, NULL, "the plugin gives no valid list of subscriptions");
    }
    th_buf frame;
    th_buf_init(&frame, WIRE_FRAME_MAX);
    th_buf_add_u32(&frame, r->plugin->abi_major);
    th_buf_add_u32(&frame, r->plugin->abi_minor);
    th_buf_add_u32(&frame, r->plugin->caps);
    wire_put_text(&frame, r->plugin->name);
    wire_put_text(&frame, r->plugin->version);
    wire_put_text(&frame, r->plugin->description);
    th_buf_add_varint(&frame, count);
    for (uint32_t i = 0; i < count; i++) {
        wire_put_text(&frame, list[i].table);
        wire_put_text(&frame, list[i].predicate);
        th_buf_add_varint(&frame, list[i].column_count);
        for (uint32_t c = 0; c < list[i].column_count; c++)
            wire_put_text(&frame, list[i].columns[c]);
    }
    th_err err = th_buf_error(&frame);
    if (err == TH_OK) err = wire_send(RUNNER_SOCKET, WIRE_READY, th_buf_slice(&frame), -1);
    th_buf_free(&frame);
    return err;
}

static th_err runner_open(runner *r, th_diag *diag)
{
    wire_kind kind;
    TH_TRY(wire_receive(RUNNER_SOCKET, -1, &kind, &r->frame, NULL));
    if (kind != WIRE_OPEN) return th_fail(diag, TH_EINVAL, NULL, "the host did not open");
    TH_TRY(load_plugin(r, diag));
    th_reader reader = th_reader_of(th_buf_slice(&r->frame));
    th_slice config = wire_take_text(&reader, WIRE_VALUE_MAX);
    char *text = strndup(config.bytes == NULL ? "{}" : (const char *)config.bytes,
                         config.bytes == NULL ? 2 : config.size);
    if (text == NULL) return TH_ENOMEM;
    int rc = r->plugin->open(&r->host, text, &r->state);
    free(text);
    if (rc != 0) return th_fail(diag, TH_EINVAL, NULL, "the plugin's open failed with %d", rc);
    return greet(r, diag);
}

static int runner_loop(runner *r)
{
    while (!r->host_gone) {
        wire_kind kind;
        int fd = -1;
        if (wire_receive(RUNNER_SOCKET, -1, &kind, &r->frame, &fd) != TH_OK) return 0;
        if (kind == WIRE_CLOSE) {
            r->plugin->close(r->state);
            return 0;
        }
        if (kind != WIRE_BATCH || fd < 0 || answer_batch(r, fd) != TH_OK) return 1;
    }
    return 0;
}

int th_plugin_runner_main(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    static runner r;
    th_buf_init(&r.hits, WIRE_FRAME_MAX / 2);
    th_buf_init(&r.tags, WIRE_FRAME_MAX / 4);
    th_buf_init(&r.puts, WIRE_FRAME_MAX / 4);
    th_buf_init(&r.frame, WIRE_FRAME_MAX);
    th_buf_init(&r.reply, WIRE_FRAME_MAX);
    r.host = (th_host){.struct_size = sizeof(th_host),
                       .abi_major = TH_ABI_MAJOR,
                       .abi_minor = TH_ABI_MINOR,
                       .ctx = &r,
                       .hit = runner_hit,
                       .tag = runner_tag,
                       .state_get = runner_state_get,
                       .state_put = runner_state_put,
                       .state_delete = runner_state_delete,
                       .timer_set = runner_timer_set,
                       .log = runner_log};
    th_diag diag = {0};
    th_err err = runner_open(&r, &diag);
    if (err != TH_OK) return refuse(diag.text[0] != '\0' ? diag.text : th_err_text(err));
    return runner_loop(&r);
}
