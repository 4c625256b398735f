/* SPDX-License-Identifier: Apache-2.0
 * Access log lines of Application Load Balancers. Fields are only ever appended. */
#include "ingest/recognise.h"

const char ingest_alb_layout[] =
    "type time elb client_ip:client_port target_ip:target_port request_processing_time "
    "target_processing_time "
    "response_processing_time elb_status_code target_status_code received_bytes sent_bytes "
    "\"request_verb request_url request_proto\" \"user_agent\" ssl_cipher ssl_protocol "
    "target_group_arn "
    "\"trace_id\" \"domain_name\" \"chosen_cert_arn\" matched_rule_priority request_creation_time "
    "\"actions_executed\" \"redirect_url\" \"lambda_error_reason\" \"target_port_list\" "
    "\"target_status_code_list\" \"classification\" \"classification_reason\" conn_trace_id "
    "\"transformed_host\" \"transformed_uri\" \"request_transform_status\"";

enum { FIELD_STATUS = 10, FIELDS_MIN = 21 }; /* up to target_group_arn */

static bool is_type(th_slice line)
{
    static const char *const types[] = {"http ", "https ", "h2 ", "grpc ", "grpcs ", "ws ", "wss "};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (th_slice_starts(line, th_slice_text(types[i]))) return true;
    return false;
}

static bool is_status(th_slice s)
{
    for (size_t i = 0; i < s.size; i++)
        if ((s.bytes[i] < '0' || s.bytes[i] > '9') && s.bytes[i] != '-') return false;
    return s.size <= 3;
}

bool ingest_is_alb(th_slice line)
{
    th_slice layout = th_slice_text(ingest_alb_layout), fields[FIELDS_MIN];
    int64_t us;
    return is_type(line) && th_model_line_split(line, layout, fields, FIELDS_MIN) == FIELDS_MIN &&
           is_status(fields[FIELD_STATUS]) &&
           th_model_time(th_model_table(TH_TABLE_alb), line, layout, &us);
}
