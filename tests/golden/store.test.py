#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Data folders written by every format version that was ever on main must open, answer, verify and give their originals back.

tests/golden/store-vN/data is such a folder (a sealed part and a journal), expected.json what it answered when it was made.
TH_UPDATE=1 writes expected.json anew; the folders themselves are never rewritten."""

import glob
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile

BIN = os.environ["TRAILHOLD_BIN"]
QUESTIONS = [
    "SELECT count(*) FROM cloudtrail",
    "SELECT count(*) FROM cloudtrail_copies",
    "SELECT count(*) FROM cloudtrail_deliveries",
    "SELECT eventname, count(*) FROM cloudtrail GROUP BY 1 ORDER BY 2 DESC, 1",
    "SELECT \"_id\", eventid FROM cloudtrail ORDER BY 2",
    "SELECT resourcename, configurationitemstatus FROM config_items ORDER BY 1, 2",
    "SELECT srcaddr, dstaddr, dstport, action FROM vpc_flow ORDER BY 2",
    "SELECT title, updatedat FROM findings ORDER BY 1",
    "SELECT name, sha256, size FROM objects ORDER BY 1",
    "SELECT name, reason FROM quarantine ORDER BY 1",
    "SELECT max(\"_lsn\") FROM objects",
]


def run(data, *words):
    done = subprocess.run([BIN, *words, "--data", data], capture_output=True)
    return done.returncode, done.stdout, done.stderr.decode(errors="replace")


def originals(data):
    listed = [json.loads(line) for line in run(data, "object", "list", "--json")[1].splitlines()]
    return {o["sha256"]: hashlib.sha256(run(data, "object", "get", o["sha256"])[1]).hexdigest() for o in listed}


def answers(data):
    return {sql: run(data, "sql", "--format", "csv", "-c", sql)[1].decode() for sql in QUESTIONS}


def check(name, good, why=""):
    print(f"ok {name}" if good else f"not ok {name}: {str(why)[:500]}")
    return not good


def main():
    failed = False
    for folder in sorted(glob.glob("tests/golden/store-v*")):
        version = os.path.basename(folder)
        work = tempfile.mkdtemp(prefix="golden-", dir=os.environ.get("TMPDIR"))
        data = os.path.join(work, "data")
        shutil.copytree(os.path.join(folder, "data"), data)
        path = os.path.join(folder, "expected.json")
        if os.environ.get("TH_UPDATE") == "1":
            with open(path, "w") as f:
                json.dump(answers(data), f, indent=1)
                f.write("\n")
        with open(path) as f:
            expected = json.load(f)
        got = answers(data)
        for sql, text in expected.items():
            failed |= check(f"{version}: {sql}", got.get(sql) == text, got.get(sql))
        back = originals(data)
        failed |= check(f"{version}: every original comes back", back and all(k == v for k, v in back.items()), back)
        status, out, err = run(data, "verify")
        failed |= check(f"{version}: verifies", status == 0, err or out)
        status, _, err = run(data, "compact")
        failed |= check(f"{version}: compacts", status == 0, err)
        again = answers(data)
        failed |= check(f"{version}: answers the same after compaction", again == got)
        shutil.rmtree(work, ignore_errors=True)
    return failed


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
