#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
"""The expression and query vectors of ../shared/queries/trino-vectors: what was once right stays right. The numbers
below only ever get stricter."""

import json
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from java_value import judged  # noqa: E402

SHARED = os.environ.get("SHARED") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "shared")
HERE = os.path.dirname(os.path.abspath(__file__))
LIST = os.path.join(HERE, "trino_unsupported.txt")
PROGRAM = os.path.join(HERE, "..", "..", "zig-out", "tests", "sql", "trino_vectors")
# Their test sets up another world for these: a legacy cast of char, the version of the program, the session's zone, the
# names of catalogs, of their functions and of session properties.
OTHER_WORLD = re.compile(r"TestLegacyCharToVarcharCast.java#L54|TestVersionFunction.java#L28|TestAtLocal.java|"
                         r"TestShowQueries.java#L(149|180|185|200|213)")
RIGHT_MIN = {"expressions.jsonl": 5648, "queries.jsonl": 706}
WRONG_MAX = {"expressions.jsonl": 0, "queries.jsonl": 1}


def judge(path):
    """What the program says of the file. Its Java values are made plain first; --failures prints what is not right."""
    with open(path) as lines, tempfile.NamedTemporaryFile("w", suffix=".jsonl") as plain:
        unread = 0
        for line in lines:
            vector = json.loads(line)
            vector = None if OTHER_WORLD.search(vector["origin"]) else judged(vector)
            unread += vector is None
            if vector is not None:
                plain.write(json.dumps(vector, ensure_ascii=False) + "\n")
        plain.flush()
        out = subprocess.run([PROGRAM, "-v", plain.name], capture_output=True, text=True, errors="replace").stdout
    return out, unread


def unsupported(out, known):
    """Vectors that are not supported and not on the list; the list only shrinks. TH_UPDATE=1 writes it anew."""
    found = re.findall(r'^unsupported\t.*"origin": "([^"]*)"', out, re.M)
    return found, sorted(set(found) - known)


def read_list():
    with open(LIST) as f:
        return {line.strip() for line in f if line.strip() and not line.startswith("#")}


LIST_HEAD = """# Vectors of Trino that this engine answers with an error of "not supported", by their origin. The list only shrinks:
# TH_UPDATE=1 ./dev test sql/trino_vectors writes it anew, and nothing may be added.
"""


def main():
    failed = 0
    update = os.environ.get("TH_UPDATE") == "1"
    known, everything = read_list() if os.path.exists(LIST) else set(), []
    folder = os.path.join(SHARED, "queries", "trino-vectors")
    for name in RIGHT_MIN:
        path = os.path.join(folder, name)
        if not os.path.exists(path) or not os.path.exists(PROGRAM):
            print(f"ok {name} # skip: no vectors or no program")
            continue
        out, unread = judge(path)
        found, new = unsupported(out, known)
        everything += found
        failed += len(new) > 0 and not update
        if new:
            print(f"not ok {name}: newly unsupported: {', '.join(new[:10])}")
        if "--failures" in sys.argv:
            print(out)
        out = out.rstrip().rsplit("\n", 1)[-1]
        m = re.search(r"(\d+) right, (\d+) unsupported, (\d+) wrong", out)
        right, wrong = (int(m[1]), int(m[3])) if m else (0, 10**9)
        good = right >= RIGHT_MIN[name] and wrong <= WRONG_MAX[name]
        failed += not good
        print(f"{'ok' if good else 'not ok'} {name}: {out.rstrip()}, {unread} unread")
    if update and everything:
        with open(LIST, "w") as f:
            f.write(LIST_HEAD + "\n".join(sorted(set(everything))) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
