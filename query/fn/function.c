/* SPDX-License-Identifier: Apache-2.0
 * The table of scalar functions, made of functions.def, and the search in it (query/fn/function.h). */
#include "query/fn/function.h"

#include "query/fn/families.h"
#include "query/fn/resolve.h"

#define FN(name_, params_, result_, flags_, row_, help_) \
    {.name = (name_),                                    \
     .params = (params_),                                \
     .result = (result_),                                \
     .flags = (flags_),                                  \
     .row = (row_),                                      \
     .help = (help_)},
#define FN_FAST(name_, params_, result_, row_, kernel_, help_) \
    {.name = (name_),                                          \
     .params = (params_),                                      \
     .result = (result_),                                      \
     .flags = TH_FN_HIDDEN,                                    \
     .row = (row_),                                            \
     .kernel = (kernel_),                                      \
     .help = (help_)},
#define FN_TYPED(name_, params_, flags_, row_, typer_, help_) \
    {.name = (name_),                                         \
     .params = (params_),                                     \
     .result = "",                                            \
     .flags = (flags_),                                       \
     .row = (row_),                                           \
     .typer = (typer_),                                       \
     .help = (help_)},
#define FN_VECTOR(name_, params_, result_, vector_, help_) \
    {.name = (name_),                                      \
     .params = (params_),                                  \
     .result = (result_),                                  \
     .flags = TH_FN_NULLS,                                 \
     .vector = (vector_),                                  \
     .help = (help_)},
static const th_function functions[] = {
#include "query/fn/functions.def"
};
#undef FN
#undef FN_FAST
#undef FN_TYPED
#undef FN_VECTOR

enum { FUNCTION_COUNT = sizeof functions / sizeof functions[0] };

const th_function *th_function_list(uint32_t *count)
{
    *count = FUNCTION_COUNT;
    return functions;
}

bool th_function_exists(th_slice name)
{
    for (uint32_t i = 0; i < FUNCTION_COUNT; i++)
        if (functions[i].name[0] != '$' &&
            th_slice_equal_nocase(name, th_slice_text(functions[i].name)))
            return true;
    return false;
}

static const struct {
    const char *name, *symbol;
} operators[] = {{"$add", "+"},
                 {"$sub", "-"},
                 {"$mul", "*"},
                 {"$div", "/"},
                 {"$mod", "%"},
                 {"$concat", "||"},
                 {"$eq", "="},
                 {"$ne", "<>"},
                 {"$lt", "<"},
                 {"$le", "<="},
                 {"$gt", ">"},
                 {"$ge", ">="},
                 {"$is_distinct", "IS DISTINCT FROM"},
                 {"$like", "LIKE"},
                 {"$at_timezone", "AT TIME ZONE"}};

static th_err operator_mismatch(th_slice name, const th_type *const *args, uint32_t count,
                                th_diag *diag)
{
    char left[160] = "", right[160] = "";
    th_buf l = {.bytes = (uint8_t *)left, .capacity = sizeof left, .limit = sizeof left - 1};
    th_buf r = {.bytes = (uint8_t *)right, .capacity = sizeof right, .limit = sizeof right - 1};
    const char *symbol = NULL;
    for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++)
        if (th_slice_is(name, operators[i].name)) symbol = operators[i].symbol;
    if (count > 0) signature_print_types(&l, args, 1);
    if (count > 1) signature_print_types(&r, args + 1, 1);
    if (symbol == NULL || count < 2)
        return th_fail(diag, TH_ESQL, "TYPE_MISMATCH", "Cannot apply %.*s to %s",
                       (int)(name.size > 40 ? 40 : name.size - 1), (const char *)name.bytes + 1,
                       left);
    return th_fail(diag, TH_ESQL, "TYPE_MISMATCH", "Cannot apply operator: %s %s %s", left, symbol,
                   right);
}

static th_err not_found(th_slice name, const th_type *const *args, uint32_t count, th_diag *diag)
{
    char given[200] = "", expected[250] = "";
    th_buf g = {.bytes = (uint8_t *)given, .capacity = sizeof given, .limit = sizeof given - 1};
    th_buf e = {
        .bytes = (uint8_t *)expected, .capacity = sizeof expected, .limit = sizeof expected - 1};
    int size = (int)(name.size > 60 ? 60 : name.size);
    if (name.size > 0 && name.bytes[0] == '$') return operator_mismatch(name, args, count, diag);
    for (uint32_t i = 0; i < FUNCTION_COUNT; i++)
        if (th_slice_equal_nocase(name, th_slice_text(functions[i].name)))
            th_buf_printf(&e, "%s%s(%s)", e.size > 0 ? ", " : "", functions[i].name,
                          functions[i].params);
    if (e.size == 0)
        return th_fail(diag, TH_ESQL, "FUNCTION_NOT_FOUND", "Function '%.*s' not registered", size,
                       (const char *)name.bytes);
    signature_print_types(&g, args, count);
    return th_fail(diag, TH_ESQL, "FUNCTION_NOT_FOUND",
                   "Unexpected parameters (%s) for function %.*s. Expected: %s", given, size,
                   (const char *)name.bytes, expected);
}

/* The nearest row for these types, and its match; NULL when none fits. */
static const th_function *find(th_slice name, const th_type *const *args, uint32_t count,
                               th_arena *arena, signature_match *best)
{
    const th_function *found = NULL;
    signature_match m;
    for (uint32_t i = 0; i < FUNCTION_COUNT; i++) {
        if (!th_slice_equal_nocase(name, th_slice_text(functions[i].name))) continue;
        if (!signature_matches(functions[i].params, args, count, arena, &m)) continue;
        if (functions[i].typer != NULL && functions[i].typer(arena, m.params, count) == NULL)
            continue;
        if (found != NULL && m.cost >= best->cost) continue;
        found = &functions[i];
        *best = m;
    }
    return found;
}

th_err th_function_resolve(th_slice name, const th_type *const *args, uint32_t count,
                           th_arena *arena, const th_function **fn, const th_type *const **params,
                           const th_type **result, th_diag *diag)
{
    signature_match m;
    const th_function *found = find(name, args, count, arena, &m);
    if (found == NULL) return not_found(name, args, count, diag);
    const th_type *type = found->typer != NULL ? found->typer(arena, m.params, count)
                                               : signature_result(found->result, &m, arena);
    if (type == NULL) return th_fail(diag, TH_ELIMIT, NULL, "no memory for a type");
    *fn = found;
    *params = m.params;
    *result = type;
    return TH_OK;
}

th_err th_function_lambda(th_slice name, const th_type *const *args, uint32_t count, uint32_t index,
                          uint32_t lambda_params, th_arena *arena, const th_type *const **types,
                          th_diag *diag)
{
    signature_match m;
    for (uint32_t i = 0; i < FUNCTION_COUNT; i++) {
        if (!th_slice_equal_nocase(name, th_slice_text(functions[i].name))) continue;
        if (!signature_matches(functions[i].params, args, count, arena, &m)) continue;
        *types = signature_lambda(&m, index, lambda_params);
        if (*types != NULL) return TH_OK;
    }
    return not_found(name, args, count, diag);
}
