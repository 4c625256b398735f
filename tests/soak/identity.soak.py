#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""./dev soak identity [--records N] [--seed S] [--jobs J] [--canary]: bent records come back byte for byte from fast and
compact segments.

Runs the unit test segment_identity, built as the program is shipped, over N records (10,000,000 unless said otherwise),
by pieces with a seed of their own. Which pieces are done is kept in zig-out/soak/identity under the hash of the test
program, so that the same command goes on after an interruption and a changed program starts anew. --canary changes one
byte of one record handed back by each tier instead, and fails when that is not noticed."""

import argparse
import concurrent.futures
import hashlib
import os
import subprocess
import sys
import time

PIECE = 250_000
OUT = os.path.join("zig-out", "soak")
PROGRAM = os.path.join(OUT, "tests", "unit", "segment_identity")
DONE = os.path.join(OUT, "identity")
TIERS = ("fast", "compact")


def build():
    """Builds the test program; returns the hash of its bytes."""
    subprocess.run([".tools/zig", "build", "unit-programs", "-Dmodule=segment", "-Dtest-optimize=ReleaseFast", "-p", OUT,
                    "--summary", "none"], check=True)
    with open(PROGRAM, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def run_piece(records, seed, tier="", canary=""):
    """Runs the program over that many records, of both tiers or of the one named; returns (status, its lines)."""
    env = dict(os.environ, TH_BENT_RECORDS=str(records), TH_BENT_SEED=str(seed))
    if canary:
        env["TH_BENT_CANARY"] = canary
    names = [f"come_back_from_{tier}"] if tier else []
    run = subprocess.run([PROGRAM, *names], env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return run.returncode, run.stdout


def canaries():
    """Is a changed byte noticed, in each tier, and in the changed one only?"""
    status = 0
    for canary in TIERS:
        for tier in TIERS:
            failed, out = run_piece(20_000, 1, tier, canary)
            wanted = tier == canary
            as_wanted = bool(failed) == wanted and (not wanted or "th_xxh3(record)" in out)
            print(f"canary in {canary}: the {tier} test {'fails' if failed else 'passes'}, "
                  f"{'as it should' if as_wanted else 'WRONG'}")
            if not as_wanted:
                print(out, end="")
                status = 1
    return status


class Progress:
    """The numbers of the pieces done, one a line, in a file of this program, seed and number of records."""

    def __init__(self, program_hash, args):
        os.makedirs(DONE, exist_ok=True)
        self.path = os.path.join(DONE, f"{program_hash[:16]}-{args.records}-{args.seed}")
        self.pieces = set()
        if os.path.exists(self.path):
            with open(self.path, encoding="ascii") as f:
                self.pieces = {int(line) for line in f.read().splitlines() if line.isdigit()}

    def add(self, piece):
        self.pieces.add(piece)
        with open(self.path, "a", encoding="ascii") as f:
            f.write(f"{piece}\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=10_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="pieces at a time")
    parser.add_argument("--canary", action="store_true")
    args = parser.parse_args()
    program_hash = build()
    if args.canary:
        return canaries()
    progress = Progress(program_hash, args)
    sizes = {i: min(PIECE, args.records - i * PIECE) for i in range(-(-args.records // PIECE))}
    done = sum(sizes[i] for i in progress.pieces if i in sizes)
    print(f"program {program_hash[:16]}: {done} of {args.records} records done before", flush=True)
    start, status = time.monotonic(), 0
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        runs = {pool.submit(run_piece, sizes[i], args.seed * 1_000_000 + i): i
                for i in sizes if i not in progress.pieces}
        for run in concurrent.futures.as_completed(runs):
            piece = runs[run]
            failed, out = run.result()
            if failed:
                print(f"{out}piece {piece} of seed {args.seed}: status {failed}, records did not come back", flush=True)
                status = 1
                continue
            progress.add(piece)
            done += sizes[piece]
            print(f"{done} records came back from fast and from compact segments, "
                  f"{time.monotonic() - start:.0f} s", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
