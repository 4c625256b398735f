#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every plugin's cases: plugins/NAME/cases/CASE/events.jsonl loaded into a new archive must give findings.json.

A finding is compared by rule, severity, account, actor, count and, where the case names one, resource."""

import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile

BIN = os.environ["TRAILHOLD_BIN"]


def shown(finding, with_resource):
    fields = finding["ProductFields"]
    seen = {"rule": fields["trailhold/rule"], "severity": finding["Severity"]["Label"], "account": finding["AwsAccountId"],
            "actor": fields["trailhold/actor"], "count": int(fields["trailhold/count"])}
    if with_resource:
        seen["resource"] = finding["Resources"][0]["Id"]
    return seen


def run_case(folder, plugin):
    data = tempfile.mkdtemp(prefix="case-", dir=os.environ.get("TMPDIR"))
    try:
        loaded = subprocess.run([BIN, "ingest", "--data", data, "-q", os.path.join(folder, "events.jsonl")], capture_output=True)
        if loaded.returncode != 0:
            return f"ingest gave {loaded.returncode}: {loaded.stderr.decode()[-300:]}"
        out = subprocess.run([BIN, "findings", "--data", data, "--format", "asff"], capture_output=True)
        if out.returncode != 0:
            return f"findings gave {out.returncode}: {out.stderr.decode()[-300:]}"
    finally:
        shutil.rmtree(data, ignore_errors=True)
    with open(os.path.join(folder, "findings.json")) as f:
        expected = json.load(f)
    found = [json.loads(line) for line in out.stdout.splitlines()]
    found = [f for f in found if f["ProductFields"]["trailhold/plugin"] == plugin]
    got = [shown(f, any("resource" in e for e in expected)) for f in found]
    order = lambda f: json.dumps(f, sort_keys=True)  # noqa: E731
    if sorted(got, key=order) != sorted(expected, key=order):
        return f"got {json.dumps(got)}"
    return None


def main():
    failed = False
    for folder in sorted(glob.glob("plugins/*/cases/*/")):
        plugin = folder.split("/")[1]
        why = run_case(folder, plugin)
        failed |= why is not None
        print(f"ok {folder}" if why is None else f"not ok {folder}: {why}")
    return failed


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
