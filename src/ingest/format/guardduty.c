/* SPDX-License-Identifier: Apache-2.0
 * A GuardDuty finding: lower camel case in exports and events, upper camel case from the API. */
#include "ingest/recognise.h"

bool ingest_is_guardduty(const ingest_object_view *view)
{
    bool lower = ingest_view_is(view, INGEST_MEMBER_account_id, TH_JSON_STRING) &&
                 ingest_view_is(view, INGEST_MEMBER_id, TH_JSON_STRING) &&
                 ingest_view_is(view, INGEST_MEMBER_type, TH_JSON_STRING) &&
                 ingest_view_is(view, INGEST_MEMBER_service, TH_JSON_OBJECT) &&
                 ingest_view_is(view, INGEST_MEMBER_severity, TH_JSON_NUMBER);
    return lower || (ingest_view_is(view, INGEST_MEMBER_upper_account_id, TH_JSON_STRING) &&
                     ingest_view_is(view, INGEST_MEMBER_finding_id, TH_JSON_STRING) &&
                     ingest_view_is(view, INGEST_MEMBER_upper_type, TH_JSON_STRING) &&
                     ingest_view_is(view, INGEST_MEMBER_upper_service, TH_JSON_OBJECT) &&
                     ingest_view_is(view, INGEST_MEMBER_upper_severity, TH_JSON_NUMBER));
}
