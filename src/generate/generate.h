/* SPDX-License-Identifier: Apache-2.0
 * Believable AWS evidence of any size: CloudTrail, VPC flow logs, Route 53 Resolver query logs, Config items, Security Hub
 * findings, of many accounts and days. The bytes are a function of the options alone. Memory does not grow with size. */
#ifndef TH_GENERATE_GENERATE_H
#define TH_GENERATE_GENERATE_H

#include "base/err.h"
#include "base/slice.h"

#define TH_GENERATE_ACCOUNTS_MAX 100000u
#define TH_GENERATE_DAYS_MAX 36600u
#define TH_GENERATE_BYTES_MAX (UINT64_C(1) << 50)
#define TH_GENERATE_START_DAY 20150 /* 2025-03-03, a Monday */

typedef enum th_generate_source {
    TH_GENERATE_CLOUDTRAIL,
    TH_GENERATE_VPC_FLOW,
    TH_GENERATE_DNS,
    TH_GENERATE_CONFIG,
    TH_GENERATE_FINDINGS,
    TH_GENERATE_SOURCE_COUNT
} th_generate_source;

typedef struct th_generate_options {
    uint64_t seed;
    uint32_t accounts, days; /* from 1 */
    int32_t start_day;       /* days since 1970 */
    uint64_t bytes;          /* of records, not compressed, separators not counted */
    /* Parts of the bytes by source; 0 = left out. At least one is not 0. */
    uint32_t share[TH_GENERATE_SOURCE_COUNT];
    /* The folder below which objects are written as S3 keys; NULL: one stream of lines to write(). */
    const char *folder;
    int level; /* gzip level of objects, 1 to 9 */
    th_err (*write)(void *ctx, th_slice bytes, th_diag *diag);
    /* Called about ten times a second; false stops the run with TH_ECANCELED. May be NULL. */
    bool (*progress)(void *ctx, uint64_t done, uint64_t total);
    void *ctx;
} th_generate_options;

typedef struct th_generate_summary {
    uint64_t records,
        record_bytes; /* written; those of an object that comes a second time count once */
    uint64_t objects,
        object_bytes;  /* files and their sizes, second deliveries included; 0 for a stream */
    uint64_t repeated; /* records in objects that came a second time */
} th_generate_summary;

/* "cloudtrail", "vpc_flow", ... */
const char *th_generate_source_name(th_generate_source source);
/* A list like `cloudtrail,vpc_flow=3` into parts of the whole (percent when no number is given). */
TH_MUST_CHECK th_err th_generate_parse_sources(const char *list,
                                               uint32_t share[TH_GENERATE_SOURCE_COUNT],
                                               th_diag *diag);
/* Digits and K, M, G or T (powers of 1000; Ki, Mi, Gi, Ti of 1024), with or without B behind. */
TH_MUST_CHECK th_err th_generate_parse_size(const char *text, uint64_t *bytes, th_diag *diag);

/* Write it all. Errors: TH_EINVAL (options), TH_ECANCELED, what writing met. Files written so far stay. */
TH_MUST_CHECK th_err th_generate(const th_generate_options *options, th_generate_summary *summary,
                                 th_diag *diag);

#endif
