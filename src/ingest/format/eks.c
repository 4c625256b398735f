/* SPDX-License-Identifier: Apache-2.0
 * A Kubernetes audit event (audit.k8s.io). One request has one event a stage.
 * Shortened ones without auditID or stage are taken, too: they are known by their bytes. */
#include "ingest/recognise.h"

bool ingest_is_eks_audit(const ingest_object_view *view)
{
    return th_slice_is(view->member[INGEST_MEMBER_kind], "\"Event\"") &&
           th_slice_starts(view->member[INGEST_MEMBER_api_version], TH_SLICE("\"audit.k8s.io/"));
}
