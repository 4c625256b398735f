/* SPDX-License-Identifier: Apache-2.0
 * The SQL schemas: schemas/schemas.def joined with the columns of schemas/NAME.def. */
#include "model/model.h"

#define COUNT(array) ((uint32_t)(sizeof(array) / sizeof((array)[0])))
#define COLUMN(name, type, path) {name, type, path, false, NULL, false},
#define JSON_TEXT(name, path) {name, "varchar", path, true, NULL, false},
#define HIDDEN(name, type) {name, type, "", false, name, true},
#define HIDDEN_AS(name, type, computed) {name, type, "", false, computed, true},
#define HIDDEN_PATH(name, type, path) {name, type, path, false, NULL, true},

static const th_schema_column cloudtrail_columns[] = {
#include "model/schemas/cloudtrail.def"
};
static const th_schema_column cloudtrail_lake_columns[] = {
#include "model/schemas/cloudtrail_lake.def"
};
static const th_schema_column config_items_columns[] = {
#include "model/schemas/config_items.def"
};
static const th_schema_column guardduty_columns[] = {
#include "model/schemas/guardduty.def"
};
static const th_schema_column findings_columns[] = {
#include "model/schemas/findings.def"
};
static const th_schema_column vpc_flow_columns[] = {
#include "model/schemas/vpc_flow.def"
};
static const th_schema_column vpcflow_columns[] = {
#include "model/schemas/vpcflow.def"
};
static const th_schema_column dns_columns[] = {
#include "model/schemas/dns.def"
};
static const th_schema_column r53dns_columns[] = {
#include "model/schemas/r53dns.def"
};
static const th_schema_column eks_audit_columns[] = {
#include "model/schemas/eks_audit.def"
};
static const th_schema_column s3_access_columns[] = {
#include "model/schemas/s3_access.def"
};
static const th_schema_column alb_columns[] = {
#include "model/schemas/alb.def"
};
static const th_schema_column waf_columns[] = {
#include "model/schemas/waf.def"
};
static const th_schema_column cloudwatch_logs_columns[] = {
#include "model/schemas/cloudwatch_logs.def"
};
static const th_schema_column objects_columns[] = {
#include "model/schemas/objects.def"
};
static const th_schema_column quarantine_columns[] = {
#include "model/schemas/quarantine.def"
};

static const th_schema schemas[] = {
#define SCHEMA(name, columns, table, rows, comment) \
    {#name, TH_TABLE_##table, TH_ROWS_##rows, columns##_columns, COUNT(columns##_columns), comment},
#include "model/schemas/schemas.def"
#undef SCHEMA
};

/* Row fields whose JSON key is another word. */
typedef struct field_key {
    th_table_id table;
    const char *column, *field, *key;
} field_key;
static const field_key field_keys[] = {
    {TH_TABLE_config_items, "relationships", "name", "relationshipName|name"},
};

const th_schema *th_model_schemas(size_t *count)
{
    *count = COUNT(schemas);
    return schemas;
}

const char *th_schema_field_key(const th_schema *schema, const char *column,
                                const char *dotted_field)
{
    for (size_t i = 0; i < COUNT(field_keys); i++) {
        const field_key *k = &field_keys[i];
        if (k->table == schema->table && strcmp(k->column, column) == 0 &&
            strcmp(k->field, dotted_field) == 0)
            return k->key;
    }
    return NULL;
}
