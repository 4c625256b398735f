/* SPDX-License-Identifier: Apache-2.0
 * SPLIT, written: texts cut at what is neither letter nor digit. Names, numbers and random parts of a path or an ARN then
 * stand in arrays of their own. */
#include "base/hash.h"
#include "base/map.h"
#include "segment/codec_private.h"

enum { PATTERNS_MAX = 256, PATTERNS_FREE = 8, TOKENS_MAX = 48 };

typedef struct pattern {
    uint32_t count, tokens, filled;
    th_slice *values; /* token t of value i: values[t * count + i] */
} pattern;

typedef struct splitter {
    codec_strings s;
    uint32_t *ids; /* pattern of each value */
    pattern patterns[PATTERNS_MAX];
    th_slice texts[PATTERNS_MAX];
    uint32_t count;
} splitter;

static bool in_token(uint8_t c)
{
    return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c >= 0x80;
}

/* The pattern of a text into `out` (as long as the text at most), its tokens into tokens; how many, or UINT32_MAX. */
static uint32_t cut(th_slice text, uint8_t *out, size_t *size, th_slice tokens[TOKENS_MAX])
{
    uint32_t count = 0;
    size_t n = 0;
    for (size_t at = 0; at < text.size;) {
        if (!in_token(text.bytes[at])) {
            if (text.bytes[at] == CODEC_TOKEN) return UINT32_MAX;
            out[n++] = text.bytes[at++];
            continue;
        }
        size_t end = at + 1;
        while (end < text.size && in_token(text.bytes[end])) end++;
        if (count == TOKENS_MAX) return UINT32_MAX;
        tokens[count++] = th_slice_of(text.bytes + at, end - at);
        out[n++] = CODEC_TOKEN;
        at = end;
    }
    *size = n;
    return count;
}

/* Find the patterns; *fits false: too many, or nothing to cut. */
static th_err find_patterns(splitter *p, th_arena *scratch, bool *fits)
{
    size_t longest = 0;
    for (uint32_t i = 0; i < p->s.n; i++)
        longest = p->s.v[i].size > longest ? p->s.v[i].size : longest;
    uint8_t *text = th_arena_alloc(scratch, longest);
    th_map *map = th_map_new(scratch);
    if (text == NULL || map == NULL) return TH_ELIMIT;
    bool several = false;
    *fits = false;
    for (uint32_t i = 0; i < p->s.n; i++) {
        th_slice tokens[TOKENS_MAX];
        size_t size;
        uint32_t count = cut(p->s.v[i], text, &size, tokens);
        if (count == UINT32_MAX) return TH_OK;
        bool added;
        uint64_t *id = th_map_put(map, th_slice_of(text, size), p->count, &added);
        if (id == NULL) return TH_ELIMIT;
        if (added) {
            if (p->count == PATTERNS_MAX || (p->count >= PATTERNS_FREE && p->count > p->s.n / 8))
                return TH_OK;
            p->texts[p->count] = th_arena_copy(scratch, th_slice_of(text, size));
            if (p->texts[p->count].bytes == NULL) return TH_ELIMIT;
            p->patterns[p->count++].tokens = count;
        }
        p->ids[i] = (uint32_t)*id;
        p->patterns[*id].count++;
        several |= count > 1;
    }
    *fits = several;
    return TH_OK;
}

static th_err sort_tokens(splitter *p, th_arena *scratch)
{
    size_t longest = 0;
    for (uint32_t i = 0; i < p->s.n; i++)
        longest = p->s.v[i].size > longest ? p->s.v[i].size : longest;
    uint8_t *text = th_arena_alloc(scratch, longest);
    if (text == NULL) return TH_ELIMIT;
    for (uint32_t k = 0; k < p->count; k++) {
        pattern *one = &p->patterns[k];
        one->values = th_arena_alloc(scratch, (size_t)one->count * one->tokens * sizeof(th_slice));
        if (one->values == NULL) return TH_ELIMIT;
    }
    for (uint32_t i = 0; i < p->s.n; i++) {
        th_slice tokens[TOKENS_MAX];
        size_t size;
        pattern *one = &p->patterns[p->ids[i]];
        (void)cut(p->s.v[i], text, &size, tokens);
        for (uint32_t t = 0; t < one->tokens; t++)
            one->values[(size_t)t * one->count + one->filled] = tokens[t];
        one->filled++;
    }
    return TH_OK;
}

enum {
    LOOKED_AT = 64, /* values */
    TOKENS_EACH = 16,
    TOKEN_TABLE = 2048,
    TOKEN_AGAIN = 3, /* times that a token is seen when it is no accident */
    AGAIN_SHARE = 16 /* of all bytes */
};
_Static_assert(LOOKED_AT *TOKENS_EACH < TOKEN_TABLE, "there is always a free place");

static uint32_t token_place(const uint64_t *hashes, uint64_t hash)
{
    uint32_t at = (uint32_t)hash % TOKEN_TABLE;
    while (hashes[at] != 0 && hashes[at] != hash) at = (at + 1) % TOKEN_TABLE;
    return at;
}

bool codec_split_pays(codec_strings s)
{
    uint64_t hashes[TOKEN_TABLE] = {0}, bytes = 0, again = 0;
    uint8_t seen[TOKEN_TABLE] = {0};
    if (s.n < LOOKED_AT) return true;
    for (uint32_t i = 0; i < LOOKED_AT; i++) {
        th_slice v = s.v[(uint64_t)i * s.n / LOOKED_AT];
        bytes += v.size;
        uint32_t tokens = 0;
        for (size_t at = 0, end; at < v.size && tokens < TOKENS_EACH; at = end + 1) {
            for (end = at; end < v.size && in_token(v.bytes[end]); end++) {}
            if (end == at) continue;
            uint64_t hash = th_xxh3(th_slice_of(v.bytes + at, end - at)) | 1;
            uint32_t place = token_place(hashes, hash);
            hashes[place] = hash;
            tokens++;
            seen[place] = seen[place] < TOKEN_AGAIN ? (uint8_t)(seen[place] + 1) : TOKEN_AGAIN;
            if (seen[place] == TOKEN_AGAIN) again += end - at;
        }
    }
    return again * AGAIN_SHARE >= bytes;
}

th_err codec_put_split(codec_out *out, codec_strings s, bool *fits)
{
    th_arena *scratch = out->encoder->scratch;
    splitter *p = TH_NEW(scratch, splitter);
    if (p == NULL) return TH_ELIMIT;
    p->s = s;
    p->ids = th_arena_alloc(scratch, s.n * sizeof(*p->ids));
    if (p->ids == NULL) return TH_ELIMIT;
    TH_TRY(find_patterns(p, scratch, fits));
    if (!*fits) return TH_OK;
    TH_TRY(sort_tokens(p, scratch));
    codec_out child = *out;
    child.depth++;
    child.splits++;
    child.in_dict = child.in_class = false;
    th_buf_add_byte(out->directory, CODEC_SPLIT);
    th_buf_add_varint(out->directory, p->count);
    if (p->count == 1)
        codec_put_const(&child, p->texts[0]);
    else
        TH_TRY(codec_put_text(&child, (codec_strings){p->texts, p->count}));
    TH_TRY(codec_put_codes(out, p->ids, s.n, p->count));
    for (uint32_t k = 0; k < p->count; k++) {
        th_buf_add_varint(out->directory, p->patterns[k].count);
        th_buf_add_varint(out->directory, p->patterns[k].tokens);
    }
    for (uint32_t k = 0; k < p->count; k++) {
        const pattern *one = &p->patterns[k];
        for (uint32_t t = 0; t < one->tokens; t++)
            TH_TRY(codec_put_strings(
                &child, (codec_strings){one->values + (size_t)t * one->count, one->count}));
    }
    return codec_out_error(out);
}
