/* SPDX-License-Identifier: Apache-2.0
 * Operations on borrowed bytes. UTF-8 checking is on the path of every record: ASCII goes sixteen bytes at a time. */
#include "base/slice.h"

int th_slice_compare(th_slice a, th_slice b)
{
    size_t common = a.size < b.size ? a.size : b.size;
    int order = common == 0 ? 0 : memcmp(a.bytes, b.bytes, common);
    if (order != 0) return order;
    return (a.size > b.size) - (a.size < b.size);
}

static uint8_t fold(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

bool th_slice_equal_nocase(th_slice a, th_slice b)
{
    if (a.size != b.size) return false;
    for (size_t i = 0; i < a.size; i++) {
        if (fold(a.bytes[i]) != fold(b.bytes[i])) return false;
    }
    return true;
}

bool th_slice_starts(th_slice s, th_slice prefix)
{
    return s.size >= prefix.size && th_slice_equal((th_slice){s.bytes, prefix.size}, prefix);
}

bool th_slice_ends(th_slice s, th_slice suffix)
{
    if (s.size < suffix.size) return false;
    return suffix.size == 0 ||
           memcmp(s.bytes + (s.size - suffix.size), suffix.bytes, suffix.size) == 0;
}

size_t th_slice_find(th_slice s, th_slice needle)
{
    if (needle.size == 0) return 0;
    if (needle.size > s.size) return SIZE_MAX;
    const uint8_t *hit = memmem(s.bytes, s.size, needle.bytes, needle.size);
    return hit == NULL ? SIZE_MAX : (size_t)(hit - s.bytes);
}

bool th_slice_to_u64(th_slice s, uint64_t *out)
{
    if (s.size == 0 || s.size > 20 || (s.size > 1 && s.bytes[0] == '0')) return false;
    uint64_t v = 0;
    for (size_t i = 0; i < s.size; i++) {
        uint8_t digit = (uint8_t)(s.bytes[i] - '0');
        if (digit > 9 || __builtin_mul_overflow(v, UINT64_C(10), &v)) return false;
        if (__builtin_add_overflow(v, (uint64_t)digit, &v)) return false;
    }
    *out = v;
    return true;
}

bool th_slice_to_i64(th_slice s, int64_t *out)
{
    bool negative = s.size > 0 && s.bytes[0] == '-';
    uint64_t v;
    if (!th_slice_to_u64(negative ? (th_slice){s.bytes + 1, s.size - 1} : s, &v)) return false;
    if (negative && (v == 0 || v > (uint64_t)INT64_MAX + 1)) return false;
    if (!negative && v > INT64_MAX) return false;
    *out = negative ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}

static bool is_tail(uint8_t c)
{
    return (c & 0xC0) == 0x80;
}

size_t th_utf8_size(const uint8_t *p, size_t left)
{
    if (left == 0) return 0;
    uint8_t lead = p[0];
    if (lead < 0x80) return 1;
    if (lead >= 0xC2 && lead <= 0xDF) return left >= 2 && is_tail(p[1]) ? 2 : 0;
    if (lead >= 0xE0 && lead <= 0xEF) {
        if (left < 3 || !is_tail(p[1]) || !is_tail(p[2])) return 0;
        if (lead == 0xE0 && p[1] < 0xA0) return 0; /* overlong */
        if (lead == 0xED && p[1] > 0x9F) return 0; /* surrogate */
        return 3;
    }
    if (lead >= 0xF0 && lead <= 0xF4) {
        if (left < 4 || !is_tail(p[1]) || !is_tail(p[2]) || !is_tail(p[3])) return 0;
        if (lead == 0xF0 && p[1] < 0x90) return 0; /* overlong */
        if (lead == 0xF4 && p[1] > 0x8F) return 0; /* past U+10FFFF */
        return 4;
    }
    return 0;
}

bool th_utf8_valid(th_slice s)
{
    const uint8_t *p = s.bytes;
    size_t left = s.size;
    while (left > 0) {
        if (left >= 16) {
            uint64_t a, b;
            memcpy(&a, p, 8);
            memcpy(&b, p + 8, 8);
            if (((a | b) & UINT64_C(0x8080808080808080)) == 0) {
                p += 16;
                left -= 16;
                continue;
            }
        }
        size_t size = th_utf8_size(p, left);
        if (size == 0) return false;
        p += size;
        left -= size;
    }
    return true;
}

void th_hex_encode(const uint8_t *bytes, size_t size, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c = fold(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool th_hex_decode(th_slice hex, uint8_t *out, size_t size)
{
    if (hex.size / 2 != size || hex.size % 2 != 0) return false;
    for (size_t i = 0; i < size; i++) {
        int high = hex_digit(hex.bytes[2 * i]);
        int low = hex_digit(hex.bytes[2 * i + 1]);
        if (high < 0 || low < 0) return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

size_t th_utf8_put(uint32_t c, uint8_t out[4])
{
    if (c < 0x80) {
        out[0] = (uint8_t)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (uint8_t)(0xC0 | c >> 6);
        out[1] = (uint8_t)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (uint8_t)(0xE0 | c >> 12);
        out[1] = (uint8_t)(0x80 | (c >> 6 & 0x3F));
        out[2] = (uint8_t)(0x80 | (c & 0x3F));
        return 3;
    }
    out[0] = (uint8_t)(0xF0 | c >> 18);
    out[1] = (uint8_t)(0x80 | (c >> 12 & 0x3F));
    out[2] = (uint8_t)(0x80 | (c >> 6 & 0x3F));
    out[3] = (uint8_t)(0x80 | (c & 0x3F));
    return 4;
}
