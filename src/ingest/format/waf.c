/* SPDX-License-Identifier: Apache-2.0
 * A request that WAF judged. */
#include "ingest/recognise.h"

bool ingest_is_waf(const ingest_object_view *view)
{
    return ingest_view_is(view, INGEST_MEMBER_web_acl_id, TH_JSON_STRING) &&
           ingest_view_is(view, INGEST_MEMBER_http_request, TH_JSON_OBJECT) &&
           ingest_view_is(view, INGEST_MEMBER_action, TH_JSON_STRING) &&
           view->member[INGEST_MEMBER_timestamp].size > 0;
}
