/* SPDX-License-Identifier: Apache-2.0
 * Every named maximum in one place. A test goes one past each. */
#ifndef TH_BASE_LIMITS_H
#define TH_BASE_LIMITS_H

#define TH_SEGMENT_ROWS_MAX 65536u       /* a row number in a segment fits 16 bits */
#define TH_SEGMENT_RAW_MAX (128u << 20)  /* raw record bytes in a segment */
#define TH_RECORD_SIZE_MAX (16u << 20)   /* larger records go to quarantine, whole, in chunks */
#define TH_CHUNK_SIZE_MAX (1u << 20)     /* a chunk of quarantined bytes */
#define TH_JSON_DEPTH_MAX 128u           /* deeper records go to quarantine */
#define TH_BATCH_BYTES_MAX (64u << 20)   /* one journal commit: record bytes */
#define TH_BATCH_VALUES_MAX 10000u       /* one journal commit: LMDB values */
#define TH_JOURNAL_SIZE_MAX (256u << 20) /* a journal file */
#define TH_JOURNALS_MAX 8u               /* unmerged journals before back-pressure */
#define TH_COMMIT_QUEUE_MAX 64u          /* batches waiting for the committer */
#define TH_INFLATE_SIZE_MAX (UINT64_C(64) << 30) /* decompressed size of one object */
#define TH_INFLATE_RATIO_MAX 2000u /* decompressed : compressed, judged after the first 16 MiB */
#define TH_NAME_SIZE_MAX 4096u     /* path or s3:// name of an object */
#define TH_SQL_SIZE_MAX (1u << 20) /* statement text */
#define TH_SQL_DEPTH_MAX 1000u     /* nesting of expressions and queries */
#define TH_QUERY_BATCH_ROWS 4096u  /* rows a batch between operators */
#define TH_HTTP_HEADER_MAX (32u << 10)
#define TH_HTTP_BODY_MAX (64u << 20)
#define TH_CONNECTIONS_MAX 1024u
#define TH_PATH_SIZE_MAX 4096u

#endif
