/* SPDX-License-Identifier: Apache-2.0
 * A growing byte buffer with a limit. Zero-initialise with th_buf_init; free with th_buf_free.
 *
 * Appending never fails loudly: on the first failure (limit, memory) the buffer turns bad, later appends do nothing,
 * and the owner asks once at the end with th_buf_error. The bytes are always followed by a NUL (not counted) when
 * size > 0 or th_buf_text was called. */
#ifndef TH_BASE_BUF_H
#define TH_BASE_BUF_H

#include "base/err.h"
#include "base/slice.h"

typedef struct th_buf {
    uint8_t *bytes;
    size_t size;
    size_t capacity;
    size_t limit;
    th_err error;
} th_buf;

void th_buf_init(th_buf *buf, size_t limit_bytes);
void th_buf_free(th_buf *buf);
void th_buf_clear(th_buf *buf); /* keeps the memory, forgets an error */
void th_buf_add(th_buf *buf, const void *bytes, size_t size);
void th_buf_add_slice(th_buf *buf, th_slice s);
void th_buf_add_text(th_buf *buf, const char *text);
void th_buf_add_byte(th_buf *buf, uint8_t byte);
void th_buf_add_u16(th_buf *buf, uint16_t v); /* little-endian */
void th_buf_add_u32(th_buf *buf, uint32_t v);
void th_buf_add_u64(th_buf *buf, uint64_t v);
void th_buf_add_varint(th_buf *buf, uint64_t v); /* LEB128 */
void th_buf_printf(th_buf *buf, const char *fmt, ...) TH_PRINTF(2, 3);
/* Room for size more bytes at the end (not counted until th_buf_grow), or NULL with the error set. */
uint8_t *th_buf_reserve(th_buf *buf, size_t size);
void th_buf_grow(th_buf *buf, size_t size); /* count size reserved bytes */
TH_MUST_CHECK th_err th_buf_error(const th_buf *buf);
const char *th_buf_text(th_buf *buf); /* NUL-terminated view; "" when empty or bad */
static inline th_slice th_buf_slice(const th_buf *buf)
{
    return (th_slice){buf->bytes, buf->size};
}

/* A reader over untrusted bytes: every take is bounds-checked; after the first failure all return 0 and bad stays. */
typedef struct th_reader {
    const uint8_t *pos;
    const uint8_t *end;
    bool bad;
} th_reader;

static inline th_reader th_reader_of(th_slice s)
{
    return (th_reader){s.bytes, s.size == 0 ? s.bytes : s.bytes + s.size, false};
}
uint8_t th_take_u8(th_reader *r);
uint16_t th_take_u16(th_reader *r);
uint32_t th_take_u32(th_reader *r);
uint64_t th_take_u64(th_reader *r);
uint64_t th_take_varint(th_reader *r);
th_slice th_take_bytes(th_reader *r, size_t size); /* borrowed */

#endif
