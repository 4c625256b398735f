/* SPDX-License-Identifier: Apache-2.0
 * Inside of the evaluator: compiled nodes and frames. */
#ifndef TH_QUERY_EVAL_INTERNAL_H
#define TH_QUERY_EVAL_INTERNAL_H

#include "query/eval.h"
#include "query/fn/call.h"

#define EVAL_MEMO_COLUMNS 8u
typedef struct eval_memo eval_memo;

/* An expression node with the state that the read-only plan has no place for. */
typedef struct eval_node {
    const th_expr *expr;
    struct eval_node *children;
    const th_type **arg_types;
    void *state;
    bool is_constant_list; /* IN: all of the list is constant */
    uint32_t memo_column;  /* the only column that it reads, or UINT32_MAX */
    eval_memo *memo;       /* NULL until there is something to remember */
} eval_node;

struct th_eval {
    th_exec *exec;
    eval_node root;
    uint32_t param_slots;
};

/* The rows over which a node is evaluated: row i of the frame is row rows[i] of the batch (rows NULL: row i). */
typedef struct eval_frame {
    th_eval *eval;
    th_arena *arena;
    const th_batch *batch;
    const uint32_t *rows;
    uint32_t count;
    const th_vector **params; /* by slot; vectors of count rows */
    uint64_t *
        failed; /* inside TRY: one bit a row of TRY's frame; an error marks it instead of failing */
    const uint32_t *origin; /* row i of this frame belongs to row origin[i] of TRY's; NULL: row i */
} eval_frame;

th_err eval_node_run(eval_node *node, eval_frame *frame, th_vector *out);
/* The same over rows sel[0..count) of the frame. */
th_err eval_select(const eval_frame *frame, const uint32_t *sel, uint32_t count, eval_frame *out);
bool eval_is_catchable(const th_diag *diag);
/* TRY: mark frame row i. */
void eval_mark_failed(const eval_frame *frame, uint32_t i);
void eval_call_init(eval_node *node, eval_frame *frame, th_fn_call *call);
/* Run a row function over argument vectors: constants once, dictionaries once an entry, else row by row. */
th_err eval_rows(eval_node *node, eval_frame *frame, th_fn_call *call, th_fn_row row,
                 uint32_t flags, const th_vector *const *args, uint32_t arg_count, th_vector *out);

/* eval_memo.c. The column of x when it reads one and is no column itself; else UINT32_MAX. */
uint32_t eval_memo_column(const th_expr *x);
/* *done: *out was made by dictionary, else the caller does it. */
th_err eval_memo_run(eval_node *node, eval_frame *frame, th_vector *out, bool *done);
th_err eval_memo_coalesce(eval_node *node, eval_frame *frame, th_vector *out, bool *done);

th_err eval_call(eval_node *node, eval_frame *frame, th_vector *out);
th_err eval_cast(eval_node *node, eval_frame *frame, th_vector *out);
th_err eval_logic(eval_node *node, eval_frame *frame, th_vector *out);
th_err eval_not(eval_node *node, eval_frame *frame, th_vector *out);
th_err eval_is_null(eval_node *node, eval_frame *frame, th_vector *out);
th_err eval_case(eval_node *node, eval_frame *frame, th_vector *out);
th_err eval_coalesce(eval_node *node, eval_frame *frame, th_vector *out);
th_err eval_try(eval_node *node, eval_frame *frame, th_vector *out);
th_err eval_in(eval_node *node, eval_frame *frame, th_vector *out);
th_err eval_subquery(eval_node *node, eval_frame *frame, th_vector *out);
th_err eval_memory(eval_frame *frame);

#endif
