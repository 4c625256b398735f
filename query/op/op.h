/* SPDX-License-Identifier: Apache-2.0
 * Query operators: open, next until NULL, close. A batch may have no rows; its memory dies when the arena that was
 * given to next is reset. Plans are never written; an operator's state lives beside its plan node in exec->arena. */
#ifndef TH_QUERY_OP_OP_H
#define TH_QUERY_OP_OP_H

#include "query/eval.h"

typedef struct th_op th_op;

typedef struct th_op_ops {
    const char *name;
    size_t size;               /* of the state, which starts with a th_op */
    th_err (*open)(th_op *op); /* inputs are open already */
    th_err (*next)(th_op *op, th_arena *batch, const th_batch **out); /* *out NULL: no more rows */
    void (*close)(th_op *op); /* also after a failed open; may be NULL */
} th_op_ops;

struct th_op {
    const th_op_ops *ops;
    const th_plan *plan;
    th_exec *exec;
    th_op **inputs;
    bool opened;
};

/* The operator tree of a plan, not yet open. */
TH_MUST_CHECK th_err th_op_new(th_exec *exec, const th_plan *plan, th_op **out);
TH_MUST_CHECK th_err th_op_open(th_op *op);
/* Asks for cancellation, counts rows and time. */
TH_MUST_CHECK th_err th_op_next(th_op *op, th_arena *batch, const th_batch **out);
void th_op_close(th_op *op); /* accepts NULL; closes the inputs too */

/* Shared by operators. */
th_batch *op_batch_new(th_op *op, th_arena *arena, uint32_t rows, uint32_t columns,
                       th_vector **vectors);
th_err op_memory(const th_op *op);
/* Rows rows[0..count) of the batch. */
th_err op_batch_gather(th_op *op, th_arena *arena, const th_batch *in, const uint32_t *rows,
                       uint32_t count, th_vector *out);
/* Append all of the batch's rows to one builder a column. */
th_err op_builders_add(th_op *op, th_builder *builders, const th_batch *in);
th_err op_builders_init(th_op *op, th_arena *arena, const th_plan *plan, th_builder **out);

extern const th_op_ops th_op_scan, th_op_values, th_op_filter, th_op_project, th_op_limit,
    th_op_union, th_op_single_row, th_op_sort, th_op_aggregate, th_op_join, th_op_unnest,
    th_op_window, th_op_recursive, th_op_working, th_op_sample;

#endif
