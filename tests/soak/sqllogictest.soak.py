#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""./dev soak sqllogictest [FILE...]: all queries of the scripts, those of ../shared/queries/sqllogictest when none is named.

Ends with 1 when one in more than 10,000 is not right. What is known not to be:
- random-groupby (3): COALESCE whose first argument is a constant, and behind it a column that is neither grouped nor
  aggregated; the scripts' engines fold the constant first, Trino refuses the column (EXPRESSION_NOT_AGGREGATE)."""

import argparse
import glob
import os
import re
import subprocess
import sys


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*")
    args = parser.parse_args()
    shared = os.environ.get("SHARED") or os.path.join("..", "shared")
    files = args.files or sorted(glob.glob(os.path.join(shared, "queries", "sqllogictest", "*.test")))
    subprocess.run([".tools/zig", "build", "test-programs", "-Dmodule=query"], check=True)
    right = wrong = failed = 0
    for path in files:
        run = subprocess.Popen([os.path.join("zig-out", "tests", "sql", "sqllogictest"), "-v", path],
                               stdout=subprocess.PIPE, text=True, errors="replace")
        for line in run.stdout:
            print(line, end="", flush=True)
            total = re.search(r": (\d+) right, (\d+) wrong, \d+ skipped, (\d+) statements failed", line)
            if total:
                right, wrong, failed = right + int(total[1]), wrong + int(total[2]), failed + int(total[3])
        failed += run.wait() not in (0, 1)
    print(f"in all: {right} right, {wrong} wrong, {failed} statements or programs failed")
    return 1 if failed or wrong * 10_000 > right + wrong else 0


if __name__ == "__main__":
    sys.exit(main())
