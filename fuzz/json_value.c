/* SPDX-License-Identifier: Apache-2.0
 * JSON of any bytes. Refusing is always right; what is accepted must look the same to every function that reads it. All
 * accessors also run on the bytes as they are: wrong text may give wrong answers, never a step outside. */
/* fuzz-module: json */
#include <stdlib.h>

#include "base/assert.h"
#include "json/json.h"

enum { DEPTH_MAX = 128, MEMBERS_MAX = 200, ARENA_MAX = 64 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_quote_round_trip(th_slice text, th_arena *arena)
{
    th_buf buf;
    th_slice value;
    th_buf_init(&buf, SIZE_MAX);
    th_json_quote(&buf, text);
    TH_ASSERT(th_json_document(th_buf_slice(&buf), 0, &value, NULL) == TH_OK);
    th_slice back = th_json_string(value, arena);
    TH_ASSERT(back.bytes != NULL && th_utf8_valid(back));
    TH_ASSERT(!th_utf8_valid(text) || th_slice_equal(back, text));
    th_buf_free(&buf);
}

/* Nothing is known of raw here; with judged its members must all be values again. */
static void walk(th_slice raw, bool judged, th_arena *arena)
{
    th_json_iter it = th_json_iter_of(raw);
    th_slice key, value;
    size_t count = 0;
    for (; count < MEMBERS_MAX && th_json_next(&it, &key, &value); count++) {
        TH_ASSERT(value.size > 0 && value.bytes >= raw.bytes &&
                  value.bytes + value.size <= raw.bytes + raw.size);
        th_slice decoded = th_json_key(key, arena);
        TH_ASSERT(decoded.bytes != NULL && th_json_string(value, arena).bytes != NULL);
        if (!judged) continue;
        th_slice again;
        TH_ASSERT(th_json_document(value, DEPTH_MAX, &again, NULL) == TH_OK &&
                  th_slice_equal(again, value));
        TH_ASSERT(th_utf8_valid(decoded) && decoded.size <= key.size);
        if (it.object) {
            TH_ASSERT(th_json_key_equals(key, decoded));
            TH_ASSERT(th_json_member(raw, decoded).size > 0 &&
                      th_json_member_nocase(raw, decoded).size > 0);
        } else {
            TH_ASSERT(th_slice_equal(th_json_element(raw, count), value));
        }
    }
    if (!judged) {
        (void)th_json_path(raw, "a.b");
        (void)th_json_element(raw, 3);
    }
}

static void check_compact(th_slice value)
{
    th_buf once, twice;
    th_slice again;
    th_buf_init(&once, SIZE_MAX);
    th_buf_init(&twice, SIZE_MAX);
    th_json_compact(&once, value);
    TH_ASSERT(th_json_document(th_buf_slice(&once), DEPTH_MAX, &again, NULL) == TH_OK);
    TH_ASSERT(th_json_kind_of(again) == th_json_kind_of(value) && once.size <= value.size);
    th_json_compact(&twice, th_buf_slice(&once));
    TH_ASSERT(th_slice_equal(th_buf_slice(&once), th_buf_slice(&twice)));
    th_buf_free(&once);
    th_buf_free(&twice);
}

/* The end that the scanner finds in pieces of the given size, SIZE_MAX when it finds none. */
static size_t scan_end(th_slice text, size_t piece)
{
    th_json_scan scan;
    th_json_scan_init(&scan);
    size_t at = 0;
    while (at < text.size && !scan.done) {
        size_t size = text.size - at < piece ? text.size - at : piece;
        size_t used = th_json_scan_feed(&scan, th_slice_of(text.bytes + at, size));
        TH_ASSERT(used <= size && (used == size || scan.done));
        at += used;
    }
    return scan.done ? at : SIZE_MAX;
}

static void check_scan(th_slice text, th_slice value, size_t piece)
{
    size_t end = (size_t)(value.bytes + value.size - text.bytes);
    th_json_kind kind = th_json_kind_of(value);
    bool open_ended = kind != TH_JSON_STRING && kind != TH_JSON_ARRAY && kind != TH_JSON_OBJECT;
    size_t found = scan_end(text, piece);
    TH_ASSERT(found == end || (open_ended && found == SIZE_MAX && end == text.size));
}

#ifdef TH_FUZZ_CANARY
/* The seeded bug: a key that starts with "x" inside a member of an object, with a number that starts with 7. */
static void canary(th_slice value, th_arena *arena)
{
    th_json_iter outer = th_json_iter_of(value);
    th_slice key, member, inside;
    while (outer.object && th_json_next(&outer, &key, &member)) {
        th_json_iter inner = th_json_iter_of(member);
        while (inner.object && th_json_next(&inner, &key, &inside)) {
            th_slice decoded = th_json_key(key, arena);
            if (decoded.size == 0 || decoded.bytes[0] != 'x') continue;
            if (inside.bytes[0] == '7') abort();
        }
    }
}
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    th_arena *arena = th_arena_new(ARENA_MAX, NULL);
    th_slice text = {data, size}, value;
    th_diag diag = {0};
    size_t piece = size == 0 ? 1 : (size_t)data[size - 1] % 7 + 1;

    TH_ASSERT(scan_end(text, piece) == scan_end(text, SIZE_MAX));
    check_quote_round_trip(text, arena);
    walk(text, false, arena);
#ifdef TH_FUZZ_CANARY
    canary(text, arena);
#endif
    th_arena_reset(arena);
    if (th_json_document(text, DEPTH_MAX, &value, &diag) == TH_OK) {
        check_scan(text, value, piece);
        check_compact(value);
        walk(value, true, arena);
    } else {
        TH_ASSERT(diag.code != TH_OK && diag.line > 0 && diag.column > 0 && diag.text[0] != '\0');
    }
    th_arena_free(arena);
    return 0;
}
