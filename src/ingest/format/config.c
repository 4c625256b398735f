/* SPDX-License-Identifier: Apache-2.0
 * A configuration item of AWS Config. Channels spell many members differently; these two all of them have. Lists of
 * property names and types have them too, but name no type of resource there. */
#include "ingest/recognise.h"

bool ingest_is_config(const ingest_object_view *view)
{
    th_json_kind captured = th_json_kind_of(view->member[INGEST_MEMBER_capture_time]);
    return ingest_view_is(view, INGEST_MEMBER_resource_type, TH_JSON_STRING) &&
           th_slice_find(view->member[INGEST_MEMBER_resource_type], TH_SLICE("::")) != SIZE_MAX &&
           (captured == TH_JSON_STRING || captured == TH_JSON_NUMBER);
}
