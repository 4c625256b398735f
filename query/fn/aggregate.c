/* SPDX-License-Identifier: Apache-2.0
 * The table of aggregates and the search in it (query/fn/aggregate.h). */
#include "query/fn/aggregate.h"

#include "query/fn/aggregate_impl.h"
#include "query/fn/resolve.h"

#define AGG(name_, params_, result_, nulls_, state_, add_, many_, finish_, help_) \
    {.name = (name_),                                                             \
     .params = (params_),                                                         \
     .result = (result_),                                                         \
     .nulls = (nulls_),                                                           \
     .state_size = sizeof(state_),                                                \
     .add = (add_),                                                               \
     .add_many = (many_),                                                         \
     .finish = (finish_),                                                         \
     .help = (help_)},
static const th_aggregate aggregates[] = {
#include "query/fn/aggregates.def"
};
#undef AGG

enum { AGGREGATE_COUNT = sizeof aggregates / sizeof aggregates[0] };

const th_aggregate *th_aggregate_list(uint32_t *count)
{
    *count = AGGREGATE_COUNT;
    return aggregates;
}

bool th_aggregate_exists(th_slice name)
{
    for (uint32_t i = 0; i < AGGREGATE_COUNT; i++)
        if (th_slice_equal_nocase(name, th_slice_text(aggregates[i].name))) return true;
    return false;
}

static th_err not_found(th_slice name, const th_type *const *args, uint32_t count, th_diag *diag)
{
    char given[200] = "", expected[250] = "";
    th_buf g = {.bytes = (uint8_t *)given, .capacity = sizeof given, .limit = sizeof given - 1};
    th_buf e = {
        .bytes = (uint8_t *)expected, .capacity = sizeof expected, .limit = sizeof expected - 1};
    int size = (int)(name.size > 60 ? 60 : name.size);
    for (uint32_t i = 0; i < AGGREGATE_COUNT; i++)
        if (th_slice_equal_nocase(name, th_slice_text(aggregates[i].name)))
            th_buf_printf(&e, "%s%s(%s)", e.size > 0 ? ", " : "", aggregates[i].name,
                          aggregates[i].params);
    signature_print_types(&g, args, count);
    return th_fail(diag, TH_ESQL, "FUNCTION_NOT_FOUND",
                   "Unexpected parameters (%s) for function %.*s. Expected: %s", given, size,
                   (const char *)name.bytes, expected);
}

static bool needs_order(const th_aggregate *agg)
{
    return strncmp(agg->name, "min", 3) == 0 || strncmp(agg->name, "max", 3) == 0;
}

static const th_type *result_of(const th_aggregate *agg, const signature_match *m, th_arena *arena)
{
    if (strcmp(agg->result, "sum") == 0) return th_type_decimal(arena, 38, m->params[0]->scale);
    return signature_result(agg->result, m, arena);
}

th_err th_aggregate_resolve(th_slice name, const th_type *const *args, uint32_t count,
                            th_arena *arena, const th_aggregate **agg,
                            const th_type *const **params, const th_type **result, th_diag *diag)
{
    const th_aggregate *found = NULL;
    signature_match m, best = {0};
    for (uint32_t i = 0; i < AGGREGATE_COUNT; i++) {
        const th_aggregate *a = &aggregates[i];
        if (!th_slice_equal_nocase(name, th_slice_text(a->name))) continue;
        if (!signature_matches(a->params, args, count, arena, &m)) continue;
        if (needs_order(a) &&
            !th_type_is_orderable(m.params[strstr(a->name, "_by") != NULL ? 1 : 0]))
            continue;
        if (found != NULL && m.cost >= best.cost) continue;
        found = a;
        best = m;
    }
    if (found == NULL) return not_found(name, args, count, diag);
    const th_type *type = result_of(found, &best, arena);
    if (type == NULL) return th_fail(diag, TH_ELIMIT, NULL, "no memory for a type");
    *agg = found;
    *params = best.params;
    *result = type;
    return TH_OK;
}

void agg_fail(th_agg_context *ctx, const char *name, const char *text)
{
    if (ctx->error == TH_OK) ctx->error = th_fail(ctx->diag, TH_ESQL, name, "%s", text);
}

void agg_memory(th_agg_context *ctx)
{
    if (ctx->error == TH_OK) ctx->error = th_fail_memory(ctx->diag);
}
