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

/* ---- writing ---- */

typedef struct plan {
    uint8_t maps[CODEC_RADIX_MAX][MAP]; /* of each position */
    uint8_t kinds[CODEC_RADIX_MAX];     /* its alphabet */
    uint32_t kind_count;
    uint8_t first[CODEC_RADIX_MAX]; /* a position that has alphabet k */
} plan;

static bool has(const uint8_t map[MAP], unsigned c)
{
    return (map[c / 8] >> (c % 8) & 1) != 0;
}

/* What occurs where; which positions have the same alphabet. */
static void survey(codec_strings s, uint32_t length, plan *p)
{
    for (uint32_t i = 0; i < s.n; i++)
        for (uint32_t k = 0; k < length; k++) {
            uint8_t c = s.v[i].bytes[k];
            p->maps[k][c / 8] |= (uint8_t)(1u << (c % 8));
        }
    for (uint32_t k = 0; k < length; k++) {
        uint32_t kind = 0;
        while (kind < p->kind_count && memcmp(p->maps[p->first[kind]], p->maps[k], MAP) != 0)
            kind++;
        if (kind == p->kind_count) p->first[p->kind_count++] = (uint8_t)k;
        p->kinds[k] = (uint8_t)kind;
    }
}

static void put_alphabet(th_buf *directory, const uint8_t map[MAP], uint32_t size)
{
    if (size > LIST_MAX) {
        th_buf_add_byte(directory, 0);
        th_buf_add(directory, map, MAP);
        return;
    }
    th_buf_add_byte(directory, (uint8_t)size);
    for (unsigned c = 0; c < 256; c++)
        if (has(map, c)) th_buf_add_byte(directory, (uint8_t)c);
}

/* Places of the characters of each position in its alphabet. */
static uint8_t (*rank_characters(const plan *p, codec_radix *r, th_arena *scratch))[256]
{
    uint8_t(*ranks)[256] = th_arena_zalloc(scratch, r->length, 256);
    if (ranks == NULL) return NULL;
    for (uint32_t k = 0; k < r->length; k++)
        for (unsigned c = 0; c < 256; c++)
            if (has(p->maps[k], c)) ranks[k][c] = (uint8_t)r->size[k]++;
    return ranks;
}

/* A page; room for 16 bytes more. */
static size_t pack_values(const codec_radix *r, codec_strings s, uint8_t (*ranks)[256],
                          uint8_t *out)
{
    size_t at = 0;
    memset(out, 0, ((size_t)s.n * r->bits + 7) / 8 + 16);
    for (uint32_t i = 0; i < s.n; i++)
        for (uint32_t k = 0; k < r->group_count; k++) {
            const codec_radix_group *g = &r->groups[k];
            uint64_t number = 0, held;
            for (uint32_t c = g->first + g->count; c-- > g->first;)
                number = number * r->size[c] + ranks[c][s.v[i].bytes[c]];
            uint8_t *p = out + at / 8;
            unsigned shift = at % 8;
            memcpy(&held, p, sizeof(held));
            held |= number << shift;
            memcpy(p, &held, sizeof(held));
            if (shift + g->bits > 64) p[8] = (uint8_t)(number >> (64 - shift));
            at += g->bits;
        }
    return (at + 7) / 8;
}

th_err codec_put_radix(codec_out *out, codec_strings s, bool *fits)
{
    th_arena *scratch = out->encoder->scratch;
    size_t length = s.v[0].size;
    *fits = false;
    if (length == 0 || length > CODEC_RADIX_MAX) return TH_OK;
    for (uint32_t i = 1; i < s.n; i++)
        if (s.v[i].size != length) return TH_OK;
    plan *p = TH_NEW(scratch, plan);
    codec_radix *r = new_radix(scratch, (uint32_t)length);
    if (p == NULL || r == NULL) return TH_ELIMIT;
    survey(s, r->length, p);
    uint8_t(*ranks)[256] = rank_characters(p, r, scratch);
    if (ranks == NULL) return TH_ELIMIT;
    make_groups(r);
    uint8_t *bytes = th_arena_alloc(
        scratch, (size_t)codec_min(SEGMENT_PAGE, s.n) * ((size_t)r->bits + 7) / 8 + PAD);
    if (bytes == NULL) return TH_ELIMIT;
    *fits = true;
    th_buf_add_byte(out->directory, CODEC_RADIX);
    th_buf_add_varint(out->directory, r->length);
    th_buf_add_varint(out->directory, p->kind_count);
    for (uint32_t k = 0; k < p->kind_count; k++)
        put_alphabet(out->directory, p->maps[p->first[k]], r->size[p->first[k]]);
    th_buf_add(out->directory, p->kinds, r->length);
    for (uint32_t at = 0; at < s.n; at += SEGMENT_PAGE) {
        codec_strings page = {s.v + at, codec_min(SEGMENT_PAGE, s.n - at)};
        codec_put_payload(out, th_slice_of(bytes, pack_values(r, page, ranks, bytes)),
                          SEGMENT_SQUEEZE_NONE);
    }
    return codec_out_error(out);
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
