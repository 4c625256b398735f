/* SPDX-License-Identifier: Apache-2.0
 * Descriptions of arrays, parsed. All counts and depths are checked here; what lies in payloads is checked when read. */
#include "segment/codec_private.h"

static bool bad(const segment_describing *d)
{
    return d->directory->bad;
}

/* A count from 1 to most. */
static bool take_count(segment_describing *d, uint64_t most, uint32_t *out)
{
    uint64_t v = th_take_varint(d->directory);
    if (bad(d) || v < 1 || v > most) return false;
    *out = (uint32_t)v;
    return true;
}

static th_err describe_const(segment_describing *d, segment_codec *c)
{
    uint64_t size = th_take_varint(d->directory);
    if (bad(d) || size > SIZE_MAX / 2) return TH_ECORRUPT;
    th_slice text = th_take_bytes(d->directory, (size_t)size);
    if (bad(d)) return TH_ECORRUPT;
    c->text = th_arena_copy(d->arena, text);
    return c->text.bytes == NULL ? TH_ELIMIT : TH_OK;
}

static th_err describe_text(segment_describing *d, segment_codec *c)
{
    TH_TRY(segment_describe_ints(d, c->count, &c->ints));
    c->page_shift = th_take_u8(d->directory);
    if (bad(d) || c->page_shift > CODEC_PAGE_SHIFT_MAX) return TH_ECORRUPT;
    return codec_describe_pages(d, ((c->count - 1) >> c->page_shift) + 1, &c->pages);
}

static th_err describe_dict(segment_describing *d, segment_codec *c, unsigned depth)
{
    c->number = d->arrays;
    if (!take_count(d, c->count, &c->entries)) return TH_ECORRUPT;
    TH_TRY(codec_describe(d, c->entries, depth + 1, &c->child));
    TH_TRY(segment_describe_codes(d, c->count, c->entries, &c->codes));
    uint8_t counted = th_take_u8(d->directory);
    if (bad(d) || counted > 1) return TH_ECORRUPT;
    return counted == 1 ? segment_describe_ints(d, c->entries, &c->counts) : TH_OK;
}

/* Form of 0 to most. */
static th_err describe_form(segment_describing *d, segment_codec *c, uint8_t most)
{
    c->form = th_take_u8(d->directory);
    return bad(d) || c->form > most ? TH_ECORRUPT : TH_OK;
}

static th_err describe_bits(segment_describing *d, segment_codec *c)
{
    c->alphabet = TH_NEW_ARRAY(d->arena, uint8_t, 256);
    if (c->alphabet == NULL) return TH_ELIMIT;
    if (c->tag == CODEC_HEX) {
        TH_TRY(describe_form(d, c, 1));
        c->alphabet_size = 16;
        memcpy(c->alphabet, c->form == 0 ? "0123456789abcdef" : "0123456789ABCDEF", 16);
    } else {
        th_slice map = th_take_bytes(d->directory, 32);
        for (unsigned i = 0; map.size == 32 && i < 256; i++)
            if (map.bytes[i / 8] >> (i % 8) & 1) c->alphabet[c->alphabet_size++] = (uint8_t)i;
    }
    if (bad(d) || c->alphabet_size == 0) return TH_ECORRUPT;
    c->bits = (uint8_t)codec_bits_of(c->alphabet_size - 1);
    if (c->bits == 0) c->bits = 1;
    TH_TRY(segment_describe_ints(d, c->count, &c->ints));
    return codec_describe_pages(d, codec_pages(c->count), &c->pages);
}

static th_err describe_base64(segment_describing *d, segment_codec *c, unsigned depth)
{
    TH_TRY(describe_form(d, c, 2));
    return codec_describe(d, c->count, depth + 1, &c->child);
}

static th_err describe_radix(segment_describing *d, segment_codec *c)
{
    TH_TRY(codec_radix_describe(d, &c->radix));
    return codec_describe_pages(d, codec_pages(c->count), &c->pages);
}

/* The arrays that make up the parts: counts and how many for each class or pattern. */
static th_err describe_parts(segment_describing *d, segment_codec *c, unsigned depth, bool tokens)
{
    uint32_t k = c->entries, total = 0;
    uint64_t sum = 0;
    uint32_t *counts = th_arena_alloc(d->arena, (size_t)k * sizeof(*counts));
    c->part_first = TH_NEW_ARRAY(d->arena, uint32_t, (size_t)k + 1);
    if (counts == NULL || c->part_first == NULL) return TH_ELIMIT;
    for (uint32_t i = 0; i < k; i++) {
        if (!take_count(d, c->count, &counts[i])) return TH_ECORRUPT;
        sum += counts[i];
        uint64_t parts = tokens ? th_take_varint(d->directory) : 1;
        if (bad(d) || parts > CODEC_TOKENS_MAX) return TH_ECORRUPT;
        total += (uint32_t)parts;
        c->part_first[i + 1] = total;
    }
    /* An array takes two bytes at least. */
    if (sum != c->count || total > (size_t)(d->directory->end - d->directory->pos) / 2)
        return TH_ECORRUPT;
    c->parts = TH_NEW_ARRAY(d->arena, segment_codec *, (size_t)total + 1);
    if (c->parts == NULL) return TH_ELIMIT;
    for (uint32_t i = 0; i < k; i++)
        for (uint32_t p = c->part_first[i]; p < c->part_first[i + 1]; p++)
            TH_TRY(codec_describe(d, counts[i], depth + 1, &c->parts[p]));
    return TH_OK;
}

/* An array that others may take values from; itself it takes none. Labels ascend. */
static th_err describe_label(segment_describing *d, uint32_t count, unsigned depth,
                             segment_codec **out)
{
    uint32_t number = d->arrays, copies = d->copies;
    uint64_t label = th_take_varint(d->directory);
    if (bad(d) || label > UINT32_MAX) return TH_ECORRUPT;
    TH_TRY(codec_describe(d, count, depth + 1, out));
    if (d->copies != copies || (*out)->label_number != 0) return TH_ECORRUPT;
    if (d->labels > 0 && d->labelled[d->labels - 1]->label >= label) return TH_ECORRUPT;
    (*out)->label_number = number;
    (*out)->label = (uint32_t)label;
    if (d->labels == d->label_room) {
        uint32_t room = d->label_room == 0 ? 16 : d->label_room * 2;
        segment_codec **labelled = TH_NEW_ARRAY(d->arena, segment_codec *, room);
        if (labelled == NULL) return TH_ELIMIT;
        if (d->labels > 0) memcpy(labelled, d->labelled, d->labels * sizeof(segment_codec *));
        d->labelled = labelled;
        d->label_room = room;
    }
    d->labelled[d->labels++] = *out;
    return TH_OK;
}

static th_err describe_copy(segment_describing *d, segment_codec *c)
{
    uint64_t label = th_take_varint(d->directory);
    uint32_t low = 0, high = d->labels;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (d->labelled[middle]->label < label)
            low = middle + 1;
        else
            high = middle;
    }
    if (bad(d) || low == d->labels || d->labelled[low]->label != label) return TH_ECORRUPT;
    d->copies++;
    c->child = d->labelled[low];
    return segment_describe_ints(d, c->count, &c->ints);
}

static th_err describe_split(segment_describing *d, segment_codec *c, unsigned depth)
{
    if (!take_count(d, codec_min(c->count, CODEC_PATTERNS_MAX), &c->entries)) return TH_ECORRUPT;
    TH_TRY(codec_describe(d, c->entries, depth + 1, &c->child));
    TH_TRY(segment_describe_codes(d, c->count, c->entries, &c->codes));
    return describe_parts(d, c, depth, true);
}

static th_err describe_pick(segment_describing *d, segment_codec *c, unsigned depth)
{
    if (!take_count(d, codec_min(c->count, CODEC_CLASSES_MAX), &c->entries)) return TH_ECORRUPT;
    TH_TRY(segment_describe_codes(d, c->count, c->entries, &c->codes));
    return describe_parts(d, c, depth, false);
}

th_err codec_describe(segment_describing *d, uint32_t count, unsigned depth, segment_codec **out)
{
    if (count == 0 || depth >= SEGMENT_CODEC_DEPTH_MAX || d->arrays >= SEGMENT_CODECS_MAX)
        return TH_ECORRUPT;
    d->arrays++;
    segment_codec *c = TH_NEW(d->arena, segment_codec);
    if (c == NULL) return TH_ELIMIT;
    c->tag = th_take_u8(d->directory);
    c->count = count;
    if (c->tag == CODEC_SPLIT || c->tag == CODEC_PICK || c->tag == CODEC_TEXT) c->mark = d->marks++;
    *out = c;
    if (bad(d)) return TH_ECORRUPT;
    switch (c->tag) {
    case CODEC_CONST: return describe_const(d, c);
    case CODEC_TEXT: return describe_text(d, c);
    case CODEC_DICT: return describe_dict(d, c, depth);
    case CODEC_TIME:
        TH_TRY(describe_form(d, c, 2));
        return segment_describe_ints(d, count, &c->ints);
    case CODEC_INT:
    case CODEC_POOL: return segment_describe_ints(d, count, &c->ints);
    case CODEC_UUID:
        TH_TRY(describe_form(d, c, 1));
        return codec_describe_pages(d, codec_pages(count), &c->pages);
    case CODEC_IPV4: return codec_describe_pages(d, codec_pages(count), &c->pages);
    case CODEC_HEX:
    case CODEC_BITS: return describe_bits(d, c);
    case CODEC_BASE64: return describe_base64(d, c, depth);
    case CODEC_RADIX: return describe_radix(d, c);
    case CODEC_SPLIT: return describe_split(d, c, depth);
    case CODEC_PICK: return describe_pick(d, c, depth);
    case CODEC_LABEL: return describe_label(d, count, depth, out);
    case CODEC_COPY: return describe_copy(d, c);
    default: return TH_ECORRUPT;
    }
}

th_err segment_describe_array(segment_describing *describing, uint32_t count, segment_codec **out)
{
    return codec_describe(describing, count, 0, out);
}
