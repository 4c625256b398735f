/* SPDX-License-Identifier: Apache-2.0
 * Text of numbers and opaque tokens: the inner loops. */
#include "generate/write.h"

static const char hex_digits[] = "0123456789abcdef";

uint8_t *gen_write_hex(gen_random *r, uint32_t count, uint8_t *out)
{
    while (count > 0) {
        uint64_t bits = gen_next(r);
        uint32_t now = count < 16 ? count : 16;
        for (uint32_t i = 0; i < now; i++, bits >>= 4) *out++ = (uint8_t)hex_digits[bits & 15];
        count -= now;
    }
    return out;
}

uint8_t *gen_write_letters(gen_random *r, const char *letters, uint32_t letter_count,
                           uint32_t count, uint8_t *out)
{
    /* Multiplying by the alphabet's size moves one letter above the point. Five letters a draw stay even enough. */
    while (count > 0) {
        uint64_t fraction = gen_next(r) >> 8;
        uint32_t now = count < 5 ? count : 5;
        for (uint32_t i = 0; i < now; i++) {
            fraction = (fraction & ((UINT64_C(1) << 56) - 1)) * letter_count;
            *out++ = (uint8_t)letters[fraction >> 56];
        }
        count -= now;
    }
    return out;
}

uint8_t *gen_write_base64(gen_random *r, uint32_t count, uint8_t *out)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    while (count > 0) {
        uint64_t bits = gen_next(r);
        uint32_t now = count < 10 ? count : 10;
        for (uint32_t i = 0; i < now; i++, bits >>= 6) *out++ = (uint8_t)letters[bits & 63];
        count -= now;
    }
    return out;
}

uint8_t *gen_write_uuid(gen_random *r, uint8_t *out)
{
    static const uint8_t groups[] = {8, 4, 4, 4, 12};
    uint8_t digits[32];
    gen_write_hex(r, 32, digits);
    digits[12] = '4';
    digits[16] = (uint8_t) "89ab"[digits[16] & 3];
    const uint8_t *from = digits;
    for (int i = 0; i < 5; i++) {
        if (i > 0) *out++ = '-';
        memcpy(out, from, groups[i]);
        out += groups[i];
        from += groups[i];
    }
    return out;
}

uint8_t *gen_write_u64(uint64_t value, uint8_t *out)
{
    uint8_t digits[20];
    int count = 0;
    do {
        digits[count++] = (uint8_t)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    while (count > 0) *out++ = digits[--count];
    return out;
}

uint8_t *gen_write_padded(uint32_t value, uint32_t width, uint8_t *out)
{
    for (uint32_t i = width; i > 0; i--, value /= 10) out[i - 1] = (uint8_t)('0' + value % 10);
    return out + width;
}

uint8_t *gen_write_time(int64_t seconds, uint8_t *out)
{
    th_civil c;
    th_civil_from_us(seconds * TH_US_PER_SECOND, &c);
    out = gen_write_padded((uint32_t)c.year, 4, out);
    *out++ = '-';
    out = gen_write_padded(c.month, 2, out);
    *out++ = '-';
    out = gen_write_padded(c.day, 2, out);
    *out++ = 'T';
    out = gen_write_padded(c.hour, 2, out);
    *out++ = ':';
    out = gen_write_padded(c.minute, 2, out);
    *out++ = ':';
    out = gen_write_padded(c.second, 2, out);
    *out++ = 'Z';
    return out;
}

uint8_t *gen_write_time_text(int64_t seconds, uint8_t *out)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    th_civil c;
    th_civil_from_us(seconds * TH_US_PER_SECOND, &c);
    out = gen_put(out, months + (c.month - 1) * 3, 3);
    *out++ = ' ';
    out = gen_write_u64(c.day, out);
    out = GEN_PUT(out, ", ");
    out = gen_write_padded((uint32_t)c.year, 4, out);
    *out++ = ' ';
    out = gen_write_u64(c.hour % 12 == 0 ? 12 : c.hour % 12, out);
    *out++ = ':';
    out = gen_write_padded(c.minute, 2, out);
    *out++ = ':';
    out = gen_write_padded(c.second, 2, out);
    return c.hour < 12 ? GEN_PUT(out, " AM") : GEN_PUT(out, " PM");
}

uint8_t *gen_write_public_address(uint64_t key, uint8_t *out)
{
    /* First numbers of blocks that are in public use; no private, shared, loopback or multicast ones. */
    static const uint8_t first[] = {3,  13, 18,  34,  35,  44,  52,  54,  62,  77,  81,  85,
                                    90, 94, 109, 129, 151, 178, 185, 193, 203, 212, 213, 217};
    uint64_t bits = gen_scramble(key);
    uint32_t parts[4] = {first[bits % sizeof(first)], 1 + (uint32_t)(bits >> 8) % 250,
                         (uint32_t)(bits >> 24) % 256, 1 + (uint32_t)(bits >> 40) % 254};
    for (int i = 0; i < 4; i++) {
        if (i > 0) *out++ = '.';
        out = gen_write_u64(parts[i], out);
    }
    return out;
}
