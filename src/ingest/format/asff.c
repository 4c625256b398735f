/* SPDX-License-Identifier: Apache-2.0
 * A finding in the AWS Security Finding Format. */
#include "ingest/recognise.h"

bool ingest_is_asff(const ingest_object_view *view)
{
    return ingest_view_is(view, INGEST_MEMBER_product_arn, TH_JSON_STRING) &&
           ingest_view_is(view, INGEST_MEMBER_finding_id, TH_JSON_STRING) &&
           (ingest_view_is(view, INGEST_MEMBER_generator_id, TH_JSON_STRING) ||
            ingest_view_is(view, INGEST_MEMBER_aws_account_id, TH_JSON_STRING));
}
