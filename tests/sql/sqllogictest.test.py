#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
"""The first queries of each script of ../shared/queries/sqllogictest; `./dev soak sqllogictest` runs them all."""

import glob
import os
import re
import subprocess
import sys

SHARED = os.environ.get("SHARED") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "shared")
HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.path.join(HERE, "..", "..", "zig-out", "tests", "sql", "sqllogictest")
MOST = 1000
SOME = {"select5.test": 300}


def main():
    failed = 0
    scripts = sorted(glob.glob(os.path.join(SHARED, "queries", "sqllogictest", "*.test")))
    if not scripts or not os.path.exists(PROGRAM):
        print("ok sqllogictest # skip: no scripts or no program")
        return 0
    for path in scripts:
        out = subprocess.run([PROGRAM, "-v", "--most", str(SOME.get(os.path.basename(path), MOST)), path], capture_output=True, text=True, errors="replace")
        last = out.stdout.rstrip("\n").rpartition("\n")[2]
        good = out.returncode == 0 and re.search(r"[1-9]\d* right, 0 wrong", last)
        failed += not good
        print(f"{'ok' if good else 'not ok'} {os.path.basename(path)}: {last.rpartition(': ')[2]}")
        if not good:
            print("\n".join(out.stdout.splitlines()[:40]))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
