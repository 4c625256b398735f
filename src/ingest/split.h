/* SPDX-License-Identifier: Apache-2.0
 * A content cut into pieces: records that belong to tables, pieces that no recogniser takes, and between them the
 * envelope's bytes, which nobody needs to name. A pure function of the bytes.
 *
 * Recognition is per record: records of one content may belong to different tables, and what is damaged or unknown is
 * refused by place while the rest is taken. */
#ifndef TH_INGEST_SPLIT_H
#define TH_INGEST_SPLIT_H

#include "base/arena.h"
#include "model/model.h"

typedef enum ingest_recogniser_id {
    INGEST_AUTO,
#define RECOGNISER(name, version, table, alias, what) INGEST_##name,
#include "ingest/recognisers.def"
#undef RECOGNISER
    INGEST_RECOGNISER_COUNT
} ingest_recogniser_id;

typedef struct ingest_recogniser {
    const char *name;  /* as --source takes it, and `objects` shows it */
    const char *alias; /* the table's name: also taken by --source */
    uint32_t version;  /* grows when it takes more or other records */
    th_table_id table;
    const char *what; /* one line for --help */
} ingest_recogniser;
/* Version of all of them together, kept with what none took: the sum of their versions. */
uint32_t ingest_recognisers_version(void);
extern const ingest_recogniser ingest_recognisers[INGEST_RECOGNISER_COUNT]; /* [0] is "auto" */
/* INGEST_AUTO for NULL, "" and "auto"; INGEST_RECOGNISER_COUNT when there is no such name. */
ingest_recogniser_id ingest_recogniser_find(const char *name);

typedef enum ingest_piece_kind {
    INGEST_RECORD,  /* the content's own bytes */
    INGEST_ESCAPED, /* a JSON string whose decoded text is the record */
    INGEST_REFUSED
} ingest_piece_kind;

typedef struct ingest_piece {
    ingest_piece_kind kind;
    ingest_recogniser_id recogniser;
    bool
        delivered_form; /* lies in the envelope in which the source delivers to S3: such a variant is shown first */
    uint64_t offset, size; /* in the content. ESCAPED: between the quotes */
    th_slice record; /* RECORD: borrows from the content; ESCAPED: until the callback returns */
    th_slice layout; /* LINE records: field names; borrowed from the content or static */
    const struct th_json_members *
        members; /* the record's, where judging it has found them; NULL, or until the callback returns */
    const char *reason; /* REFUSED: until the callback returns */
} ingest_piece;

/* Pieces come in the order of the content and do not overlap. */
typedef th_err (*ingest_piece_fn)(void *ctx, const ingest_piece *piece);

typedef struct ingest_split_result {
    ingest_recogniser_id source; /* of the first record; INGEST_AUTO = none */
    const char *form;            /* static text: how the first record was wrapped; "" = none */
    uint64_t records, refused;
} ingest_split_result;

/* source: INGEST_AUTO, or the only recogniser that may take records. Errors: fn's, TH_ENOMEM. */
TH_MUST_CHECK th_err ingest_split(th_slice content, ingest_recogniser_id source, ingest_piece_fn fn,
                                  void *ctx, ingest_split_result *out);

#endif
