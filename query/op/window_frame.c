/* SPDX-License-Identifier: Apache-2.0
 * Frames of window functions: ROWS counts rows, GROUPS groups of peers, RANGE looks for values of the sort key. */
#include "query/op/window.h"

static th_err bad_offset(const window_op *w, const window_call *c)
{
    return th_fail_at(w->op.exec->diag, TH_ESQL, "INVALID_WINDOW_FRAME", c->call->call.line,
                      c->call->call.column,
                      "Window frame offset value must not be negative or null");
}

static bool is_negative(const th_type *type, const th_value *v)
{
    switch (type->kind) {
    case TH_DECIMAL: return v->d < 0;
    case TH_REAL:
    case TH_DOUBLE: return v->f < 0;
    default: return v->i < 0;
    }
}

/* Offset of ROWS or GROUPS; what is larger than any partition is cut. */
static th_err offset_at(const window_op *w, const window_call *c, const window_bound *b,
                        uint32_t row, uint32_t *out)
{
    const th_vector *v = &w->vectors[b->offset];
    th_value value;
    th_value_get(v, row, &value);
    if (value.null || is_negative(v->type, &value)) return bad_offset(w, c);
    if (v->type->kind == TH_DECIMAL)
        *out = value.d > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)value.d;
    else
        *out = value.i > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)value.i;
    return TH_OK;
}

/* at + by, between low and high */
static uint32_t moved(uint32_t at, int64_t by, uint32_t low, uint32_t high)
{
    int64_t to = (int64_t)at + by;
    return to < low ? low : to > high ? high : (uint32_t)to;
}

static th_err rows_bound(const window_op *w, const window_call *c, const window_bound *b,
                         window_part part, uint32_t row, bool end, uint32_t *out)
{
    uint32_t offset = 0;
    if (b->kind != TH_BOUND_CURRENT_ROW) TH_TRY(offset_at(w, c, b, row, &offset));
    int64_t by = b->kind == TH_BOUND_PRECEDING ? -(int64_t)offset : offset;
    *out = moved(row, by + end, part.first, part.end);
    return TH_OK;
}

static th_err groups_bound(const window_op *w, const window_call *c, const window_bound *b,
                           window_part part, uint32_t row, bool end, uint32_t *out)
{
    uint32_t offset = 0, first = w->group_of[part.first], last = w->group_of[part.end - 1] + 1;
    if (b->kind != TH_BOUND_CURRENT_ROW) TH_TRY(offset_at(w, c, b, row, &offset));
    int64_t by = b->kind == TH_BOUND_PRECEDING ? -(int64_t)offset : offset;
    *out = w->group_starts[moved(w->group_of[row], by + end, first, last)];
    return TH_OK;
}

/* Rows with a key: those without stand together at one end of the partition. */
static window_part with_key(const window_op *w, window_part part, const th_vector *key)
{
    if (th_vector_is_null(key, part.first)) part.first = window_peers_end(w, part.first);
    if (part.first < part.end && th_vector_is_null(key, part.end - 1))
        part.end = window_peers_first(w, part.end - 1);
    return part;
}

/* The first row whose key is at or behind the limit in sort order; `past`: behind it. */
static uint32_t search(const window_op *w, const window_bound *b, window_part part,
                       const th_value *limit, bool past)
{
    const th_vector *key = &w->vectors[b->key];
    bool descending = w->op.plan->sorts[0].descending;
    while (part.first < part.end) {
        uint32_t middle = part.first + (part.end - part.first) / 2;
        th_value v;
        th_value_get(key, middle, &v);
        int r = th_value_compare(key->type, &v, limit);
        if (descending) r = -r;
        if (past ? r <= 0 : r < 0)
            part.first = middle + 1;
        else
            part.end = middle;
    }
    return part.first;
}

static th_err range_bound(const window_op *w, const window_call *c, const window_bound *b,
                          window_part part, uint32_t row, bool end, uint32_t *out)
{
    th_value v;
    *out = end ? window_peers_end(w, row) : window_peers_first(w, row);
    if (b->kind == TH_BOUND_CURRENT_ROW) return TH_OK;
    const th_vector *offset = &w->vectors[b->offset];
    th_value_get(offset, row, &v);
    if (v.null || is_negative(offset->type, &v)) return bad_offset(w, c);
    if (th_vector_is_null(&w->vectors[b->key], row)) return TH_OK;
    part = with_key(w, part, &w->vectors[b->key]);
    th_value_get(&w->vectors[b->limit], row, &v);
    *out = search(w, b, part, &v, end);
    return TH_OK;
}

static th_err bound_at(const window_op *w, const window_call *c, const window_bound *b,
                       window_part part, uint32_t row, bool end, uint32_t *out)
{
    *out = b->kind == TH_BOUND_UNBOUNDED_PRECEDING ? part.first : part.end;
    if (b->kind == TH_BOUND_UNBOUNDED_PRECEDING || b->kind == TH_BOUND_UNBOUNDED_FOLLOWING)
        return TH_OK;
    switch (c->call->unit) {
    case TH_FRAME_ROWS: return rows_bound(w, c, b, part, row, end, out);
    case TH_FRAME_GROUPS: return groups_bound(w, c, b, part, row, end, out);
    default: return range_bound(w, c, b, part, row, end, out);
    }
}

th_err window_frame(const window_op *w, const window_call *c, window_part part, uint32_t row,
                    uint32_t *from, uint32_t *to)
{
    TH_TRY(bound_at(w, c, &c->start, part, row, false, from));
    TH_TRY(bound_at(w, c, &c->end, part, row, true, to));
    if (*to < *from) *to = *from;
    return TH_OK;
}
