/* SPDX-License-Identifier: Apache-2.0
 * RADIX: texts of one length, each position with the characters that occur there. Neighbouring positions make one number,
 * the first of them its lowest digit, as long as all their combinations fit 63 bits. */
#include "segment/codec_private.h"

enum { MAP = 32, LIST_MAX = 31, PAD = 64 };
#define PRODUCT_MAX (UINT64_C(1) << 63)

/* Cut positions into groups. */
static void make_groups(codec_radix *r)
{
    uint32_t at = 0;
    while (at < r->length) {
        codec_radix_group *g = &r->groups[r->group_count++];
        *g = (codec_radix_group){.first = at, .product = 1};
        while (at < r->length && g->product <= PRODUCT_MAX / r->size[at]) {
            g->product *= r->size[at++];
            g->count++;
        }
        g->bits = (uint8_t)codec_bits_of(g->product - 1);
        r->bits += g->bits;
    }
}

static codec_radix *new_radix(th_arena *arena, uint32_t length)
{
    codec_radix *r = TH_NEW(arena, codec_radix);
    if (r == NULL) return NULL;
    r->length = length;
    r->alphabet = TH_NEW_ARRAY(arena, const uint8_t *, length);
    r->size = TH_NEW_ARRAY(arena, uint32_t, length);
    r->groups = TH_NEW_ARRAY(arena, codec_radix_group, length);
    return r->alphabet == NULL || r->size == NULL || r->groups == NULL ? NULL : r;
}

/* ---- describing ---- */

/* An alphabet: how many characters (1) and they, ascending; or 0 and a bitmap. */
static th_err take_alphabet(segment_describing *d, const uint8_t **out, uint32_t *size)
{
    uint8_t *alphabet = TH_NEW_ARRAY(d->arena, uint8_t, 256);
    if (alphabet == NULL) return TH_ELIMIT;
    uint8_t count = th_take_u8(d->directory);
    th_slice bytes = th_take_bytes(d->directory, count == 0 ? MAP : count);
    if (d->directory->bad || count > LIST_MAX) return TH_ECORRUPT;
    *size = 0;
    if (count > 0) {
        for (uint32_t i = 1; i < count; i++)
            if (bytes.bytes[i - 1] >= bytes.bytes[i]) return TH_ECORRUPT;
        memcpy(alphabet, bytes.bytes, count);
        *size = count;
    } else {
        for (unsigned i = 0; i < 256; i++)
            if (bytes.bytes[i / 8] >> (i % 8) & 1) alphabet[(*size)++] = (uint8_t)i;
    }
    *out = alphabet;
    return *size > 0 ? TH_OK : TH_ECORRUPT;
}

th_err codec_radix_describe(segment_describing *d, codec_radix **out)
{
    uint64_t length = th_take_varint(d->directory), kinds = th_take_varint(d->directory);
    if (d->directory->bad || length < 1 || length > CODEC_RADIX_MAX || kinds < 1 || kinds > length)
        return TH_ECORRUPT;
    codec_radix *r = new_radix(d->arena, (uint32_t)length);
    const uint8_t *alphabets[CODEC_RADIX_MAX];
    uint32_t sizes[CODEC_RADIX_MAX];
    if (r == NULL) return TH_ELIMIT;
    for (uint32_t i = 0; i < kinds; i++) TH_TRY(take_alphabet(d, &alphabets[i], &sizes[i]));
    for (uint32_t i = 0; i < length; i++) {
        uint8_t kind = th_take_u8(d->directory);
        if (d->directory->bad || kind >= kinds) return TH_ECORRUPT;
        r->alphabet[i] = alphabets[kind];
        r->size[i] = sizes[kind];
    }
    make_groups(r);
    *out = r;
    return TH_OK;
}

/* ---- reading ---- */

/* Characters of one group; false: a number that no text has. */
static bool spell(const codec_radix *r, const codec_radix_group *g, uint64_t number, uint8_t *text)
{
    if (number >= g->product) return false;
    for (uint32_t i = g->first; i < g->first + g->count; i++) {
        uint32_t size = r->size[i];
        text[i] = r->alphabet[i][number % size];
        number /= size;
    }
    return true;
}

static bool read_values(const codec_radix *r, const uint8_t *bits, uint32_t begin, uint32_t n,
                        uint8_t *text)
{
    size_t at = (size_t)begin * r->bits;
    for (uint32_t i = 0; i < n; i++, text += r->length)
        for (uint32_t k = 0; k < r->group_count; k++) {
            uint64_t number = 0;
            const uint8_t *p = bits + at / 8;
            unsigned shift = at % 8, width = r->groups[k].bits;
            memcpy(&number, p, sizeof(number));
            number >>= shift;
            if (shift + width > 64) number |= (uint64_t)p[8] << (64 - shift);
            number &= (UINT64_C(1) << width) - 1;
            if (!spell(r, &r->groups[k], number, text)) return false;
            at += width;
        }
    return true;
}

th_err codec_read_radix(const segment_codec *c, segment_reading *reading, uint32_t begin,
                        uint32_t count, th_slice *out)
{
    const codec_radix *r = c->radix;
    while (count > 0) {
        uint32_t number = begin / SEGMENT_PAGE, within = begin % SEGMENT_PAGE;
        uint32_t n = codec_min(SEGMENT_PAGE, c->count - number * SEGMENT_PAGE);
        uint32_t here = codec_min(count, n - within);
        th_slice page;
        TH_TRY(segment_payload_read(reading, c->pages[number], &page));
        if (page.size != ((size_t)n * r->bits + 7) / 8) return TH_ECORRUPT;
        uint8_t *text = th_arena_alloc(reading->arena, (size_t)here * r->length + PAD);
        if (text == NULL) return TH_ELIMIT;
        if (!read_values(r, page.bytes, within, here, text)) return TH_ECORRUPT;
        for (uint32_t i = 0; i < here; i++)
            out[i] = th_slice_of(text + (size_t)i * r->length, r->length);
        begin += here;
        count -= here;
        out += here;
    }
    return TH_OK;
}
