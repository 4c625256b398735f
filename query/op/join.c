/* SPDX-License-Identifier: Apache-2.0
 * Hash join: the right side is held in memory, the left side streams. Pairs that the keys allow are made a few
 * thousand at a time and put to the residual predicate. Keys that are NULL or hold one
 * match nothing. When memory is nearly used up, both sides are divided by the hash of their keys into parts on disk,
 * which are joined one after the other. */
#include "base/limits.h"
#include "query/fn/call.h"
#include "query/op/spill.h"
#include "query/op/valueset.h"

/* Rows of both sides that can only match each other. */
typedef struct join_part {
    spill *right, *left;
    uint32_t level;
} join_part;

typedef struct join_op {
    th_op op;
    th_arena *build_arena, *left_arena, *scratch_arena, *file_arena;
    th_eval **left_keys, **right_keys;
    th_eval *predicate;
    /* right side */
    th_vector *right;
    uint32_t right_rows;
    valueset keys;
    uint32_t *first, *next; /* rows of a key: chains, row + 1 */
    valueset groups;        /* null-aware: rows that agree in all keys but the last */
    bool *group_null;       /* one of them has NULL there */
    uint64_t *right_matched;
    bool built, right_done;
    uint32_t right_at;
    /* left side */
    const th_batch *left;
    th_vector *left_values; /* keys of its rows */
    uint32_t *chain;        /* of each left row: right row + 1, 0 = none */
    uint64_t *left_matched;
    uint32_t row,
        candidate; /* candidate: right row + 1 to look at next; 0 with fresh set: start of the chain */
    bool fresh, flushed;
    /* on disk */
    join_part now, *waiting; /* now: what is joined; empty: the inputs themselves */
    uint32_t waiting_count, waiting_capacity;
    const th_type **right_types, **left_types, **key_types;
} join_op;

/* Gives rows of the left side only. */
static bool is_semi(const join_op *j)
{
    th_join_kind kind = j->op.plan->join;
    return kind == TH_JOIN_SEMI || kind == TH_JOIN_ANTI || kind == TH_JOIN_MARK;
}

static bool keeps_right(const join_op *j)
{
    return j->op.plan->join == TH_JOIN_RIGHT || j->op.plan->join == TH_JOIN_FULL;
}

static th_err types_of(join_op *j, const th_plan *input, const th_type ***out)
{
    *out = TH_NEW_ARRAY(j->op.exec->arena, const th_type *, input->column_count);
    if (*out == NULL) return op_memory(&j->op);
    for (uint32_t i = 0; i < input->column_count; i++) (*out)[i] = input->columns[i].type;
    return TH_OK;
}

static th_err join_open(th_op *op)
{
    join_op *j = (join_op *)op;
    const th_plan *p = op->plan;
    j->build_arena = th_exec_arena(op->exec);
    j->left_arena = th_exec_arena(op->exec);
    j->scratch_arena = th_exec_arena(op->exec);
    if (j->build_arena == NULL || j->left_arena == NULL || j->scratch_arena == NULL)
        return op_memory(op);
    TH_TRY(th_eval_new_many(op->exec, p->left_keys, p->key_count, &j->left_keys));
    TH_TRY(th_eval_new_many(op->exec, p->right_keys, p->key_count, &j->right_keys));
    j->key_types = TH_NEW_ARRAY(op->exec->arena, const th_type *, p->key_count);
    if (j->key_types == NULL) return op_memory(op);
    for (uint32_t k = 0; k < p->key_count; k++) j->key_types[k] = p->right_keys[k]->type;
    TH_TRY(types_of(j, p->inputs[0], &j->left_types));
    TH_TRY(types_of(j, p->inputs[1], &j->right_types));
    return p->predicate == NULL ? TH_OK : th_eval_new(op->exec, p->predicate, &j->predicate);
}

static void set_bit(uint64_t *bits, uint32_t i)
{
    bits[i >> 6] |= UINT64_C(1) << (i & 63);
}

static th_err next_of(join_op *j, uint32_t side, spill *part, th_arena *arena, const th_batch **out)
{
    th_vector *vectors;
    uint32_t rows;
    th_arena_reset(arena);
    if (part == NULL) return th_op_next(j->op.inputs[side], arena, out);
    *out = NULL;
    TH_TRY(th_control_check(j->op.exec->env->control, j->op.exec->diag));
    uint32_t columns = j->op.plan->inputs[side]->column_count;
    th_batch *b = op_batch_new(&j->op, arena, 0, columns, &vectors);
    if (b == NULL) return op_memory(&j->op);
    TH_TRY(spill_read(part, arena, TH_QUERY_BATCH_ROWS, vectors, &rows));
    b->rows = rows;
    if (rows > 0) *out = b;
    return TH_OK;
}

/* By how many keys rows are divided. IN's own key does not count: a NULL there concerns all rows of its group. */
static uint32_t dividing_keys(const join_op *j)
{
    return j->op.plan->key_count - j->op.plan->null_aware;
}

/* Rows of a batch to the parts of one side. */
static th_err divide_batch(join_op *j, uint32_t side, const th_batch *in, th_arena *arena,
                           th_arena *buffers, spill **parts)
{
    uint32_t n = dividing_keys(j);
    th_eval **evals = side == 0 ? j->left_keys : j->right_keys;
    const th_type *const *types = side == 0 ? j->left_types : j->right_types;
    valueset shape = {.types = j->key_types, .width = n};
    th_vector *keys = TH_NEW_ARRAY(arena, th_vector, n);
    th_value *tuple = TH_NEW_ARRAY(arena, th_value, n);
    if (keys == NULL || tuple == NULL) return op_memory(&j->op);
    for (uint32_t k = 0; k < n; k++) TH_TRY(th_eval_run(evals[k], in, arena, &keys[k]));
    for (uint32_t i = 0; i < in->rows; i++) {
        for (uint32_t k = 0; k < n; k++) th_value_get(&keys[k], i, &tuple[k]);
        spill **part = &parts[spill_part(valueset_hash(&shape, tuple), j->now.level)];
        if (*part == NULL) TH_TRY(spill_new(&j->op, buffers, in->column_count, types, part));
        TH_TRY(spill_add(*part, in->columns, i));
    }
    return TH_OK;
}

static th_err divide_side(join_op *j, uint32_t side, spill *source, th_arena *buffers,
                          spill **parts)
{
    const th_batch *in;
    for (;;) {
        TH_TRY(next_of(j, side, source, j->scratch_arena, &in));
        if (in == NULL) break;
        TH_TRY(divide_batch(j, side, in, j->scratch_arena, buffers, parts));
    }
    for (uint32_t i = 0; i < SPILL_PARTS; i++)
        if (parts[i] != NULL) TH_TRY(spill_end(parts[i]));
    return TH_OK;
}

static bool wait_for(join_op *j, const join_part *part)
{
    if (j->waiting_count == j->waiting_capacity) {
        uint32_t capacity = j->waiting_capacity == 0 ? 64 : j->waiting_capacity * 2;
        join_part *waiting = TH_NEW_ARRAY(j->op.exec->arena, join_part, capacity);
        if (waiting == NULL) return false;
        if (j->waiting_count > 0) memcpy(waiting, j->waiting, j->waiting_count * sizeof *waiting);
        j->waiting = waiting;
        j->waiting_capacity = capacity;
    }
    j->waiting[j->waiting_count++] = *part;
    return true;
}

static void close_part(join_part *part)
{
    spill_close(part->right);
    spill_close(part->left);
    *part = (join_part){0};
}

static th_err new_build_arena(join_op *j)
{
    th_arena_free(j->build_arena);
    j->build_arena = th_exec_arena(j->op.exec);
    return j->build_arena == NULL ? op_memory(&j->op) : TH_OK;
}

/* Both sides to disk: what of the right side is held, what is left of it, and all of the left side. */
static th_err divide(join_op *j, const th_batch *held, th_arena *buffers, spill **right,
                     spill **left)
{
    th_arena *keys = th_exec_arena(j->op.exec);
    if (keys == NULL) return op_memory(&j->op);
    th_err err = divide_batch(j, 1, held, keys, buffers, right);
    th_arena_free(keys);
    TH_TRY(err);
    TH_TRY(new_build_arena(j));
    TH_TRY(divide_side(j, 1, j->now.right, buffers, right));
    return divide_side(j, 0, j->now.left, buffers, left);
}

static th_err divide_all(join_op *j, const th_batch *held)
{
    spill *right[SPILL_PARTS] = {0}, *left[SPILL_PARTS] = {0};
    th_arena *buffers = th_exec_arena(j->op.exec);
    if (buffers == NULL) return op_memory(&j->op);
    th_err err = divide(j, held, buffers, right, left);
    th_arena_free(buffers);
    for (uint32_t i = SPILL_PARTS; i > 0; i--) {
        join_part part = {right[i - 1], left[i - 1], j->now.level + 1};
        bool needed = err == TH_OK && (part.left != NULL || part.right != NULL);
        if (needed && !wait_for(j, &part)) err = op_memory(&j->op);
        if (err != TH_OK) close_part(&part);
    }
    return err;
}

/* *divided: the right side was too much, and both sides wait on disk. */
static th_err read_right(join_op *j, bool *divided)
{
    const th_plan *p = j->op.plan->inputs[1];
    th_builder *builders;
    const th_batch *in;
    uint64_t rows = 0;
    bool can = dividing_keys(j) > 0 && j->now.level < SPILL_LEVELS_MAX;
    *divided = false;
    TH_TRY(op_builders_init(&j->op, j->build_arena, p, &builders));
    while (!*divided) {
        TH_TRY(next_of(j, 1, j->now.right, j->scratch_arena, &in));
        if (in == NULL) break;
        rows += in->rows;
        if (rows > UINT32_MAX / 4) return op_memory(&j->op);
        TH_TRY(op_builders_add(&j->op, builders, in));
        *divided = can && spill_wanted(&j->op, th_arena_used(j->build_arena));
    }
    j->right_rows = (uint32_t)rows;
    j->right = TH_NEW_ARRAY(j->build_arena, th_vector, p->column_count);
    if (j->right == NULL) return op_memory(&j->op);
    for (uint32_t c = 0; c < p->column_count; c++) th_builder_finish(&builders[c], &j->right[c]);
    const th_batch held = {j->right_rows, p->column_count, j->right};
    if (*divided) return divide_all(j, &held);
    j->right_matched = TH_NEW_ARRAY(j->build_arena, uint64_t, rows / 64 + 1);
    return j->right_matched == NULL ? op_memory(&j->op) : TH_OK;
}

/* Does the value equal itself? NaN and what holds a NULL further in do not. */
static bool can_match(const th_type *type, const th_value *v)
{
    bool plain = type->child_count == 0 && type->kind != TH_DOUBLE && type->kind != TH_REAL;
    return plain || th_value_equal3(type, v, v) == 1;
}

/* The first count keys of one row; false when one of them can match nothing. */
static bool key_of(const join_op *j, const th_vector *keys, uint32_t count, uint32_t row,
                   th_value *tuple)
{
    for (uint32_t k = 0; k < count; k++) {
        th_value_get(&keys[k], row, &tuple[k]);
        if (k < j->op.plan->null_keys) continue;
        if (tuple[k].null || !can_match(keys[k].type, &tuple[k])) return false;
    }
    return true;
}

/* IN: which groups there are, and in which the last key is NULL somewhere. */
static th_err index_groups(join_op *j, const th_vector *keys, const th_type *const *types)
{
    uint32_t n = j->op.plan->key_count - 1, index;
    th_value *tuple = TH_NEW_ARRAY(j->build_arena, th_value, n + 1);
    j->group_null = TH_NEW_ARRAY(j->build_arena, bool, (size_t)j->right_rows + 1);
    if (tuple == NULL || j->group_null == NULL ||
        !valueset_init(&j->groups, j->build_arena, types, n))
        return op_memory(&j->op);
    for (uint32_t i = 0; i < j->right_rows; i++) {
        if (!key_of(j, keys, n, i, tuple)) continue;
        if (!valueset_put(&j->groups, tuple, &index, NULL)) return op_memory(&j->op);
        if (th_vector_is_null(&keys[n], i)) j->group_null[index] = true;
    }
    return TH_OK;
}

static th_err index_right(join_op *j)
{
    const th_plan *p = j->op.plan;
    const th_batch all = {j->right_rows, p->inputs[1]->column_count, j->right};
    th_vector *keys = TH_NEW_ARRAY(j->build_arena, th_vector, p->key_count);
    th_value *tuple = TH_NEW_ARRAY(j->build_arena, th_value, p->key_count);
    const th_type **types = TH_NEW_ARRAY(j->build_arena, const th_type *, p->key_count);
    j->first = TH_NEW_ARRAY(j->build_arena, uint32_t, (size_t)j->right_rows + 1);
    j->next = TH_NEW_ARRAY(j->build_arena, uint32_t, (size_t)j->right_rows + 1);
    if (keys == NULL || tuple == NULL || types == NULL || j->first == NULL || j->next == NULL)
        return op_memory(&j->op);
    for (uint32_t k = 0; k < p->key_count; k++) {
        types[k] = p->right_keys[k]->type;
        TH_TRY(th_eval_run(j->right_keys[k], &all, j->build_arena, &keys[k]));
    }
    if (!valueset_init(&j->keys, j->build_arena, types, p->key_count)) return op_memory(&j->op);
    for (uint32_t i = j->right_rows; i > 0; i--) { /* backwards, so that chains run in row order */
        uint32_t index;
        if (!key_of(j, keys, p->key_count, i - 1, tuple)) continue;
        if (!valueset_put(&j->keys, tuple, &index, NULL)) return op_memory(&j->op);
        j->next[i - 1] = j->first[index];
        j->first[index] = i;
    }
    return p->null_aware ? index_groups(j, keys, types) : TH_OK;
}

/* A side of a part that has no rows is a file without any. */
static th_err open_side(join_op *j, spill **file, const th_type *const *types, uint32_t width)
{
    if (*file == NULL) TH_TRY(spill_new(&j->op, j->file_arena, width, types, file));
    return spill_rewind(*file, j->file_arena);
}

static th_err next_part(join_op *j)
{
    const th_plan *p = j->op.plan;
    close_part(&j->now);
    j->now = j->waiting[--j->waiting_count];
    j->left = NULL;
    j->row = j->right_at = 0;
    j->built = j->right_done = j->flushed = false;
    TH_TRY(new_build_arena(j));
    th_arena_free(j->file_arena);
    j->file_arena = th_exec_arena(j->op.exec);
    if (j->file_arena == NULL) return op_memory(&j->op);
    TH_TRY(open_side(j, &j->now.right, j->right_types, p->inputs[1]->column_count));
    return open_side(j, &j->now.left, j->left_types, p->inputs[0]->column_count);
}

static th_err build(join_op *j)
{
    bool divided;
    TH_TRY(read_right(j, &divided));
    while (divided) {
        TH_TRY(next_part(j));
        TH_TRY(read_right(j, &divided));
    }
    if (j->op.plan->key_count > 0) TH_TRY(index_right(j));
    j->built = true;
    return TH_OK;
}

static th_err probe_left(join_op *j)
{
    const th_plan *p = j->op.plan;
    uint32_t n = j->left->rows;
    th_vector *keys = TH_NEW_ARRAY(j->left_arena, th_vector, p->key_count);
    th_value *tuple = TH_NEW_ARRAY(j->left_arena, th_value, p->key_count);
    j->left_values = keys;
    j->chain = TH_NEW_ARRAY(j->left_arena, uint32_t, n);
    j->left_matched = TH_NEW_ARRAY(j->left_arena, uint64_t, n / 64 + 1);
    if (keys == NULL || tuple == NULL || j->chain == NULL || j->left_matched == NULL)
        return op_memory(&j->op);
    for (uint32_t k = 0; k < p->key_count; k++)
        TH_TRY(th_eval_run(j->left_keys[k], j->left, j->left_arena, &keys[k]));
    for (uint32_t i = 0; i < n; i++) {
        if (p->key_count == 0) {
            j->chain[i] = j->right_rows > 0;
        } else if (key_of(j, keys, p->key_count, i, tuple)) {
            uint32_t index = valueset_find(&j->keys, tuple);
            j->chain[i] = index == UINT32_MAX ? 0 : j->first[index];
        }
    }
    return TH_OK;
}

static th_err next_left(join_op *j)
{
    do {
        TH_TRY(next_of(j, 0, j->now.left, j->left_arena, &j->left));
    } while (j->left != NULL && j->left->rows == 0);
    j->row = 0;
    j->fresh = true;
    j->flushed = false;
    return j->left == NULL ? TH_OK : probe_left(j);
}

static uint32_t following(const join_op *j, uint32_t candidate)
{
    if (j->op.plan->key_count > 0) return j->next[candidate - 1];
    return candidate < j->right_rows ? candidate + 1 : 0;
}

/* Candidate pairs from where we are, at most a batch of them. */
static uint32_t take_pairs(join_op *j, uint32_t *left, uint32_t *right)
{
    uint32_t n = 0;
    for (; j->row < j->left->rows; j->row++, j->fresh = true) {
        if (j->fresh) j->candidate = j->chain[j->row];
        j->fresh = false;
        while (j->candidate != 0) {
            if (n == TH_QUERY_BATCH_ROWS) return n;
            left[n] = j->row;
            right[n++] = j->candidate - 1;
            j->candidate = following(j, j->candidate);
        }
    }
    return n;
}

static th_err pair_batch(join_op *j, th_arena *arena, const uint32_t *left, const uint32_t *right,
                         uint32_t n, th_batch **out)
{
    uint32_t lc = j->left->column_count, rc = j->op.plan->inputs[1]->column_count;
    th_vector *vectors;
    *out = op_batch_new(&j->op, arena, n, lc + rc, &vectors);
    if (*out == NULL) return op_memory(&j->op);
    TH_TRY(op_batch_gather(&j->op, arena, j->left, left, n, vectors));
    for (uint32_t c = 0; c < rc; c++)
        if (!th_vector_gather(arena, &j->right[c], right, n, &vectors[lc + c]))
            return op_memory(&j->op);
    return TH_OK;
}

/* Pairs that pass the residual; marks both sides as matched. */
static th_err match_pairs(join_op *j, th_arena *arena, uint32_t *left, uint32_t *right,
                          uint32_t *count)
{
    th_batch *pairs;
    const uint32_t *rows;
    uint32_t kept;
    if (j->predicate != NULL && *count > 0) {
        TH_TRY(pair_batch(j, arena, left, right, *count, &pairs));
        TH_TRY(th_eval_filter(j->predicate, pairs, arena, &rows, &kept));
        for (uint32_t i = 0; i < kept; i++) {
            left[i] = left[rows[i]];
            right[i] = right[rows[i]];
        }
        *count = kept;
    }
    const th_plan *p = j->op.plan;
    for (uint32_t i = 0; i < *count; i++) {
        if (p->single && th_bit_get(j->left_matched, left[i]))
            return th_fail_at(j->op.exec->diag, TH_ESQL, "SUBQUERY_MULTIPLE_ROWS", p->line,
                              p->column, "Scalar sub-query has returned multiple rows");
        set_bit(j->left_matched, left[i]);
        set_bit(j->right_matched, right[i]);
    }
    return TH_OK;
}

/* Left rows of the batch that matched or not, with NULLs at the right unless the join is a semi join. */
static th_err flush_left(join_op *j, th_arena *arena, const th_batch **out)
{
    th_join_kind kind = j->op.plan->join;
    bool want = kind == TH_JOIN_SEMI;
    th_vector *vectors;
    uint32_t n = 0, columns = j->op.plan->column_count;
    j->flushed = true;
    uint32_t *rows = th_arena_alloc(arena, ((size_t)j->left->rows + 1) * sizeof *rows);
    if (rows == NULL) return op_memory(&j->op);
    for (uint32_t i = 0; i < j->left->rows; i++)
        if (th_bit_get(j->left_matched, i) == want) rows[n++] = i;
    th_batch *b = op_batch_new(&j->op, arena, n, columns, &vectors);
    if (b == NULL) return op_memory(&j->op);
    TH_TRY(op_batch_gather(&j->op, arena, j->left, rows, n, vectors));
    for (uint32_t c = j->left->column_count; c < columns; c++) {
        th_vector *null = th_vector_null(arena, j->op.plan->columns[c].type, n);
        if (null == NULL) return op_memory(&j->op);
        vectors[c] = *null;
    }
    *out = b;
    return TH_OK;
}

/* The mark of a left row. */
static void mark_of(const join_op *j, uint32_t row, th_value *tuple, th_value *out)
{
    uint32_t n = j->op.plan->key_count - 1, group;
    *out = (th_value){.i = th_bit_get(j->left_matched, row)};
    if (out->i != 0 || !j->op.plan->null_aware || !key_of(j, j->left_values, n, row, tuple)) return;
    group = valueset_find(&j->groups, tuple);
    out->null =
        group != UINT32_MAX && (j->group_null[group] || th_vector_is_null(&j->left_values[n], row));
}

/* The left batch with its marks. */
static th_err flush_marks(join_op *j, th_arena *arena, const th_batch **out)
{
    uint32_t n = j->left->column_count;
    th_vector *vectors;
    th_builder marks;
    th_value v, *tuple = TH_NEW_ARRAY(arena, th_value, j->op.plan->key_count + 1);
    j->flushed = true;
    th_batch *b = op_batch_new(&j->op, arena, j->left->rows, n + 1, &vectors);
    if (b == NULL || tuple == NULL ||
        !th_builder_init(&marks, arena, &th_type_boolean, j->left->rows, false))
        return op_memory(&j->op);
    for (uint32_t c = 0; c < n; c++) vectors[c] = j->left->columns[c];
    for (uint32_t i = 0; i < j->left->rows; i++) {
        mark_of(j, i, tuple, &v);
        if (!th_builder_add(&marks, &v)) return op_memory(&j->op);
    }
    th_builder_finish(&marks, &vectors[n]);
    *out = b;
    return TH_OK;
}

/* RIGHT and FULL: right rows that nothing matched. */
static th_err flush_right(join_op *j, th_arena *arena, const th_batch **out)
{
    const th_plan *p = j->op.plan;
    uint32_t lc = p->inputs[0]->column_count, n = 0;
    th_vector *vectors;
    uint32_t *rows = th_arena_alloc(arena, TH_QUERY_BATCH_ROWS * sizeof *rows);
    if (rows == NULL) return op_memory(&j->op);
    for (; j->right_at < j->right_rows && n < TH_QUERY_BATCH_ROWS; j->right_at++)
        if (!th_bit_get(j->right_matched, j->right_at)) rows[n++] = j->right_at;
    if (n == 0) return TH_OK;
    th_batch *b = op_batch_new(&j->op, arena, n, p->column_count, &vectors);
    if (b == NULL) return op_memory(&j->op);
    for (uint32_t c = 0; c < p->column_count; c++) {
        if (c >= lc) {
            if (!th_vector_gather(arena, &j->right[c - lc], rows, n, &vectors[c]))
                return op_memory(&j->op);
            continue;
        }
        th_vector *null = th_vector_null(arena, p->columns[c].type, n);
        if (null == NULL) return op_memory(&j->op);
        vectors[c] = *null;
    }
    *out = b;
    return TH_OK;
}

static bool wants_flush(const join_op *j)
{
    return is_semi(j) || j->op.plan->join == TH_JOIN_LEFT || j->op.plan->join == TH_JOIN_FULL;
}

static th_err next_pairs(join_op *j, th_arena *batch, const th_batch **out)
{
    th_batch *pairs;
    uint32_t *left = th_arena_alloc(batch, TH_QUERY_BATCH_ROWS * sizeof *left);
    uint32_t *right = th_arena_alloc(batch, TH_QUERY_BATCH_ROWS * sizeof *right);
    if (left == NULL || right == NULL) return op_memory(&j->op);
    uint32_t n = take_pairs(j, left, right);
    TH_TRY(match_pairs(j, batch, left, right, &n));
    if (is_semi(j)) { /* what matched comes when the left batch is flushed */
        th_vector *none;
        pairs = op_batch_new(&j->op, batch, 0, j->op.plan->column_count, &none);
        *out = pairs;
        return pairs == NULL ? op_memory(&j->op) : TH_OK;
    }
    TH_TRY(pair_batch(j, batch, left, right, n, &pairs));
    *out = pairs;
    return TH_OK;
}

/* Of what is joined now; *out NULL: no more. */
static th_err next_here(join_op *j, th_arena *batch, const th_batch **out)
{
    const th_op *op = &j->op;
    *out = NULL;
    if (!j->built) TH_TRY(build(j));
    if (j->left != NULL && j->row >= j->left->rows && !j->flushed && wants_flush(j))
        return op->plan->join == TH_JOIN_MARK ? flush_marks(j, batch, out)
                                              : flush_left(j, batch, out);
    if (j->left == NULL || j->row >= j->left->rows) {
        if (!j->right_done) TH_TRY(next_left(j));
        if (j->left == NULL || j->right_done) {
            j->right_done = true;
            return keeps_right(j) ? flush_right(j, batch, out) : TH_OK;
        }
    }
    return next_pairs(j, batch, out);
}

static th_err join_next(th_op *op, th_arena *batch, const th_batch **out)
{
    join_op *j = (join_op *)op;
    TH_TRY(next_here(j, batch, out));
    while (*out == NULL && j->waiting_count > 0) {
        TH_TRY(next_part(j));
        TH_TRY(next_here(j, batch, out));
    }
    return TH_OK;
}

static void join_close(th_op *op)
{
    join_op *j = (join_op *)op;
    th_arena_free(j->build_arena);
    th_arena_free(j->left_arena);
    th_arena_free(j->scratch_arena);
    th_arena_free(j->file_arena);
    close_part(&j->now);
    for (uint32_t i = 0; i < j->waiting_count; i++) close_part(&j->waiting[i]);
    j->waiting_count = 0;
    j->file_arena = j->build_arena = j->left_arena = j->scratch_arena = NULL;
}

const th_op_ops th_op_join = {"Join", sizeof(join_op), join_open, join_next, join_close};
