/* SPDX-License-Identifier: Apache-2.0
 * Bytes: hex, base64, UTF-8, digests, addresses and networks. */
#include <openssl/evp.h>

#include "query/fn/call.h"
#include "query/fn/families.h"

th_err fn_to_hex(th_fn_call *call, const th_value *args, th_value *out)
{
    th_buf *b = fn_scratch(call);
    for (size_t i = 0; i < args[0].s.size; i++) th_buf_printf(b, "%02X", args[0].s.bytes[i]);
    return fn_take_scratch(call, out);
}

th_err fn_from_hex(th_fn_call *call, const th_value *args, th_value *out)
{
    th_slice s = args[0].s;
    uint8_t *to = th_arena_alloc(call->arena, s.size / 2 + 1);
    if (to == NULL) return fn_memory(call);
    if (s.size % 2 != 0 || !th_hex_decode(s, to, s.size / 2))
        return fn_bad(call, "Invalid hex: %.*s", (int)(s.size > 100 ? 100 : s.size),
                      (const char *)s.bytes);
    out->s = th_slice_of(to, s.size / 2);
    return TH_OK;
}

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base64url_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static th_err to_base64(th_fn_call *call, th_slice s, const char *digits, th_value *out)
{
    th_buf *b = fn_scratch(call);
    for (size_t i = 0; i < s.size; i += 3) {
        size_t n = s.size - i < 3 ? s.size - i : 3;
        uint32_t v = (uint32_t)s.bytes[i] << 16 | (n > 1 ? (uint32_t)s.bytes[i + 1] << 8 : 0) |
                     (n > 2 ? s.bytes[i + 2] : 0u);
        for (size_t k = 0; k < 4; k++)
            th_buf_add_byte(b, k <= n ? (uint8_t)digits[v >> (18 - 6 * k) & 63] : '=');
    }
    return fn_take_scratch(call, out);
}

th_err fn_to_base64(th_fn_call *call, const th_value *args, th_value *out)
{
    return to_base64(call, args[0].s, base64_digits, out);
}

th_err fn_to_base64url(th_fn_call *call, const th_value *args, th_value *out)
{
    return to_base64(call, args[0].s, base64url_digits, out);
}

static th_err from_base64(th_fn_call *call, th_slice s, const char *digits, th_value *out)
{
    th_buf *b = fn_scratch(call);
    uint32_t v = 0, n = 0;
    while (s.size > 0 && s.bytes[s.size - 1] == '=') s.size--;
    for (size_t i = 0; i < s.size; i++) {
        const char *at = s.bytes[i] == 0 ? NULL : strchr(digits, s.bytes[i]);
        if (at == NULL) return fn_bad(call, "Illegal base64 character %x", s.bytes[i]);
        v = v << 6 | (uint32_t)(at - digits);
        if (++n < 4) continue;
        th_buf_add_byte(b, (uint8_t)(v >> 16));
        th_buf_add_byte(b, (uint8_t)(v >> 8));
        th_buf_add_byte(b, (uint8_t)v);
        v = n = 0;
    }
    if (n == 1) return fn_bad(call, "Last unit does not have enough valid bits");
    if (n > 1) th_buf_add_byte(b, (uint8_t)(v >> (n == 2 ? 4 : 10)));
    if (n > 2) th_buf_add_byte(b, (uint8_t)(v >> 2));
    return fn_take_scratch(call, out);
}

th_err fn_from_base64(th_fn_call *call, const th_value *args, th_value *out)
{
    return from_base64(call, args[0].s, base64_digits, out);
}

th_err fn_from_base64url(th_fn_call *call, const th_value *args, th_value *out)
{
    return from_base64(call, args[0].s, base64url_digits, out);
}

th_err fn_same_bytes(th_fn_call *call, const th_value *args, th_value *out)
{
    (void)call;
    out->s = args[0].s;
    return TH_OK;
}

static th_err replace_bad(th_fn_call *call, th_slice s, bool drop, uint32_t replacement,
                          th_value *out)
{
    if (th_utf8_valid(s)) {
        out->s = s;
        return TH_OK;
    }
    th_buf *b = fn_scratch(call);
    for (size_t at = 0; at < s.size;) {
        size_t start = at;
        uint32_t code = fn_utf8_next(s, &at);
        if (th_utf8_valid(th_slice_of(s.bytes + start, at - start)))
            fn_utf8_put(b, code);
        else if (!drop)
            fn_utf8_put(b, replacement);
    }
    return fn_take_scratch(call, out);
}

th_err fn_from_utf8(th_fn_call *call, const th_value *args, th_value *out)
{
    size_t at = 0;
    if (call->arg_count < 2) return replace_bad(call, args[0].s, false, 0xFFFD, out);
    if (fn_utf8_length(args[1].s) > 1)
        return fn_bad(call, "Replacement character string must empty or a single character");
    bool drop = args[1].s.size == 0;
    return replace_bad(call, args[0].s, drop, drop ? 0 : fn_utf8_next(args[1].s, &at), out);
}

th_err fn_from_utf8_code(th_fn_call *call, const th_value *args, th_value *out)
{
    int64_t code = args[1].i;
    if (code < 0 || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
        return fn_bad(call, "Invalid replacement character");
    return replace_bad(call, args[0].s, false, (uint32_t)code, out);
}

static th_err digest(th_fn_call *call, const EVP_MD *md, th_slice s, th_value *out)
{
    uint8_t bytes[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (EVP_Digest(s.bytes == NULL ? (const void *)"" : s.bytes, s.size, bytes, &size, md, NULL) !=
        1)
        return fn_fail(call, "GENERIC_INTERNAL_ERROR", "The digest failed");
    return fn_copy(call, th_slice_of(bytes, size), out);
}

th_err fn_md5(th_fn_call *call, const th_value *args, th_value *out)
{
    return digest(call, EVP_md5(), args[0].s, out);
}

th_err fn_sha1(th_fn_call *call, const th_value *args, th_value *out)
{
    return digest(call, EVP_sha1(), args[0].s, out);
}

th_err fn_sha256(th_fn_call *call, const th_value *args, th_value *out)
{
    return digest(call, EVP_sha256(), args[0].s, out);
}

th_err fn_sha512(th_fn_call *call, const th_value *args, th_value *out)
{
    return digest(call, EVP_sha512(), args[0].s, out);
}

typedef struct network {
    uint8_t ip[16];
    uint32_t bits; /* of 128 */
    bool v4;
} network;

/* "10.0.0.0/8": the address must have no bits beyond the prefix. */
static th_err parse_network(th_fn_call *call, th_slice s, network *out)
{
    const uint8_t *slash = memchr(s.bytes, '/', s.size);
    uint64_t bits = 0;
    if (slash == NULL) return fn_bad(call, "Invalid CIDR");
    th_slice address = th_slice_of(s.bytes, (size_t)(slash - s.bytes));
    th_slice digits = th_slice_of(slash + 1, s.size - address.size - 1);
    if (!fn_ip_parse(address, out->ip)) return fn_bad(call, "Invalid network IP address");
    out->v4 = memchr(address.bytes, ':', address.size) == NULL;
    if (!th_slice_to_u64(digits, &bits)) return fn_bad(call, "Invalid prefix length");
    if (bits > (out->v4 ? 32u : 128u)) return fn_bad(call, "Invalid CIDR");
    out->bits = (uint32_t)bits + (out->v4 ? 96 : 0);
    return TH_OK;
}

static bool inside(const network *n, const uint8_t *ip)
{
    uint32_t whole = n->bits / 8, rest = n->bits % 8;
    if (memcmp(n->ip, ip, whole) != 0) return false;
    return rest == 0 || ((n->ip[whole] ^ ip[whole]) >> (8 - rest)) == 0;
}

static bool is_canonical(const network *n)
{
    for (uint32_t bit = n->bits; bit < 128; bit++)
        if ((n->ip[bit / 8] >> (7 - bit % 8) & 1) != 0) return false;
    return true;
}

th_err fn_contains_ip(th_fn_call *call, const th_value *args, th_value *out)
{
    network n;
    TH_TRY(parse_network(call, args[0].s, &n));
    if (n.v4 && !is_canonical(&n)) return fn_bad(call, "Invalid CIDR");
    out->i = inside(&n, args[1].s.bytes);
    return TH_OK;
}

th_err fn_ip_prefix(th_fn_call *call, const th_value *args, th_value *out)
{
    uint8_t ip[16];
    memcpy(ip, args[0].s.bytes, sizeof ip);
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    bool v4 = memcmp(ip, mapped, sizeof mapped) == 0;
    if (args[1].i < 0 || args[1].i > (v4 ? 32 : 128)) return fn_bad(call, "Invalid prefix length");
    for (uint32_t bit = (uint32_t)args[1].i + (v4 ? 96 : 0); bit < 128; bit++)
        ip[bit / 8] = (uint8_t)(ip[bit / 8] & ~(0x80u >> bit % 8));
    th_buf *b = fn_scratch(call);
    fn_ip_print(b, ip);
    th_buf_printf(b, "/%lld", (long long)args[1].i);
    return fn_take_scratch(call, out);
}
