#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 600
"""Thirty questions asked four ways (the folder itself, its owner's socket, --server, plain HTTP) and of DuckDB over the
distinct records, which a reader of its own finds in the same files. Answers must be equal."""

import csv
import glob
import gzip
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request

try:
    import duckdb
except ImportError:
    duckdb = None

BIN = os.environ["TRAILHOLD_BIN"]
SHARED = os.environ.get("SHARED")
FOLDERS = ["cloudtrail-invictus-stratus", "cloudtrail-opensearch-catalog", "cloudtrail-sans504-s3-lab"]

# (name, ours, DuckDB's or None when the text is the same)
QUESTIONS = [
    ("count", "SELECT count(*) AS n FROM cloudtrail", None),
    ("top names", "SELECT eventname, count(*) AS n FROM cloudtrail GROUP BY 1 ORDER BY n DESC, eventname LIMIT 10", None),
    ("errors by code", "SELECT errorcode, count(*) AS n FROM cloudtrail WHERE errorcode IS NOT NULL GROUP BY 1 ORDER BY 1", None),
    ("one day", "SELECT count(*) AS n FROM cloudtrail WHERE eventtime >= '2021-07-31' AND eventtime < '2021-08-01'", None),
    ("distinct addresses", "SELECT count(DISTINCT sourceipaddress) AS n FROM cloudtrail", None),
    ("min and max time", "SELECT min(eventtime) AS a, max(eventtime) AS b FROM cloudtrail", None),
    ("by source and region", "SELECT eventsource, awsregion, count(*) AS n FROM cloudtrail GROUP BY 1, 2 ORDER BY 1, 2", None),
    ("nested type", "SELECT useridentity.type AS t, count(*) AS n FROM cloudtrail GROUP BY 1 ORDER BY 1",
     "SELECT ui_type AS t, count(*) AS n FROM cloudtrail GROUP BY 1 ORDER BY 1 NULLS LAST"),
    ("deep nested", "SELECT useridentity.sessioncontext.attributes.mfaauthenticated AS m, count(*) AS n FROM cloudtrail GROUP BY 1 ORDER BY 1",
     "SELECT mfa AS m, count(*) AS n FROM cloudtrail GROUP BY 1 ORDER BY 1 NULLS LAST"),
    ("issuer", "SELECT useridentity.sessioncontext.sessionissuer.username AS u, count(*) AS n FROM cloudtrail GROUP BY 1 ORDER BY n DESC, u LIMIT 5",
     "SELECT issuer AS u, count(*) AS n FROM cloudtrail GROUP BY 1 ORDER BY n DESC, u NULLS LAST LIMIT 5"),
    ("like", "SELECT count(*) AS n FROM cloudtrail WHERE eventname LIKE 'Get%'", None),
    ("like underscore", "SELECT eventname, count(*) AS n FROM cloudtrail WHERE eventname LIKE '_utObject' GROUP BY 1 ORDER BY 1", None),
    ("not like", "SELECT count(*) AS n FROM cloudtrail WHERE useragent NOT LIKE '%aws%'", None),
    ("in list", "SELECT eventname, count(*) AS n FROM cloudtrail WHERE eventname IN ('GetObject', 'PutObject', 'Decrypt') GROUP BY 1 ORDER BY 1", None),
    ("between", "SELECT count(*) AS n FROM cloudtrail WHERE eventtime BETWEEN '2021-08-01T00:00:00Z' AND '2021-08-01T06:00:00Z'", None),
    ("case", "SELECT CASE WHEN errorcode IS NULL THEN 'ok' ELSE 'failed' END AS s, count(*) AS n FROM cloudtrail GROUP BY 1 ORDER BY 1", None),
    ("having", "SELECT eventname, count(*) AS n FROM cloudtrail GROUP BY 1 HAVING count(*) > 20 ORDER BY 1", None),
    ("distinct", "SELECT DISTINCT eventsource FROM cloudtrail ORDER BY 1", None),
    ("json scalar", "SELECT json_extract_scalar(requestparameters, '$.bucketName') AS b, count(*) AS n FROM cloudtrail GROUP BY 1 ORDER BY n DESC, b LIMIT 7",
     "SELECT bucket AS b, count(*) AS n FROM cloudtrail GROUP BY 1 ORDER BY n DESC, b NULLS LAST LIMIT 7"),
    ("json filter", "SELECT count(*) AS n FROM cloudtrail WHERE json_extract_scalar(requestparameters, '$.bucketName') IS NOT NULL AND errorcode IS NULL",
     "SELECT count(*) AS n FROM cloudtrail WHERE bucket IS NOT NULL AND errorcode IS NULL"),
    ("hours", "SELECT date_trunc('hour', from_iso8601_timestamp(eventtime)) AS h, count(*) AS n FROM cloudtrail GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 5",
     "SELECT strftime(date_trunc('hour', CAST(replace(replace(eventtime, 'T', ' '), 'Z', '') AS TIMESTAMP)), '%Y-%m-%d %H:%M:%S') || '.000 UTC' AS h, count(*) AS n FROM cloudtrail GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 5"),
    ("hourly addresses", "SELECT substr(eventtime, 1, 13) AS h, count(DISTINCT sourceipaddress) AS n FROM cloudtrail GROUP BY 1 ORDER BY 1 LIMIT 20", None),
    ("avg length", "SELECT round(avg(length(useragent)), 6) AS a FROM cloudtrail", None),
    ("sum", "SELECT sum(length(eventid)) AS s FROM cloudtrail", None),
    ("self join", "SELECT count(*) AS n FROM cloudtrail a JOIN cloudtrail b ON a.sharedeventid = b.sharedeventid AND a.eventid <> b.eventid", None),
    ("left join", "SELECT count(*) AS n, count(b.eventname) AS m FROM (SELECT DISTINCT eventname FROM cloudtrail) a LEFT JOIN (SELECT DISTINCT eventname FROM cloudtrail WHERE errorcode IS NOT NULL) b ON a.eventname = b.eventname", None),
    ("cte", "WITH f AS (SELECT sourceipaddress AS ip, count(*) AS n FROM cloudtrail WHERE errorcode IS NOT NULL GROUP BY 1) SELECT ip, n FROM f WHERE n > 3 ORDER BY n DESC, ip LIMIT 10", None),
    ("derived", "SELECT max(n) AS m FROM (SELECT eventname, count(*) AS n FROM cloudtrail GROUP BY 1) t", None),
    ("interval", "SELECT count(*) AS n FROM cloudtrail WHERE from_iso8601_timestamp(eventtime) > TIMESTAMP '2021-08-02 00:00:00 UTC' - INTERVAL '12' HOUR AND eventtime < '2021-08-02'",
     "SELECT count(*) AS n FROM cloudtrail WHERE eventtime > '2021-08-01T12:00:00Z' AND eventtime < '2021-08-02'"),
    ("concat and order", "SELECT eventsource || ':' || eventname AS k, count(*) AS n FROM cloudtrail GROUP BY 1 ORDER BY n DESC, k LIMIT 12", None),
    ("needle", "SELECT eventname, awsregion FROM cloudtrail WHERE eventid = (SELECT min(eventid) FROM cloudtrail)", None),
]


def records_of(path):
    with open(path, "rb") as f:
        text = f.read()
    if path.endswith(".gz"):
        text = gzip.decompress(text)
    try:
        whole = json.loads(text)
        return whole["Records"] if "Records" in whole else [whole]
    except json.JSONDecodeError:
        return [json.loads(line) for line in text.splitlines() if line.strip()]


def text_of(value):
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def row_of(r):
    identity = r.get("userIdentity") or {}
    context = identity.get("sessionContext") or {}
    parameters = r.get("requestParameters")
    return [text_of(r.get(k)) for k in ("eventTime", "eventName", "eventSource", "awsRegion", "sourceIPAddress", "userAgent",
                                        "errorCode", "eventID", "sharedEventID")] + [
        identity.get("type"), (context.get("attributes") or {}).get("mfaAuthenticated"),
        (context.get("sessionIssuer") or {}).get("userName"),
        text_of(parameters.get("bucketName")) if isinstance(parameters, dict) else None]


def load_duckdb(folder):
    distinct = {}
    for path in sorted(glob.glob(os.path.join(folder, "**", "*"), recursive=True)):
        if os.path.isfile(path):
            for r in records_of(path):
                distinct.setdefault((r.get("recipientAccountId"), r["eventID"]), row_of(r))
    db = duckdb.connect()
    db.execute("CREATE TABLE cloudtrail (eventtime TEXT, eventname TEXT, eventsource TEXT, awsregion TEXT, sourceipaddress TEXT,"
               " useragent TEXT, errorcode TEXT, eventid TEXT, sharedeventid TEXT, ui_type TEXT, mfa TEXT, issuer TEXT, bucket TEXT)")
    with tempfile.NamedTemporaryFile("w", suffix=".csv", newline="") as f:
        writer = csv.writer(f, quoting=csv.QUOTE_ALL)
        for row in distinct.values():
            writer.writerow(["\\N" if v is None else v for v in row])
        f.flush()
        db.execute(f"INSERT INTO cloudtrail SELECT * FROM read_csv('{f.name}', header=false, nullstr='\\N', all_varchar=true)")
    return db


def plain(rows):
    def one(v):
        if v is None:
            return ""
        if isinstance(v, float):
            return f"{v:.6f}"
        return str(v)
    return [[one(v) for v in row] for row in rows]


def ours(rows):
    def one(v):
        try:
            return f"{float(v):.6f}" if "." in v and v.replace(".", "").replace("E", "").isdigit() else v
        except ValueError:
            return v
    return [[one(v) for v in row] for row in rows]


def by_command(words, sql):
    done = subprocess.run([BIN, "sql", *words, "--format", "csv", "--no-header", "-c", sql], capture_output=True, text=True)
    if done.returncode != 0:
        return done.stderr.strip()
    return ours(csv.reader(io.StringIO(done.stdout)))


def by_http(address, sql):
    request = urllib.request.Request(f"http://{address}/v1/sql", data=sql.encode(), headers={"Content-Type": "text/plain"})
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            lines = [json.loads(line) for line in answer.read().splitlines()]
    except OSError as error:
        return str(error)
    if not lines or "end" not in lines[-1]:
        return str(lines[-1:])
    return ours([["" if v is None else str(v) for v in line.values()] for line in lines[:-1]])


def ask(name, sql, expected, ways):
    for way, answer in ways:
        got = answer(sql)
        if got != expected:
            print(f"not ok {name}, {way}: {str(got)[:300]} and not {str(expected)[:300]}")
            return True
    print(f"ok {name}")
    return False


def main():
    if SHARED is None or duckdb is None:
        print("ok skipped: the shared data or DuckDB is not here")
        return False
    data = tempfile.mkdtemp(prefix="duck-", dir=os.environ.get("TMPDIR"))
    failed = False
    for folder in FOLDERS:
        path = os.path.join(SHARED, "data", folder)
        home = os.path.join(data, folder)
        loaded = subprocess.run([BIN, "ingest", "--data", home, "-q", "--no-plugins", path])
        if loaded.returncode != 0:
            print(f"not ok load {folder}: {loaded.returncode}")
            return True
        db = load_duckdb(path)
        alone = {name: by_command(["--data", home], sql) for name, sql, _ in QUESTIONS}
        server = subprocess.Popen([BIN, "serve", "--data", home, "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True,
                                  stderr=subprocess.DEVNULL)
        address = server.stdout.readline().split()[-1]
        for name, sql, other in QUESTIONS:
            expected = plain(db.execute(other or sql).fetchall())
            ways = [("--data", lambda _, n=name: alone[n]), ("the socket", lambda s: by_command(["--data", home], s)),
                    ("--server", lambda s: by_command(["--server", f"http://{address}"], s)),
                    ("HTTP", lambda s: by_http(address, s))]
            failed |= ask(f"{folder}: {name}", sql, expected, ways)
        server.terminate()
        server.wait(30)
        server.stdout.close()
    shutil.rmtree(data, ignore_errors=True)
    return failed


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
