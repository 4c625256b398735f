/* SPDX-License-Identifier: Apache-2.0
 * How the query engine sees storage: snapshots for a user, tables, scans over segments with statistics, columns by path.
 * engine/ implements it over the store; tests implement it over arrays. query/ knows nothing else of storage.
 *
 * Threads: a snapshot and a scan may be used from several threads; one open segment by one thread at a time. */
#ifndef TH_QUERY_PROVIDER_H
#define TH_QUERY_PROVIDER_H

#include <stdatomic.h>

#include "query/catalog.h"
#include "query/vector.h"

/* The person or program that asks; every read carries it, limits of rows and tables are applied by the provider. */
typedef struct th_principal {
    const char *name;   /* "local:1000", an access key's owner, ... */
    const char *source; /* "cli", "socket", "http 127.0.0.1:5123" */
    uint32_t uid;       /* UINT32_MAX when unknown */
} th_principal;

/* What was known at a moment: a log position, or an arrival time that the provider turns into one. */
typedef struct th_as_known_at {
    bool set, by_time;
    uint64_t lsn;
    int64_t time_us;
} th_as_known_at;

/* Cancel and accounting shared by all who work for one query. */
typedef struct th_query_control {
    atomic_int cancel;        /* not 0: stop soon with TH_ECANCELED */
    int64_t deadline_mono_us; /* 0 = none; past it: TH_ETIME */
    atomic_uint_fast64_t rows_read, bytes_read, segments_read, segments_pruned, partitions_read;
    atomic_uint_fast64_t segments_total; /* for progress */
} th_query_control;

typedef struct th_table_column {
    th_slice name; /* lower case */
    const th_type *type;
    bool hidden;    /* _id, "$path", ...: not in SELECT * and not in DESCRIBE */
    bool partition; /* shown as a partition key */
} th_table_column;

typedef enum th_row_unit { TH_UNIT_RECORD, TH_UNIT_OBJECT } th_row_unit;

/* Dialect rules of the table. */
typedef enum th_table_rules { TH_RULES_ATHENA, TH_RULES_LAKE, TH_RULES_CONFIG } th_table_rules;

typedef struct th_table {
    th_slice schema; /* "default", "information_schema" */
    th_slice name;
    const th_table_column *columns;
    uint32_t column_count;
    th_row_unit row_unit;
    th_table_rules rules;
    bool own;           /* of table_define: its columns have storage types */
    const void *handle; /* the provider's */
} th_table;

/* One column that a scan must deliver: a column of the table, and below it a path of row fields, so that only the leaf
 * is read: useridentity.sessioncontext.attributes.mfaauthenticated. type is that of the leaf. */
typedef struct th_scan_column {
    uint32_t column;
    const th_slice *fields;
    uint32_t field_count;
    const th_type *type;
    /* json_extract_scalar(column, path) or json_extract of it, when the provider said can_json_path: path text as
     * written, else size 0. The vector is then varchar (scalar) or json. */
    th_slice json_path;
    bool json_scalar;
} th_scan_column;

typedef enum th_compare {
    TH_CMP_EQ,
    TH_CMP_NE,
    TH_CMP_LT,
    TH_CMP_LE,
    TH_CMP_GT,
    TH_CMP_GE,
    TH_CMP_IN,
    TH_CMP_IS_NULL,
    TH_CMP_NOT_NULL,
    TH_CMP_PREFIX,
    TH_CMP_CONTAINS /* LIKE '%text%' */
} th_compare;

/* A conjunct of the filter over one scan column against constants (a FLAT vector of the column's type; IN: several). */
typedef struct th_scan_predicate {
    uint32_t scan_column; /* index into the spec's columns */
    th_compare compare;
    const th_vector *values;
    uint32_t conjunct; /* which one of the filter's it is, from 0 */
} th_scan_predicate;

typedef enum th_predicate_answer {
    TH_PREDICATE_UNSUPPORTED, /* not used at all */
    TH_PREDICATE_INEXACT,     /* used to prune; the engine still filters rows */
    TH_PREDICATE_EXACT        /* every row delivered satisfies it */
} th_predicate_answer;

typedef struct th_scan_spec {
    const th_table *table;
    const th_scan_column *columns;
    uint32_t column_count;
    const th_scan_predicate *predicates;
    uint32_t predicate_count;
    th_predicate_answer *answers; /* filled by scan_open, predicate_count of them */
    th_query_control *control;
    bool plain;      /* nothing kept from one read to the next: values as they are stored */
    th_arena *arena; /* the query's; the scan may keep what it needs there */
} th_scan_spec;

typedef struct th_segment_info {
    uint32_t rows;
    uint64_t bytes;         /* stored, all columns */
    int64_t min_us, max_us; /* event time; min > max = unknown */
} th_segment_info;

/* A row's permanent id. */
typedef struct th_row_id {
    uint16_t table;
    int32_t day;
    uint64_t seq;
} th_row_id;

typedef struct th_provider th_provider;
typedef struct th_snapshot th_snapshot;
typedef struct th_scan th_scan;
typedef struct th_scan_segment th_scan_segment;
typedef struct th_change th_change; /* definitions and rows on their way into the store */
typedef struct th_export th_export; /* a file on its way out */

typedef struct th_provider_ops {
    th_err (*snapshot_open)(th_provider *, const th_principal *, const th_as_known_at *,
                            th_snapshot **out, th_diag *);
    void (*snapshot_close)(th_snapshot *); /* accepts NULL */
    /* name in any case; schema may be empty = "default". *out lives as long as the snapshot. TH_ENOTFOUND without diag. */
    th_err (*table_find)(th_snapshot *, th_slice schema, th_slice name, const th_table **out,
                         th_diag *);
    th_err (*table_list)(th_snapshot *, th_arena *, const th_table *const **out, uint32_t *count,
                         th_diag *);
    /* About how many rows; UINT64_MAX = unknown. Exact when *exact. */
    uint64_t (*table_rows)(th_snapshot *, const th_table *, bool *exact);
    bool (*can_json_path)(th_snapshot *, const th_table *, const th_scan_column *);
    th_err (*scan_open)(th_snapshot *, const th_scan_spec *, th_scan **out, th_diag *);
    void (*scan_close)(th_scan *);
    uint32_t (*segment_count)(th_scan *); /* what pruning left */
    void (*segment_info)(th_scan *, uint32_t index, th_segment_info *out);
    th_err (*segment_open)(th_scan *, uint32_t index, th_arena *, th_scan_segment **out, th_diag *);
    void (*segment_close)(th_scan_segment *);
    /* Rows [begin, begin + count) of scan column col, in order of the segment; in the arena. */
    th_err (*segment_column)(th_scan_segment *, uint32_t col, uint32_t begin, uint32_t count,
                             th_arena *, th_vector *out, th_diag *);
    /* Columns of single rows by id, any order; out[row * column_count + column] are vectors of one row. TH_ENOTFOUND when
     * one is not in the snapshot. */
    th_err (*fetch)(th_snapshot *, const th_table *, const th_row_id *, uint32_t count,
                    const th_scan_column *, uint32_t column_count, th_arena *, th_vector *out,
                    th_diag *);

    /* What follows may be NULL. */
    /* True when the predicates leave no row of the segment. */
    bool (*segment_skip)(th_scan_segment *);
    /* A bit for each row of the segment that satisfies a predicate, in the arena; NULL: not answered for this segment. */
    th_err (*segment_select)(th_scan_segment *, uint32_t predicate, th_arena *,
                             const uint64_t **bits, th_diag *);
    /* As segment_column, of some rows, ascending, of the segment. */
    th_err (*segment_rows)(th_scan_segment *, uint32_t col, const uint32_t *rows, uint32_t count,
                           th_arena *, th_vector *out, th_diag *);

    /* What follows may be missing: such a provider has no tables of users, and nothing can be defined. */

    /* What is defined as of the snapshot; NULL: nothing. Lives as long as the snapshot. */
    const th_catalog *(*catalog)(th_snapshot *);
    /* Views that are always there, below what is defined. */
    const th_catalog *(*built_in)(th_provider *);
    /* The table or built-in view of the default schema that such a name stands for; size 0: none. */
    th_slice (*alias)(th_provider *, th_slice name);
    /* The table to scan for a definition, built in the arena. TABLE: rows stored under its number, columns with their
     * storage types (th_storage_type). MAPPING: columns as declared over the stored records that its location, serializer
     * and columns speak of, or when that is nothing that is stored: as TABLE. */
    th_err (*table_define)(th_snapshot *, const th_definition *, th_arena *, const th_table **out,
                           th_diag *);
    /* All of a change is committed, or nothing; freeing it without gives it up. */
    th_err (*change_begin)(th_provider *, const th_principal *, th_change **out, th_diag *);
    th_err (*change_event)(th_change *, th_slice event, th_diag *);
    /* A number that no table has. */
    th_err (*change_number)(th_change *, uint64_t *number, th_diag *);
    /* Rows for the table: a column of the batch for each of the definition's, in its storage type. */
    th_err (*change_rows)(th_change *, const th_definition *, const th_batch *, th_diag *);
    th_err (*change_commit)(th_change *, th_diag *);
    void (*change_free)(th_change *); /* accepts NULL */
    /* A new file below the export folder for s3://bucket/prefix/ (other locations: TH_EINVAL). Nothing is seen of it
     * before it is closed with keep. */
    th_err (*export_open)(th_provider *, const th_principal *, th_slice location, bool gzip,
                          const char *suffix, th_export **out, th_diag *);
    th_err (*export_write)(th_export *, th_slice bytes, th_diag *);
    th_err (*export_close)(th_export *, bool keep,
                           th_diag *); /* frees it in any case; accepts NULL */
} th_provider_ops;

struct th_provider {
    const th_provider_ops *ops;
};

#endif
