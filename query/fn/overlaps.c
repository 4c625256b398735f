/* SPDX-License-Identifier: Apache-2.0
 * (start, end) OVERLAPS (start, end): do two periods have a moment in common? */
#include "query/fn/call.h"
#include "query/fn/families.h"
#include "query/type/coerce.h"

static bool is_moment(const th_type *t)
{
    return t->kind == TH_UNKNOWN || t->kind == TH_DATE || t->kind == TH_TIME ||
           t->kind == TH_TIMESTAMP || t->kind == TH_TIMESTAMP_TZ;
}

const th_type *fn_overlaps_type(th_arena *arena, const th_type **params, uint32_t count)
{
    const th_type *ends[4], *common = &th_type_unknown;
    (void)count;
    for (uint32_t i = 0; i < 4; i++) {
        const th_type *row = params[i / 2];
        if (row->kind != TH_ROW || row->child_count != 2) return NULL;
        ends[i] = row->children[i % 2];
        if (!is_moment(ends[i])) return NULL;
        common = th_type_common_super(arena, common, ends[i]);
        if (common == NULL) return NULL;
    }
    if (common->kind == TH_UNKNOWN) common = &th_type_timestamp;
    const th_type *pair[2] = {common, common};
    for (uint32_t i = 0; i < 2; i++) {
        params[i] = th_type_row(arena, pair, NULL, 2);
        if (params[i] == NULL) return NULL;
    }
    return &th_type_boolean;
}

/* a < b: 1, 0, or -1 when one is NULL. */
static int less(const th_type *type, const th_value *a, const th_value *b)
{
    return a->null || b->null ? -1 : th_value_compare(type, a, b) < 0;
}

static int not3(int a)
{
    return a < 0 ? -1 : !a;
}

static int and3(int a, int b)
{
    return a == 0 || b == 0 ? 0 : a < 0 || b < 0 ? -1 : 1;
}

static int or3(int a, int b)
{
    return not3(and3(not3(a), not3(b)));
}

/* The start is what is known and earlier. */
static void period(const th_value *row, const th_type *type, th_value *from, th_value *to)
{
    th_value_field(row, 0, from);
    th_value_field(row, 1, to);
    if (!from->null && less(type, to, from) != 1) return;
    th_value swap = *from;
    *from = *to;
    *to = swap;
}

/* One period starts later than the other and before its end. */
static int inside(const th_type *type, const th_value *from, const th_value *to,
                  const th_value *other_from, const th_value *other_to)
{
    int late = not3(less(type, from, other_to)), later = not3(less(type, to, other_to));
    return and3(less(type, other_from, from), not3(and3(late, later)));
}

th_err fn_overlaps(th_fn_call *call, const th_value *args, th_value *out)
{
    const th_type *type = call->arg_types[0]->children[0];
    th_value f1, t1, f2, t2;
    period(&args[0], type, &f1, &t1);
    period(&args[1], type, &f2, &t2);
    int same = and3(not3(less(type, &f1, &f2)), not3(less(type, &f2, &f1)));
    int known = t1.null || t2.null ? -1 : 1;
    int any = or3(or3(inside(type, &f1, &t1, &f2, &t2), inside(type, &f2, &t2, &f1, &t1)),
                  and3(same, known));
    out->null = any < 0;
    out->i = any > 0;
    return TH_OK;
}
