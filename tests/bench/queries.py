# SPDX-License-Identifier: Apache-2.0
"""The query set of the bench, each statement once per dialect, and what its answers are compared by. Parameters come out of
the data: one event near the middle of the trail."""

import datetime
import gzip
import json
import re

HOUR = "date_trunc('hour', from_iso8601_timestamp(eventtime))"
BYTES = "json_extract_scalar(additionaleventdata, '$.bytesTransferredOut')"
SHARES = (0.5, 0.95, 0.99)

# name -> (what it is, most of the best peer's time)
QUERIES = {"names": ("top 10 event names", 0.6), "errors": ("errors of one day", 0.8),
           "addresses": ("hourly distinct addresses", 0.6), "needle": ("one event by eventID, whole record", 0.6),
           "nested": ("count by nested path", 0.6), "substring": ("substring over the whole event", 0.3),
           "pairs": ("count by (principal, name)", 0.6), "logins": ("logins -> calls within 1 h", 0.6),
           "percentiles": ("percentiles per hour", 0.6)}


def parameters(dataset):
    found = {}
    for path, _, _, _ in dataset.objects[len(dataset.objects) * 6 // 10:]:
        with gzip.open(path, "rb") as file:
            records = json.load(file)["Records"]
        for event in records:
            if event.get("eventID"):
                found.setdefault("id", event["eventID"])
            found.setdefault("day", event["eventTime"][:10])
            bucket = (event.get("requestParameters") or {}).get("bucketName")
            if isinstance(bucket, str) and "'" not in bucket:
                found.setdefault("bucket", bucket)
            token = (event.get("additionalEventData") or {}).get("x-amz-id-2") or ""
            if token[20:32].isalnum() and len(token) > 32:
                found.setdefault("part", token[20:32])
        if len(found) == 4:
            found["next"] = (datetime.date.fromisoformat(found["day"]) + datetime.timedelta(days=1)).isoformat()
            return found
    raise ValueError(f"the trail has no event with all that the queries look for: {found}")


def ours(p):
    return {
        "names": "SELECT eventname, count(*) AS c FROM cloudtrail GROUP BY eventname ORDER BY c DESC, eventname LIMIT 10",
        "errors": f"SELECT errorcode, count(*) AS c FROM cloudtrail WHERE errorcode IS NOT NULL AND eventtime >= '{p['day']}' AND "
                  f"eventtime < '{p['next']}' GROUP BY errorcode ORDER BY c DESC, errorcode",
        "addresses": f"SELECT {HOUR} AS h, count(DISTINCT sourceipaddress) FROM cloudtrail GROUP BY 1 ORDER BY 1",
        "needle": f"SELECT record FROM cloudtrail WHERE eventid = '{p['id']}'",
        "nested": f"SELECT count(*) FROM cloudtrail WHERE json_extract_scalar(requestparameters, '$.bucketName') = '{p['bucket']}'",
        "substring": f"SELECT count(*) FROM cloudtrail WHERE record LIKE '%{p['part']}%'",
        "pairs": "SELECT coalesce(useridentity.arn, useridentity.principalid, useridentity.invokedby) AS p, eventname, count(*) AS c "
                 "FROM cloudtrail GROUP BY 1, 2 ORDER BY c DESC, 1, 2 LIMIT 10",
        "logins": "SELECT count(*) FROM cloudtrail l JOIN cloudtrail e ON l.useridentity.arn = e.useridentity.arn AND "
                  "from_iso8601_timestamp(e.eventtime) > from_iso8601_timestamp(l.eventtime) AND from_iso8601_timestamp(e.eventtime) "
                  "<= from_iso8601_timestamp(l.eventtime) + interval '1' hour WHERE l.eventname = 'ConsoleLogin'",
        "percentiles": f"SELECT {HOUR} AS h, approx_percentile(TRY_CAST({BYTES} AS double), ARRAY[0.5, 0.95, 0.99]) FROM cloudtrail "
                       f"WHERE TRY_CAST({BYTES} AS double) IS NOT NULL GROUP BY 1 ORDER BY 1",
    }


def duckdb(p):
    return {
        "names": "SELECT eventName, count(*) c FROM trail GROUP BY 1 ORDER BY c DESC, 1 LIMIT 10",
        "errors": f"SELECT errorCode, count(*) c FROM trail WHERE errorCode IS NOT NULL AND event_time >= TIMESTAMP '{p['day']}' AND "
                  f"event_time < TIMESTAMP '{p['day']}' + INTERVAL 1 DAY GROUP BY 1 ORDER BY c DESC, 1",
        "addresses": "SELECT date_trunc('hour', event_time) h, count(DISTINCT sourceIPAddress) FROM trail GROUP BY 1 ORDER BY 1",
        "needle": f"SELECT record FROM trail WHERE eventID = '{p['id']}'",
        "nested": f"SELECT count(*) FROM trail WHERE (record->'requestParameters'->>'bucketName') = '{p['bucket']}'",
        "substring": f"SELECT count(*) FROM trail WHERE CAST(record AS VARCHAR) LIKE '%{p['part']}%'",
        "pairs": "SELECT coalesce(userIdentity_arn, userIdentity_principalId, userIdentity_invokedBy) p, eventName, count(*) c FROM trail "
                 "GROUP BY 1, 2 ORDER BY c DESC, 1 NULLS LAST, 2 LIMIT 10",
        "logins": "SELECT count(*) FROM trail l JOIN trail e ON l.userIdentity_arn = e.userIdentity_arn AND e.event_time > l.event_time "
                  "AND e.event_time <= l.event_time + INTERVAL 1 HOUR WHERE l.eventName = 'ConsoleLogin'",
        "percentiles": "SELECT date_trunc('hour', event_time) h, quantile_disc(bytes_out, [0.5, 0.95, 0.99]) FROM trail "
                       "WHERE bytes_out IS NOT NULL GROUP BY 1 ORDER BY 1",
    }


def chdb(p):
    day = f"toDateTime('{p['day']} 00:00:00', 'UTC')"
    return {
        "names": "SELECT eventName, count() c FROM bench.trail GROUP BY 1 ORDER BY c DESC, 1 LIMIT 10",
        "errors": f"SELECT errorCode, count() c FROM bench.trail WHERE errorCode != '' AND event_time >= {day} AND "
                  f"event_time < {day} + INTERVAL 1 DAY GROUP BY 1 ORDER BY c DESC, 1",
        "addresses": "SELECT toStartOfHour(event_time) h, uniqExact(sourceIPAddress) FROM bench.trail GROUP BY 1 ORDER BY 1",
        "needle": f"SELECT record FROM bench.trail WHERE eventID = '{p['id']}'",
        "nested": f"SELECT count() FROM bench.trail WHERE JSONExtractString(record, 'requestParameters', 'bucketName') = '{p['bucket']}'",
        "substring": f"SELECT count() FROM bench.trail WHERE record LIKE '%{p['part']}%'",
        "pairs": "SELECT if(userIdentity_arn != '', userIdentity_arn, if(userIdentity_principalId != '', userIdentity_principalId, "
                 "userIdentity_invokedBy)) p, eventName, count() c FROM bench.trail GROUP BY 1, 2 ORDER BY c DESC, 1, 2 LIMIT 10",
        "logins": "SELECT count() FROM bench.trail l JOIN bench.trail e ON l.userIdentity_arn = e.userIdentity_arn WHERE "
                  "l.eventName = 'ConsoleLogin' AND l.userIdentity_arn != '' AND e.event_time > l.event_time AND "
                  "e.event_time <= l.event_time + INTERVAL 1 HOUR",
        "percentiles": "SELECT toStartOfHour(event_time) h, quantilesExact(0.5, 0.95, 0.99)(bytes_out) FROM bench.trail "
                       "WHERE bytes_out IS NOT NULL GROUP BY 1 ORDER BY 1",
    }


# ClickHouse keeps which parts held no match for a condition: a repeat would measure that.
CHDB_SETTINGS = " SETTINGS use_query_condition_cache = 0"


def cell(text):
    """One value as all engines would write it: times to the second without zone, numbers as numbers, no value as nothing."""
    text = "" if text in ("NULL", "\\N") else text
    time = re.fullmatch(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(\.0+)?( UTC|Z|\+00(:00)?)?", text)
    if time:
        return f"{time[1]} {time[2]}"
    return float(text) if re.fullmatch(r"-?\d+(\.\d+)?([eE][+-]?\d+)?", text) else text


def comparable(query, rows):
    """Rows to compare, as lists of cells. The record comes back as its engine keeps it, so its members are compared; DuckDB's
    percentile is the value before the share, ours and ClickHouse's the one at it, so only the hours are."""
    if query == "needle":
        return [json.loads(row[0])["eventID"] for row in rows]
    if query == "percentiles":
        return [cell(row[0]) for row in rows]
    return [[cell(value) for value in row] for row in rows]


def percentile_values(rows):
    """Per hour the numbers of the list, for the two engines that mean the same."""
    return [[cell(row[0]), *(float(n) for n in re.findall(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?", row[1]))] for row in rows]
