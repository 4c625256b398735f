/* SPDX-License-Identifier: Apache-2.0
 * State of one walk over a content, shared by the files that split. */
#ifndef TH_INGEST_SPLIT_PRIVATE_H
#define TH_INGEST_SPLIT_PRIVATE_H

#include "ingest/recognise.h"

enum { SPLIT_HELD_MAX = 1000, SPLIT_LEVEL_MAX = 8 };

typedef struct split_refusal {
    uint64_t offset, size;
    const char *reason;
} split_refusal;

typedef struct splitter {
    const uint8_t *base, *end;
    ingest_recogniser_id only;
    ingest_piece_fn fn;
    void *ctx;
    ingest_split_result *result;
    th_arena *scratch; /* one element */
    th_arena *kept;    /* texts of held refusals */
    split_refusal *held;
    size_t held_count;
    th_json_members members;   /* of the value judged last ... */
    const uint8_t *members_of; /* ... which starts here */
    uint64_t
        scanned;  /* bytes read ahead of the walk; bounded, or damaged text would cost its square */
    bool damaged; /* the walk stopped at damage_at */
    const uint8_t *damage_at;
    const char *damage;
} splitter;

extern const char split_unknown[];

/* Where a value stands. */
typedef struct split_place {
    uint32_t level; /* arrays and envelopes around it */
    const char *form;
} split_place;

th_err split_emit(splitter *s, ingest_piece *piece, split_place place);
/* Held until it is clear whether the content has any record: one that has none is refused as a whole. */
th_err split_refuse(splitter *s, const uint8_t *at, const uint8_t *end, const char *reason);
/* Note damage at a place and return TH_EPARSE. */
th_err split_damage(splitter *s, const uint8_t *at, const char *reason);

/* JSON values one after another. */
th_err split_documents(splitter *s);
/* Whether one of the lines after p (a bounded number) is a whole JSON object. */
bool split_line_follows(const splitter *s, const uint8_t *p);
/* Text, a record a line. INGEST_AUTO: the content is none of the line formats that s->only allows. */
ingest_recogniser_id split_find_lines(const splitter *s);
th_err split_lines(splitter *s, ingest_recogniser_id id);
/* Lines of a CloudWatch Logs export: a time, a blank, the message. */
bool split_is_export(const splitter *s);
th_err split_export(splitter *s);
/* The line that starts at *p, without CR and LF; *p moves behind its end. */
th_slice split_next_line(const splitter *s, const uint8_t **p);

/* One value: *pos is its first byte, then the byte behind it. TH_EPARSE with s->damaged: damaged. */
th_err split_value(splitter *s, const uint8_t **pos, split_place place);
/* An object that may be a record or wrap some. value is valid. */
th_err split_object(splitter *s, th_slice value, split_place place);
/* The members of an object whose arrays hold records. */
th_err split_envelope(splitter *s, const uint8_t **pos, split_place place);

static inline const uint8_t *split_skip_blank(const splitter *s, const uint8_t *p)
{
    while (p < s->end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) p++;
    return p;
}

static inline th_slice split_rest(const splitter *s, const uint8_t *p)
{
    return th_slice_of(p, (size_t)(s->end - p));
}

#endif
