/* SPDX-License-Identifier: Apache-2.0
 * PICK and SPLIT: values that come from several arrays. A value's place in its part is how many values of the same class
 * (or pattern) stand before it. */
#include "segment/codec_private.h"
#include "segment/copy.h"

/* For values [begin, begin + count): the class of each, how many of each class stand before begin (before[k]) and
 * within (here[k]). */
typedef struct ranks {
    uint32_t *classes, *before, *here;
} ranks;

/* Add the classes of values [begin, begin + count) to sums. */
static th_err add_ranks(const segment_codec *c, segment_reading *reading, uint32_t begin,
                        uint32_t count, uint32_t *sums)
{
    for (uint32_t at = 0; at < count; at += CODEC_STEP) {
        uint32_t codes[CODEC_STEP], n = codec_min(CODEC_STEP, count - at);
        TH_TRY(segment_codes_read(c->codes, reading, begin + at, n, codes));
        for (uint32_t i = 0; i < n; i++) sums[codes[i]]++;
    }
    return TH_OK;
}

/* Sums before each CODEC_MARK values; *out NULL: there is no room to keep them. */
static th_err need_marks(const segment_codec *c, segment_reading *reading, const uint32_t **out)
{
    *out = segment_marks_get(reading->marks, c->mark);
    if (*out != NULL) return TH_OK;
    uint32_t blocks = c->count / CODEC_MARK;
    uint32_t *sums = segment_marks_room(reading->marks, ((size_t)blocks + 1) * c->entries);
    if (sums == NULL) return TH_OK;
    for (uint32_t i = 0; i < blocks; i++) {
        uint32_t *next = sums + (size_t)(i + 1) * c->entries;
        memcpy(next, next - c->entries, c->entries * sizeof(uint32_t));
        TH_TRY(add_ranks(c, reading, i * CODEC_MARK, CODEC_MARK, next));
    }
    segment_marks_put(reading->marks, c->mark, sums);
    *out = sums;
    return TH_OK;
}

/* How many of each class stand before begin, by what is known of a place before it. */
static th_err sum_before(const segment_codec *c, segment_reading *reading, uint32_t begin,
                         uint32_t *before)
{
    const segment_resume *resume = codec_resume(reading, c->mark);
    const uint32_t *known = NULL;
    uint32_t first = 0;
    if (resume != NULL && resume->sums != NULL && resume->at <= begin &&
        begin - resume->at <= CODEC_MARK) {
        first = resume->at;
        known = resume->sums;
    } else if (begin >= CODEC_MARK) {
        const uint32_t *marks;
        TH_TRY(need_marks(c, reading, &marks));
        if (marks != NULL) {
            first = begin / CODEC_MARK * CODEC_MARK;
            known = marks + (size_t)(begin / CODEC_MARK) * c->entries;
        }
    }
    if (known != NULL) memcpy(before, known, c->entries * sizeof(uint32_t));
    return add_ranks(c, reading, first, begin - first, before);
}

/* A cursor goes on behind these values. */
static void keep_sums(const segment_codec *c, const segment_reading *reading, uint32_t end,
                      const ranks *r)
{
    segment_resume *resume = codec_resume(reading, c->mark);
    if (resume == NULL) return;
    if (resume->sums == NULL)
        resume->sums = TH_NEW_ARRAY(reading->resumes_arena, uint32_t, c->entries);
    if (resume->sums == NULL) return;
    for (uint32_t k = 0; k < c->entries; k++) resume->sums[k] = r->before[k] + r->here[k];
    resume->at = end;
}

static th_err count_ranks(const segment_codec *c, segment_reading *reading, uint32_t begin,
                          uint32_t count, ranks *r)
{
    r->classes = th_arena_alloc(reading->arena, (size_t)count * sizeof(uint32_t));
    r->before = TH_NEW_ARRAY(reading->arena, uint32_t, c->entries);
    r->here = TH_NEW_ARRAY(reading->arena, uint32_t, c->entries);
    if (r->classes == NULL || r->before == NULL || r->here == NULL) return TH_ELIMIT;
    TH_TRY(sum_before(c, reading, begin, r->before));
    TH_TRY(segment_codes_read(c->codes, reading, begin, count, r->classes));
    for (uint32_t i = 0; i < count; i++) r->here[r->classes[i]]++;
    keep_sums(c, reading, begin + count, r);
    return TH_OK;
}

/* The values of a part that are wanted. */
static th_err read_part(const segment_codec *part, segment_reading *reading, uint32_t before,
                        uint32_t here, th_slice **out)
{
    if (before > part->count || here > part->count - before) return TH_ECORRUPT;
    *out = th_arena_alloc(reading->arena, (size_t)here * sizeof(th_slice));
    if (*out == NULL) return TH_ELIMIT;
    return segment_codec_read(part, reading, before, here, *out);
}

th_err codec_read_pick(const segment_codec *c, segment_reading *reading, uint32_t begin,
                       uint32_t count, th_slice *out)
{
    ranks r;
    const th_slice *next[CODEC_CLASSES_MAX] = {NULL};
    TH_TRY(count_ranks(c, reading, begin, count, &r));
    for (uint32_t k = 0; k < c->entries; k++) {
        th_slice *values;
        if (r.here[k] == 0) continue;
        TH_TRY(read_part(c->parts[k], reading, r.before[k], r.here[k], &values));
        next[k] = values;
    }
    for (uint32_t i = 0; i < count; i++) out[i] = *next[r.classes[i]]++;
    return TH_OK;
}

/* One pattern's values: tokens[t][i] between the pattern's other bytes. Put at out[places[i]]. */
static th_err join(segment_reading *reading, th_slice pattern, th_slice *const *tokens,
                   uint32_t token_count, const uint32_t *places, uint32_t here, th_slice *out)
{
    uint64_t total = (uint64_t)(pattern.size - token_count) * here;
    for (uint32_t t = 0; t < token_count; t++)
        for (uint32_t i = 0; i < here; i++) total += tokens[t][i].size;
    uint8_t *text = total < SIZE_MAX / 2 ? th_arena_alloc(reading->arena, (size_t)total) : NULL;
    th_slice *fixed = TH_NEW_ARRAY(reading->arena, th_slice, (size_t)token_count + 1);
    if (text == NULL || fixed == NULL) return TH_ELIMIT;
    for (uint32_t t = 0; t <= token_count; t++) {
        const uint8_t *end = memchr(pattern.bytes, CODEC_TOKEN, pattern.size);
        fixed[t] =
            th_slice_of(pattern.bytes, end == NULL ? pattern.size : (size_t)(end - pattern.bytes));
        if (t < token_count)
            pattern =
                th_slice_of(pattern.bytes + fixed[t].size + 1, pattern.size - fixed[t].size - 1);
    }
    for (uint32_t i = 0; i < here; i++) {
        uint8_t *begin = text;
        for (uint32_t t = 0; t < token_count; t++) {
            text = segment_copy(text, fixed[t]);
            text = segment_copy(text, tokens[t][i]);
        }
        text = segment_copy(text, fixed[token_count]);
        out[places[i]] = th_slice_of(begin, (size_t)(text - begin));
    }
    return TH_OK;
}

static th_err read_pattern(const segment_codec *c, segment_reading *reading, const ranks *r,
                           uint32_t k, const uint32_t *places, th_slice *out)
{
    uint32_t first = c->part_first[k], token_count = c->part_first[k + 1] - first;
    th_slice pattern;
    TH_TRY(segment_codec_read(c->child, reading, k, 1, &pattern));
    uint32_t marks = 0;
    for (size_t i = 0; i < pattern.size; i++) marks += pattern.bytes[i] == CODEC_TOKEN;
    if (marks != token_count) return TH_ECORRUPT;
    th_slice **tokens = TH_NEW_ARRAY(reading->arena, th_slice *, (size_t)token_count + 1);
    if (tokens == NULL) return TH_ELIMIT;
    for (uint32_t t = 0; t < token_count; t++)
        TH_TRY(read_part(c->parts[first + t], reading, r->before[k], r->here[k], &tokens[t]));
    return join(reading, pattern, tokens, token_count, places, r->here[k], out);
}

/* Places of the values by their patterns: those of the first, those of the second, ... in order. NULL: no memory. */
static const uint32_t *sort_places(const ranks *r, uint32_t k, uint32_t count, th_arena *arena)
{
    uint32_t *places = th_arena_alloc(arena, (size_t)count * sizeof(uint32_t));
    uint32_t *next = th_arena_alloc(arena, (size_t)k * sizeof(uint32_t));
    if (places == NULL || next == NULL) return NULL;
    for (uint32_t i = 0, before = 0; i < k; before += r->here[i++]) next[i] = before;
    for (uint32_t i = 0; i < count; i++) places[next[r->classes[i]]++] = i;
    return places;
}

th_err codec_read_split(const segment_codec *c, segment_reading *reading, uint32_t begin,
                        uint32_t count, th_slice *out)
{
    ranks r;
    TH_TRY(count_ranks(c, reading, begin, count, &r));
    const uint32_t *places = sort_places(&r, c->entries, count, reading->arena);
    if (places == NULL) return TH_ELIMIT;
    for (uint32_t k = 0; k < c->entries; k++) {
        if (r.here[k] == 0) continue;
        TH_TRY(read_pattern(c, reading, &r, k, places, out));
        places += r.here[k];
    }
    return TH_OK;
}
