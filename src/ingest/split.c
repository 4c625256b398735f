/* SPDX-License-Identifier: Apache-2.0
 * The order of things when a content is split: which walk, how pieces leave, what happens where the bytes are damaged. */
#include "ingest/split.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/limits.h"
#include "ingest/split_private.h"

const char split_unknown[] = "no known record format";

static th_err give_refusal(splitter *s, const split_refusal *r)
{
    ingest_piece piece = {
        .kind = INGEST_REFUSED, .offset = r->offset, .size = r->size, .reason = r->reason};
    s->result->refused++;
    return s->fn(s->ctx, &piece);
}

static th_err give_held(splitter *s)
{
    for (size_t i = 0; i < s->held_count; i++) TH_TRY(give_refusal(s, &s->held[i]));
    s->held_count = 0;
    th_arena_reset(s->kept);
    return TH_OK;
}

th_err split_emit(splitter *s, ingest_piece *piece, split_place place)
{
    TH_TRY(give_held(s));
    if (s->result->records == 0) {
        s->result->source = piece->recogniser;
        s->result->form = place.form;
    }
    s->result->records++;
    /* The rank of a variant is that of its content as a whole, so that it can be told from the delivery alone. */
    piece->delivered_form = strcmp(s->result->form, "records") == 0;
    return s->fn(s->ctx, piece);
}

static const char *keep_text(splitter *s, const char *text)
{
    if (text == split_unknown) return text;
    th_slice copy = th_arena_copy(s->kept, th_slice_text(text));
    return copy.bytes == NULL ? "not valid" : (const char *)copy.bytes;
}

th_err split_refuse(splitter *s, const uint8_t *at, const uint8_t *end, const char *reason)
{
    uint64_t offset = (uint64_t)(at - s->base);
    uint64_t past = (uint64_t)(end - s->base);
    if (s->held_count == SPLIT_HELD_MAX) {
        /* Too many to name one by one: the last one grows. */
        split_refusal *last = &s->held[SPLIT_HELD_MAX - 1];
        last->size = past - last->offset;
        return TH_OK;
    }
    s->held[s->held_count++] = (split_refusal){offset, past - offset, keep_text(s, reason)};
    return TH_OK;
}

th_err split_damage(splitter *s, const uint8_t *at, const char *reason)
{
    s->damaged = true;
    s->damage_at = at;
    s->damage = reason;
    return TH_EPARSE;
}

/* Nothing was taken: the content is refused whole, for the most telling reason. */
static th_err give_whole(splitter *s)
{
    const char *reason = s->held[0].reason;
    for (size_t i = 0; i < s->held_count; i++) {
        if (s->held[i].reason == split_unknown) continue;
        reason = s->held[i].reason;
        break;
    }
    split_refusal whole = {0, (uint64_t)(s->end - s->base), reason};
    return give_refusal(s, &whole);
}

static th_err walk(splitter *s)
{
    const uint8_t *p = s->base;
    if (s->end - p >= 3 && memcmp(p, "\xEF\xBB\xBF", 3) == 0) p += 3;
    p = split_skip_blank(s, p);
    if (p == s->end) return TH_OK;
    /* Of a trail's one long line no end needs to be looked for. */
    bool json = *p == '{' || *p == '[';
    ingest_recogniser_id lines = json ? INGEST_AUTO : split_find_lines(s);
    if (lines != INGEST_AUTO) {
        TH_TRY(split_lines(s, lines));
    } else if (!json && split_is_export(s)) {
        TH_TRY(split_export(s));
    } else if (json || split_line_follows(s, p)) {
        TH_TRY(split_documents(s));
    } else {
        TH_TRY(split_refuse(s, p, s->end, split_unknown));
    }
    if (s->held_count > 0 && s->result->records == 0) return give_whole(s);
    return give_held(s);
}

th_err ingest_split(th_slice content, ingest_recogniser_id source, ingest_piece_fn fn, void *ctx,
                    ingest_split_result *out)
{
    TH_ASSERT(source < INGEST_RECOGNISER_COUNT);
    static const uint8_t nothing[1];
    *out = (ingest_split_result){.form = ""};
    const uint8_t *base = content.size == 0 ? nothing : content.bytes;
    splitter s = {.base = base,
                  .end = base + content.size,
                  .only = source,
                  .fn = fn,
                  .ctx = ctx,
                  .result = out};
    s.scratch = th_arena_new(4u * TH_RECORD_SIZE_MAX, NULL);
    s.kept = th_arena_new(4u << 20, NULL);
    s.held = malloc(SPLIT_HELD_MAX * sizeof(*s.held));
    th_err err = s.scratch == NULL || s.kept == NULL || s.held == NULL ? TH_ENOMEM : walk(&s);
    free(s.held);
    th_arena_free(s.kept);
    th_arena_free(s.scratch);
    return err;
}
