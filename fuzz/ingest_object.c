/* SPDX-License-Identifier: Apache-2.0
 * fuzz-module: ingest
 * Any bytes as a delivered object: container, recogniser, pieces, recipe. The pieces are in order and do not overlap,
 * what is called a record is valid and within limits, and the recipe gives the content back byte for byte.
 * The first byte chooses the source that is asked for. TH_FUZZ_CANARY loses a separator. */
#include <stdlib.h>

#include "base/assert.h"
#include "base/limits.h"
#include "ingest/escape.h"
#include "ingest/inflate.h"
#include "ingest/recipe.h"
#include "ingest/split.h"
#include "json/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROWS_MAX = 4096 };

typedef struct object {
    th_slice content;
    ingest_recipe recipe;
    th_arena *arena;
    th_slice rows[ROWS_MAX]; /* what the store would hold, by sequence */
    uint64_t row_count;
    uint64_t end;   /* of the last piece */
    uint64_t built; /* bytes that the recipe covers */
} object;

static th_err gather(void *ctx, th_slice bytes)
{
    th_buf_add_slice(ctx, bytes);
    return th_buf_error(ctx);
}

static void literal(object *o, uint64_t to)
{
    while (o->built < to) {
        uint64_t step = to - o->built < INGEST_LITERAL_MAX ? to - o->built : INGEST_LITERAL_MAX;
        ingest_recipe_literal(&o->recipe, th_slice_of(o->content.bytes + o->built, (size_t)step));
        o->built += step;
    }
}

/* Fields lie in the line, one behind the other. */
static void check_line(const ingest_piece *piece)
{
    TH_ASSERT(th_utf8_valid(piece->record) && piece->layout.size > 0);
    th_slice fields[TH_LINE_FIELDS_MAX];
    uint32_t count = th_model_line_split(piece->record, piece->layout, fields, TH_LINE_FIELDS_MAX);
    const uint8_t *at = piece->record.bytes;
    for (uint32_t i = 0; i < count; i++) {
        if (fields[i].bytes == NULL) continue;
        TH_ASSERT(fields[i].bytes >= at);
        at = fields[i].bytes + fields[i].size;
        TH_ASSERT(at <= piece->record.bytes + piece->record.size);
    }
}

static void check_record(const ingest_piece *piece)
{
    th_slice value;
    TH_ASSERT(piece->recogniser > INGEST_AUTO && piece->recogniser < INGEST_RECOGNISER_COUNT);
    TH_ASSERT(piece->record.size > 0 && piece->record.size <= TH_RECORD_SIZE_MAX);
    if (th_model_table(ingest_recognisers[piece->recogniser].table)->format == TH_RECORD_JSON)
        TH_ASSERT(th_json_document(piece->record, TH_JSON_DEPTH_MAX, &value, NULL) == TH_OK);
    else
        check_line(piece);
}

static th_err take(void *ctx, const ingest_piece *piece)
{
    object *o = ctx;
    TH_ASSERT(piece->offset >= o->end && piece->size <= o->content.size - piece->offset);
    o->end = piece->offset + piece->size;
    th_slice raw = th_slice_of(o->content.bytes + piece->offset, (size_t)piece->size);
    if (piece->kind == INGEST_REFUSED) {
        TH_ASSERT(piece->reason != NULL && piece->reason[0] != '\0');
        return TH_OK;
    }
    check_record(piece);
    if (o->row_count == ROWS_MAX) return TH_OK;
    ingest_record_mode mode = INGEST_MODE_RAW;
    uint8_t escape = 0;
    if (piece->kind == INGEST_ESCAPED) {
        mode = ingest_escape_find(raw, piece->record, &escape) ? INGEST_MODE_ESCAPED
                                                               : INGEST_MODE_GHOST;
        if (mode == INGEST_MODE_GHOST) escape = 0;
    } else {
        TH_ASSERT(th_slice_equal(raw, piece->record));
    }
    literal(o, piece->offset);
    o->rows[o->row_count] = th_arena_copy(o->arena, piece->record);
    TH_ASSERT(o->rows[o->row_count].bytes != NULL);
    ingest_recipe_record(&o->recipe, mode, escape, 1, 19000, o->row_count++);
    if (mode != INGEST_MODE_GHOST) o->built = piece->offset + piece->size;
    return TH_OK;
}

static void rebuild(object *o, th_buf *out)
{
    ingest_recipe_reader reader = {.in = th_reader_of(th_buf_slice(&o->recipe.steps))};
    ingest_step s;
    while (ingest_recipe_next(&reader, &s)) {
        TH_ASSERT(s.kind == INGEST_STEP_LITERAL || s.kind == INGEST_STEP_RUN);
        if (s.kind == INGEST_STEP_LITERAL) th_buf_add_slice(out, s.bytes);
        for (uint64_t i = 0; i < s.count; i++) {
            bool separator = i > 0 || s.lead;
#ifdef TH_FUZZ_CANARY
            if (i == 2 && s.bytes.size > 1) separator = false;
#endif
            if (s.mode == INGEST_MODE_GHOST) continue;
            if (separator) th_buf_add_slice(out, s.bytes);
            if (s.mode == INGEST_MODE_RAW)
                th_buf_add_slice(out, o->rows[s.first + i]);
            else
                ingest_escape(out, o->rows[s.first + i], s.escape);
        }
    }
    TH_ASSERT(!reader.in.bad);
}

static void check_content(th_slice content, ingest_recogniser_id source)
{
    object *o = calloc(1, sizeof(*o));
    th_buf back;
    TH_ASSERT(o != NULL);
    o->content = content;
    o->arena = th_arena_new(64u << 20, NULL);
    ingest_recipe_init(&o->recipe);
    th_buf_init(&back, content.size + 64);
    ingest_split_result result;
    TH_ASSERT(ingest_split(content, source, take, o, &result) == TH_OK);
    TH_ASSERT(result.records + result.refused == 0 || content.size > 0);
    literal(o, content.size);
    TH_ASSERT(ingest_recipe_finish(&o->recipe) == TH_OK);
    rebuild(o, &back);
    TH_ASSERT(th_buf_error(&back) == TH_OK);
    TH_ASSERT(th_slice_equal(th_buf_slice(&back), content));
    th_buf_free(&back);
    ingest_recipe_free(&o->recipe);
    th_arena_free(o->arena);
    free(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    ingest_recogniser_id source = data[0] < 'A' || data[0] >= 'A' + INGEST_RECOGNISER_COUNT
                                      ? INGEST_AUTO
                                      : (ingest_recogniser_id)(data[0] - 'A');
    th_slice container = th_slice_of(data + 1, size - 1);
    th_buf inflated;
    th_buf_init(&inflated, 4u << 20);
    ingest_inflated facts = {.problem = "none"};
    ingest_inflate_limits limits = {
        .size_max = 1u << 20, .ratio_max = 500, .ratio_from = 64u << 10};
    if (ingest_is_gzip(container))
        TH_ASSERT(ingest_inflate(INGEST_ENGINE_ISAL, container, &limits, gather, &inflated,
                                 &facts) == TH_OK);
    check_content(facts.problem == NULL ? th_buf_slice(&inflated) : container, source);
    th_buf_free(&inflated);
    return 0;
}
