/* SPDX-License-Identifier: Apache-2.0
 * Result types of text functions whose length follows from those of the arguments. */
#include "query/fn/call.h"
#include "query/fn/families.h"

/* varchar(n), or unbounded when an argument is or n is too large. */
static const th_type *varchar_of(th_arena *arena, bool unbounded, uint64_t n)
{
    if (unbounded || n > INT32_MAX) return &th_type_varchar;
    return th_type_varchar_of(arena, (uint32_t)n);
}

const th_type *fn_chr_type(th_arena *arena, const th_type **params, uint32_t count)
{
    (void)params;
    (void)count;
    return varchar_of(arena, false, 1);
}

const th_type *fn_to_base_type(th_arena *arena, const th_type **params, uint32_t count)
{
    (void)params;
    (void)count;
    return varchar_of(arena, false, 64);
}

/* An empty pattern puts the replacement before, between and behind all characters. */
const th_type *fn_replace_type(th_arena *arena, const th_type **params, uint32_t count)
{
    uint64_t x = params[0]->precision, z = params[2]->precision;
    (void)count;
    bool unbounded = x == TH_UNBOUNDED || z == TH_UNBOUNDED;
    return varchar_of(arena, unbounded, unbounded ? 0 : x + z * (x + 1));
}

/* Each group of two characters of the replacement may stand for the whole text. */
const th_type *fn_regexp_replace_type(th_arena *arena, const th_type **params, uint32_t count)
{
    uint64_t x = params[0]->precision, z = params[2]->precision;
    (void)count;
    bool unbounded = x == TH_UNBOUNDED || z == TH_UNBOUNDED || x * z > INT32_MAX;
    if (unbounded) return &th_type_varchar;
    uint64_t each = x * z / 2 > z ? x * z / 2 : z;
    return varchar_of(arena, false, x + each * (x + 1));
}

const th_type *fn_url_encode_type(th_arena *arena, const th_type **params, uint32_t count)
{
    (void)count;
    uint64_t x = params[0]->precision;
    return varchar_of(arena, x == TH_UNBOUNDED, x * 12);
}

const th_type *fn_to_iso8601_type(th_arena *arena, const th_type **params, uint32_t count)
{
    (void)count;
    if (params[0]->kind == TH_DATE) return varchar_of(arena, false, 16);
    uint32_t fraction = params[0]->precision > 0 ? params[0]->precision + 1 : 0;
    return varchar_of(arena, false, (params[0]->kind == TH_TIMESTAMP_TZ ? 28 : 22) + fraction);
}
