/* SPDX-License-Identifier: Apache-2.0
 * Scan: the provider's segments one after the other, a batch of rows at a time.
 *
 * A filter right above the scan is applied here, one conjunct after the other: by the provider where it can, else to the
 * columns that the conjunct reads, for the rows that are left. All other columns are read for the rows that stay. With
 * plain vectors the filter is the operator of its own (simple.c), the plain twin. */
#include "query/op/scan.h"

#include "base/limits.h"

#define FEW 8u /* one row of so many stays: the provider is asked for rows, not for ranges */

typedef struct conjunct {
    th_eval *eval;
    const th_expr *expr;
    const uint32_t *columns; /* that it reads */
    uint32_t column_count;
    uint32_t predicate;   /* of the scan; UINT32_MAX: none that the provider can answer */
    bool asked;           /* for this segment */
    const uint64_t *bits; /* the provider's answer, a bit a row of the segment; or NULL */
} conjunct;

struct scan_op {
    th_op op;
    th_scan *scan;
    scan_share *share; /* where segments are taken from; another operator's when it was given one */
    scan_share own;
    th_scan_segment *segment;
    th_arena *segment_arena;
    uint32_t index, row, rows;
    th_predicate_answer *answers;
    const th_expr *filter; /* NULL: none */
    conjunct *conjuncts;
    uint32_t conjunct_count;
};

static const th_provider_ops *provider_of(const th_op *op)
{
    return op->exec->env->provider->ops;
}

/* ---- the filter ---- */

static void mark_columns(const th_expr *x, bool *used)
{
    if (x->kind == TH_X_COLUMN) used[x->index] = true;
    for (uint32_t i = 0; i < x->child_count; i++) mark_columns(x->children[i], used);
}

/* The scan's predicate that says the same as the conjunct. */
static uint32_t predicate_of(const th_plan *plan, uint32_t number)
{
    for (uint32_t i = 0; i < plan->scan_predicate_count; i++) {
        const th_scan_predicate *p = &plan->scan_predicates[i];
        if (p->conjunct == number && p->compare == TH_CMP_CONTAINS) return i;
    }
    return UINT32_MAX;
}

static th_err add_conjunct(scan_op *s, const th_expr *x)
{
    th_op *op = &s->op;
    uint32_t n = op->plan->column_count, number = s->conjunct_count++;
    conjunct *c = &s->conjuncts[number];
    bool *used = TH_NEW_ARRAY(op->exec->arena, bool, (size_t)n + 1);
    uint32_t *columns = TH_NEW_ARRAY(op->exec->arena, uint32_t, (size_t)n + 1);
    if (used == NULL || columns == NULL) return op_memory(op);
    mark_columns(x, used);
    for (uint32_t i = 0; i < n; i++)
        if (used[i]) columns[c->column_count++] = i;
    c->columns = columns;
    c->expr = x;
    c->predicate = predicate_of(op->plan, number);
    return th_eval_new(op->exec, x, &c->eval);
}

static bool reads_plan(const th_expr *x)
{
    if (x->plan != NULL) return true;
    for (uint32_t i = 0; i < x->child_count; i++)
        if (reads_plan(x->children[i])) return true;
    return false;
}

bool op_scan_takes(const th_op *op, const th_expr *predicate)
{
    return op->ops == &th_op_scan && !op->exec->env->options.plain_vectors &&
           !reads_plan(predicate);
}

th_err op_scan_filter(th_op *op, const th_expr *predicate)
{
    scan_op *s = (scan_op *)op;
    bool many = predicate->kind == TH_X_AND;
    uint32_t n = many ? predicate->child_count : 1;
    s->conjunct_count = 0;
    s->conjuncts = TH_NEW_ARRAY(op->exec->arena, conjunct, n);
    if (s->conjuncts == NULL) return op_memory(op);
    for (uint32_t i = 0; i < n; i++)
        TH_TRY(add_conjunct(s, many ? predicate->children[i] : predicate));
    s->filter = predicate;
    return TH_OK;
}

/* ---- segments ---- */

static th_err open_scan(scan_op *s)
{
    th_op *op = &s->op;
    const th_plan *p = op->plan;
    s->answers = TH_NEW_ARRAY(op->exec->arena, th_predicate_answer, p->scan_predicate_count);
    if (s->answers == NULL) return op_memory(op);
    th_scan_spec spec = {.table = p->table,
                         .columns = p->scan_columns,
                         .column_count = p->column_count,
                         .predicates = p->scan_predicates,
                         .predicate_count = p->scan_predicate_count,
                         .answers = s->answers,
                         .control = op->exec->env->control,
                         .plain = op->exec->env->options.plain_vectors,
                         .arena = op->exec->arena};
    TH_TRY(
        provider_of(op)->scan_open(op->exec->env->snapshot, &spec, &s->own.scan, op->exec->diag));
    s->own.segments = provider_of(op)->segment_count(s->own.scan);
    atomic_store(&s->own.next, 0);
    s->share = &s->own;
    return TH_OK;
}

static th_err scan_open(th_op *op)
{
    scan_op *s = (scan_op *)op;
    if (op->exec->env->provider == NULL || op->exec->env->snapshot == NULL)
        return th_fail(op->exec->diag, TH_EINVAL, NULL, "No data to scan");
    s->segment_arena = th_exec_arena(op->exec);
    if (s->segment_arena == NULL) return op_memory(op);
    s->share = op->exec->scan_share;
    if (s->share == NULL) TH_TRY(open_scan(s));
    s->scan = s->share->scan;
    return TH_OK;
}

scan_share *op_scan_share(th_op *op)
{
    return ((scan_op *)op)->share;
}

uint32_t op_scan_segment(const th_op *op)
{
    return ((const scan_op *)op)->index;
}

uint64_t op_scan_rows(th_op *op)
{
    const scan_op *s = (scan_op *)op;
    uint64_t rows = 0;
    for (uint32_t i = 0; i < s->share->segments; i++) {
        th_segment_info info = {0};
        provider_of(op)->segment_info(s->scan, i, &info);
        rows += info.rows;
    }
    return rows;
}

static void leave_segment(scan_op *s)
{
    if (s->segment != NULL) provider_of(&s->op)->segment_close(s->segment);
    s->segment = NULL;
}

/* False in *more: there is none left. */
static th_err enter_segment(scan_op *s, bool *more)
{
    const th_provider_ops *ops = provider_of(&s->op);
    th_segment_info info = {0};
    for (;;) {
        leave_segment(s);
        th_arena_reset(s->segment_arena);
        s->index = atomic_fetch_add(&s->share->next, 1);
        *more = s->index < s->share->segments;
        if (!*more) return TH_OK;
        TH_TRY(
            ops->segment_open(s->scan, s->index, s->segment_arena, &s->segment, s->op.exec->diag));
        if (s->filter == NULL || ops->segment_skip == NULL || !ops->segment_skip(s->segment)) break;
        TH_TRY(th_control_check(s->op.exec->env->control, s->op.exec->diag));
    }
    ops->segment_info(s->scan, s->index, &info);
    s->row = 0;
    s->rows = info.rows;
    for (uint32_t i = 0; i < s->conjunct_count; i++) s->conjuncts[i].asked = false;
    return TH_OK;
}

/* ---- batches ---- */

typedef struct picking {
    scan_op *s;
    th_arena *arena;
    uint32_t n; /* rows of the range */
    th_vector *columns;
    bool *have;           /* columns that were read for the range */
    const uint32_t *rows; /* that stay; NULL: all */
    uint32_t count;
} picking;

static th_err read_range(picking *p, uint32_t c)
{
    scan_op *s = p->s;
    if (p->have[c]) return TH_OK;
    p->have[c] = true;
    return provider_of(&s->op)->segment_column(s->segment, c, s->row, p->n, p->arena,
                                               &p->columns[c], s->op.exec->diag);
}

/* Rows that stay of those that an answer by bits has. */
static th_err keep_bits(picking *p, const uint64_t *bits)
{
    uint32_t *rows = th_arena_alloc(p->arena, ((size_t)p->count + 1) * sizeof *rows), n = 0;
    if (rows == NULL) return op_memory(&p->s->op);
    for (uint32_t i = 0; i < p->count; i++) {
        uint32_t row = p->rows == NULL ? i : p->rows[i];
        rows[n] = row;
        n += th_bit_get(bits, p->s->row + row);
    }
    p->rows = rows;
    p->count = n;
    return TH_OK;
}

static th_err keep_true(picking *p, const conjunct *c)
{
    th_op *op = &p->s->op;
    th_vector *columns = p->columns;
    const uint32_t *kept;
    uint32_t n;
    for (uint32_t i = 0; i < c->column_count; i++) TH_TRY(read_range(p, c->columns[i]));
    if (p->rows != NULL) {
        columns = TH_NEW_ARRAY(p->arena, th_vector, (size_t)op->plan->column_count + 1);
        if (columns == NULL) return op_memory(op);
        for (uint32_t i = 0; i < c->column_count; i++)
            if (!th_vector_gather(p->arena, &p->columns[c->columns[i]], p->rows, p->count,
                                  &columns[c->columns[i]]))
                return op_memory(op);
    }
    th_batch batch = {p->count, op->plan->column_count, columns};
    TH_TRY(th_eval_filter(c->eval, &batch, p->arena, &kept, &n));
    if (n == p->count) return TH_OK;
    uint32_t *rows = th_arena_alloc(p->arena, ((size_t)n + 1) * sizeof *rows);
    if (rows == NULL) return op_memory(op);
    for (uint32_t i = 0; i < n; i++) rows[i] = p->rows == NULL ? kept[i] : p->rows[kept[i]];
    p->rows = rows;
    p->count = n;
    return TH_OK;
}

static th_err ask_provider(scan_op *s, conjunct *c)
{
    const th_provider_ops *ops = provider_of(&s->op);
    if (c->asked) return TH_OK;
    c->asked = true;
    c->bits = NULL;
    if (c->predicate == UINT32_MAX || ops->segment_select == NULL) return TH_OK;
    return ops->segment_select(s->segment, c->predicate, s->segment_arena, &c->bits,
                               s->op.exec->diag);
}

/* A column of the rows that stay. */
static th_err give_column(picking *p, uint32_t c, th_vector *out)
{
    scan_op *s = p->s;
    const th_provider_ops *ops = provider_of(&s->op);
    if (p->rows == NULL) {
        TH_TRY(read_range(p, c));
        *out = p->columns[c];
        return TH_OK;
    }
    if (!p->have[c] && p->count * FEW <= p->n && ops->segment_rows != NULL) {
        uint32_t *rows = th_arena_alloc(p->arena, p->count * sizeof *rows);
        if (rows == NULL) return op_memory(&s->op);
        for (uint32_t i = 0; i < p->count; i++) rows[i] = s->row + p->rows[i];
        return ops->segment_rows(s->segment, c, rows, p->count, p->arena, out, s->op.exec->diag);
    }
    TH_TRY(read_range(p, c));
    return th_vector_gather(p->arena, &p->columns[c], p->rows, p->count, out) ? TH_OK
                                                                              : op_memory(&s->op);
}

static th_err pick(picking *p)
{
    scan_op *s = p->s;
    for (uint32_t i = 0; i < s->conjunct_count && p->count > 0; i++) {
        conjunct *c = &s->conjuncts[i];
        TH_TRY(ask_provider(s, c));
        TH_TRY(c->bits != NULL ? keep_bits(p, c->bits) : keep_true(p, c));
    }
    return TH_OK;
}

/* EXPLAIN ANALYZE: the scan reads what the filter then drops. */
static void count_dropped(const scan_op *s, uint32_t rows)
{
    const th_run_env *env = s->op.exec->env;
    if (env->op_stats != NULL && s->op.plan->id < env->op_stats_count)
        env->op_stats[s->op.plan->id].rows += rows;
}

static th_err next_range(scan_op *s, th_arena *batch, const th_batch **out)
{
    th_op *op = &s->op;
    uint32_t columns = op->plan->column_count;
    picking p = {.s = s, .arena = batch};
    th_vector *vectors;
    p.n = s->rows - s->row < TH_QUERY_BATCH_ROWS ? s->rows - s->row : TH_QUERY_BATCH_ROWS;
    p.count = p.n;
    p.columns = TH_NEW_ARRAY(batch, th_vector, (size_t)columns + 1);
    p.have = TH_NEW_ARRAY(batch, bool, (size_t)columns + 1);
    if (p.columns == NULL || p.have == NULL) return op_memory(op);
    TH_TRY(pick(&p));
    th_batch *result = op_batch_new(op, batch, p.count, columns, &vectors);
    if (result == NULL) return op_memory(op);
    for (uint32_t c = 0; c < columns; c++) {
        if (p.count > 0)
            TH_TRY(give_column(&p, c, &vectors[c]));
        else
            vectors[c] = (th_vector){.type = op->plan->columns[c].type, .form = TH_FLAT};
    }
    count_dropped(s, p.n - p.count);
    s->row += p.n;
    *out = result;
    return TH_OK;
}

/* Rows up to the next one that the provider's answers leave. */
static void skip_rows(scan_op *s)
{
    for (uint32_t i = 0; i < s->conjunct_count; i++) {
        const conjunct *c = &s->conjuncts[i];
        if (!c->asked || c->bits == NULL) continue;
        uint32_t from = s->row;
        while (s->row < s->rows && (s->row & 63) == 0 && c->bits[s->row >> 6] == 0) s->row += 64;
        if (s->row > s->rows) s->row = s->rows;
        count_dropped(s, s->row - from);
    }
}

static th_err scan_next(th_op *op, th_arena *batch, const th_batch **out)
{
    scan_op *s = (scan_op *)op;
    bool more = true;
    *out = NULL;
    for (;;) {
        while (s->segment == NULL || s->row >= s->rows) {
            TH_TRY(enter_segment(s, &more));
            if (!more) return TH_OK;
        }
        if (s->conjunct_count > 0) TH_TRY(ask_provider(s, &s->conjuncts[0]));
        skip_rows(s);
        if (s->row < s->rows) return next_range(s, batch, out);
        TH_TRY(th_control_check(op->exec->env->control, op->exec->diag));
    }
}

static void scan_close(th_op *op)
{
    scan_op *s = (scan_op *)op;
    leave_segment(s);
    if (s->own.scan != NULL) provider_of(op)->scan_close(s->own.scan);
    s->own.scan = s->scan = NULL;
    th_arena_free(s->segment_arena);
    s->segment_arena = NULL;
}

const th_op_ops th_op_scan = {"TableScan", sizeof(scan_op), scan_open, scan_next, scan_close};
