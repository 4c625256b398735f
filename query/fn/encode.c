/* SPDX-License-Identifier: Apache-2.0
 * Bytes: base32, numbers as bytes, filling up, joining. */
#include "query/fn/call.h"
#include "query/fn/digest.h"
#include "query/fn/families.h"
#include "query/type/number.h"

#define PADDED_MAX (16u << 20) /* bytes that padding may make */

static const char base32_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

th_err fn_to_base32(th_fn_call *call, const th_value *args, th_value *out)
{
    th_buf *b = fn_scratch(call);
    th_slice s = args[0].s;
    for (size_t i = 0; i < s.size; i += 5) {
        size_t n = s.size - i < 5 ? s.size - i : 5, digits = (n * 8 + 4) / 5;
        uint64_t v = fn_get_be(s.bytes + i, n) << (40 - 8 * n);
        for (size_t k = 0; k < 8; k++)
            th_buf_add_byte(b, k < digits ? (uint8_t)base32_digits[v >> (35 - 5 * k) & 31] : '=');
    }
    return fn_take_scratch(call, out);
}

th_err fn_from_base32(th_fn_call *call, const th_value *args, th_value *out)
{
    static const bool possible[8] = {true, false, true, false, true, true, false, true};
    th_buf *b = fn_scratch(call);
    th_slice s = args[0].s;
    uint64_t v = 0;
    uint32_t bits = 0;
    while (s.size > 0 && s.bytes[s.size - 1] == '=') s.size--;
    if (!possible[s.size % 8]) return fn_bad(call, "Invalid input length %zu", s.size);
    for (size_t i = 0; i < s.size; i++) {
        const char *at = s.bytes[i] == 0 ? NULL : strchr(base32_digits, s.bytes[i]);
        if (at == NULL) return fn_bad(call, "Unrecognized character: %c", s.bytes[i]);
        v = v << 5 | (uint64_t)(at - base32_digits);
        bits += 5;
        if (bits < 8) continue;
        bits -= 8;
        th_buf_add_byte(b, (uint8_t)(v >> bits));
    }
    return fn_take_scratch(call, out);
}

static th_err give_be(th_fn_call *call, uint64_t v, size_t size, th_value *out)
{
    uint8_t bytes[8];
    fn_put_be(bytes, v, size);
    return fn_copy(call, th_slice_of(bytes, size), out);
}

static th_err take_be(th_fn_call *call, const th_value *args, size_t size, uint64_t *v)
{
    if (args[0].s.size != size)
        return fn_bad(call, "expected %zu-byte input, but got instead: %zu", size, args[0].s.size);
    *v = fn_get_be(args[0].s.bytes, size);
    return TH_OK;
}

th_err fn_to_big_endian_64(th_fn_call *call, const th_value *args, th_value *out)
{
    return give_be(call, (uint64_t)args[0].i, 8, out);
}

th_err fn_to_big_endian_32(th_fn_call *call, const th_value *args, th_value *out)
{
    return give_be(call, (uint64_t)args[0].i & UINT32_MAX, 4, out);
}

th_err fn_from_big_endian_64(th_fn_call *call, const th_value *args, th_value *out)
{
    uint64_t v;
    TH_TRY(take_be(call, args, 8, &v));
    out->i = (int64_t)v;
    return TH_OK;
}

th_err fn_from_big_endian_32(th_fn_call *call, const th_value *args, th_value *out)
{
    uint64_t v;
    TH_TRY(take_be(call, args, 4, &v));
    out->i = (int32_t)(uint32_t)v;
    return TH_OK;
}

th_err fn_to_ieee754_64(th_fn_call *call, const th_value *args, th_value *out)
{
    uint64_t v = 0x7FF8000000000000u; /* the one NaN that there is */
    if (args[0].f == args[0].f) memcpy(&v, &args[0].f, sizeof v);
    return give_be(call, v, 8, out);
}

th_err fn_to_ieee754_32(th_fn_call *call, const th_value *args, th_value *out)
{
    uint32_t v = 0x7FC00000u;
    float f = (float)args[0].f;
    if (f == f) memcpy(&v, &f, sizeof v);
    return give_be(call, v, 4, out);
}

th_err fn_from_ieee754_64(th_fn_call *call, const th_value *args, th_value *out)
{
    uint64_t v;
    TH_TRY(take_be(call, args, 8, &v));
    memcpy(&out->f, &v, sizeof v);
    return TH_OK;
}

th_err fn_from_ieee754_32(th_fn_call *call, const th_value *args, th_value *out)
{
    uint64_t v;
    float f;
    TH_TRY(take_be(call, args, 4, &v));
    uint32_t bits = (uint32_t)v;
    memcpy(&f, &bits, sizeof f);
    out->f = (double)f;
    return TH_OK;
}

static th_err pad_bytes(th_fn_call *call, const th_value *args, bool left, th_value *out)
{
    th_slice s = args[0].s, with = args[2].s;
    int64_t size = args[1].i;
    if (size < 0 || size > PADDED_MAX)
        return fn_bad(call, "Target length must be in the range [0..%u]", PADDED_MAX);
    if (with.size == 0) return fn_bad(call, "Padding bytes must not be empty");
    if ((size_t)size <= s.size) return fn_copy(call, th_slice_of(s.bytes, (size_t)size), out);
    uint8_t *to = th_arena_alloc(call->arena, (size_t)size);
    if (to == NULL) return fn_memory(call);
    size_t fill = (size_t)size - s.size;
    for (size_t i = 0; i < fill; i++) to[(left ? 0 : s.size) + i] = with.bytes[i % with.size];
    if (s.size > 0) memcpy(to + (left ? fill : 0), s.bytes, s.size);
    out->s = th_slice_of(to, (size_t)size);
    return TH_OK;
}

th_err fn_lpad_bytes(th_fn_call *call, const th_value *args, th_value *out)
{
    return pad_bytes(call, args, true, out);
}

th_err fn_rpad_bytes(th_fn_call *call, const th_value *args, th_value *out)
{
    return pad_bytes(call, args, false, out);
}

th_err fn_reverse_bytes(th_fn_call *call, const th_value *args, th_value *out)
{
    th_slice s = args[0].s;
    uint8_t *to = th_arena_alloc(call->arena, s.size + 1);
    if (to == NULL) return fn_memory(call);
    for (size_t i = 0; i < s.size; i++) to[i] = s.bytes[s.size - 1 - i];
    out->s = th_slice_of(to, s.size);
    return TH_OK;
}
