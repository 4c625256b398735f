/* SPDX-License-Identifier: Apache-2.0
 * Which type becomes which without being asked (coercion) and when asked (CAST), by Trino's rules: integers widen,
 * integers become decimal, real and double, date becomes timestamp, timestamp becomes timestamp with time zone,
 * varchar(n) becomes a longer varchar, NULL becomes anything. Varchar never becomes a number or a time by itself. */
#ifndef TH_QUERY_TYPE_COERCE_H
#define TH_QUERY_TYPE_COERCE_H

#include "query/type.h"

/* True also when the types are equal. */
bool th_type_can_coerce(const th_type *from, const th_type *to);
/* The smallest type that both coerce to; NULL when there is none, or no memory. */
const th_type *th_type_common_super(th_arena *arena, const th_type *a, const th_type *b);
/* True when CAST(from AS to) exists at all; it may still fail for a value. */
bool th_type_can_cast(const th_type *from, const th_type *to);
bool th_type_is_comparable(const th_type *type); /* = <> and DISTINCT, GROUP BY */
bool th_type_is_orderable(const th_type *type);  /* < and ORDER BY */

#endif
