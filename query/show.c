/* SPDX-License-Identifier: Apache-2.0
 * SHOW and DESCRIBE in the shape that Athena gives them. */
#include "query/fn/signature_text.h"
#include "query/listing.h"

static th_slice last_of(const ast_path *name)
{
    return name->parts[name->count - 1].text;
}

static th_err show_tables(binder *b, const ast_statement *s, th_plan **out)
{
    const char *names[] = {s->views_only ? "views" : "tab_name"};
    const list_relation *relations;
    uint32_t count;
    listing l = {.b = b, .width = 1};
    th_slice schema = s->name.count == 0 ? b->schema : last_of(&s->name);
    TH_TRY(query_list_relations(b, &relations, &count));
    for (uint32_t i = 0; i < count; i++) {
        const th_definition *d = relations[i].definition;
        if (!th_slice_equal_nocase(relations[i].schema, schema)) continue;
        if (s->views_only && (d == NULL || d->kind != TH_DEFINE_VIEW)) continue;
        TH_TRY(query_list_row(&l, &relations[i].name));
    }
    return query_list_finish(&l, names, NULL, out);
}

static th_err show_columns(binder *b, const ast_statement *s, th_plan **out)
{
    static const char *const names[] = {"field"};
    list_relation relation;
    const list_column *columns;
    uint32_t count;
    listing l = {.b = b, .width = 1};
    TH_TRY(query_find_relation(b, &s->name, &relation));
    TH_TRY(query_list_columns(b, &relation, &columns, &count));
    for (uint32_t i = 0; i < count; i++) TH_TRY(query_list_row(&l, &columns[i].name));
    return query_list_finish(&l, names, NULL, out);
}

static th_err describe_row(listing *l, const list_column *c)
{
    th_slice row[3] = {c->name, {0}, c->comment};
    TH_TRY(query_type_text(l->b, c->type, true, &row[1]));
    return query_list_row(l, row);
}

/* DESCRIBE EXTENDED and FORMATTED say where it comes from as well. */
static th_err describe_detail(listing *l, const list_relation *r)
{
    const th_definition *d = r->definition;
    bool view = d != NULL && d->kind == TH_DEFINE_VIEW;
    const th_slice none = TH_SLICE("");
    const th_slice rows[][3] = {
        {none, none, none},
        {TH_SLICE("# Detailed Table Information"), none, none},
        {TH_SLICE("Database:"), r->schema, none},
        {TH_SLICE("Table:"), r->name, none},
        {TH_SLICE("Table Type:"),
         view ? TH_SLICE("VIRTUAL_VIEW")
              : (d != NULL && d->kind == TH_DEFINE_TABLE ? TH_SLICE("MANAGED_TABLE")
                                                         : TH_SLICE("EXTERNAL_TABLE")),
         none},
        {TH_SLICE("Location:"), d != NULL && d->location.size > 0 ? d->location : none, none},
        {TH_SLICE("SerDe Library:"), d != NULL && d->serde.size > 0 ? d->serde : none, none},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) TH_TRY(query_list_row(l, rows[i]));
    return TH_OK;
}

static th_err describe(binder *b, const ast_statement *s, th_plan **out)
{
    static const char *const names[] = {"col_name", "data_type", "comment"};
    static const char *const heads[][3] = {{"", "", ""},
                                           {"# Partition Information", "", ""},
                                           {"# col_name", "data_type", "comment"},
                                           {"", "", ""}};
    list_relation relation;
    const list_column *columns;
    uint32_t count, partitions = 0;
    listing l = {.b = b, .width = 3};
    TH_TRY(query_find_relation(b, &s->name, &relation));
    TH_TRY(query_list_columns(b, &relation, &columns, &count));
    for (uint32_t i = 0; i < count; i++) {
        TH_TRY(describe_row(&l, &columns[i]));
        partitions += columns[i].partition;
    }
    for (size_t i = 0; partitions > 0 && i < sizeof heads / sizeof heads[0]; i++) {
        th_slice row[3];
        for (int k = 0; k < 3; k++) row[k] = th_slice_text(heads[i][k]);
        TH_TRY(query_list_row(&l, row));
    }
    for (uint32_t i = 0; i < count; i++)
        if (columns[i].partition) TH_TRY(describe_row(&l, &columns[i]));
    if (s->extended) TH_TRY(describe_detail(&l, &relation));
    return query_list_finish(&l, names, NULL, out);
}

/* A signature as people read it, in the statement's arena. */
static th_slice signature(binder *b, const char *params, const char *result)
{
    th_buf printed;
    th_buf_init(&printed, 1u << 16);
    if (result != NULL)
        th_signature_result(&printed, result, params);
    else
        th_signature_params(&printed, params);
    th_slice copy = th_arena_copy(b->arena, th_buf_slice(&printed));
    bool ok = th_buf_error(&printed) == TH_OK, empty = printed.size == 0;
    th_buf_free(&printed);
    return ok && empty ? TH_SLICE("") : ok ? copy : (th_slice){0};
}

static th_err function_row(listing *l, const char *name, const char *result, const char *args,
                           const char *kind, bool deterministic, const char *help)
{
    const th_slice row[] = {th_slice_text(name),
                            signature(l->b, args, result),
                            signature(l->b, args, NULL),
                            th_slice_text(kind),
                            deterministic ? TH_SLICE("true") : TH_SLICE("false"),
                            th_slice_text(help)};
    if (row[1].bytes == NULL || row[2].bytes == NULL) return query_no_memory(l->b);
    return query_list_row(l, row);
}

static th_err show_functions(binder *b, th_plan **out)
{
    static const char *const names[] = {"Function",      "Return Type",   "Argument Types",
                                        "Function Type", "Deterministic", "Description"};
    listing l = {.b = b, .width = 6};
    uint32_t count;
    const th_aggregate *aggregates = th_aggregate_list(&count);
    for (uint32_t i = 0; i < count; i++) {
        const th_aggregate *a = &aggregates[i];
        TH_TRY(function_row(&l, a->name, a->result, a->params, "aggregate", true, a->help));
    }
    const th_function *functions = th_function_list(&count);
    for (uint32_t i = 0; i < count; i++) {
        const th_function *f = &functions[i];
        if (f->name[0] == '$') continue; /* an operator */
        TH_TRY(function_row(&l, f->name, f->result, f->params, "scalar",
                            (f->flags & TH_FN_VOLATILE) == 0, f->help));
    }
    return query_list_finish(&l, names, NULL, out);
}

/* What is known of the partitions: those that ALTER TABLE added; of tables that compute theirs, none are listed. */
static th_err show_partitions(binder *b, const ast_statement *s, th_plan **out)
{
    static const char *const names[] = {"partition"};
    list_relation relation;
    listing l = {.b = b, .width = 1};
    TH_TRY(query_find_relation(b, &s->name, &relation));
    const th_definition *d = relation.definition;
    for (uint32_t i = 0; d != NULL && i < d->partition_count; i++)
        TH_TRY(query_list_row(&l, &d->partitions[i].key));
    return query_list_finish(&l, names, NULL, out);
}

static th_err show_properties(binder *b, const ast_statement *s, th_plan **out)
{
    static const char *const names[] = {"prpt_name", "prpt_value"};
    list_relation relation;
    listing l = {.b = b, .width = 2};
    TH_TRY(query_find_relation(b, &s->name, &relation));
    const th_definition *d = relation.definition;
    for (uint32_t i = 0; d != NULL && i < d->property_count; i++) {
        if (s->has_like && !th_slice_equal(d->properties[i].key, s->like)) continue;
        const th_slice row[] = {d->properties[i].key, d->properties[i].value};
        TH_TRY(query_list_row(&l, row));
    }
    return query_list_finish(&l, names, NULL, out);
}

/* One row a column and one for the table; of what is not known, NULL. */
static th_err stats_rows(listing *l, const list_column *columns, uint32_t count, double rows)
{
    binder *b = l->b;
    th_value v = {.f = rows};
    const th_expr *no_text = query_expr_null(b, &th_type_varchar, NULL),
                  *no_number = query_expr_null(b, &th_type_double, NULL);
    for (uint32_t i = 0; i <= count; i++) {
        const th_expr *row[] = {
            i < count ? query_expr_text(b, columns[i].name, NULL) : no_text,
            no_number,
            no_number,
            no_number,
            i < count || rows < 0 ? no_number : query_expr_const(b, &th_type_double, &v, NULL),
            no_text,
            no_text};
        TH_TRY(query_list_exprs(l, row));
    }
    return TH_OK;
}

static th_err show_stats(binder *b, const ast_statement *s, th_plan **out)
{
    static const char *const names[] = {"column_name",    "data_size", "distinct_values_count",
                                        "nulls_fraction", "row_count", "low_value",
                                        "high_value"};
    static const th_type *const types[] = {&th_type_varchar, &th_type_double, &th_type_double,
                                           &th_type_double,  &th_type_double, &th_type_varchar,
                                           &th_type_varchar};
    listing l = {.b = b, .width = 7};
    const list_column *columns;
    uint32_t count;
    double rows = -1;
    if (s->query != NULL) {
        th_plan *plan;
        TH_TRY(query_bind_query(b, s->query, NULL, &plan));
        list_column *list = TH_NEW_ARRAY(b->arena, list_column, (size_t)plan->column_count + 1);
        if (list == NULL) return query_no_memory(b);
        for (uint32_t i = 0; i < plan->column_count; i++) list[i].name = plan->columns[i].name;
        columns = list;
        count = plan->column_count;
    } else {
        list_relation relation;
        bool exact;
        TH_TRY(query_find_relation(b, &s->name, &relation));
        TH_TRY(query_list_columns(b, &relation, &columns, &count));
        uint64_t n = relation.table == NULL
                         ? UINT64_MAX
                         : b->provider->ops->table_rows(b->snapshot, relation.table, &exact);
        if (n != UINT64_MAX) rows = (double)n;
    }
    TH_TRY(stats_rows(&l, columns, count, rows));
    return query_list_finish(&l, names, types, out);
}

static th_err show_schemas(binder *b, th_plan **out)
{
    static const char *const names[] = {"database_name"};
    const th_slice *schemas;
    uint32_t count;
    listing l = {.b = b, .width = 1};
    TH_TRY(query_list_schemas(b, &schemas, &count));
    for (uint32_t i = 0; i < count; i++) TH_TRY(query_list_row(&l, &schemas[i]));
    return query_list_finish(&l, names, NULL, out);
}

static th_err show_catalogs(binder *b, th_plan **out)
{
    static const char *const names[] = {"Catalog"};
    listing l = {.b = b, .width = 1};
    th_slice row = TH_SLICE("awsdatacatalog");
    TH_TRY(query_list_row(&l, &row));
    return query_list_finish(&l, names, NULL, out);
}

/* Does the pattern speak Hive's language (a*|b*, or a regular expression) and not that of LIKE? */
static bool is_hive_pattern(const ast_statement *s)
{
    if (s->has_escape || memchr(s->like.bytes, '%', s->like.size) != NULL) return false;
    for (size_t i = 0; i < s->like.size; i++)
        if (strchr("*|.[^$", s->like.bytes[i]) != NULL) return true;
    return false;
}

/* Hive's pattern as a regular expression over the whole name: a * that repeats nothing stands for any run. */
static th_slice hive_regex(binder *b, th_slice pattern)
{
    th_buf regex;
    th_buf_init(&regex, 1u << 16);
    th_buf_add_text(&regex, "(?i)^(?:");
    for (size_t i = 0; i < pattern.size; i++) {
        uint8_t before = i == 0 ? '|' : pattern.bytes[i - 1];
        bool repeats = strchr(".])", before) != NULL;
        if (pattern.bytes[i] == '*' && !repeats) th_buf_add_byte(&regex, '.');
        th_buf_add_byte(&regex, pattern.bytes[i]);
    }
    th_buf_add_text(&regex, ")$");
    th_slice copy = th_arena_copy(b->arena, th_buf_slice(&regex));
    th_buf_free(&regex);
    return copy;
}

/* SHOW ... LIKE: over the first column. */
static th_err like(binder *b, const ast_statement *s, th_plan **out)
{
    bool hive = is_hive_pattern(s);
    th_slice pattern = hive ? hive_regex(b, s->like) : s->like;
    const th_expr *args[3] = {query_expr_column(b, 0, &th_type_varchar, NULL),
                              query_expr_text(b, pattern, NULL),
                              query_expr_text(b, s->escape, NULL)};
    if (args[0] == NULL || args[1] == NULL || args[2] == NULL) return query_no_memory(b);
    const th_expr *predicate;
    TH_TRY(query_bind_function(b, NULL, hive ? "regexp_like" : "$like", s->has_escape ? 3 : 2, args,
                               &predicate));
    *out = query_plan_filter(b, *out, predicate);
    return *out == NULL ? query_no_memory(b) : TH_OK;
}

th_err query_bind_show(binder *b, const ast_statement *s, th_plan **out)
{
    switch (s->kind) {
    case AST_SHOW_TABLES: TH_TRY(show_tables(b, s, out)); break;
    case AST_SHOW_COLUMNS: TH_TRY(show_columns(b, s, out)); break;
    case AST_SHOW_FUNCTIONS: TH_TRY(show_functions(b, out)); break;
    case AST_SHOW_SCHEMAS: TH_TRY(show_schemas(b, out)); break;
    case AST_SHOW_CATALOGS: TH_TRY(show_catalogs(b, out)); break;
    case AST_SHOW_CREATE: return query_show_create(b, s, out);
    case AST_SHOW_PARTITIONS: return show_partitions(b, s, out);
    case AST_SHOW_PROPERTIES: return show_properties(b, s, out);
    case AST_SHOW_STATS: return show_stats(b, s, out);
    default: return describe(b, s, out);
    }
    return s->has_like ? like(b, s, out) : TH_OK;
}
