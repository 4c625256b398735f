#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""long.py bench|soak [NAME] [ARGS...]: runs what takes too long for every change.

bench: tests/bench/*.bench.py, all of them or those whose name holds NAME; ARGS (--peers) go to each.
soak:  tests/*/NAME.soak.py with ARGS; without a name, lists them. Both get TRAILHOLD_BIN, and SHARED where the folder
../shared exists."""

import glob
import os
import subprocess
import sys

from run import TOP, environment


def short_name(path, kind):
    return os.path.basename(path)[:-len(f".{kind}.py")]


def main():
    if len(sys.argv) < 2 or sys.argv[1] not in ("bench", "soak"):
        print(__doc__, file=sys.stderr)
        return 2
    kind, rest = sys.argv[1], sys.argv[2:]
    os.chdir(TOP)
    scripts = sorted(glob.glob("tests/bench/*.bench.py" if kind == "bench" else "tests/*/*.soak.py"))
    name = rest.pop(0) if rest and not rest[0].startswith("-") else None
    if kind == "soak":
        chosen = [s for s in scripts if short_name(s, kind) == name]
    else:
        chosen = [s for s in scripts if name is None or name in short_name(s, kind)]
    if not chosen:
        names = ", ".join(short_name(s, kind) for s in scripts) or "none"
        print(f"{kind}: {'name one of' if name is None else 'no ' + name + '; there are'}: {names}", file=sys.stderr)
        return 2
    env = environment(os.environ.get("TMPDIR", "/tmp"))
    statuses = [subprocess.call([sys.executable, script, *rest], env=env) for script in chosen]
    return 1 if any(statuses) else 0


if __name__ == "__main__":
    sys.exit(main())
