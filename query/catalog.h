/* SPDX-License-Identifier: Apache-2.0
 * What users have defined: schemas, views, tables of our own store, mappings (CREATE EXTERNAL TABLE over stored records) and
 * prepared statements. A catalog is what a list of events says; an event is one line of JSON, made and read here. Who
 * keeps the events (the store, a session's file) and for how long is the provider's and the session's business.
 *
 * Names are folded to lower case. Everything lies in the catalog's arena. One thread at a time, or read-only. */
#ifndef TH_QUERY_CATALOG_H
#define TH_QUERY_CATALOG_H

#include "query/type.h"

typedef enum th_definition_kind {
    TH_DEFINE_SCHEMA,
    TH_DEFINE_VIEW,
    TH_DEFINE_TABLE,   /* rows of our own, under `number` */
    TH_DEFINE_MAPPING, /* columns over records that are stored already */
    TH_DEFINE_PREPARED,
    TH_DEFINE_KINDS
} th_definition_kind;

typedef struct th_definition_column {
    th_slice name;
    th_slice type; /* as written; th_type_parse reads it */
    th_slice comment;
    bool partition;
    uint32_t
        slot; /* where its values are in the rows of our own; no two columns of a table's life have one */
} th_definition_column;

typedef struct th_definition_pair {
    th_slice key, value;
} th_definition_pair;

typedef struct th_definition {
    th_definition_kind kind;
    th_slice schema, name; /* SCHEMA: name is empty; PREPARED: schema is empty */
    th_slice text;         /* VIEW: the query; PREPARED: the statement */
    th_slice in_schema;    /* VIEW: where its bare names are */
    th_slice comment, location, serde, stored_as, delimiter;
    uint64_t number; /* TABLE */
    uint32_t column_count, property_count, serde_property_count, partition_count;
    const th_definition_column *columns;  /* VIEW: names when it gives them */
    const th_definition_pair *properties; /* of WITH or TBLPROPERTIES */
    const th_definition_pair *serde_properties;
    const th_definition_pair *partitions; /* key: dt=2016-05-14/country=IN, value: location */
} th_definition;

/* Bounds of one catalog. */
#define TH_DEFINITIONS_MAX 20000u
#define TH_CATALOG_BYTES_MAX (64u << 20)
#define TH_DEFINITION_COLUMNS_MAX 10000u
#define TH_DEFINITION_PARTITIONS_MAX 20000u

typedef struct th_catalog th_catalog;
th_catalog *th_catalog_new(void); /* NULL: no memory */
void th_catalog_free(th_catalog *catalog);

/* Apply one event. TH_EPARSE: not an event (diag says why); TH_ELIMIT. Events of kinds that are not known are passed over. */
TH_MUST_CHECK th_err th_catalog_apply(th_catalog *catalog, th_slice event, th_diag *diag);
/* The event that puts a definition, or takes it away, as one line without its end. */
void th_catalog_put_event(th_buf *out, const th_definition *definition);
void th_catalog_drop_event(th_buf *out, const th_definition *definition);

/* A view, table or mapping; NULL: none. Names in any case. */
const th_definition *th_catalog_relation(const th_catalog *catalog, th_slice schema, th_slice name);
const th_definition *th_catalog_schema(const th_catalog *catalog, th_slice schema);
const th_definition *th_catalog_prepared(const th_catalog *catalog, th_slice name);
/* Places of definitions, in order of making; what was taken away leaves NULL. */
uint32_t th_catalog_places(const th_catalog *catalog);
const th_definition *th_catalog_at(const th_catalog *catalog, uint32_t place);

/* How own tables hold values of a type: truth values, integers, reals, doubles and varchar as they are, all else as
 * varchar (what CAST AS varchar gives, hex digits for varbinary, JSON text for json and nested types). NULL: not at all. */
const th_type *th_storage_type(const th_type *type);

/* One more than the largest number that any table ever had here, also of tables that are gone or that only a session
 * knows: such a one leaves th_catalog_reserve_event. */
uint64_t th_catalog_next_number(const th_catalog *catalog);
void th_catalog_reserve_event(th_buf *out, uint64_t number);

/* Value of a property, keys without case; NULL bytes: not there. */
th_slice th_definition_property(const th_definition *definition, const char *key);

#endif
