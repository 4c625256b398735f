/* SPDX-License-Identifier: Apache-2.0
 * VPC flow log lines. The header line decides on fields and order; a file without one can only be the default format. */
#include "ingest/recognise.h"

const char ingest_flow_default_layout[] =
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets "
    "bytes start end action log-status";

static const char *const fields[] = {
    "version",
    "account-id",
    "interface-id",
    "srcaddr",
    "dstaddr",
    "srcport",
    "dstport",
    "protocol",
    "packets",
    "bytes",
    "start",
    "end",
    "action",
    "log-status",
    "vpc-id",
    "subnet-id",
    "instance-id",
    "tcp-flags",
    "type",
    "pkt-srcaddr",
    "pkt-dstaddr",
    "region",
    "az-id",
    "sublocation-type",
    "sublocation-id",
    "pkt-src-aws-service",
    "pkt-dst-aws-service",
    "flow-direction",
    "traffic-path",
    "ecs-cluster-arn",
    "ecs-cluster-name",
    "ecs-container-instance-arn",
    "ecs-container-instance-id",
    "ecs-container-id",
    "ecs-second-container-id",
    "ecs-service-name",
    "ecs-task-definition-arn",
    "ecs-task-arn",
    "ecs-task-id",
    "reject-reason",
    "resource-id",
    "encryption-status",
    "instance-tag",
    "instance-tag-2",
    "interface-tag",
    "interface-tag-2",
    "asg-tag",
    "asg-tag-2",
    "interface-type",
    "next-hop-interface-id",
    "next-hop-subnet-id",
    "next-hop-az-id",
    "next-hop-vpc-id",
    "next-hop-interface-type",
};

static bool next_field(th_slice *rest, th_slice *field)
{
    size_t at = 0;
    while (at < rest->size && rest->bytes[at] == ' ') at++;
    size_t end = at;
    while (end < rest->size && rest->bytes[end] != ' ') end++;
    *field = th_slice_of(rest->bytes + at, end - at);
    *rest = th_slice_of(rest->bytes + end, rest->size - end);
    return field->size > 0;
}

size_t ingest_count_fields(th_slice line)
{
    size_t count = 0;
    bool inside = false;
    for (size_t i = 0; i < line.size; i++) {
        bool blank = line.bytes[i] == ' ';
        count += !blank && !inside;
        inside = !blank;
    }
    return count;
}

static bool is_name(th_slice field)
{
    for (size_t i = 0; i < field.size; i++) {
        uint8_t c = field.bytes[i];
        if (c != '-' && !(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9')) return false;
    }
    return field.size > 0 && field.bytes[0] >= 'a' && field.bytes[0] <= 'z';
}

static bool is_known(th_slice field)
{
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (th_slice_is(field, fields[i])) return true;
    }
    return false;
}

bool ingest_is_flow_header(th_slice line)
{
    size_t count = 0, known = 0;
    th_slice field;
    while (next_field(&line, &field)) {
        /* Transit gateways write flow logs of their own, with these fields. */
        if (!is_name(field) || th_slice_is(field, "tgw-id") || th_slice_is(field, "resource-type"))
            return false;
        count++;
        known += is_known(field);
    }
    /* AWS adds fields now and then: most must be known, not all. */
    return known >= 2 && known * 4 >= count * 3;
}

static bool is_one_of(th_slice field, const char *const *texts)
{
    for (; *texts != NULL; texts++) {
        if (th_slice_is(field, *texts)) return true;
    }
    return false;
}

bool ingest_is_flow_default(th_slice line)
{
    static const char *const actions[] = {"ACCEPT", "REJECT", "-", NULL};
    static const char *const states[] = {"OK", "NODATA", "SKIPDATA", NULL};
    th_slice field, last = {0}, before = {0};
    size_t count = 0;
    if (line.size < 2 || line.bytes[0] != '2' || line.bytes[1] != ' ') return false;
    for (; next_field(&line, &field); count++) {
        before = last;
        last = field;
    }
    return count == 14 && is_one_of(before, actions) && is_one_of(last, states);
}
