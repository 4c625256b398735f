/* SPDX-License-Identifier: Apache-2.0
 * Aggregation with more groups than memory holds. When there is no room for new groups, rows of those that are there go
 * on being aggregated; the others are put down in parts by the hash of their keys. Once the groups that are held have
 * been given out, the parts are aggregated one after the other in the same way. */
#include "base/limits.h"
#include "query/fn/call.h"
#include "query/op/agg.h"
#include "query/op/spill.h"

typedef struct waiting_part {
    spill *file;
    uint32_t level;
} waiting_part;

struct agg_spill {
    const th_type **types; /* of the input's columns */
    th_arena *arena;       /* buffers of files */
    bool full;             /* no new groups */
    uint32_t level, count, capacity;
    spill *parts[SPILL_PARTS], *source; /* source: what is aggregated now; NULL: the input */
    waiting_part *waiting;
};

static th_err spill_state(agg_op *g, struct agg_spill **out)
{
    th_arena *arena = g->op.exec->arena;
    const th_plan *input = g->op.plan->inputs[0];
    *out = g->spilled;
    if (g->spilled != NULL) return TH_OK;
    struct agg_spill *s = TH_NEW(arena, struct agg_spill);
    if (s == NULL) return op_memory(&g->op);
    s->types = TH_NEW_ARRAY(arena, const th_type *, input->column_count);
    s->arena = th_exec_arena(g->op.exec);
    g->spilled = *out = s;
    if (s->types == NULL || s->arena == NULL) return op_memory(&g->op);
    for (uint32_t i = 0; i < input->column_count; i++) s->types[i] = input->columns[i].type;
    return TH_OK;
}

bool agg_is_full(const agg_op *g)
{
    return g->spilled != NULL && g->spilled->full;
}

bool agg_reads_part(const agg_op *g)
{
    return g->spilled != NULL && g->spilled->source != NULL;
}

th_err agg_check_room(agg_op *g)
{
    struct agg_spill *s;
    uint32_t level = g->spilled == NULL ? 0 : g->spilled->level;
    if (g->scan != NULL || agg_is_full(g) || g->op.plan->expr_count == 0 ||
        level >= SPILL_LEVELS_MAX || !spill_wanted(&g->op, th_arena_used(g->arena)))
        return TH_OK;
    TH_TRY(spill_state(g, &s));
    s->full = true;
    return TH_OK;
}

th_err agg_next_rows(agg_op *g, const th_batch **out)
{
    th_vector *vectors;
    uint32_t rows;
    th_arena_reset(g->input_arena);
    if (!agg_reads_part(g)) return th_op_next(g->op.inputs[0], g->input_arena, out);
    *out = NULL;
    TH_TRY(th_control_check(g->op.exec->env->control, g->op.exec->diag));
    uint32_t columns = g->op.plan->inputs[0]->column_count;
    th_batch *b = op_batch_new(&g->op, g->input_arena, 0, columns, &vectors);
    if (b == NULL) return op_memory(&g->op);
    TH_TRY(spill_read(g->spilled->source, g->input_arena, TH_QUERY_BATCH_ROWS, vectors, &rows));
    b->rows = rows;
    if (rows > 0) *out = b;
    return TH_OK;
}

static th_err put_down(agg_op *g, const th_batch *in, uint32_t row, uint64_t hash)
{
    struct agg_spill *s = g->spilled;
    spill **part = &s->parts[spill_part(hash, s->level)];
    if (*part == NULL) TH_TRY(spill_new(&g->op, s->arena, in->column_count, s->types, part));
    return spill_add(*part, in->columns, row);
}

th_err agg_known_groups(agg_op *g, const th_batch **in, uint32_t *groups)
{
    uint32_t n = g->op.plan->expr_count, kept = 0;
    th_vector *keys = TH_NEW_ARRAY(g->input_arena, th_vector, n), *vectors;
    th_value *v = TH_NEW_ARRAY(g->input_arena, th_value, n);
    uint32_t *rows = TH_NEW_ARRAY(g->input_arena, uint32_t, (*in)->rows);
    if (keys == NULL || v == NULL || rows == NULL) return op_memory(&g->op);
    for (uint32_t k = 0; k < n; k++) TH_TRY(th_eval_run(g->keys[k], *in, g->input_arena, &keys[k]));
    for (uint32_t i = 0; i < (*in)->rows; i++) {
        for (uint32_t k = 0; k < n; k++) th_value_get(&keys[k], i, &v[k]);
        uint32_t group = valueset_find(&g->groups, v);
        if (group == UINT32_MAX) {
            TH_TRY(put_down(g, *in, i, valueset_hash(&g->groups, v)));
        } else {
            groups[kept] = group;
            rows[kept++] = i;
        }
    }
    th_batch *b = op_batch_new(&g->op, g->input_arena, kept, (*in)->column_count, &vectors);
    if (b == NULL) return op_memory(&g->op);
    TH_TRY(op_batch_gather(&g->op, g->input_arena, *in, rows, kept, vectors));
    *in = b;
    return TH_OK;
}

static th_err wait_for(agg_op *g, spill *file)
{
    struct agg_spill *s = g->spilled;
    if (s->count == s->capacity) {
        uint32_t capacity = s->capacity == 0 ? 64 : s->capacity * 2;
        waiting_part *waiting = TH_NEW_ARRAY(g->op.exec->arena, waiting_part, capacity);
        if (waiting == NULL) return op_memory(&g->op);
        if (s->count > 0) memcpy(waiting, s->waiting, s->count * sizeof *waiting);
        s->waiting = waiting;
        s->capacity = capacity;
    }
    s->waiting[s->count++] = (waiting_part){file, s->level + 1};
    return TH_OK;
}

th_err agg_end_parts(agg_op *g)
{
    struct agg_spill *s = g->spilled;
    for (uint32_t i = SPILL_PARTS; s != NULL && i > 0; i--) {
        if (s->parts[i - 1] == NULL) continue;
        TH_TRY(wait_for(g, s->parts[i - 1]));
        s->parts[i - 1] = NULL;
        TH_TRY(spill_end(s->waiting[s->count - 1].file));
    }
    return TH_OK;
}

bool agg_parts_left(const agg_op *g)
{
    return g->spilled != NULL && g->spilled->count > 0;
}

th_err agg_next_part(agg_op *g)
{
    struct agg_spill *s = g->spilled;
    spill_close(s->source);
    s->source = s->waiting[--s->count].file;
    s->level = s->waiting[s->count].level;
    s->full = false;
    th_arena_free(s->arena);
    s->arena = th_exec_arena(g->op.exec);
    if (s->arena == NULL) return op_memory(&g->op);
    agg_close_state(g);
    TH_TRY(agg_open_state(g));
    g->at = 0;
    return spill_rewind(s->source, s->arena);
}

void agg_spill_close(agg_op *g)
{
    struct agg_spill *s = g->spilled;
    if (s == NULL) return;
    spill_close(s->source);
    for (uint32_t i = 0; i < SPILL_PARTS; i++) spill_close(s->parts[i]);
    for (uint32_t i = 0; i < s->count; i++) spill_close(s->waiting[i].file);
    th_arena_free(s->arena);
    g->spilled = NULL;
}
