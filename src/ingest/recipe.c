/* SPDX-License-Identifier: Apache-2.0
 * Recipes written. A log file is a handful of steps: the text before the first record, one run with "," between its
 * records, the text behind. */
#include "ingest/recipe.h"

#include "base/assert.h"

enum { SEPARATOR_MAX = 64 };
enum { FLAG_PLACE = 1, FLAG_SEPARATOR = 2, FLAG_LEAD = 4, FLAG_ESCAPED = 8, FLAG_GHOST = 16 };
#define RECIPE_SIZE_MAX (UINT64_C(1) << 32)

void ingest_recipe_init(ingest_recipe *recipe)
{
    *recipe = (ingest_recipe){0};
    th_buf_init(&recipe->steps, RECIPE_SIZE_MAX);
    th_buf_init(&recipe->gap, INGEST_LITERAL_MAX * 4u);
    th_buf_init(&recipe->separator, SEPARATOR_MAX);
    th_buf_init(&recipe->between, SEPARATOR_MAX);
}

void ingest_recipe_free(ingest_recipe *recipe)
{
    th_buf_free(&recipe->steps);
    th_buf_free(&recipe->gap);
    th_buf_free(&recipe->separator);
    th_buf_free(&recipe->between);
}

static void copy_buf(th_buf *dst, const th_buf *src)
{
    th_buf_clear(dst);
    th_buf_add_slice(dst, th_buf_slice(src));
}

static void add_signed(th_buf *out, int64_t v)
{
    th_buf_add_varint(out, ((uint64_t)v << 1) ^ (uint64_t)(v >> 63));
}

static void write_place(th_buf *out, int32_t day, uint64_t first, uint64_t count, uint64_t size)
{
    add_signed(out, day);
    th_buf_add_varint(out, first);
    th_buf_add_varint(out, count);
    th_buf_add_varint(out, size);
}

static void write_run(ingest_step_writer *w, const ingest_step *s, th_buf *out)
{
    bool place = s->table != w->table || s->day != w->day;
    bool separator = !th_slice_equal(s->bytes, w->separator);
    unsigned flags = (place ? FLAG_PLACE : 0u) | (separator ? FLAG_SEPARATOR : 0u) |
                     (s->lead ? FLAG_LEAD : 0u) |
                     (s->mode == INGEST_MODE_ESCAPED ? FLAG_ESCAPED : 0u) |
                     (s->mode == INGEST_MODE_GHOST ? FLAG_GHOST : 0u);
    th_buf_add_byte(out, INGEST_STEP_RUN);
    th_buf_add_byte(out, (uint8_t)flags);
    if (place) {
        th_buf_add_varint(out, s->table);
        add_signed(out, s->day);
        w->expected = 0;
    }
    if (s->mode == INGEST_MODE_ESCAPED) th_buf_add_byte(out, s->escape);
    if (separator) {
        th_buf_add_varint(out, s->bytes.size);
        th_buf_add_slice(out, s->bytes);
        w->separator = s->bytes;
    }
    add_signed(out, (int64_t)(s->first - w->expected));
    th_buf_add_varint(out, s->count);
    w->table = s->table;
    w->day = s->day;
    w->expected = s->first + s->count;
}

void ingest_step_write(ingest_step_writer *writer, const ingest_step *step, th_buf *out)
{
    switch (step->kind) {
    case INGEST_STEP_LITERAL:
        th_buf_add_byte(out, INGEST_STEP_LITERAL);
        th_buf_add_varint(out, step->bytes.size);
        th_buf_add_slice(out, step->bytes);
        break;
    case INGEST_STEP_RUN: write_run(writer, step, out); break;
    case INGEST_STEP_BLOB:
        th_buf_add_byte(out, INGEST_STEP_BLOB);
        write_place(out, step->day, step->first, step->count, step->size);
        break;
    case INGEST_STEP_MORE: TH_ASSERT(false);
    }
}

/* Write the step that is open. */
static void close_step(ingest_recipe *r)
{
    if (!r->open) return;
    r->open = false;
    if (r->step.kind == INGEST_STEP_RUN) {
        r->step.bytes = r->has_between ? th_buf_slice(&r->between) : r->writer.separator;
        ingest_step_write(&r->writer, &r->step, &r->steps);
        /* `between` will be another run's. */
        if (r->has_between) copy_buf(&r->separator, &r->between);
        r->writer.separator = th_buf_slice(&r->separator);
    } else {
        ingest_step_write(&r->writer, &r->step, &r->steps);
    }
}

static void close_gap(ingest_recipe *r)
{
    if (r->gap.size == 0) return;
    ingest_step gap = {.kind = INGEST_STEP_LITERAL, .bytes = th_buf_slice(&r->gap)};
    ingest_step_write(&r->writer, &gap, &r->steps);
    th_buf_clear(&r->gap);
}

void ingest_recipe_literal(ingest_recipe *recipe, th_slice bytes)
{
    if (recipe->gap.size + bytes.size > INGEST_LITERAL_MAX * 2u) {
        close_step(recipe);
        close_gap(recipe);
    }
    th_buf_add_slice(&recipe->gap, bytes);
}

/* Does the record go on where the open run ends, with the same text between as before? */
static bool extends(ingest_recipe *r, ingest_record_mode mode, uint8_t escape, uint16_t table,
                    int32_t day, uint64_t seq)
{
    const ingest_step *s = &r->step;
    if (!r->open || s->kind != INGEST_STEP_RUN || s->mode != mode || mode == INGEST_MODE_GHOST)
        return false;
    if (s->escape != escape || s->table != table || s->day != day || s->first + s->count != seq)
        return false;
    if (r->has_between) return th_slice_equal(th_buf_slice(&r->gap), th_buf_slice(&r->between));
    if (r->gap.size > SEPARATOR_MAX) return false;
    copy_buf(&r->between, &r->gap);
    r->has_between = true;
    return true;
}

void ingest_recipe_record(ingest_recipe *recipe, ingest_record_mode mode, uint8_t escape,
                          uint16_t table, int32_t day, uint64_t seq)
{
    ingest_recipe *r = recipe;
    if (extends(r, mode, escape, table, day, seq)) {
        r->step.count++;
        th_buf_clear(&r->gap);
        return;
    }
    close_step(r);
    bool lead = mode != INGEST_MODE_GHOST && r->gap.size > 0 &&
                th_slice_equal(th_buf_slice(&r->gap), th_buf_slice(&r->separator));
    if (lead) {
        th_buf_clear(&r->gap);
        copy_buf(&r->between, &r->separator);
    }
    close_gap(r);
    r->has_between = lead;
    r->open = true;
    r->step = (ingest_step){.kind = INGEST_STEP_RUN,
                            .mode = mode,
                            .escape = escape,
                            .table = table,
                            .day = day,
                            .first = seq,
                            .count = 1,
                            .lead = lead};
}

void ingest_recipe_blob(ingest_recipe *recipe, int32_t day, uint64_t seq, uint64_t size)
{
    ingest_recipe *r = recipe;
    ingest_step *s = &r->step;
    if (r->open && s->kind == INGEST_STEP_BLOB && r->gap.size == 0 && s->day == day &&
        s->first + s->count == seq) {
        s->count++;
        s->size += size;
        return;
    }
    close_step(r);
    close_gap(r);
    r->open = true;
    *s =
        (ingest_step){.kind = INGEST_STEP_BLOB, .day = day, .first = seq, .count = 1, .size = size};
}

th_err ingest_recipe_finish(ingest_recipe *recipe)
{
    close_step(recipe);
    close_gap(recipe);
    TH_TRY(th_buf_error(&recipe->gap));
    TH_TRY(th_buf_error(&recipe->separator));
    TH_TRY(th_buf_error(&recipe->between));
    return th_buf_error(&recipe->steps);
}

static void add_text(th_buf *out, th_slice text)
{
    th_buf_add_varint(out, text.size);
    th_buf_add_slice(out, text);
}

void ingest_content_head_write(th_buf *out, const ingest_content_head *head)
{
    th_buf_add_byte(out, INGEST_RECIPE_VERSION);
    th_buf_add(out, head->sha.bytes, TH_SHA256_SIZE);
    th_buf_add_varint(out, head->size);
    add_text(out, head->source);
    th_buf_add_varint(out, head->recogniser_version);
    add_text(out, head->form);
    th_buf_add_varint(out, head->records);
    th_buf_add_varint(out, head->refused);
}

void ingest_step_write_more(th_buf *out, int32_t day, uint64_t first, uint64_t count, uint64_t size)
{
    th_buf_add_byte(out, INGEST_STEP_MORE);
    write_place(out, day, first, count, size);
}

/* ---- reading ---- */

static int64_t take_signed(th_reader *in)
{
    uint64_t v = th_take_varint(in);
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

static int32_t take_day(th_reader *in)
{
    int64_t day = take_signed(in);
    if (day < INT32_MIN || day > INT32_MAX) in->bad = true;
    return in->bad ? 0 : (int32_t)day;
}

static th_slice take_text(th_reader *in)
{
    uint64_t size = th_take_varint(in);
    if (size > (uint64_t)(in->end - in->pos)) in->bad = true;
    return in->bad ? (th_slice){0} : th_take_bytes(in, (size_t)size);
}

th_err ingest_content_head_read(th_slice row, ingest_content_head *head,
                                ingest_recipe_reader *steps, th_diag *diag)
{
    *steps = (ingest_recipe_reader){.in = th_reader_of(row)};
    th_reader *in = &steps->in;
    uint8_t version = th_take_u8(in);
    if (!in->bad && version > INGEST_RECIPE_VERSION)
        return th_fail(diag, TH_EVERSION, NULL, "a content's row has version %u", version);
    th_slice sha = th_take_bytes(in, TH_SHA256_SIZE);
    *head = (ingest_content_head){0};
    if (!in->bad) memcpy(head->sha.bytes, sha.bytes, TH_SHA256_SIZE);
    head->size = th_take_varint(in);
    head->source = take_text(in);
    uint64_t recogniser = th_take_varint(in);
    head->form = take_text(in);
    head->records = th_take_varint(in);
    head->refused = th_take_varint(in);
    if (in->bad || version == 0 || recogniser > UINT32_MAX)
        return th_fail(diag, TH_ECORRUPT, NULL, "a content's row is damaged");
    head->recogniser_version = (uint32_t)recogniser;
    return TH_OK;
}

ingest_recipe_reader ingest_recipe_reader_of(th_slice steps)
{
    return (ingest_recipe_reader){.in = th_reader_of(steps)};
}

void ingest_recipe_reader_more(ingest_recipe_reader *steps, th_slice bytes)
{
    steps->in = th_reader_of(bytes);
}

static void take_run(ingest_recipe_reader *r, ingest_step *step)
{
    th_reader *in = &r->in;
    uint8_t flags = th_take_u8(in);
    step->lead = flags & FLAG_LEAD;
    step->mode = flags & FLAG_ESCAPED ? INGEST_MODE_ESCAPED
                 : flags & FLAG_GHOST ? INGEST_MODE_GHOST
                                      : INGEST_MODE_RAW;
    if (flags & FLAG_PLACE) {
        uint64_t table = th_take_varint(in);
        if (table > UINT16_MAX) in->bad = true;
        r->table = (uint16_t)table;
        r->day = take_day(in);
        r->expected = 0;
    }
    if (flags & FLAG_ESCAPED) step->escape = th_take_u8(in);
    if (flags & FLAG_SEPARATOR) r->separator = take_text(in);
    step->first = r->expected + (uint64_t)take_signed(in);
    step->count = th_take_varint(in);
    if (step->count > UINT64_MAX - step->first) in->bad = true;
    step->table = r->table;
    step->day = r->day;
    step->bytes = r->separator;
    r->expected = step->first + step->count;
}

bool ingest_recipe_next(ingest_recipe_reader *steps, ingest_step *step)
{
    th_reader *in = &steps->in;
    if (in->bad || in->pos == in->end) return false;
    *step = (ingest_step){0};
    uint8_t kind = th_take_u8(in);
    switch (kind) {
    case INGEST_STEP_LITERAL: step->bytes = take_text(in); break;
    case INGEST_STEP_RUN: take_run(steps, step); break;
    case INGEST_STEP_BLOB:
    case INGEST_STEP_MORE:
        step->day = take_day(in);
        step->first = th_take_varint(in);
        step->count = th_take_varint(in);
        step->size = th_take_varint(in);
        if (step->count > UINT64_MAX - step->first) in->bad = true;
        break;
    default: in->bad = true;
    }
    step->kind = (ingest_step_kind)kind;
    return !in->bad;
}
