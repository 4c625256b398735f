/* SPDX-License-Identifier: Apache-2.0
 * What Trailhold knows about each kind of evidence, as data: tables, sources, schemas. The tables are in tables.def,
 * sources.def and schemas/NAME.def; the functions here answer questions about one record's bytes.
 *
 * All answers are pure functions of the record's bytes and its layout: whatever order things arrive in, and whoever
 * asks, a record has the same time, day and identity. */
#ifndef TH_MODEL_MODEL_H
#define TH_MODEL_MODEL_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"

typedef enum th_table_id {
#define TABLE(id, name, identity, format) TH_TABLE_##name = id,
#include "model/tables.def"
#undef TABLE
} th_table_id;

typedef enum th_identity_kind {
    TH_IDENTITY_EVENT,
    TH_IDENTITY_VERSION,
    TH_IDENTITY_POSITION,
    TH_IDENTITY_NONE
} th_identity_kind;
typedef enum th_record_format { TH_RECORD_JSON, TH_RECORD_LINE, TH_RECORD_BINARY } th_record_format;

/* A column kept apart from the record so that scans need not parse: where it comes from and how it is held. */
typedef enum th_stored_kind {
    TH_STORED_TEXT, /* decoded string, or raw JSON text for anything else; absent and null are NULL */
    TH_STORED_TIME, /* ISO 8601 text as microseconds; only where formatting gives the text back, else kept as text */
    TH_STORED_INT /* canonical integer text as int64, else kept as text */
} th_stored_kind;
typedef struct th_stored_column {
    const char *
        path; /* dotted member path into the record, key case as written, "a|b" as in th_schema_column; LINE:
                       * field name of the layout */
    th_stored_kind kind;
} th_stored_column;

typedef struct th_stored_table {
    th_table_id id;
    const char *name;
    th_identity_kind identity;
    th_record_format format;
    const th_stored_column *columns; /* order is part of the stored format: append only */
    uint32_t column_count;
} th_stored_table;

/* NULL when there is none. */
const th_stored_table *th_model_table(uint32_t id);
const th_stored_table *th_model_table_by_name(const char *name);
/* All tables in id order; *count of them. */
const th_stored_table *th_model_tables(size_t *count);

/* Event time of a record, us since 1970 UTC; false when it has none that can be used (then the day is undated).
 * layout: field names of a LINE record, blank-separated; empty otherwise. */
bool th_model_time(const th_stored_table *table, th_slice record, th_slice layout, int64_t *us);
/* The same for callers that have the members at the top of a JSON record from judging it, and so spare another walk over it
 * for every question. NULL: they do not. */
struct th_json_members;
bool th_model_time_in(const th_stored_table *table, th_slice record,
                      const struct th_json_members *known, th_slice layout, int64_t *us);
/* Path of the member or field that th_model_time reads, as columns and schemas have it; NULL when there is none. */
const char *th_model_time_path(const th_stored_table *table);
/* Day of an event time: undated before 1990 or after 2200. */
int32_t th_model_day(bool has_time, int64_t us);
/* Identity of a record as bytes (unambiguous: fields with their lengths), appended to out. content and ordinal serve
 * POSITION. False when the source's identity fields are missing: the identity is then the record's SHA-256 (EVENT,
 * VERSION). Nothing is appended for NONE. */
bool th_model_identity(const th_stored_table *table, th_slice record, th_slice layout,
                       const uint8_t content[32], uint64_t ordinal, th_buf *out);
bool th_model_identity_in(const th_stored_table *table, th_slice record,
                          const struct th_json_members *members, const uint8_t content[32],
                          uint64_t ordinal, th_buf *out);
/* LINE records: a line end behind the last field is not part of it. A layout is a picture of the line: its names stand
 * where the fields do. Plain layouts (VPC flow logs) are names between single blanks, and so are their fields. Other
 * sources quote: `"name"` in a layout is a field in quotes, `[name]` one in brackets, `a:b` two fields of one word (cut at
 * its last colon), `"a b c"` three of one quoted text (cut at its first and last blank). Fields come without their quotes
 * and brackets; one that its word lacks has NULL bytes. Quotes inside a quoted field are part of it: it ends where the rest
 * of the line fits the layout. Fields that are there lie in the record, one behind the other. Field names compare without
 * case, '-' and '_' being the same. */
#define TH_LINE_FIELDS_MAX 256u /* names of a layout that is not plain */
bool th_model_layout_is_plain(th_slice layout);
uint32_t th_model_layout_index(th_slice layout,
                               th_slice name); /* number of the field, or UINT32_MAX */
/* Fields in the layout's order; how many were filled. Where it is not plain, blanks alone do not tell fields apart. */
uint32_t th_model_line_split(th_slice record, th_slice layout, th_slice *fields, uint32_t max);
/* The same for plain layouts. */
uint32_t th_model_line_fields(th_slice record, th_slice *fields, uint32_t max);
th_slice th_model_line_field(th_slice record, th_slice layout,
                             th_slice name); /* bytes NULL when absent */

/* Account that a record belongs to (retention classes, limits); empty when unknown. */
th_slice th_model_account(const th_stored_table *table, th_slice record, th_slice layout);

/* A SQL schema over a stored table. Types are texts in Trino's spelling; engine/ turns them into types. */
typedef struct th_schema_column {
    const char *name; /* lower case */
    const char *type; /* "varchar", "row(type varchar, ...)", ... */
    /* Dotted path into the record; "a|b" are alternative spellings, the first that is there counts. "" for a column
     * that engine/ computes and hides from SELECT *: region, account (key layout, else the record), year, month, day
     * (text, zero-padded), timestamp (yyyy/MM/dd), date and dt (yyyy-MM-dd), "date as date" (a DATE), all of the
     * record's day. */
    const char *path;
    bool json_text;       /* varchar that holds the raw JSON of an object or array */
    const char *computed; /* path "": which of the columns above it is, under whatever name */
    bool
        hidden; /* not in SELECT *, though it has a path; a path that starts with '~' is the text with the keys of
                           * its objects in lower case, as Athena's JSON serializer gives it */
} th_schema_column;
typedef enum th_row_set {
    TH_ROWS_SHOWN,      /* one variant an identity */
    TH_ROWS_COPIES,     /* all variants */
    TH_ROWS_DELIVERIES, /* one row a delivered copy */
    TH_ROWS_CURRENT,    /* latest row a key: findings */
    TH_ROWS_ALL
} th_row_set;
typedef struct th_schema {
    const char *name; /* as SQL names the table */
    th_table_id table;
    th_row_set rows;
    const th_schema_column *columns;
    uint32_t column_count;
    const char *comment;
} th_schema;
const th_schema *th_model_schemas(size_t *count);
/* Tables that are queries over others (views.def). */
typedef struct th_model_view {
    const char *name, *sql;
} th_model_view;
const th_model_view *th_model_views(size_t *count);
/* The table that a name of AWS's making stands for: an event data store's UUID, amazon_security_lake_table_REGION_KIND_VERSION
 * (lower case); NULL: none. */
const char *th_model_alias(th_slice name);
/* A row type's field names equal the JSON keys but for case; where they differ (ARN -> arn is case only) a schema
 * says the key here ("a|b": alternatives): NULL when the key is the same without case. */
const char *th_schema_field_key(const th_schema *schema, const char *column,
                                const char *dotted_field);

/* AWS's object keys: what the name of a delivered object says. All slices borrow from name; empty = not said. */
typedef struct th_object_key {
    th_slice bucket, prefix, organisation, account, folder,
        region;  /* folder: CloudTrail, CloudTrail-Digest, Config, ... */
    int32_t day; /* delivery day or TH_DAY_UNDATED */
    th_slice file;
} th_object_key;
/* name: path or s3://bucket/key. True when it has AWS's AWSLogs layout. */
bool th_model_parse_key(th_slice name, th_object_key *out);

#endif
