/* SPDX-License-Identifier: Apache-2.0
 * Fields of one line. A layout is a picture of the line: plain names are words between single blanks; what a source puts in
 * quotes or brackets stands in quotes or brackets in the layout, too, and one word or quoted text may hold several fields:
 *
 *   time client_ip:client_port "request_verb request_url request_proto" [when] "agent"
 *
 * Clients choose what stands between the quotes, quotes among it, and nobody escapes them: a quoted field ends where the
 * rest of the line fits the rest of the picture. */
#include "model/model_private.h"

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

/* ---- layouts ------------------------------------------------------------------------------------------------------------ */

typedef enum part_kind { PART_WORD, PART_PAIR, PART_QUOTED, PART_BRACKETED } part_kind;

/* What stands between two blanks of a layout: one field, or several that share a word or a quoted text. */
typedef struct part {
    part_kind kind;
    th_slice names; /* without quotes or brackets */
} part;

static bool holds(th_slice s, uint8_t c)
{
    return s.size > 0 && memchr(s.bytes, c, s.size) != NULL;
}

bool th_model_layout_is_plain(th_slice layout)
{
    return !holds(layout, '"') && !holds(layout, '[') && !holds(layout, ':');
}

static bool take_part(th_slice *layout, part *out)
{
    if (layout->bytes == NULL) return false;
    uint8_t first = layout->size > 0 ? layout->bytes[0] : 0;
    uint8_t last = first == '"' ? '"' : ']';
    const uint8_t *end =
        first == '"' || first == '[' ? memchr(layout->bytes + 1, last, layout->size - 1) : NULL;
    if (end == NULL) {
        (void)take_word(layout, &out->names);
        out->kind = holds(out->names, ':') ? PART_PAIR : PART_WORD;
        return true;
    }
    out->kind = first == '"' ? PART_QUOTED : PART_BRACKETED;
    out->names = (th_slice){layout->bytes + 1, (size_t)(end - layout->bytes) - 1};
    th_slice behind = {end + 1, layout->size - out->names.size - 2}, nothing;
    (void)take_word(&behind, &nothing);
    *layout = behind;
    return true;
}

/* The next name of a part. */
static bool take_name(part *p, th_slice *name)
{
    if (p->kind != PART_PAIR) return take_word(&p->names, name);
    const uint8_t *colon = p->names.size == 0 ? NULL : memchr(p->names.bytes, ':', p->names.size);
    if (colon == NULL) {
        *name = p->names;
        p->names = (th_slice){NULL, 0};
        return name->bytes != NULL;
    }
    *name = (th_slice){p->names.bytes, (size_t)(colon - p->names.bytes)};
    p->names = (th_slice){colon + 1, p->names.size - name->size - 1};
    return true;
}

uint32_t th_model_layout_index(th_slice layout, th_slice name)
{
    th_slice rest = without_line_end(layout), word;
    part p;
    uint32_t index = 0;
    if (th_model_layout_is_plain(layout)) {
        for (; take_word(&rest, &word); index++)
            if (word.size > 0 && same_field(word, name)) return index;
        return UINT32_MAX;
    }
    while (take_part(&rest, &p)) {
        for (; take_name(&p, &word); index++)
            if (word.size > 0 && same_field(word, name)) return index;
    }
    return UINT32_MAX;
}

/* ---- lines -------------------------------------------------------------------------------------------------------------- */

uint32_t th_model_line_fields(th_slice record, th_slice *fields, uint32_t max)
{
    th_slice rest = without_line_end(record);
    uint32_t count = 0;
    if (rest.size == 0) return 0;
    while (count < max && take_word(&rest, &fields[count])) count++;
    return count;
}

/* Words of a line until the next quoted text, as the layout has it; UINT32_MAX: no more quotes come. */
static uint32_t words_to_quote(th_slice layout)
{
    part p;
    for (uint32_t words = 0; take_part(&layout, &p); words++)
        if (p.kind == PART_QUOTED) return words;
    return UINT32_MAX;
}

/* Does what follows a closing quote look as the layout says? A line may end early: sources add fields with time. */
static bool fits(th_slice rest, uint32_t words)
{
    th_slice word;
    for (uint32_t i = 0; i < words; i++) {
        if (!take_word(&rest, &word)) return true;
        if (holds(word, '"')) return false;
    }
    if (rest.bytes == NULL) return true;
    bool dash = rest.size > 0 && rest.bytes[0] == '-' && (rest.size == 1 || rest.bytes[1] == ' ');
    return dash || (rest.size > 0 && rest.bytes[0] == '"');
}

static bool closes(th_slice rest, const uint8_t *mark)
{
    const uint8_t *end = rest.bytes + rest.size;
    return mark + 1 == end || mark[1] == ' ';
}

/* What is left behind the mark and its blank. */
static th_slice behind(th_slice rest, const uint8_t *mark)
{
    size_t used = (size_t)(mark - rest.bytes) + 1;
    if (used == rest.size) return (th_slice){NULL, 0};
    return (th_slice){mark + 2, rest.size - used - 1};
}

/* The quote that ends the text which rest starts with, or NULL. */
static const uint8_t *closing_quote(th_slice rest, th_slice layout)
{
    uint32_t words = words_to_quote(layout);
    const uint8_t *end = rest.bytes + rest.size, *first = NULL;
    if (words == UINT32_MAX) {
        const uint8_t *last = memrchr(rest.bytes + 1, '"', rest.size - 1);
        if (last != NULL && closes(rest, last)) return last;
    }
    for (const uint8_t *at = rest.bytes + 1; at < end; at++) {
        at = memchr(at, '"', (size_t)(end - at));
        if (at == NULL) break;
        if (!closes(rest, at)) continue;
        if (words == UINT32_MAX || fits(behind(rest, at), words)) return at;
        if (first == NULL) first = at;
    }
    return first;
}

static const uint8_t *closing_bracket(th_slice rest)
{
    const uint8_t *end = rest.bytes + rest.size;
    for (const uint8_t *at = rest.bytes + 1; at < end; at++) {
        at = memchr(at, ']', (size_t)(end - at));
        if (at == NULL || closes(rest, at)) return at;
    }
    return NULL;
}

/* The text of a part; layout: what comes behind the part. A source writes - without quotes when it has nothing. */
static bool take_text(th_slice *rest, part_kind kind, th_slice layout, th_slice *text)
{
    const uint8_t *end = NULL;
    if (rest->bytes != NULL && rest->size > 1) {
        if (kind == PART_QUOTED && rest->bytes[0] == '"') end = closing_quote(*rest, layout);
        if (kind == PART_BRACKETED && rest->bytes[0] == '[') end = closing_bracket(*rest);
    }
    if (end == NULL) return take_word(rest, text);
    *text = (th_slice){rest->bytes + 1, (size_t)(end - rest->bytes) - 1};
    *rest = behind(*rest, end);
    return true;
}

/* The text of a part cut into its fields: a pair at the last colon; of words in quotes the first and the last are one word
 * each and what is between them the middle one. */
static uint32_t cut_text(part p, th_slice text, th_slice *fields, uint32_t max)
{
    uint8_t mark = p.kind == PART_PAIR ? ':' : ' ';
    uint32_t count = 0;
    th_slice name, out[3] = {{text.bytes, text.size}, {NULL, 0}, {NULL, 0}};
    while (take_name(&p, &name)) count++;
    if (count > 3) count = 3;
    const uint8_t *first = count < 3 || text.size == 0 ? NULL : memchr(text.bytes, mark, text.size);
    if (first != NULL) {
        out[0].size = (size_t)(first - text.bytes);
        out[1] = (th_slice){first + 1, text.size - out[0].size - 1};
    }
    th_slice *tail = first != NULL ? &out[1] : &out[0];
    const uint8_t *last =
        count < 2 || tail->size == 0 ? NULL : memrchr(tail->bytes, mark, tail->size);
    if (last != NULL) {
        size_t size = (size_t)(last - tail->bytes);
        out[count - 1] = (th_slice){last + 1, tail->size - size - 1};
        tail->size = size;
    }
    if (count > max) count = max;
    for (uint32_t i = 0; i < count; i++) fields[i] = out[i];
    return count;
}

uint32_t th_model_line_split(th_slice record, th_slice layout, th_slice *fields, uint32_t max)
{
    if (th_model_layout_is_plain(layout)) return th_model_line_fields(record, fields, max);
    th_slice rest = without_line_end(record), picture = without_line_end(layout), text;
    uint32_t count = 0;
    part p;
    if (rest.size == 0) return 0;
    while (count < max && rest.bytes != NULL && take_part(&picture, &p)) {
        if (!take_text(&rest, p.kind, picture, &text)) break;
        count += cut_text(p, text, fields + count, max - count);
    }
    return count;
}

th_slice th_model_line_field(th_slice record, th_slice layout, th_slice name)
{
    uint32_t index = th_model_layout_index(layout, name);
    th_slice rest = without_line_end(record), word = {NULL, 0};
    if (rest.size == 0 || index == UINT32_MAX) return (th_slice){NULL, 0};
    if (!th_model_layout_is_plain(layout)) {
        th_slice fields[TH_LINE_FIELDS_MAX];
        if (index >= TH_LINE_FIELDS_MAX) return (th_slice){NULL, 0};
        uint32_t count = th_model_line_split(record, layout, fields, index + 1);
        return index < count ? fields[index] : (th_slice){NULL, 0};
    }
    for (uint32_t i = 0; i <= index; i++)
        if (!take_word(&rest, &word)) return (th_slice){NULL, 0};
    return word;
}
