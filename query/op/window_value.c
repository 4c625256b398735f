/* SPDX-License-Identifier: Apache-2.0
 * Window functions that are no aggregates: numbers and ranks, lag and lead, values of the frame. */
#include "query/op/window.h"

static th_err bad_argument(const window_op *w, const window_call *c, const char *text)
{
    return th_fail_at(w->op.exec->diag, TH_ESQL, "INVALID_FUNCTION_ARGUMENT", c->call->call.line,
                      c->call->call.column, "%s", text);
}

static th_err give(const window_op *w, window_call *c, const th_value *v)
{
    return th_builder_add(&c->values, v) ? TH_OK : op_memory(&w->op);
}

static int64_t tile(int64_t buckets, int64_t row, int64_t rows)
{
    if (rows < buckets) return row + 1;
    int64_t size = rows / buckets, larger = rows % buckets;
    if (row < (size + 1) * larger) return row / (size + 1) + 1;
    return (row - larger) / size + 1;
}

static th_err ntile(const window_op *w, const window_call *c, window_part part, uint32_t row,
                    th_value *out)
{
    th_value_get(&w->vectors[c->args[0]], row, out);
    if (out->null) return TH_OK;
    if (out->i <= 0) return bad_argument(w, c, "Buckets must be greater than 0");
    out->i = tile(out->i, row - part.first, part.end - part.first);
    return TH_OK;
}

static th_err rank_of(const window_op *w, const window_call *c, window_part part, uint32_t row,
                      th_value *out)
{
    uint32_t before = window_peers_first(w, row) - part.first, rows = part.end - part.first;
    *out = (th_value){0};
    switch (c->call->kind) {
    case TH_W_ROW_NUMBER: out->i = row - part.first + 1; break;
    case TH_W_RANK: out->i = before + 1; break;
    case TH_W_DENSE_RANK: out->i = w->group_of[row] - w->group_of[part.first] + 1; break;
    case TH_W_PERCENT_RANK: out->f = rows == 1 ? 0 : (double)before / (double)(rows - 1); break;
    case TH_W_CUME_DIST:
        out->f = (double)(window_peers_end(w, row) - part.first) / (double)rows;
        break;
    default: return ntile(w, c, part, row, out);
    }
    return TH_OK;
}

/* Rows of the partition whose value is not NULL, in order; nth[row - first] of them come before row. */
typedef struct present {
    bool ignore;
    window_part part;
    uint32_t *rows, *nth;
} present;

static th_err find_present(window_op *w, const window_call *c, window_part part, present *out)
{
    uint32_t n = part.end - part.first, count = 0;
    *out = (present){.ignore = c->call->ignore_nulls, .part = part};
    if (!out->ignore) return TH_OK;
    out->rows = th_arena_alloc(w->rows_arena, ((size_t)n + 1) * sizeof *out->rows);
    out->nth = th_arena_alloc(w->rows_arena, ((size_t)n + 1) * sizeof *out->nth);
    if (out->rows == NULL || out->nth == NULL) return op_memory(&w->op);
    for (uint32_t i = 0; i < n; i++) {
        out->nth[i] = count;
        if (!th_vector_is_null(&w->vectors[c->args[0]], part.first + i))
            out->rows[count++] = part.first + i;
    }
    out->nth[n] = count;
    return TH_OK;
}

/* Row number k (from 0) of the frame, or of its rows with a value; false: there is none. */
static bool nth_of(const present *p, uint32_t from, uint32_t to, int64_t k, uint32_t *out)
{
    uint32_t base = p->part.first;
    uint32_t first = p->ignore ? p->nth[from - base] : from,
             end = p->ignore ? p->nth[to - base] : to;
    if (k < 0 || k >= (int64_t)end - first) return false;
    *out = p->ignore ? p->rows[first + (uint32_t)k] : first + (uint32_t)k;
    return true;
}

static bool last_of(const present *p, uint32_t from, uint32_t to, uint32_t *out)
{
    uint32_t base = p->part.first;
    int64_t n = p->ignore ? (int64_t)p->nth[to - base] - p->nth[from - base] : (int64_t)to - from;
    return nth_of(p, from, to, n - 1, out);
}

static th_err frame_value(window_op *w, window_call *c, const present *p, uint32_t row,
                          th_value *out)
{
    uint32_t from, to, at = row;
    bool found;
    th_value nth = {.i = 1};
    TH_TRY(window_frame(w, c, p->part, row, &from, &to));
    if (c->call->kind == TH_W_NTH_VALUE) {
        th_value_get(&w->vectors[c->args[1]], row, &nth);
        if (!nth.null && nth.i < 1) return bad_argument(w, c, "Offset must be at least 1");
    }
    if (c->call->kind == TH_W_LAST_VALUE)
        found = last_of(p, from, to, &at);
    else
        found = !nth.null && nth_of(p, from, to, nth.i - 1, &at);
    if (found)
        th_value_get(&w->vectors[c->args[0]], at, out);
    else
        *out = (th_value){.null = true};
    return TH_OK;
}

/* The row that lag or lead means. */
static bool neighbour(const window_call *c, const present *p, uint32_t row, int64_t offset,
                      uint32_t *out)
{
    uint32_t base = p->part.first;
    *out = row;
    if (offset == 0) return true;
    if (c->call->kind == TH_W_LEAD) return nth_of(p, row + 1, p->part.end, offset - 1, out);
    int64_t before = p->ignore ? p->nth[row - base] : row - base;
    return nth_of(p, base, row, before - offset, out);
}

static th_err neighbour_value(window_op *w, window_call *c, const present *p, uint32_t row,
                              th_value *out)
{
    uint32_t args = c->call->call.arg_count, at;
    th_value offset = {.i = 1};
    if (args > 1) th_value_get(&w->vectors[c->args[1]], row, &offset);
    if (offset.null) return bad_argument(w, c, "Offset must not be null");
    if (offset.i < 0) return bad_argument(w, c, "Offset must be at least 0");
    if (neighbour(c, p, row, offset.i, &at))
        th_value_get(&w->vectors[c->args[0]], at, out);
    else if (args > 2)
        th_value_get(&w->vectors[c->args[2]], row, out);
    else
        *out = (th_value){.null = true};
    return TH_OK;
}

th_err window_values(window_op *w, window_call *c, window_part part)
{
    th_window_kind kind = c->call->kind;
    present p;
    TH_TRY(find_present(w, c, part, &p));
    for (uint32_t row = part.first; row < part.end; row++) {
        th_value v;
        if (kind < TH_W_LAG)
            TH_TRY(rank_of(w, c, part, row, &v));
        else if (kind == TH_W_LAG || kind == TH_W_LEAD)
            TH_TRY(neighbour_value(w, c, &p, row, &v));
        else
            TH_TRY(frame_value(w, c, &p, row, &v));
        TH_TRY(give(w, c, &v));
    }
    return TH_OK;
}
