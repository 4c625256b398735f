/* SPDX-License-Identifier: Apache-2.0
 * A borrowed run of bytes. Not terminated, may hold any byte; bytes may be NULL only when size is 0. */
#ifndef TH_BASE_SLICE_H
#define TH_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct th_slice {
    const uint8_t *bytes;
    size_t size;
} th_slice;

#define TH_SLICE(literal) ((th_slice){(const uint8_t *)(literal), sizeof(literal) - 1})
#define TH_SLICE_ARGS(s) \
    (int)(s).size, (const char *)(s).bytes /* for %.*s; s.size must fit an int */

static inline th_slice th_slice_of(const void *bytes, size_t size)
{
    return (th_slice){(const uint8_t *)bytes, size};
}

static inline th_slice th_slice_text(const char *text)
{
    return (th_slice){(const uint8_t *)text, text == NULL ? 0 : strlen(text)};
}

static inline bool th_slice_equal(th_slice a, th_slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.bytes, b.bytes, a.size) == 0);
}

static inline bool th_slice_is(th_slice a, const char *text)
{
    return th_slice_equal(a, th_slice_text(text));
}

/* Byte order, shorter first on a tie: <0, 0, >0. For UTF-8 this is code point order. */
int th_slice_compare(th_slice a, th_slice b);
/* ASCII letters compare equal in either case. */
bool th_slice_equal_nocase(th_slice a, th_slice b);
bool th_slice_starts(th_slice s, th_slice prefix);
bool th_slice_ends(th_slice s, th_slice suffix);
/* Offset of the first needle in s, or SIZE_MAX. */
size_t th_slice_find(th_slice s, th_slice needle);
/* Canonical decimal (an optional '-', digits, nothing else; no leading zeros, no "-0") into *out; false when it is not
 * that or does not fit. */
bool th_slice_to_i64(th_slice s, int64_t *out);
bool th_slice_to_u64(th_slice s, uint64_t *out);
/* True when s is well-formed UTF-8 (no surrogates, no overlong forms). */
bool th_utf8_valid(th_slice s);
/* Size (1 to 4) of the well-formed UTF-8 character that starts p[0..left), or 0 when there is none. */
size_t th_utf8_size(const uint8_t *p, size_t left);
/* The UTF-8 form of a code point up to 0x10FFFF; returns its size. */
size_t th_utf8_put(uint32_t c, uint8_t out[4]);
/* Lower-case hex of size bytes into out[2*size], not terminated; and back (either case). */
void th_hex_encode(const uint8_t *bytes, size_t size, char *out);
bool th_hex_decode(th_slice hex, uint8_t *out, size_t size);

#endif
