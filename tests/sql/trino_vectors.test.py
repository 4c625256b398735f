#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
"""The expression and query vectors of ../shared/queries/trino-vectors: what was once right stays right. The numbers
below only ever get stricter."""

import os
import re
import subprocess
import sys

SHARED = os.environ.get("SHARED") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "shared")
HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.path.join(HERE, "..", "..", "zig-out", "tests", "sql", "trino_vectors")
RIGHT_MIN = {"expressions.jsonl": 4320, "queries.jsonl": 396}
WRONG_MAX = {"expressions.jsonl": 17, "queries.jsonl": 6}


def main():
    failed = 0
    folder = os.path.join(SHARED, "queries", "trino-vectors")
    for name in RIGHT_MIN:
        path = os.path.join(folder, name)
        if not os.path.exists(path) or not os.path.exists(PROGRAM):
            print(f"ok {name} # skip: no vectors or no program")
            continue
        out = subprocess.run([PROGRAM, path], capture_output=True, text=True).stdout
        m = re.search(r"(\d+) right, (\d+) unsupported, (\d+) wrong", out)
        right, wrong = (int(m[1]), int(m[3])) if m else (0, 10**9)
        good = right >= RIGHT_MIN[name] and wrong <= WRONG_MAX[name]
        failed += not good
        print(f"{'ok' if good else 'not ok'} {name}: {out.strip()}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
