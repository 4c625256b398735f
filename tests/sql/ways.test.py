#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 300
"""Statements over stored trails give the same rows whichever way they run: by what is kept of columns, by search in
columns, on one thread or three, or row by row over values as they are stored; asked once and asked again."""

import os
import shutil
import subprocess
import sys
import tempfile

BIN, SHARED = os.environ["TRAILHOLD_BIN"], os.environ.get("SHARED")
SETS = ["cloudtrail-invictus-stratus", "cloudtrail-opensearch-catalog"]
WAYS = ["vectors=off", "optimizer=off", "threads=1", "threads=3", ""]
HOUR = "date_trunc('hour', from_iso8601_timestamp(eventtime))"
PARTS = ["AssumeRole", "userIdentity", "eventVersion", "amazonaws.com", "s3", "1.0", "true", "null", "arn:aws", '"s3', "{", "us-east-1",
         "AKIA", "-", "\\", "no such text anywhere", "nosuchtextanywhere", "aws-cli/", "0", "Z", "A"]
STATEMENTS = [
    "SELECT eventname, count(*) FROM cloudtrail GROUP BY 1 ORDER BY 2 DESC, 1",
    "SELECT eventname, count(*) FROM cloudtrail GROUP BY 1",
    f"SELECT {HOUR}, count(DISTINCT sourceipaddress), min(useragent) FROM cloudtrail GROUP BY 1 ORDER BY 1",
    "SELECT coalesce(useridentity.arn, useridentity.principalid, useridentity.invokedby), eventname, count(*) FROM cloudtrail GROUP BY 1, 2",
    "SELECT count(*) FROM cloudtrail WHERE json_extract_scalar(requestparameters, '$.bucketName') LIKE '%a%'",
    "SELECT count(*) FROM cloudtrail WHERE requestparameters.bucketName = 'no such bucket'",
    "SELECT substr(eventtime, 1, 10), errorcode, count(*) FROM cloudtrail WHERE errorcode IS NOT NULL AND eventtime >= '2020-01-01' GROUP BY 1, 2",
    "SELECT eventid FROM cloudtrail WHERE eventname IN ('ConsoleLogin', 'CreateUser', 'GetObject') AND awsregion <> 'eu-west-1' ORDER BY 1 LIMIT 20",
    f"SELECT {HOUR}, approx_percentile(TRY_CAST(json_extract_scalar(additionaleventdata, '$.bytesTransferredOut') AS double), "
    "ARRAY[0.5, 0.99]) FROM cloudtrail GROUP BY 1 ORDER BY 1",
    "SELECT record FROM cloudtrail WHERE eventid = (SELECT max(eventid) FROM cloudtrail)",
    "SELECT _id, record FROM cloudtrail WHERE record LIKE '%AccessDenied%' AND eventname LIKE 'Get%' ORDER BY 1 LIMIT 7",
    "SELECT day, eventsource, count(*) FROM cloudtrail GROUP BY 1, 2 ORDER BY 1, 2",
    *[f"SELECT count(*), min(eventid), max(eventid) FROM cloudtrail WHERE record LIKE '%{part}%'" for part in PARTS],
]


def answers(data, way):
    script = "".join(f"{statement};\n{statement};\n" for statement in STATEMENTS)
    run = subprocess.run([BIN, "sql", "--data", data, "--format", "ndjson"], input=script, capture_output=True, text=True,
                         env=dict(os.environ, TRAILHOLD_TEST_QUERY=way))
    if run.returncode != 0:
        raise SystemExit(f"not ok ways: {way}: {run.stderr[:500]}")
    return run.stdout


def main():
    if SHARED is None:
        print("# skipped: no ../shared")
        return 0
    folder = tempfile.mkdtemp()
    try:
        data = os.path.join(folder, "data")
        subprocess.run([BIN, "ingest", "-q", "--no-plugins", "--data", data, *[os.path.join(SHARED, "data", name) for name in SETS]],
                       check=False, stdout=subprocess.DEVNULL)
        failed = 0
        for state in ("loaded", "compact"):
            plain = answers(data, WAYS[0])
            for way in WAYS[1:] if state == "loaded" else WAYS[-1:]:
                same = answers(data, way) == plain
                failed += not same
                print(f"{'ok' if same else 'not ok'} ways: {state}, {way or 'as usual'} against {WAYS[0]}")
            if len(plain.splitlines()) < 2 * len(STATEMENTS):
                print("not ok ways: hardly any rows")
                failed += 1
            subprocess.run([BIN, "compact", "--data", data], check=True, stdout=subprocess.DEVNULL)
        return 1 if failed else 0
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
