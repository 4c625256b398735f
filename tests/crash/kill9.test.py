#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 400
"""kill -9 in short: a few random moments, and every failpoint once. `./dev soak kill9` is the long form."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from rig import Rig, failpoints  # noqa: E402

SKIP = {"ingest_window", "journal_rolled", "journal_created", "part_written", "part_renamed", "compact_before_catalog",
        "compact_after_catalog", "trash_renamed", "plugin_before_findings", "plugin_after_findings", "plugin_after_cursor"}


def main():
    failed = False
    rig = Rig(seed=1)
    for number in range(6):
        problems, _ = rig.serve_round()
        failed |= bool(problems)
        print(f"{'not ok' if problems else 'ok'} serve killed at random moment {number}"
              + (f": {'; '.join(problems)}" if problems else ""))
    for name in failpoints():
        if name in SKIP:
            continue  # reached only with much data or findings: the soak visits them
        problems, hit = rig.serve_round(f"{name}:5")
        if not hit:
            problems.append("the failpoint was not reached")
        failed |= bool(problems)
        print(f"{'not ok' if problems else 'ok'} serve killed at {name}" + (f": {'; '.join(problems)}" if problems else ""))
    for number in range(4):
        problems, _ = rig.ingest_round()
        failed |= bool(problems)
        print(f"{'not ok' if problems else 'ok'} ingest killed at random moment {number}"
              + (f": {'; '.join(problems)}" if problems else ""))
    problems = rig.check_findings()
    failed |= bool(problems)
    print(f"{'not ok' if problems else 'ok'} findings are those of an undisturbed run"
          + (f": {'; '.join(problems)}" if problems else ""))
    rig.close()
    return failed


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
