/* SPDX-License-Identifier: Apache-2.0
 * Window functions: partitions of the sorted input are taken in, worked out and given on with one more column a call. */
#include "query/op/window.h"

#include "base/limits.h"

static uint32_t key_count(const window_op *w)
{
    return w->op.plan->expr_count + w->op.plan->sort_count;
}

static const th_expr *key_expr(const window_op *w, uint32_t i)
{
    const th_plan *p = w->op.plan;
    return i < p->expr_count ? p->exprs[i] : p->sorts[i - p->expr_count].expr;
}

/* Where the values of an expression are held. */
static th_err column_of(window_op *w, const th_expr *e, uint32_t *out)
{
    uint32_t n = w->op.plan->inputs[0]->column_count;
    *out = WINDOW_NO_COLUMN;
    if (e == NULL) return TH_OK;
    if (e->kind == TH_X_COLUMN) {
        *out = e->index;
        return TH_OK;
    }
    if (w->extra_count == w->extra_capacity) {
        uint32_t capacity = w->extra_capacity == 0 ? 8 : w->extra_capacity * 2;
        const th_expr **exprs = TH_NEW_ARRAY(w->op.exec->arena, const th_expr *, capacity);
        if (exprs == NULL) return op_memory(&w->op);
        for (uint32_t i = 0; i < w->extra_count; i++) exprs[i] = w->extra_exprs[i];
        w->extra_exprs = exprs;
        w->extra_capacity = capacity;
    }
    w->extra_exprs[w->extra_count] = e;
    *out = n + w->extra_count++;
    return TH_OK;
}

static th_err open_bound(window_op *w, const th_frame_bound *bound, window_bound *out)
{
    out->kind = bound->kind;
    TH_TRY(column_of(w, bound->offset, &out->offset));
    TH_TRY(column_of(w, bound->limit, &out->limit));
    return column_of(w, bound->key, &out->key);
}

static th_err open_call(window_op *w, const th_window_call *call, window_call *c)
{
    const th_agg_call *a = &call->call;
    c->call = call;
    c->args = TH_NEW_ARRAY(w->op.exec->arena, uint32_t, a->arg_count);
    c->order = TH_NEW_ARRAY(w->op.exec->arena, uint32_t, a->order_count);
    if (c->args == NULL || c->order == NULL) return op_memory(&w->op);
    for (uint32_t i = 0; i < a->arg_count; i++) TH_TRY(column_of(w, a->args[i], &c->args[i]));
    for (uint32_t i = 0; i < a->order_count; i++)
        TH_TRY(column_of(w, a->order[i].expr, &c->order[i]));
    TH_TRY(column_of(w, a->filter, &c->filter));
    TH_TRY(open_bound(w, &call->start, &c->start));
    TH_TRY(open_bound(w, &call->end, &c->end));
    return call->kind == TH_W_AGGREGATE ? window_aggregate_open(w, c) : TH_OK;
}

static th_err window_open(th_op *op)
{
    window_op *w = (window_op *)op;
    const th_plan *p = op->plan;
    th_arena **arenas[] = {&w->rows_arena, &w->input_arena, &w->keys_arena, &w->old_keys_arena};
    for (size_t i = 0; i < sizeof arenas / sizeof arenas[0]; i++) {
        *arenas[i] = th_exec_arena(op->exec);
        if (*arenas[i] == NULL) return op_memory(op);
    }
    TH_TRY(th_eval_new_many(op->exec, p->exprs, p->expr_count, &w->partition));
    w->order = TH_NEW_ARRAY(op->exec->arena, th_eval *, p->sort_count);
    w->calls = TH_NEW_ARRAY(op->exec->arena, window_call, p->window_count);
    if (w->order == NULL || w->calls == NULL) return op_memory(op);
    for (uint32_t i = 0; i < p->sort_count; i++)
        TH_TRY(th_eval_new(op->exec, p->sorts[i].expr, &w->order[i]));
    for (uint32_t i = 0; i < p->window_count; i++)
        TH_TRY(open_call(w, &p->windows[i], &w->calls[i]));
    w->width = p->inputs[0]->column_count + w->extra_count;
    return th_eval_new_many(op->exec, w->extra_exprs, w->extra_count, &w->extras);
}

static const th_type *held_type(const window_op *w, uint32_t column)
{
    const th_plan *input = w->op.plan->inputs[0];
    uint32_t n = input->column_count;
    return column < n ? input->columns[column].type : w->extra_exprs[column - n]->type;
}

static th_err forget(window_op *w)
{
    th_arena_reset(w->rows_arena);
    w->rows = w->row_room = w->at = 0;
    w->group_count = w->group_room = w->partition_count = w->partition_room = 0;
    w->columns = TH_NEW_ARRAY(w->rows_arena, th_builder, w->width);
    w->vectors = TH_NEW_ARRAY(w->rows_arena, th_vector, w->width);
    if (w->columns == NULL || w->vectors == NULL) return op_memory(&w->op);
    for (uint32_t i = 0; i < w->width; i++)
        if (!th_builder_init(&w->columns[i], w->rows_arena, held_type(w, i), 64, true))
            return op_memory(&w->op);
    return TH_OK;
}

/* The keys of the last row of a batch outlive it. */
static th_err keep_last_keys(window_op *w)
{
    uint32_t n = key_count(w);
    th_arena *old = w->old_keys_arena;
    w->old_keys_arena = w->keys_arena;
    w->keys_arena = old;
    th_arena_reset(w->keys_arena);
    w->last_keys = TH_NEW_ARRAY(w->keys_arena, th_value, n + 1);
    if (w->last_keys == NULL) return op_memory(&w->op);
    for (uint32_t i = 0; i < n; i++) {
        th_value v;
        th_value_get(&w->in_keys[i], w->in->rows - 1, &v);
        if (!th_value_copy(w->keys_arena, key_expr(w, i)->type, &v, &w->last_keys[i]))
            return op_memory(&w->op);
    }
    return TH_OK;
}

static th_err next_input(window_op *w)
{
    uint32_t n = key_count(w);
    if (w->in != NULL) TH_TRY(keep_last_keys(w));
    do {
        th_arena_reset(w->input_arena);
        TH_TRY(th_op_next(w->op.inputs[0], w->input_arena, &w->in));
    } while (w->in != NULL && w->in->rows == 0);
    w->in_at = 0;
    w->ended = w->in == NULL;
    if (w->ended) return TH_OK;
    w->in_keys = TH_NEW_ARRAY(w->input_arena, th_vector, n);
    w->in_extras = TH_NEW_ARRAY(w->input_arena, th_vector, w->extra_count);
    if (w->in_keys == NULL || w->in_extras == NULL) return op_memory(&w->op);
    for (uint32_t i = 0; i < n; i++) {
        th_eval *e =
            i < w->op.plan->expr_count ? w->partition[i] : w->order[i - w->op.plan->expr_count];
        TH_TRY(th_eval_run(e, w->in, w->input_arena, &w->in_keys[i]));
    }
    for (uint32_t i = 0; i < w->extra_count; i++)
        TH_TRY(th_eval_run(w->extras[i], w->in, w->input_arena, &w->in_extras[i]));
    return TH_OK;
}

/* Do keys [from, to) of this row of the batch equal those of the row before? */
static bool same_keys(const window_op *w, uint32_t row, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        const th_vector *v = &w->in_keys[i];
        th_value a, b;
        if (row > 0 && v->form == TH_DICT && v->codes[row] == v->codes[row - 1]) continue;
        th_value_get(v, row, &a);
        if (row > 0)
            th_value_get(v, row - 1, &b);
        else
            b = w->last_keys[i];
        if (!th_value_same(key_expr(w, i)->type, &a, &b)) return false;
    }
    return true;
}

static bool append(window_op *w, uint32_t **list, uint32_t *room, uint32_t count, uint32_t value)
{
    uint32_t *more;
    if (count == *room) {
        uint32_t wanted = *room == 0 ? 256 : *room * 2;
        more = th_arena_alloc(w->rows_arena, (size_t)wanted * sizeof *more);
        if (more == NULL || wanted > UINT32_MAX / 4) return false;
        if (count > 0) memcpy(more, *list, count * sizeof *more);
        *list = more;
        *room = wanted;
    }
    (*list)[count] = value;
    return true;
}

/* Note where row `row` of the batch belongs. */
static bool note_row(window_op *w, bool new_partition, bool new_group)
{
    if (new_partition &&
        !append(w, &w->partition_starts, &w->partition_room, w->partition_count++, w->rows))
        return false;
    if (new_group && !append(w, &w->group_starts, &w->group_room, w->group_count++, w->rows))
        return false;
    if (!append(w, &w->group_of, &w->row_room, w->rows, w->group_count - 1)) return false;
    w->rows++;
    return true;
}

/* Rows of the batch up to where the held partitions are whole and enough. */
static th_err take_rows(window_op *w, bool *enough)
{
    uint32_t p = w->op.plan->expr_count, n = key_count(w), first = w->in_at, row = first;
    *enough = false;
    for (; row < w->in->rows; row++) {
        bool start = row == 0 && w->last_keys == NULL;
        bool new_partition = w->rows == 0 || start || !same_keys(w, row, 0, p);
        if (new_partition && w->rows >= TH_QUERY_BATCH_ROWS) {
            *enough = true;
            break;
        }
        bool new_group = new_partition || !same_keys(w, row, p, n);
        if (!note_row(w, new_partition, new_group)) return op_memory(&w->op);
    }
    uint32_t columns = w->op.plan->inputs[0]->column_count;
    for (uint32_t c = 0; c < w->width; c++) {
        const th_vector *from = c < columns ? &w->in->columns[c] : &w->in_extras[c - columns];
        th_value v;
        for (uint32_t i = first; i < row; i++) {
            th_value_get(from, i, &v);
            if (!th_builder_add(&w->columns[c], &v)) return op_memory(&w->op);
        }
    }
    w->in_at = row;
    return TH_OK;
}

static th_err work_out(window_op *w, window_call *c)
{
    bool aggregate = c->call->kind == TH_W_AGGREGATE;
    c->codes = th_arena_alloc(w->rows_arena, ((size_t)w->rows + 1) * sizeof *c->codes);
    if (c->codes == NULL || !th_builder_init(&c->values, w->rows_arena, c->call->call.type,
                                             aggregate ? 16 : w->rows, aggregate))
        return op_memory(&w->op);
    for (uint32_t i = 0; i < w->partition_count; i++) {
        window_part part = {w->partition_starts[i], w->partition_starts[i + 1]};
        TH_TRY(aggregate ? window_aggregates(w, c, part) : window_values(w, c, part));
    }
    uint32_t entries = c->values.count;
    th_vector *values = TH_NEW(w->rows_arena, th_vector);
    if (values == NULL) return op_memory(&w->op);
    th_builder_finish(&c->values, values);
    c->result = *values;
    if (entries == w->rows) return TH_OK;
    c->result = (th_vector){.type = values->type,
                            .form = TH_DICT,
                            .count = w->rows,
                            .codes = c->codes,
                            .dictionary = values};
    return TH_OK;
}

/* Hold the next partitions and work out all calls; no rows: the end. */
static th_err fill(window_op *w)
{
    bool enough = false;
    TH_TRY(forget(w));
    while (!enough && !w->ended) {
        if (w->in == NULL || w->in_at == w->in->rows) TH_TRY(next_input(w));
        if (!w->ended) TH_TRY(take_rows(w, &enough));
    }
    if (w->rows == 0) return TH_OK;
    if (!append(w, &w->group_starts, &w->group_room, w->group_count, w->rows) ||
        !append(w, &w->partition_starts, &w->partition_room, w->partition_count, w->rows))
        return op_memory(&w->op);
    for (uint32_t c = 0; c < w->width; c++) th_builder_finish(&w->columns[c], &w->vectors[c]);
    for (uint32_t i = 0; i < w->op.plan->window_count; i++) TH_TRY(work_out(w, &w->calls[i]));
    return TH_OK;
}

static th_err window_next(th_op *op, th_arena *batch, const th_batch **out)
{
    window_op *w = (window_op *)op;
    uint32_t columns = op->plan->inputs[0]->column_count;
    th_vector *vectors;
    *out = NULL;
    if (w->at == w->rows) TH_TRY(fill(w));
    uint32_t n = w->rows - w->at;
    if (n == 0) return TH_OK;
    if (n > TH_QUERY_BATCH_ROWS) n = TH_QUERY_BATCH_ROWS;
    uint32_t *rows = th_arena_alloc(batch, n * sizeof *rows);
    th_batch *result = op_batch_new(op, batch, n, op->plan->column_count, &vectors);
    if (rows == NULL || result == NULL) return op_memory(op);
    for (uint32_t i = 0; i < n; i++) rows[i] = w->at + i;
    for (uint32_t c = 0; c < op->plan->column_count; c++) {
        const th_vector *from = c < columns ? &w->vectors[c] : &w->calls[c - columns].result;
        if (!th_vector_gather(batch, from, rows, n, &vectors[c])) return op_memory(op);
    }
    w->at += n;
    *out = result;
    return TH_OK;
}

static void window_close(th_op *op)
{
    window_op *w = (window_op *)op;
    for (uint32_t i = 0; w->calls != NULL && i < op->plan->window_count; i++)
        window_aggregate_close(&w->calls[i]);
    th_arena_free(w->rows_arena);
    th_arena_free(w->input_arena);
    th_arena_free(w->keys_arena);
    th_arena_free(w->old_keys_arena);
    w->rows_arena = w->input_arena = w->keys_arena = w->old_keys_arena = NULL;
}

const th_op_ops th_op_window = {"Window", sizeof(window_op), window_open, window_next,
                                window_close};
