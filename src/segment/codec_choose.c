/* SPDX-License-Identifier: Apache-2.0
 * The quick choice: families of a sample of the values. A column of several kinds (request ids are UUIDs here, tokens of
 * 16 characters there) is sorted into classes, each held in its own way. */
#include "segment/codec_private.h"

enum {
    SAMPLE = 2048,
    SAMPLE_TEXT = 32 << 10,
    CLASSES = 4,      /* and the rest */
    SHARE = 32,       /* a class has at least a 32nd of the sample */
    DEPTH_LEAVES = 6, /* from here on only arrays without others in them */
    GAIN_MIN = 48     /* bytes: what a class costs */
};

typedef struct sample {
    th_slice values[SAMPLE];
    uint32_t masks[SAMPLE];
    bool taken[SAMPLE];
    uint32_t n;
    uint8_t text[SAMPLE_TEXT];
} sample;

static void take_sample(sample *a, codec_strings s)
{
    a->n = codec_min(SAMPLE, s.n);
    for (uint32_t i = 0; i < a->n; i++) {
        a->values[i] = s.v[(uint64_t)i * s.n / a->n];
        a->masks[i] = codec_families(a->values[i]);
        a->taken[i] = false;
    }
}

/* Bits that a value takes in a family. */
static uint64_t family_bits(codec_family family, size_t size)
{
    switch (family) {
    case FAMILY_TIME0:
    case FAMILY_TIME1:
    case FAMILY_TIME2: return 12;
    case FAMILY_INT: return size * 4;
    case FAMILY_IPV4: return 32;
    case FAMILY_UUID_LOWER:
    case FAMILY_UUID_UPPER: return 128;
    case FAMILY_HEX_LOWER:
    case FAMILY_HEX_UPPER: return size * 4;
    default: return size * 6;
    }
}

/* Can it be that its texts repeat each other's parts? */
static bool is_token(codec_family family)
{
    return family >= FAMILY_HEX_LOWER;
}

/* Bytes that the sample's values of a family save when held so, rather than as text; 0: too few of them. */
static uint64_t gain_of(sample *a, codec_family family, th_arena *scratch)
{
    uint32_t count = 0;
    uint64_t bits = 0, bytes = 0;
    size_t held = 0;
    for (uint32_t i = 0; i < a->n; i++) {
        if (a->taken[i] || !(a->masks[i] >> family & 1)) continue;
        th_slice v = a->values[i];
        count++;
        bits += family_bits(family, v.size);
        bytes += v.size;
        if (v.size > SAMPLE_TEXT - held) continue;
        memcpy(a->text + held, v.bytes, v.size);
        held += v.size;
    }
    if (count * SHARE < a->n || bytes == 0) return 0;
    uint64_t as_text = bytes * 3 / 4; /* what LZ4 makes of digits, about */
    if (is_token(family) && held > 0)
        as_text = bytes * codec_squeezed((th_slice){a->text, held}, scratch) / held;
    return as_text > bits / 8 ? as_text - bits / 8 : 0;
}

static uint32_t choose(sample *a, codec_family chosen[CLASSES], uint32_t n, unsigned depth,
                       th_arena *scratch)
{
    uint32_t count = 0;
    uint32_t any = 0;
    for (uint32_t i = 0; i < a->n; i++) any |= a->masks[i];
    while (count < CLASSES) {
        uint64_t best = 0;
        codec_family family = FAMILY_COUNT;
        for (unsigned f = 0; f < FAMILY_COUNT; f++) {
            if (!(any >> f & 1) || (f == FAMILY_BASE64 && depth >= DEPTH_LEAVES)) continue;
            uint64_t gain = gain_of(a, (codec_family)f, scratch);
            if (gain <= best) continue;
            best = gain;
            family = (codec_family)f;
        }
        if (family == FAMILY_COUNT || best * n / a->n < GAIN_MIN) break;
        chosen[count++] = family;
        for (uint32_t i = 0; i < a->n; i++)
            if (a->masks[i] >> family & 1) a->taken[i] = true;
    }
    return count;
}

/* Sort all values into the classes, the rest into one more. */
static th_err put_classes(codec_out *out, codec_strings s, const codec_family *chosen,
                          uint32_t count)
{
    uint32_t *classes = th_arena_alloc(out->encoder->scratch, s.n * sizeof(*classes));
    if (classes == NULL) return TH_ELIMIT;
    uint32_t number[CLASSES + 1], used = 0;
    memset(number, 0xff, sizeof(number));
    for (uint32_t i = 0; i < s.n; i++) {
        uint32_t k = 0;
        codec_ahead(s, i);
        while (k < count && !codec_is_family(s.v[i], chosen[k])) k++;
        if (number[k] == UINT32_MAX) number[k] = used++;
        classes[i] = number[k];
    }
    /* One class, and not what it was tried as: text. */
    return used == 1 ? codec_put_text(out, s) : codec_put_pick(out, s, classes, used);
}

th_err codec_put_chosen(codec_out *out, codec_strings s)
{
    sample *a = th_arena_alloc(out->encoder->scratch, sizeof(*a));
    if (a == NULL) return TH_ELIMIT;
    codec_family chosen[CLASSES];
    take_sample(a, s);
    uint32_t count = choose(a, chosen, s.n, out->depth, out->encoder->scratch);
    if (count == 0) return codec_put_text(out, s);
    uint32_t common = UINT32_MAX;
    for (uint32_t i = 0; i < a->n; i++) common &= a->masks[i];
    if (common >> chosen[0] & 1) {
        bool fits;
        TH_TRY(codec_put_family(out, s, chosen[0], &fits));
        if (fits) return TH_OK;
    }
    if (out->depth >= DEPTH_LEAVES) return codec_put_text(out, s);
    return put_classes(out, s, chosen, count);
}
