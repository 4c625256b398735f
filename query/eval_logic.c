/* SPDX-License-Identifier: Apache-2.0
 * AND, OR, NOT, CASE, COALESCE, IN, TRY: three-valued logic over the rows that still need an answer. */
#include "query/eval_internal.h"

enum { NO, YES, UNDECIDED }; /* UNDECIDED is NULL */

static uint8_t truth_at(const th_vector *v, uint32_t row)
{
    if (v->type->kind == TH_UNKNOWN || th_vector_is_null(v, row)) return UNDECIDED;
    return th_vector_base(v)->data.u8[th_vector_slot(v, row)] ? YES : NO;
}

/* A boolean vector of answers NO, YES, UNDECIDED; the answers become the data. */
static th_err from_truth(eval_frame *frame, uint8_t *truth, th_vector *out)
{
    size_t words = ((size_t)frame->count + 63) / 64;
    uint64_t *valid = NULL;
    for (uint32_t i = 0; i < frame->count; i++) {
        if (truth[i] != UNDECIDED) continue;
        if (valid == NULL) {
            valid = th_arena_alloc(frame->arena, words * 8);
            if (valid == NULL) return eval_memory(frame);
            memset(valid, 0xff, words * 8);
        }
        valid[i >> 6] &= ~(UINT64_C(1) << (i & 63));
        truth[i] = 0;
    }
    *out = (th_vector){
        .type = &th_type_boolean, .form = TH_FLAT, .count = frame->count, .valid = valid};
    out->data.u8 = truth;
    return TH_OK;
}

/* What the lazy forms keep while they run; in the arena, so that recursion stays shallow in bytes. */
typedef struct lazy {
    eval_frame inner;
    th_vector v;
    uint32_t *active; /* frame rows still without answer */
    uint32_t count;
    uint8_t *truth;
} lazy;

static lazy *lazy_new(eval_frame *frame)
{
    lazy *z = TH_NEW(frame->arena, lazy);
    if (z == NULL) return NULL;
    z->active = th_arena_alloc(frame->arena, ((size_t)frame->count + 1) * sizeof *z->active);
    z->truth = th_arena_alloc(frame->arena, (size_t)frame->count + 1);
    if (z->active == NULL || z->truth == NULL) return NULL;
    z->count = frame->count;
    for (uint32_t i = 0; i < frame->count; i++) z->active[i] = i;
    return z;
}

/* Evaluate node over the active rows into z->v. */
static th_err lazy_run(lazy *z, eval_node *node, eval_frame *frame)
{
    if (z->count == frame->count) return eval_node_run(node, frame, &z->v);
    uint32_t *sel = th_arena_alloc(frame->arena, ((size_t)z->count + 1) * sizeof *sel);
    if (sel == NULL) return eval_memory(frame);
    memcpy(sel, z->active, z->count * sizeof *sel);
    TH_TRY(eval_select(frame, sel, z->count, &z->inner));
    return eval_node_run(node, &z->inner, &z->v);
}

th_err eval_logic(eval_node *node, eval_frame *frame, th_vector *out)
{
    lazy *z = lazy_new(frame);
    bool is_and = node->expr->kind == TH_X_AND;
    uint8_t decided = is_and ? NO : YES;
    if (z == NULL) return eval_memory(frame);
    memset(z->truth, is_and ? YES : NO, frame->count);
    for (uint32_t c = 0; c < node->expr->child_count && z->count > 0; c++) {
        TH_TRY(lazy_run(z, &node->children[c], frame));
        uint32_t left = 0;
        for (uint32_t i = 0; i < z->count; i++) {
            uint32_t row = z->active[i];
            uint8_t t = truth_at(&z->v, i);
            if (t == decided || t == UNDECIDED) z->truth[row] = t;
            z->active[left] = row;
            left += t != decided;
        }
        z->count = left;
    }
    return from_truth(frame, z->truth, out);
}

th_err eval_not(eval_node *node, eval_frame *frame, th_vector *out)
{
    static const uint8_t negated[] = {[NO] = YES, [YES] = NO, [UNDECIDED] = UNDECIDED};
    th_vector *v = TH_NEW(frame->arena, th_vector);
    uint8_t *truth = th_arena_alloc(frame->arena, (size_t)frame->count + 1);
    if (v == NULL || truth == NULL) return eval_memory(frame);
    TH_TRY(eval_node_run(&node->children[0], frame, v));
    for (uint32_t i = 0; i < frame->count; i++) truth[i] = negated[truth_at(v, i)];
    return from_truth(frame, truth, out);
}

th_err eval_is_null(eval_node *node, eval_frame *frame, th_vector *out)
{
    th_vector *v = TH_NEW(frame->arena, th_vector);
    uint8_t *truth = th_arena_alloc(frame->arena, (size_t)frame->count + 1);
    if (v == NULL || truth == NULL) return eval_memory(frame);
    TH_TRY(eval_node_run(&node->children[0], frame, v));
    bool unknown = v->type->kind == TH_UNKNOWN;
    for (uint32_t i = 0; i < frame->count; i++)
        truth[i] = unknown || th_vector_is_null(v, i) ? YES : NO;
    return from_truth(frame, truth, out);
}

/* Rows of a result that come from several vectors: which vector, and where in it. */
typedef struct pieces {
    const th_vector **vectors;
    uint32_t count;
    uint32_t *source, *place;
} pieces;

static bool pieces_init(eval_frame *frame, pieces *p, uint32_t max)
{
    p->count = 0;
    p->vectors = TH_NEW_ARRAY(frame->arena, const th_vector *, max);
    p->source = th_arena_alloc(frame->arena, ((size_t)frame->count + 1) * sizeof *p->source);
    p->place = th_arena_alloc(frame->arena, ((size_t)frame->count + 1) * sizeof *p->place);
    return p->vectors != NULL && p->source != NULL && p->place != NULL;
}

static bool pieces_add(eval_frame *frame, pieces *p, const th_vector *v)
{
    th_vector *copy = TH_NEW(frame->arena, th_vector);
    if (copy == NULL) return false;
    *copy = *v;
    p->vectors[p->count++] = copy;
    return true;
}

static th_err pieces_join(eval_frame *frame, const th_type *type, const pieces *p, th_vector *out)
{
    th_builder b;
    th_value v;
    if (p->count == 1 && p->vectors[0]->count == frame->count &&
        p->vectors[0]->type->kind == type->kind) {
        *out = *p->vectors[0];
        return TH_OK;
    }
    if (!th_builder_init(&b, frame->arena, type, frame->count, false)) return eval_memory(frame);
    for (uint32_t i = 0; i < frame->count; i++) {
        th_value_get(p->vectors[p->source[i]], p->place[i], &v);
        if (!th_builder_add(&b, &v)) return eval_memory(frame);
    }
    th_builder_finish(&b, out);
    return TH_OK;
}

/* Give the rows hits[0..n) (frame rows) the values of node. */
static th_err case_branch(eval_node *node, eval_frame *frame, lazy *z, const uint32_t *hits,
                          uint32_t n, pieces *p)
{
    TH_TRY(eval_select(frame, hits, n, &z->inner));
    TH_TRY(eval_node_run(node, &z->inner, &z->v));
    z->v.count = n;
    for (uint32_t i = 0; i < n; i++) {
        p->source[hits[i]] = p->count;
        p->place[hits[i]] = i;
    }
    return pieces_add(frame, p, &z->v) ? TH_OK : eval_memory(frame);
}

th_err eval_case(eval_node *node, eval_frame *frame, th_vector *out)
{
    lazy *z = lazy_new(frame);
    pieces *p = TH_NEW(frame->arena, pieces);
    uint32_t branches = node->expr->child_count / 2;
    if (z == NULL || p == NULL || !pieces_init(frame, p, branches + 1)) return eval_memory(frame);
    for (uint32_t c = 0; c < branches && z->count > 0; c++) {
        uint32_t *hits = th_arena_alloc(frame->arena, ((size_t)z->count + 1) * sizeof *hits);
        if (hits == NULL) return eval_memory(frame);
        TH_TRY(lazy_run(z, &node->children[2 * c], frame));
        uint32_t left = 0, n = 0;
        for (uint32_t i = 0; i < z->count; i++) {
            uint32_t row = z->active[i];
            bool hit = truth_at(&z->v, i) == YES;
            hits[n] = row;
            n += hit;
            z->active[left] = row;
            left += !hit;
        }
        z->count = left;
        if (n > 0) TH_TRY(case_branch(&node->children[2 * c + 1], frame, z, hits, n, p));
    }
    if (z->count > 0 || p->count == 0)
        TH_TRY(case_branch(&node->children[2 * branches], frame, z, z->active, z->count, p));
    return pieces_join(frame, node->expr->type, p, out);
}

th_err eval_coalesce(eval_node *node, eval_frame *frame, th_vector *out)
{
    bool done;
    TH_TRY(eval_memo_coalesce(node, frame, out, &done));
    if (done) return TH_OK;
    lazy *z = lazy_new(frame);
    pieces *p = TH_NEW(frame->arena, pieces);
    uint32_t n = node->expr->child_count;
    if (z == NULL || p == NULL || !pieces_init(frame, p, n)) return eval_memory(frame);
    for (uint32_t c = 0; c < n && (z->count > 0 || c == 0); c++) {
        uint32_t left = 0;
        TH_TRY(lazy_run(z, &node->children[c], frame));
        z->v.count = z->count;
        bool unknown = z->v.type->kind == TH_UNKNOWN;
        for (uint32_t i = 0; i < z->count; i++) {
            uint32_t row = z->active[i];
            bool null = unknown || th_vector_is_null(&z->v, i);
            p->source[row] = p->count;
            p->place[row] = i;
            z->active[left] = row;
            left += null;
        }
        if (!pieces_add(frame, p, &z->v)) return eval_memory(frame);
        z->count = left;
    }
    return pieces_join(frame, node->expr->type, p, out);
}

/* What row-by-row functions could not pin on a row: try each row alone. */
static th_err try_each(eval_node *node, eval_frame *frame, th_vector *out)
{
    th_builder b;
    eval_frame inner;
    th_vector v;
    th_value x;
    th_diag *diag = frame->eval->exec->diag;
    if (!th_builder_init(&b, frame->arena, node->expr->type, frame->count, false))
        return eval_memory(frame);
    for (uint32_t i = 0; i < frame->count; i++) {
        uint32_t *row = th_arena_alloc(frame->arena, sizeof *row);
        if (row == NULL) return eval_memory(frame);
        *row = i;
        TH_TRY(eval_select(frame, row, 1, &inner));
        inner.failed = NULL;
        inner.origin = NULL;
        th_err e = eval_node_run(&node->children[0], &inner, &v);
        if (e != TH_OK && !eval_is_catchable(diag)) return e;
        x = (th_value){.null = true};
        if (e == TH_OK)
            th_value_get(&v, 0, &x);
        else
            th_diag_clear(diag);
        if (!th_builder_add(&b, &x)) return eval_memory(frame);
    }
    th_builder_finish(&b, out);
    return TH_OK;
}

static th_err hide_failed(eval_node *node, eval_frame *frame, const uint64_t *failed,
                          const th_vector *v, th_vector *out)
{
    th_builder b;
    th_value x;
    if (!th_builder_init(&b, frame->arena, node->expr->type, frame->count, false))
        return eval_memory(frame);
    for (uint32_t i = 0; i < frame->count; i++) {
        th_value_get(v, i, &x);
        if (th_bit_get(failed, i)) x.null = true;
        if (!th_builder_add(&b, &x)) return eval_memory(frame);
    }
    th_builder_finish(&b, out);
    return TH_OK;
}

th_err eval_try(eval_node *node, eval_frame *frame, th_vector *out)
{
    size_t words = ((size_t)frame->count + 63) / 64 + 1;
    eval_frame *inner = TH_NEW(frame->arena, eval_frame);
    uint64_t *failed = TH_NEW_ARRAY(frame->arena, uint64_t, words);
    if (inner == NULL || failed == NULL) return eval_memory(frame);
    *inner = *frame;
    inner->failed = failed;
    inner->origin = NULL;
    th_err e = eval_node_run(&node->children[0], inner, out);
    if (e != TH_OK) {
        if (!eval_is_catchable(frame->eval->exec->diag)) return e;
        th_diag_clear(frame->eval->exec->diag);
        return try_each(node, frame, out);
    }
    for (size_t i = 0; i < words; i++) {
        if (failed[i] == 0) continue;
        th_vector v = *out;
        return hide_failed(node, frame, failed, &v, out);
    }
    return TH_OK;
}

/* The list of IN as a hash set; buckets hold index + 1. */
typedef struct in_set {
    th_value *values;
    uint32_t *buckets;
    uint32_t count, mask;
    bool has_null;
} in_set;

static bool set_find(const in_set *set, const th_type *type, const th_value *v, uint32_t *bucket)
{
    uint32_t at = (uint32_t)th_value_hash(type, v) & set->mask;
    for (; set->buckets[at] != 0; at = (at + 1) & set->mask)
        if (th_value_same(type, &set->values[set->buckets[at] - 1], v)) return true;
    *bucket = at;
    return false;
}

static th_err set_build(eval_node *node, eval_frame *frame, in_set **out)
{
    th_arena *arena = frame->eval->exec->arena;
    uint32_t n = node->expr->child_count - 1, size = 16, bucket = 0;
    while (size < n * 2) size *= 2;
    in_set *set = TH_NEW(arena, in_set);
    if (set == NULL) return eval_memory(frame);
    set->mask = size - 1;
    set->values = TH_NEW_ARRAY(arena, th_value, n);
    set->buckets = TH_NEW_ARRAY(arena, uint32_t, size);
    if (set->values == NULL || set->buckets == NULL) return eval_memory(frame);
    eval_frame one = {.eval = frame->eval,
                      .arena = arena,
                      .batch = frame->batch,
                      .count = 1,
                      .params = frame->params};
    for (uint32_t i = 0; i < n; i++) {
        th_vector *v = TH_NEW(arena, th_vector); /* nested values point to it */
        th_value *value = &set->values[set->count];
        if (v == NULL) return eval_memory(frame);
        TH_TRY(eval_node_run(&node->children[i + 1], &one, v));
        th_value_get(v, 0, value);
        if (value->null) {
            set->has_null = true;
        } else if (!set_find(set, node->arg_types[0], value, &bucket)) {
            set->buckets[bucket] = ++set->count;
        }
    }
    *out = set;
    return TH_OK;
}

static th_err in_set_row(th_fn_call *call, const th_value *args, th_value *out)
{
    const in_set *set = *call->state;
    uint32_t bucket;
    out->i = set_find(set, call->arg_types[0], args, &bucket);
    out->null = out->i == 0 && set->has_null;
    return TH_OK;
}

static th_err in_list_row(th_fn_call *call, const th_value *args, th_value *out)
{
    bool undecided = false;
    for (uint32_t i = 1; i < call->arg_count; i++) {
        int e = th_value_equal3(call->arg_types[0], &args[0], &args[i]);
        if (e == 1) {
            out->i = 1;
            return TH_OK;
        }
        undecided = undecided || e < 0;
    }
    out->null = undecided;
    return TH_OK;
}

th_err eval_in(eval_node *node, eval_frame *frame, th_vector *out)
{
    uint32_t n = node->is_constant_list ? 1 : node->expr->child_count;
    const th_vector **args = TH_NEW_ARRAY(frame->arena, const th_vector *, n);
    th_vector *vectors = TH_NEW_ARRAY(frame->arena, th_vector, n);
    th_fn_call *call = TH_NEW(frame->arena, th_fn_call);
    if (args == NULL || vectors == NULL || call == NULL) return eval_memory(frame);
    for (uint32_t i = 0; i < n; i++) {
        TH_TRY(eval_node_run(&node->children[i], frame, &vectors[i]));
        args[i] = &vectors[i];
    }
    if (node->is_constant_list && node->state == NULL) {
        in_set *set;
        TH_TRY(set_build(node, frame, &set));
        node->state = set;
    }
    eval_call_init(node, frame, call);
    call->arg_count = n;
    return eval_rows(node, frame, call, node->is_constant_list ? in_set_row : in_list_row,
                     node->is_constant_list ? 0 : TH_FN_NULLS, args, n, out);
}
