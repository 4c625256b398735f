/* SPDX-License-Identifier: Apache-2.0
 * Arrays of byte strings, codes and integers as descriptions (in the directory) and payloads. Lossless for any bytes.
 * The encodings, byte by byte: docs/FORMAT.md, "Arrays". */
#ifndef TH_SEGMENT_CODEC_H
#define TH_SEGMENT_CODEC_H

#include <stdatomic.h>

#include "segment/payload.h"

#define SEGMENT_PAGE 16384u /* values of a page */
#define SEGMENT_CODEC_DEPTH_MAX 8u
#define SEGMENT_CODECS_MAX (1u << 20) /* arrays in an image, nested ones included */

/* ---- encoding ---- */

/* n strings: values[codes[i]] when codes are given (each value used, all distinct, any order), else values[i]. */
typedef struct segment_array {
    uint32_t count;
    const uint32_t *codes; /* NULL: plain */
    const th_slice *values;
    uint32_t value_count; /* plain: count */
} segment_array;

/* Strings that small dictionaries of one image share (compact tier); each distinct string once. */
typedef struct segment_pool segment_pool;

typedef struct segment_encoder {
    segment_payload_writer *payloads;
    th_buf *directory;  /* descriptions are appended here */
    segment_pool *pool; /* NULL: none */
    segment_tier_effort effort;
    th_arena *scratch; /* reset by the caller between columns */
} segment_encoder;

/* Describe and write an array. count > 0. TH_ENOMEM, TH_ELIMIT. */
TH_MUST_CHECK th_err segment_encode_array(segment_encoder *encoder, const segment_array *array);
/* codes[i] < limit. */
TH_MUST_CHECK th_err segment_encode_codes(segment_encoder *encoder, const uint32_t *codes,
                                          uint32_t count, uint32_t limit);
TH_MUST_CHECK th_err segment_encode_ints(segment_encoder *encoder, const int64_t *values,
                                         uint32_t count);

segment_pool *segment_pool_new(th_budget *budget); /* NULL: no memory */
void segment_pool_free(segment_pool *pool);        /* accepts NULL */
void segment_pool_clear(segment_pool *pool);
/* Number of distinct strings, and their array description and payloads. */
uint32_t segment_pool_count(const segment_pool *pool);
TH_MUST_CHECK th_err segment_encode_pool(segment_encoder *encoder, const segment_pool *pool);

/* ---- decoding: descriptions and payloads are untrusted ---- */

typedef struct segment_codec
    segment_codec; /* parsed description of an array; in an arena; immutable */
typedef struct segment_codes segment_codes;
typedef struct segment_ints segment_ints;

/* Sums by which the middle of codes is found, made when first needed and kept with an open image: words at a number. All
 * may be called from any thread; marks may be NULL: nothing is kept. */
typedef struct segment_marks segment_marks;
/* What they take is counted in held, too. NULL: no memory. */
segment_marks *segment_marks_new(uint32_t count, size_t limit_bytes, th_budget *budget,
                                 atomic_size_t *held);
void segment_marks_free(segment_marks *marks);                                  /* accepts NULL */
const uint32_t *segment_marks_get(const segment_marks *marks, uint32_t number); /* or NULL */
/* Zeroed words to fill and then put; NULL: no room. */
uint32_t *segment_marks_room(segment_marks *marks, size_t words);
void segment_marks_put(segment_marks *marks, uint32_t number, const uint32_t *words);

/* State of parsing one directory. */
typedef struct segment_describing {
    th_reader *directory;
    const segment_payloads *payloads;
    uint64_t at; /* position in payload space */
    th_arena *arena;
    uint32_t arrays;          /* so far; bounded */
    uint32_t copies;          /* arrays so far whose values are taken from others */
    segment_codec **labelled; /* arrays that others may take values from */
    uint32_t labels, label_room;
    uint32_t marks; /* numbers of marks and of places to resume at, given out so far */
} segment_describing;
/* count > 0 values. TH_ECORRUPT, TH_ENOMEM, TH_ELIMIT. */
TH_MUST_CHECK th_err segment_describe_array(segment_describing *describing, uint32_t count,
                                            segment_codec **out);
TH_MUST_CHECK th_err segment_describe_codes(segment_describing *describing, uint32_t count,
                                            uint32_t limit, segment_codes **out);
TH_MUST_CHECK th_err segment_describe_ints(segment_describing *describing, uint32_t count,
                                           segment_ints **out);

/* Values [begin, begin + count) into out[count]; their bytes live in reading's arenas or the image. Only the pages that
 * are asked for are decoded. TH_ECORRUPT, TH_ELIMIT. */
TH_MUST_CHECK th_err segment_codec_read(const segment_codec *codec, segment_reading *reading,
                                        uint32_t begin, uint32_t count, th_slice *out);
TH_MUST_CHECK th_err segment_codes_read(const segment_codes *codes, segment_reading *reading,
                                        uint32_t begin, uint32_t count, uint32_t *out);
TH_MUST_CHECK th_err segment_ints_read(const segment_ints *ints, segment_reading *reading,
                                       uint32_t begin, uint32_t count, int64_t *out);
uint32_t segment_codec_count(const segment_codec *codec);
/* The dictionary of an array that is held as one (CONST: one entry): its entries, and the codes of values through
 * segment_codec_codes. NULL: it is not. */
const segment_codec *segment_codec_dictionary(const segment_codec *codec);
/* How many entries it has: of a CONST array 1, whatever its count; 0: it is no dictionary. */
uint32_t segment_codec_entries(const segment_codec *codec);
/* Codes of values of a DICT array; of a CONST one all 0. */
TH_MUST_CHECK th_err segment_codec_codes(const segment_codec *codec, segment_reading *reading,
                                         uint32_t begin, uint32_t count, uint32_t *out);
/* How often each entry occurs: out[entries]; false when the image does not say. */
bool segment_codec_counts(const segment_codec *codec, segment_reading *reading, int64_t *out);

#endif
