/* SPDX-License-Identifier: Apache-2.0
 * Text functions. Lengths and positions count code points; text that is not UTF-8 counts bad bytes as one each. */
#include <locale.h>
#include <pthread.h>
#include <wctype.h>

#include "query/fn/call.h"
#include "query/fn/families.h"

#define TEXT_MAX (16u << 20) /* bytes that padding or repetition may make */

th_err fn_concat(th_fn_call *call, const th_value *args, th_value *out)
{
    th_buf *b = fn_scratch(call);
    for (uint32_t i = 0; i < call->arg_count; i++) th_buf_add_slice(b, args[i].s);
    return fn_take_scratch(call, out);
}

th_err fn_length(th_fn_call *call, const th_value *args, th_value *out)
{
    out->i = call->arg_types[0]->kind == TH_CHAR ? (int64_t)call->arg_types[0]->precision
                                                 : (int64_t)fn_utf8_length(args[0].s);
    return TH_OK;
}

th_err fn_length_bytes(th_fn_call *call, const th_value *args, th_value *out)
{
    (void)call;
    out->i = (int64_t)args[0].s.size;
    return TH_OK;
}

static bool is_ascii(th_slice s)
{
    uint8_t any = 0;
    for (size_t i = 0; i < s.size; i++) any |= s.bytes[i];
    return any < 0x80;
}

/* Case by Unicode whatever the program's locale is; made once, never freed. */
static locale_t unicode_locale;
static pthread_once_t unicode_once = PTHREAD_ONCE_INIT;

static void make_unicode_locale(void)
{
    unicode_locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

static uint32_t case_of(uint32_t code, bool upper)
{
    if (unicode_locale == (locale_t)0) return code;
    return (uint32_t)(upper ? towupper_l((wint_t)code, unicode_locale)
                            : towlower_l((wint_t)code, unicode_locale));
}

static th_err change_case(th_fn_call *call, th_slice s, bool upper, th_value *out)
{
    if (is_ascii(s)) {
        uint8_t *to = th_arena_alloc(call->arena, s.size + 1);
        if (to == NULL) return fn_memory(call);
        for (size_t i = 0; i < s.size; i++) {
            uint8_t c = s.bytes[i];
            bool flip = upper ? c >= 'a' && c <= 'z' : c >= 'A' && c <= 'Z';
            to[i] = flip ? c ^ 0x20 : c;
        }
        out->s = th_slice_of(to, s.size);
        return TH_OK;
    }
    th_buf *b = fn_scratch(call);
    (void)pthread_once(&unicode_once, make_unicode_locale);
    for (size_t at = 0; at < s.size;) {
        uint32_t code = fn_utf8_next(s, &at);
        fn_utf8_put(b, case_of(code, upper));
    }
    return fn_take_scratch(call, out);
}

th_err fn_lower(th_fn_call *call, const th_value *args, th_value *out)
{
    return change_case(call, args[0].s, false, out);
}

th_err fn_upper(th_fn_call *call, const th_value *args, th_value *out)
{
    return change_case(call, args[0].s, true, out);
}

static th_slice part(th_slice s, size_t from, size_t count)
{
    size_t skip = fn_utf8_prefix(s, from);
    s = th_slice_of(s.bytes + skip, s.size - skip);
    s.size = fn_utf8_prefix(s, count);
    return s;
}

th_err fn_substr(th_fn_call *call, const th_value *args, th_value *out)
{
    int64_t start = args[1].i, length = call->arg_count > 2 ? args[2].i : INT64_MAX;
    int64_t size = (int64_t)fn_utf8_length(args[0].s);
    out->s = TH_SLICE("");
    if (start < 0) start += size + 1;
    if (start < 1 || start > size || length <= 0) return TH_OK;
    if (length > size) length = size;
    out->s = part(args[0].s, (size_t)start - 1, (size_t)length);
    return TH_OK;
}

th_err fn_substr_bytes(th_fn_call *call, const th_value *args, th_value *out)
{
    int64_t start = args[1].i, length = call->arg_count > 2 ? args[2].i : INT64_MAX;
    int64_t size = (int64_t)args[0].s.size;
    out->s = TH_SLICE("");
    if (start < 0) start += size + 1;
    if (start < 1 || start > size || length <= 0) return TH_OK;
    if (length > size - start + 1) length = size - start + 1;
    out->s = th_slice_of(args[0].s.bytes + start - 1, (size_t)length);
    return TH_OK;
}

static bool in_set(uint32_t code, th_slice set)
{
    for (size_t at = 0; at < set.size;)
        if (fn_utf8_next(set, &at) == code) return true;
    return false;
}

static bool is_space(uint32_t code)
{
    return code == ' ' || (code >= 9 && code <= 13) || (code >= 0x1C && code <= 0x1F) ||
           code == 0x1680 || (code >= 0x2000 && code <= 0x200A && code != 0x2007) ||
           code == 0x2028 || code == 0x2029 || code == 0x205F || code == 0x3000;
}

static th_err trim(th_fn_call *call, const th_value *args, bool left, bool right, th_value *out)
{
    th_slice s = args[0].s;
    bool set = call->arg_count > 1;
    if (set && !th_utf8_valid(args[1].s))
        return fn_bad(call, "Invalid UTF-8 encoding in characters");
    while (left && s.size > 0) {
        size_t at = 0;
        uint32_t code = fn_utf8_next(s, &at);
        if (set ? !in_set(code, args[1].s) : !is_space(code)) break;
        s = th_slice_of(s.bytes + at, s.size - at);
    }
    while (right && s.size > 0) {
        size_t at = s.size - 1;
        while (at > 0 && (s.bytes[at] & 0xC0) == 0x80) at--;
        size_t end = at;
        uint32_t code = fn_utf8_next(s, &end);
        if (set ? !in_set(code, args[1].s) : !is_space(code)) break;
        s.size = at;
    }
    out->s = s;
    return TH_OK;
}

th_err fn_trim(th_fn_call *call, const th_value *args, th_value *out)
{
    return trim(call, args, true, true, out);
}

th_err fn_ltrim(th_fn_call *call, const th_value *args, th_value *out)
{
    return trim(call, args, true, false, out);
}

th_err fn_rtrim(th_fn_call *call, const th_value *args, th_value *out)
{
    return trim(call, args, false, true, out);
}

th_err fn_replace(th_fn_call *call, const th_value *args, th_value *out)
{
    th_slice s = args[0].s, from = args[1].s, to = call->arg_count > 2 ? args[2].s : TH_SLICE("");
    th_buf *b = fn_scratch(call);
    if (from.size == 0) { /* between all code points, and at both ends */
        th_buf_add_slice(b, to);
        for (size_t at = 0; at < s.size;) {
            size_t start = at;
            (void)fn_utf8_next(s, &at);
            th_buf_add(b, s.bytes + start, at - start);
            th_buf_add_slice(b, to);
        }
        return fn_take_scratch(call, out);
    }
    size_t at = th_slice_find(s, from);
    if (at == SIZE_MAX) {
        out->s = s;
        return TH_OK;
    }
    while (at != SIZE_MAX) {
        th_buf_add(b, s.bytes, at);
        th_buf_add_slice(b, to);
        s = th_slice_of(s.bytes + at + from.size, s.size - at - from.size);
        at = th_slice_find(s, from);
    }
    th_buf_add_slice(b, s);
    return fn_take_scratch(call, out);
}

th_err fn_reverse(th_fn_call *call, const th_value *args, th_value *out)
{
    th_slice s = args[0].s;
    uint8_t *to = th_arena_alloc(call->arena, s.size + 1);
    if (to == NULL) return fn_memory(call);
    size_t left = s.size;
    for (size_t at = 0; at < s.size;) {
        size_t start = at;
        (void)fn_utf8_next(s, &at);
        left -= at - start;
        memcpy(to + left, s.bytes + start, at - start);
    }
    out->s = th_slice_of(to, s.size);
    return TH_OK;
}

th_err fn_strpos(th_fn_call *call, const th_value *args, th_value *out)
{
    th_slice s = args[0].s, needle = args[1].s;
    int64_t instance = call->arg_count > 2 ? args[2].i : 1;
    if (instance == 0) return fn_bad(call, "'instance' must be a positive or negative number.");
    if (needle.size == 0) {
        out->i = 1;
        return TH_OK;
    }
    if (instance < 0) {
        for (size_t at = s.size; at-- > 0;) {
            if (s.size - at < needle.size || memcmp(s.bytes + at, needle.bytes, needle.size) != 0)
                continue;
            if (++instance != 0) continue;
            out->i = (int64_t)fn_utf8_length(th_slice_of(s.bytes, at)) + 1;
            return TH_OK;
        }
        return TH_OK;
    }
    size_t base = 0;
    for (;;) {
        size_t at = th_slice_find(th_slice_of(s.bytes + base, s.size - base), needle);
        if (at == SIZE_MAX) return TH_OK;
        base += at;
        if (--instance == 0) break;
        base++;
    }
    out->i = (int64_t)fn_utf8_length(th_slice_of(s.bytes, base)) + 1;
    return TH_OK;
}

th_err fn_starts_with(th_fn_call *call, const th_value *args, th_value *out)
{
    (void)call;
    out->i = th_slice_starts(args[0].s, args[1].s);
    return TH_OK;
}

th_err fn_ends_with(th_fn_call *call, const th_value *args, th_value *out)
{
    (void)call;
    out->i = th_slice_ends(args[0].s, args[1].s);
    return TH_OK;
}

static th_err pad(th_fn_call *call, const th_value *args, bool left, th_value *out)
{
    th_slice s = args[0].s, fill = call->arg_count > 2 ? args[2].s : TH_SLICE(" ");
    int64_t want = args[1].i;
    size_t have = fn_utf8_length(s);
    if (want < 0 || want > INT32_MAX)
        return fn_bad(call, "Target length must be in the range [0..2147483647]");
    if (fill.size == 0) return fn_bad(call, "Padding string must not be empty");
    if ((uint64_t)want > TEXT_MAX) return fn_bad(call, "Padded text would be too long");
    if ((size_t)want <= have) {
        s.size = fn_utf8_prefix(s, (size_t)want);
        out->s = s;
        return TH_OK;
    }
    th_buf *b = fn_scratch(call);
    if (!left) th_buf_add_slice(b, s);
    size_t at = 0;
    for (size_t n = (size_t)want - have; n > 0; n--) {
        if (at >= fill.size) at = 0;
        size_t start = at;
        (void)fn_utf8_next(fill, &at);
        th_buf_add(b, fill.bytes + start, at - start);
    }
    if (left) th_buf_add_slice(b, s);
    return fn_take_scratch(call, out);
}

th_err fn_lpad(th_fn_call *call, const th_value *args, th_value *out)
{
    return pad(call, args, true, out);
}

th_err fn_rpad(th_fn_call *call, const th_value *args, th_value *out)
{
    return pad(call, args, false, out);
}

/* An array of text made of the slices in parts. */
static th_err text_array(th_fn_call *call, th_builder *b, th_value *out)
{
    th_vector *v = TH_NEW(call->arena, th_vector);
    if (v == NULL || !th_builder_end_nested(b)) return fn_memory(call);
    th_builder_finish(b, v);
    out->n.vector = v;
    out->n.slot = 0;
    return TH_OK;
}

th_err fn_split(th_fn_call *call, const th_value *args, th_value *out)
{
    th_slice s = args[0].s, mark = args[1].s;
    int64_t limit = call->arg_count > 2 ? args[2].i : INT32_MAX;
    th_builder b;
    if (mark.size == 0) return fn_bad(call, "The delimiter may not be the empty string");
    if (limit <= 0) return fn_bad(call, "Limit must be positive");
    if (limit > INT32_MAX) return fn_bad(call, "Limit is too large");
    if (!th_builder_init(&b, call->arena, call->type, 1, false)) return fn_memory(call);
    while (--limit > 0) {
        size_t at = th_slice_find(s, mark);
        if (at == SIZE_MAX) break;
        th_value piece = fn_text(th_slice_of(s.bytes, at));
        if (!th_builder_add(&b.children[0], &piece)) return fn_memory(call);
        s = th_slice_of(s.bytes + at + mark.size, s.size - at - mark.size);
    }
    th_value rest = fn_text(s);
    if (!th_builder_add(&b.children[0], &rest)) return fn_memory(call);
    return text_array(call, &b, out);
}

th_err fn_split_part(th_fn_call *call, const th_value *args, th_value *out)
{
    th_slice s = args[0].s, mark = args[1].s;
    if (args[2].i <= 0) return fn_bad(call, "Index must be greater than zero");
    if (mark.size == 0) { /* between every two code points */
        out->s = part(s, (size_t)args[2].i - 1, 1);
        out->null = out->s.size == 0;
        return TH_OK;
    }
    for (int64_t n = args[2].i;; n--) {
        size_t at = th_slice_find(s, mark);
        if (n == 1) {
            out->s = th_slice_of(s.bytes, at == SIZE_MAX ? s.size : at);
            return TH_OK;
        }
        if (at == SIZE_MAX) break;
        s = th_slice_of(s.bytes + at + mark.size, s.size - at - mark.size);
    }
    out->null = true;
    return TH_OK;
}

th_err fn_chr(th_fn_call *call, const th_value *args, th_value *out)
{
    if (args[0].i < 0 || args[0].i > 0x10FFFF || (args[0].i >= 0xD800 && args[0].i <= 0xDFFF))
        return fn_bad(call, "Not a valid Unicode code point: %lld", (long long)args[0].i);
    fn_utf8_put(fn_scratch(call), (uint32_t)args[0].i);
    return fn_take_scratch(call, out);
}

th_err fn_codepoint(th_fn_call *call, const th_value *args, th_value *out)
{
    size_t at = 0;
    if (args[0].s.size == 0 || fn_utf8_length(args[0].s) != 1)
        return fn_bad(call, "Input string must be a single character string");
    out->i = fn_utf8_next(args[0].s, &at);
    return TH_OK;
}

const th_type *fn_codepoint_type(th_arena *arena, const th_type **params, uint32_t count)
{
    (void)arena;
    (void)count;
    return params[0]->precision <= 1 || params[0]->precision == TH_UNBOUNDED ? &th_type_integer
                                                                             : NULL;
}

th_err fn_translate(th_fn_call *call, const th_value *args, th_value *out)
{
    th_buf *b = fn_scratch(call);
    th_slice s = args[0].s, from = args[1].s, to = args[2].s;
    for (size_t at = 0; at < s.size;) {
        uint32_t code = fn_utf8_next(s, &at);
        size_t f = 0, t = 0;
        bool found = false;
        while (f < from.size && !found) {
            size_t start = t;
            found = fn_utf8_next(from, &f) == code;
            bool more = t < to.size;
            if (more) (void)fn_utf8_next(to, &t);
            if (found && more) th_buf_add(b, to.bytes + start, t - start);
        }
        if (!found) fn_utf8_put(b, code);
    }
    return fn_take_scratch(call, out);
}

/* concat_ws(separator, text...): NULL texts are left out. */
th_err fn_concat_ws(th_fn_call *call, const th_value *args, th_value *out)
{
    bool first = true;
    if (args[0].null) {
        out->null = true;
        return TH_OK;
    }
    th_buf *b = fn_scratch(call);
    for (uint32_t i = 1; i < call->arg_count; i++) {
        if (args[i].null) continue;
        if (!first) th_buf_add_slice(b, args[0].s);
        th_buf_add_slice(b, args[i].s);
        first = false;
    }
    return fn_take_scratch(call, out);
}

th_err fn_concat_ws_array(th_fn_call *call, const th_value *args, th_value *out)
{
    th_value x;
    bool first = true;
    th_buf *b = fn_scratch(call);
    for (uint32_t i = 0; i < th_value_size(&args[1]); i++) {
        th_value_element(&args[1], 0, i, &x);
        if (x.null) continue;
        if (!first) th_buf_add_slice(b, args[0].s);
        th_buf_add_slice(b, x.s);
        first = false;
    }
    return fn_take_scratch(call, out);
}

/* Edit distance over code points; both texts together are bounded. */
th_err fn_levenshtein(th_fn_call *call, const th_value *args, th_value *out)
{
    size_t n = fn_utf8_length(args[0].s), m = fn_utf8_length(args[1].s), at = 0;
    if ((n + 1) * (m + 1) > 1000000u)
        return fn_bad(call, "The combined inputs for Levenshtein distance are too large");
    uint32_t *row = th_arena_alloc(call->arena, (m + 1) * sizeof *row);
    if (row == NULL) return fn_memory(call);
    for (size_t j = 0; j <= m; j++) row[j] = (uint32_t)j;
    for (size_t i = 1; i <= n; i++) {
        uint32_t code = fn_utf8_next(args[0].s, &at), diagonal = row[0];
        size_t other = 0;
        row[0] = (uint32_t)i;
        for (size_t j = 1; j <= m; j++) {
            uint32_t change = diagonal + (fn_utf8_next(args[1].s, &other) != code);
            uint32_t grow = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = change < grow ? change : grow;
        }
    }
    out->i = row[m];
    return TH_OK;
}

th_err fn_hamming(th_fn_call *call, const th_value *args, th_value *out)
{
    size_t a = 0, b = 0;
    if (fn_utf8_length(args[0].s) != fn_utf8_length(args[1].s))
        return fn_bad(call,
                      "The input strings to hamming_distance function must have the same length");
    while (a < args[0].s.size) out->i += fn_utf8_next(args[0].s, &a) != fn_utf8_next(args[1].s, &b);
    return TH_OK;
}
