/* SPDX-License-Identifier: Apache-2.0
 * Look-ups in raw text that was judged before. Nothing is built: a look-up walks the members. */
#include "json/json_private.h"

th_json_kind th_json_kind_of(th_slice raw)
{
    if (raw.size == 0) return TH_JSON_NONE;
    switch (raw.bytes[0]) {
    case '{': return TH_JSON_OBJECT;
    case '[': return TH_JSON_ARRAY;
    case '"': return TH_JSON_STRING;
    case 't': return TH_JSON_TRUE;
    case 'f': return TH_JSON_FALSE;
    case 'n': return TH_JSON_NULL;
    default:
        return raw.bytes[0] == '-' || (raw.bytes[0] >= '0' && raw.bytes[0] <= '9') ? TH_JSON_NUMBER
                                                                                   : TH_JSON_NONE;
    }
}

th_json_iter th_json_iter_of(th_slice raw)
{
    th_json_kind kind = th_json_kind_of(raw);
    if (kind != TH_JSON_OBJECT && kind != TH_JSON_ARRAY)
        return (th_json_iter){raw.bytes, raw.bytes, false};
    return (th_json_iter){raw.bytes + 1, raw.bytes + raw.size, kind == TH_JSON_OBJECT};
}

static bool iter_stop(th_json_iter *it)
{
    it->pos = it->end;
    return false;
}

bool th_json_next(th_json_iter *it, th_slice *key, th_slice *value)
{
    const uint8_t *end = it->end;
    const uint8_t *p = json_skip_blank(it->pos, end);
    if (p < end && *p == ',') p = json_skip_blank(p + 1, end);
    if (p == end || *p == '}' || *p == ']') return iter_stop(it);
    *key = (th_slice){0};
    if (it->object) {
        if (*p != '"') return iter_stop(it);
        const uint8_t *after = json_skip_string(p, end);
        if (after - p < 2) return iter_stop(it);
        *key = (th_slice){p + 1, (size_t)(after - p - 2)};
        p = json_skip_blank(after, end);
        if (p == end || *p != ':') return iter_stop(it);
        p = json_skip_blank(p + 1, end);
    }
    const uint8_t *after = json_skip_value(p, end);
    if (after == p) return iter_stop(it);
    *value = (th_slice){p, (size_t)(after - p)};
    it->pos = after;
    return true;
}

static uint8_t fold(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

/* raw_key has an escape. */
static bool escaped_equals(th_slice raw_key, th_slice text, bool nocase)
{
    const uint8_t *p = raw_key.bytes;
    const uint8_t *end = p + raw_key.size;
    size_t at = 0;
    while (p < end) {
        uint8_t bytes[4];
        size_t size = 1;
        if (*p == '\\') {
            size = json_decode_escape(&p, end, bytes);
        } else {
            bytes[0] = *p++;
        }
        if (size > text.size - at) return false;
        for (size_t i = 0; i < size; i++, at++) {
            uint8_t have = text.bytes[at];
            if (nocase ? fold(bytes[i]) != fold(have) : bytes[i] != have) return false;
        }
    }
    return at == text.size;
}

static bool key_equals(th_slice raw_key, th_slice text, bool nocase)
{
    /* Every escape is longer than what it stands for: a key with one cannot have the same size. */
    if (raw_key.size < text.size) return false;
    if (raw_key.size == text.size) {
        if (!(nocase ? th_slice_equal_nocase(raw_key, text) : th_slice_equal(raw_key, text)))
            return false;
        return raw_key.size == 0 || memchr(raw_key.bytes, '\\', raw_key.size) == NULL;
    }
    return memchr(raw_key.bytes, '\\', raw_key.size) != NULL &&
           escaped_equals(raw_key, text, nocase);
}

bool th_json_key_equals(th_slice raw_key, th_slice text)
{
    return key_equals(raw_key, text, false);
}

bool th_json_key_equals_nocase(th_slice raw_key, th_slice text)
{
    return key_equals(raw_key, text, true);
}

static th_slice find_member(th_slice raw, th_slice key, bool nocase)
{
    th_json_iter it = th_json_iter_of(raw);
    if (!it.object) return (th_slice){0};
    th_slice have, value;
    while (th_json_next(&it, &have, &value)) {
        if (key_equals(have, key, nocase)) return value;
    }
    return (th_slice){0};
}

th_slice th_json_member(th_slice raw, th_slice key)
{
    return find_member(raw, key, false);
}

th_slice th_json_member_nocase(th_slice raw, th_slice key)
{
    return find_member(raw, key, true);
}

th_slice th_json_element(th_slice raw, size_t index)
{
    th_json_iter it = th_json_iter_of(raw);
    if (it.object) return (th_slice){0};
    th_slice key, value;
    while (th_json_next(&it, &key, &value)) {
        if (index-- == 0) return value;
    }
    return (th_slice){0};
}

th_slice th_json_path(th_slice raw, const char *dotted)
{
    for (;;) {
        size_t size = strcspn(dotted, ".");
        raw = th_json_member(raw, th_slice_of(dotted, size));
        if (raw.size == 0 || dotted[size] == '\0') return raw;
        dotted += size + 1;
    }
}
