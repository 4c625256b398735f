/* SPDX-License-Identifier: Apache-2.0
 * fuzz-module: plugin
 * What a hostile runner may send: the first byte says how many rows the batch had, and with its top bit whether the rest is
 * a greeting or a result. What is taken keeps the promises that the host builds on, and nothing in it points outside the
 * message. TH_FUZZ_CANARY forbids some states of a result. */
#include <stdlib.h>

#include "base/assert.h"
#include "plugin/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_slice(th_slice message, th_slice part, size_t max)
{
    TH_ASSERT(part.size <= max);
    if (part.bytes == NULL) {
        TH_ASSERT(part.size == 0);
        return;
    }
    TH_ASSERT(part.bytes >= message.bytes &&
              part.bytes + part.size <= message.bytes + message.size);
}

static void check_text(th_slice message, th_slice text, size_t max)
{
    check_slice(message, text, max);
    TH_ASSERT(th_utf8_valid(text));
}

static void check_hits(th_slice message, uint32_t rows, const wire_result *r)
{
    TH_ASSERT(r->hit_count <= WIRE_HITS_MAX);
    for (size_t i = 0; i < r->hit_count; i++) {
        const wire_hit *hit = &r->hits[i];
        TH_ASSERT(hit->row < rows);
        for (int t = 0; t < HIT_TEXTS; t++)
            check_text(message, hit->text[t], t == HIT_RULE ? WIRE_RULE_MAX : WIRE_TEXT_MAX);
        TH_ASSERT(hit->text[HIT_RULE].size > 0 && wire_severity_known(hit->text[HIT_SEVERITY]));
    }
}

static void check_result(th_slice message, uint32_t rows, th_arena *arena)
{
    wire_result r;
    th_diag diag = {0};
    th_err err = wire_result_decode(message, rows, arena, &r, &diag);
    if (err != TH_OK) {
        TH_ASSERT(err == TH_EPARSE && diag.text[0] != '\0');
        return;
    }
#ifdef TH_FUZZ_CANARY
    TH_ASSERT(r.status < 256 || (r.status & 7) != 5);
#endif
    check_hits(message, rows, &r);
    TH_ASSERT(r.tag_count <= WIRE_HITS_MAX && r.put_count <= WIRE_HITS_MAX);
    for (size_t i = 0; i < r.tag_count; i++) {
        TH_ASSERT(r.tags[i].row < rows && r.tags[i].tag.size > 0);
        check_text(message, r.tags[i].tag, WIRE_KEY_MAX);
        check_text(message, r.tags[i].places, WIRE_TEXT_MAX);
    }
    for (size_t i = 0; i < r.put_count; i++) {
        TH_ASSERT(r.puts[i].key.size > 0);
        check_slice(message, r.puts[i].key, WIRE_KEY_MAX);
        check_slice(message, r.puts[i].value, WIRE_VALUE_MAX);
    }
}

static void check_ready(th_slice message, th_arena *arena)
{
    wire_ready r;
    th_diag diag = {0};
    th_err err = wire_ready_decode(message, arena, &r, &diag);
    if (err != TH_OK) {
        TH_ASSERT(err == TH_EPARSE && diag.text[0] != '\0');
        return;
    }
    check_text(message, r.name, WIRE_KEY_MAX);
    check_text(message, r.version, WIRE_KEY_MAX);
    check_text(message, r.description, WIRE_TEXT_MAX);
    TH_ASSERT(r.subscription_count <= WIRE_SUBSCRIPTIONS_MAX);
    for (uint32_t i = 0; i < r.subscription_count; i++) {
        const wire_subscription *s = &r.subscriptions[i];
        TH_ASSERT(s->table.size > 0 && s->column_count <= WIRE_COLUMNS_MAX);
        check_text(message, s->table, WIRE_KEY_MAX);
        check_text(message, s->predicate, WIRE_VALUE_MAX);
        for (uint32_t c = 0; c < s->column_count; c++) {
            TH_ASSERT(s->columns[c].size > 0);
            check_text(message, s->columns[c], WIRE_TEXT_MAX);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    static th_arena *arena;
    if (arena == NULL) arena = th_arena_new(64u << 20, NULL);
    TH_ASSERT(arena != NULL);
    th_arena_reset(arena);
    th_slice message = th_slice_of(data + 1, size - 1);
    if ((data[0] & 0x80) != 0)
        check_ready(message, arena);
    else
        check_result(message, data[0], arena);
    return 0;
}
