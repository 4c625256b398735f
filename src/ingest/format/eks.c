/* SPDX-License-Identifier: Apache-2.0
 * A Kubernetes audit event (audit.k8s.io). One request has one event a stage. */
#include "ingest/recognise.h"

bool ingest_is_eks_audit(const ingest_object_view *view)
{
    return th_slice_is(view->member[INGEST_MEMBER_kind], "\"Event\"") &&
           th_slice_starts(view->member[INGEST_MEMBER_api_version], TH_SLICE("\"audit.k8s.io/")) &&
           ingest_view_is(view, INGEST_MEMBER_audit_id, TH_JSON_STRING) &&
           ingest_view_is(view, INGEST_MEMBER_stage, TH_JSON_STRING);
}
