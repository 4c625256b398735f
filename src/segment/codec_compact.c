/* SPDX-License-Identifier: Apache-2.0
 * The smallest of many encodings: each is written to a draft and weighed. Of a long array a sample is weighed first, and
 * only what came near the best on it is tried on all values. */
#include "base/hash.h"
#include "segment/codec_private.h"

enum {
    SAMPLE_FROM = 6144, /* values from which on a sample decides what is tried */
    SAMPLE_RUNS = 16,
    SAMPLE_RUN = 128,        /* neighbours, so that what repeats nearby is seen to */
    NEAR_PERCENT = 105,      /* of the best on the sample: tried on all */
    NESTED_MAX = 6,          /* depth from which on nothing is nested any further */
    OWN_SCRATCH_FROM = 1024, /* values from which on an arena of their own is worth its making */
    SCRATCH_MAX = 1 << 30,
    SPLITS_MAX = 4,
    LENGTHS_MAX = 12,
    LENGTHS_GAIN = 100 /* classes of lengths are tried when they save a 100th */
};

typedef enum candidate {
    TRY_TEXT,
    TRY_CHOSEN,
    TRY_DICT,
    TRY_RADIX,
    TRY_LENGTHS,
    TRY_SPLIT,
    TRY_COPY,
    CANDIDATES
} candidate;

/* ---- distinct values ---- */

/* A code a value, and the distinct values in order of first use; false: no memory. */
static bool find_distinct(codec_strings s, th_arena *scratch, uint32_t *codes, codec_strings *out)
{
    uint32_t room = 64;
    while (room < s.n * 2) room *= 2;
    uint32_t *table = TH_NEW_ARRAY(scratch, uint32_t, room);
    th_slice *v = th_arena_alloc(scratch, s.n * sizeof(*v));
    if (table == NULL || v == NULL) return false;
    uint32_t d = 0;
    for (uint32_t i = 0; i < s.n; i++) {
        uint32_t at = (uint32_t)th_xxh3(s.v[i]) & (room - 1);
        while (table[at] != 0 && !th_slice_equal(v[table[at] - 1], s.v[i]))
            at = (at + 1) & (room - 1);
        if (table[at] == 0) {
            v[d] = s.v[i];
            table[at] = ++d;
        }
        codes[i] = table[at] - 1;
    }
    *out = (codec_strings){v, d};
    return true;
}

static th_err try_dict(codec_out *out, codec_strings s, bool *fits)
{
    uint32_t *codes = th_arena_alloc(out->encoder->scratch, s.n * sizeof(*codes));
    codec_strings distinct;
    if (codes == NULL || !find_distinct(s, out->encoder->scratch, codes, &distinct))
        return TH_ELIMIT;
    *fits = distinct.n <= s.n - s.n / 8 && distinct.n < s.n;
    return *fits ? codec_put_dict(out, distinct, codes, s.n) : TH_OK;
}

/* ---- classes by length ---- */

static th_err try_lengths(codec_out *out, codec_strings s, bool *fits)
{
    size_t lengths[LENGTHS_MAX];
    uint32_t count = 0;
    uint32_t *classes = th_arena_alloc(out->encoder->scratch, s.n * sizeof(*classes));
    if (classes == NULL) return TH_ELIMIT;
    *fits = false;
    for (uint32_t i = 0; i < s.n; i++) {
        uint32_t k = 0;
        while (k < count && lengths[k] != s.v[i].size) k++;
        if (k == LENGTHS_MAX) return TH_OK;
        if (k == count) lengths[count++] = s.v[i].size;
        classes[i] = k;
    }
    *fits = count > 1 && count * 4 <= s.n;
    return *fits ? codec_put_pick(out, s, classes, count) : TH_OK;
}

/* ---- the competition ---- */

static th_err try_one(codec_out *out, codec_strings s, candidate c, bool *fits)
{
    *fits = true;
    switch (c) {
    case TRY_TEXT: return codec_put_text(out, s);
    case TRY_CHOSEN: return codec_put_chosen(out, s);
    case TRY_DICT: return try_dict(out, s, fits);
    case TRY_RADIX: return codec_put_radix(out, s, fits);
    case TRY_LENGTHS: return try_lengths(out, s, fits);
    case TRY_COPY: return codec_put_copy(out, s, fits);
    default: return codec_put_split(out, s, fits);
    }
}

static bool allowed(const codec_out *out, codec_strings s, candidate c)
{
    if (c == TRY_TEXT || c == TRY_CHOSEN || c == TRY_RADIX) return true;
    if (out->depth >= NESTED_MAX) return false;
    if (c == TRY_COPY) return true;
    if (c == TRY_SPLIT) return out->splits < SPLITS_MAX && codec_split_pays(s);
    return c == TRY_DICT ? !out->in_dict : !out->in_class;
}

/* Weigh those of the set; costs (UINT64_MAX: does not fit) and the smallest draft are given back. Of what an encoding
 * takes from the scratch arena nothing stays but its draft, so it is reset for each. */
static th_err weigh(codec_out *out, codec_strings s, uint32_t set, uint64_t costs[CANDIDATES],
                    codec_draft *best)
{
    uint64_t best_cost = UINT64_MAX;
    uint32_t from = 0, to_label = 0; /* labels within the best */
    for (unsigned c = 0; c < CANDIDATES; c++) {
        costs[c] = UINT64_MAX;
        if (!(set >> c & 1) || !allowed(out, s, (candidate)c)) continue;
        if (out->owns_scratch) th_arena_reset(out->encoder->scratch);
        codec_draft draft;
        codec_draft_init(&draft);
        codec_out to = *out;
        to.owns_scratch = false;
        to.draft = &draft;
        to.directory = &draft.directory;
        bool fits = false;
        uint32_t labels = codec_labels(out);
        th_err err = try_one(&to, s, (candidate)c, &fits);
        if (err == TH_OK && fits) costs[c] = codec_draft_cost(&draft, out->encoder);
        if (err == TH_OK && costs[c] < best_cost) {
            codec_draft worse = *best;
            *best = draft;
            draft = worse;
            best_cost = costs[c];
            from = labels;
            to_label = codec_labels(out);
        }
        codec_show_labels(out, labels, codec_labels(out), false);
        codec_draft_free(&draft);
        TH_TRY(err);
    }
    codec_show_labels(out, from, to_label, true);
    return TH_OK;
}

static th_err compete(codec_out *out, codec_strings s, uint32_t set, uint64_t costs[CANDIDATES],
                      codec_draft *best)
{
    if (s.n < OWN_SCRATCH_FROM) return weigh(out, s, set, costs, best);
    th_arena *outer = out->encoder->scratch;
    th_arena *own = th_arena_new(SCRATCH_MAX, NULL);
    if (own == NULL) return TH_ENOMEM;
    codec_out inner = *out;
    inner.owns_scratch = true;
    out->encoder->scratch = own;
    th_err err = weigh(&inner, s, set, costs, best);
    out->encoder->scratch = outer;
    th_arena_free(own);
    return err;
}

/* What is worth trying on all values, by a sample of them. A dictionary is: how often values repeat does not show. */
static th_err shortlist(codec_out *out, codec_strings s, uint32_t *set)
{
    th_slice *v = th_arena_alloc(out->encoder->scratch, SAMPLE_RUNS * SAMPLE_RUN * sizeof(*v));
    if (v == NULL) return TH_ELIMIT;
    for (uint32_t run = 0; run < SAMPLE_RUNS; run++) {
        uint64_t from = (uint64_t)(s.n - SAMPLE_RUN) * run / (SAMPLE_RUNS - 1);
        memcpy(v + run * SAMPLE_RUN, s.v + from, SAMPLE_RUN * sizeof(*v));
    }
    uint64_t costs[CANDIDATES], least = UINT64_MAX;
    codec_draft best;
    codec_draft_init(&best);
    codec_out weighing = *out;
    weighing.sampling = true;
    th_err err = compete(&weighing, (codec_strings){v, SAMPLE_RUNS * SAMPLE_RUN},
                         ~(UINT32_C(1) << TRY_DICT), costs, &best);
    codec_draft_free(&best);
    TH_TRY(err);
    for (unsigned c = 0; c < CANDIDATES; c++) least = costs[c] < least ? costs[c] : least;
    /* As a rule the classes of families are those of lengths, found sooner. */
    if (costs[TRY_LENGTHS] != UINT64_MAX && costs[TRY_CHOSEN] != UINT64_MAX &&
        costs[TRY_CHOSEN] <= costs[TRY_LENGTHS] + costs[TRY_LENGTHS] / LENGTHS_GAIN)
        costs[TRY_LENGTHS] = UINT64_MAX;
    *set = UINT32_C(1) << TRY_DICT;
    for (unsigned c = 0; c < CANDIDATES; c++)
        if (costs[c] != UINT64_MAX && costs[c] * 100 <= least * NEAR_PERCENT)
            *set |= UINT32_C(1) << c;
    /* What fits a sample may not fit all. */
    if ((*set & (UINT32_C(1) << TRY_CHOSEN | UINT32_C(1) << TRY_TEXT)) == 0)
        *set |= UINT32_C(1) << TRY_CHOSEN;
    return TH_OK;
}

th_err codec_put_smallest(codec_out *out, codec_strings s)
{
    uint32_t set = UINT32_MAX;
    if (s.n >= SAMPLE_FROM) TH_TRY(shortlist(out, s, &set));
    uint64_t costs[CANDIDATES];
    codec_draft best;
    codec_draft_init(&best);
    th_err err = compete(out, s, set, costs, &best);
    if (err == TH_OK) err = codec_put_label(out, s, &best);
    if (err == TH_OK) codec_draft_replay(&best, out);
    codec_draft_free(&best);
    return err == TH_OK ? codec_out_error(out) : err;
}
