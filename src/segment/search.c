/* SPDX-License-Identifier: Apache-2.0
 * Rows whose record holds a text, without putting records together. A text without any of the bytes that stand around
 * values lies inside one value or inside one literal. So each column is searched for itself first, a dictionary by its
 * entries, and a column whose alphabet lacks one of the bytes not at all; rows are only looked at where a column has it. */
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "segment/codec_private.h"
#include "segment/image.h"

#define WINDOW_ROWS 4096u
#define DECODED_MAX ((size_t)16 << 20) /* chunks kept for the next column */

typedef struct search {
    segment_image *image;
    const segment_skeleton *k;
    th_slice needle;
    bool *hot;     /* of each stream: some value has it */
    bool *literal; /* of each literal */
    th_slice *values;
    th_arena *state, *work;
    segment_reading reading;
    uint64_t bytes;
} search;

static bool at_one_of(th_slice text, th_slice needle, size_t from)
{
    for (size_t i = from; i + needle.size <= text.size; i++)
        if (text.bytes[i] == needle.bytes[0] &&
            memcmp(text.bytes + i, needle.bytes, needle.size) == 0)
            return true;
    return false;
}

/* First and last byte of sixteen places at once; the plain twin is at_one_of. */
static bool contains(th_slice text, th_slice needle)
{
    size_t i = 0;
    if (text.size < needle.size) return false;
#ifdef __SSE2__
    const __m128i first = _mm_set1_epi8((char)needle.bytes[0]);
    const __m128i last = _mm_set1_epi8((char)needle.bytes[needle.size - 1]);
    for (; i + needle.size + 15 <= text.size; i += 16) {
        const void *a = text.bytes + i, *b = text.bytes + i + needle.size - 1;
        unsigned both = (unsigned)_mm_movemask_epi8(_mm_and_si128(
            _mm_cmpeq_epi8(_mm_loadu_si128(a), first), _mm_cmpeq_epi8(_mm_loadu_si128(b), last)));
        for (; both != 0; both &= both - 1) {
            size_t at = i + (size_t)__builtin_ctz(both);
            if (memcmp(text.bytes + at, needle.bytes, needle.size) == 0) return true;
        }
    }
#endif
    return at_one_of(text, needle, i);
}

/* ---- which columns ---- */

static bool made_of(th_slice needle, const char *alphabet)
{
    for (size_t i = 0; i < needle.size; i++)
        if (needle.bytes[i] == 0 || strchr(alphabet, needle.bytes[i]) == NULL) return false;
    return true;
}

static bool made_of_bytes(th_slice needle, const uint8_t *alphabet, uint32_t size)
{
    for (size_t i = 0; i < needle.size; i++)
        if (memchr(alphabet, needle.bytes[i], size) == NULL) return false;
    return true;
}

static bool made_of_radix(th_slice needle, const codec_radix *radix)
{
    if (needle.size > radix->length) return false;
    for (size_t i = 0; i < needle.size; i++) {
        uint32_t p = 0;
        while (p < radix->length &&
               memchr(radix->alphabet[p], needle.bytes[i], radix->size[p]) == NULL)
            p++;
        if (p == radix->length) return false;
    }
    return true;
}

/* False: certainly not, by what values of the encoding are made of. */
static bool can_hold(const segment_codec *codec, th_slice needle)
{
    switch (codec->tag) {
    case CODEC_INT: return made_of(needle, "-0123456789");
    case CODEC_TIME: return made_of(needle, "-+:.0123456789TZtz");
    case CODEC_UUID: return needle.size <= 36 && made_of(needle, "-0123456789abcdefABCDEF");
    case CODEC_IPV4: return made_of(needle, ".0123456789");
    case CODEC_HEX:
    case CODEC_BITS: return made_of_bytes(needle, codec->alphabet, codec->alphabet_size);
    case CODEC_RADIX: return made_of_radix(needle, codec->radix);
    default: return true;
    }
}

static th_err begin_reading(search *z)
{
    th_arena_reset(z->work);
    return segment_image_reading(z->image, z->work, z->work, &z->reading);
}

static th_err any_value(search *z, const segment_codec *codec, uint32_t count, bool *out)
{
    for (uint32_t done = 0, n; done < count; done += n) {
        n = count - done < WINDOW_ROWS ? count - done : WINDOW_ROWS;
        TH_TRY(segment_codec_read(codec, &z->reading, done, n, z->values));
        for (uint32_t i = 0; i < n; i++) {
            if (!contains(z->values[i], z->needle)) continue;
            *out = true;
            return TH_OK;
        }
    }
    return TH_OK;
}

static th_err search_codec(search *z, const segment_codec *codec, bool *out)
{
    const segment_codec *entries = segment_codec_dictionary(codec);
    uint32_t count = entries == NULL ? segment_codec_count(codec) : segment_codec_entries(codec);
    if (entries != NULL) codec = entries;
    if (!can_hold(codec, z->needle)) return TH_OK;
    if (th_arena_used(z->work) > DECODED_MAX) TH_TRY(begin_reading(z));
    return any_value(z, codec, count, out);
}

static th_err search_columns(search *z, bool *any)
{
    const segment_image *s = z->image;
    for (uint32_t i = 0; i < s->column_count; i++) {
        if (s->columns[i].codec == NULL) continue;
        TH_TRY(search_codec(z, s->columns[i].codec, &z->hot[i]));
        if (z->hot[i]) z->bytes += s->columns[i].stored;
    }
    if (s->residual != NULL) TH_TRY(search_codec(z, s->residual, &z->hot[s->column_count]));
    /* What refers to a column has its values. */
    for (uint32_t i = 0; i < s->column_count; i++)
        if (s->columns[i].held == SEGMENT_HELD_REFERENCE && z->hot[s->columns[i].target])
            z->hot[i] = true;
    for (uint32_t i = 0; i < s->literal_count; i++) {
        z->literal[i] = contains(z->k->literals[i], z->needle);
        *any |= z->literal[i];
    }
    for (uint32_t i = 0; i <= s->column_count; i++) *any |= z->hot[i];
    *any |= s->whole_count > 0;
    return TH_OK;
}

/* ---- which rows ---- */

static bool is_step(const search *z, const bool *read, uint32_t slot)
{
    return segment_slot_kind_of(slot) == SEGMENT_SLOT_RESIDUAL ? read[z->image->column_count]
                                                               : read[segment_slot_column(slot)];
}

/* Slots that are read: of the columns that have it, and of those that they refer to. */
static th_err choose_steps(search *z, segment_steps *steps, bool *shape_has)
{
    const segment_image *s = z->image;
    bool *read = TH_NEW_ARRAY(z->state, bool, (size_t)s->column_count + 1);
    if (read == NULL) return TH_ELIMIT;
    for (uint32_t i = 0; i <= s->column_count; i++) {
        if (!z->hot[i]) continue;
        read[i] = true;
        if (i < s->column_count && s->columns[i].held == SEGMENT_HELD_REFERENCE)
            read[s->columns[i].target] = true;
    }
    for (uint32_t shape = 1; shape <= s->shape_count; shape++) {
        const segment_steps *all = &z->k->shapes[shape];
        uint32_t *slots = th_arena_alloc(z->state, ((size_t)all->count + 1) * sizeof(*slots));
        if (slots == NULL) return TH_ELIMIT;
        uint32_t n = 0;
        for (uint32_t i = 0; i <= all->count; i++)
            shape_has[shape] |= z->literal[z->k->joints[shape][i]];
        for (uint32_t i = 0; i < all->count; i++)
            if (is_step(z, read, all->slots[i])) slots[n++] = all->slots[i];
        steps[shape] = (segment_steps){slots, n};
    }
    return TH_OK;
}

static th_err search_window(search *z, segment_scan *scan, const bool *shape_has, uint32_t count,
                            uint64_t *bits)
{
    th_slice *values = th_arena_alloc(z->work, SEGMENT_SLOTS_MAX * sizeof(*values));
    segment_scan_measure(scan, count);
    TH_TRY(segment_scan_fill(scan));
    th_slice *whole = th_arena_alloc(z->work, ((size_t)scan->whole_wanted + 1) * sizeof(*whole));
    if (values == NULL || whole == NULL) return TH_ELIMIT;
    if (scan->whole_wanted > 0)
        TH_TRY(segment_codec_read(z->image->whole, &z->reading, scan->whole, scan->whole_wanted,
                                  whole));
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = scan->row + i, shape = z->k->rows == NULL ? 0 : z->k->rows[row];
        bool found = shape != 0 && shape_has[shape];
        if (shape == 0) {
            found = contains(*whole++, z->needle);
        } else {
            TH_TRY(segment_scan_row(scan, shape, values));
            for (uint32_t k = 0; k < scan->steps[shape].count && !found; k++)
                found = contains(values[k], z->needle);
        }
        bits[row >> 6] |= (uint64_t)found << (row & 63);
    }
    segment_scan_pass(scan, count);
    return TH_OK;
}

static th_err search_rows(search *z, uint64_t *bits)
{
    segment_image *s = z->image;
    segment_steps *steps = TH_NEW_ARRAY(z->state, segment_steps, (size_t)s->shape_count + 1);
    bool *shape_has = TH_NEW_ARRAY(z->state, bool, (size_t)s->shape_count + 1);
    if (steps == NULL || shape_has == NULL) return TH_ELIMIT;
    TH_TRY(choose_steps(z, steps, shape_has));
    segment_scan scan;
    TH_TRY(begin_reading(z));
    TH_TRY(segment_scan_begin(&scan, s, z->k, steps, 0, &z->reading, z->state));
    for (uint32_t n; scan.row < s->base.rows;) {
        n = s->base.rows - scan.row < WINDOW_ROWS ? s->base.rows - scan.row : WINDOW_ROWS;
        TH_TRY(search_window(z, &scan, shape_has, n, bits));
    }
    return TH_OK;
}

static th_err search_image(search *z, uint64_t *bits)
{
    const segment_image *s = z->image;
    bool any = false;
    z->hot = TH_NEW_ARRAY(z->state, bool, (size_t)s->column_count + 1);
    z->literal = TH_NEW_ARRAY(z->state, bool, (size_t)s->literal_count + 1);
    z->values = th_arena_alloc(z->state, WINDOW_ROWS * sizeof(*z->values));
    if (z->hot == NULL || z->literal == NULL || z->values == NULL) return TH_ELIMIT;
    TH_TRY(begin_reading(z));
    TH_TRY(search_columns(z, &any));
    return any ? search_rows(z, bits) : TH_OK;
}

/* No byte of it stands before, behind or between values of a record. */
static bool is_inside(th_slice needle)
{
    for (size_t i = 0; i < needle.size; i++)
        if (needle.bytes[i] <= ' ' || strchr("\",:{}[]", needle.bytes[i]) != NULL) return false;
    return needle.size > 0;
}

th_err segment_v2_search(const th_segment *segment, th_slice needle, uint64_t *bits,
                         uint64_t *bytes_read)
{
    search z = {.image = segment_image_of(segment), .needle = needle};
    if (segment->table->format != TH_RECORD_JSON || !is_inside(needle)) return TH_EUNSUPPORTED;
    TH_TRY(segment_need_skeleton(z.image, &z.k));
    z.state = th_arena_new(SEGMENT_WORK_MAX, segment->budget);
    z.work = th_arena_new(SEGMENT_WORK_MAX, segment->budget);
    th_err err = z.state == NULL || z.work == NULL ? TH_ENOMEM : search_image(&z, bits);
    th_arena_free(z.state);
    th_arena_free(z.work);
    if (err == TH_OK) *bytes_read += z.bytes;
    return err;
}
