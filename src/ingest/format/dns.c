/* SPDX-License-Identifier: Apache-2.0
 * A query that Route 53 Resolver logged. */
#include "ingest/recognise.h"

bool ingest_is_dns(const ingest_object_view *view)
{
    return ingest_view_is(view, INGEST_MEMBER_query_timestamp, TH_JSON_STRING) &&
           ingest_view_is(view, INGEST_MEMBER_query_name, TH_JSON_STRING) &&
           ingest_view_is(view, INGEST_MEMBER_query_type, TH_JSON_STRING);
}
