/* SPDX-License-Identifier: Apache-2.0
 * Spill files (query/op/spill.h). A block is its length before and after LZ4, then its bytes; rows never cross from one
 * block into the next unless they are longer than it. */
#include "query/op/spill.h"

#include <fcntl.h>
#include <inttypes.h>
#include <lz4.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "os/os.h"

#define BLOCK_SIZE (64u << 10)
#define ROW_SIZE_MAX (256u << 20)
#define BYTES_MAX (UINT64_C(64) << 30) /* on disk, of one statement */
#define DISK_LEFT_MIN (UINT64_C(256) << 20)
#define SPILL_AT_PERCENT 35 /* of the limit; arrays that grow take twice their size for a while */

struct spill {
    th_op *op;
    uint32_t width;
    const th_type *const *types;
    int fd;
    uint64_t rows, size, at;
    uint8_t *block;  /* being written or read */
    uint8_t *packed; /* the same under LZ4 */
    size_t used, room, packed_room, read_at;
    th_arena *arena;
};

bool spill_wanted(const th_op *op, size_t held)
{
    const th_exec *exec = op->exec;
    size_t limit = exec->memory_bytes;
    if (exec->env->temp_dir == NULL || held < limit / 32) return false;
    return th_budget_used(exec->env->budget) > limit / 100 * SPILL_AT_PERCENT;
}

static th_err exceeded(const spill *s, const char *text, uint64_t bytes)
{
    return th_fail(s->op->exec->diag, TH_ELIMIT, "EXCEEDED_SPILL_LIMIT", "%s: %" PRIu64 " bytes",
                   text, bytes);
}

static int open_file(const th_op *op)
{
    static atomic_uint_fast64_t counter;
    char path[4096];
    const char *dir = op->exec->env->temp_dir;
    th_diag none = {0};
    int fd = th_os_open(dir, O_TMPFILE | O_RDWR, 0600, &none);
    if (fd >= 0) return fd;
    int n = snprintf(path, sizeof path, "%s/spill-%ld-%" PRIuFAST64, dir, (long)getpid(),
                     atomic_fetch_add(&counter, 1));
    if (n < 0 || (size_t)n >= sizeof path) return -1;
    fd = th_os_open(path, O_CREAT | O_EXCL | O_RDWR, 0600, op->exec->diag);
    if (fd >= 0 && th_os_unlink(path, op->exec->diag) != TH_OK) {
        th_os_close(fd);
        return -1;
    }
    return fd;
}

th_err spill_new(th_op *op, th_arena *arena, uint32_t width, const th_type *const *types,
                 spill **out)
{
    if (op->exec->env->temp_dir == NULL) return op_memory(op);
    spill *s = TH_NEW(op->exec->arena, spill);
    if (s == NULL) return op_memory(op);
    *s = (spill){.op = op, .width = width, .types = types, .fd = -1, .arena = arena};
    s->packed_room = (size_t)LZ4_compressBound(BLOCK_SIZE);
    s->room = BLOCK_SIZE;
    s->block = th_arena_alloc(arena, s->room);
    s->packed = th_arena_alloc(arena, s->packed_room);
    if (s->block == NULL || s->packed == NULL) return op_memory(op);
    *out = s;
    return TH_OK;
}

void spill_close(spill *s)
{
    if (s == NULL) return;
    th_os_close(s->fd);
    s->fd = -1;
}

uint64_t spill_rows(const spill *s)
{
    return s->rows;
}

static bool packed_room(spill *s, size_t size)
{
    if (size <= s->packed_room) return true;
    s->packed = th_arena_alloc(s->arena, size);
    s->packed_room = size;
    return s->packed != NULL;
}

static th_err check_space(spill *s, size_t more)
{
    th_exec *exec = s->op->exec;
    uint64_t left, all = exec->spilled == NULL ? 0 : (*exec->spilled += more);
    if (all > BYTES_MAX)
        return exceeded(s, "Query exceeded what it may write to temporary files", BYTES_MAX);
    if (th_os_disk_free(exec->env->temp_dir, &left, NULL) == TH_OK && left < DISK_LEFT_MIN + more)
        return exceeded(s, "Too little space is left for temporary files", left);
    return TH_OK;
}

static th_err write_block(spill *s)
{
    th_diag *diag = s->op->exec->diag;
    uint32_t head[2] = {(uint32_t)s->used, 0};
    if (s->used == 0) return TH_OK;
    if (s->fd < 0) {
        s->fd = open_file(s->op);
        if (s->fd < 0) return th_fail(diag, TH_EIO, NULL, "No temporary file can be made");
    }
    if (!packed_room(s, (size_t)LZ4_compressBound((int)s->used))) return op_memory(s->op);
    int packed = LZ4_compress_default((const char *)s->block, (char *)s->packed, (int)s->used,
                                      (int)s->packed_room);
    if (packed <= 0) return th_fail(diag, TH_EIO, NULL, "A temporary file cannot be compressed");
    head[1] = (uint32_t)packed;
    if ((s->size & ~(uint64_t)0xfffff) != ((s->size + (uint64_t)packed) & ~(uint64_t)0xfffff))
        TH_TRY(check_space(s, 1u << 20));
    TH_TRY(th_os_write_all(s->fd, th_slice_of(head, sizeof head), diag));
    TH_TRY(th_os_write_all(s->fd, th_slice_of(s->packed, (size_t)packed), diag));
    s->size += sizeof head + (size_t)packed;
    s->used = 0;
    return TH_OK;
}

static uint8_t *place(spill *s, size_t size)
{
    if (s->used + size > s->room) {
        size_t room = s->room;
        while (s->used + size > room) room *= 2;
        if (room > ROW_SIZE_MAX) return NULL;
        uint8_t *block = th_arena_alloc(s->arena, room);
        if (block == NULL) return NULL;
        memcpy(block, s->block, s->used);
        s->block = block;
        s->room = room;
    }
    s->used += size;
    return s->block + s->used - size;
}

static bool put(spill *s, const void *bytes, size_t size)
{
    uint8_t *to = place(s, size);
    if (to == NULL) return false;
    if (size > 0) memcpy(to, bytes, size);
    return true;
}

static bool is_text(th_type_kind kind)
{
    return kind == TH_CHAR || kind == TH_VARCHAR || kind == TH_VARBINARY || kind == TH_JSON ||
           kind == TH_UUID || kind == TH_IPADDRESS;
}

static bool put_value(spill *s, const th_type *type, const th_value *v)
{
    uint8_t there = !v->null;
    th_value x;
    if (!put(s, &there, 1)) return false;
    if (v->null || type->kind == TH_UNKNOWN) return true;
    if (is_text(type->kind)) {
        uint32_t size = (uint32_t)v->s.size;
        return put(s, &size, sizeof size) && put(s, v->s.bytes, size);
    }
    if (type->kind == TH_ROW) {
        for (uint32_t i = 0; i < type->child_count; i++) {
            th_value_field(v, i, &x);
            if (!put_value(s, type->children[i], &x)) return false;
        }
        return true;
    }
    if (type->kind == TH_ARRAY || type->kind == TH_MAP) {
        uint32_t n = th_value_size(v);
        if (!put(s, &n, sizeof n)) return false;
        for (uint32_t k = 0; k < n; k++) {
            for (uint32_t i = 0; i < type->child_count; i++) {
                th_value_element(v, i, k, &x);
                if (!put_value(s, type->children[i], &x)) return false;
            }
        }
        return true;
    }
    if (type->kind == TH_DECIMAL) return put(s, &v->d, sizeof v->d);
    if (!put(s, &v->i, sizeof v->i)) return false;
    if (type->kind == TH_TIMESTAMP_TZ && !put(s, &v->zone, sizeof v->zone)) return false;
    bool extra =
        type->kind == TH_TIMESTAMP || type->kind == TH_TIMESTAMP_TZ || type->kind == TH_TIME;
    return !extra || put(s, &v->extra, sizeof v->extra);
}

th_err spill_add(spill *s, const th_vector *columns, uint32_t row)
{
    th_value v;
    if (s->used >= BLOCK_SIZE - BLOCK_SIZE / 8) TH_TRY(write_block(s));
    for (uint32_t c = 0; c < s->width; c++) {
        th_value_get(&columns[c], row, &v);
        if (!put_value(s, s->types[c], &v)) return op_memory(s->op);
    }
    s->rows++;
    return TH_OK;
}

th_err spill_end(spill *s)
{
    return write_block(s);
}

th_err spill_rewind(spill *s, th_arena *arena)
{
    s->arena = arena;
    s->at = 0;
    s->used = s->read_at = 0;
    s->room = BLOCK_SIZE;
    s->packed_room = (size_t)LZ4_compressBound(BLOCK_SIZE);
    s->block = th_arena_alloc(arena, s->room);
    s->packed = th_arena_alloc(arena, s->packed_room);
    return s->block == NULL || s->packed == NULL ? op_memory(s->op) : TH_OK;
}

static th_err damaged(const spill *s)
{
    return th_fail(s->op->exec->diag, TH_EIO, NULL, "A temporary file does not read back");
}

static th_err read_exactly(spill *s, void *out, size_t size)
{
    size_t got;
    for (size_t done = 0; done < size; done += got) {
        TH_TRY(
            th_os_pread(s->fd, (uint8_t *)out + done, size - done, s->at, &got, s->op->exec->diag));
        if (got == 0) return damaged(s);
        s->at += got;
    }
    return TH_OK;
}

static th_err read_block(spill *s)
{
    uint32_t head[2];
    TH_TRY(read_exactly(s, head, sizeof head));
    if (head[0] > ROW_SIZE_MAX || head[1] > ROW_SIZE_MAX) return damaged(s);
    if (head[0] > s->room) {
        s->block = th_arena_alloc(s->arena, head[0]);
        s->room = head[0];
    }
    if (s->block == NULL || !packed_room(s, head[1])) return op_memory(s->op);
    TH_TRY(read_exactly(s, s->packed, head[1]));
    int size =
        LZ4_decompress_safe((const char *)s->packed, (char *)s->block, (int)head[1], (int)s->room);
    if (size < 0 || (uint32_t)size != head[0]) return damaged(s);
    s->used = head[0];
    s->read_at = 0;
    return TH_OK;
}

static void get(spill *s, void *out, size_t size)
{
    memcpy(out, s->block + s->read_at, size);
    s->read_at += size;
}

/* One value, appended; texts are copied, since the block goes. */
static bool get_value(spill *s, const th_type *type, th_builder *b)
{
    uint8_t there;
    th_value v = {0};
    get(s, &there, 1);
    if (there == 0 || type->kind == TH_UNKNOWN) return th_builder_add_null(b);
    if (is_text(type->kind)) {
        uint32_t size;
        get(s, &size, sizeof size);
        v.s = th_slice_of(s->block + s->read_at, size);
        s->read_at += size;
        return th_builder_add(b, &v);
    }
    if (type->kind == TH_ROW || type->kind == TH_ARRAY || type->kind == TH_MAP) {
        uint32_t n = 1;
        if (type->kind != TH_ROW) get(s, &n, sizeof n);
        for (uint32_t k = 0; k < n; k++)
            for (uint32_t i = 0; i < type->child_count; i++)
                if (!get_value(s, type->children[i], &b->children[i])) return false;
        return th_builder_end_nested(b);
    }
    if (type->kind == TH_DECIMAL)
        get(s, &v.d, sizeof v.d);
    else
        get(s, &v.i, sizeof v.i);
    if (type->kind == TH_TIMESTAMP_TZ) get(s, &v.zone, sizeof v.zone);
    if (type->kind == TH_TIMESTAMP || type->kind == TH_TIMESTAMP_TZ || type->kind == TH_TIME)
        get(s, &v.extra, sizeof v.extra);
    return th_builder_add(b, &v);
}

th_err spill_read(spill *s, th_arena *arena, uint32_t most, th_vector *columns, uint32_t *rows)
{
    th_builder *builders = TH_NEW_ARRAY(arena, th_builder, s->width);
    *rows = 0;
    if (builders == NULL) return op_memory(s->op);
    for (uint32_t c = 0; c < s->width; c++)
        if (!th_builder_init(&builders[c], arena, s->types[c], 64, true)) return op_memory(s->op);
    while (*rows < most && (s->read_at < s->used || s->at < s->size)) {
        if (s->read_at >= s->used) TH_TRY(read_block(s));
        for (uint32_t c = 0; c < s->width; c++)
            if (!get_value(s, s->types[c], &builders[c])) return op_memory(s->op);
        (*rows)++;
    }
    for (uint32_t c = 0; c < s->width; c++) th_builder_finish(&builders[c], &columns[c]);
    return TH_OK;
}
