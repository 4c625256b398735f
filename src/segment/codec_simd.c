/* SPDX-License-Identifier: Apache-2.0
 * Hex, base64 and packed characters with AVX2. */
#include "segment/codec_simd.h"

#include <string.h>

#include "segment/cpu.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define SIMD __attribute__((target("avx2")))

static bool switched_off;

bool codec_simd_usable(void)
{
    return !switched_off && segment_cpu_has_avx2();
}

void codec_simd_use_portable(bool portable)
{
    switched_off = portable;
}

SIMD static inline __m128i load16(const void *p)
{
    return _mm_loadu_si128((const __m128i *)p);
}

SIMD static inline __m256i pair(__m128i low, __m128i high)
{
    return _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
}

/* ---- UUIDs ---- */

SIMD bool codec_simd_uuid_parse(const uint8_t t[36], bool upper, uint8_t uuid[16])
{
    if (t[8] != '-' || t[13] != '-' || t[18] != '-' || t[23] != '-') return false;
    /* The 32 digits without the dashes. */
    __m128i low = _mm_or_si128(
        _mm_shuffle_epi8(load16(t),
                         _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, -1, -1, -1, -1)),
        _mm_shuffle_epi8(load16(t + 2), _mm_setr_epi8(-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
                                                      -1, 12, 13, 14, 15)));
    __m128i high = _mm_or_si128(
        _mm_shuffle_epi8(load16(t + 19),
                         _mm_setr_epi8(0, 1, 2, 3, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1)),
        _mm_shuffle_epi8(load16(t + 20),
                         _mm_setr_epi8(-1, -1, -1, -1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)));
    __m256i v = pair(low, high);
    __m256i digit = _mm256_sub_epi8(v, _mm256_set1_epi8('0'));
    __m256i letter = _mm256_sub_epi8(v, _mm256_set1_epi8(upper ? 'A' : 'a'));
    __m256i is_digit = _mm256_cmpeq_epi8(_mm256_min_epu8(digit, _mm256_set1_epi8(9)), digit);
    __m256i is_letter = _mm256_cmpeq_epi8(_mm256_min_epu8(letter, _mm256_set1_epi8(5)), letter);
    if (_mm256_movemask_epi8(_mm256_or_si256(is_digit, is_letter)) != -1) return false;
    __m256i nibbles =
        _mm256_blendv_epi8(_mm256_add_epi8(letter, _mm256_set1_epi8(10)), digit, is_digit);
    /* Pairs: the first one times 16, and the second. */
    __m256i words = _mm256_maddubs_epi16(nibbles, _mm256_set1_epi16(0x0110));
    __m128i bytes =
        _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    _mm_storeu_si128((__m128i *)(void *)uuid, bytes);
    return true;
}

SIMD void codec_simd_uuid_format(const uint8_t uuid[16], bool upper, uint8_t text[36])
{
    __m128i bytes = load16(uuid), low = _mm_set1_epi8(15);
    __m128i digits = load16(upper ? "0123456789ABCDEF" : "0123456789abcdef");
    __m128i first = _mm_shuffle_epi8(digits, _mm_and_si128(_mm_srli_epi16(bytes, 4), low));
    __m128i second = _mm_shuffle_epi8(digits, _mm_and_si128(bytes, low));
    __m128i a = _mm_unpacklo_epi8(first, second), b = _mm_unpackhi_epi8(first, second);
    __m128i head =
        _mm_shuffle_epi8(a, _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, -1, 8, 9, 10, 11, -1, 12, 13));
    __m128i tail = _mm_or_si128(
        _mm_shuffle_epi8(
            a, _mm_setr_epi8(14, 15, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1)),
        _mm_shuffle_epi8(b, _mm_setr_epi8(-1, -1, -1, 0, 1, 2, 3, -1, 4, 5, 6, 7, 8, 9, 10, 11)));
    head = _mm_or_si128(head, _mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, '-', 0, 0, 0, 0, '-', 0, 0));
    tail = _mm_or_si128(tail, _mm_setr_epi8(0, 0, '-', 0, 0, 0, 0, '-', 0, 0, 0, 0, 0, 0, 0, 0));
    _mm_storeu_si128((__m128i *)(void *)text, head);
    _mm_storeu_si128((__m128i *)(void *)(text + 16), tail);
    int last = _mm_extract_epi32(b, 3);
    memcpy(text + 32, &last, 4);
}

/* ---- base64 ---- */

SIMD size_t codec_simd_base64_decode(const uint8_t *text, size_t size, uint8_t *bytes)
{
    /* A character is valid when the bits of its two halves have none in common. */
    const __m256i low_bits = pair(_mm_setr_epi8(0x15, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11,
                                                0x11, 0x11, 0x13, 0x1a, 0x1b, 0x1b, 0x1b, 0x1a),
                                  _mm_setr_epi8(0x15, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11,
                                                0x11, 0x11, 0x13, 0x1a, 0x1b, 0x1b, 0x1b, 0x1a));
    const __m256i high_bits = pair(_mm_setr_epi8(0x10, 0x10, 0x01, 0x02, 0x04, 0x08, 0x04, 0x08,
                                                 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10),
                                   _mm_setr_epi8(0x10, 0x10, 0x01, 0x02, 0x04, 0x08, 0x04, 0x08,
                                                 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10));
    /* What to add, by the high half; '/' has one of its own. */
    const __m256i shift =
        pair(_mm_setr_epi8(0, 16, 19, 4, -65, -65, -71, -71, 0, 0, 0, 0, 0, 0, 0, 0),
             _mm_setr_epi8(0, 16, 19, 4, -65, -65, -71, -71, 0, 0, 0, 0, 0, 0, 0, 0));
    const __m256i order =
        pair(_mm_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1),
             _mm_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1));
    const __m256i half = _mm256_set1_epi8(15);
    size_t at = 0;
    for (; at + 32 <= size; at += 32, bytes += 24) {
        __m256i v = pair(load16(text + at), load16(text + at + 16));
        __m256i high = _mm256_and_si256(_mm256_srli_epi32(v, 4), half);
        __m256i low = _mm256_and_si256(v, half);
        if (!_mm256_testz_si256(_mm256_shuffle_epi8(low_bits, low),
                                _mm256_shuffle_epi8(high_bits, high)))
            return SIZE_MAX;
        __m256i slash = _mm256_cmpeq_epi8(v, _mm256_set1_epi8('/'));
        v = _mm256_add_epi8(v, _mm256_shuffle_epi8(shift, _mm256_add_epi8(slash, high)));
        v = _mm256_maddubs_epi16(v, _mm256_set1_epi32(0x01400140));
        v = _mm256_madd_epi16(v, _mm256_set1_epi32(0x00011000));
        v = _mm256_shuffle_epi8(v, order);
        v = _mm256_permutevar8x32_epi32(v, _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 3, 7));
        _mm256_storeu_si256((__m256i *)(void *)bytes, v);
    }
    return at;
}

SIMD size_t codec_simd_base64_encode(const uint8_t *bytes, size_t size, bool url, uint8_t *text)
{
    const __m128i spread = _mm_setr_epi8(1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10);
    const char c62 = (char)((url ? '-' : '+') - 62), c63 = (char)((url ? '_' : '/') - 63);
    const __m128i add =
        _mm_setr_epi8('a' - 26, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52,
                      '0' - 52, '0' - 52, '0' - 52, '0' - 52, c62, c63, 'A', 0, 0);
    const __m256i spreads = pair(spread, spread), adds = pair(add, add);
    size_t at = 0;
    for (; at + 28 <= size; at += 24, text += 32) {
        __m256i v = _mm256_shuffle_epi8(pair(load16(bytes + at), load16(bytes + at + 12)), spreads);
        __m256i odd = _mm256_mulhi_epu16(_mm256_and_si256(v, _mm256_set1_epi32(0x0fc0fc00)),
                                         _mm256_set1_epi32(0x04000040));
        __m256i even = _mm256_mullo_epi16(_mm256_and_si256(v, _mm256_set1_epi32(0x003f03f0)),
                                          _mm256_set1_epi32(0x01000010));
        v = _mm256_or_si256(odd, even);
        __m256i kind = _mm256_subs_epu8(v, _mm256_set1_epi8(51));
        __m256i upper = _mm256_cmpgt_epi8(_mm256_set1_epi8(26), v);
        kind = _mm256_or_si256(kind, _mm256_and_si256(upper, _mm256_set1_epi8(13)));
        v = _mm256_add_epi8(v, _mm256_shuffle_epi8(adds, kind));
        _mm256_storeu_si256((__m256i *)(void *)text, v);
    }
    return at;
}

/* ---- packed characters ---- */

SIMD static inline __m256i table16(const uint8_t *table)
{
    return _mm256_broadcastsi128_si256(load16(table));
}

SIMD size_t codec_simd_unpack(const uint8_t *in, size_t count, unsigned width,
                              const uint8_t table[64], uint8_t *out)
{
    /* Eight values are `width` bytes: each 64-bit lane gets those of its eight. */
    uint8_t lanes[16];
    for (unsigned i = 0; i < 8; i++) {
        lanes[i] = i < width ? (uint8_t)i : 0x80;
        lanes[8 + i] = i < width ? (uint8_t)(width + i) : 0x80;
    }
    const __m256i spread = _mm256_broadcastsi128_si256(load16(lanes));
    const __m256i t0 = table16(table), t1 = table16(table + 16), t2 = table16(table + 32),
                  t3 = table16(table + 48);
    const uint64_t mask = (UINT64_C(1) << width) - 1;
    const __m256i fifteen = _mm256_set1_epi8(15);
    size_t at = 0;
    for (; at + 32 <= count; at += 32, in += 4 * width, out += 32) {
        __m256i raw = _mm256_shuffle_epi8(pair(load16(in), load16(in + 2 * width)), spread);
        __m256i v = _mm256_setzero_si256();
        for (unsigned k = 0; k < 8; k++) {
            __m128i left = _mm_cvtsi32_si128((int)((8 - width) * k));
            v = _mm256_or_si256(v,
                                _mm256_and_si256(_mm256_sll_epi64(raw, left),
                                                 _mm256_set1_epi64x((long long)(mask << (8 * k)))));
        }
        /* pshufb takes four bits; which table, by the other two. */
        __m256i low = _mm256_and_si256(v, fifteen);
        __m256i bit4 = _mm256_slli_epi16(v, 3), bit5 = _mm256_slli_epi16(v, 2);
        __m256i first =
            _mm256_blendv_epi8(_mm256_shuffle_epi8(t0, low), _mm256_shuffle_epi8(t1, low), bit4);
        __m256i second =
            _mm256_blendv_epi8(_mm256_shuffle_epi8(t2, low), _mm256_shuffle_epi8(t3, low), bit4);
        _mm256_storeu_si256((__m256i *)(void *)out, _mm256_blendv_epi8(first, second, bit5));
    }
    return at;
}

#else

/* Never called: codec_simd_usable says so. */
bool codec_simd_usable(void)
{
    return false;
}
void codec_simd_use_portable(bool portable)
{
    (void)portable;
}
bool codec_simd_uuid_parse(const uint8_t text[36], bool upper, uint8_t uuid[16])
{
    (void)text, (void)upper, (void)uuid;
    return false;
}
void codec_simd_uuid_format(const uint8_t uuid[16], bool upper, uint8_t text[36])
{
    (void)uuid, (void)upper, (void)text;
}
size_t codec_simd_base64_decode(const uint8_t *text, size_t size, uint8_t *bytes)
{
    (void)text, (void)size, (void)bytes;
    return 0;
}
size_t codec_simd_base64_encode(const uint8_t *bytes, size_t size, bool url, uint8_t *text)
{
    (void)bytes, (void)size, (void)url, (void)text;
    return 0;
}
size_t codec_simd_unpack(const uint8_t *in, size_t count, unsigned width, const uint8_t table[64],
                         uint8_t *out)
{
    (void)in, (void)count, (void)width, (void)table, (void)out;
    return 0;
}
#endif
