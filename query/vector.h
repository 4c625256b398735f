/* SPDX-License-Identifier: Apache-2.0
 * A column of values in memory: what the provider hands over and what operators pass on, a few thousand rows at a time.
 *
 * Forms: FLAT (one value a row), CONST (one value for all rows), DICT (a code a row into a smaller FLAT vector).
 * Physical data by type kind:
 *   boolean -> u8 (0/1) · tinyint..bigint, interval year-month (months), date (days, in i64) -> i64 · real, double -> f64
 *   decimal -> i128 (unscaled) · char, varchar, varbinary, json (text) -> str · uuid, ipaddress -> i128 as 16 big-endian
 *   bytes in str · time, timestamp, interval day-second -> i64 microseconds; extra: i32 picoseconds below the microsecond
 *   when the precision is over 6, else NULL · timestamp with time zone -> i64 microseconds UTC, zone: u16 zone ids
 *   (query/fn/zone.h; 0 = UTC), extra as above · array -> offsets + child 0 · map -> offsets + child 0 (keys), child 1
 *   (values) · row -> children.
 * valid: one bit a value, set = not NULL; NULL pointer = no NULLs. In DICT form a row is NULL when its dictionary entry is.
 * Everything lives in the arena that the producer was given (usually the batch's) and is immutable once handed over. */
#ifndef TH_QUERY_VECTOR_H
#define TH_QUERY_VECTOR_H

#include "query/type.h"

typedef __int128 th_i128;

typedef enum th_vector_form { TH_FLAT, TH_CONST, TH_DICT } th_vector_form;

typedef struct th_vector {
    const th_type *type;
    th_vector_form form;
    uint32_t count;        /* rows, whatever the form */
    const uint64_t *valid; /* FLAT and CONST (bit 0) */
    union {
        const uint8_t *u8;
        const int64_t *i64;
        const double *f64;
        const th_i128 *i128;
        const th_slice *str;
        const void *any;
    } data;                  /* FLAT: count values; CONST: one */
    const int32_t *extra;    /* picoseconds below the microsecond, or NULL */
    const uint16_t *zone;    /* timestamp with time zone */
    const uint32_t *offsets; /* array, map: value i is children[offsets[i] .. offsets[i + 1]) */
    const struct th_vector *children; /* array 1, map 2, row child_count; FLAT form or any */
    const uint32_t *codes;            /* DICT: count codes, each < dictionary->count */
    const struct th_vector
        *dictionary; /* DICT: a FLAT vector, distinct values (a NULL entry allowed) */
    uint64_t
        dictionary_id; /* DICT: same id = same dictionary content within one scan; 0 = unknown */
    const int64_t *instants; /* FLAT varchar: us since 1970 of each value, when none is NULL and
                                all are written YYYY-MM-DDTHH:MM:SSZ; else NULL */
} th_vector;

/* Rows that go on together. columns: column_count vectors of the same count. */
typedef struct th_batch {
    uint32_t rows;
    uint32_t column_count;
    const th_vector *columns;
} th_batch;

static inline bool th_bit_get(const uint64_t *bits, uint32_t i)
{
    return (bits[i >> 6] >> (i & 63)) & 1;
}
/* Position of row i in the physical data (FLAT: i, CONST: 0, DICT: its code in *dictionary*). */
static inline uint32_t th_vector_slot(const th_vector *v, uint32_t row)
{
    return v->form == TH_FLAT ? row : v->form == TH_CONST ? 0 : v->codes[row];
}
/* The vector that holds the physical data of v (its dictionary, or itself). */
static inline const th_vector *th_vector_base(const th_vector *v)
{
    return v->form == TH_DICT ? v->dictionary : v;
}
static inline bool th_vector_is_null(const th_vector *v, uint32_t row)
{
    const th_vector *base = th_vector_base(v);
    return base->valid != NULL && !th_bit_get(base->valid, th_vector_slot(v, row));
}

#endif
