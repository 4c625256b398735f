/* SPDX-License-Identifier: Apache-2.0
 * SQL tables that are made of others, and what other names tables of AWS's products have. */
#include "model/model.h"

#define OCSF_ACTOR                                                                           \
    "ROW(user ROW(name varchar, type varchar, uid varchar, uid_alt varchar, uuid varchar, "  \
    "credential_uid varchar, account_uid varchar, account ROW(uid varchar)), session "       \
    "ROW(issuer varchar, mfa boolean, is_mfa boolean, created_time_dt varchar), invoked_by " \
    "varchar, idp ROW(name varchar))"
#define OCSF_ENDPOINT                                                               \
    "ROW(ip varchar, port integer, interface_uid varchar, vpc_uid varchar, "        \
    "subnet_uid varchar, instance_uid varchar, svc_name varchar, intermediate_ips " \
    "varchar)"
#define OCSF_OBSERVABLE "ROW(name varchar, value varchar, type varchar, type_id integer)"
#define OCSF_FINDING                                                                    \
    "ROW(uid varchar, title varchar, desc varchar, types array(varchar), created_time " \
    "varchar, modified_time varchar, first_seen_time varchar, last_seen_time varchar, " \
    "src_url varchar, remediation ROW(desc varchar, kb_articles array(varchar)), "      \
    "related_events array(ROW(product_uid varchar, uid varchar)))"
#define OCSF_RESOURCE                                                                  \
    "ROW(uid varchar, type varchar, region varchar, cloud_partition varchar, details " \
    "varchar, name varchar)"

static const th_model_view views[] = {
#define VIEW(name, sql) {#name, sql},
#include "model/views.def"
#undef VIEW
};

const th_model_view *th_model_views(size_t *count)
{
    *count = sizeof(views) / sizeof(views[0]);
    return views;
}

static bool is_uuid(th_slice name)
{
    if (name.size != 36) return false;
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.bytes[i];
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        bool hex = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'f');
        if (dash ? c != '-' : !hex) return false;
    }
    return true;
}

const char *th_model_alias(th_slice name)
{
    static const char *const lake[][2] = {{"_cloud_trail_mgmt_", "ocsf_cloud_trail"},
                                          {"_lambda_execution_", "ocsf_cloud_trail"},
                                          {"_s3_data_", "ocsf_cloud_trail"},
                                          {"_vpc_flow_", "ocsf_vpc_flow"},
                                          {"_route53_", "ocsf_route53"},
                                          {"_sh_findings_", "ocsf_sh_findings"},
                                          {"_eks_audit_", "ocsf_eks_audit"},
                                          {"_waf_", "ocsf_waf"}};
    if (is_uuid(name)) return "cloudtrail_lake";
    if (!th_slice_starts(name, TH_SLICE("amazon_security_lake_table_"))) return NULL;
    for (size_t i = 0; i < sizeof(lake) / sizeof(lake[0]); i++)
        if (th_slice_find(name, th_slice_text(lake[i][0])) != SIZE_MAX) return lake[i][1];
    return NULL;
}
