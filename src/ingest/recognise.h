/* SPDX-License-Identifier: Apache-2.0
 * What a JSON object is: its members, walked once, judged by one function a format (one file each). */
#ifndef TH_INGEST_RECOGNISE_H
#define TH_INGEST_RECOGNISE_H

#include "ingest/split.h"
#include "json/json.h"

typedef enum ingest_member {
#define MEMBER(id, text) INGEST_MEMBER_##id,
#include "ingest/members.def"
#undef MEMBER
    INGEST_MEMBER_COUNT
} ingest_member;

/* Raw values of the members that recognisers know; empty = absent. */
typedef struct ingest_object_view {
    th_slice member[INGEST_MEMBER_COUNT];
} ingest_object_view;

/* raw: a valid object. */
void ingest_view_object(th_slice raw, ingest_object_view *out);
/* The same from the members that judging raw has found. */
void ingest_view_members(const th_json_members *members, th_slice raw, ingest_object_view *out);
bool ingest_view_is(const ingest_object_view *view, ingest_member member, th_json_kind kind);
/* The recogniser that takes the object as one record, or INGEST_AUTO. only: INGEST_AUTO = all are asked. */
ingest_recogniser_id ingest_recognise(const ingest_object_view *view, ingest_recogniser_id only);

/* One function a format: does the object look like a record of it? */
bool ingest_is_cloudtrail(const ingest_object_view *view);
bool ingest_is_cloudtrail_digest(const ingest_object_view *view);
bool ingest_is_config(const ingest_object_view *view);
bool ingest_is_asff(const ingest_object_view *view);
bool ingest_is_guardduty(const ingest_object_view *view);
bool ingest_is_dns(const ingest_object_view *view);
bool ingest_is_eks_audit(const ingest_object_view *view);
bool ingest_is_waf(const ingest_object_view *view);

/* A member whose array holds records: the envelope's name, or NULL. key: raw. */
const char *ingest_array_form(th_slice key);
/* The first such member of an object, with its array; the empty slice when there is none. */
th_slice ingest_view_array(const ingest_object_view *view);

/* Text formats: a line that names the fields of a VPC flow log; a line of the default format. */
bool ingest_is_flow_header(th_slice line);
bool ingest_is_flow_default(th_slice line);
/* Number of blank-separated fields. */
size_t ingest_count_fields(th_slice line);
extern const char ingest_flow_default_layout[];
bool ingest_is_s3_access(th_slice line);
extern const char ingest_s3_access_layout[];
bool ingest_is_alb(th_slice line);
extern const char ingest_alb_layout[];

#endif
