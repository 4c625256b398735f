/* SPDX-License-Identifier: Apache-2.0
 * Making vectors: the builder, constants and gathers (query/value.h). */
#include "query/value.h"

#define CAPACITY_MIN 16

static size_t width_of(th_type_kind kind)
{
    switch (kind) {
    case TH_UNKNOWN:
    case TH_BOOLEAN: return 1;
    case TH_DECIMAL: return sizeof(th_i128);
    case TH_CHAR:
    case TH_VARCHAR:
    case TH_VARBINARY:
    case TH_JSON:
    case TH_UUID:
    case TH_IPADDRESS: return sizeof(th_slice);
    case TH_ARRAY:
    case TH_MAP:
    case TH_ROW:
    case TH_FUNCTION: return 0;
    default: return 8;
    }
}

static bool has_offsets(const th_type *type)
{
    return type->kind == TH_ARRAY || type->kind == TH_MAP;
}

static bool is_text_kind(th_type_kind kind)
{
    return width_of(kind) == sizeof(th_slice) && kind != TH_DECIMAL;
}

static bool may_have_extra(const th_type *type)
{
    return (type->kind == TH_TIMESTAMP || type->kind == TH_TIMESTAMP_TZ || type->kind == TH_TIME) &&
           type->precision > 6;
}

static void *regrow(th_arena *arena, const void *old, size_t old_bytes, size_t bytes)
{
    void *p = th_arena_alloc(arena, bytes);
    if (p == NULL) return NULL;
    if (old_bytes > 0) memcpy(p, old, old_bytes);
    memset((uint8_t *)p + old_bytes, 0, bytes - old_bytes);
    return p;
}

static bool grow(th_builder *b, uint32_t capacity)
{
    size_t n = b->capacity, width = width_of(b->type->kind), words = (n + 63) / 64;
    b->valid = regrow(b->arena, b->valid, words * 8, ((size_t)capacity + 63) / 64 * 8);
    if (b->valid == NULL) return false;
    if (width > 0 && (b->data = regrow(b->arena, b->data, n * width, capacity * width)) == NULL)
        return false;
    if (may_have_extra(b->type) &&
        (b->extra = regrow(b->arena, b->extra, n * 4, (size_t)capacity * 4)) == NULL)
        return false;
    if (b->type->kind == TH_TIMESTAMP_TZ &&
        (b->zone = regrow(b->arena, b->zone, n * 2, (size_t)capacity * 2)) == NULL)
        return false;
    if (has_offsets(b->type)) {
        size_t old = b->offsets == NULL ? 0 : (n + 1) * 4;
        b->offsets = regrow(b->arena, b->offsets, old, ((size_t)capacity + 1) * 4);
        if (b->offsets == NULL) return false;
    }
    b->capacity = capacity;
    return true;
}

bool th_builder_init(th_builder *b, th_arena *arena, const th_type *type, uint32_t capacity,
                     bool copy_text)
{
    *b = (th_builder){.arena = arena, .type = type, .copy_text = copy_text};
    if (capacity < 1) capacity = 1;
    if (!grow(b, capacity)) return false;
    b->child_count = type->kind == TH_FUNCTION ? 0 : type->child_count;
    if (b->child_count == 0) return true;
    b->children = TH_NEW_ARRAY(arena, th_builder, b->child_count);
    b->vectors = TH_NEW_ARRAY(arena, th_vector, b->child_count);
    if (b->children == NULL || b->vectors == NULL) return false;
    for (uint32_t i = 0; i < b->child_count; i++)
        if (!th_builder_init(&b->children[i], arena, type->children[i], capacity, copy_text))
            return false;
    return true;
}

/* Room for one more entry, marked as valid or not. */
static bool next_slot(th_builder *b, bool valid)
{
    if (b->count == b->capacity) {
        if (b->count >= UINT32_MAX / 2) return false;
        if (!grow(b, b->capacity < CAPACITY_MIN ? CAPACITY_MIN : b->capacity * 2)) return false;
    }
    if (valid)
        b->valid[b->count >> 6] |= UINT64_C(1) << (b->count & 63);
    else
        b->any_null = true;
    b->count++;
    if (b->offsets != NULL) b->offsets[b->count] = b->children[0].count;
    return true;
}

bool th_builder_add_null(th_builder *b)
{
    if (b->type->kind == TH_ROW)
        for (uint32_t i = 0; i < b->child_count; i++)
            if (!th_builder_add_null(&b->children[i])) return false;
    return next_slot(b, false);
}

bool th_builder_end_nested(th_builder *b)
{
    return next_slot(b, true);
}

static bool add_text(th_builder *b, th_slice s)
{
    static const uint8_t nothing[1];
    if (b->copy_text && s.size > 0) {
        s = th_arena_copy(b->arena, s);
        if (s.bytes == NULL) return false;
    } else if (s.size == 0) {
        s.bytes = nothing;
    }
    if (!next_slot(b, true)) return false;
    ((th_slice *)b->data)[b->count - 1] = s;
    return true;
}

static bool add_nested(th_builder *b, const th_value *v)
{
    th_value x;
    if (b->type->kind == TH_ROW) {
        for (uint32_t i = 0; i < b->child_count; i++) {
            th_value_field(v, i, &x);
            if (!th_builder_add(&b->children[i], &x)) return false;
        }
        return next_slot(b, true);
    }
    for (uint32_t k = 0, n = th_value_size(v); k < n; k++) {
        for (uint32_t i = 0; i < b->child_count; i++) {
            th_value_element(v, i, k, &x);
            if (!th_builder_add(&b->children[i], &x)) return false;
        }
    }
    return next_slot(b, true);
}

bool th_builder_add(th_builder *b, const th_value *v)
{
    th_type_kind kind = b->type->kind;
    if (v->null) return th_builder_add_null(b);
    if (is_text_kind(kind)) return add_text(b, v->s);
    if (b->child_count > 0 || kind == TH_ROW) return add_nested(b, v);
    if (!next_slot(b, true)) return false;
    uint32_t at = b->count - 1;
    switch (kind) {
    case TH_UNKNOWN:
    case TH_FUNCTION: break;
    case TH_BOOLEAN: ((uint8_t *)b->data)[at] = v->i != 0; break;
    case TH_REAL:
    case TH_DOUBLE: ((double *)b->data)[at] = v->f; break;
    case TH_DECIMAL: ((th_i128 *)b->data)[at] = v->d; break;
    default:
        ((int64_t *)b->data)[at] = v->i;
        if (b->extra != NULL) b->extra[at] = v->extra;
        if (b->zone != NULL) b->zone[at] = v->zone;
        break;
    }
    if (v->extra != 0) b->any_extra = true;
    return true;
}

void th_builder_finish(th_builder *b, th_vector *out)
{
    *out = (th_vector){.type = b->type, .form = TH_FLAT, .count = b->count};
    out->valid = b->any_null ? b->valid : NULL;
    out->data.any = b->data;
    out->extra = b->extra;
    out->zone = b->zone;
    out->offsets = b->offsets;
    if (b->child_count == 0) return;
    for (uint32_t i = 0; i < b->child_count; i++)
        th_builder_finish(&b->children[i], &b->vectors[i]);
    out->children = b->vectors;
}

bool th_value_copy(th_arena *arena, const th_type *type, const th_value *in, th_value *out)
{
    th_builder b;
    *out = *in;
    if (in->null) return true;
    if (is_text_kind(type->kind)) {
        out->s = in->s.size == 0 ? TH_SLICE("") : th_arena_copy(arena, in->s);
        return out->s.bytes != NULL;
    }
    if (type->child_count == 0) return true;
    th_vector *v = TH_NEW(arena, th_vector);
    if (v == NULL || !th_builder_init(&b, arena, type, 1, true) || !th_builder_add(&b, in))
        return false;
    th_builder_finish(&b, v);
    out->n.vector = v;
    out->n.slot = 0;
    return true;
}

th_vector *th_vector_const(th_arena *arena, const th_type *type, const th_value *v, uint32_t count)
{
    th_builder b;
    th_vector *out = TH_NEW(arena, th_vector);
    if (out == NULL || !th_builder_init(&b, arena, type, 1, false) || !th_builder_add(&b, v))
        return NULL;
    th_builder_finish(&b, out);
    out->form = TH_CONST;
    out->count = count;
    return out;
}

th_vector *th_vector_null(th_arena *arena, const th_type *type, uint32_t count)
{
    th_value null = {.null = true};
    return th_vector_const(arena, type, &null, count);
}

static bool gather_valid(th_arena *arena, const uint64_t *valid, const uint32_t *rows,
                         uint32_t count, th_vector *out)
{
    uint64_t *bits = TH_NEW_ARRAY(arena, uint64_t, ((size_t)count + 63) / 64);
    if (bits == NULL) return false;
    for (uint32_t i = 0; i < count; i++)
        bits[i >> 6] |= (uint64_t)th_bit_get(valid, rows[i]) << (i & 63);
    out->valid = bits;
    return true;
}

#define GATHER(type, from)                                                  \
    do {                                                                    \
        type *to_ = th_arena_alloc(arena, (size_t)count * sizeof(type));    \
        if (to_ == NULL) return false;                                      \
        for (uint32_t i_ = 0; i_ < count; i_++) to_[i_] = (from)[rows[i_]]; \
        gathered = to_;                                                     \
    } while (0)

static bool gather_flat(th_arena *arena, const th_vector *v, const uint32_t *rows, uint32_t count,
                        th_vector *out)
{
    const void *gathered = NULL;
    switch (width_of(v->type->kind)) {
    case 1:
        if (v->data.u8 != NULL) GATHER(uint8_t, v->data.u8);
        break;
    case 8: GATHER(int64_t, v->data.i64); break;
    default: GATHER(th_i128, v->data.i128); break;
    }
    out->data.any = gathered;
    if (v->extra != NULL) {
        GATHER(int32_t, v->extra);
        out->extra = gathered;
    }
    if (v->zone != NULL) {
        GATHER(uint16_t, v->zone);
        out->zone = gathered;
    }
    return v->valid == NULL || gather_valid(arena, v->valid, rows, count, out);
}

_Static_assert(sizeof(th_slice) == sizeof(th_i128), "text and decimals are moved alike");

bool th_vector_gather(th_arena *arena, const th_vector *v, const uint32_t *rows, uint32_t count,
                      th_vector *out)
{
    const void *gathered;
    if (v->form == TH_CONST) {
        *out = *v;
        out->count = count;
        return true;
    }
    if (v->form == TH_DICT) {
        GATHER(uint32_t, v->codes);
        *out = *v;
        out->codes = gathered;
        out->count = count;
        return true;
    }
    if (width_of(v->type->kind) == 0) {
        uint32_t *codes = th_arena_alloc(arena, (size_t)count * sizeof *codes);
        if (codes == NULL) return false;
        memcpy(codes, rows, (size_t)count * sizeof *codes);
        th_vector *base = TH_NEW(arena, th_vector);
        if (base == NULL) return false;
        *base = *v;
        *out = (th_vector){
            .type = v->type, .form = TH_DICT, .count = count, .codes = codes, .dictionary = base};
        return true;
    }
    *out = (th_vector){.type = v->type, .form = TH_FLAT, .count = count};
    return gather_flat(arena, v, rows, count, out);
}
