/* SPDX-License-Identifier: Apache-2.0
 * The gzip framing (RFC 1952) is read here, once for both engines; the engines see raw deflate streams only. CRC-32 and
 * length of every member are checked: a flipped bit in a container must not become evidence. */
#include "ingest/inflate.h"

#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>
#include <stdlib.h>
#include <zlib.h>

#include "base/limits.h"

enum { OUT_SIZE = 256 << 10, IN_STEP = 1 << 30 };
enum { FLAG_HCRC = 2, FLAG_EXTRA = 4, FLAG_NAME = 8, FLAG_COMMENT = 16, FLAG_RESERVED = 0xE0 };

/* One raw deflate stream. step: take from *in, write to out[0..capacity), set *made; done when the stream has ended,
 * *in then starts right behind it. False: damaged. */
typedef struct engine_ops {
    void *(*new)(void);
    bool (*start)(void *state);
    bool (*step)(void *state, th_slice *in, uint8_t *out, size_t capacity, size_t *made,
                 bool *done);
    void (*free)(void *state);
} engine_ops;

static void *isal_new(void)
{
    return malloc(sizeof(struct inflate_state));
}

static bool isal_start(void *state)
{
    isal_inflate_init(state);
    return true;
}

static bool isal_step(void *state, th_slice *in, uint8_t *out, size_t capacity, size_t *made,
                      bool *done)
{
    struct inflate_state *s = state;
    uint32_t given = in->size < IN_STEP ? (uint32_t)in->size : IN_STEP;
    union {
        const uint8_t *borrowed;
        uint8_t *plain;
    } next = {in->bytes}; /* the library's pointer is not const, but it only reads */
    s->next_in = next.plain;
    s->avail_in = given;
    s->next_out = out;
    s->avail_out = (uint32_t)capacity;
    if (isal_inflate(s) < 0) return false;
    *made = capacity - s->avail_out;
    ptrdiff_t used = (ptrdiff_t)(given - s->avail_in);
    *done = s->block_state == ISAL_BLOCK_FINISH;
    /* It reads ahead by up to eight bytes; at the end whole bytes left in its bit buffer were not part of the stream. They
     * may have been read by an earlier step: the input is one run of bytes, so going back is stepping back in it. */
    if (*done) used -= (ptrdiff_t)(s->read_in_length / 8);
    *in = (th_slice){in->bytes + used, (size_t)((ptrdiff_t)in->size - used)};
    return true;
}

static void *zlib_new(void)
{
    z_stream *s = calloc(1, sizeof(*s));
    if (s != NULL && inflateInit2(s, -15) != Z_OK) {
        free(s);
        return NULL;
    }
    return s;
}

static bool zlib_start(void *state)
{
    return inflateReset((z_stream *)state) == Z_OK;
}

static bool zlib_step(void *state, th_slice *in, uint8_t *out, size_t capacity, size_t *made,
                      bool *done)
{
    z_stream *s = state;
    uInt given = in->size < IN_STEP ? (uInt)in->size : IN_STEP;
    union {
        const uint8_t *borrowed;
        uint8_t *plain;
    } next = {in->bytes};
    s->next_in = next.plain;
    s->avail_in = given;
    s->next_out = out;
    s->avail_out = (uInt)capacity;
    int code = inflate(s, Z_NO_FLUSH);
    if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR) return false;
    *made = capacity - s->avail_out;
    *done = code == Z_STREAM_END;
    size_t used = given - s->avail_in;
    *in = (th_slice){in->bytes + used, in->size - used};
    return true;
}

static void zlib_free(void *state)
{
    if (state == NULL) return;
    (void)inflateEnd((z_stream *)state);
    free(state);
}

static const engine_ops engines[] = {
    [INGEST_ENGINE_ISAL] = {isal_new, isal_start, isal_step, free},
    [INGEST_ENGINE_ZLIB] = {zlib_new, zlib_start, zlib_step, zlib_free},
};

ingest_inflate_limits ingest_inflate_limits_default(void)
{
    return (ingest_inflate_limits){TH_INFLATE_SIZE_MAX, TH_INFLATE_RATIO_MAX, 16u << 20};
}

bool ingest_is_gzip(th_slice container)
{
    return container.size >= 2 && container.bytes[0] == 0x1f && container.bytes[1] == 0x8b;
}

static uint32_t le32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Step over bytes up to and with a NUL; *text is what was before it. False: there is none. */
static bool skip_text(th_slice *in, th_slice *text)
{
    const uint8_t *nul = in->size == 0 ? NULL : memchr(in->bytes, 0, in->size);
    if (nul == NULL) return false;
    size_t size = (size_t)(nul - in->bytes);
    *text = th_slice_of(in->bytes, size);
    *in = th_slice_of(nul + 1, in->size - size - 1);
    return true;
}

/* Step over a member's header; NULL or what is wrong with it. */
static const char *read_header(th_slice *in, ingest_gzip *facts)
{
    static const char cut[] = "gzip: cut off in a header";
    const uint8_t *start = in->bytes;
    if (in->size < 10) return cut;
    if (start[2] != 8) return "gzip: unknown compression method";
    uint8_t flags = start[3];
    if ((flags & FLAG_RESERVED) != 0) return "gzip: reserved header flags are set";
    ingest_gzip own = {.mtime = le32(start + 4), .flags = flags, .xfl = start[8], .os = start[9]};
    *in = th_slice_of(start + 10, in->size - 10);
    if (flags & FLAG_EXTRA) {
        if (in->size < 2) return cut;
        size_t size = 2 + ((size_t)in->bytes[0] | (size_t)in->bytes[1] << 8);
        if (in->size < size) return cut;
        *in = th_slice_of(in->bytes + size, in->size - size);
    }
    th_slice comment;
    if ((flags & FLAG_NAME) && !skip_text(in, &own.name)) return cut;
    if ((flags & FLAG_COMMENT) && !skip_text(in, &comment)) return cut;
    if (flags & FLAG_HCRC) {
        if (in->size < 2) return cut;
        uint32_t crc = crc32_gzip_refl(0, start, (uint64_t)(in->bytes - start));
        if ((crc & 0xffff) != ((uint32_t)in->bytes[0] | (uint32_t)in->bytes[1] << 8))
            return "gzip: header checksum differs";
        *in = th_slice_of(in->bytes + 2, in->size - 2);
    }
    if (facts->members == 0) *facts = own;
    return NULL;
}

typedef struct run {
    const engine_ops *ops;
    void *state;
    uint8_t *out;
    const ingest_inflate_limits *limits;
    ingest_bytes_fn fn;
    void *ctx;
    th_slice container;
} run;

static const char *check_limits(const run *r, const ingest_inflated *out, th_slice in)
{
    if (out->produced > r->limits->size_max)
        return "gzip: larger than an object may be when inflated";
    uint64_t taken = r->container.size - in.size;
    if (out->produced > r->limits->ratio_from && out->produced / r->limits->ratio_max > taken)
        return "gzip: inflates beyond the allowed ratio";
    return NULL;
}

static th_err inflate_member(run *r, th_slice *in, ingest_inflated *out)
{
    out->problem = read_header(in, &out->gzip);
    if (out->problem != NULL) return TH_OK;
    if (!r->ops->start(r->state)) return TH_ENOMEM;
    uint32_t crc = 0;
    uint64_t size = 0;
    for (bool done = false; !done;) {
        size_t made = 0;
        size_t before = in->size;
        if (!r->ops->step(r->state, in, r->out, OUT_SIZE, &made, &done)) {
            out->problem = "gzip: the compressed data are damaged";
            return TH_OK;
        }
        crc = crc32_gzip_refl(crc, r->out, made);
        size += made;
        out->produced += made;
        if ((out->problem = check_limits(r, out, *in)) != NULL) return TH_OK;
        if (made > 0) TH_TRY(r->fn(r->ctx, th_slice_of(r->out, made)));
        if (!done && made == 0 && in->size == before) {
            out->problem = "gzip: cut off in the compressed data";
            return TH_OK;
        }
    }
    if (in->size < 8) {
        out->problem = "gzip: cut off in a trailer";
    } else if (le32(in->bytes) != crc) {
        out->problem = "gzip: checksum differs";
    } else if (le32(in->bytes + 4) != (uint32_t)size) {
        out->problem = "gzip: length differs";
    } else {
        *in = th_slice_of(in->bytes + 8, in->size - 8);
        out->gzip.members++;
        out->consumed = r->container.size - in->size;
    }
    return TH_OK;
}

th_err ingest_inflate(ingest_engine engine, th_slice container, const ingest_inflate_limits *limits,
                      ingest_bytes_fn fn, void *ctx, ingest_inflated *out)
{
    *out = (ingest_inflated){0};
    run r = {
        .ops = &engines[engine], .limits = limits, .fn = fn, .ctx = ctx, .container = container};
    r.state = r.ops->new ();
    r.out = malloc(OUT_SIZE);
    th_err err = r.state == NULL || r.out == NULL ? TH_ENOMEM : TH_OK;
    th_slice in = container;
    do {
        if (err == TH_OK) err = inflate_member(&r, &in, out);
    } while (err == TH_OK && out->problem == NULL && ingest_is_gzip(in));
    r.ops->free(r.state);
    free(r.out);
    return err;
}

/* ---- the common case ---------------------------------------------------------------------------------------------------- */

enum { TRAILER_SIZE = 8, DEFLATE_RATIO_MAX = 1032 };

uint64_t ingest_inflate_size(th_slice container, const ingest_inflate_limits *limits)
{
    if (container.size < 10 + TRAILER_SIZE || container.size > IN_STEP) return 0;
    uint64_t size = le32(container.bytes + container.size - 4);
    if (size > limits->size_max || size > (uint64_t)container.size * DEFLATE_RATIO_MAX) return 0;
    return size > limits->ratio_from && size / limits->ratio_max > container.size ? 0 : size;
}

void *ingest_inflate_state(void)
{
    return isal_new();
}

bool ingest_inflate_simple(void *state, th_slice container, uint8_t *bytes, size_t size,
                           ingest_inflated *out)
{
    *out = (ingest_inflated){0};
    th_slice in = container;
    if (read_header(&in, &out->gzip) != NULL || in.size < TRAILER_SIZE) return false;
    struct inflate_state *s = state;
    union {
        const uint8_t *borrowed;
        uint8_t *plain;
    } next = {in.bytes};
    isal_inflate_init(s);
    s->next_in = next.plain;
    s->avail_in = (uint32_t)(in.size - TRAILER_SIZE);
    s->next_out = bytes;
    s->avail_out = (uint32_t)size;
    if (isal_inflate_stateless(s) != ISAL_DECOMP_OK || s->avail_in != 0 || s->avail_out != 0)
        return false;
    const uint8_t *trailer = container.bytes + container.size - TRAILER_SIZE;
    if (le32(trailer) != crc32_gzip_refl(0, bytes, size)) return false;
    out->gzip.members = 1;
    out->produced = size;
    out->consumed = container.size;
    return true;
}
