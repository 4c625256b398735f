/* SPDX-License-Identifier: Apache-2.0
 * Scan: the provider's segments one after the other, a batch of rows at a time. What the provider does not filter
 * exactly is filtered by the operator above. */
#include "base/limits.h"
#include "query/op/op.h"

typedef struct scan_op {
    th_op op;
    th_scan *scan;
    th_scan_segment *segment;
    th_arena *segment_arena;
    uint32_t segments, next_segment, row, rows;
    th_predicate_answer *answers;
} scan_op;

static const th_provider_ops *provider_of(const th_op *op)
{
    return op->exec->env->provider->ops;
}

static th_err scan_open(th_op *op)
{
    scan_op *s = (scan_op *)op;
    const th_plan *p = op->plan;
    if (op->exec->env->provider == NULL || op->exec->env->snapshot == NULL)
        return th_fail(op->exec->diag, TH_EINVAL, NULL, "No data to scan");
    s->answers = TH_NEW_ARRAY(op->exec->arena, th_predicate_answer, p->scan_predicate_count);
    s->segment_arena = th_exec_arena(op->exec);
    if (s->answers == NULL || s->segment_arena == NULL) return op_memory(op);
    th_scan_spec spec = {.table = p->table,
                         .columns = p->scan_columns,
                         .column_count = p->column_count,
                         .predicates = p->scan_predicates,
                         .predicate_count = p->scan_predicate_count,
                         .answers = s->answers,
                         .control = op->exec->env->control,
                         .plain = op->exec->env->options.plain_vectors,
                         .arena = op->exec->arena};
    TH_TRY(provider_of(op)->scan_open(op->exec->env->snapshot, &spec, &s->scan, op->exec->diag));
    s->segments = provider_of(op)->segment_count(s->scan);
    return TH_OK;
}

static void leave_segment(scan_op *s)
{
    if (s->segment != NULL) provider_of(&s->op)->segment_close(s->segment);
    s->segment = NULL;
}

static th_err enter_segment(scan_op *s)
{
    th_segment_info info = {0};
    th_arena_reset(s->segment_arena);
    provider_of(&s->op)->segment_info(s->scan, s->next_segment, &info);
    TH_TRY(provider_of(&s->op)->segment_open(s->scan, s->next_segment, s->segment_arena,
                                             &s->segment, s->op.exec->diag));
    s->next_segment++;
    s->row = 0;
    s->rows = info.rows;
    return TH_OK;
}

static th_err scan_next(th_op *op, th_arena *batch, const th_batch **out)
{
    scan_op *s = (scan_op *)op;
    th_vector *vectors;
    *out = NULL;
    while (s->segment == NULL || s->row >= s->rows) {
        leave_segment(s);
        if (s->next_segment >= s->segments) return TH_OK;
        TH_TRY(enter_segment(s));
    }
    uint32_t n = s->rows - s->row < TH_QUERY_BATCH_ROWS ? s->rows - s->row : TH_QUERY_BATCH_ROWS;
    th_batch *result = op_batch_new(op, batch, n, op->plan->column_count, &vectors);
    if (result == NULL) return op_memory(op);
    for (uint32_t c = 0; c < op->plan->column_count; c++)
        TH_TRY(provider_of(op)->segment_column(s->segment, c, s->row, n, batch, &vectors[c],
                                               op->exec->diag));
    s->row += n;
    *out = result;
    return TH_OK;
}

static void scan_close(th_op *op)
{
    scan_op *s = (scan_op *)op;
    leave_segment(s);
    if (s->scan != NULL) provider_of(op)->scan_close(s->scan);
    s->scan = NULL;
    th_arena_free(s->segment_arena);
    s->segment_arena = NULL;
}

const th_op_ops th_op_scan = {"TableScan", sizeof(scan_op), scan_open, scan_next, scan_close};
