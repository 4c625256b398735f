/* SPDX-License-Identifier: Apache-2.0
 * S3 server access log lines. Fields are only ever appended: 19 since long ago, more since. */
#include "ingest/recognise.h"

const char ingest_s3_access_layout[] =
    "bucketowner bucket_name [requestdatetime] remoteip requester requestid operation key "
    "\"request_uri\" "
    "httpstatus errorcode bytessent objectsize totaltime turnaroundtime \"referrer\" \"useragent\" "
    "versionid "
    "hostid sigv ciphersuite authtype endpoint tlsversion accesspointarn aclrequired sourceregion";

enum { FIELD_OPERATION = 6, FIELD_STATUS = 9, FIELDS_MIN = 18 };

static bool is_status(th_slice s)
{
    if (th_slice_is(s, "-")) return true;
    for (size_t i = 0; i < s.size; i++)
        if (s.bytes[i] < '0' || s.bytes[i] > '9') return false;
    return s.size == 3;
}

bool ingest_is_s3_access(th_slice line)
{
    th_slice layout = th_slice_text(ingest_s3_access_layout), fields[FIELDS_MIN];
    int64_t us;
    return line.size > 0 && memchr(line.bytes, '[', line.size) != NULL &&
           th_model_line_split(line, layout, fields, FIELDS_MIN) == FIELDS_MIN &&
           is_status(fields[FIELD_STATUS]) &&
           th_slice_find(fields[FIELD_OPERATION], TH_SLICE(".")) != SIZE_MAX &&
           th_model_time(th_model_table(TH_TABLE_s3_access), line, layout, &us);
}
