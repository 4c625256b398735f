/* SPDX-License-Identifier: Apache-2.0
 * How a content is put together again from records, blobs and literal bytes: one row of `contents`. Layout:
 * docs/FORMAT.md, "Contents". Numbers are LEB128, signed ones zigzag. */
#ifndef TH_INGEST_RECIPE_H
#define TH_INGEST_RECIPE_H

#include "base/buf.h"
#include "base/hash.h"

#define INGEST_RECIPE_VERSION 1u
enum { INGEST_LITERAL_MAX = 4096 }; /* longer bytes between records go to `blobs` */

typedef enum ingest_step_kind {
    INGEST_STEP_LITERAL = 1, /* bytes */
    INGEST_STEP_RUN = 2,     /* count records from first on */
    INGEST_STEP_BLOB = 3,    /* count rows of blobs from first on, size bytes in all */
    INGEST_STEP_MORE = 4     /* as BLOB: those rows hold the rest of the steps */
} ingest_step_kind;

/* How the record's text lies in the content. */
typedef enum ingest_record_mode {
    INGEST_MODE_RAW,
    INGEST_MODE_ESCAPED, /* escaped as `escape` says */
    INGEST_MODE_GHOST /* not from the record: a literal or blob follows that has the content's bytes */
} ingest_record_mode;

typedef struct ingest_step {
    ingest_step_kind kind;
    th_slice bytes; /* LITERAL; RUN: what stands between its records */
    bool lead;      /* RUN: bytes stand before its first record too */
    ingest_record_mode mode;
    uint8_t escape;
    uint16_t table;
    int32_t day;
    uint64_t first, count;
    uint64_t size;
} ingest_step;

typedef struct ingest_content_head {
    th_sha256 sha;
    uint64_t size;
    th_slice source, form; /* borrowed */
    uint32_t recogniser_version;
    uint64_t records, refused;
} ingest_content_head;

/* ---- writing: parts in the order of the content ---- */

/* What the next step written is told against. */
typedef struct ingest_step_writer {
    th_slice separator; /* of the last run; borrowed */
    uint64_t expected;  /* sequence after the last run; table and day of it: */
    uint16_t table;
    int32_t day;
} ingest_step_writer;
/* Steps other than MORE. */
void ingest_step_write(ingest_step_writer *writer, const ingest_step *step, th_buf *out);

/* A part's row may be one of a commit that has no sequences yet. Its number is then its number among the commit's own rows
 * of its (table, day), with this bit; such a recipe is a draft, written anew once the sequences are known. */
#define INGEST_SEQ_OWN (UINT64_C(1) << 63)

typedef struct ingest_recipe {
    th_buf steps;     /* finished; may be taken away from time to time */
    th_buf gap;       /* literal bytes behind the last part */
    th_buf separator; /* of the last run written */
    th_buf between;   /* of the open run */
    bool open;        /* a run or blob step that may still grow */
    bool has_between;
    ingest_step step;
    ingest_step_writer writer;
} ingest_recipe;

void ingest_recipe_init(ingest_recipe *recipe);
void ingest_recipe_free(ingest_recipe *recipe);
void ingest_recipe_literal(ingest_recipe *recipe, th_slice bytes);
void ingest_recipe_record(ingest_recipe *recipe, ingest_record_mode mode, uint8_t escape,
                          uint16_t table, int32_t day, uint64_t seq);
void ingest_recipe_blob(ingest_recipe *recipe, int32_t day, uint64_t seq, uint64_t size);
/* Finish: recipe->steps holds all. */
TH_MUST_CHECK th_err ingest_recipe_finish(ingest_recipe *recipe);

void ingest_content_head_write(th_buf *out, const ingest_content_head *head);
/* A step of kind MORE. */
void ingest_step_write_more(th_buf *out, int32_t day, uint64_t first, uint64_t count,
                            uint64_t size);

/* ---- reading: untrusted bytes ---- */

typedef struct ingest_recipe_reader {
    th_reader in;
    th_slice separator;
    uint64_t expected;
    uint16_t table;
    int32_t day;
} ingest_recipe_reader;

/* TH_ECORRUPT, TH_EVERSION. */
TH_MUST_CHECK th_err ingest_content_head_read(th_slice row, ingest_content_head *head,
                                              ingest_recipe_reader *steps, th_diag *diag);
/* Steps without a head: a draft's. */
ingest_recipe_reader ingest_recipe_reader_of(th_slice steps);
/* More steps, from blobs. State goes on. */
void ingest_recipe_reader_more(ingest_recipe_reader *steps, th_slice bytes);
/* False at the end; then steps->in.bad says whether that was damage. */
bool ingest_recipe_next(ingest_recipe_reader *steps, ingest_step *step);

#endif
