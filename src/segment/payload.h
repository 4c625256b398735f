/* SPDX-License-Identifier: Apache-2.0
 * Payload space of an image: runs of bytes, packed into checksummed chunks. Whoever writes adds payloads in the order in
 * which the directory gives their sizes; whoever reads keeps a running position. docs/FORMAT.md, "Chunks and payloads". */
#ifndef TH_SEGMENT_PAYLOAD_H
#define TH_SEGMENT_PAYLOAD_H

#include "base/arena.h"
#include "base/buf.h"
#include "model/model.h"

/* ---- writing ---- */

typedef enum segment_tier_effort {
    SEGMENT_EFFORT_FAST,   /* LZ4 */
    SEGMENT_EFFORT_COMPACT /* LZ4-HC, preset dictionary where it helps */
} segment_tier_effort;

/* How a payload is to be compressed. */
typedef enum segment_squeeze {
    SEGMENT_SQUEEZE_TEXT, /* try LZ4 */
    SEGMENT_SQUEEZE_NONE  /* random bits: as they are, when the payload has a chunk of its own */
} segment_squeeze;

typedef struct segment_payload_writer {
    th_buf *image;  /* chunks are appended here; borrowed */
    th_buf chunks;  /* the chunk table so far: an entry each */
    uint32_t count; /* of chunks */
    th_buf open;    /* raw bytes of the chunk in hand */
    segment_tier_effort effort;
    void *scratch; /* state of the compressor, kept from image to image */
    void *guess;   /* the same of codec_draft_cost, made when first needed; or NULL */
} segment_payload_writer;

void segment_payload_writer_init(segment_payload_writer *writer);
void segment_payload_writer_free(segment_payload_writer *writer);
/* A new image: image must hold the header's 64 bytes already. */
void segment_payload_begin(segment_payload_writer *writer, th_buf *image,
                           segment_tier_effort effort);
/* Append one payload; its size is what the directory has to say. Errors stay in image or chunks (th_buf_error). */
void segment_payload_add(segment_payload_writer *writer, th_slice bytes, segment_squeeze squeeze);
/* Close the last chunk. TH_ENOMEM, TH_ELIMIT. */
TH_MUST_CHECK th_err segment_payload_end(segment_payload_writer *writer);

/* ---- reading ---- */

typedef struct segment_payloads segment_payloads;

/* Where a payload lies. */
typedef struct segment_payload {
    uint64_t at; /* chunk << 32 | byte in it */
    uint32_t size;
} segment_payload;

/* Read the chunk table (count and entries) of an image's directory; chunks lie from byte `first` of the image. Lives in
 * the arena, borrows the image. The reader turns bad when sizes are not possible. NULL: no memory or bad. */
segment_payloads *segment_payloads_open(th_reader *directory, th_slice image, uint64_t first,
                                        uint64_t end, th_arena *arena);
/* The next payload: takes its size (a varint) from the description, moves *at, which begins as 0 (opaque otherwise). The reader turns bad when the payload does
 * not lie within one chunk. */
segment_payload segment_payload_take(th_reader *directory, const segment_payloads *payloads,
                                     uint64_t *at);
/* Have all payloads been taken? */
bool segment_payloads_used_up(const segment_payloads *payloads, uint64_t at);
/* Bytes of the image that the payloads between two places take: of shared chunks in proportion. */
uint64_t segment_payloads_stored(const segment_payloads *payloads, uint64_t from, uint64_t to);

/* Where the last read of a stream ended, which can be read from its front alone: a cursor goes on there. */
typedef struct segment_resume {
    uint32_t at;    /* values before that place, */
    uint32_t byte;  /* where it is in its page, */
    uint64_t value; /* the number before it, or the bytes of its page before it, */
    uint32_t *sums; /* or how many values of each part stand before it; NULL: not known */
} segment_resume;

/* One read of some rows, or a cursor: what it decodes lives in its arena, each chunk decoded and checked once.
 * One thread. */
typedef struct segment_reading {
    const segment_payloads *payloads;
    th_arena *arena;             /* values that go out */
    th_arena *chunks_arena;      /* decoded chunks: may be the same */
    const uint8_t **chunks;      /* a chunk each: decoded bytes or NULL; in chunks_arena */
    uint64_t bytes_read;         /* stored bytes of chunks touched */
    struct segment_codec *pool;  /* of the image, or NULL */
    struct segment_marks *marks; /* of the image, or NULL */
    th_slice *pool_values;       /* decoded on first use; in chunks_arena */
    uint32_t pool_count;
    bool pool_busy;          /* being decoded: its entries cannot come from itself */
    segment_resume *resumes; /* by the number of the stream's marks; NULL: no cursor */
    th_arena *resumes_arena; /* outlives chunks_arena's resets */
    th_slice **kept;         /* dictionaries decoded so far, by their number; in chunks_arena */
    uint32_t kept_room;
} segment_reading;
/* TH_ELIMIT: the arena's bound. */
TH_MUST_CHECK th_err segment_reading_begin(segment_reading *reading,
                                           const segment_payloads *payloads, th_arena *arena,
                                           th_arena *chunks_arena);
/* Bytes of a payload, 64 readable bytes behind them; borrowed from the image or chunks_arena. TH_ECORRUPT, TH_ELIMIT. */
TH_MUST_CHECK th_err segment_payload_read(segment_reading *reading, segment_payload payload,
                                          th_slice *out);
/* Check and decode every chunk. TH_ECORRUPT; *bad_chunk says which. */
TH_MUST_CHECK th_err segment_payloads_verify(const segment_payloads *payloads, uint32_t *bad_chunk);

#endif
