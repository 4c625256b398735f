#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
"""Random queries agree with themselves (tests/sql/random_queries.c); `./dev soak random-queries` asks a million of them."""

import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.path.join(HERE, "..", "..", "zig-out", "tests", "sql", "random_queries")


def main():
    run = subprocess.run([PROGRAM, "--queries", "20000"], capture_output=True, text=True)
    last = run.stdout.strip().splitlines()[-1]
    if run.returncode == 0:
        print(f"ok random_queries: {last}")
        return 0
    print(run.stdout)
    print(f"not ok random_queries: {last}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
