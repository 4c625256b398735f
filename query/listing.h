/* SPDX-License-Identifier: Apache-2.0
 * Rows of text under construction, as SHOW, DESCRIBE and information_schema give them, and what there is to list: the
 * tables of the provider and what users have defined, without what is shadowed. Private to query/. */
#ifndef TH_QUERY_LISTING_H
#define TH_QUERY_LISTING_H

#include "query/bind.h"

typedef struct listing {
    binder *b;
    uint32_t width, rows, capacity;
    const th_expr **cells;
} listing;

/* A row of width texts; an empty slice with NULL bytes is NULL. */
TH_MUST_CHECK th_err query_list_row(listing *l, const th_slice *cells);
/* The same of expressions of any type. */
TH_MUST_CHECK th_err query_list_exprs(listing *l, const th_expr *const *cells);
/* VALUES with these column names; types NULL: all varchar. */
TH_MUST_CHECK th_err query_list_finish(listing *l, const char *const *names,
                                       const th_type *const *types, th_plan **out);
/* Each line of the text as a row of one column. */
TH_MUST_CHECK th_err query_list_lines(binder *b, th_slice text, const char *name, th_plan **out);

/* A relation that can be named: one of the two is set. */
typedef struct list_relation {
    th_slice schema, name;
    const th_definition *definition;
    const th_table *table;
} list_relation;
/* All of them, by schema and name. */
TH_MUST_CHECK th_err query_list_relations(binder *b, const list_relation **out, uint32_t *count);
/* The one of this name, or TABLE_NOT_FOUND. */
TH_MUST_CHECK th_err query_find_relation(binder *b, const ast_path *name, list_relation *out);

/* show_schema.c: names of schemas, each once. */
TH_MUST_CHECK th_err query_list_schemas(binder *b, const th_slice **out, uint32_t *count);

typedef struct list_column {
    th_slice name;
    const th_type *type;
    th_slice comment;
    bool partition;
} list_column;
/* Its columns, partition columns last. */
TH_MUST_CHECK th_err query_list_columns(binder *b, const list_relation *relation,
                                        const list_column **out, uint32_t *count);
/* "bigint" or, as Hive spells it, "struct<a:string>"; in the arena. */
TH_MUST_CHECK th_err query_type_text(binder *b, const th_type *type, bool hive, th_slice *out);

/* show_create.c: the statement that makes a relation again. */
TH_MUST_CHECK th_err query_show_create(binder *b, const ast_statement *s, th_plan **out);

#endif
