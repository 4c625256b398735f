/* SPDX-License-Identifier: Apache-2.0
 * SQL types as Trino names them. A type is immutable; scalar types without parameters are static singletons, the rest
 * lives in an arena or for ever. Compare with th_type_equal, never by pointer. */
#ifndef TH_QUERY_TYPE_H
#define TH_QUERY_TYPE_H

#include "base/arena.h"
#include "base/buf.h"

typedef enum th_type_kind {
    TH_UNKNOWN, /* the type of a bare NULL */
    TH_BOOLEAN,
    TH_TINYINT,
    TH_SMALLINT,
    TH_INTEGER,
    TH_BIGINT,
    TH_REAL,
    TH_DOUBLE,
    TH_DECIMAL, /* precision 1..38, scale 0..precision */
    TH_CHAR,
    TH_VARCHAR, /* length, or TH_UNBOUNDED */
    TH_VARBINARY,
    TH_DATE,
    TH_TIME,
    TH_TIMESTAMP,    /* precision 0..12 */
    TH_TIMESTAMP_TZ, /* precision 0..12; an instant and a zone */
    TH_INTERVAL_YEAR_MONTH,
    TH_INTERVAL_DAY_SECOND,
    TH_JSON,
    TH_UUID,
    TH_IPADDRESS,
    TH_ARRAY,    /* child 0: element */
    TH_MAP,      /* child 0: key, child 1: value */
    TH_ROW,      /* children: fields, names may be empty */
    TH_FUNCTION, /* a lambda's type: children are parameters, then the result */
    TH_TYPE_KIND_COUNT
} th_type_kind;

#define TH_UNBOUNDED UINT32_MAX

typedef struct th_type {
    th_type_kind kind;
    uint32_t precision; /* decimal, timestamp, time; length for char and varchar */
    uint32_t scale;     /* decimal */
    uint32_t child_count;
    const struct th_type *const *children;
    const th_slice *names; /* row: child_count field names, size 0 = anonymous; else NULL */
} th_type;

/* Singletons: varchar is unbounded, timestamps have precision 3. */
extern const th_type th_type_unknown, th_type_boolean, th_type_tinyint, th_type_smallint,
    th_type_integer, th_type_bigint, th_type_real, th_type_double, th_type_varchar,
    th_type_varbinary, th_type_date, th_type_time, th_type_timestamp, th_type_timestamp_tz,
    th_type_interval_ym, th_type_interval_ds, th_type_json, th_type_uuid, th_type_ipaddress;

/* In the arena; NULL when no memory. */
const th_type *th_type_array(th_arena *arena, const th_type *element);
const th_type *th_type_map(th_arena *arena, const th_type *key, const th_type *value);
const th_type *th_type_row(th_arena *arena, const th_type *const *fields, const th_slice *names,
                           uint32_t count);
const th_type *th_type_decimal(th_arena *arena, uint32_t precision, uint32_t scale);
const th_type *th_type_varchar_of(th_arena *arena, uint32_t length);
const th_type *th_type_with_precision(th_arena *arena, th_type_kind kind, uint32_t precision);

bool th_type_equal(const th_type *a, const th_type *b);
/* "array(row(arn varchar, accountid varchar))", as Trino prints it. */
void th_type_print(th_buf *out, const th_type *type);
/* Parse either spelling: Trino's `array(row(a varchar))`, Hive's `array<struct<a:string>>`. TH_ESYNTAX. */
TH_MUST_CHECK th_err th_type_parse(th_slice text, th_arena *arena, const th_type **out,
                                   th_diag *diag);
bool th_type_is_numeric(const th_type *type);
bool th_type_is_integer(const th_type *type);
/* Index of the field (case folded), or -1. */
int32_t th_type_field(const th_type *row, th_slice name);

#endif
