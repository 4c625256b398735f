/* SPDX-License-Identifier: Apache-2.0
 * Equality of JSON values, not of texts. Recursion is as deep as the texts, which the splitter has bounded. */
#include <stdlib.h>

#include "base/limits.h"
#include "ingest/ingest_private.h"
#include "json/json.h"

static bool same_value(th_slice a, th_slice b, th_arena *arena, uint32_t depth);

/* A number as sign, significant digits and the power of ten of the last one. */
typedef struct decimal {
    bool negative;
    const uint8_t *digits[2]; /* digits in two parts: before and behind the point */
    size_t sizes[2];
    int64_t exponent;
} decimal;

static decimal parse_number(th_slice raw)
{
    decimal d = {0};
    const uint8_t *p = raw.bytes, *end = p + raw.size;
    if (p < end && *p == '-') {
        d.negative = true;
        p++;
    }
    d.digits[0] = p;
    while (p < end && *p >= '0' && *p <= '9') p++;
    d.sizes[0] = (size_t)(p - d.digits[0]);
    d.digits[1] = p;
    if (p < end && *p == '.') {
        d.digits[1] = ++p;
        while (p < end && *p >= '0' && *p <= '9') p++;
        d.sizes[1] = (size_t)(p - d.digits[1]);
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        bool minus = p < end && *p == '-';
        if (p < end && (*p == '-' || *p == '+')) p++;
        for (; p < end; p++) {
            if (d.exponent < INT32_MAX) d.exponent = d.exponent * 10 + (*p - '0');
        }
        if (minus) d.exponent = -d.exponent;
    }
    d.exponent -= (int64_t)d.sizes[1];
    return d;
}

static uint8_t digit_at(const decimal *d, size_t i)
{
    return i < d->sizes[0] ? d->digits[0][i] : d->digits[1][i - d->sizes[0]];
}

/* [*from, *to): the digits without zeros at either end; the exponent then counts from there. */
static void trim(decimal *d, size_t *from, size_t *to)
{
    *from = 0;
    *to = d->sizes[0] + d->sizes[1];
    while (*from < *to && digit_at(d, *from) == '0') (*from)++;
    while (*to > *from && digit_at(d, *to - 1) == '0') {
        (*to)--;
        d->exponent++;
    }
}

static bool same_number(th_slice a, th_slice b)
{
    if (th_slice_equal(a, b)) return true;
    decimal x = parse_number(a), y = parse_number(b);
    size_t x_from, x_to, y_from, y_to;
    trim(&x, &x_from, &x_to);
    trim(&y, &y_from, &y_to);
    if (x_from == x_to || y_from == y_to)
        return x_from == x_to && y_from == y_to; /* zero, -0 too */
    if (x.negative != y.negative || x.exponent != y.exponent || x_to - x_from != y_to - y_from)
        return false;
    for (size_t i = 0; i < x_to - x_from; i++) {
        if (digit_at(&x, x_from + i) != digit_at(&y, y_from + i)) return false;
    }
    return true;
}

typedef struct member {
    th_slice key, value;
    size_t place;
} member;

static int by_key(const void *a, const void *b)
{
    const member *x = a, *y = b;
    int order = th_slice_compare(x->key, y->key);
    if (order != 0) return order;
    return x->place < y->place ? -1 : x->place > y->place;
}

/* Members sorted by decoded key (those of arrays stay in order); NULL: no memory. */
static member *members_of(th_slice raw, th_arena *arena, size_t *count)
{
    th_slice key, value;
    size_t n = 0;
    th_json_iter it = th_json_iter_of(raw);
    while (th_json_next(&it, &key, &value)) n++;
    member *list = TH_NEW_ARRAY(arena, member, n + 1);
    if (list == NULL) return NULL;
    it = th_json_iter_of(raw);
    for (size_t i = 0; i < n && th_json_next(&it, &key, &value); i++) {
        list[i] = (member){it.object ? th_json_key(key, arena) : (th_slice){0}, value, i};
    }
    qsort(list, n, sizeof(*list), by_key);
    *count = n;
    return list;
}

static bool same_members(th_slice a, th_slice b, th_arena *arena, uint32_t depth)
{
    size_t a_count = 0, b_count = 0;
    member *x = members_of(a, arena, &a_count);
    member *y = members_of(b, arena, &b_count);
    if (x == NULL || y == NULL || a_count != b_count) return false;
    for (size_t i = 0; i < a_count; i++) {
        if (!th_slice_equal(x[i].key, y[i].key) ||
            !same_value(x[i].value, y[i].value, arena, depth + 1))
            return false;
    }
    return true;
}

static bool same_value(th_slice a, th_slice b, th_arena *arena, uint32_t depth)
{
    th_json_kind kind = th_json_kind_of(a);
    if (kind != th_json_kind_of(b) || depth > TH_JSON_DEPTH_MAX) return false;
    switch (kind) {
    case TH_JSON_NUMBER: return same_number(a, b);
    case TH_JSON_STRING:
        return th_slice_equal(a, b) ||
               th_slice_equal(th_json_string(a, arena), th_json_string(b, arena));
    case TH_JSON_ARRAY:
    case TH_JSON_OBJECT: return same_members(a, b, arena, depth);
    default: return true;
    }
}

bool ingest_json_same(th_slice a, th_slice b, th_arena *arena)
{
    th_slice x, y;
    if (th_json_document(a, TH_JSON_DEPTH_MAX, &x, NULL) != TH_OK) return false;
    if (th_json_document(b, TH_JSON_DEPTH_MAX, &y, NULL) != TH_OK) return false;
    return same_value(x, y, arena, 0);
}
