/* SPDX-License-Identifier: Apache-2.0
 * Shared by the codec_*.c files: tags on disk, parsed descriptions, where encoders write to. */
#ifndef TH_SEGMENT_CODEC_PRIVATE_H
#define TH_SEGMENT_CODEC_PRIVATE_H

#include "base/assert.h"
#include "segment/codec.h"
#include "segment/codec_text.h"

/* ---- on disk ---- */

typedef enum codec_tag {
    CODEC_CONST = 1,
    CODEC_TEXT = 2,
    CODEC_DICT = 3,
    CODEC_INT = 4,
    CODEC_TIME = 5,
    CODEC_UUID = 6,
    CODEC_HEX = 7,
    CODEC_BASE64 = 8,
    CODEC_BITS = 9,
    CODEC_RADIX = 10,
    CODEC_IPV4 = 11,
    CODEC_SPLIT = 12,
    CODEC_PICK = 13,
    CODEC_POOL = 14,
    CODEC_LABEL = 15,
    CODEC_COPY = 16
} codec_tag;

typedef enum codec_codes_tag {
    CODES_CONST = 0,
    CODES_BITS = 1,
    CODES_BYTES = 2,
    CODES_BYTES2 = 3,
    CODES_RLE = 4
} codec_codes_tag;

typedef enum codec_ints_tag {
    INTS_CONST = 0,
    INTS_FOR = 1,
    INTS_DELTA = 2,
    INTS_PLANES = 3,
    INTS_VARINT = 4
} codec_ints_tag;

enum {
    CODEC_BLOCK = 128,         /* integers that share a width */
    CODEC_STEP = 1024,         /* values decoded at a time, on the stack */
    CODEC_MARK = 4096,         /* values from one mark to the next */
    CODEC_CONST_MAX = 4096,    /* bytes of a CONST: it stands in the directory */
    CODEC_RADIX_MAX = 256,     /* characters of a RADIX value */
    CODEC_CLASSES_MAX = 64,    /* of a PICK */
    CODEC_PATTERNS_MAX = 4096, /* of a SPLIT */
    CODEC_TOKENS_MAX = 1024,   /* of a SPLIT pattern */
    CODEC_PAGE_SHIFT_MAX = 24
};
#define CODEC_TOKEN 0x01u /* stands for a token in a SPLIT pattern */

/* ---- parsed descriptions ---- */

struct segment_ints {
    uint8_t tag, width;
    uint32_t count;
    uint32_t mark; /* VARINT: number of the place to resume at */
    int64_t base;
    segment_payload *pages;
};

struct segment_codes {
    uint8_t tag, bits;
    uint32_t count, limit, code;
    uint32_t mark; /* RLE: where each run begins */
    segment_payload *pages;
};

typedef struct codec_radix_group {
    uint32_t first, count; /* positions */
    uint64_t product;      /* of the sizes of their alphabets */
    uint8_t bits;
} codec_radix_group;

typedef struct codec_radix {
    uint32_t length, group_count, bits; /* bits: of a value */
    const uint8_t **alphabet;           /* of each position: its characters, ascending */
    uint32_t *size;                     /* and how many */
    codec_radix_group *groups;
} codec_radix;

struct segment_codec {
    uint8_t tag;
    uint8_t form;       /* TIME, UUID, HEX, BASE64 */
    uint8_t bits;       /* BITS, HEX */
    uint8_t page_shift; /* TEXT */
    uint32_t count;
    uint32_t entries; /* DICT: of the dictionary; PICK, SPLIT: classes, patterns */
    uint32_t number;  /* DICT: place in segment_reading.kept */
    uint32_t label,
        label_number; /* of one with a label: the label; its place in segment_reading.kept, not 0 */
    uint32_t
        mark; /* PICK, SPLIT: values of each part before each CODEC_MARK values; TEXT: to resume */
    th_slice text;     /* CONST; in the directory */
    uint8_t *alphabet; /* BITS, HEX: 256 characters, the valid ones first */
    uint32_t alphabet_size;
    segment_payload *pages;
    segment_ints *ints;   /* lengths; numbers; pool entries */
    segment_codes *codes; /* DICT, SPLIT, PICK */
    segment_ints *counts; /* DICT: or NULL */
    segment_codec *child; /* DICT entries, BASE64 bytes, SPLIT patterns, COPY's source */
    segment_codec *
        *parts; /* PICK: a class each; SPLIT: the tokens of pattern 0, of pattern 1, ... */
    uint32_t *part_first; /* SPLIT: first part of a pattern; one more */
    codec_radix *radix;
};

/* Where to go on with a stream, NULL: nothing is known. */
static inline segment_resume *codec_resume(const segment_reading *reading, uint32_t mark)
{
    return reading->resumes == NULL ? NULL : &reading->resumes[mark];
}
static inline uint32_t codec_pages(uint32_t count)
{
    return (count - 1) / SEGMENT_PAGE + 1;
}
static inline uint32_t codec_min(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}
static inline unsigned codec_bits_of(uint64_t v) /* 0 for 0 */
{
    return v == 0 ? 0 : 64u - (unsigned)__builtin_clzll(v);
}
static inline uint64_t codec_zigzag(int64_t v)
{
    return (uint64_t)v << 1 ^ (v < 0 ? UINT64_MAX : 0);
}
static inline int64_t codec_unzigzag(uint64_t v)
{
    return (int64_t)(v >> 1 ^ (0 - (v & 1)));
}

/* ---- bits (codec_bits.c) ---- */

/* count values of `width` bits (0 to 64), lowest bits first, into out, which has 16 bytes to spare; bytes written. */
size_t codec_bits_pack(const uint64_t *values, size_t count, unsigned width, uint8_t *out);
/* Values first to first + count of a run; 16 bytes are readable behind it. */
void codec_bits_unpack(const uint8_t *in, size_t first, size_t count, unsigned width,
                       uint64_t *out);
/* The same for widths of 1 to 8 into bytes, each replaced by table[value]. in has 64 readable bytes to spare, out 64
 * to write. */
void codec_bits_unpack_bytes(const uint8_t *in, size_t first, size_t count, unsigned width,
                             const uint8_t table[256], uint8_t *out);

/* ---- where encoders write (codec_out.c) ---- */

/* Payloads go to the writer, or are kept (draft) until it is known which encoding is smallest. */
typedef struct codec_draft {
    th_buf directory, bytes, pieces; /* pieces: size and squeeze, 4 bytes each, of each payload */
} codec_draft;

typedef struct codec_out {
    segment_encoder *encoder;
    th_buf *directory;
    codec_draft *draft; /* NULL: to encoder->payloads */
    unsigned depth;     /* of the array in hand */
    unsigned splits;    /* SPLITs above it */
    bool in_dict;       /* entries of a dictionary: no repeats */
    bool in_class;      /* a class of PICK: not sorted into classes again */
    bool sampling;      /* weighed, never kept */
    bool owns_scratch;  /* the competition in hand may reset the scratch arena */
} codec_out;

typedef struct codec_strings {
    const th_slice *v;
    uint32_t n;
} codec_strings;

/* Values lie all over the records: ask for the one that is wanted soon. */
static inline void codec_ahead(codec_strings s, uint32_t i)
{
    if (i + 12 < s.n) {
        const uint8_t *p = s.v[i + 12].bytes;
        __builtin_prefetch(p);
        __builtin_prefetch(p + 64);
    }
}

void codec_put_payload(codec_out *out, th_slice bytes, segment_squeeze squeeze);
/* TH_ENOMEM, TH_ELIMIT of whatever was written to. */
TH_MUST_CHECK th_err codec_out_error(const codec_out *out);
void codec_draft_init(codec_draft *draft);
void codec_draft_free(codec_draft *draft);
void codec_draft_replay(const codec_draft *draft, codec_out *out);
/* About how many bytes of image it makes. */
uint64_t codec_draft_cost(const codec_draft *draft, segment_encoder *encoder);
/* Writes `what` in the form of a tag. */
typedef th_err codec_attempt(codec_out *out, unsigned tag, const void *what);
/* The form that is smallest after compression, of those whose bit is set in tags; of equal ones the lowest. */
TH_MUST_CHECK th_err codec_put_cheapest(codec_out *out, uint32_t tags, codec_attempt *attempt,
                                        const void *what);
/* Bytes that the fast LZ4 makes of some. */
size_t codec_squeezed(th_slice bytes, th_arena *scratch);

/* ---- encoders. *fits false: nothing was written, some value does not come back so ---- */

TH_MUST_CHECK th_err codec_put_codes(codec_out *out, const uint32_t *codes, uint32_t count,
                                     uint32_t limit);
TH_MUST_CHECK th_err codec_put_ints(codec_out *out, const int64_t *values, uint32_t count);
void codec_put_const(codec_out *out, th_slice text);
TH_MUST_CHECK th_err codec_put_text(codec_out *out, codec_strings s);
TH_MUST_CHECK th_err codec_put_family(codec_out *out, codec_strings s, codec_family family,
                                      bool *fits);
TH_MUST_CHECK th_err codec_put_radix(codec_out *out, codec_strings s, bool *fits);
TH_MUST_CHECK th_err codec_put_split(codec_out *out, codec_strings s, bool *fits);
/* Is it worth trying, by a few of the values: do some of their tokens come again? Of random texts none do. */
bool codec_split_pays(codec_strings s);
/* classes[i] < k; each occurs. Each class is encoded as codec_put_strings does. */
TH_MUST_CHECK th_err codec_put_pick(codec_out *out, codec_strings s, const uint32_t *classes,
                                    uint32_t k);
/* Any array without codes, by the encoder's effort. */
TH_MUST_CHECK th_err codec_put_strings(codec_out *out, codec_strings s);
/* A dictionary: distinct strings, a code each of n values. */
TH_MUST_CHECK th_err codec_put_dict(codec_out *out, codec_strings entries, const uint32_t *codes,
                                    uint32_t n);
/* By families of the values (codec_choose.c). */
TH_MUST_CHECK th_err codec_put_chosen(codec_out *out, codec_strings s);
/* The smallest of many (codec_compact.c). */
TH_MUST_CHECK th_err codec_put_smallest(codec_out *out, codec_strings s);

/* Number of a string in the pool, added when it is new. TH_ELIMIT. */
TH_MUST_CHECK th_err codec_pool_add(segment_pool *pool, th_slice text, int64_t *number);

/* Arrays whose values a later one may repeat (codec_copy.c): columns often hold the same random parts, row by row.
 * What is labelled in a draft that loses must not be found again: labels [from, to) are hidden, once for each draft around
 * them that lost, and shown again when that draft is the one taken after all. */
uint32_t codec_labels(const codec_out *out);
void codec_show_labels(const codec_out *out, uint32_t from, uint32_t to, bool shown);
/* Give the array that is about to be written a label, when there is a point in it. draft: what it looks like. */
TH_MUST_CHECK th_err codec_put_label(codec_out *out, codec_strings s, const codec_draft *draft);
TH_MUST_CHECK th_err codec_put_copy(codec_out *out, codec_strings s, bool *fits);

/* ---- decoding ---- */

TH_MUST_CHECK th_err codec_describe(segment_describing *d, uint32_t count, unsigned depth,
                                    segment_codec **out);
TH_MUST_CHECK th_err codec_describe_pages(segment_describing *d, uint32_t pages,
                                          segment_payload **out);
/* Sum of lengths [begin, begin + count). TH_ECORRUPT: negative ones, more than 4 GiB. */
TH_MUST_CHECK th_err codec_sum(const segment_ints *lengths, segment_reading *reading,
                               uint32_t begin, uint32_t count, uint64_t *sum);
/* Lengths of one step, checked. */
TH_MUST_CHECK th_err codec_lengths(const segment_ints *lengths, segment_reading *reading,
                                   uint32_t begin, uint32_t count, int64_t out[CODEC_STEP],
                                   uint64_t *sum);
/* Decoders of one family each; begin + count <= codec->count, count > 0. */
th_err codec_read_bits(const segment_codec *codec, segment_reading *reading, uint32_t begin,
                       uint32_t count, th_slice *out);
th_err codec_read_radix(const segment_codec *codec, segment_reading *reading, uint32_t begin,
                        uint32_t count, th_slice *out);
th_err codec_read_split(const segment_codec *codec, segment_reading *reading, uint32_t begin,
                        uint32_t count, th_slice *out);
th_err codec_read_pick(const segment_codec *codec, segment_reading *reading, uint32_t begin,
                       uint32_t count, th_slice *out);
th_err codec_read_fixed(const segment_codec *codec, segment_reading *reading, uint32_t begin,
                        uint32_t count, th_slice *out);
th_err codec_read_numbers(const segment_codec *codec, segment_reading *reading, uint32_t begin,
                          uint32_t count, th_slice *out);
th_err codec_read_base64(const segment_codec *codec, segment_reading *reading, uint32_t begin,
                         uint32_t count, th_slice *out);
TH_MUST_CHECK th_err codec_radix_describe(segment_describing *d, codec_radix **out);

#endif
