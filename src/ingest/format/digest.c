/* SPDX-License-Identifier: Apache-2.0
 * A CloudTrail digest file: one object, the whole file, that lists log files with their hashes. */
#include "ingest/recognise.h"

bool ingest_is_cloudtrail_digest(const ingest_object_view *view)
{
    return ingest_view_is(view, INGEST_MEMBER_digest_object, TH_JSON_STRING) &&
           ingest_view_is(view, INGEST_MEMBER_digest_end, TH_JSON_STRING) &&
           ingest_view_is(view, INGEST_MEMBER_log_files, TH_JSON_ARRAY);
}
