#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
"""Random queries agree with themselves (tests/sql/random_queries.c) and with DuckDB. `./dev soak random-queries` asks a
million of them, `./dev soak duckdb-random` a hundred thousand."""

import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.path.join(HERE, "..", "..", "zig-out", "tests", "sql", "random_queries")


def judge(name, argv):
    run = subprocess.run(argv, capture_output=True, text=True)
    last = run.stdout.strip().splitlines()[-1] if run.stdout else run.stderr
    if run.returncode != 0:
        print(run.stdout)
    print(f"{'ok' if run.returncode == 0 else 'not ok'} {name}: {last}")
    return run.returncode != 0


def main():
    failed = judge("agree_with_themselves", [PROGRAM, "--queries", "20000"])
    failed += judge("agree_with_duckdb", [sys.executable, os.path.join(HERE, "duckdb-random.soak.py"), "--statements", "1000"])
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
