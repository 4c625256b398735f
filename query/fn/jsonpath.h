/* SPDX-License-Identifier: Apache-2.0
 * The path language of JSON_EXISTS, JSON_VALUE and JSON_QUERY: lax and strict mode, filters, arithmetic, methods.
 *
 * A path is compiled once a place into nodes in the query's arena; a result is a sequence of items. */
#ifndef TH_QUERY_FN_JSONPATH_H
#define TH_QUERY_FN_JSONPATH_H

#include "query/fn/call.h"

typedef enum path_kind {
    PATH_ROOT,    /* $ */
    PATH_CURRENT, /* @ */
    PATH_VARIABLE,
    PATH_LAST,
    PATH_LITERAL,
    PATH_MEMBER,      /* .key */
    PATH_MEMBERS,     /* .* */
    PATH_DESCENDANTS, /* ..key */
    PATH_ELEMENTS,    /* [*] */
    PATH_SUBSCRIPTS,  /* [a, b to c]: second is a chain of PATH_RANGE */
    PATH_RANGE,       /* first to second (or first alone), next */
    PATH_FILTER,      /* ?(second) */
    PATH_METHOD,      /* text: its name */
    PATH_NEGATE,
    PATH_PLUS,
    PATH_ARITHMETIC, /* op: + - * / % */
    PATH_AND,        /* predicates from here on */
    PATH_OR,
    PATH_NOT,
    PATH_COMPARE, /* op: = ! < > l g (for <= and >=) */
    PATH_EXISTS,
    PATH_LIKE_REGEX, /* text: pattern, flags */
    PATH_STARTS_WITH,
    PATH_IS_UNKNOWN
} path_kind;

typedef struct path_item {
    const th_type *type; /* NULL: an array or object, raw */
    th_value value;      /* null: JSON's null */
    th_slice raw;
} path_item;

typedef struct path_node {
    path_kind kind;
    char op;
    th_slice text, flags;
    path_item literal;
    struct path_node *first, *second, *next;
    void *state; /* a compiled pattern */
} path_node;

typedef struct jsonpath {
    th_slice source;
    bool strict;
    path_node *root;
} jsonpath;

typedef struct path_items {
    path_item *at;
    uint32_t count, capacity;
} path_items;

/* A value that the path names with $name. */
typedef struct path_variable {
    th_slice name;
    path_item item;
} path_variable;

/* The path of this place, compiled once. INVALID_PATH. */
th_err jsonpath_of(th_fn_call *call, th_slice source, jsonpath **out);
/* PATH_EVALUATION_ERROR and errors of functions, all TH_ESQL. */
th_err jsonpath_run(th_fn_call *call, const jsonpath *path, th_slice document,
                    const path_variable *variables, uint32_t variable_count, path_items *out);
/* The item of raw JSON text. */
th_err jsonpath_item(th_fn_call *call, th_slice raw, path_item *out);
/* JSON text of an item, appended: no white space, of equal keys the last one. */
th_err jsonpath_print(th_fn_call *call, th_buf *out, const path_item *item);
th_err jsonpath_print_raw(th_fn_call *call, th_buf *out, th_slice raw);

#endif
