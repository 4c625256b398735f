/* SPDX-License-Identifier: Apache-2.0
 * Look-ups in one record: members of JSON, fields of lines. */
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

/* Take the next blank-separated word of s; false at the end. Two blanks in a row hold an empty word. */
static bool take_word(th_slice *s, th_slice *word)
{
    if (s->bytes == NULL) return false;
    const uint8_t *blank = s->size == 0 ? NULL : memchr(s->bytes, ' ', s->size);
    if (blank == NULL) {
        *word = *s;
        *s = (th_slice){NULL, 0};
        return true;
    }
    *word = (th_slice){s->bytes, (size_t)(blank - s->bytes)};
    *s = (th_slice){blank + 1, s->size - word->size - 1};
    return true;
}

static uint8_t fold_name_byte(uint8_t c)
{
    if (c == '_') return '-';
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

static bool same_field(th_slice a, th_slice b)
{
    if (a.size != b.size) return false;
    for (size_t i = 0; i < a.size; i++)
        if (fold_name_byte(a.bytes[i]) != fold_name_byte(b.bytes[i])) return false;
    return true;
}

static th_slice without_line_end(th_slice s)
{
    while (s.size > 0 && (s.bytes[s.size - 1] == '\n' || s.bytes[s.size - 1] == '\r')) s.size--;
    return s;
}

uint32_t th_model_layout_index(th_slice layout, th_slice name)
{
    th_slice rest = without_line_end(layout), word;
    for (uint32_t i = 0; take_word(&rest, &word); i++)
        if (word.size > 0 && same_field(word, name)) return i;
    return UINT32_MAX;
}

uint32_t th_model_line_fields(th_slice record, th_slice *fields, uint32_t max)
{
    th_slice rest = without_line_end(record);
    uint32_t count = 0;
    if (rest.size == 0) return 0;
    while (count < max && take_word(&rest, &fields[count])) count++;
    return count;
}

th_slice th_model_line_field(th_slice record, th_slice layout, th_slice name)
{
    uint32_t index = th_model_layout_index(layout, name);
    th_slice rest = without_line_end(record), word = {NULL, 0};
    if (rest.size == 0 || index == UINT32_MAX) return (th_slice){NULL, 0};
    for (uint32_t i = 0; i <= index; i++)
        if (!take_word(&rest, &word)) return (th_slice){NULL, 0};
    return word;
}
