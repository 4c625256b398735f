/* SPDX-License-Identifier: Apache-2.0
 * The evaluator: compiling, frames, columns and fields (query/eval.h). Calls are in eval_call.c, what evaluates
 * lazily in eval_logic.c, subqueries in eval_plan.c. */
#include "query/eval.h"

#include "base/limits.h"
#include "query/eval_internal.h"

static th_err no_memory(th_exec *exec)
{
    return th_fail_memory(exec->diag);
}

th_err eval_memory(eval_frame *frame)
{
    return no_memory(frame->eval->exec);
}

/* covered: a node above remembers all that this one makes. */
static th_err compile(th_eval *eval, const th_expr *x, uint32_t depth, bool covered,
                      eval_node *node)
{
    th_exec *exec = eval->exec;
    *node = (eval_node){.expr = x,
                        .is_constant_list = x->kind == TH_X_IN,
                        .memo_column = covered ? UINT32_MAX : eval_memo_column(x)};
    covered = covered || node->memo_column != UINT32_MAX;
    if (depth > TH_SQL_DEPTH_MAX)
        return th_fail_at(exec->diag, TH_ELIMIT, NULL, x->line, x->column,
                          "Expression is nested too deeply");
    if (x->kind == TH_X_LAMBDA && x->index + x->index2 > eval->param_slots)
        eval->param_slots = x->index + x->index2;
    if (x->child_count == 0) return TH_OK;
    node->children = TH_NEW_ARRAY(exec->arena, eval_node, x->child_count);
    node->arg_types = TH_NEW_ARRAY(exec->arena, const th_type *, x->child_count);
    if (node->children == NULL || node->arg_types == NULL) return no_memory(exec);
    for (uint32_t i = 0; i < x->child_count; i++) {
        node->arg_types[i] = x->children[i]->type;
        TH_TRY(compile(eval, x->children[i], depth + 1, covered, &node->children[i]));
        if (i > 0 && x->kind == TH_X_IN && !th_expr_is_constant(x->children[i]))
            node->is_constant_list = false;
    }
    return TH_OK;
}

th_err th_eval_new(th_exec *exec, const th_expr *expr, th_eval **out)
{
    th_eval *eval = TH_NEW(exec->arena, th_eval);
    if (eval == NULL) return no_memory(exec);
    eval->exec = exec;
    TH_TRY(compile(eval, expr, 0, false, &eval->root));
    *out = eval;
    return TH_OK;
}

th_err th_eval_new_many(th_exec *exec, const th_expr *const *exprs, uint32_t count, th_eval ***out)
{
    th_eval **evals = TH_NEW_ARRAY(exec->arena, th_eval *, count);
    if (evals == NULL) return no_memory(exec);
    for (uint32_t i = 0; i < count; i++) TH_TRY(th_eval_new(exec, exprs[i], &evals[i]));
    *out = evals;
    return TH_OK;
}

/* Stored into arena-owned memory so that frames of the recursion stay small. */
static th_err select_params(const eval_frame *frame, const uint32_t *sel, uint32_t count,
                            eval_frame *out)
{
    uint32_t slots = frame->eval->param_slots;
    const th_vector **params = TH_NEW_ARRAY(frame->arena, const th_vector *, slots);
    th_vector *vectors = TH_NEW_ARRAY(frame->arena, th_vector, slots);
    if (params == NULL || vectors == NULL) return no_memory(frame->eval->exec);
    for (uint32_t i = 0; i < slots; i++) {
        if (frame->params[i] == NULL) continue;
        if (!th_vector_gather(frame->arena, frame->params[i], sel, count, &vectors[i]))
            return no_memory(frame->eval->exec);
        params[i] = &vectors[i];
    }
    out->params = params;
    return TH_OK;
}

static const uint32_t *compose(th_arena *arena, const uint32_t *outer, const uint32_t *sel,
                               uint32_t count)
{
    if (outer == NULL) return sel;
    uint32_t *rows = th_arena_alloc(arena, (size_t)count * sizeof *rows);
    if (rows == NULL) return NULL;
    for (uint32_t i = 0; i < count; i++) rows[i] = outer[sel[i]];
    return rows;
}

th_err eval_select(const eval_frame *frame, const uint32_t *sel, uint32_t count, eval_frame *out)
{
    *out = *frame;
    out->count = count;
    out->rows = compose(frame->arena, frame->rows, sel, count);
    if (out->rows == NULL) return no_memory(frame->eval->exec);
    if (frame->failed != NULL) {
        out->origin = compose(frame->arena, frame->origin, sel, count);
        if (out->origin == NULL) return no_memory(frame->eval->exec);
    }
    return frame->params == NULL ? TH_OK : select_params(frame, sel, count, out);
}

bool eval_is_catchable(const th_diag *diag)
{
    static const char *const names[] = {
        "DIVISION_BY_ZERO",           "INVALID_CAST_ARGUMENT",       "INVALID_FUNCTION_ARGUMENT",
        "NUMERIC_VALUE_OUT_OF_RANGE", "JSON_INPUT_CONVERSION_ERROR", "JSON_VALUE_RESULT_ERROR",
        "JSON_QUERY_RESULT_ERROR",    "PATH_EVALUATION_ERROR"};
    if (diag->code != TH_ESQL) return false;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(diag->name, names[i]) == 0) return true;
    return false;
}

void eval_mark_failed(const eval_frame *frame, uint32_t i)
{
    uint32_t row = frame->origin == NULL ? i : frame->origin[i];
    frame->failed[row >> 6] |= UINT64_C(1) << (row & 63);
}

static th_err eval_column(eval_node *node, eval_frame *frame, th_vector *out)
{
    const th_vector *column = &frame->batch->columns[node->expr->index];
    if (frame->rows == NULL) {
        *out = *column;
        return TH_OK;
    }
    return th_vector_gather(frame->arena, column, frame->rows, frame->count, out)
               ? TH_OK
               : eval_memory(frame);
}

static th_err eval_constant(const th_vector *constant, eval_frame *frame, th_vector *out)
{
    *out = *constant;
    out->form = TH_CONST;
    out->count = frame->count;
    return TH_OK;
}

/* Field of the physical rows: the child, NULL where the row is. */
static th_err field_of_base(eval_frame *frame, const th_vector *base, uint32_t field,
                            uint32_t count, th_vector *out)
{
    const th_vector *child = &base->children[field];
    if (base->valid == NULL || child->form == TH_CONST) {
        bool all_null = base->valid != NULL;
        *out = *child;
        if (!all_null) return TH_OK;
    }
    if (child->form == TH_FLAT) {
        size_t words = ((size_t)count + 63) / 64;
        uint64_t *valid = th_arena_alloc(frame->arena, words * 8);
        if (valid == NULL) return eval_memory(frame);
        for (size_t i = 0; i < words; i++)
            valid[i] = base->valid[i] & (child->valid == NULL ? ~UINT64_C(0) : child->valid[i]);
        *out = *child;
        out->valid = valid;
        return TH_OK;
    }
    th_builder b;
    th_value v;
    if (!th_builder_init(&b, frame->arena, child->type, count, false)) return eval_memory(frame);
    for (uint32_t i = 0; i < count; i++) {
        th_value_get(child, i, &v);
        if (!th_bit_get(base->valid, i)) v.null = true;
        if (!th_builder_add(&b, &v)) return eval_memory(frame);
    }
    th_builder_finish(&b, out);
    return TH_OK;
}

static th_err eval_field(eval_node *node, eval_frame *frame, th_vector *out)
{
    th_vector *row = TH_NEW(frame->arena, th_vector), *field = TH_NEW(frame->arena, th_vector);
    if (row == NULL || field == NULL) return eval_memory(frame);
    TH_TRY(eval_node_run(&node->children[0], frame, row));
    const th_vector *base = th_vector_base(row);
    if (row->form == TH_CONST) {
        th_value v, f = {.null = true};
        th_value_get(row, 0, &v);
        if (!v.null) th_value_field(&v, node->expr->index, &f);
        th_vector *c = th_vector_const(frame->arena, node->expr->type, &f, frame->count);
        if (c == NULL) return eval_memory(frame);
        *out = *c;
        return TH_OK;
    }
    TH_TRY(field_of_base(frame, base, node->expr->index, base->count, field));
    field->count = base->count;
    if (row->form == TH_FLAT) {
        *out = *field;
        return TH_OK;
    }
    if (field->form == TH_FLAT) {
        *out = (th_vector){.type = field->type,
                           .form = TH_DICT,
                           .count = frame->count,
                           .codes = row->codes,
                           .dictionary = field};
        return TH_OK;
    }
    return th_vector_gather(frame->arena, field, row->codes, frame->count, out)
               ? TH_OK
               : eval_memory(frame);
}

th_err eval_node_run(eval_node *node, eval_frame *frame, th_vector *out)
{
    if (node->memo_column != UINT32_MAX) {
        bool done;
        TH_TRY(eval_memo_run(node, frame, out, &done));
        if (done) return TH_OK;
    }
    switch (node->expr->kind) {
    case TH_X_CONST: return eval_constant(node->expr->constant, frame, out);
    case TH_X_COLUMN: return eval_column(node, frame, out);
    case TH_X_FIELD: return eval_field(node, frame, out);
    case TH_X_CALL: return eval_call(node, frame, out);
    case TH_X_CAST: return eval_cast(node, frame, out);
    case TH_X_AND:
    case TH_X_OR: return eval_logic(node, frame, out);
    case TH_X_NOT: return eval_not(node, frame, out);
    case TH_X_IS_NULL: return eval_is_null(node, frame, out);
    case TH_X_CASE: return eval_case(node, frame, out);
    case TH_X_COALESCE: return eval_coalesce(node, frame, out);
    case TH_X_IN: return eval_in(node, frame, out);
    case TH_X_TRY: return eval_try(node, frame, out);
    case TH_X_PARAM: *out = *frame->params[node->expr->index]; return TH_OK;
    case TH_X_SCALAR:
    case TH_X_EXISTS:
    case TH_X_IN_PLAN: return eval_subquery(node, frame, out);
    case TH_X_OUTER:
    case TH_X_LAMBDA: break;
    }
    return th_fail_at(frame->eval->exec->diag, TH_ESQL, "SYNTAX_ERROR", node->expr->line,
                      node->expr->column, "A lambda is not allowed here");
}

th_err th_eval_run(th_eval *eval, const th_batch *batch, th_arena *arena, th_vector *out)
{
    eval_frame frame = {.eval = eval, .arena = arena, .batch = batch, .count = batch->rows};
    if (eval->param_slots > 0) {
        frame.params = TH_NEW_ARRAY(arena, const th_vector *, eval->param_slots);
        if (frame.params == NULL) return eval_memory(&frame);
    }
    TH_TRY(eval_node_run(&eval->root, &frame, out));
    out->count = batch->rows;
    return TH_OK;
}

static uint32_t filter_flat(const uint8_t *truth, const uint64_t *valid, uint32_t rows,
                            uint32_t *out)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < rows; i++) {
        out[n] = i;
        n += truth[i] && (valid == NULL || th_bit_get(valid, i));
    }
    return n;
}

static uint32_t filter_dict(const th_vector *v, uint32_t *out)
{
    const th_vector *d = v->dictionary;
    uint32_t n = 0;
    for (uint32_t i = 0; i < v->count; i++) {
        uint32_t code = v->codes[i];
        out[n] = i;
        n += d->data.u8[code] && (d->valid == NULL || th_bit_get(d->valid, code));
    }
    return n;
}

th_err th_eval_filter(th_eval *eval, const th_batch *batch, th_arena *arena, const uint32_t **rows,
                      uint32_t *count)
{
    th_vector *v = TH_NEW(arena, th_vector);
    uint32_t *out = th_arena_alloc(arena, ((size_t)batch->rows + 1) * sizeof *out);
    if (v == NULL || out == NULL) return no_memory(eval->exec);
    TH_TRY(th_eval_run(eval, batch, arena, v));
    *rows = out;
    if (v->type->kind == TH_UNKNOWN) {
        *count = 0;
    } else if (v->form == TH_FLAT) {
        *count = filter_flat(v->data.u8, v->valid, batch->rows, out);
    } else if (v->form == TH_DICT) {
        *count = filter_dict(v, out);
    } else {
        bool all = !th_vector_is_null(v, 0) && v->data.u8[0];
        for (uint32_t i = 0; all && i < batch->rows; i++) out[i] = i;
        *count = all ? batch->rows : 0;
    }
    return TH_OK;
}
