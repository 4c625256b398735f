#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""./dev soak identity [--records N] [--seed S]: bent records come back byte for byte from fast and compact segments.

Runs the unit test segment_identity over N records (10,000,000 unless said otherwise), by pieces of 500,000 with a seed of
their own; what is done is kept in zig-out/soak/identity, so that the same command goes on after an interruption."""

import argparse
import os
import subprocess
import sys

PIECE = 500_000
DONE = os.path.join("zig-out", "soak", "identity")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=10_000_000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    subprocess.run([".tools/zig", "build", "test-programs", "-Dmodule=segment"], check=True)
    program = os.path.join("zig-out", "tests", "segment_identity")
    os.makedirs(DONE, exist_ok=True)
    done_file = os.path.join(DONE, f"seed-{args.seed}")
    with open(program, "rb") as f:
        build = f"{len(f.read())}"
    done = 0
    if os.path.exists(done_file):
        with open(done_file, encoding="utf-8") as f:
            build_then, _, pieces = f.read().partition(" ")
        done = int(pieces) if build_then == build else 0
    for piece in range(done, (args.records + PIECE - 1) // PIECE):
        left = min(PIECE, args.records - piece * PIECE)
        env = dict(os.environ, TH_BENT_RECORDS=str(left), TH_BENT_SEED=str(args.seed * 1_000_000 + piece))
        run = subprocess.run([program], env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        if run.returncode != 0:
            print(run.stdout, end="")
            print(f"piece {piece} of seed {args.seed}: records did not come back")
            return 1
        with open(done_file, "w", encoding="utf-8") as f:
            f.write(f"{build} {piece + 1}")
        print(f"{piece * PIECE + left} records, fast and compact, all came back", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
