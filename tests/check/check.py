#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""check.py [NAME...] [--fix] [--files PATH...]: the style as a test. Ends with one line `N passed, N failed`.

--fix lets clang-format and zig fmt write what they would complain about. --files looks only at these files or folders. What the slow
checks (headers, cppcheck, tidy) found right is remembered in zig-out/check until the file, a header of it or a setting
changes."""

import argparse
import os
import subprocess
import sys
import time


import tools
import tree as sources

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# name -> function(tree) -> (problems, notes); the quick ones first
CHECKS = {
    "sources": sources.check_sources,
    "layers": sources.check_layers,
    "sizes": sources.check_sizes,
    "banned": sources.check_banned,
    "leftovers": sources.check_leftovers,
    "format": tools.check_format,
    "headers": tools.check_headers,
    "cppcheck": tools.check_cppcheck,
    "tidy": tools.check_tidy,
}
NOTES_SHOWN = 10


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(CHECKS))
    parser.add_argument("--fix", action="store_true")
    parser.add_argument("--files", nargs="+", default=[])
    parser.add_argument("--all-notes", action="store_true")
    args = parser.parse_args()
    unknown = [n for n in args.names if n not in CHECKS]
    if unknown:
        print(f"check: no check {', '.join(unknown)}; there are: {', '.join(CHECKS)}", file=sys.stderr)
        return 2
    os.chdir(TOP)
    tree = sources.Tree(args.files)
    if args.fix:
        subprocess.check_call(["clang-format", "-i", *tree.formatted()])
        subprocess.check_call([".tools/zig", "fmt", "build.zig", "build.zig.zon"])
    passed = failed = 0
    for name in args.names or CHECKS:
        started = time.monotonic()
        problems, notes = CHECKS[name](tree)
        for line in problems:
            print(f"  {line}")
        shown = notes if args.all_notes else notes[:NOTES_SHOWN]
        for line in shown:
            print(f"  note: {line}")
        if len(shown) < len(notes):
            print(f"  note: and {len(notes) - len(shown)} more (--all-notes)")
        word = f"not ok {name}: {len(problems)} problems" if problems else f"ok {name}"
        print(f"{word} ({time.monotonic() - started:.1f} s)", flush=True)
        passed, failed = (passed, failed + 1) if problems else (passed + 1, failed)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
