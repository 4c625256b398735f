/* SPDX-License-Identifier: Apache-2.0
 * A CloudTrail record: one API call or service event. S3, SQS and stream notifications look alike (`Records`, eventName,
 * eventTime), but name their source "aws:s3" where CloudTrail writes "s3.amazonaws.com". */
#include "ingest/recognise.h"

bool ingest_is_cloudtrail(const ingest_object_view *view)
{
    bool has_id = ingest_view_is(view, INGEST_MEMBER_event_id, TH_JSON_STRING);
    /* Insights events carry neither name nor source of their own at the top. */
    if (has_id && ingest_view_is(view, INGEST_MEMBER_insight_details, TH_JSON_OBJECT)) return true;
    return ingest_view_is(view, INGEST_MEMBER_event_name, TH_JSON_STRING) &&
           ingest_view_is(view, INGEST_MEMBER_event_source, TH_JSON_STRING) &&
           (has_id || ingest_view_is(view, INGEST_MEMBER_event_time, TH_JSON_STRING)) &&
           !th_slice_starts(view->member[INGEST_MEMBER_event_source], TH_SLICE("\"aws:"));
}
