/* SPDX-License-Identifier: Apache-2.0
 * An array to its description and payloads: constant, dictionary, or what its values are. */
#include <stdlib.h>

#include "segment/codec_private.h"

enum {
    COUNTS_FROM = 256, /* values from which on it is worth to say how often each entry occurs */
    POOLED_BELOW = 600 /* bytes of a dictionary that is better shared */
};

void codec_put_const(codec_out *out, th_slice text)
{
    th_buf_add_byte(out->directory, CODEC_CONST);
    th_buf_add_varint(out->directory, text.size);
    th_buf_add_slice(out->directory, text);
}

static bool all_equal(codec_strings s)
{
    for (uint32_t i = 1; i < s.n; i++)
        if (!th_slice_equal(s.v[0], s.v[i])) return false;
    return true;
}

th_err codec_put_strings(codec_out *out, codec_strings s)
{
    TH_ASSERT(s.n > 0 && out->depth < SEGMENT_CODEC_DEPTH_MAX);
    if (s.v[0].size <= CODEC_CONST_MAX && all_equal(s)) {
        codec_put_const(out, s.v[0]);
        return codec_out_error(out);
    }
    return out->encoder->effort == SEGMENT_EFFORT_FAST ? codec_put_chosen(out, s)
                                                       : codec_put_smallest(out, s);
}

th_err codec_put_pick(codec_out *out, codec_strings s, const uint32_t *classes, uint32_t k)
{
    uint32_t counts[CODEC_CLASSES_MAX] = {0}, at[CODEC_CLASSES_MAX];
    TH_ASSERT(k > 0 && k <= CODEC_CLASSES_MAX);
    for (uint32_t i = 0; i < s.n; i++) counts[classes[i]]++;
    th_slice *sorted = th_arena_alloc(out->encoder->scratch, s.n * sizeof(*sorted));
    if (sorted == NULL) return TH_ELIMIT;
    uint32_t sum = 0;
    for (uint32_t i = 0; i < k; i++) {
        at[i] = sum;
        sum += counts[i];
    }
    for (uint32_t i = 0; i < s.n; i++) sorted[at[classes[i]]++] = s.v[i];
    th_buf_add_byte(out->directory, CODEC_PICK);
    th_buf_add_varint(out->directory, k);
    TH_TRY(codec_put_codes(out, classes, s.n, k));
    for (uint32_t i = 0; i < k; i++) th_buf_add_varint(out->directory, counts[i]);
    codec_out child = *out;
    child.depth++;
    child.in_class = true;
    for (uint32_t i = 0; i < k; i++)
        TH_TRY(codec_put_strings(&child, (codec_strings){sorted + (at[i] - counts[i]), counts[i]}));
    return codec_out_error(out);
}

/* ---- dictionaries ---- */

typedef struct sorted_entry {
    uint64_t key; /* the first bytes in which entries differ, big-endian */
    uint32_t number;
} sorted_entry;

static int compare_entries(const void *left, const void *right, void *context)
{
    const sorted_entry *a = left, *b = right;
    if (a->key != b->key) return a->key < b->key ? -1 : 1;
    const th_slice *values = context;
    return th_slice_compare(values[a->number], values[b->number]);
}

/* Bytes that all begin with. */
static size_t common_prefix(codec_strings s)
{
    size_t size = s.v[0].size;
    for (uint32_t i = 1; i < s.n && size > 0; i++) {
        size_t k = 0, most = s.v[i].size < size ? s.v[i].size : size;
        while (k < most && s.v[0].bytes[k] == s.v[i].bytes[k]) k++;
        size = k;
    }
    return size;
}

static sorted_entry *sort_entries(codec_strings s, th_arena *scratch)
{
    sorted_entry *order = th_arena_alloc(scratch, s.n * sizeof(*order));
    if (order == NULL) return NULL;
    size_t skip = common_prefix(s);
    for (uint32_t i = 0; i < s.n; i++) {
        uint8_t first[8] = {0};
        size_t left = s.v[i].size - skip;
        if (left > 0) memcpy(first, s.v[i].bytes + skip, left < 8 ? left : 8);
        uint64_t key;
        memcpy(&key, first, sizeof(key));
        order[i] = (sorted_entry){__builtin_bswap64(key), i};
    }
    qsort_r(order, s.n, sizeof(*order), compare_entries, (void *)(uintptr_t)s.v);
    return order;
}

/* Entries as numbers in the pool. */
static th_err put_pooled(codec_out *out, codec_strings s)
{
    int64_t *numbers = th_arena_alloc(out->encoder->scratch, s.n * sizeof(*numbers));
    if (numbers == NULL) return TH_ELIMIT;
    for (uint32_t i = 0; i < s.n; i++)
        TH_TRY(codec_pool_add(out->encoder->pool, s.v[i], &numbers[i]));
    th_buf_add_byte(out->directory, CODEC_POOL);
    return codec_put_ints(out, numbers, s.n);
}

/* Texts, and whatever is small: what several columns have in common is worth more than a form of its own. */
static bool is_pooled(const codec_draft *draft, segment_encoder *encoder)
{
    uint8_t tag = draft->directory.bytes[0];
    if (tag == CODEC_TEXT) return true;
    bool nested = tag == CODEC_SPLIT || tag == CODEC_PICK || tag == CODEC_BASE64;
    return nested && codec_draft_cost(draft, encoder) < POOLED_BELOW;
}

static th_err put_entries(codec_out *out, codec_strings s)
{
    codec_out child = *out;
    child.depth++;
    child.in_dict = true;
    if (out->depth > 0 || out->draft != NULL || out->encoder->pool == NULL || s.n == 1)
        return codec_put_strings(&child, s);
    codec_draft draft;
    codec_draft_init(&draft);
    child.draft = &draft;
    child.directory = &draft.directory;
    uint32_t labels = codec_labels(out);
    th_err err = codec_put_strings(&child, s);
    if (err == TH_OK && is_pooled(&draft, out->encoder)) {
        codec_show_labels(out, labels, codec_labels(out), false);
        child = *out;
        child.depth++;
        err = put_pooled(&child, s);
    } else if (err == TH_OK) {
        codec_draft_replay(&draft, out);
    }
    codec_draft_free(&draft);
    return err;
}

th_err codec_put_dict(codec_out *out, codec_strings entries, const uint32_t *codes, uint32_t n)
{
    th_arena *scratch = out->encoder->scratch;
    uint32_t d = entries.n;
    sorted_entry *order = sort_entries(entries, scratch);
    uint32_t *rank = th_arena_alloc(scratch, d * sizeof(*rank));
    uint32_t *ranked = th_arena_alloc(scratch, n * sizeof(*ranked));
    th_slice *values = th_arena_alloc(scratch, d * sizeof(*values));
    int64_t *counts = TH_NEW_ARRAY(scratch, int64_t, d);
    if (order == NULL || rank == NULL || ranked == NULL || values == NULL || counts == NULL)
        return TH_ELIMIT;
    for (uint32_t i = 0; i < d; i++) {
        rank[order[i].number] = i;
        values[i] = entries.v[order[i].number];
    }
    for (uint32_t i = 0; i < n; i++) ranked[i] = rank[codes[i]];
    th_buf_add_byte(out->directory, CODEC_DICT);
    th_buf_add_varint(out->directory, d);
    TH_TRY(put_entries(out, (codec_strings){values, d}));
    TH_TRY(codec_put_codes(out, ranked, n, d));
    bool counted = out->depth == 0 && n >= COUNTS_FROM && d <= n / 4;
    th_buf_add_byte(out->directory, counted);
    if (!counted) return codec_out_error(out);
    for (uint32_t i = 0; i < n; i++) counts[ranked[i]]++;
    return codec_put_ints(out, counts, d);
}

/* ---- arrays with codes ---- */

enum { JUDGED = 64, DICT_ALWAYS = 64 };
#define TIMES (1u << FAMILY_TIME0 | 1u << FAMILY_TIME1 | 1u << FAMILY_TIME2)
#define NUMBERS (TIMES | 1u << FAMILY_INT)

/* Is a dictionary better than the values in a row? */
static bool wants_dictionary(const segment_array *a)
{
    uint32_t d = a->value_count, n = a->count, step = d / JUDGED + 1, common = UINT32_MAX;
    if (d <= DICT_ALWAYS && d <= n / 2) return true;
    uint64_t bytes = 0, judged = 0;
    for (uint32_t i = 0; i < d; i += step, judged++) {
        common &= codec_families(a->values[i]);
        bytes += a->values[i].size;
    }
    if ((common & TIMES) != 0) return false;
    if (common >> FAMILY_INT & 1) return d <= n / 16;
    /* An entry takes about half its text, a code two bytes. */
    uint64_t each = bytes / judged / 2 + 1;
    return (uint64_t)d * each + 2 * (uint64_t)n < (uint64_t)n * each;
}

static th_err expand(const segment_array *a, th_arena *scratch, codec_strings *out)
{
    th_slice *v = th_arena_alloc(scratch, a->count * sizeof(*v));
    if (v == NULL) return TH_ELIMIT;
    for (uint32_t i = 0; i < a->count; i++) v[i] = a->values[a->codes[i]];
    *out = (codec_strings){v, a->count};
    return TH_OK;
}

/* Dictionary or row by row, whichever is smaller; the pool is left out of it. */
static th_err put_smaller(codec_out *out, codec_strings entries, const segment_array *array)
{
    codec_draft drafts[2];
    uint64_t costs[2] = {0, 0};
    uint32_t labels[2], ends[2]; /* those of each */
    th_err err = TH_OK;
    for (unsigned i = 0; i < 2; i++) {
        codec_draft_init(&drafts[i]);
        codec_out to = *out;
        to.draft = &drafts[i];
        to.directory = &drafts[i].directory;
        codec_strings s = {0};
        labels[i] = codec_labels(out);
        if (err == TH_OK && i == 0) err = codec_put_dict(&to, entries, array->codes, array->count);
        if (err == TH_OK && i == 1) err = expand(array, out->encoder->scratch, &s);
        to.in_dict = true; /* weighed already */
        if (err == TH_OK && i == 1) err = codec_put_strings(&to, s);
        if (err == TH_OK) costs[i] = codec_draft_cost(&drafts[i], out->encoder);
        ends[i] = codec_labels(out);
        codec_show_labels(out, labels[i], ends[i], false);
    }
    bool second = costs[1] < costs[0];
    codec_show_labels(out, labels[second], ends[second], true);
    if (err == TH_OK) codec_draft_replay(&drafts[second], out);
    for (unsigned i = 0; i < 2; i++) codec_draft_free(&drafts[i]);
    return err == TH_OK ? codec_out_error(out) : err;
}

/* With few entries a dictionary is better, unless they are numbers or times. */
static bool is_open(const segment_array *a)
{
    if (a->value_count > a->count / 8) return true;
    if (a->value_count <= 16) return false;
    uint32_t step = a->value_count / JUDGED + 1, common = UINT32_MAX;
    for (uint32_t i = 0; i < a->value_count; i += step) common &= codec_families(a->values[i]);
    return (common & NUMBERS) != 0;
}

th_err segment_encode_array(segment_encoder *encoder, const segment_array *array)
{
    codec_out out = {.encoder = encoder, .directory = encoder->directory};
    TH_ASSERT(array->count > 0 && array->value_count > 0);
    codec_strings s = {array->values, array->value_count};
    if (array->codes == NULL) return codec_put_strings(&out, s);
    if (s.n == 1 && s.v[0].size <= CODEC_CONST_MAX) {
        codec_put_const(&out, s.v[0]);
        return codec_out_error(&out);
    }
    bool compact = encoder->effort == SEGMENT_EFFORT_COMPACT;
    if (s.n > 1 && compact && is_open(array)) return put_smaller(&out, s, array);
    if (s.n == 1 || compact || wants_dictionary(array))
        return codec_put_dict(&out, s, array->codes, array->count);
    TH_TRY(expand(array, encoder->scratch, &s));
    return codec_put_strings(&out, s);
}
