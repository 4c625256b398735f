/* SPDX-License-Identifier: Apache-2.0
 * Gzip containers: what is inside, and what they say about themselves. Pure functions over the whole container; output
 * comes in pieces, so that memory does not depend on sizes. */
#ifndef TH_INGEST_INFLATE_H
#define TH_INGEST_INFLATE_H

#include "base/err.h"
#include "base/slice.h"

/* Two inflaters over one gzip framing: ISA-L is the fast one, zlib its portable twin. They give the same bytes; ISA-L takes
 * some damaged tables of codes that zlib refuses, but only when CRC and length of what comes out are right. */
typedef enum ingest_engine { INGEST_ENGINE_ISAL, INGEST_ENGINE_ZLIB } ingest_engine;

typedef struct ingest_inflate_limits {
    uint64_t size_max;   /* bytes that may come out */
    uint64_t ratio_max;  /* out : in ... */
    uint64_t ratio_from; /* ... judged once so many bytes came out */
} ingest_inflate_limits;
ingest_inflate_limits ingest_inflate_limits_default(void);

/* Facts of the first member's header, kept with the delivery. */
typedef struct ingest_gzip {
    uint32_t mtime;
    uint8_t flags, xfl, os;
    uint32_t members;
    th_slice name; /* FNAME, borrowed from the container */
} ingest_gzip;

typedef struct ingest_inflated {
    ingest_gzip gzip;
    uint64_t produced; /* content bytes */
    uint64_t consumed; /* container bytes of whole members; anything behind them is no gzip */
    const char
        *problem; /* NULL, or why this is no usable gzip: static text that starts with "gzip: " */
} ingest_inflated;

typedef th_err (*ingest_bytes_fn)(void *ctx, th_slice bytes);

bool ingest_is_gzip(th_slice container);
/* Inflate all members. Bad input is no error: out->problem says what is wrong, and what fn was given is then void.
 * Errors: fn's, TH_ENOMEM. */
TH_MUST_CHECK th_err ingest_inflate(ingest_engine engine, th_slice container,
                                    const ingest_inflate_limits *limits, ingest_bytes_fn fn,
                                    void *ctx, ingest_inflated *out);

/* The common case, faster: a container that is one gzip member and nothing else, inflated in one go into memory of the size
 * that its last bytes say. ingest_inflate_size gives that size, 0 = not to be tried (not plausible, or beyond the limits).
 * False: it was not that simple after all; ingest_inflate is the judge. state: from ingest_inflate_state, freed with free(). */
uint64_t ingest_inflate_size(th_slice container, const ingest_inflate_limits *limits);
void *ingest_inflate_state(void); /* NULL: no memory */
bool ingest_inflate_simple(void *state, th_slice container, uint8_t *bytes, size_t size,
                           ingest_inflated *out);

#endif
