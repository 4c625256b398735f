/* SPDX-License-Identifier: Apache-2.0
 * The growing buffer, and the reader over untrusted bytes. capacity counts the byte for the final NUL. */
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"

enum { BUF_CAPACITY_MIN = 256 };

void th_buf_init(th_buf *buf, size_t limit_bytes)
{
    *buf = (th_buf){.limit = limit_bytes};
}

void th_buf_free(th_buf *buf)
{
    free(buf->bytes);
    *buf = (th_buf){.limit = buf->limit};
}

void th_buf_clear(th_buf *buf)
{
    buf->size = 0;
    buf->error = TH_OK;
    if (buf->bytes != NULL) buf->bytes[0] = 0;
}

static bool make_room(th_buf *buf, size_t size)
{
    if (buf->error != TH_OK) return false;
    if (size > buf->limit - buf->size || size >= SIZE_MAX / 2 - buf->size) {
        buf->error = TH_ELIMIT;
        return false;
    }
    size_t need = buf->size + size + 1;
    if (need <= buf->capacity) return true;
    size_t capacity = buf->capacity < BUF_CAPACITY_MIN ? BUF_CAPACITY_MIN : buf->capacity;
    while (capacity < need) capacity *= 2;
    /* Never hold more than the limit allows: limits are what the memory governor counts. */
    if (buf->limit < SIZE_MAX - 1 && capacity > buf->limit + 1) capacity = buf->limit + 1;
    uint8_t *bytes = realloc(buf->bytes, capacity);
    if (bytes == NULL) {
        buf->error = TH_ENOMEM;
        return false;
    }
    buf->bytes = bytes;
    buf->capacity = capacity;
    return true;
}

uint8_t *th_buf_reserve(th_buf *buf, size_t size)
{
    return make_room(buf, size) ? buf->bytes + buf->size : NULL;
}

void th_buf_grow(th_buf *buf, size_t size)
{
    if (buf->error != TH_OK || (size == 0 && buf->bytes == NULL)) return;
    TH_ASSERT(size < buf->capacity - buf->size);
    buf->size += size;
    buf->bytes[buf->size] = 0;
}

void th_buf_add(th_buf *buf, const void *bytes, size_t size)
{
    if (size == 0 || !make_room(buf, size)) return;
    memcpy(buf->bytes + buf->size, bytes, size);
    buf->size += size;
    buf->bytes[buf->size] = 0;
}

void th_buf_add_slice(th_buf *buf, th_slice s)
{
    th_buf_add(buf, s.bytes, s.size);
}

void th_buf_add_text(th_buf *buf, const char *text)
{
    th_buf_add(buf, text, strlen(text));
}

void th_buf_add_byte(th_buf *buf, uint8_t byte)
{
    if (!make_room(buf, 1)) return;
    buf->bytes[buf->size++] = byte;
    buf->bytes[buf->size] = 0;
}

static void add_le(th_buf *buf, uint64_t v, size_t size)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < size; i++) bytes[i] = (uint8_t)(v >> (8 * i));
    th_buf_add(buf, bytes, size);
}

void th_buf_add_u16(th_buf *buf, uint16_t v)
{
    add_le(buf, v, 2);
}

void th_buf_add_u32(th_buf *buf, uint32_t v)
{
    add_le(buf, v, 4);
}

void th_buf_add_u64(th_buf *buf, uint64_t v)
{
    add_le(buf, v, 8);
}

void th_buf_add_varint(th_buf *buf, uint64_t v)
{
    if (v < 0x80) { /* most of them */
        th_buf_add_byte(buf, (uint8_t)v);
        return;
    }
    uint8_t bytes[10];
    size_t size = 0;
    while (v >= 0x80) {
        bytes[size++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    bytes[size++] = (uint8_t)v;
    th_buf_add(buf, bytes, size);
}

void th_buf_printf(th_buf *buf, const char *fmt, ...)
{
    if (buf->error != TH_OK) return;
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (size < 0) {
        buf->error = TH_EINVAL;
    } else if (make_room(buf, (size_t)size)) {
        vsnprintf((char *)buf->bytes + buf->size, (size_t)size + 1, fmt, again);
        buf->size += (size_t)size;
    }
    va_end(again);
}

th_err th_buf_error(const th_buf *buf)
{
    return buf->error;
}

const char *th_buf_text(th_buf *buf)
{
    if (buf->error != TH_OK || buf->bytes == NULL) return "";
    buf->bytes[buf->size] = 0;
    return (const char *)buf->bytes;
}

th_slice th_take_bytes(th_reader *r, size_t size)
{
    if (r->bad || size > (size_t)(r->end - r->pos)) {
        r->bad = true;
        return (th_slice){0};
    }
    th_slice s = {r->pos, size};
    if (size > 0) r->pos += size;
    return s;
}

static uint64_t take_le(th_reader *r, size_t size)
{
    th_slice s = th_take_bytes(r, size);
    uint64_t v = 0;
    for (size_t i = 0; i < s.size; i++) v |= (uint64_t)s.bytes[i] << (8 * i);
    return v;
}

uint8_t th_take_u8(th_reader *r)
{
    return (uint8_t)take_le(r, 1);
}

uint16_t th_take_u16(th_reader *r)
{
    return (uint16_t)take_le(r, 2);
}

uint32_t th_take_u32(th_reader *r)
{
    return (uint32_t)take_le(r, 4);
}

uint64_t th_take_u64(th_reader *r)
{
    return take_le(r, 8);
}

uint64_t th_take_varint(th_reader *r)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = th_take_u8(r);
        if (r->bad) return 0;
        if (shift == 63 && byte > 1) break;
        v |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) return v;
    }
    r->bad = true;
    return 0;
}
