/* SPDX-License-Identifier: Apache-2.0
 * The syntax tree of a statement, as written: names are not looked up, nothing is typed. All of it is in the arena of
 * the statement; slices borrow from the text where they can, so the text must live as long.
 *
 * Every expression knows its place: line and column of its operator token when it has one in the middle (a + b,
 * a BETWEEN b AND c), else of its first token; and its source text. `depth` is bounded by TH_SQL_DEPTH_MAX, so that a
 * walk of the tree may recurse. */
#ifndef TH_QUERY_AST_H
#define TH_QUERY_AST_H

#include "base/slice.h"

typedef struct ast_expr ast_expr;
typedef struct ast_query ast_query;
typedef struct ast_relation ast_relation;

typedef struct ast_name {
    th_slice text; /* case as written */
    bool quoted;
    uint32_t line, column;
} ast_name;

/* a.b.c: a table, a function, a schema */
typedef struct ast_path {
    uint32_t count; /* 1 or more */
    const ast_name *parts;
} ast_path;

typedef struct ast_list {
    uint32_t count;
    ast_expr **items;
} ast_list;

typedef enum ast_kind {
    AST_NULL,
    AST_TRUE,
    AST_FALSE,
    AST_INTEGER,  /* text: digits without _, or 0x.. 0o.. 0b.. */
    AST_DECIMAL,  /* text */
    AST_DOUBLE,   /* text */
    AST_STRING,   /* text: the value */
    AST_BINARY,   /* text: the bytes */
    AST_TYPED,    /* type_text 'text': DATE '2024-01-31' */
    AST_INTERVAL, /* text, unit, unit_to, negative */
    AST_PARAM,    /* index: of the ?, from 0 */
    AST_NAME,     /* text */
    AST_FIELD,    /* children[0] . text */
    AST_CALL,     /* call */
    AST_NEGATE,
    AST_PLUS,
    AST_ARITHMETIC, /* op: + - * / % or LEX_CONCAT */
    AST_COMPARE,    /* op: = < > LEX_NE LEX_LE LEX_GE */
    AST_DISTINCT,   /* a IS [NOT] DISTINCT FROM b */
    AST_AND,        /* two or more children */
    AST_OR,
    AST_NOT,
    AST_BETWEEN,    /* value, low, high; negated */
    AST_IN,         /* value, items...; negated */
    AST_IN_QUERY,   /* value, query; negated */
    AST_LIKE,       /* value, pattern[, escape]; negated */
    AST_IS_NULL,    /* value; negated */
    AST_QUANTIFIED, /* value op quantifier (query) */
    AST_CASE,       /* [operand when simple,] when, then, ..., [else when has_else] */
    AST_CAST,       /* children[0] to type_text; try */
    AST_EXTRACT,    /* text: field, FROM children[0] */
    AST_ARRAY,
    AST_ROW,          /* names may be NULL */
    AST_SUBSCRIPT,    /* children[0] [ children[1] ] */
    AST_LAMBDA,       /* params, children[0] */
    AST_OPERAND,      /* of the CASE around: what WHEN > 5 compares */
    AST_EXISTS,       /* query */
    AST_UNIQUE,       /* query */
    AST_SUBQUERY,     /* query */
    AST_AT_TIME_ZONE, /* value, zone */
    AST_GROUPING,     /* children */
    AST_KIND_COUNT
} ast_kind;

typedef enum ast_quantifier { AST_ANY, AST_ALL } ast_quantifier;
typedef enum ast_unit {
    AST_SECOND,
    AST_MINUTE,
    AST_HOUR,
    AST_DAY,
    AST_WEEK,
    AST_MONTH,
    AST_YEAR
} ast_unit;

typedef struct ast_sort {
    ast_expr *expr;
    bool descending, nulls_first;
} ast_sort;

typedef enum ast_bound_kind {
    AST_UNBOUNDED_PRECEDING,
    AST_PRECEDING,
    AST_CURRENT_ROW,
    AST_FOLLOWING,
    AST_UNBOUNDED_FOLLOWING
} ast_bound_kind;
typedef enum ast_frame_unit {
    AST_FRAME_NONE,
    AST_FRAME_ROWS,
    AST_FRAME_RANGE,
    AST_FRAME_GROUPS
} ast_frame_unit;

typedef struct ast_window {
    th_slice name; /* of an existing window, or size 0 */
    ast_list partition;
    uint32_t sort_count;
    ast_sort *sorts;
    ast_frame_unit unit;
    ast_bound_kind start, end;
    ast_expr *start_value, *end_value;
    uint32_t line, column;
} ast_window;

typedef struct ast_call {
    ast_path name;
    ast_list args;
    bool star; /* count(*) */
    bool distinct;
    bool ignore_nulls;
    uint32_t sort_count; /* ORDER BY in the parentheses, or WITHIN GROUP */
    ast_sort *sorts;
    ast_expr *filter;
    ast_window *over;
} ast_call;

struct ast_expr {
    ast_kind kind;
    uint32_t op;
    uint32_t line, column;
    uint32_t start_line, start_column; /* of its first token */
    uint32_t depth;
    uint32_t index;
    bool negated, quoted, try_cast, simple, has_else;
    ast_quantifier quantifier;
    ast_unit unit, unit_to;
    th_slice text;
    th_slice type_text;
    th_slice source;
    uint32_t child_count;
    ast_expr **children;
    uint32_t param_count;
    const ast_name *params; /* lambda parameters; row field names */
    ast_call *call;
    ast_query *query;
};

typedef enum ast_relation_kind {
    AST_TABLE,
    AST_DERIVED,
    AST_LATERAL,
    AST_UNNEST,
    AST_JOIN,
    AST_TABLE_FUNCTION
} ast_relation_kind;
typedef enum ast_join {
    AST_CROSS,
    AST_INNER,
    AST_LEFT,
    AST_RIGHT,
    AST_FULL,
    AST_IMPLICIT
} ast_join;

struct ast_relation {
    ast_relation_kind kind;
    uint32_t line, column;
    uint32_t depth;
    ast_path name;   /* TABLE, TABLE_FUNCTION */
    ast_expr *as_of; /* FOR TIMESTAMP/VERSION AS OF */
    bool as_of_version;
    ast_expr *sample; /* TABLESAMPLE: the percentage */
    bool sample_system;
    ast_query *query; /* DERIVED, LATERAL */
    ast_list exprs;   /* UNNEST */
    bool ordinality;
    ast_name alias; /* text.size 0 = none */
    uint32_t alias_count;
    const ast_name *aliases; /* of columns */
    ast_join join;
    bool natural;
    ast_relation *left, *right;
    ast_expr *on;
    uint32_t using_count;
    const ast_name *using;
};

typedef struct ast_item {
    ast_expr *expr;    /* NULL: * */
    ast_expr *star_of; /* t.*: the t */
    ast_name alias;
    uint32_t alias_count; /* t.* AS (a, b) */
    const ast_name *aliases;
    uint32_t line, column;
} ast_item;

typedef enum ast_group_kind {
    AST_GROUP_SIMPLE,
    AST_GROUP_SETS,
    AST_GROUP_ROLLUP,
    AST_GROUP_CUBE
} ast_group_kind;
typedef struct ast_group {
    ast_group_kind kind;
    uint32_t set_count; /* SIMPLE: one set */
    ast_list *sets;
    uint32_t line, column;
} ast_group;

typedef struct ast_named_window {
    ast_name name;
    ast_window *window;
} ast_named_window;

typedef enum ast_body_kind {
    AST_SELECT,
    AST_VALUES,
    AST_TABLE_BODY,
    AST_NESTED,
    AST_UNION,
    AST_INTERSECT,
    AST_EXCEPT
} ast_body_kind;

typedef struct ast_body {
    ast_body_kind kind;
    uint32_t line, column;
    uint32_t depth;
    /* SELECT */
    bool distinct; /* also of set operations */
    bool corresponding;
    uint32_t item_count;
    ast_item *items;
    ast_relation *from;
    ast_expr *where;
    bool group_distinct;
    uint32_t group_count;
    ast_group *groups;
    ast_expr *having;
    uint32_t window_count;
    ast_named_window *windows;
    ast_list rows;     /* VALUES: AST_ROW or a single expression each */
    ast_path table;    /* TABLE t */
    ast_query *nested; /* ( query ) */
    struct ast_body *left, *right;
} ast_body;

typedef struct ast_with {
    ast_name name;
    uint32_t column_count;
    const ast_name *columns;
    ast_query *query;
} ast_with;

struct ast_query {
    uint32_t line, column;
    uint32_t depth;
    bool recursive;
    uint32_t with_count;
    ast_with *with;
    ast_body *body;
    uint32_t sort_count;
    ast_sort *sorts;
    ast_expr *offset; /* AST_INTEGER or AST_PARAM */
    ast_expr *limit;  /* NULL: none, or ALL */
    bool with_ties;
};

typedef enum ast_statement_kind {
    AST_QUERY,
    AST_EXPLAIN,     /* inner; analyze, format */
    AST_SHOW_TABLES, /* views_only; name: schema */
    AST_SHOW_COLUMNS,
    AST_SHOW_SCHEMAS,
    AST_SHOW_FUNCTIONS,
    AST_SHOW_CATALOGS,
    AST_SHOW_PARTITIONS, /* name: table */
    AST_SHOW_PROPERTIES, /* like: one key */
    AST_SHOW_STATS,      /* name, or inner: a query */
    AST_SHOW_CREATE,     /* word: TABLE, VIEW, SCHEMA */
    AST_SHOW_SESSION,
    AST_DESCRIBE, /* name, extended */
    AST_DESCRIBE_INPUT,
    AST_DESCRIBE_OUTPUT,
    AST_USE,     /* name */
    AST_SET,     /* name = ddl->value */
    AST_RESET,   /* name */
    AST_PREPARE, /* name, source: text of the statement */
    AST_EXECUTE, /* name, or source: IMMEDIATE; ddl->arguments */
    AST_DEALLOCATE,
    AST_CREATE_VIEW,  /* name, query, source: text of the query; ddl */
    AST_CREATE_TABLE, /* name, query (AS) or columns; ddl */
    AST_CREATE_SCHEMA,
    AST_DROP,        /* word: TABLE, VIEW, SCHEMA */
    AST_ALTER_TABLE, /* ddl->action */
    AST_ALTER_SCHEMA,
    AST_REPAIR,     /* MSCK REPAIR TABLE name */
    AST_INSERT,     /* name, ddl->names, query */
    AST_UNLOAD,     /* query, ddl->location, ddl->properties */
    AST_INDEX,      /* CREATE and DROP INDEX: nothing is done; name: the table when it is said */
    AST_UNSUPPORTED /* text: the words that name it */
} ast_statement_kind;

typedef struct ast_property {
    th_slice key, value; /* value: of a string, else the text as written */
    uint32_t line, column;
} ast_property;
typedef struct ast_properties {
    uint32_t count;
    const ast_property *items;
} ast_properties;

/* A column of CREATE TABLE or ALTER TABLE, its type in either spelling. */
typedef struct ast_column {
    ast_name name;
    th_slice type;
    th_slice comment;
} ast_column;
typedef struct ast_columns {
    uint32_t count;
    const ast_column *items;
} ast_columns;

/* PARTITION (a = 'x', b = 'y') [LOCATION '...'] */
typedef struct ast_partition {
    ast_properties values;
    th_slice location;
} ast_partition;

typedef enum ast_alter {
    AST_ALTER_ADD_PARTITIONS,
    AST_ALTER_DROP_PARTITIONS,
    AST_ALTER_RENAME_PARTITION, /* partitions: from, to */
    AST_ALTER_SET_LOCATION,
    AST_ALTER_SET_PROPERTIES,
    AST_ALTER_UNSET_PROPERTIES,
    AST_ALTER_ADD_COLUMNS,
    AST_ALTER_REPLACE_COLUMNS,
    AST_ALTER_CHANGE_COLUMN, /* names[0] to columns[0] */
    AST_ALTER_DROP_COLUMN,   /* names[0] */
    AST_ALTER_RENAME_COLUMN, /* names[0] to names[1] */
    AST_ALTER_RENAME         /* to new_name */
} ast_alter;

/* What statements of definition say beyond their names. Slices of size 0: not said. */
typedef struct ast_ddl {
    bool if_exists, if_not_exists, or_replace, external, with_no_data, hive;
    ast_alter action;
    ast_path new_name;
    uint32_t name_count;
    const ast_name *names;
    ast_columns columns, partition_columns;
    uint32_t partition_count;
    const ast_partition *partitions;
    ast_properties properties, serde_properties;
    th_slice comment, location, serde, stored_as, delimiter;
    ast_expr *value;
    ast_list arguments;
} ast_ddl;

typedef struct ast_statement {
    ast_statement_kind kind;
    uint32_t line, column;
    ast_query *query;
    struct ast_statement *inner;
    bool analyze, json, views_only, extended;
    ast_path name; /* table or schema; count 0 = none */
    bool has_like, has_escape;
    th_slice like, escape;
    th_slice text;
    th_slice word;        /* which thing, upper case */
    th_slice source;      /* text of what stands inside */
    ast_ddl *ddl;         /* NULL: nothing of the kind */
    uint32_t param_count; /* number of ? in it */
} ast_statement;

#endif
