/* SPDX-License-Identifier: Apache-2.0
 * What a scalar function is given besides its arguments, and helpers that all of them share. */
#ifndef TH_QUERY_FN_CALL_H
#define TH_QUERY_FN_CALL_H

#include "query/fn/function.h"

struct th_fn_call {
    th_arena *arena; /* results live here: the batch's */
    th_arena *query; /* what *state points to lives here */
    th_buf *scratch; /* for text in the making; cleared by fn_scratch */
    const th_type *type;
    const th_type *const *arg_types;
    uint32_t arg_count;
    void **state; /* of this place in the statement: a compiled pattern, ...; NULL at first */
    int64_t now_us;
    uint16_t zone;
    const char *user;
    th_query_control *control; /* may be NULL */
    uint32_t line, column;
    th_diag *diag;
    /* Run the lambda that is argument arg over count rows: rows[i] is the row of the call that iteration i belongs to,
     * params one vector of count rows a parameter. */
    th_err (*lambda)(th_fn_call *call, uint32_t arg, const uint32_t *rows, uint32_t count,
                     const th_vector *const *params, th_vector *out);
    void *lambda_ctx;
};

/* TH_ESQL with the place of the call; name is Trino's error name. */
th_err fn_fail(th_fn_call *call, const char *name, const char *fmt, ...) TH_PRINTF(3, 4);
/* INVALID_FUNCTION_ARGUMENT. */
th_err fn_bad(th_fn_call *call, const char *fmt, ...) TH_PRINTF(2, 3);
th_err fn_memory(th_fn_call *call);
th_buf *fn_scratch(th_fn_call *call);
/* Copy what is in the scratch buffer into the arena as the result. */
th_err fn_take_scratch(th_fn_call *call, th_value *out);
/* Copy bytes into the arena as the result. */
th_err fn_copy(th_fn_call *call, th_slice s, th_value *out);
/* Cancelled or out of time? Long loops ask now and then. */
th_err fn_check(th_fn_call *call);
th_err th_control_check(th_query_control *control, th_diag *diag);

/* CAST(in AS to). in is not NULL. */
th_err th_cast_value(th_fn_call *call, const th_type *from, const th_type *to, const th_value *in,
                     th_value *out);
/* char(n) is held without its trailing blanks; this puts them back. */
th_err fn_pad_char(th_fn_call *call, const th_type *type, th_slice s, th_value *out);
/* JSON text of a value, appended; NULL is null. */
th_err cast_append_json(th_fn_call *call, th_buf *out, const th_type *type, const th_value *v);
/* The value of raw JSON text as type. */
th_err cast_from_json(th_fn_call *call, const th_type *to, th_slice raw, th_value *out);
/* Canonical JSON: no white space, object keys sorted, appended to out. raw is valid JSON. */
void fn_json_canonical(th_fn_call *call, th_buf *out, th_slice raw);

/* Addresses: 16 bytes, IPv4 as ::ffff:a.b.c.d. */
bool fn_ip_parse(th_slice s, uint8_t out[16]);
void fn_ip_print(th_buf *out, const uint8_t ip[16]);

/* UTF-8: number of code points; bytes of the first n code points. */
size_t fn_utf8_length(th_slice s);
size_t fn_utf8_prefix(th_slice s, size_t n);
/* Decode one code point at *at and move on; bytes that are not UTF-8 count as one each. */
uint32_t fn_utf8_next(th_slice s, size_t *at);
void fn_utf8_put(th_buf *out, uint32_t code);

static inline th_value fn_text(th_slice s)
{
    return (th_value){.s = s};
}
static inline th_value fn_int(int64_t i)
{
    return (th_value){.i = i};
}

#endif
