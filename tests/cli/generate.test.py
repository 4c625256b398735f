#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""trailhold generate: the layout of what it writes, sizes, what is delivered twice, that all of it loads with nothing in
quarantine, and how near it is to real trails (where the folder of real ones is there)."""

import collections
import glob
import gzip
import hashlib
import json
import os
import re
import signal
import subprocess
import tempfile
import threading

BIN = os.environ["TRAILHOLD_BIN"]
FOLDER = tempfile.mkdtemp(prefix="generate-", dir=os.environ.get("TMPDIR"))
NAMES = {
    "CloudTrail": r"AWSLogs/(\d{12})/CloudTrail/([a-z0-9-]+)/\d{4}/\d\d/\d\d/\1_CloudTrail_\2_\d{8}T\d{4}Z_[A-Za-z0-9]{16}\.json\.gz",
    "vpcflowlogs": r"AWSLogs/(\d{12})/vpcflowlogs/([a-z0-9-]+)/\d{4}/\d\d/\d\d/\1_vpcflowlogs_\2_fl-[0-9a-f]{17}_\d{8}T\d{4}Z_[0-9a-f]{8}\.log\.gz",
    "vpcdnsquerylogs": r"AWSLogs/(\d{12})/vpcdnsquerylogs/(vpc-[0-9a-f]{17})/\d{4}/\d\d/\d\d/\2_vpcdnsquerylogs_\1_\d{8}T\d{4}Z_[0-9a-f]{8}\.log\.gz",
    "Config": r"AWSLogs/(\d{12})/Config/([a-z0-9-]+)/\d{4}/\d\d?/\d\d?/(ConfigHistory/\1_Config_\2_ConfigHistory_AWS::\w+::\w+_\d{8}T\d{6}Z_\d{8}T\d{6}Z_1|ConfigSnapshot/\1_Config_\2_ConfigSnapshot_\d{8}T\d{6}Z_[0-9a-f-]{36})\.json\.gz",
    "SecurityHub": r"AWSLogs/(\d{12})/SecurityHub/([a-z0-9-]+)/\d{4}/\d\d/\d\d/\1_SecurityHub_\2_\d{8}T\d{4}Z_[A-Za-z0-9]{16}\.json\.gz",
}
ALL = "cloudtrail,vpc_flow,dns,config,findings"


def check(name, condition, detail=""):
    print(f"ok {name}" if condition else f"not ok {name}: {str(detail)[:400]}")


def run(*words, stdin=None):
    return subprocess.run([BIN, *words], input=stdin, capture_output=True)


def stream(*words):
    r = run("generate", "-q", "-o", "-", *words)
    return r.stdout if r.returncode == 0 else b""


def sql(data, text):
    r = run("sql", "--data", data, "--format", "csv", "--no-header", "-c", text)
    return r.stdout.decode().strip()


def words():
    check("help has examples", b"Examples" in run("generate", "--help").stdout)
    for bad in (["--size", "1M"], ["--size", "much", "-o", "-"], ["--seed", "x", "-o", "-"], ["--days", "0", "-o", "-"],
                ["--sources", "cloudtrial", "-o", "-"], ["--start", "2025-02-30", "-o", "-"], ["--level", "10", "-o", "-"],
                ["-o", "-", "more"], ["--nonsense"]):
        r = run("generate", *bad)
        check(f"usage: {' '.join(bad)}", r.returncode == 2 and b"error: " in r.stderr and b"hint: " in r.stderr, r)
    r = run("generate", "--sources", "cloudtrail,vpc_flow", "-o", "-")
    check("lines and JSON in one stream are refused", r.returncode != 0 and b"hint: " in r.stderr, r)
    full = os.path.join(FOLDER, "full")
    os.makedirs(full)
    open(os.path.join(full, "mine"), "w").close()
    r = run("generate", "--size", "10k", "-o", full)
    check("a folder that holds something is left alone", r.returncode == 1 and os.listdir(full) == ["mine"] and b"not empty" in r.stderr, r)
    r = run("generate", "--size", "1M", "-o", os.path.join(full, "mine"))
    check("a file is not a folder", r.returncode == 1 and b"not a folder" in r.stderr, r)


def records_of(path):
    with gzip.open(path) as file:
        raw = file.read()
    if "/vpcflowlogs/" in path:
        return raw.decode().splitlines()[1:]
    if "/vpcdnsquerylogs/" in path:
        return [json.loads(line) for line in raw.splitlines()]
    return next(v for v in json.loads(raw).values() if isinstance(v, list))


def objects():
    out = os.path.join(FOLDER, "tree")
    r = run("generate", "--size", "24M", "--accounts", "5", "--days", "9", "--sources", ALL, "--json", "-o", out)
    check("objects: exit 0", r.returncode == 0, r)
    summary = json.loads(r.stdout or b"{}")
    check("objects: the size is met", abs(summary.get("record_bytes", 0) - 24e6) < 0.02 * 24e6, summary)
    paths = sorted(glob.glob(out + "/**/*.gz", recursive=True))
    check("objects: as many as it says", len(paths) == summary.get("objects"), len(paths))
    by_kind, contents, twice, count = collections.Counter(), set(), 0, 0
    for path in paths:
        kind = path.split("/")[path.split("/").index("AWSLogs") + 2]
        by_kind[kind] += 1
        if not re.fullmatch(NAMES[kind], os.path.relpath(path, out)):
            check("objects: names as AWS gives them", False, path)
            return None
        records = records_of(path)
        content = json.dumps(records)
        twice += content in contents
        if content not in contents:
            count += len(records)
        contents.add(content)
        if kind == "CloudTrail":
            account, region = path.split("/")[path.split("/").index("AWSLogs") + 1], os.path.basename(path).split("_")[2]
            wrong = [r for r in records if r["recipientAccountId"] != account or r["awsRegion"] != region]
            times = [r["eventTime"] for r in records]
            if wrong or sorted(times)[0][:10] != sorted(times)[-1][:10] and len(times) < 3:
                check("objects: a file is about one account and region", False, path)
                return None
    check("objects: names as AWS gives them", True)
    check("objects: a file is about one account and region", True)
    check("objects: of every source", set(by_kind) == set(NAMES), by_kind)
    check("objects: each record is written once, but for second deliveries", count == summary.get("records"), (count, summary))
    check("objects: some come twice under another name", 0 < twice < len(paths) / 40, twice)
    late = [p for p in paths if "/CloudTrail/" in p and max(r["eventTime"] for r in records_of(p))[:10].replace("-", "/") not in p]
    check("objects: some come on a later day", 0 < len(late) < len(paths) / 10, len(late))
    return out, summary


def same_again():
    def tree_of(name):
        out = os.path.join(FOLDER, name)
        r = run("generate", "-q", "--size", "2M", "--sources", ALL, "-o", out)
        paths = sorted(glob.glob(out + "/**/*.gz", recursive=True))
        return r.returncode, [(os.path.relpath(p, out), hashlib.sha256(open(p, "rb").read()).hexdigest()) for p in paths]

    a, b = tree_of("one"), tree_of("two")
    check("objects: same words, same names and bytes", a == b and a[0] == 0 and len(a[1]) > 20, a[0])


def interrupted():
    p = subprocess.Popen([BIN, "generate", "--size", "900G", "-o", "-"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    p.stdout.read(3 << 20)
    p.send_signal(signal.SIGINT)
    rest = threading.Thread(target=p.stdout.read)
    rest.start()
    check("Ctrl-C ends it: 130", p.wait(60) == 130)
    rest.join()


def loads(out, summary):
    data = os.path.join(FOLDER, "data")
    r = run("ingest", "--data", data, "--json", "-q", "--no-plugins", out)
    got = json.loads(r.stdout or b"{}")
    check("load: exit 0, nothing in quarantine", r.returncode == 0 and got.get("quarantined") == 0, (r.stderr, got))
    check("load: all records", got.get("records", 0) + got.get("duplicates", 0) == summary["records"] + summary["repeated"]
          and got.get("variants") == 0, (got, summary))
    counts = {t: int(sql(data, f"SELECT count(*) FROM {t}") or 0) for t in ("cloudtrail", "vpc_flow", "config_items", "findings_events")}
    check("load: each source in its table", all(counts.values()), counts)
    pairs = sql(data, "SELECT count(*) FROM (SELECT sharedeventid FROM cloudtrail WHERE sharedeventid IS NOT NULL "
                      "GROUP BY 1 HAVING count(DISTINCT recipientaccountid) = 2)")
    check("load: calls across accounts stand in both trails", int(pairs or 0) > 3, pairs)
    used = sql(data, "SELECT count(*) FROM cloudtrail a JOIN cloudtrail b ON a.useridentity.accesskeyid = "
                     "json_extract_scalar(CAST(b.responseelements AS varchar), '$.credentials.accessKeyId') WHERE b.eventname LIKE 'AssumeRole%'")
    check("load: credentials that AssumeRole gave are used", int(used or 0) > 20, used)


def streams():
    a = stream("--size", "3M", "--seed", "5")
    check("stream: same words, same bytes", a and a == stream("--size", "3M", "--seed", "5"))
    check("stream: another seed, other bytes", a != stream("--size", "3M", "--seed", "6"))
    lines = a.decode().splitlines()
    ids = collections.Counter(json.loads(line)["eventID"] for line in lines)
    again = {line for line, n in collections.Counter(lines).items() if n > 1}
    check("stream: an eventID comes twice only with its record", sum(n > 1 for n in ids.values()) == len(again))
    data = os.path.join(FOLDER, "piped")
    mixed = stream("--size", "3M", "--seed", "5", "--sources", "cloudtrail,dns,config,findings")
    got = json.loads(run("ingest", "--data", data, "--json", "-q", "--no-plugins", "-", stdin=mixed).stdout or b"{}")
    check("stream: sources mixed load by their kind", got.get("quarantined") == 0 and got.get("records", 0) > 1000, got)
    flows = stream("--size", "1M", "--sources", "vpc_flow")
    got = json.loads(run("ingest", "--data", data, "--json", "-q", "--no-plugins", "-", stdin=flows).stdout or b"{}")
    check("stream: flow logs load", got.get("quarantined") == 0 and got.get("records", 0) > 5000, got)
    start = stream("--size", "100k", "--start", "2031-12-30", "--days", "2")
    days = {json.loads(line)["eventTime"][:10] for line in start.decode().splitlines()}
    check("stream: --start and --days", days <= {"2031-12-30", "2031-12-31", "2032-01-01"} and "2031-12-30" in days, days)


def shape(value):
    if isinstance(value, dict):
        return "{" + ",".join(k + shape(v) for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + "|".join(sorted({shape(v) for v in value})) + "]"
    return type(value).__name__


def like_life():
    lines = stream("--size", "40M", "--accounts", "8", "--days", "14").decode().splitlines()
    records = [json.loads(line) for line in lines]
    size = sum(map(len, lines)) / len(lines)
    check("life: bytes a record", 1000 < size < 1700, size)
    shapes = len({shape(r) for r in records})
    check("life: shapes in the hundreds", 200 < shapes < 2000, shapes)
    names, services = {r["eventName"] for r in records}, {r["eventSource"] for r in records}
    check("life: event names and services", len(names) > 120 and len(services) > 25, (len(names), len(services)))
    failed = sum("errorCode" in r or "errorMessage" in r for r in records) / len(records)
    check("life: failures", 0.005 < failed < 0.1, failed)
    hours = collections.Counter(r["eventTime"][11:13] for r in records if "AWSReservedSSO" in json.dumps(r["userIdentity"]))
    check("life: people sleep", max(hours.values()) > 5 * min(hours.get(f"{h:02d}", 0) for h in range(24)), hours)
    ratios = []
    for i in range(0, len(lines) - 400, 4000):
        text = ('{"Records":[' + ",".join(lines[i:i + 400]) + "]}").encode()
        ratios.append(len(text) / len(gzip.compress(text, 6)))
    ratio = sum(ratios) / len(ratios)
    check("life: gzip makes 8 to 14 times less of 400 records", 8 < ratio < 14, ratio)


words()
tree = objects()
if tree is not None:
    loads(*tree)
same_again()
interrupted()
streams()
like_life()
