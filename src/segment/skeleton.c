/* SPDX-License-Identifier: Apache-2.0
 * Nodes, literals, shapes, and which row has which shape: read together when rows are first asked for, checked against
 * each other and against the columns, and kept until the segment is closed. */
#include "segment/image.h"

#define KEPT_MAX ((size_t)512 << 20)
#define MARKS_MAX ((size_t)4 << 20)

typedef struct build {
    segment_image *image;
    segment_skeleton *k;
    th_arena *arena; /* kept */
    th_arena *work;  /* dies with the call */
    segment_reading reading;
} build;

th_arena *segment_kept_arena(segment_image *s)
{
    if (s->kept == NULL) s->kept = th_arena_new(KEPT_MAX, s->base.budget);
    return s->kept;
}

th_err segment_image_reading(const segment_image *s, th_arena *arena, th_arena *chunks,
                             segment_reading *out)
{
    TH_TRY(segment_reading_begin(out, s->payloads, arena, chunks));
    out->pool = s->pool;
    out->marks = atomic_load_explicit(&s->marks, memory_order_acquire);
    out->pool_count = s->pool_count;
    return TH_OK;
}

/* A payload that is read from front to back, its bytes kept. */
static th_err open_payload(build *b, segment_payload at, th_reader *out)
{
    th_slice bytes = {NULL, 0};
    if (at.size > 0) {
        TH_TRY(segment_payload_read(&b->reading, at, &bytes));
        bytes = th_arena_copy(b->arena, bytes);
        if (bytes.bytes == NULL) return TH_ELIMIT;
    }
    *out = th_reader_of(bytes);
    return TH_OK;
}

static th_err read_nodes(build *b)
{
    uint32_t count = b->image->node_count;
    th_reader r;
    TH_TRY(open_payload(b, b->image->nodes, &r));
    b->k->nodes = TH_NEW_ARRAY(b->arena, segment_node, (size_t)count + 1);
    if (b->k->nodes == NULL) return TH_ELIMIT;
    for (uint32_t i = 0; i < count; i++) {
        segment_node *node = &b->k->nodes[i];
        uint64_t parent = th_take_varint(&r);
        node->kind = th_take_u8(&r);
        if (r.bad || parent > i || node->kind > SEGMENT_NODE_FIELD) return TH_ECORRUPT;
        node->parent = (uint32_t)parent;
        uint64_t number = node->kind == SEGMENT_NODE_ELEMENT ? 0 : th_take_varint(&r);
        if (number > UINT32_MAX) return TH_ECORRUPT;
        if (node->kind == SEGMENT_NODE_FIELD)
            node->field = (uint32_t)number;
        else if (node->kind == SEGMENT_NODE_MEMBER)
            node->key = th_take_bytes(&r, (size_t)number);
    }
    return r.bad || r.pos != r.end ? TH_ECORRUPT : TH_OK;
}

static th_err read_literals(build *b)
{
    uint32_t count = b->image->literal_count;
    th_reader r;
    TH_TRY(open_payload(b, b->image->literals, &r));
    b->k->literals = TH_NEW_ARRAY(b->arena, th_slice, (size_t)count + 1);
    if (b->k->literals == NULL) return TH_ELIMIT;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t size = th_take_varint(&r);
        if (size > SEGMENT_LITERAL_MAX) return TH_ECORRUPT;
        b->k->literals[i].size = (size_t)size;
    }
    for (uint32_t i = 0; i < count; i++)
        b->k->literals[i] = th_take_bytes(&r, b->k->literals[i].size);
    return r.bad || r.pos != r.end ? TH_ECORRUPT : TH_OK;
}

/* What each column is to the shape in hand: the slot + 1 that it has there. */
typedef struct shape_marks {
    uint32_t *shape, *slot; /* of each column: the last shape that had it, and where */
    bool *single;           /* it may not come twice: a reference, or referred to */
} shape_marks;

static th_err new_marks(build *b, shape_marks *m)
{
    size_t columns = (size_t)b->image->column_count + 1;
    m->shape = TH_NEW_ARRAY(b->work, uint32_t, columns);
    m->slot = TH_NEW_ARRAY(b->work, uint32_t, columns);
    m->single = TH_NEW_ARRAY(b->work, bool, columns);
    if (m->shape == NULL || m->slot == NULL || m->single == NULL) return TH_ELIMIT;
    for (uint32_t i = 0; i < b->image->column_count; i++) {
        const segment_leaf *leaf = &b->image->columns[i];
        if (leaf->held == SEGMENT_HELD_REFERENCE) m->single[i] = m->single[leaf->target] = true;
    }
    return TH_OK;
}

static segment_slot_kind slot_kind(const build *b, const shape_marks *m, uint32_t shape,
                                   uint32_t slot, uint32_t column)
{
    const segment_leaf *leaf = &b->image->columns[column];
    if (leaf->held == SEGMENT_HELD_CODEC) return SEGMENT_SLOT_CODEC;
    if (leaf->held == SEGMENT_HELD_RESIDUAL) return SEGMENT_SLOT_RESIDUAL;
    if (m->shape[leaf->target] != shape) return SEGMENT_SLOT_ALONE;
    return m->slot[leaf->target] < slot ? SEGMENT_SLOT_BEFORE : SEGMENT_SLOT_BEHIND;
}

static th_err read_shape(build *b, th_reader *r, shape_marks *m, uint32_t shape)
{
    const segment_image *s = b->image;
    uint64_t count = th_take_varint(r);
    if (r->bad || count > SEGMENT_SLOTS_MAX || count * 2 > (uint64_t)(r->end - r->pos))
        return TH_ECORRUPT;
    uint32_t *slots = th_arena_alloc(b->arena, (size_t)count * sizeof(uint32_t));
    uint32_t *joints = th_arena_alloc(b->arena, ((size_t)count + 1) * sizeof(uint32_t));
    if (slots == NULL || joints == NULL) return TH_ELIMIT;
    uint32_t bytes = 0;
    for (uint32_t i = 0; i <= count; i++) {
        uint64_t literal = th_take_varint(r);
        if (r->bad || literal >= s->literal_count) return TH_ECORRUPT;
        joints[i] = (uint32_t)literal;
        bytes += (uint32_t)b->k->literals[literal].size;
        if (i == count) break;
        uint64_t column = th_take_varint(r);
        if (r->bad || column >= s->column_count) return TH_ECORRUPT;
        if (m->single[column] && m->shape[column] == shape) return TH_ECORRUPT;
        m->shape[column] = shape;
        m->slot[column] = i;
        slots[i] = (uint32_t)column;
    }
    for (uint32_t i = 0; i < count; i++)
        slots[i] = segment_slot(slots[i], slot_kind(b, m, shape, i, slots[i]));
    b->k->shapes[shape] = (segment_steps){slots, (uint32_t)count};
    b->k->joints[shape] = joints;
    b->k->literal_bytes[shape] = bytes;
    return TH_OK;
}

static th_err read_shapes(build *b)
{
    size_t count = (size_t)b->image->shape_count + 1;
    th_reader r;
    TH_TRY(open_payload(b, b->image->shapes, &r));
    b->k->shapes = TH_NEW_ARRAY(b->arena, segment_steps, count);
    b->k->joints = th_arena_zalloc(b->arena, count, sizeof(*b->k->joints));
    b->k->literal_bytes = TH_NEW_ARRAY(b->arena, uint32_t, count);
    if (b->k->shapes == NULL || b->k->joints == NULL || b->k->literal_bytes == NULL)
        return TH_ELIMIT;
    shape_marks marks;
    TH_TRY(new_marks(b, &marks));
    for (uint32_t i = 1; i < count; i++) TH_TRY(read_shape(b, &r, &marks, i));
    return r.bad || r.pos != r.end ? TH_ECORRUPT : TH_OK;
}

/* Shapes of rows, and sums of them before each block of rows; behind the last block the sums of all. */
static th_err read_rows(build *b)
{
    const segment_image *s = b->image;
    uint32_t rows = s->base.rows, width = s->shape_count + 1;
    if (s->rows == NULL) return s->whole_count == rows ? TH_OK : TH_ECORRUPT;
    uint32_t blocks = (rows + SEGMENT_BLOCK_ROWS - 1) / SEGMENT_BLOCK_ROWS;
    uint32_t *codes = th_arena_alloc(b->work, SEGMENT_BLOCK_ROWS * sizeof(uint32_t));
    b->k->rows = th_arena_alloc(b->arena, (size_t)rows * sizeof(uint16_t));
    b->k->sums = TH_NEW_ARRAY(b->arena, uint32_t, (size_t)(blocks + 1) * width);
    if (codes == NULL || b->k->rows == NULL || b->k->sums == NULL) return TH_ELIMIT;
    for (uint32_t i = 0; i < blocks; i++) {
        uint32_t first = i * SEGMENT_BLOCK_ROWS, left = rows - first;
        uint32_t count = left < SEGMENT_BLOCK_ROWS ? left : SEGMENT_BLOCK_ROWS;
        TH_TRY(segment_codes_read(s->rows, &b->reading, first, count, codes));
        uint32_t *sums = b->k->sums + (size_t)(i + 1) * width;
        memcpy(sums, sums - width, width * sizeof(uint32_t));
        for (uint32_t row = 0; row < count; row++) {
            if (codes[row] >= width) return TH_ECORRUPT;
            b->k->rows[first + row] = (uint16_t)codes[row];
            sums[codes[row]]++;
        }
    }
    return TH_OK;
}

/* Columns have as many values as shapes and rows say. */
static th_err check_counts(build *b)
{
    const segment_image *s = b->image;
    if (b->k->rows == NULL) return s->column_count == 0 ? TH_OK : TH_ECORRUPT;
    uint64_t *values = TH_NEW_ARRAY(b->work, uint64_t, (size_t)s->column_count + 1);
    if (values == NULL) return TH_ELIMIT;
    uint32_t blocks = (s->base.rows + SEGMENT_BLOCK_ROWS - 1) / SEGMENT_BLOCK_ROWS;
    const uint32_t *sums = b->k->sums + (size_t)blocks * (s->shape_count + 1);
    if (sums[0] != s->whole_count) return TH_ECORRUPT;
    uint64_t residual = 0;
    for (uint32_t i = 1; i <= s->shape_count; i++) {
        const segment_steps *shape = &b->k->shapes[i];
        for (uint32_t j = 0; j < shape->count && sums[i] > 0; j++) {
            values[segment_slot_column(shape->slots[j])] += sums[i];
            if (segment_slot_kind_of(shape->slots[j]) == SEGMENT_SLOT_RESIDUAL) residual += sums[i];
        }
    }
    for (uint32_t i = 0; i < s->column_count; i++)
        if (values[i] != s->columns[i].count) return TH_ECORRUPT;
    return residual == s->residual_count ? TH_OK : TH_ECORRUPT;
}

static th_err check_nodes(const build *b)
{
    for (uint32_t i = 0; i < b->image->column_count; i++) {
        const segment_leaf *leaf = &b->image->columns[i];
        bool field = leaf->node > 0 && b->k->nodes[leaf->node - 1].kind == SEGMENT_NODE_FIELD;
        if (field != (leaf->kind == SEGMENT_LEAF_FIELD)) return TH_ECORRUPT;
    }
    return TH_OK;
}

static th_err read_skeleton(segment_image *s, th_arena *work, const segment_skeleton **out)
{
    build b = {.image = s, .arena = segment_kept_arena(s), .work = work};
    if (b.arena == NULL) return TH_ENOMEM;
    b.k = TH_NEW(b.arena, segment_skeleton);
    if (b.k == NULL) return TH_ELIMIT;
    TH_TRY(segment_image_reading(s, work, work, &b.reading));
    TH_TRY(read_nodes(&b));
    TH_TRY(read_literals(&b));
    TH_TRY(read_shapes(&b));
    TH_TRY(read_rows(&b));
    TH_TRY(check_nodes(&b));
    TH_TRY(check_counts(&b));
    *out = b.k;
    return TH_OK;
}

th_err segment_need_skeleton(segment_image *s, const segment_skeleton **out)
{
    *out = atomic_load_explicit(&s->skeleton, memory_order_acquire);
    if (*out != NULL) return TH_OK;
    th_arena *work = th_arena_new(SEGMENT_WORK_MAX, s->base.budget);
    if (work == NULL) return TH_ENOMEM;
    (void)pthread_mutex_lock(&s->lock);
    *out = atomic_load_explicit(&s->skeleton, memory_order_relaxed);
    th_err err = *out != NULL ? TH_OK : read_skeleton(s, work, out);
    if (err == TH_OK && atomic_load_explicit(&s->marks, memory_order_relaxed) == NULL) {
        atomic_store_explicit(
            &s->marks, segment_marks_new(s->mark_count, MARKS_MAX, s->base.budget, &s->base.held),
            memory_order_release); /* without them: slower */
        segment_holds(&s->base, th_arena_used(s->kept), 0);
    }
    if (err == TH_OK) {
        atomic_store_explicit(&s->skeleton, *out, memory_order_release);
    } else {
        th_arena_free(s->kept);
        s->kept = NULL;
    }
    (void)pthread_mutex_unlock(&s->lock);
    th_arena_free(work);
    return err;
}
