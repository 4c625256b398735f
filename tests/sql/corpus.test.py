#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 300
"""The saved queries of ../shared/queries over loaded and generated records: each page of their origins is a session, its
files run in the order of their numbers. What once ran stays running: the numbers below only ever get stricter.

    tests/sql/corpus.test.py [--all] [--data DIR] [--only TEXT]     by hand: every failure, by kind; DIR is kept"""

import argparse
import collections
import csv
import fnmatch
import glob
import io
import json
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
BIN = os.environ.get("TRAILHOLD_BIN") or os.path.join(HERE, "..", "..", "zig-out", "bin", "trailhold")
SHARED = os.environ.get("SHARED") or os.path.join(HERE, "..", "..", "..", "shared")
QUERIES = os.path.join(SHARED, "queries")

sys.path.insert(0, HERE)
import corpus_data  # noqa: E402

# dialect -> least number of statements that run; least number of SELECTs that return rows; most that break the rules
RUN_MIN = {"trino": 300, "lake": 38, "config": 0, "athena-ddl": 49}
ROWS_MIN = 85
EXPECTED_MIN = 24

# Where the tables that the queries read are views over ours: kind of data -> what stands behind it.
SOURCES = {
    "cloudtrail": "cloudtrail", "cloudtrail_lake": "cloudtrail_lake", "vpc_flow": "vpc_flow", "waf": "waf",
    "route53_resolver": "dns", "s3_access": "s3_access", "alb_access": "alb", "guardduty": "guardduty",
    "aws_config": "config_snapshots", "aws_config (lake)": "config_lake", "sigma generic": "cloudtrail",
    "ocsf.cloud_trail": "ocsf_cloud_trail", "ocsf.lambda_execution": "ocsf_cloud_trail", "ocsf.vpc_flow": "ocsf_vpc_flow",
    "ocsf.route53": "ocsf_route53", "ocsf.sh_findings": "ocsf_sh_findings", "ocsf.eks_audit": "ocsf_eks_audit",
    "ocsf.waf": "ocsf_waf", "vpc_flow+ioc list": "vpc_flow",
}
# Kinds that Trailhold does not store, made as their own documentation makes them: empty tables of the right columns.
DEFINED = corpus_data.DEFINED


class Query:
    def __init__(self, path):
        self.path = path
        self.name = os.path.relpath(path, QUERIES)
        text = open(path, encoding="utf-8").read()
        head, _, self.text = text.partition("\n\n")
        fields = dict(re.findall(r"^-- (\w+): (.*)$", head, re.M))
        self.dialect, self.data = fields.get("dialect"), fields.get("data")
        self.status = fields.get("status", "").split(":")[0]
        self.page = fields.get("origin", "").split("#")[0]

    def substitute(self, rules):
        folder = self.name.split("/")[0]
        for rule in rules:
            if fnmatch.fnmatch(folder, rule["sources"]):
                replacement = re.sub(r"\$(\d)", r"\\\1", rule["replacement"])
                self.text = re.sub(rule["pattern"], replacement, self.text)


def load_queries():
    rules = json.load(open(os.path.join(QUERIES, "placeholders.json"), encoding="utf-8"))
    found = [Query(p) for p in sorted(glob.glob(os.path.join(QUERIES, "*", "*.sql")))]
    for q in found:
        q.substitute(rules)
    return [q for q in found if q.dialect in RUN_MIN]


class Archive:
    """A data folder with a process that owns it, so that each statement is one short connection."""

    def __init__(self, folder):
        self.folder = folder
        self.owner = None

    def start(self):
        self.owner = subprocess.Popen([BIN, "serve", "--data", self.folder, "--listen", "127.0.0.1:0"],
                                      stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.owner.stdout.readline()

    def stop(self):
        self.owner.terminate()
        self.owner.wait()

    def run(self, sql, session=None):
        words = [BIN, "sql", "--data", self.folder, "--format", "csv"]
        if session:
            words += ["--session", session]
        done = subprocess.run(words + ["-f", "-"], input=sql, capture_output=True, text=True, timeout=120)
        return done.returncode, done.stdout, done.stderr


def quoted(name):
    return ".".join('"' + part + '"' for part in name.split("."))


def view_of(name, kind, text="*"):
    if kind in DEFINED:
        return f"CREATE EXTERNAL TABLE {quoted(name)} ({DEFINED[kind]}) LOCATION 's3://logs/{name}/'"
    return f"CREATE OR REPLACE VIEW {quoted(name)} AS SELECT {text} FROM {SOURCES[kind]}"


def make_views(archive):
    """A view for each name in tables.tsv that is not built in."""
    failures = []
    with open(os.path.join(QUERIES, "tables.tsv"), encoding="utf-8") as f:
        rows = list(csv.reader(f, delimiter="\t"))[1:]
    for name, kind, _ in rows:
        if name == "cdk_table" or kind == "information_schema" or (kind not in SOURCES and kind not in DEFINED):
            continue
        if name == "incident_iocs":
            sql = "CREATE OR REPLACE VIEW incident_iocs AS SELECT '203.0.113.9' AS ioc_ip, '203.0.113.9' AS ip, 'c2' AS type"
        else:
            status, _, _ = archive.run(f"SELECT 1 FROM {quoted(name)} LIMIT 0")
            if status == 0:
                continue
            sql = view_of(name, kind)
        status, _, err = archive.run(sql)
        if status:
            failures.append(f"{name} ({kind}): {err.splitlines()[0] if err else status}")
    return failures


def is_select(text):
    bare = re.sub(r"--[^\n]*|/\*.*?\*/", " ", text, flags=re.S).strip().lower()
    return bare.startswith(("select", "with", "(", "values"))


def cells(text):
    return [[c.strip() for c in row] for row in csv.reader(io.StringIO(text))]


def same_value(a, b):
    squeeze = lambda s: re.sub(r"[\s\"'{}\[\]=:,|]+", "", s).lower().replace("null", "")  # noqa: E731
    if squeeze(a) == squeeze(b):
        return True
    try:
        return abs(float(a) - float(b)) <= 1e-9 * max(1.0, abs(float(a)))
    except ValueError:
        return False


def drawn_rows(text):
    """Rows of a result as documentation draws it: lines with bars, rules left out."""
    rows = []
    for line in text.splitlines():
        bare = line.strip()
        if not bare or re.fullmatch(r"[-+|=\s]+", bare):
            continue
        rows.append([c.strip() for c in bare.strip("|").split("|")])
    return rows


def matches_expected(out, drawn):
    have = "".join(c for row in cells(out)[1:] for c in row)
    want_rows = drawn_rows(drawn)
    whole = "".join(c for row in want_rows for c in row)
    without_head = "".join(c for row in want_rows[1:] for c in row)
    return same_value(have, without_head) or same_value(have, whole)


def first_error(err):
    for line in err.splitlines():
        if line.startswith("error:"):
            return line[7:]
    return err.strip().splitlines()[0] if err.strip() else "?"


def kind_of(error):
    m = re.match(r"(?:line \d+:\d+: )?([A-Z_]+)", error)
    return m[1] if m else "?"


def run_all(archive, queries, sessions):
    results = []
    for q in queries:
        page = re.sub(r"[^A-Za-z0-9]+", "_", q.page)[-100:] + "_" + format(hash(q.page) & 0xFFFFFFFF, "x")
        session = os.path.join(sessions, page)
        if re.search(r"\bcdk_table\b", q.text):
            archive.run("DROP TABLE IF EXISTS cdk_table" if q.data in DEFINED else "DROP VIEW IF EXISTS cdk_table", session)
            archive.run(view_of("cdk_table", q.data), session)
        try:
            status, out, err = archive.run(q.text, session)
        except subprocess.TimeoutExpired:
            status, out, err = 1, "", "error: TIMEOUT: over two minutes"
        results.append((q, status, out, err))
    return results


def judge(results):
    ran, total, rows, selects, expected, wanted, broken = (collections.Counter() for _ in range(7))
    failures = collections.defaultdict(list)
    for q, status, out, err in results:
        if q.status == "origin-broken":
            good = status != 0 and re.match(r"line \d+:\d+: SYNTAX_ERROR", first_error(err))
            broken["right" if good else "wrong"] += 1
            if not good:
                failures["BROKEN_BUT_NOT_REFUSED"].append((q, first_error(err) if err else "it ran"))
            continue
        if q.status:
            continue
        total[q.dialect] += 1
        if status == 0:
            ran[q.dialect] += 1
        else:
            failures[kind_of(first_error(err))].append((q, first_error(err)))
        if q.dialect != "athena-ddl" and is_select(q.text):
            selects["all"] += 1
            if status == 0 and out.count("\n") > 1:
                rows["all"] += 1
            elif status == 0:
                failures["~NO_ROWS"].append((q, ""))
        path = q.path[:-4] + ".expected"
        if os.path.exists(path):
            wanted["all"] += 1
            if status == 0 and matches_expected(out, open(path, encoding="utf-8").read()):
                expected["all"] += 1
            else:
                failures["~OTHER_THAN_EXPECTED"].append((q, out[:200].replace("\n", " / ")))
    return ran, total, rows, selects, expected, wanted, broken, failures


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--all", action="store_true")
    args.add_argument("--data")
    args.add_argument("--only", default="")
    args = args.parse_args()
    if not os.path.isdir(QUERIES):
        print("ok corpus # skip: no ../shared/queries")
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.data or os.path.join(scratch, "data")
        if not os.path.isdir(folder):
            corpus_data.load(BIN, SHARED, folder, scratch)
        archive = Archive(folder)
        archive.start()
        try:
            unmade = make_views(archive)
            queries = [q for q in load_queries() if args.only in q.name]
            sessions = os.path.join(scratch, "sessions")
            os.mkdir(sessions)
            results = run_all(archive, queries, sessions)
        finally:
            archive.stop()
    ran, total, rows, selects, expected, wanted, broken, failures = judge(results)
    if args.all:
        for line in unmade:
            print("view", line)
        for kind in sorted(failures, key=lambda k: -len(failures[k])):
            print(f"\n== {kind}: {len(failures[kind])}")
            for q, text in failures[kind]:
                print(f"   {q.name} [{q.dialect}]: {text}")
    failed = 0
    for dialect, least in RUN_MIN.items():
        good = ran[dialect] >= least
        failed += not good
        print(f"{'ok' if good else 'not ok'} {dialect}: {ran[dialect]} of {total[dialect]} run, at least {least}")
    good = rows["all"] >= ROWS_MIN
    failed += not good
    print(f"{'ok' if good else 'not ok'} rows: {rows['all']} of {selects['all']} SELECTs return some, at least {ROWS_MIN}")
    good = broken["wrong"] == 0
    failed += not good
    print(f"{'ok' if good else 'not ok'} broken at their origin: {broken['right']} refused with a place, {broken['wrong']} not")
    good = expected["all"] >= EXPECTED_MIN
    failed += not good
    print(f"{'ok' if good else 'not ok'} expected: {expected['all']} of {wanted['all']} as printed, at least {EXPECTED_MIN}")
    return 1 if failed and not args.only else 0


if __name__ == "__main__":
    sys.exit(main())
