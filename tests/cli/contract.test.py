#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The command line's contract: exit status, where words go, formats, errors with place and hint, the HTTP answers."""

import gzip
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

BIN = os.environ["TRAILHOLD_BIN"]
FOLDER = tempfile.mkdtemp(prefix="cli-", dir=os.environ.get("TMPDIR"))
DATA = os.path.join(FOLDER, "data")
FAILED = []


def run(*words, stdin=None, env=None, data=True):
    argv = [BIN, *words] + (["--data", DATA] if data else [])
    return subprocess.run(argv, input=stdin, capture_output=True, env=dict(os.environ, **(env or {})))


def check(name, condition, detail=""):
    if condition:
        print(f"ok {name}")
    else:
        FAILED.append(name)
        print(f"not ok {name}: {str(detail)[:400]}")


def event(number, **more):
    base = {"eventVersion": "1.09", "eventTime": f"2026-03-02T10:00:{number:02d}Z", "eventSource": "ec2.amazonaws.com",
            "eventName": "RunInstances", "awsRegion": "eu-central-1", "userIdentity": {"type": "IAMUser"},
            "eventID": f"00000000-0000-4000-8000-{number:012d}", "recipientAccountId": "210987654321"}
    base.update(more)
    return base


def write(name, content):
    path = os.path.join(FOLDER, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(content)
    return path


def usage_and_help():
    check("no words: usage, exit 2", run(data=False).returncode == 2)
    check("unknown command: exit 2 and a hint", (r := run("ingset", data=False)).returncode == 2 and b"hint:" in r.stderr, r)
    check("--version", run("--version", data=False).stdout.startswith(b"trailhold "))
    for command in ("serve", "ingest", "sql", "object", "record", "findings", "plugins", "compact", "verify", "quarantine"):
        r = run(command, "--help", data=False)
        check(f"{command} --help has examples", r.returncode == 0 and b"Example" in r.stdout, r)
    check("unknown option: exit 2", run("sql", "--nonsense").returncode == 2)
    r = run("sql", "-c", "SELECT 1")
    check("a reader without a folder says so", r.returncode == 1 and b"no data folder" in r.stderr, r)


def loading():
    trail = json.dumps({"Records": [event(1), event(2), event(3)]}).encode()
    path = write("in/AWSLogs/210987654321/CloudTrail/eu-central-1/2026/03/02/a.json.gz", gzip.compress(trail))
    write("in/AWSLogs/210987654321/CloudTrail/eu-central-1/2026/03/02/a.json.gz.head.json",
          json.dumps({"ETag": "\"abc\"", "Metadata": {"signature": "00ff"}, "VersionId": "v7"}).encode())
    r = run("ingest", "--json", "-q", "--as", "s3://evidence/", os.path.join(FOLDER, "in"))
    summary = json.loads(r.stdout or b"{}")
    check("ingest: exit 0 and a summary", r.returncode == 0 and summary.get("records") == 3 and summary.get("objects") == 1, r)
    keys = {"objects", "objects_known", "deliveries", "records", "duplicates", "variants", "quarantined", "bytes", "seconds",
            "lsn", "reasons"}
    check("the summary has every key", keys <= summary.keys(), summary.keys())
    r = run("ingest", "--json", "-q", "--as", "s3://evidence/", os.path.join(FOLDER, "in"))
    again = json.loads(r.stdout or b"{}")
    check("again: nothing new but the delivery",
          (again.get("records"), again.get("objects"), again.get("objects_known"), again.get("deliveries")) == (0, 0, 1, 1), again)
    write("bad/broken.json", b'{"Records":[' + json.dumps(event(4)).encode() + b',{"eventName":tru')
    r = run("ingest", "--json", "-q", os.path.join(FOLDER, "bad"))
    summary = json.loads(r.stdout or b"{}")
    check("damage: exit 3, the good record kept, the rest named",
          r.returncode == 3 and summary.get("records") == 1 and summary.get("quarantined") == 1 and summary["reasons"][0]["reason"], r)
    r = run("ingest", "-q", "--json", "-", stdin=json.dumps(event(5)).encode())
    check("standard input", r.returncode == 0 and json.loads(r.stdout)["records"] == 1, r)
    waiting = subprocess.Popen([BIN, "ingest", "-q", "-", "--data", DATA], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    time.sleep(0.5)
    waiting.send_signal(signal.SIGINT)
    check("Ctrl-C ends the wait for standard input: exit 130", waiting.wait(10) == 130, waiting.returncode)
    waiting.stdin.close()
    r = run("ingest", "-q", "--json", os.path.join(FOLDER, "not-there"))
    check("a path that is not there: exit 1, named", r.returncode == 1 and b"not-there" in r.stdout + r.stderr, r)
    row = json.loads(run("sql", "--format", "ndjson", "-c",
                         "SELECT bucket, etag, version, headers FROM objects WHERE bucket IS NOT NULL LIMIT 1").stdout or b"{}")
    check("a sidecar's metadata is kept", row.get("bucket") == "evidence" and "abc" in str(row.get("etag")) and "00ff" in str(row), row)
    return path, trail


def bytes_back(path, trail):
    sha = hashlib.sha256(trail).hexdigest()
    key = "s3://evidence/" + os.path.relpath(path, os.path.join(FOLDER, "in"))
    for ref in (sha, key):
        r = run("object", "get", ref)
        check(f"object get by {'name' if ref == key else 'hash'}", r.returncode == 0 and r.stdout == trail, r.stderr)
    r = run("object", "get", "0" * 64)
    check("object get of nothing: exit 1", r.returncode == 1 and r.stderr.startswith(b"error: "), r)
    listed = [json.loads(line) for line in run("object", "list", "--json").stdout.splitlines()]
    mine = [o for o in listed if o["sha256"] == sha]
    check("object list", len(mine) == 1 and mine[0]["names"] == [key] and mine[0]["records"] == 3, listed)
    ident = run("sql", "--no-header", "-c", "SELECT \"_id\" FROM cloudtrail WHERE eventid LIKE '%002'").stdout.decode().strip()
    r = run("record", "get", ident)
    check("record get", r.stdout == json.dumps(event(2)).encode(), (ident, r))
    r = run("record", "get", "cloudtrail/2026-03-02/999999")
    check("record get of nothing: exit 1", r.returncode == 1, r)
    r = run("quarantine", "list", "--json")
    pieces = [json.loads(line) for line in r.stdout.splitlines()]
    check("quarantine list", len(pieces) == 1 and pieces[0]["name"].endswith("broken.json") and pieces[0]["reason"], r)


def answers():
    for columns in ("count(*)", "year, month, day, count(*)", "_day, count(*), max(_seq)"):
        by = columns[:columns.index("count(*)")].rstrip(", ")
        r = run("sql", "-c", f"EXPLAIN ANALYZE SELECT {columns} FROM cloudtrail {'GROUP BY ' + by if by else ''}")
        check(f"{columns} reads no segment", b"segments read 0," in r.stdout, r.stdout)
    r = run("sql", "-c", "EXPLAIN ANALYZE SELECT count(*), max(eventname) FROM cloudtrail")
    check("a column's values read some", b"segments read " in r.stdout and b"segments read 0," not in r.stdout, r.stdout)
    sql = "SELECT eventid, errorcode, '' AS empty, 'a\"b,c' AS odd, ARRAY[1, 2] AS list FROM cloudtrail WHERE eventid LIKE '%001'"
    ident = event(1)["eventID"]
    r = run("sql", "-c", sql)
    check("csv is the default off a terminal; NULL and empty text differ",
          r.stdout.decode() == f'eventid,errorcode,empty,odd,list\n{ident},,"","a""b,c","[1,2]"\n', r.stdout)
    r = run("sql", "--no-header", "--format", "tsv", "-c", "SELECT 'a' AS x, 1 AS y")
    check("tsv", r.stdout == b"a\t1\n", r.stdout)
    r = run("sql", "--format", "json", "-c", "SELECT 1 AS x, NULL AS y")
    check("json", json.loads(r.stdout) == [{"x": 1, "y": None}], r.stdout)
    r = run("sql", "--format", "ndjson", "-c", "SELECT 1 AS x UNION ALL SELECT 2")
    check("ndjson", sorted(json.loads(x)["x"] for x in r.stdout.splitlines()) == [1, 2], r.stdout)
    r = run("sql", "--format", "vertical", "-c", "SELECT 'v' AS name_of_it")
    check("vertical", b"name_of_it" in r.stdout and b"v" in r.stdout, r.stdout)
    r = run("sql", "--format", "table", "-c", "SELECT 'v' AS name_of_it")
    check("table", b"name_of_it" in r.stdout and b"v" in r.stdout, r.stdout)
    r = run("sql", "-c", "SELECT TIMESTAMP '2024-01-31 12:00:00' AS t")
    check("timestamps have three digits", r.stdout == b"t\n2024-01-31 12:00:00.000\n", r.stdout)
    r = run("sql", "-c", "SELECT 1 AS a; SELECT nosuch FROM cloudtrail; SELECT 3 AS c")
    check("several statements stop at the first error", r.returncode == 1 and r.stdout == b"a\n1\n", r)
    lines = r.stderr.decode().splitlines()
    check("an error has name, place, caret and hint",
          lines and lines[0].startswith("error: line 1:") and "COLUMN_NOT_FOUND" in lines[0] and any(x.strip() == "^" for x in lines), lines)
    r = run("sql", "-c", "SELECT * FROM cloudtrial")
    check("a near name is offered", b"TABLE_NOT_FOUND" in r.stderr and b"cloudtrail" in r.stderr, r.stderr)
    r = run("sql", "-c", "SELECT FROM WHERE")
    check("a syntax error has its place", r.stderr.startswith(b"error: line 1:8: SYNTAX_ERROR"), r.stderr)
    path = write("script.sql", b"-- two lines\nSELECT 1 AS a;\n")
    check("-f FILE", run("sql", "-f", path).stdout == b"a\n1\n")
    check("statements on standard input", run("sql", stdin=b"SELECT 1 AS a").stdout == b"a\n1\n")
    first = run("sql", "--no-header", "-c", "SELECT min(\"_lsn\") FROM cloudtrail").stdout.decode().strip()
    r = run("sql", "--no-header", "--as-known-at", first, "-c", "SELECT count(*) FROM cloudtrail")
    check("--as-known-at a log position", r.stdout == b"3\n", r)
    r = run("sql", "--no-header", "--as-known-at", "2020-01-01T00:00:00Z", "-c", "SELECT count(*) FROM cloudtrail")
    check("--as-known-at a time before everything", r.stdout == b"0\n", r)


def request(address, path, body=None, headers=None):
    call = urllib.request.Request(f"http://{address}{path}", data=body, headers=headers or {})
    try:
        with urllib.request.urlopen(call, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def over_http():
    server = subprocess.Popen([BIN, "serve", "--data", DATA, "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE)
    line = server.stdout.readline().decode()
    check("serve says where it listens", line.startswith("listening on 127.0.0.1:"), line)
    address = line.split()[-1]
    check("healthz and readyz", request(address, "/healthz")[0] == 200 and request(address, "/readyz")[0] == 200)
    check("metrics", b"trailhold" in request(address, "/metrics")[1])
    status, body = request(address, "/v1/sql", b"SELECT count(*) AS n FROM cloudtrail", {"Content-Type": "text/plain"})
    lines = [json.loads(x) for x in body.splitlines()]
    check("POST /v1/sql", status == 200 and lines[0] == {"n": 5} and lines[-1]["end"]["rows"] == 1, body)
    status, body = request(address, "/v1/sql", json.dumps({"sql": "SELECT ? AS x", "params": [7]}).encode(),
                           {"Content-Type": "application/json"})
    check("parameters", status == 200 and json.loads(body.splitlines()[0]) == {"x": 7}, body)
    status, body = request(address, "/v1/sql", b"SELECT nosuch FROM cloudtrail", {"Content-Type": "text/plain"})
    error = json.loads(body.splitlines()[-1]).get("error", {})
    check("an error over HTTP", status == 400 and error.get("code") == "COLUMN_NOT_FOUND" and error.get("line") == 1, body)
    status, body = request(address, "/v1/ingest/auto", gzip.compress(json.dumps(event(6)).encode()),
                           {"X-Trailhold-Object": "s3://evidence/http/six.json.gz", "x-amz-meta-signature": "aa"})
    check("POST /v1/ingest", status == 200 and json.loads(body)["records"] == 1, body)
    check("a route that is not there", request(address, "/nothing")[0] == 404)
    inside = run("sql", "--no-header", "-c", "SELECT count(*) FROM cloudtrail").stdout
    there = run("sql", "--server", f"http://{address}", "--no-header", "-c", "SELECT count(*) FROM cloudtrail", data=False).stdout
    check("the socket and --server answer alike", inside == there == b"6\n", (inside, there))
    trail = json.dumps({"Records": [event(7), event(8)]}).encode()
    path = write("more/b.json", trail)
    r = run("ingest", "-q", "--json", path)
    check("ingest through the owner's socket", r.returncode == 0 and json.loads(r.stdout)["records"] == 2, r)
    r = run("object", "get", hashlib.sha256(trail).hexdigest())
    check("object get through the socket", r.stdout == trail, r.stderr)
    odd = os.path.join(os.fsencode(FOLDER), b"odd", b"new\nline \xff.json")
    os.makedirs(os.path.dirname(odd), exist_ok=True)
    with open(odd, "wb") as f:
        f.write(trail)
    with open(odd + b".head.json", "wb") as f:
        f.write(json.dumps({"ETag": "\"odd\"", "Metadata": {"a": "x\r\ny"}}).encode())
    with open(os.path.join(os.path.dirname(odd), b"big"), "wb") as f:
        f.truncate(100 << 20)
    r = run("ingest", "-q", "--json", "--note", "two\nlines", os.path.dirname(odd))
    check("through the socket: odd names, metadata and notes are kept, one large file does not stop the rest",
          r.returncode == 1 and b"big" in r.stderr and json.loads(r.stdout)["deliveries"] == 1
          and json.loads(r.stdout)["unreadable"] == 1, r)
    row = json.loads(run("sql", "--format", "ndjson", "-c", "SELECT etag, note FROM objects WHERE note IS NOT NULL").stdout)
    check("the delivery has them", row == {"etag": "\"odd\"", "note": "two\nlines"}, row)
    check("a name that is not UTF-8 finds its object", run("object", "get", odd).stdout == trail)
    os.kill(server.pid, signal.SIGSTOP)
    r = run("sql", "-c", "SELECT 1")
    os.kill(server.pid, signal.SIGCONT)
    check("a stopped owner is named after two seconds", r.returncode == 1 and str(server.pid).encode() in r.stderr, r)
    r = run("object", "get", "1" * 64)
    check("an error through the socket keeps its exit status", r.returncode == 1 and r.stderr.startswith(b"error: "), r)
    r = run("plugins", "list", "--json")
    names = [json.loads(x)["name"] for x in r.stdout.splitlines()]
    check("plugins list", {"root-use", "trail-tampering"} <= set(names), r)
    check("plugins wait", run("plugins", "wait", "--timeout", "30").returncode == 0)
    server.send_signal(signal.SIGTERM)
    check("SIGTERM: exit 0", server.wait(30) == 0)
    server.stdout.close()


def upkeep():
    r = run("compact")
    check("compact", r.returncode == 0, r)
    check("answers after compact", run("sql", "--no-header", "-c", "SELECT count(*) FROM cloudtrail").stdout == b"8\n")
    r = run("verify", "--json")
    check("verify finds nothing", r.returncode == 0 and json.loads(r.stdout.splitlines()[-1])["damaged"] == 0, r)
    r = run("findings", "--format", "table")
    check("findings as a table", r.returncode == 0, r)


def main():
    usage_and_help()
    path, trail = loading()
    bytes_back(path, trail)
    answers()
    over_http()
    upkeep()
    shutil.rmtree(FOLDER, ignore_errors=True)
    return bool(FAILED)


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
