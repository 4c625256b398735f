#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""./dev soak kill9 [--rounds N] [--seed S] [--control]: kill -9 of serve under 8 writers and of ingest.

N rounds at random moments (two of three are servers), then every failpoint at several passes; small journals, so that
rolling and merging are hit. Prints a count a failpoint. With --control the server acks before its commit: the rig must
then find lost records, and succeeds only if it does."""

import argparse
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from rig import Rig, failpoints  # noqa: E402

JOURNAL = {"TRAILHOLD_TEST_JOURNAL_BYTES": "1048576"}


def control(seed, rounds):
    rig = Rig(seed, env={"TRAILHOLD_TEST_MODE": "ack-before-commit", **JOURNAL})
    for number in range(rounds):
        problems, _ = rig.serve_round("commit_before_txn:40" if number % 2 else None)
        if problems:
            print(f"control, round {number}: {'; '.join(problems)}")
            print("the rig sees acks before the commit")
            return 0
    print(f"control: {rounds} rounds found nothing: the rig is blind")
    return 1


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--control", action="store_true")
    args = parser.parse_args()
    if args.control:
        return control(args.seed, args.rounds)
    rig = Rig(args.seed, env=JOURNAL)
    wrong = 0

    def report(what, problems):
        nonlocal wrong
        wrong += bool(problems)
        for problem in problems:
            print(f"WRONG {what}: {problem}", flush=True)

    for number in range(args.rounds):
        problems, _ = rig.ingest_round() if number % 3 == 2 else rig.serve_round()
        report(f"round {number}", problems)
        if number % 50 == 49:
            print(f"{number + 1} rounds, {len(rig.acked)} records acked, {wrong} wrong", flush=True)
    for name in failpoints():
        hits = 0
        for passes in (1, 2, 7):
            problems, hit = rig.serve_round(f"{name}:{passes}")
            hits += hit
            report(f"failpoint {name}:{passes}", problems)
        print(f"failpoint {name}: killed {hits} of 3", flush=True)
    report("findings", rig.check_findings())
    print(f"{rig.kills} kills, {len(rig.acked)} records acked, {wrong} wrong")
    rig.close()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
