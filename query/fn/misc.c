/* SPDX-License-Identifier: Apache-2.0
 * The rest: typeof, uuid, user, URLs. */
#include <sys/random.h>

#include "query/fn/call.h"
#include "query/fn/families.h"

th_err fn_typeof(th_fn_call *call, const th_value *args, th_value *out)
{
    (void)args;
    th_type_print(fn_scratch(call), call->arg_types[0]);
    return fn_take_scratch(call, out);
}

th_err fn_uuid(th_fn_call *call, const th_value *args, th_value *out)
{
    uint8_t u[16];
    (void)args;
    if (getrandom(u, sizeof u, 0) != (ssize_t)sizeof u)
        return fn_fail(call, "GENERIC_INTERNAL_ERROR", "No random bytes");
    u[6] = (u[6] & 0x0F) | 0x40;
    u[8] = (u[8] & 0x3F) | 0x80;
    return fn_copy(call, th_slice_of(u, sizeof u), out);
}

th_err fn_current_user(th_fn_call *call, const th_value *args, th_value *out)
{
    (void)args;
    return fn_copy(call, th_slice_text(call->user == NULL ? "" : call->user), out);
}

th_err fn_version(th_fn_call *call, const th_value *args, th_value *out)
{
    (void)args;
    return fn_copy(call, TH_SLICE("trailhold"), out);
}

th_err fn_fail_with(th_fn_call *call, const th_value *args, th_value *out)
{
    (void)out;
    return fn_fail(call, "GENERIC_USER_ERROR", "%.*s",
                   (int)(args[0].s.size > 300 ? 300 : args[0].s.size),
                   (const char *)args[0].s.bytes);
}

/* scheme://user@host:port/path?query#fragment, by the rules of RFC 3986. */
typedef struct url {
    th_slice scheme, host, port, path, query, fragment;
    bool has_authority, has_query, has_fragment;
} url;

static th_slice until(th_slice *rest, const char *marks)
{
    size_t n = 0;
    while (n < rest->size && (rest->bytes[n] == 0 || strchr(marks, rest->bytes[n]) == NULL)) n++;
    th_slice head = th_slice_of(rest->bytes, n);
    *rest = th_slice_of(rest->bytes + n, rest->size - n);
    return head;
}

static th_slice after(th_slice s, size_t n)
{
    return th_slice_of(s.bytes + n, s.size - n);
}

static bool is_url(th_slice s)
{
    for (size_t i = 0; i < s.size; i++)
        if (s.bytes[i] <= ' ' || strchr("\"<>\\^`{|}", s.bytes[i]) != NULL) return false;
    return true;
}

static bool parse_url(th_slice s, url *u)
{
    *u = (url){0};
    if (!is_url(s)) return false;
    th_slice rest = s, head = until(&rest, ":/?#");
    if (rest.size > 0 && rest.bytes[0] == ':' && head.size > 0) {
        u->scheme = head;
        s = after(rest, 1);
    }
    if (th_slice_starts(s, TH_SLICE("//"))) {
        s = after(s, 2);
        th_slice authority = until(&s, "/?#");
        const uint8_t *at = memchr(authority.bytes, '@', authority.size);
        if (at != NULL) authority = after(authority, (size_t)(at - authority.bytes) + 1);
        u->has_authority = true;
        u->host = authority;
        for (size_t i = authority.size; i-- > 0;) {
            if (authority.bytes[i] == ']') break;
            if (authority.bytes[i] != ':') continue;
            u->host.size = i;
            u->port = after(authority, i + 1);
            break;
        }
    }
    u->path = until(&s, "?#");
    if (s.size > 0 && s.bytes[0] == '?') {
        s = after(s, 1);
        u->query = until(&s, "#");
        u->has_query = true;
    }
    if (s.size > 0) {
        u->fragment = after(s, 1);
        u->has_fragment = true;
    }
    return true;
}

static th_err decode(th_fn_call *call, th_slice s, bool plus, th_value *out)
{
    th_buf *b = fn_scratch(call);
    for (size_t i = 0; i < s.size; i++) {
        uint8_t byte;
        if (s.bytes[i] == '%' && i + 2 < s.size &&
            th_hex_decode(th_slice_of(s.bytes + i + 1, 2), &byte, 1)) {
            th_buf_add_byte(b, byte);
            i += 2;
        } else {
            th_buf_add_byte(b, plus && s.bytes[i] == '+' ? ' ' : s.bytes[i]);
        }
    }
    return fn_take_scratch(call, out);
}

#define URL_PART(name, expression, present)                            \
    th_err name(th_fn_call *call, const th_value *args, th_value *out) \
    {                                                                  \
        url u;                                                         \
        if (!parse_url(args[0].s, &u) || !(present)) {                 \
            out->null = true;                                          \
            return TH_OK;                                              \
        }                                                              \
        return decode(call, (expression), false, out);                 \
    }
URL_PART(fn_url_protocol, u.scheme, true)
URL_PART(fn_url_host, u.host, true)
URL_PART(fn_url_path, u.path, true)
URL_PART(fn_url_query, u.query, true)
URL_PART(fn_url_fragment, u.fragment, true)

th_err fn_url_port(th_fn_call *call, const th_value *args, th_value *out)
{
    url u;
    (void)call;
    out->null = !parse_url(args[0].s, &u) || !th_slice_to_i64(u.port, &out->i);
    return TH_OK;
}

th_err fn_url_parameter(th_fn_call *call, const th_value *args, th_value *out)
{
    url u;
    out->null = true;
    if (!parse_url(args[0].s, &u)) return TH_OK;
    while (u.query.size > 0) {
        th_slice pair = until(&u.query, "&");
        if (u.query.size > 0) u.query = after(u.query, 1);
        th_slice key = until(&pair, "=");
        if (!th_slice_equal(key, args[1].s)) continue;
        out->null = false;
        return decode(call, pair.size > 0 ? after(pair, 1) : pair, true, out);
    }
    return TH_OK;
}

th_err fn_url_encode(th_fn_call *call, const th_value *args, th_value *out)
{
    th_buf *b = fn_scratch(call);
    for (size_t i = 0; i < args[0].s.size; i++) {
        uint8_t c = args[0].s.bytes[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     (c != 0 && strchr("-_.*", c) != NULL);
        if (plain || c == ' ')
            th_buf_add_byte(b, c == ' ' ? '+' : c);
        else
            th_buf_printf(b, "%%%02X", c);
    }
    return fn_take_scratch(call, out);
}

th_err fn_url_decode(th_fn_call *call, const th_value *args, th_value *out)
{
    return decode(call, args[0].s, true, out);
}
