/* SPDX-License-Identifier: Apache-2.0
 * Sort and top-N. Rows are kept in builders; with a limit they are cut down to it whenever they have doubled. When
 * memory is nearly used up, what is held goes to disk as a sorted run, and the runs are merged at the end. */
#include <stdlib.h>

#include "base/limits.h"
#include "query/fn/call.h"
#include "query/op/spill.h"

#define RUNS_MAX 64u /* that are merged at once */
#define RUN_ROWS 512u

/* A sorted run while it is merged. */
typedef struct sort_run {
    spill *file;
    th_arena *buffers, *arena; /* of the file; of the rows */
    th_vector *vectors;
    uint32_t rows, at;
} sort_run;

typedef struct sort_op {
    th_op op;
    th_arena *rows_arena, *spare_arena, *input_arena;
    th_eval **keys;
    th_builder *columns; /* the plan's columns, then the keys */
    th_vector *vectors;
    uint32_t *order;
    uint32_t rows;
    uint64_t at, total;
    bool sorted, merging;
    const th_type **types;
    sort_run runs[RUNS_MAX];
    uint32_t run_count;
    uint64_t run_rows;
} sort_op;

typedef struct sort_context {
    const th_vector *keys;
    const th_sort_key *specs;
    uint32_t count;
    th_query_control *control;
    uint32_t compared;
    bool stopped; /* canceled or too late: what is left to compare is not looked at */
} sort_context;

static int compare_rows(const void *pa, const void *pb, void *ctx)
{
    sort_context *c = ctx;
    uint32_t a = *(const uint32_t *)pa, b = *(const uint32_t *)pb;
    th_value x, y;
    if (++c->compared % 4096 == 0 && !c->stopped)
        c->stopped = th_control_check(c->control, NULL) != TH_OK;
    if (c->stopped) return (a > b) - (a < b);
    for (uint32_t i = 0; i < c->count; i++) {
        th_value_get(&c->keys[i], a, &x);
        th_value_get(&c->keys[i], b, &y);
        if (x.null || y.null) {
            if (x.null == y.null) continue;
            return x.null == c->specs[i].nulls_first ? -1 : 1;
        }
        int r = th_value_compare(c->keys[i].type, &x, &y);
        if (r != 0) return c->specs[i].descending ? -r : r;
    }
    return (a > b) - (a < b);
}

static int compare_numbers(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static uint32_t width_of(const sort_op *s)
{
    return s->op.plan->column_count + s->op.plan->sort_count;
}

static const th_type *type_of(const sort_op *s, uint32_t i)
{
    const th_plan *p = s->op.plan;
    return i < p->column_count ? p->columns[i].type : p->sorts[i - p->column_count].expr->type;
}

static th_err builders_new(sort_op *s)
{
    s->columns = TH_NEW_ARRAY(s->rows_arena, th_builder, width_of(s));
    if (s->columns == NULL) return op_memory(&s->op);
    for (uint32_t i = 0; i < width_of(s); i++)
        if (!th_builder_init(&s->columns[i], s->rows_arena, type_of(s, i), 64, true))
            return op_memory(&s->op);
    s->rows = 0;
    return TH_OK;
}

static th_err sort_open(th_op *op)
{
    sort_op *s = (sort_op *)op;
    const th_plan *p = op->plan;
    s->rows_arena = th_exec_arena(op->exec);
    s->spare_arena = th_exec_arena(op->exec);
    s->input_arena = th_exec_arena(op->exec);
    s->keys = TH_NEW_ARRAY(op->exec->arena, th_eval *, p->sort_count);
    if (s->rows_arena == NULL || s->spare_arena == NULL || s->input_arena == NULL ||
        s->keys == NULL)
        return op_memory(op);
    for (uint32_t i = 0; i < p->sort_count; i++)
        TH_TRY(th_eval_new(op->exec, p->sorts[i].expr, &s->keys[i]));
    s->types = TH_NEW_ARRAY(op->exec->arena, const th_type *, width_of(s));
    if (s->types == NULL) return op_memory(op);
    for (uint32_t i = 0; i < width_of(s); i++) s->types[i] = type_of(s, i);
    return builders_new(s);
}

/* The numbers of the batch's first `most` rows by the keys, in the batch's order: a heap with the last of them on top. */
static th_err first_rows(sort_op *s, const th_vector *keys, uint32_t rows, uint32_t most,
                         const uint32_t **out)
{
    sort_context c = {.keys = keys, .specs = s->op.plan->sorts, .count = s->op.plan->sort_count};
    uint32_t *heap = th_arena_alloc(s->input_arena, ((size_t)most + 1) * sizeof *heap), n = 0;
    if (heap == NULL) return op_memory(&s->op);
    for (uint32_t row = 0; row < rows; row++) {
        uint32_t at;
        if (n < most) {
            for (at = n++; at > 0 && compare_rows(&row, &heap[(at - 1) / 2], &c) > 0;
                 at = (at - 1) / 2)
                heap[at] = heap[(at - 1) / 2];
            heap[at] = row;
            continue;
        }
        if (compare_rows(&row, &heap[0], &c) > 0) continue;
        for (at = 0;;) {
            uint32_t child = 2 * at + 1;
            if (child >= most) break;
            if (child + 1 < most && compare_rows(&heap[child + 1], &heap[child], &c) > 0) child++;
            if (compare_rows(&heap[child], &row, &c) <= 0) break;
            heap[at] = heap[child];
            at = child;
        }
        heap[at] = row;
    }
    qsort(heap, n, sizeof *heap, compare_numbers);
    *out = heap;
    return TH_OK;
}

static th_err gather(sort_op *s, th_batch *batch, const uint32_t *rows, uint32_t count)
{
    th_vector *vectors = TH_NEW_ARRAY(s->input_arena, th_vector, batch->column_count);
    if (vectors == NULL) return op_memory(&s->op);
    TH_TRY(op_batch_gather(&s->op, s->input_arena, batch, rows, count, vectors));
    *batch = (th_batch){count, batch->column_count, vectors};
    return TH_OK;
}

/* Of a batch much larger than the limit only what can be among the first. */
static th_err add_first(sort_op *s, const th_batch *in, const th_vector *keys, uint32_t most)
{
    const th_plan *p = s->op.plan;
    const uint32_t *rows;
    th_batch batch = *in;
    th_batch key_batch = {.rows = in->rows, .column_count = p->sort_count, .columns = keys};
    TH_TRY(first_rows(s, keys, in->rows, most, &rows));
    TH_TRY(gather(s, &batch, rows, most));
    TH_TRY(gather(s, &key_batch, rows, most));
    TH_TRY(op_builders_add(&s->op, s->columns, &batch));
    TH_TRY(op_builders_add(&s->op, s->columns + p->column_count, &key_batch));
    s->rows += most;
    return TH_OK;
}

static th_err add_batch(sort_op *s, const th_batch *in, uint64_t limit)
{
    const th_plan *p = s->op.plan;
    th_vector *keys = TH_NEW_ARRAY(s->input_arena, th_vector, p->sort_count);
    if (keys == NULL) return op_memory(&s->op);
    for (uint32_t i = 0; i < p->sort_count; i++)
        TH_TRY(th_eval_run(s->keys[i], in, s->input_arena, &keys[i]));
    if (limit > 0 && limit < in->rows / 4 && !s->op.exec->env->options.plain_vectors)
        return add_first(s, in, keys, (uint32_t)limit);
    th_batch key_batch = {.rows = in->rows, .column_count = p->sort_count, .columns = keys};
    TH_TRY(op_builders_add(&s->op, s->columns, in));
    TH_TRY(op_builders_add(&s->op, s->columns + p->column_count, &key_batch));
    s->rows += in->rows;
    return TH_OK;
}

/* Turn the builders into vectors and find the order of their rows. */
static th_err order_rows(sort_op *s)
{
    const th_plan *p = s->op.plan;
    s->vectors = TH_NEW_ARRAY(s->rows_arena, th_vector, width_of(s));
    s->order = th_arena_alloc(s->rows_arena, ((size_t)s->rows + 1) * sizeof *s->order);
    if (s->vectors == NULL || s->order == NULL) return op_memory(&s->op);
    for (uint32_t i = 0; i < width_of(s); i++) th_builder_finish(&s->columns[i], &s->vectors[i]);
    for (uint32_t i = 0; i < s->rows; i++) s->order[i] = i;
    sort_context c = {.keys = s->vectors + p->column_count,
                      .specs = p->sorts,
                      .count = p->sort_count,
                      .control = s->op.exec->env->control};
    qsort_r(s->order, s->rows, sizeof *s->order, compare_rows, &c);
    return c.stopped ? th_control_check(c.control, s->op.exec->diag) : TH_OK;
}

/* Top-N: keep the first limit rows in a fresh arena. */
static th_err cut(sort_op *s, uint64_t limit)
{
    th_value v;
    TH_TRY(order_rows(s));
    const th_vector *old = s->vectors;
    const uint32_t *order = s->order;
    uint32_t keep = s->rows < limit ? s->rows : (uint32_t)limit;
    th_arena *full = s->rows_arena;
    s->rows_arena = s->spare_arena;
    s->spare_arena = full;
    TH_TRY(builders_new(s));
    for (uint32_t c = 0; c < width_of(s); c++) {
        for (uint32_t i = 0; i < keep; i++) {
            th_value_get(&old[c], order[i], &v);
            if (!th_builder_add(&s->columns[c], &v)) return op_memory(&s->op);
        }
    }
    s->rows = keep;
    th_arena_reset(s->spare_arena);
    return TH_OK;
}

static th_err fresh_rows(sort_op *s)
{
    th_arena_free(s->rows_arena);
    s->rows_arena = th_exec_arena(s->op.exec);
    return s->rows_arena == NULL ? op_memory(&s->op) : builders_new(s);
}

static th_err refill(sort_op *s, sort_run *run)
{
    th_arena_reset(run->arena);
    run->at = 0;
    run->vectors = TH_NEW_ARRAY(run->arena, th_vector, width_of(s));
    if (run->vectors == NULL) return op_memory(&s->op);
    return spill_read(run->file, run->arena, RUN_ROWS, run->vectors, &run->rows);
}

static void run_close(sort_run *run)
{
    spill_close(run->file);
    th_arena_free(run->buffers);
    th_arena_free(run->arena);
    *run = (sort_run){0};
}

static th_err start_merge(sort_op *s)
{
    for (uint32_t i = 0; i < s->run_count; i++) {
        sort_run *run = &s->runs[i];
        run->buffers = th_exec_arena(s->op.exec);
        run->arena = th_exec_arena(s->op.exec);
        if (run->buffers == NULL || run->arena == NULL) return op_memory(&s->op);
        TH_TRY(spill_rewind(run->file, run->buffers));
        TH_TRY(refill(s, run));
    }
    return TH_OK;
}

/* Rows that compare equal come from the earlier run first, as they came in. */
static int compare_runs(const sort_op *s, const sort_run *a, const sort_run *b)
{
    const th_plan *p = s->op.plan;
    th_value x, y;
    for (uint32_t i = 0; i < p->sort_count; i++) {
        th_value_get(&a->vectors[p->column_count + i], a->at, &x);
        th_value_get(&b->vectors[p->column_count + i], b->at, &y);
        if (x.null || y.null) {
            if (x.null == y.null) continue;
            return x.null == p->sorts[i].nulls_first ? -1 : 1;
        }
        int r = th_value_compare(p->sorts[i].expr->type, &x, &y);
        if (r != 0) return p->sorts[i].descending ? -r : r;
    }
    return 0;
}

/* The run with the next row, or NULL. */
static sort_run *least_run(sort_op *s)
{
    sort_run *best = NULL;
    for (uint32_t i = 0; i < s->run_count; i++) {
        sort_run *run = &s->runs[i];
        if (run->at == run->rows) continue;
        if (best == NULL || compare_runs(s, run, best) < 0) best = run;
    }
    return best;
}

static th_err pass(sort_op *s, sort_run *run)
{
    return ++run->at == run->rows ? refill(s, run) : TH_OK;
}

/* All runs into one, when there are too many. */
static th_err merge_runs(sort_op *s)
{
    spill *all;
    sort_run *run;
    th_arena *buffers = th_exec_arena(s->op.exec);
    if (buffers == NULL) return op_memory(&s->op);
    th_err err = start_merge(s);
    if (err == TH_OK) err = spill_new(&s->op, buffers, width_of(s), s->types, &all);
    if (err != TH_OK) all = NULL;
    while (err == TH_OK && (run = least_run(s)) != NULL) {
        err = spill_add(all, run->vectors, run->at);
        if (err == TH_OK) err = pass(s, run);
        if (err == TH_OK && spill_rows(all) % 4096 == 0)
            err = th_control_check(s->op.exec->env->control, s->op.exec->diag);
    }
    if (err == TH_OK) err = spill_end(all);
    th_arena_free(buffers);
    if (err != TH_OK) {
        spill_close(all);
        return err;
    }
    for (uint32_t i = 0; i < s->run_count; i++) run_close(&s->runs[i]);
    s->runs[0].file = all;
    s->run_count = 1;
    return TH_OK;
}

/* What is held goes to disk in order. */
static th_err write_run(sort_op *s)
{
    if (s->rows == 0) return TH_OK;
    TH_TRY(order_rows(s));
    if (s->run_count == RUNS_MAX) TH_TRY(merge_runs(s));
    th_arena *buffers = th_exec_arena(s->op.exec);
    if (buffers == NULL) return op_memory(&s->op);
    sort_run *run = &s->runs[s->run_count++];
    *run = (sort_run){0};
    th_err err = spill_new(&s->op, buffers, width_of(s), s->types, &run->file);
    for (uint32_t i = 0; err == TH_OK && i < s->rows; i++) {
        err = spill_add(run->file, s->vectors, s->order[i]);
        if (err == TH_OK && i % 4096 == 0)
            err = th_control_check(s->op.exec->env->control, s->op.exec->diag);
    }
    if (err == TH_OK) err = spill_end(run->file);
    th_arena_free(buffers);
    s->run_rows += s->rows;
    return err == TH_OK ? fresh_rows(s) : err;
}

static th_err take_input(sort_op *s, uint64_t limit)
{
    const th_batch *in;
    for (;;) {
        th_arena_reset(s->input_arena);
        TH_TRY(th_op_next(s->op.inputs[0], s->input_arena, &in));
        if (in == NULL) break;
        if (in->rows == 0) continue;
        if (s->rows > UINT32_MAX / 4) return op_memory(&s->op);
        TH_TRY(add_batch(s, in, limit));
        if (limit < UINT32_MAX / 8 && s->rows >= 2 * limit + TH_QUERY_BATCH_ROWS)
            TH_TRY(cut(s, limit));
        else if (spill_wanted(&s->op, th_arena_used(s->rows_arena)))
            TH_TRY(write_run(s));
    }
    th_arena_reset(s->input_arena);
    return TH_OK;
}

static th_err consume(sort_op *s)
{
    const th_plan *p = s->op.plan;
    uint64_t limit = p->has_limit ? p->limit_rows + p->offset_rows : UINT64_MAX;
    if (limit < p->offset_rows) limit = UINT64_MAX;
    TH_TRY(take_input(s, limit));
    s->merging = s->run_count > 0;
    if (s->merging) TH_TRY(write_run(s));
    TH_TRY(s->merging ? start_merge(s) : order_rows(s));
    uint64_t rows = s->merging ? s->run_rows : s->rows;
    s->total = rows < limit ? rows : limit;
    s->at = s->merging || p->offset_rows < s->total ? p->offset_rows : s->total;
    for (uint64_t i = 0; s->merging && i < p->offset_rows && i < s->total; i++)
        TH_TRY(pass(s, least_run(s)));
    if (s->at > s->total) s->at = s->total;
    s->sorted = true;
    return TH_OK;
}

static th_err merged_rows(sort_op *s, th_arena *batch, uint32_t n, th_vector *vectors)
{
    uint32_t width = s->op.plan->column_count;
    th_builder *builders = TH_NEW_ARRAY(batch, th_builder, width);
    th_value v;
    if (builders == NULL) return op_memory(&s->op);
    for (uint32_t c = 0; c < width; c++)
        if (!th_builder_init(&builders[c], batch, s->types[c], n, true)) return op_memory(&s->op);
    for (uint32_t i = 0; i < n; i++) {
        sort_run *run = least_run(s);
        for (uint32_t c = 0; c < width; c++) {
            th_value_get(&run->vectors[c], run->at, &v);
            if (!th_builder_add(&builders[c], &v)) return op_memory(&s->op);
        }
        TH_TRY(pass(s, run));
    }
    for (uint32_t c = 0; c < width; c++) th_builder_finish(&builders[c], &vectors[c]);
    return TH_OK;
}

static th_err sort_next(th_op *op, th_arena *batch, const th_batch **out)
{
    sort_op *s = (sort_op *)op;
    th_vector *vectors;
    *out = NULL;
    if (!s->sorted) TH_TRY(consume(s));
    uint64_t left = s->total - s->at;
    if (left == 0) return TH_OK;
    uint32_t n = left > TH_QUERY_BATCH_ROWS ? TH_QUERY_BATCH_ROWS : (uint32_t)left;
    th_batch *result = op_batch_new(op, batch, n, op->plan->column_count, &vectors);
    if (result == NULL) return op_memory(op);
    if (s->merging) TH_TRY(merged_rows(s, batch, n, vectors));
    for (uint32_t c = 0; c < op->plan->column_count && !s->merging; c++)
        if (!th_vector_gather(batch, &s->vectors[c], s->order + s->at, n, &vectors[c]))
            return op_memory(op);
    s->at += n;
    *out = result;
    return TH_OK;
}

static void sort_close(th_op *op)
{
    sort_op *s = (sort_op *)op;
    for (uint32_t i = 0; i < s->run_count; i++) run_close(&s->runs[i]);
    s->run_count = 0;
    th_arena_free(s->rows_arena);
    th_arena_free(s->spare_arena);
    th_arena_free(s->input_arena);
    s->rows_arena = s->spare_arena = s->input_arena = NULL;
}

const th_op_ops th_op_sort = {"Sort", sizeof(sort_op), sort_open, sort_next, sort_close};
