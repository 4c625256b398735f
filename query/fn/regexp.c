/* SPDX-License-Identifier: Apache-2.0
 * Regular expressions with PCRE2, in the syntax that Java and PCRE share. Every match has limits on steps, depth and
 * heap; a pattern is compiled once a place. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "query/fn/call.h"
#include "query/fn/families.h"
#include "query/fn/regexp.h"

#define MATCH_LIMIT 2000000u
#define DEPTH_LIMIT 20000u
#define HEAP_LIMIT_KIB 20480u
#define PATTERN_MAX 65536u
#define MATCHES_MAX 1000000u

typedef struct regexp {
    th_slice source;
    pcre2_code *code;
    pcre2_match_data *data;
    pcre2_match_context *context;
    uint32_t groups;
} regexp;

/* PCRE2's memory comes from the query's arena: it goes with the query, whatever way that ends. */
static void *arena_malloc(PCRE2_SIZE size, void *arena)
{
    return th_arena_alloc(arena, size);
}

static void arena_free(void *block, void *arena)
{
    (void)block;
    (void)arena;
}

static th_err compile_pattern(th_fn_call *call, th_slice source, regexp *r)
{
    int code;
    PCRE2_SIZE offset;
    PCRE2_UCHAR text[120];
    if (source.size > PATTERN_MAX) return fn_bad(call, "Regular expression is too long");
    pcre2_general_context *general =
        pcre2_general_context_create(arena_malloc, arena_free, call->query);
    if (general == NULL) return fn_memory(call);
    pcre2_compile_context *context = pcre2_compile_context_create(general);
    if (context == NULL) return fn_memory(call);
    (void)pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    r->source = th_arena_copy(call->query, source);
    r->code = pcre2_compile(source.bytes == NULL ? (PCRE2_SPTR) "" : source.bytes, source.size,
                            PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C | PCRE2_MATCH_INVALID_UTF, &code,
                            &offset, context);
    if (r->code == NULL) {
        (void)pcre2_get_error_message(code, text, sizeof text);
        return fn_bad(call, "Invalid regular expression at character %zu: %s", offset + 1,
                      (const char *)text);
    }
    r->data = pcre2_match_data_create_from_pattern(r->code, general);
    r->context = pcre2_match_context_create(general);
    if (r->data == NULL || r->context == NULL || r->source.bytes == NULL) return fn_memory(call);
    (void)pcre2_set_match_limit(r->context, MATCH_LIMIT);
    (void)pcre2_set_depth_limit(r->context, DEPTH_LIMIT);
    (void)pcre2_set_heap_limit(r->context, HEAP_LIMIT_KIB);
    (void)pcre2_pattern_info(r->code, PCRE2_INFO_CAPTURECOUNT, &r->groups);
    return TH_OK;
}

static th_err pattern_of(th_fn_call *call, th_value pattern, regexp **out)
{
    regexp *r = *call->state;
    if (call->arg_types[1]->kind == TH_CHAR)
        TH_TRY(fn_pad_char(call, call->arg_types[1], pattern.s, &pattern));
    th_slice source = pattern.s;
    if (r == NULL || !th_slice_equal(r->source, source)) {
        r = TH_NEW(call->query, regexp);
        if (r == NULL) return fn_memory(call);
        TH_TRY(compile_pattern(call, source, r));
        *call->state = r;
    }
    *out = r;
    return TH_OK;
}

/* *found and the match data, searching from byte from. */
static th_err search(th_fn_call *call, regexp *r, th_slice s, size_t from, bool *found)
{
    int n = pcre2_match(r->code, s.bytes == NULL ? (PCRE2_SPTR) "" : s.bytes, s.size, from, 0,
                        r->data, r->context);
    *found = n > 0;
    if (n > 0 || n == PCRE2_ERROR_NOMATCH) return TH_OK;
    if (n == PCRE2_ERROR_MATCHLIMIT || n == PCRE2_ERROR_DEPTHLIMIT || n == PCRE2_ERROR_HEAPLIMIT)
        return fn_fail(call, "REGEXP_LIMIT_EXCEEDED",
                       "The regular expression takes too many steps on a value");
    if (n == PCRE2_ERROR_NOMEMORY) return fn_memory(call);
    return fn_bad(call, "The regular expression failed with error %d", n);
}

static th_slice group_of(const regexp *r, th_slice s, uint32_t group, bool *set)
{
    const PCRE2_SIZE *v = pcre2_get_ovector_pointer(r->data);
    *set = group <= r->groups && v[2 * group] != PCRE2_UNSET;
    if (!*set) return (th_slice){NULL, 0};
    return th_slice_of(s.bytes + v[2 * group], v[2 * group + 1] - v[2 * group]);
}

/* Start of the search after the match that was just found: past it, or past one code point when it was empty. */
static size_t after_match(const regexp *r, th_slice s)
{
    const PCRE2_SIZE *v = pcre2_get_ovector_pointer(r->data);
    size_t at = v[1];
    if (v[1] > v[0]) return at;
    if (at >= s.size) return SIZE_MAX;
    (void)fn_utf8_next(s, &at);
    return at;
}

th_err fn_regexp_like(th_fn_call *call, const th_value *args, th_value *out)
{
    regexp *r;
    bool found;
    TH_TRY(pattern_of(call, args[1], &r));
    TH_TRY(search(call, r, args[0].s, 0, &found));
    out->i = found;
    return TH_OK;
}

static th_err check_group(th_fn_call *call, const regexp *r, const th_value *args, uint32_t *group)
{
    *group = 0;
    if (call->arg_count < 3) return TH_OK;
    if (args[2].i < 0) return fn_bad(call, "Group cannot be negative");
    if (args[2].i > r->groups)
        return fn_bad(call, "Pattern has %u groups. Cannot access group %lld", r->groups,
                      (long long)args[2].i);
    *group = (uint32_t)args[2].i;
    return TH_OK;
}

th_err fn_regexp_extract(th_fn_call *call, const th_value *args, th_value *out)
{
    regexp *r;
    bool found, set;
    uint32_t group;
    TH_TRY(pattern_of(call, args[1], &r));
    TH_TRY(check_group(call, r, args, &group));
    TH_TRY(search(call, r, args[0].s, 0, &found));
    out->null = true;
    if (!found) return TH_OK;
    out->s = group_of(r, args[0].s, group, &set);
    out->null = !set;
    return TH_OK;
}

static th_err finish_array(th_fn_call *call, th_builder *b, th_value *out)
{
    th_vector *v = TH_NEW(call->arena, th_vector);
    if (v == NULL || !th_builder_end_nested(b)) return fn_memory(call);
    th_builder_finish(b, v);
    out->n.vector = v;
    out->n.slot = 0;
    return TH_OK;
}

th_err fn_regexp_extract_all(th_fn_call *call, const th_value *args, th_value *out)
{
    regexp *r;
    bool found, set;
    uint32_t group;
    th_builder b;
    th_slice s = args[0].s;
    TH_TRY(pattern_of(call, args[1], &r));
    TH_TRY(check_group(call, r, args, &group));
    if (!th_builder_init(&b, call->arena, call->type, 1, false)) return fn_memory(call);
    for (size_t at = 0; at != SIZE_MAX && at <= s.size; at = after_match(r, s)) {
        TH_TRY(search(call, r, s, at, &found));
        if (!found) break;
        th_value x = {.s = group_of(r, s, group, &set)};
        x.null = !set;
        if (!th_builder_add(&b.children[0], &x)) return fn_memory(call);
    }
    return finish_array(call, &b, out);
}

th_err fn_regexp_count(th_fn_call *call, const th_value *args, th_value *out)
{
    regexp *r;
    bool found;
    th_slice s = args[0].s;
    TH_TRY(pattern_of(call, args[1], &r));
    for (size_t at = 0; at != SIZE_MAX && at <= s.size; at = after_match(r, s)) {
        TH_TRY(search(call, r, s, at, &found));
        if (!found) break;
        out->i++;
    }
    return TH_OK;
}

th_err fn_regexp_position(th_fn_call *call, const th_value *args, th_value *out)
{
    regexp *r;
    bool found;
    th_slice s = args[0].s;
    int64_t start = call->arg_count > 2 ? args[2].i : 1,
            occurrence = call->arg_count > 3 ? args[3].i : 1;
    if (start < 1) return fn_bad(call, "start position cannot be smaller than 1");
    if (occurrence < 1) return fn_bad(call, "occurrence cannot be smaller than 1");
    out->i = -1;
    TH_TRY(pattern_of(call, args[1], &r));
    if ((uint64_t)start > fn_utf8_length(s)) return TH_OK;
    for (size_t at = fn_utf8_prefix(s, (size_t)start - 1); at != SIZE_MAX && at <= s.size;
         at = after_match(r, s)) {
        TH_TRY(search(call, r, s, at, &found));
        if (!found) return TH_OK;
        if (--occurrence > 0) continue;
        out->i =
            (int64_t)fn_utf8_length(th_slice_of(s.bytes, pcre2_get_ovector_pointer(r->data)[0])) +
            1;
        return TH_OK;
    }
    return TH_OK;
}

th_err fn_regexp_split(th_fn_call *call, const th_value *args, th_value *out)
{
    regexp *r;
    bool found;
    th_builder b;
    th_slice s = args[0].s;
    size_t last = 0;
    TH_TRY(pattern_of(call, args[1], &r));
    if (!th_builder_init(&b, call->arena, call->type, 1, false)) return fn_memory(call);
    for (size_t at = 0; at != SIZE_MAX && at <= s.size; at = after_match(r, s)) {
        TH_TRY(search(call, r, s, at, &found));
        if (!found) break;
        const PCRE2_SIZE *v = pcre2_get_ovector_pointer(r->data);
        th_value x = fn_text(th_slice_of(s.bytes + last, v[0] - last));
        if (!th_builder_add(&b.children[0], &x)) return fn_memory(call);
        last = v[1];
    }
    th_value rest = fn_text(th_slice_of(s.bytes + last, s.size - last));
    if (!th_builder_add(&b.children[0], &rest)) return fn_memory(call);
    return finish_array(call, &b, out);
}

/* "$1", "${name}" and "\x" in a replacement. */
static th_err put_group(th_fn_call *call, const regexp *r, th_slice s, th_slice text, size_t *at,
                        th_buf *b)
{
    bool set;
    size_t i = *at + 1;
    uint32_t group = 0;
    if (i < text.size && text.bytes[i] == '{') {
        char name[64];
        size_t from = ++i;
        while (i < text.size && text.bytes[i] != '}') i++;
        if (i == text.size || i - from >= sizeof name)
            return fn_bad(call, "Illegal replacement sequence: unknown group");
        memcpy(name, text.bytes + from, i - from);
        name[i - from] = 0;
        int n = pcre2_substring_number_from_name(r->code, (PCRE2_SPTR)name);
        if (n < 0) return fn_bad(call, "Illegal replacement sequence: unknown group { %s }", name);
        group = (uint32_t)n;
        i++;
    } else {
        size_t from = i;
        for (; i < text.size && text.bytes[i] >= '0' && text.bytes[i] <= '9'; i++) {
            uint32_t more = group * 10 + (uint32_t)(text.bytes[i] - '0');
            if (i > from && more > r->groups) break;
            group = more;
        }
        if (i == from)
            return fn_bad(call, "Illegal replacement sequence: '$' must be followed by a group");
        if (group > r->groups)
            return fn_bad(call, "Illegal replacement sequence: unknown group %u", group);
    }
    th_buf_add_slice(b, group_of(r, s, group, &set));
    *at = i;
    return TH_OK;
}

static th_err put_replacement(th_fn_call *call, const regexp *r, th_slice s, th_slice text,
                              th_buf *b)
{
    for (size_t i = 0; i < text.size;) {
        if (text.bytes[i] == '$') {
            TH_TRY(put_group(call, r, s, text, &i, b));
            continue;
        }
        if (text.bytes[i] == '\\' && ++i == text.size)
            return fn_bad(call, "Illegal replacement sequence: character to be escaped is missing");
        th_buf_add_byte(b, text.bytes[i++]);
    }
    return TH_OK;
}

th_err fn_regexp_replace(th_fn_call *call, const th_value *args, th_value *out)
{
    regexp *r;
    bool found;
    th_slice s = args[0].s, text = call->arg_count > 2 ? args[2].s : TH_SLICE("");
    th_buf *b = fn_scratch(call);
    size_t last = 0, count = 0;
    TH_TRY(pattern_of(call, args[1], &r));
    for (size_t at = 0; at != SIZE_MAX && at <= s.size; at = after_match(r, s)) {
        TH_TRY(search(call, r, s, at, &found));
        if (!found) break;
        const PCRE2_SIZE *v = pcre2_get_ovector_pointer(r->data);
        th_buf_add(b, s.bytes + last, v[0] - last);
        last = v[1];
        TH_TRY(put_replacement(call, r, s, text, b));
        if (++count > MATCHES_MAX) return fn_bad(call, "Too many matches");
    }
    th_buf_add(b, s.bytes + last, s.size - last);
    return fn_take_scratch(call, out);
}

th_err regexp_each_match(th_fn_call *call, th_value pattern, th_slice text, uint32_t row,
                         th_err (*each)(void *ctx, th_fn_call *call, uint32_t row,
                                        const regexp_span *spans, uint32_t count, th_slice text),
                         void *ctx)
{
    regexp *r;
    bool found;
    size_t matches = 0;
    TH_TRY(pattern_of(call, pattern, &r));
    regexp_span *spans = TH_NEW_ARRAY(call->arena, regexp_span, (size_t)r->groups + 1);
    if (spans == NULL) return fn_memory(call);
    for (size_t at = 0; at != SIZE_MAX && at <= text.size; at = after_match(r, text)) {
        TH_TRY(search(call, r, text, at, &found));
        if (!found) break;
        const PCRE2_SIZE *v = pcre2_get_ovector_pointer(r->data);
        for (uint32_t i = 0; i <= r->groups; i++) {
            bool set = v[2 * i] != PCRE2_UNSET;
            spans[i] = (regexp_span){set ? v[2 * i] : SIZE_MAX, set ? v[2 * i + 1] : SIZE_MAX};
        }
        TH_TRY(each(ctx, call, row, spans, r->groups + 1, text));
        if (++matches > MATCHES_MAX) return fn_bad(call, "Too many matches");
    }
    return TH_OK;
}
