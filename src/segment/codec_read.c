/* SPDX-License-Identifier: Apache-2.0
 * Values out of a described array. Payloads are untrusted: every size is checked against the bytes that are there
 * before anything is allocated for it. */
#include "segment/codec_private.h"

uint32_t segment_codec_count(const segment_codec *codec)
{
    return codec->count;
}

static th_err read_const(const segment_codec *c, uint32_t count, th_slice *out)
{
    for (uint32_t i = 0; i < count; i++) out[i] = c->text;
    return TH_OK;
}

/* Bytes of page `number` before value begin. */
static th_err text_before(const segment_codec *c, segment_reading *reading, uint32_t number,
                          uint32_t begin, uint64_t *out)
{
    const segment_resume *resume = codec_resume(reading, c->mark);
    uint32_t first = number << c->page_shift;
    uint64_t known = 0;
    if (resume != NULL && resume->at >= first && resume->at <= begin) {
        first = resume->at;
        known = resume->value;
    }
    TH_TRY(codec_sum(c->ints, reading, first, begin - first, out));
    *out += known;
    return TH_OK;
}

static th_err read_text(const segment_codec *c, segment_reading *reading, uint32_t begin,
                        uint32_t count, th_slice *out)
{
    segment_resume *resume = codec_resume(reading, c->mark);
    while (count > 0) {
        uint32_t number = begin >> c->page_shift, first = number << c->page_shift;
        uint64_t end = (uint64_t)first + (UINT64_C(1) << c->page_shift);
        uint32_t here = end - begin < count ? (uint32_t)(end - begin) : count;
        th_slice page;
        uint64_t at, size;
        TH_TRY(text_before(c, reading, number, begin, &at));
        TH_TRY(segment_payload_read(reading, c->pages[number], &page));
        begin += here;
        count -= here;
        for (uint32_t from = begin - here; from < begin; from += CODEC_STEP) {
            int64_t lengths[CODEC_STEP];
            uint32_t n = codec_min(CODEC_STEP, begin - from);
            TH_TRY(codec_lengths(c->ints, reading, from, n, lengths, &size));
            if (at > page.size || size > page.size - at) return TH_ECORRUPT;
            for (uint32_t i = 0; i < n; i++) {
                *out++ = (th_slice){page.bytes + at, (size_t)lengths[i]};
                at += (uint64_t)lengths[i];
            }
        }
        if (resume != NULL && begin < end) *resume = (segment_resume){.at = begin, .value = at};
    }
    return TH_OK;
}

/* ---- dictionaries ---- */

static th_err room_to_keep(segment_reading *reading, uint32_t number)
{
    if (number < reading->kept_room) return TH_OK;
    uint32_t room = codec_min((number + 1) * 2, SEGMENT_CODECS_MAX + 1);
    th_slice **kept = TH_NEW_ARRAY(reading->chunks_arena, th_slice *, room);
    if (kept == NULL) return TH_ELIMIT;
    if (reading->kept_room > 0)
        memcpy(kept, reading->kept, reading->kept_room * sizeof(th_slice *));
    reading->kept = kept;
    reading->kept_room = room;
    return TH_OK;
}

/* All values of an array, in the arena that outlives this read. */
static th_err read_all(const segment_codec *c, segment_reading *reading, th_slice **out)
{
    th_slice *values = th_arena_alloc(reading->chunks_arena, (size_t)c->count * sizeof(*values));
    if (values == NULL) return TH_ELIMIT;
    th_arena *arena = reading->arena;
    reading->arena = reading->chunks_arena;
    th_err err = segment_codec_read(c, reading, 0, c->count, values);
    reading->arena = arena;
    *out = values;
    return err;
}

static th_err keep_entries(const segment_codec *c, segment_reading *reading)
{
    th_slice *values;
    TH_TRY(room_to_keep(reading, c->number));
    TH_TRY(read_all(c->child, reading, &values));
    for (uint32_t i = 1; i < c->entries; i++)
        if (th_slice_compare(values[i - 1], values[i]) >= 0) return TH_ECORRUPT;
    reading->kept[c->number] = values;
    return TH_OK;
}

/* Is it better to decode all of an array's values than those that are wanted one by one? For one text the lengths of
 * those before it on its page are summed. */
static bool worth_keeping(const segment_codec *c, uint32_t wanted)
{
    uint32_t dear = 64;
    if (c->tag == CODEC_TEXT) {
        uint32_t before = codec_min(c->count, UINT32_C(1) << c->page_shift) / 8;
        dear = before > dear ? before : dear;
    }
    return c->count / dear <= wanted;
}

static th_err read_dict(const segment_codec *c, segment_reading *reading, uint32_t begin,
                        uint32_t count, th_slice *out)
{
    const th_slice *kept = c->number < reading->kept_room ? reading->kept[c->number] : NULL;
    if (kept == NULL && worth_keeping(c->child, count)) {
        TH_TRY(keep_entries(c, reading));
        kept = reading->kept[c->number];
    }
    for (uint32_t at = 0; at < count; at += CODEC_STEP) {
        uint32_t codes[CODEC_STEP], n = codec_min(CODEC_STEP, count - at);
        TH_TRY(segment_codes_read(c->codes, reading, begin + at, n, codes));
        for (uint32_t i = 0; i < n; i++) {
            if (kept != NULL)
                out[at + i] = kept[codes[i]];
            else
                TH_TRY(segment_codec_read(c->child, reading, codes[i], 1, &out[at + i]));
        }
    }
    return TH_OK;
}

static th_err read_pool_entries(const segment_codec *c, segment_reading *reading, uint32_t begin,
                                uint32_t count, th_slice *out)
{
    segment_codec *pool = reading->pool;
    if (reading->pool_values == NULL && worth_keeping(pool, count)) {
        th_slice *values;
        TH_TRY(read_all(pool, reading, &values));
        reading->pool_values = values;
    }
    for (uint32_t at = 0; at < count; at += CODEC_STEP) {
        int64_t numbers[CODEC_STEP];
        uint32_t n = codec_min(CODEC_STEP, count - at);
        TH_TRY(segment_ints_read(c->ints, reading, begin + at, n, numbers));
        for (uint32_t i = 0; i < n; i++) {
            if (numbers[i] < 0 || numbers[i] >= pool->count) return TH_ECORRUPT;
            uint32_t number = (uint32_t)numbers[i];
            if (reading->pool_values != NULL)
                out[at + i] = reading->pool_values[number];
            else
                TH_TRY(segment_codec_read(pool, reading, number, 1, &out[at + i]));
        }
    }
    return TH_OK;
}

static th_err read_copy(const segment_codec *c, segment_reading *reading, uint32_t begin,
                        uint32_t count, th_slice *out)
{
    const segment_codec *source = c->child;
    uint32_t number = source->label_number;
    if (worth_keeping(source, count)) {
        TH_TRY(room_to_keep(reading, number));
        if (reading->kept[number] == NULL) {
            th_slice *values;
            TH_TRY(read_all(source, reading, &values));
            reading->kept[number] = values;
        }
    }
    const th_slice *kept = number < reading->kept_room ? reading->kept[number] : NULL;
    for (uint32_t at = 0; at < count; at += CODEC_STEP) {
        int64_t numbers[CODEC_STEP];
        uint32_t n = codec_min(CODEC_STEP, count - at);
        TH_TRY(segment_ints_read(c->ints, reading, begin + at, n, numbers));
        for (uint32_t i = 0; i < n; i++) {
            if (numbers[i] < 0 || numbers[i] >= source->count) return TH_ECORRUPT;
            if (kept != NULL)
                out[at + i] = kept[numbers[i]];
            else
                TH_TRY(segment_codec_read(source, reading, (uint32_t)numbers[i], 1, &out[at + i]));
        }
    }
    return TH_OK;
}

static th_err read_pool(const segment_codec *c, segment_reading *reading, uint32_t begin,
                        uint32_t count, th_slice *out)
{
    if (reading->pool == NULL || reading->pool_busy) return TH_ECORRUPT;
    reading->pool_busy = true;
    th_err err = read_pool_entries(c, reading, begin, count, out);
    reading->pool_busy = false;
    return err;
}

/* ---- any array ---- */

th_err segment_codec_read(const segment_codec *c, segment_reading *reading, uint32_t begin,
                          uint32_t count, th_slice *out)
{
    TH_ASSERT(begin <= c->count && count <= c->count - begin);
    if (count == 0) return TH_OK;
    switch (c->tag) {
    case CODEC_CONST: return read_const(c, count, out);
    case CODEC_TEXT: return read_text(c, reading, begin, count, out);
    case CODEC_DICT: return read_dict(c, reading, begin, count, out);
    case CODEC_INT:
    case CODEC_TIME: return codec_read_numbers(c, reading, begin, count, out);
    case CODEC_UUID:
    case CODEC_IPV4: return codec_read_fixed(c, reading, begin, count, out);
    case CODEC_HEX:
    case CODEC_BITS: return codec_read_bits(c, reading, begin, count, out);
    case CODEC_BASE64: return codec_read_base64(c, reading, begin, count, out);
    case CODEC_RADIX: return codec_read_radix(c, reading, begin, count, out);
    case CODEC_SPLIT: return codec_read_split(c, reading, begin, count, out);
    case CODEC_PICK: return codec_read_pick(c, reading, begin, count, out);
    case CODEC_COPY: return read_copy(c, reading, begin, count, out);
    default: return read_pool(c, reading, begin, count, out);
    }
}

const segment_codec *segment_codec_dictionary(const segment_codec *codec)
{
    if (codec->tag == CODEC_CONST) return codec;
    return codec->tag == CODEC_DICT ? codec->child : NULL;
}

/* A constant array is its own dictionary, of one entry, however long it is. */
uint32_t segment_codec_entries(const segment_codec *codec)
{
    return codec->tag == CODEC_CONST ? 1 : codec->tag == CODEC_DICT ? codec->entries : 0;
}

th_err segment_codec_codes(const segment_codec *codec, segment_reading *reading, uint32_t begin,
                           uint32_t count, uint32_t *out)
{
    TH_ASSERT(segment_codec_entries(codec) > 0);
    if (codec->tag == CODEC_DICT)
        return segment_codes_read(codec->codes, reading, begin, count, out);
    memset(out, 0, count * sizeof(*out));
    return TH_OK;
}

bool segment_codec_counts(const segment_codec *codec, segment_reading *reading, int64_t *out)
{
    if (codec->tag == CODEC_CONST) {
        out[0] = codec->count;
        return true;
    }
    if (codec->tag != CODEC_DICT || codec->counts == NULL) return false;
    if (segment_ints_read(codec->counts, reading, 0, codec->entries, out) != TH_OK) return false;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < codec->entries; i++) {
        if (out[i] < 1 || out[i] > codec->count) return false;
        sum += (uint64_t)out[i];
    }
    return sum == codec->count;
}
