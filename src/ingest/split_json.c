/* SPDX-License-Identifier: Apache-2.0
 * The walk over JSON: documents one after another, arrays, and objects whose arrays hold records. Envelopes are walked
 * member by member without judging them whole first: of a log file that was cut off, the records before the cut are
 * taken. Nesting of envelopes is bounded, so is the recursion here. */
#include "ingest/split_private.h"

#include <stdio.h>

#include "base/limits.h"

enum { LINES_AHEAD = 64, PEEK_MEMBERS = 64, SCAN_FREE = 1 << 20, SCAN_FACTOR = 4 };

/* The text of a parser's complaint without its own place, which counts from the value's start. */
static const char *complaint(const splitter *s, const uint8_t *at, const th_diag *diag)
{
    unsigned long long offset = 0;
    int skip = 0;
    if (sscanf(diag->text, "JSON at byte %llu: %n", &offset, &skip) < 1 || skip <= 0)
        return "not valid JSON";
    const char *text =
        th_arena_printf(s->kept, "not valid JSON at byte %llu: %s",
                        (unsigned long long)(at - s->base) + offset, diag->text + skip);
    return text == NULL ? "not valid JSON" : text;
}

/* End of the value that starts at p by structure alone, or NULL. */
static const uint8_t *structural_end(splitter *s, const uint8_t *p)
{
    th_json_scan scan;
    if (s->scanned > SCAN_FREE + SCAN_FACTOR * (uint64_t)(s->end - s->base)) return NULL;
    th_json_scan_init(&scan);
    size_t size = th_json_scan_feed(&scan, split_rest(s, p));
    s->scanned += size;
    return scan.done ? p + size : NULL;
}

/* A value that is not valid, or too deep. Where its end is beyond doubt only it is refused, else all from here on is
 * damage: behind a lost quote everything would be read inside out. */
static th_err bad_value(splitter *s, const uint8_t **pos, th_err err, const th_diag *diag)
{
    const char *reason = complaint(s, *pos, diag);
    bool brackets = **pos == '{' || **pos == '[' || **pos == '"';
    const uint8_t *end = brackets ? structural_end(s, *pos) : NULL;
    if (end == NULL) return split_damage(s, *pos, reason);
    if (err == TH_ELIMIT) {
        reason = "nested deeper than 128 levels";
    } else if (!th_utf8_valid(th_slice_of(*pos, (size_t)(end - *pos)))) {
        reason = "not valid UTF-8";
    } else {
        return split_damage(s, *pos, reason);
    }
    TH_TRY(split_refuse(s, *pos, end, reason));
    *pos = end;
    return TH_OK;
}

/* Does the object that starts at p have a member whose array may hold records? Reads no further than to that array. */
static bool peek_envelope(splitter *s, const uint8_t *p)
{
    p++;
    for (int i = 0; i < PEEK_MEMBERS; i++) {
        p = split_skip_blank(s, p);
        if (p == s->end || *p != '"') return false;
        const uint8_t *quote = memchr(p + 1, '"', (size_t)(s->end - p - 1));
        if (quote == NULL) return false;
        th_slice key = th_slice_of(p + 1, (size_t)(quote - p - 1));
        p = split_skip_blank(s, quote + 1);
        if (p == s->end || *p != ':') return false;
        p = split_skip_blank(s, p + 1);
        if (p == s->end) return false;
        if (*p == '[' && ingest_array_form(key) != NULL) return true;
        p = structural_end(s, p);
        if (p == NULL) return false;
        p = split_skip_blank(s, p);
        if (p == s->end || *p != ',') return false;
        p++;
    }
    return false;
}

static th_err walk_array(splitter *s, const uint8_t **pos, split_place place)
{
    const uint8_t *p = split_skip_blank(s, *pos + 1);
    if (p < s->end && *p == ']') {
        *pos = p + 1;
        return TH_OK;
    }
    for (;;) {
        if (p == s->end) return split_damage(s, p, "not valid JSON: an array is cut off");
        TH_TRY(split_value(s, &p, place));
        const uint8_t *after = p;
        p = split_skip_blank(s, p);
        if (p < s->end && *p == ']') {
            *pos = p + 1;
            return TH_OK;
        }
        if (p == s->end || *p != ',') {
            return split_damage(s, p == s->end ? after : p,
                                "not valid JSON: expected a comma or the end of an array");
        }
        p = split_skip_blank(s, p + 1);
    }
}

static th_err skip_value(splitter *s, const uint8_t **pos)
{
    th_diag diag = {0};
    th_slice value;
    th_err err = th_json_value(split_rest(s, *pos), TH_JSON_DEPTH_MAX, &value, &diag);
    if (err != TH_OK) return split_damage(s, *pos, complaint(s, *pos, &diag));
    *pos = value.bytes + value.size;
    return TH_OK;
}

th_err split_envelope(splitter *s, const uint8_t **pos, split_place place)
{
    static const char broken[] = "not valid JSON: the envelope is cut off or damaged";
    const uint8_t *p = split_skip_blank(s, *pos + 1);
    for (;;) {
        const uint8_t *key_at = p;
        if (p == s->end || *p != '"') return split_damage(s, p, broken);
        TH_TRY(skip_value(s, &p));
        th_slice key = th_slice_of(key_at + 1, (size_t)(p - key_at - 2));
        p = split_skip_blank(s, p);
        if (p == s->end || *p != ':') return split_damage(s, key_at, broken);
        p = split_skip_blank(s, p + 1);
        if (p == s->end) return split_damage(s, key_at, broken);
        const char *form = *p == '[' ? ingest_array_form(key) : NULL;
        if (form != NULL) {
            /* Only a document of its own is the form in which CloudTrail delivers. */
            bool inner = place.level > 0 && strcmp(form, "records") == 0;
            TH_TRY(walk_array(s, &p, (split_place){place.level + 1, inner ? "array" : form}));
        } else {
            TH_TRY(skip_value(s, &p));
        }
        const uint8_t *after = p;
        p = split_skip_blank(s, p);
        if (p < s->end && *p == '}') {
            *pos = p + 1;
            return TH_OK;
        }
        if (p == s->end || *p != ',') return split_damage(s, p == s->end ? after : p, broken);
        p = split_skip_blank(s, p + 1);
    }
}

th_err split_value(splitter *s, const uint8_t **pos, split_place place)
{
    th_arena_reset(s->scratch);
    bool object = **pos == '{';
    bool deeper = place.level < SPLIT_LEVEL_MAX;
    if (**pos == '[' && deeper)
        return walk_array(s, pos,
                          (split_place){place.level + 1, place.level == 0 ? "array" : place.form});
    /* The first document of a content is most often one large envelope: not to be judged whole first. */
    if (object && place.level == 0 && s->result->records == 0 && peek_envelope(s, *pos))
        return split_envelope(s, pos, place);
    th_diag diag = {0};
    th_slice value;
    th_err err =
        th_json_value_members(split_rest(s, *pos), TH_JSON_DEPTH_MAX, &value, &s->members, &diag);
    s->members_of = err == TH_OK ? value.bytes : NULL;
    if (err != TH_OK && object && deeper && peek_envelope(s, *pos))
        return split_envelope(s, pos, place);
    if (err != TH_OK) return bad_value(s, pos, err, &diag);
    if (object) {
        TH_TRY(split_object(s, value, place));
    } else {
        TH_TRY(split_refuse(s, value.bytes, value.bytes + value.size, split_unknown));
    }
    *pos = value.bytes + value.size;
    return TH_OK;
}

bool split_line_follows(const splitter *s, const uint8_t *p)
{
    for (int i = 0; i < LINES_AHEAD && p < s->end; i++) {
        const uint8_t *newline = memchr(p, '\n', (size_t)(s->end - p));
        if (newline == NULL) return false;
        p = split_skip_blank(s, newline + 1);
        if (p == s->end || *p != '{') continue;
        const uint8_t *line_end = memchr(p, '\n', (size_t)(s->end - p));
        if (line_end == NULL) line_end = s->end;
        th_slice value;
        if (th_json_document(th_slice_of(p, (size_t)(line_end - p)), TH_JSON_DEPTH_MAX, &value,
                             NULL) == TH_OK)
            return true;
    }
    return false;
}

static bool ends_line(const splitter *s, const uint8_t *p)
{
    while (p < s->end && (*p == ' ' || *p == '\t' || *p == '\r')) p++;
    return p == s->end || *p == '\n';
}

th_err split_documents(splitter *s)
{
    const uint8_t *p = s->base;
    if (s->end - p >= 3 && memcmp(p, "\xEF\xBB\xBF", 3) == 0) p += 3;
    bool lines = false; /* a document filled one line: the others are expected to */
    uint64_t documents = 0;
    for (;;) {
        p = split_skip_blank(s, p);
        if (p == s->end) break;
        const uint8_t *start = p;
        th_err err = split_value(s, &p, (split_place){0, "object"});
        documents++;
        if (err == TH_OK) {
            if (!lines) lines = ends_line(s, p) && memchr(start, '\n', (size_t)(p - start)) == NULL;
            continue;
        }
        if (!s->damaged) return err;
        s->damaged = false;
        const uint8_t *at = s->damage_at;
        const uint8_t *newline = at < s->end ? memchr(at, '\n', (size_t)(s->end - at)) : NULL;
        bool line_only = newline != NULL && (lines || split_line_follows(s, at));
        p = line_only ? newline : s->end;
        if (at < s->end) {
            TH_TRY(split_refuse(s, at, p, s->damage));
        } else {
            /* Cut off between two values: no byte is to blame, but the end is missing. */
            TH_TRY(split_refuse(s, at, at, s->damage));
        }
    }
    if (documents > 1 && strcmp(s->result->form, "object") == 0) s->result->form = "documents";
    return TH_OK;
}
