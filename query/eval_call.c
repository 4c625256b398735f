/* SPDX-License-Identifier: Apache-2.0
 * Calls and casts: constants once, dictionaries once an entry, kernels over plain arrays, else row by row. */
#include "query/eval_internal.h"
#include "query/fn/families.h"

static th_err call_lambda(th_fn_call *call, uint32_t arg, const uint32_t *rows, uint32_t count,
                          const th_vector *const *params, th_vector *out);

typedef struct lambda_place {
    eval_node *node;
    eval_frame *frame;
} lambda_place;

void eval_call_init(eval_node *node, eval_frame *frame, th_fn_call *call)
{
    th_exec *exec = frame->eval->exec;
    *call = (th_fn_call){.arena = frame->arena,
                         .query = exec->arena,
                         .scratch = &exec->scratch,
                         .type = node->expr->type,
                         .arg_types = node->arg_types,
                         .arg_count = node->expr->child_count,
                         .state = &node->state,
                         .now_us = exec->env->now_us,
                         .zone = exec->env->zone,
                         .user = exec->env->user,
                         .control = exec->env->control,
                         .line = node->expr->line,
                         .column = node->expr->column,
                         .diag = exec->diag,
                         .lambda = call_lambda};
}

static th_err call_lambda(th_fn_call *call, uint32_t arg, const uint32_t *rows, uint32_t count,
                          const th_vector *const *params, th_vector *out)
{
    lambda_place *place = call->lambda_ctx;
    eval_node *lambda = &place->node->children[arg];
    eval_frame inner;
    TH_TRY(fn_check(call));
    TH_TRY(eval_select(place->frame, rows, count, &inner));
    for (uint32_t i = 0; i < lambda->expr->index2; i++)
        inner.params[lambda->expr->index + i] = params[i];
    TH_TRY(eval_node_run(&lambda->children[0], &inner, out));
    out->count = count;
    return TH_OK;
}

/* One call; *out is NULL when an argument is and the function does not ask for NULLs. */
static th_err one(th_fn_call *call, th_fn_row row, uint32_t flags, const th_value *args,
                  uint32_t count, th_value *out)
{
    *out = (th_value){0};
    if ((flags & TH_FN_NULLS) == 0) {
        for (uint32_t i = 0; i < count; i++) {
            if (!args[i].null) continue;
            out->null = true;
            return TH_OK;
        }
    }
    return row(call, args, out);
}

/* After a failed call: true when TRY takes it and *out became NULL. */
static bool caught(th_fn_call *call, const eval_frame *frame, th_value *out)
{
    if (frame->failed == NULL || !eval_is_catchable(call->diag)) return false;
    th_diag_clear(call->diag);
    *out = (th_value){.null = true};
    return true;
}

static th_err rows_constant(eval_frame *frame, th_fn_call *call, th_fn_row row, uint32_t flags,
                            const th_vector *const *args, uint32_t arg_count, th_value *values,
                            th_vector *out)
{
    th_value v = {.null = true};
    for (uint32_t i = 0; i < arg_count; i++) th_value_get(args[i], 0, &values[i]);
    if (frame->count > 0) {
        th_err e = one(call, row, flags, values, arg_count, &v);
        if (e != TH_OK) {
            if (!caught(call, frame, &v)) return e;
            for (uint32_t i = 0; i < frame->count; i++) eval_mark_failed(frame, i);
        }
    }
    th_vector *c = th_vector_const(frame->arena, call->type, &v, frame->count);
    if (c == NULL) return fn_memory(call);
    *out = *c;
    return TH_OK;
}

/* One argument is a dictionary, the others are constant: run for each entry in use. */
static th_err rows_dictionary(eval_frame *frame, th_fn_call *call, th_fn_row row, uint32_t flags,
                              const th_vector *const *args, uint32_t arg_count, uint32_t which,
                              th_value *values, th_vector *out)
{
    const th_vector *v = args[which], *d = v->dictionary;
    th_builder b;
    th_value x;
    uint8_t *used = TH_NEW_ARRAY(frame->arena, uint8_t, d->count); /* 1 used, 2 failed */
    th_vector *entries = TH_NEW(frame->arena, th_vector);
    bool any_failed = false;
    if (used == NULL || entries == NULL) return fn_memory(call);
    if (!th_builder_init(&b, frame->arena, call->type, d->count, false)) return fn_memory(call);
    for (uint32_t i = 0; i < frame->count; i++) used[v->codes[i]] = 1;
    for (uint32_t i = 0; i < arg_count; i++)
        if (i != which) th_value_get(args[i], 0, &values[i]);
    for (uint32_t k = 0; k < d->count; k++) {
        x = (th_value){.null = true};
        if (used[k]) {
            th_value_get(d, k, &values[which]);
            th_err e = one(call, row, flags, values, arg_count, &x);
            if (e != TH_OK) {
                if (!caught(call, frame, &x)) return e;
                used[k] = 2;
                any_failed = true;
            }
        }
        if (!th_builder_add(&b, &x)) return fn_memory(call);
    }
    for (uint32_t i = 0; any_failed && i < frame->count; i++)
        if (used[v->codes[i]] == 2) eval_mark_failed(frame, i);
    th_builder_finish(&b, entries);
    *out = (th_vector){.type = call->type,
                       .form = TH_DICT,
                       .count = frame->count,
                       .codes = v->codes,
                       .dictionary = entries};
    return TH_OK;
}

static th_err rows_plain(eval_frame *frame, th_fn_call *call, th_fn_row row, uint32_t flags,
                         const th_vector *const *args, uint32_t arg_count, th_value *values,
                         th_vector *out)
{
    th_builder b;
    th_value x;
    if (!th_builder_init(&b, frame->arena, call->type, frame->count, false)) return fn_memory(call);
    for (uint32_t i = 0; i < frame->count; i++) {
        if ((i & 255) == 255) TH_TRY(fn_check(call));
        for (uint32_t k = 0; k < arg_count; k++) th_value_get(args[k], i, &values[k]);
        th_err e = one(call, row, flags, values, arg_count, &x);
        if (e != TH_OK) {
            if (!caught(call, frame, &x)) return e;
            eval_mark_failed(frame, i);
        }
        if (!th_builder_add(&b, &x)) return fn_memory(call);
    }
    th_builder_finish(&b, out);
    return TH_OK;
}

th_err eval_rows(eval_node *node, eval_frame *frame, th_fn_call *call, th_fn_row row,
                 uint32_t flags, const th_vector *const *args, uint32_t arg_count, th_vector *out)
{
    uint32_t constants = 0, which = 0;
    bool is_volatile = (flags & TH_FN_VOLATILE) != 0;
    (void)node;
    th_value *values = TH_NEW_ARRAY(frame->arena, th_value, arg_count);
    if (values == NULL) return fn_memory(call);
    for (uint32_t i = 0; i < arg_count; i++) {
        constants += args[i]->form == TH_CONST;
        if (args[i]->form == TH_DICT) which = i;
    }
    if (constants == arg_count && !is_volatile)
        return rows_constant(frame, call, row, flags, args, arg_count, values, out);
    if (constants + 1 == arg_count && !is_volatile && args[which]->form == TH_DICT &&
        args[which]->dictionary->count <= frame->count)
        return rows_dictionary(frame, call, row, flags, args, arg_count, which, values, out);
    return rows_plain(frame, call, row, flags, args, arg_count, values, out);
}

static bool merge_valid(eval_frame *frame, const th_vector *const *args, uint32_t arg_count,
                        const uint64_t **out)
{
    size_t words = ((size_t)frame->count + 63) / 64;
    uint64_t *valid = NULL;
    *out = NULL;
    for (uint32_t k = 0; k < arg_count; k++) {
        if (args[k]->valid == NULL) continue;
        if (valid == NULL) {
            valid = th_arena_alloc(frame->arena, words * 8 + 8);
            if (valid == NULL) return false;
            memset(valid, 0xff, words * 8);
        }
        for (size_t i = 0; i < words && args[k]->form == TH_FLAT; i++)
            valid[i] &= args[k]->valid[i];
    }
    *out = valid;
    return true;
}

/* The fast twin: true when it did the work. */
static bool try_kernel(const th_function *fn, eval_frame *frame, th_fn_call *call,
                       const th_vector *const *args, uint32_t arg_count, th_vector *out)
{
    size_t width = call->type->kind == TH_BOOLEAN ? 1 : 8;
    bool any_flat = false;
    if (fn->kernel == NULL || frame->count < 2 || frame->eval->exec->env->options.plain_vectors)
        return false;
    for (uint32_t i = 0; i < arg_count; i++) {
        if (args[i]->form == TH_DICT || args[i]->extra != NULL) return false;
        if (args[i]->form == TH_CONST && th_vector_is_null(args[i], 0)) return false;
        any_flat = any_flat || args[i]->form == TH_FLAT;
    }
    void *data = any_flat ? th_arena_alloc(frame->arena, frame->count * width) : NULL;
    if (data == NULL || !fn->kernel(call, args, frame->count, data)) return false;
    *out = (th_vector){.type = call->type, .form = TH_FLAT, .count = frame->count};
    out->data.any = data;
    return merge_valid(frame, args, arg_count, &out->valid);
}

/* from_iso8601_timestamp of texts whose moments are known. */
static bool has_instants(const th_function *fn, const eval_frame *frame, const th_type *type,
                         const th_vector *const *args, th_vector *out)
{
    if (fn->row != fn_from_iso8601_timestamp || args[0]->form != TH_FLAT ||
        args[0]->instants == NULL || frame->eval->exec->env->options.plain_vectors)
        return false;
    *out = (th_vector){.type = type, .form = TH_FLAT, .count = frame->count};
    out->data.i64 = args[0]->instants;
    return true;
}

static th_err eval_args(eval_node *node, eval_frame *frame, const th_vector ***out)
{
    uint32_t n = node->expr->child_count;
    const th_vector **args = TH_NEW_ARRAY(frame->arena, const th_vector *, n);
    th_vector *vectors = TH_NEW_ARRAY(frame->arena, th_vector, n);
    if (args == NULL || vectors == NULL) return eval_memory(frame);
    for (uint32_t i = 0; i < n; i++) {
        if (node->children[i].expr->kind == TH_X_LAMBDA) continue;
        TH_TRY(eval_node_run(&node->children[i], frame, &vectors[i]));
        args[i] = &vectors[i];
    }
    *out = args;
    return TH_OK;
}

static th_err call_function(eval_node *node, eval_frame *frame, const th_vector *const *args,
                            th_vector *out)
{
    const th_function *fn = node->expr->function;
    th_fn_call call;
    lambda_place place = {node, frame};
    eval_call_init(node, frame, &call);
    if (fn->vector != NULL) {
        call.lambda_ctx = &place;
        TH_TRY(fn->vector(&call, args, frame->count, out));
        out->count = frame->count;
        return TH_OK;
    }
    if (has_instants(fn, frame, call.type, args, out)) return TH_OK;
    if (try_kernel(fn, frame, &call, args, node->expr->child_count, out)) return TH_OK;
    return eval_rows(node, frame, &call, fn->row, fn->flags, args, node->expr->child_count, out);
}

th_err eval_call(eval_node *node, eval_frame *frame, th_vector *out)
{
    const th_vector **args;
    TH_TRY(eval_args(node, frame, &args));
    return call_function(node, frame, args, out);
}

static th_err cast_row(th_fn_call *call, const th_value *args, th_value *out)
{
    return th_cast_value(call, call->arg_types[0], call->type, args, out);
}

static th_err try_cast_row(th_fn_call *call, const th_value *args, th_value *out)
{
    th_err e = th_cast_value(call, call->arg_types[0], call->type, args, out);
    if (e == TH_OK || !eval_is_catchable(call->diag)) return e;
    th_diag_clear(call->diag);
    *out = (th_value){.null = true};
    return TH_OK;
}

/* Types whose values are the same bits, so that a cast only changes the label. */
static bool is_relabel(const th_type *from, const th_type *to)
{
    bool integers = th_type_is_integer(from) && th_type_is_integer(to) && to->kind >= from->kind;
    return integers ||
           (from->kind == TH_VARCHAR && to->kind == TH_VARCHAR &&
            to->precision >= from->precision) ||
           (from->kind == TH_REAL && to->kind == TH_DOUBLE) || th_type_equal(from, to);
}

static th_err relabel(eval_frame *frame, const th_vector *arg, const th_type *type, th_vector *out)
{
    *out = *arg;
    out->type = type;
    if (arg->form == TH_DICT) {
        th_vector *d = TH_NEW(frame->arena, th_vector);
        if (d == NULL) return eval_memory(frame);
        *d = *arg->dictionary;
        d->type = type;
        out->dictionary = d;
    }
    return TH_OK;
}

static th_err cast_args(eval_node *node, eval_frame *frame, const th_vector *const *args,
                        th_vector *out)
{
    th_fn_call call;
    if (is_relabel(node->arg_types[0], node->expr->type))
        return relabel(frame, args[0], node->expr->type, out);
    eval_call_init(node, frame, &call);
    return eval_rows(node, frame, &call, node->expr->try_cast ? try_cast_row : cast_row, 0, args, 1,
                     out);
}

th_err eval_cast(eval_node *node, eval_frame *frame, th_vector *out)
{
    const th_vector **args;
    TH_TRY(eval_args(node, frame, &args));
    return cast_args(node, frame, args, out);
}
