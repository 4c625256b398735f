/* SPDX-License-Identifier: Apache-2.0
 * Boxed values: reading them out of vectors, comparing and hashing them (query/value.h). */
#include "query/value.h"

#include <math.h>

#include "base/hash.h"

th_err th_fail_memory(th_diag *diag)
{
    return th_fail(diag, TH_ELIMIT, "EXCEEDED_LOCAL_MEMORY_LIMIT",
                   "Query exceeded its memory limit");
}

void th_value_get(const th_vector *v, uint32_t row, th_value *out)
{
    uint32_t slot = th_vector_slot(v, row);
    if (v->form == TH_DICT) v = v->dictionary;
    *out = (th_value){.null = v->valid != NULL && !th_bit_get(v->valid, slot)};
    if (out->null) return;
    switch (v->type->kind) {
    case TH_UNKNOWN:
    case TH_FUNCTION:
    case TH_TYPE_KIND_COUNT: out->null = true; break;
    case TH_BOOLEAN: out->i = v->data.u8[slot]; break;
    case TH_REAL:
    case TH_DOUBLE: out->f = v->data.f64[slot]; break;
    case TH_DECIMAL: out->d = v->data.i128[slot]; break;
    case TH_CHAR:
    case TH_VARCHAR:
    case TH_VARBINARY:
    case TH_JSON:
    case TH_UUID:
    case TH_IPADDRESS: out->s = v->data.str[slot]; break;
    case TH_TIMESTAMP_TZ:
        out->zone = v->zone == NULL ? 0 : v->zone[slot];
        out->i = v->data.i64[slot];
        out->extra = v->extra == NULL ? 0 : v->extra[slot];
        break;
    case TH_ARRAY:
    case TH_MAP:
    case TH_ROW:
        out->n.vector = v;
        out->n.slot = slot;
        break;
    default:
        out->i = v->data.i64[slot];
        out->extra = v->extra == NULL ? 0 : v->extra[slot];
        break;
    }
}

void th_value_element(const th_value *v, uint32_t child, uint32_t k, th_value *out)
{
    th_value_get(&v->n.vector->children[child], th_value_begin(v) + k, out);
}

void th_value_field(const th_value *v, uint32_t field, th_value *out)
{
    th_value_get(&v->n.vector->children[field], v->n.slot, out);
}

/* first: NaN and nested NULLs are the smallest, else the largest. */
static int compare(const th_type *type, const th_value *a, const th_value *b, bool first);

static int compare_f64(double a, double b, bool first)
{
    if (isnan(a) || isnan(b)) return first ? isnan(b) - isnan(a) : isnan(a) - isnan(b);
    return (a > b) - (a < b);
}

static int compare_nullable(const th_type *type, const th_value *a, const th_value *b, bool first)
{
    if (a->null || b->null) return first ? b->null - a->null : a->null - b->null;
    return compare(type, a, b, first);
}

static int compare_nested(const th_type *type, const th_value *a, const th_value *b, bool first)
{
    th_value x, y;
    if (type->kind == TH_ROW) {
        for (uint32_t i = 0; i < type->child_count; i++) {
            th_value_field(a, i, &x);
            th_value_field(b, i, &y);
            int c = compare_nullable(type->children[i], &x, &y, first);
            if (c != 0) return c;
        }
        return 0;
    }
    uint32_t na = th_value_size(a), nb = th_value_size(b);
    for (uint32_t i = 0; i < na && i < nb; i++) {
        th_value_element(a, 0, i, &x);
        th_value_element(b, 0, i, &y);
        int c = compare_nullable(type->children[0], &x, &y, first);
        if (c != 0) return c;
    }
    return (na > nb) - (na < nb);
}

/* char(n) compares as if padded with blanks. */
static int compare_char(th_slice a, th_slice b)
{
    for (size_t i = 0; i < a.size || i < b.size; i++) {
        uint8_t x = i < a.size ? a.bytes[i] : ' ', y = i < b.size ? b.bytes[i] : ' ';
        if (x != y) return x < y ? -1 : 1;
    }
    return 0;
}

int th_value_compare(const th_type *type, const th_value *a, const th_value *b)
{
    return compare(type, a, b, false);
}

int th_value_compare_unordered_first(const th_type *type, const th_value *a, const th_value *b)
{
    return compare(type, a, b, true);
}

static int compare(const th_type *type, const th_value *a, const th_value *b, bool first)
{
    switch (type->kind) {
    case TH_UNKNOWN: return 0;
    case TH_REAL:
    case TH_DOUBLE: return compare_f64(a->f, b->f, first);
    case TH_DECIMAL: return (a->d > b->d) - (a->d < b->d);
    case TH_CHAR: return compare_char(a->s, b->s);
    case TH_VARCHAR:
    case TH_VARBINARY:
    case TH_JSON:
    case TH_UUID:
    case TH_IPADDRESS: return th_slice_compare(a->s, b->s);
    case TH_MAP: return th_value_same(type, a, b) ? 0 : 1;
    case TH_ARRAY:
    case TH_ROW: return compare_nested(type, a, b, first);
    default:
        if (a->i != b->i) return a->i < b->i ? -1 : 1;
        return (a->extra > b->extra) - (a->extra < b->extra);
    }
}

/* The index in map m of a key, or UINT32_MAX. */
static uint32_t map_find(const th_type *type, const th_value *m, const th_value *key)
{
    th_value k;
    for (uint32_t i = 0, n = th_value_size(m); i < n; i++) {
        th_value_element(m, 0, i, &k);
        if (th_value_same(type->children[0], &k, key)) return i;
    }
    return UINT32_MAX;
}

static bool same_map(const th_type *type, const th_value *a, const th_value *b)
{
    th_value key, x, y;
    uint32_t n = th_value_size(a);
    if (n != th_value_size(b)) return false;
    for (uint32_t i = 0; i < n; i++) {
        th_value_element(a, 0, i, &key);
        uint32_t at = map_find(type, b, &key);
        if (at == UINT32_MAX) return false;
        th_value_element(a, 1, i, &x);
        th_value_element(b, 1, at, &y);
        if (!th_value_same(type->children[1], &x, &y)) return false;
    }
    return true;
}

bool th_value_same(const th_type *type, const th_value *a, const th_value *b)
{
    th_value x, y;
    if (a->null || b->null) return a->null == b->null;
    switch (type->kind) {
    case TH_MAP: return same_map(type, a, b);
    case TH_ARRAY:
        if (th_value_size(a) != th_value_size(b)) return false;
        for (uint32_t i = 0, n = th_value_size(a); i < n; i++) {
            th_value_element(a, 0, i, &x);
            th_value_element(b, 0, i, &y);
            if (!th_value_same(type->children[0], &x, &y)) return false;
        }
        return true;
    case TH_ROW:
        for (uint32_t i = 0; i < type->child_count; i++) {
            th_value_field(a, i, &x);
            th_value_field(b, i, &y);
            if (!th_value_same(type->children[i], &x, &y)) return false;
        }
        return true;
    case TH_VARCHAR: return th_slice_equal(a->s, b->s);
    default: return th_value_compare(type, a, b) == 0;
    }
}

static uint64_t mix(uint64_t h)
{
    h ^= h >> 32;
    h *= UINT64_C(0x9E3779B97F4A7C15);
    h ^= h >> 29;
    h *= UINT64_C(0xBF58476D1CE4E5B9);
    return h ^ (h >> 32);
}

static uint64_t hash_nested(const th_type *type, const th_value *v)
{
    th_value x;
    uint64_t h = 17;
    if (type->kind == TH_ROW) {
        for (uint32_t i = 0; i < type->child_count; i++) {
            th_value_field(v, i, &x);
            h = mix(h * 31 + th_value_hash(type->children[i], &x));
        }
        return h;
    }
    for (uint32_t i = 0, n = th_value_size(v); i < n; i++) {
        th_value_element(v, 0, i, &x);
        uint64_t k = th_value_hash(type->children[0], &x);
        if (type->kind == TH_ARRAY) {
            h = mix(h * 31 + k);
        } else { /* the order of a map's entries does not count */
            th_value_element(v, 1, i, &x);
            h += mix(k * 31 + th_value_hash(type->children[1], &x));
        }
    }
    return h;
}

uint64_t th_value_hash(const th_type *type, const th_value *v)
{
    if (v->null) return UINT64_C(0x6E756C6C);
    switch (type->kind) {
    case TH_REAL:
    case TH_DOUBLE: {
        double f = isnan(v->f) ? NAN : v->f == 0 ? 0.0 : v->f;
        uint64_t bits;
        memcpy(&bits, &f, sizeof bits);
        return isnan(f) ? mix(1) : mix(bits);
    }
    case TH_DECIMAL: return mix((uint64_t)v->d * 31 + (uint64_t)(v->d >> 64));
    case TH_CHAR: {
        th_slice s = v->s;
        while (s.size > 0 && s.bytes[s.size - 1] == ' ') s.size--;
        return th_xxh3(s);
    }
    case TH_VARCHAR:
    case TH_VARBINARY:
    case TH_JSON:
    case TH_UUID:
    case TH_IPADDRESS: return th_xxh3(v->s);
    case TH_ARRAY:
    case TH_MAP:
    case TH_ROW: return hash_nested(type, v);
    default: return mix((uint64_t)v->i * 31 + (uint64_t)(uint32_t)v->extra);
    }
}

/* Equality of two maps: keys are never NULL; NULL values leave it undecided. */
static int equal3_map(const th_type *type, const th_value *a, const th_value *b)
{
    th_value key, x, y;
    int result = 1;
    uint32_t n = th_value_size(a);
    if (n != th_value_size(b)) return 0;
    for (uint32_t i = 0; i < n; i++) {
        th_value_element(a, 0, i, &key);
        uint32_t at = map_find(type, b, &key);
        if (at == UINT32_MAX) return 0;
        th_value_element(a, 1, i, &x);
        th_value_element(b, 1, at, &y);
        int e = th_value_equal3(type->children[1], &x, &y);
        if (e == 0) return 0;
        if (e < 0) result = -1;
    }
    return result;
}

int th_value_equal3(const th_type *type, const th_value *a, const th_value *b)
{
    th_value x, y;
    int result = 1;
    if (a->null || b->null) return -1;
    if (type->kind == TH_MAP) return equal3_map(type, a, b);
    if (type->kind != TH_ARRAY && type->kind != TH_ROW) {
        if ((type->kind == TH_DOUBLE || type->kind == TH_REAL) && (isnan(a->f) || isnan(b->f)))
            return 0;
        return th_value_same(type, a, b);
    }
    bool row = type->kind == TH_ROW;
    uint32_t n = row ? type->child_count : th_value_size(a);
    if (!row && n != th_value_size(b)) return 0;
    for (uint32_t i = 0; i < n; i++) {
        if (row) {
            th_value_field(a, i, &x);
            th_value_field(b, i, &y);
        } else {
            th_value_element(a, 0, i, &x);
            th_value_element(b, 0, i, &y);
        }
        int e = th_value_equal3(type->children[row ? i : 0], &x, &y);
        if (e == 0) return 0;
        if (e < 0) result = -1;
    }
    return result;
}
