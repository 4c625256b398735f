/* SPDX-License-Identifier: Apache-2.0
 * Look-ups in one JSON record: its members. */
#include "json/json.h"
#include "model/model_private.h"

typedef enum match { MATCH_NONE, MATCH_NOCASE, MATCH_EXACT } match;

static match match_key(th_slice key, th_slice name)
{
    if (th_json_key_equals(key, name)) return MATCH_EXACT;
    return th_json_key_equals_nocase(key, name) ? MATCH_NOCASE : MATCH_NONE;
}

#define NAMES_MAX 8u

void model_find_members(th_slice record, const char *const *names, size_t count, th_slice *values)
{
    match found[NAMES_MAX] = {MATCH_NONE};
    size_t exact = 0;
    for (size_t i = 0; i < count; i++) values[i] = (th_slice){NULL, 0};
    if (th_json_kind_of(record) != TH_JSON_OBJECT) return;
    th_json_iter it = th_json_iter_of(record);
    th_slice key, value;
    while (exact < count && th_json_next(&it, &key, &value)) {
        for (size_t i = 0; i < count && i < NAMES_MAX; i++) {
            match m = match_key(key, th_slice_text(names[i]));
            if (m <= found[i]) continue;
            found[i] = m;
            values[i] = value;
            exact += m == MATCH_EXACT;
        }
    }
}

void model_find_members_in(th_slice record, const th_json_members *members,
                           const char *const *names, size_t count, th_slice *values)
{
    if (members == NULL || !members->all || members->escaped) {
        model_find_members(record, names, count, values);
        return;
    }
    th_slice texts[NAMES_MAX];
    match found[NAMES_MAX] = {MATCH_NONE};
    uint64_t sizes = 0; /* most members are told apart by their size alone */
    size_t exact = 0;
    for (size_t i = 0; i < count; i++) {
        values[i] = (th_slice){NULL, 0};
        texts[i] = th_slice_text(names[i]);
        sizes |= UINT64_C(1) << (texts[i].size & 63);
    }
    for (uint32_t k = 0; k < members->count && exact < count; k++) {
        th_slice key = members->at[k].key;
        if ((sizes >> (key.size & 63) & 1) == 0) continue;
        for (size_t i = 0; i < count; i++) {
            if (key.size != texts[i].size || found[i] == MATCH_EXACT) continue;
            match m = th_slice_equal(key, texts[i])          ? MATCH_EXACT
                      : th_slice_equal_nocase(key, texts[i]) ? MATCH_NOCASE
                                                             : MATCH_NONE;
            if (m <= found[i]) continue;
            found[i] = m;
            values[i] = members->at[k].value;
            exact += m == MATCH_EXACT;
        }
    }
}

bool model_scalar_text(th_slice raw, th_slice *out)
{
    switch (th_json_kind_of(raw)) {
    case TH_JSON_STRING:
        if (raw.size <= 2 || memchr(raw.bytes, '\\', raw.size) != NULL) return false;
        *out = (th_slice){raw.bytes + 1, raw.size - 2};
        return true;
    case TH_JSON_NUMBER: *out = raw; return true;
    default: return false;
    }
}
