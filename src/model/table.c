/* SPDX-License-Identifier: Apache-2.0
 * The stored tables: tables.def joined with the stored columns of columns/NAME.def. */
#include "model/model.h"

#define COUNT(array) ((uint32_t)(sizeof(array) / sizeof((array)[0])))
#define STORED(kind, path) {path, TH_STORED_##kind},

static const th_stored_column cloudtrail_columns[] = {
#include "model/columns/cloudtrail.def"
};
static const th_stored_column config_items_columns[] = {
#include "model/columns/config_items.def"
};
static const th_stored_column guardduty_columns[] = {
#include "model/columns/guardduty.def"
};
static const th_stored_column findings_events_columns[] = {
#include "model/columns/findings_events.def"
};
static const th_stored_column vpc_flow_columns[] = {
#include "model/columns/vpc_flow.def"
};
static const th_stored_column cloudtrail_digests_columns[] = {
#include "model/columns/cloudtrail_digests.def"
};
static const th_stored_column dns_columns[] = {
#include "model/columns/dns.def"
};
static const th_stored_column eks_audit_columns[] = {
#include "model/columns/eks_audit.def"
};
static const th_stored_column s3_access_columns[] = {
#include "model/columns/s3_access.def"
};
static const th_stored_column alb_columns[] = {
#include "model/columns/alb.def"
};
static const th_stored_column waf_columns[] = {
#include "model/columns/waf.def"
};
static const th_stored_column cloudwatch_logs_columns[] = {
#include "model/columns/cloudwatch_logs.def"
};
static const th_stored_column objects_columns[] = {
#include "model/columns/objects.def"
};
static const th_stored_column quarantine_columns[] = {
#include "model/columns/quarantine.def"
};
static const th_stored_column finding_evidence_columns[] = {
#include "model/columns/finding_evidence.def"
};

#define COLUMNS_OF(array) array, COUNT(array)
#define COLUMNS_cloudtrail COLUMNS_OF(cloudtrail_columns)
#define COLUMNS_config_items COLUMNS_OF(config_items_columns)
#define COLUMNS_guardduty COLUMNS_OF(guardduty_columns)
#define COLUMNS_findings_events COLUMNS_OF(findings_events_columns)
#define COLUMNS_vpc_flow COLUMNS_OF(vpc_flow_columns)
#define COLUMNS_cloudtrail_digests COLUMNS_OF(cloudtrail_digests_columns)
#define COLUMNS_dns COLUMNS_OF(dns_columns)
#define COLUMNS_eks_audit COLUMNS_OF(eks_audit_columns)
#define COLUMNS_s3_access COLUMNS_OF(s3_access_columns)
#define COLUMNS_alb COLUMNS_OF(alb_columns)
#define COLUMNS_waf COLUMNS_OF(waf_columns)
#define COLUMNS_cloudwatch_logs COLUMNS_OF(cloudwatch_logs_columns)
#define COLUMNS_objects COLUMNS_OF(objects_columns)
#define COLUMNS_contents NULL, 0
#define COLUMNS_quarantine COLUMNS_OF(quarantine_columns)
#define COLUMNS_blobs NULL, 0
#define COLUMNS_hidden_rows NULL, 0
#define COLUMNS_finding_evidence COLUMNS_OF(finding_evidence_columns)
#define COLUMNS_record_tags NULL, 0
#define COLUMNS_leaves NULL, 0
#define COLUMNS_access_log NULL, 0
#define COLUMNS_definitions NULL, 0
#define COLUMNS_user_rows NULL, 0

static const th_stored_table tables[] = {
#define TABLE(number, name, identity, format) \
    {TH_TABLE_##name, #name, TH_IDENTITY_##identity, TH_RECORD_##format, COLUMNS_##name},
#include "model/tables.def"
#undef TABLE
};

const th_stored_table *th_model_tables(size_t *count)
{
    *count = COUNT(tables);
    return tables;
}

const th_stored_table *th_model_table(uint32_t id)
{
    for (size_t i = 0; i < COUNT(tables); i++)
        if ((uint32_t)tables[i].id == id) return &tables[i];
    return NULL;
}

const th_stored_table *th_model_table_by_name(const char *name)
{
    for (size_t i = 0; i < COUNT(tables); i++)
        if (strcmp(tables[i].name, name) == 0) return &tables[i];
    return NULL;
}
