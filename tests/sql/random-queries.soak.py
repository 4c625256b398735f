#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""./dev soak random-queries [--statements N] [--seed S] [--faults]: random queries agree with themselves.

Asks N statements (1,000,000 unless said otherwise) by pieces of 50,000, each with seeds of its own; what is done is kept in
zig-out/soak/random-queries for the program as it is, so that the same command goes on after an interruption.
--faults is the control: each of the faults of tests/sql/faults.py is put into the engine, and the queries must find it."""

import argparse
import hashlib
import os
import subprocess
import sys

PIECE = 50_000
DONE = os.path.join("zig-out", "soak", "random-queries")
PROGRAM = os.path.join("zig-out", "tests", "sql", "random_queries")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--statements", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", action="store_true")
    args = parser.parse_args()
    if args.faults:
        return subprocess.call([sys.executable, os.path.join("tests", "sql", "faults.py")])
    subprocess.run([".tools/zig", "build", "test-programs", "-Dmodule=query"], check=True)
    with open(PROGRAM, "rb") as f:
        build = hashlib.sha256(f.read()).hexdigest()[:16]
    os.makedirs(DONE, exist_ok=True)
    done_file = os.path.join(DONE, f"seed-{args.seed}")
    done = 0
    if os.path.exists(done_file):
        with open(done_file, encoding="utf-8") as f:
            build_then, _, pieces = f.read().partition(" ")
        done = int(pieces) if build_then == build else 0
    for piece in range(done, (args.statements + PIECE - 1) // PIECE):
        seed = args.seed * 1_000_000_000 + piece * 1000
        run = subprocess.run([PROGRAM, "--queries", str(PIECE), "--seed", str(seed)], stdout=subprocess.PIPE, text=True)
        if run.returncode != 0:
            print(run.stdout, end="")
            print(f"piece {piece} of seed {args.seed}: not all answers agree")
            return 1
        with open(done_file, "w", encoding="utf-8") as f:
            f.write(f"{build} {piece + 1}")
        print(f"piece {piece}: {run.stdout.strip()}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
