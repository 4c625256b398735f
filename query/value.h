/* SPDX-License-Identifier: Apache-2.0
 * One SQL value, boxed, and the builder that makes vectors of them. Scalar functions take and give values; kernels
 * over whole vectors (query/fn/function.h) are their fast twins.
 *
 * A value borrows: text from wherever it lies, nested values from their vector. It is good as long as that arena. */
#ifndef TH_QUERY_VALUE_H
#define TH_QUERY_VALUE_H

#include "query/vector.h"

typedef struct th_value {
    bool null;
    uint16_t zone; /* timestamp with time zone */
    int32_t extra; /* picoseconds below the microsecond */
    union {
        int64_t i; /* boolean too: 0 or 1 */
        double f;
        th_i128 d;
        th_slice s;
        struct {
            const th_vector *vector; /* array, map, row: the FLAT or CONST vector that holds it, */
            uint32_t slot;           /* and its place there */
        } n;
    };
} th_value;

/* The value of row i, whatever the form of v. */
void th_value_get(const th_vector *v, uint32_t row, th_value *out);
/* array, map: elements (children[0][begin + k]) of a value that is not NULL. */
static inline uint32_t th_value_begin(const th_value *v)
{
    return v->n.vector->offsets[v->n.slot];
}
static inline uint32_t th_value_size(const th_value *v)
{
    return v->n.vector->offsets[v->n.slot + 1] - v->n.vector->offsets[v->n.slot];
}
/* Element k of an array (or key k of a map: child 0; value k: child 1). */
void th_value_element(const th_value *v, uint32_t child, uint32_t k, th_value *out);
/* Field k of a row. */
void th_value_field(const th_value *v, uint32_t field, th_value *out);

/* The order of ORDER BY and of < for values of one type that are both not NULL: <0, 0, >0. NaN is the largest. Arrays
 * and rows compare element by element; NULL elements come last. Maps: only equality (0 or not). */
int th_value_compare(const th_type *type, const th_value *a, const th_value *b);
/* The same with NaN and nested NULLs as the smallest: what max and greatest pick by. */
int th_value_compare_unordered_first(const th_type *type, const th_value *a, const th_value *b);
/* IS NOT DISTINCT FROM, GROUP BY, DISTINCT: NULLs are equal, NaN equals NaN, zones do not count. */
bool th_value_same(const th_type *type, const th_value *a, const th_value *b);
/* Hash that agrees with th_value_same. */
uint64_t th_value_hash(const th_type *type, const th_value *v);
/* Three-valued = : 1, 0, or -1 for NULL (also when a nested NULL leaves it undecided). */
int th_value_equal3(const th_type *type, const th_value *a, const th_value *b);

/* A vector in the making: append values, then finish. Text is borrowed unless copy_text. */
typedef struct th_builder {
    th_arena *arena;
    const th_type *type;
    uint32_t count, capacity;
    bool copy_text, any_null, any_extra;
    uint64_t *valid;
    void *data;
    int32_t *extra;
    uint16_t *zone;
    uint32_t *offsets;
    struct th_builder *children;
    th_vector *vectors; /* where the children go when it is finished */
    uint32_t child_count;
} th_builder;

/* False, here and below: no memory (report with th_fail_memory). */
TH_MUST_CHECK bool th_builder_init(th_builder *b, th_arena *arena, const th_type *type,
                                   uint32_t capacity, bool copy_text);
TH_MUST_CHECK bool th_builder_add(th_builder *b, const th_value *v);
TH_MUST_CHECK bool th_builder_add_null(th_builder *b);
/* array, map: after the elements were added to children[0] (and [1]), end the entry; row: after each child got one. */
TH_MUST_CHECK bool th_builder_end_nested(th_builder *b);
/* FLAT vector of what was added; the builder must not be used afterwards. */
void th_builder_finish(th_builder *b, th_vector *out);

/* Deep copy of a value into the arena. */
TH_MUST_CHECK bool th_value_copy(th_arena *arena, const th_type *type, const th_value *in,
                                 th_value *out);
/* One value as a CONST vector of count rows; copies nothing but the box. NULL: no memory. */
th_vector *th_vector_const(th_arena *arena, const th_type *type, const th_value *v, uint32_t count);
th_vector *th_vector_null(th_arena *arena, const th_type *type, uint32_t count);
/* Rows rows[0..count) of v: flat scalars are copied, the rest becomes codes into v's physical data. */
TH_MUST_CHECK bool th_vector_gather(th_arena *arena, const th_vector *v, const uint32_t *rows,
                                    uint32_t count, th_vector *out);

/* Fill diag with EXCEEDED_LOCAL_MEMORY_LIMIT; returns TH_ELIMIT. */
th_err th_fail_memory(th_diag *diag);

#endif
