/* SPDX-License-Identifier: Apache-2.0
 * What an expression over one column makes of a dictionary, kept while batches with that dictionary come: then it is
 * evaluated once for each distinct value of a segment, and rows only take codes.
 *
 * An entry that fails may be one that no row in question uses, so a dictionary with such an entry is evaluated the plain
 * way, row by row. */
#include <stdatomic.h>

#include "query/eval_internal.h"

#define SMALL_DICTIONARY 512u
#define PATIENCE 8u /* larger ones once a row was seen for each so many entries */

struct eval_memo {
    eval_memo *next; /* of the statement */
    th_arena *arena;
    uint64_t sources[EVAL_MEMO_COLUMNS], seen;
    bool made, failed;
    th_vector entries; /* FLAT; or CONST: the same for all */
    uint32_t **codes;  /* COALESCE: of each child's entries, UINT32_MAX for NULL */
    uint64_t id;
};

/* Far above what providers count up to. */
static uint64_t next_id(void)
{
    static atomic_uint_fast64_t last = UINT64_C(1) << 62;
    return atomic_fetch_add_explicit(&last, 1, memory_order_relaxed);
}

void eval_memos_free(th_exec *exec)
{
    for (eval_memo *m = exec->memos; m != NULL; m = m->next) th_arena_free(m->arena);
    exec->memos = NULL;
}

/* ---- which expressions ---- */

static bool only_column(const th_expr *x, uint32_t *column)
{
    switch (x->kind) {
    case TH_X_COLUMN:
        if (*column != UINT32_MAX && *column != x->index) return false;
        *column = x->index;
        return true;
    case TH_X_CONST: return true;
    case TH_X_CALL:
        if ((x->function->flags & TH_FN_VOLATILE) != 0) return false;
        break;
    case TH_X_OUTER:
    case TH_X_LAMBDA:
    case TH_X_PARAM:
    case TH_X_SCALAR:
    case TH_X_EXISTS:
    case TH_X_IN_PLAN: return false;
    default: break;
    }
    for (uint32_t i = 0; i < x->child_count; i++)
        if (!only_column(x->children[i], column)) return false;
    return true;
}

uint32_t eval_memo_column(const th_expr *x)
{
    uint32_t column = UINT32_MAX;
    if (x->kind == TH_X_COLUMN || x->child_count == 0) return UINT32_MAX;
    return only_column(x, &column) ? column : UINT32_MAX;
}

/* ---- the memo of a node ---- */

static eval_memo *need_memo(eval_node *node, eval_frame *frame)
{
    th_exec *exec = frame->eval->exec;
    eval_memo *m = node->memo;
    if (m != NULL) return m;
    m = TH_NEW(exec->arena, eval_memo);
    if (m == NULL) return NULL;
    m->arena = th_exec_arena(exec);
    if (m->arena == NULL) return NULL;
    m->next = exec->memos;
    exec->memos = m;
    return node->memo = m;
}

/* Ids are counted by each provider for itself: of two tables the place tells. */
static uint64_t source_of(const th_vector *v)
{
    uint64_t place = (uint64_t)(uintptr_t)v->dictionary->data.any;
    return v->dictionary_id * UINT64_C(0x9E3779B97F4A7C15) ^ place;
}

/* Start anew when the dictionaries are others than before. */
static void look_at(eval_memo *m, const uint64_t *sources, uint32_t count)
{
    if (memcmp(m->sources, sources, count * sizeof *sources) == 0) return;
    th_arena_reset(m->arena);
    memcpy(m->sources, sources, count * sizeof *sources);
    m->seen = 0;
    m->made = m->failed = false;
}

/* The result as a FLAT vector of the dictionary's entries, or CONST. */
static th_err keep_entries(eval_memo *m, eval_frame *frame, const th_type *type, uint32_t count,
                           const th_vector *v)
{
    th_builder b;
    th_value x;
    m->entries = *v;
    m->entries.count = count;
    if (v->form != TH_DICT) return TH_OK;
    if (!th_builder_init(&b, m->arena, type, count, false)) return eval_memory(frame);
    for (uint32_t i = 0; i < count; i++) {
        th_value_get(v, i, &x);
        if (!th_builder_add(&b, &x)) return eval_memory(frame);
    }
    th_builder_finish(&b, &m->entries);
    return TH_OK;
}

static th_err make_entries(eval_memo *m, eval_node *node, eval_frame *frame, const th_vector *d)
{
    th_diag *diag = frame->eval->exec->diag;
    th_vector *columns = TH_NEW_ARRAY(m->arena, th_vector, (size_t)node->memo_column + 1);
    th_batch *batch = TH_NEW(m->arena, th_batch);
    th_vector *v = TH_NEW(m->arena, th_vector);
    if (columns == NULL || batch == NULL || v == NULL) return eval_memory(frame);
    columns[node->memo_column] = *d;
    *batch = (th_batch){d->count, node->memo_column + 1, columns};
    eval_frame inner = {.eval = frame->eval, .arena = m->arena, .batch = batch, .count = d->count};
    th_err e = eval_node_run(node, &inner, v);
    m->made = true;
    m->failed = e != TH_OK;
    if (e == TH_OK) return keep_entries(m, frame, node->expr->type, d->count, v);
    if (diag->code != TH_ESQL) return e;
    th_diag_clear(diag);
    return TH_OK;
}

static const uint32_t *codes_of_rows(eval_frame *frame, const uint32_t *codes)
{
    if (frame->rows == NULL) return codes;
    uint32_t *out = th_arena_alloc(frame->arena, ((size_t)frame->count + 1) * sizeof *out);
    for (uint32_t i = 0; out != NULL && i < frame->count; i++) out[i] = codes[frame->rows[i]];
    return out;
}

static th_err give(eval_memo *m, eval_frame *frame, const th_type *type, const uint32_t *codes,
                   th_vector *out)
{
    if (m->entries.form == TH_CONST) {
        *out = m->entries;
        out->count = frame->count;
        return TH_OK;
    }
    *out = (th_vector){.type = type,
                       .form = TH_DICT,
                       .count = frame->count,
                       .codes = codes,
                       .dictionary = &m->entries,
                       .dictionary_id = m->id};
    return codes == NULL ? eval_memory(frame) : TH_OK;
}

static bool is_ready(eval_memo *m, uint32_t rows, uint64_t entries)
{
    m->seen += rows;
    return m->made || entries <= SMALL_DICTIONARY || m->seen * PATIENCE >= entries;
}

th_err eval_memo_run(eval_node *node, eval_frame *frame, th_vector *out, bool *done)
{
    const th_vector *column = &frame->batch->columns[node->memo_column];
    *done = false;
    if (column->form != TH_DICT || column->dictionary_id == 0 ||
        frame->eval->exec->env->options.plain_vectors)
        return TH_OK;
    eval_memo *m = need_memo(node, frame);
    if (m == NULL) return eval_memory(frame);
    uint64_t source = source_of(column);
    look_at(m, &source, 1);
    if (!is_ready(m, frame->count, column->dictionary->count)) return TH_OK;
    if (!m->made) {
        m->id = next_id();
        TH_TRY(make_entries(m, node, frame, column->dictionary));
    }
    if (m->failed) return TH_OK;
    *done = true;
    return give(m, frame, node->expr->type, codes_of_rows(frame, column->codes), out);
}

/* ---- COALESCE over columns: one dictionary of all of theirs ---- */

static th_err join_dictionaries(eval_memo *m, eval_node *node, eval_frame *frame)
{
    uint32_t n = node->expr->child_count, count = 0;
    uint64_t total = 1;
    th_builder b;
    th_value v;
    for (uint32_t c = 0; c < n; c++)
        total += frame->batch->columns[node->children[c].expr->index].dictionary->count;
    m->codes = TH_NEW_ARRAY(m->arena, uint32_t *, n);
    if (m->codes == NULL || total > UINT32_MAX / 2 ||
        !th_builder_init(&b, m->arena, node->expr->type, (uint32_t)total, false))
        return eval_memory(frame);
    for (uint32_t c = 0; c < n; c++) {
        const th_vector *d = frame->batch->columns[node->children[c].expr->index].dictionary;
        m->codes[c] = th_arena_alloc(m->arena, ((size_t)d->count + 1) * sizeof(uint32_t));
        if (m->codes[c] == NULL) return eval_memory(frame);
        for (uint32_t i = 0; i < d->count; i++) {
            th_value_get(d, i, &v);
            m->codes[c][i] = v.null ? UINT32_MAX : count++;
            if (!v.null && !th_builder_add(&b, &v)) return eval_memory(frame);
        }
    }
    if (!th_builder_add_null(&b)) return eval_memory(frame);
    th_builder_finish(&b, &m->entries);
    m->made = true;
    m->id = next_id();
    return TH_OK;
}

static bool takes_columns(const eval_node *node, const eval_frame *frame, uint64_t *sources,
                          uint64_t *entries)
{
    if (node->expr->child_count > EVAL_MEMO_COLUMNS ||
        frame->eval->exec->env->options.plain_vectors)
        return false;
    *entries = 0;
    for (uint32_t c = 0; c < node->expr->child_count; c++) {
        const th_expr *x = node->children[c].expr;
        if (x->kind != TH_X_COLUMN) return false;
        const th_vector *v = &frame->batch->columns[x->index];
        if (v->form != TH_DICT || v->dictionary_id == 0) return false;
        sources[c] = source_of(v);
        *entries += v->dictionary->count;
    }
    return true;
}

th_err eval_memo_coalesce(eval_node *node, eval_frame *frame, th_vector *out, bool *done)
{
    uint64_t sources[EVAL_MEMO_COLUMNS], entries;
    uint32_t n = node->expr->child_count;
    *done = false;
    if (!takes_columns(node, frame, sources, &entries)) return TH_OK;
    eval_memo *m = need_memo(node, frame);
    if (m == NULL) return eval_memory(frame);
    look_at(m, sources, n);
    if (!is_ready(m, frame->count, entries)) return TH_OK;
    if (!m->made) TH_TRY(join_dictionaries(m, node, frame));
    *done = true;
    uint32_t *codes = th_arena_alloc(frame->arena, ((size_t)frame->count + 1) * sizeof *codes);
    const uint32_t *of[EVAL_MEMO_COLUMNS];
    if (codes == NULL) return eval_memory(frame);
    for (uint32_t c = 0; c < n; c++)
        of[c] = frame->batch->columns[node->children[c].expr->index].codes;
    for (uint32_t i = 0; i < frame->count; i++) {
        uint32_t row = frame->rows == NULL ? i : frame->rows[i], code = UINT32_MAX;
        for (uint32_t c = 0; c < n && code == UINT32_MAX; c++) code = m->codes[c][of[c][row]];
        codes[i] = code == UINT32_MAX ? m->entries.count - 1 : code;
    }
    return give(m, frame, node->expr->type, codes, out);
}
