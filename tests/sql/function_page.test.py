#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/FUNCTIONS.md is what the program itself says of its functions. TH_UPDATE=1 writes it anew."""

import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
BIN = os.environ.get("TRAILHOLD_BIN") or os.path.join(HERE, "..", "..", "zig-out", "bin", "trailhold")
PAGE = os.path.join(HERE, "..", "..", "docs", "FUNCTIONS.md")
HEAD = """# Functions

Every function of the SQL engine, as `SHOW FUNCTIONS` lists them. This page is made from the tables in `query/fn`
(`TH_UPDATE=1 ./dev test sql/function_page` writes it anew). A capital letter stands for any type, the same one wherever it
occurs in a line; `...` for more arguments of the last type. A result "of the arguments" has a length, precision or scale
that follows from them. Functions that are not deterministic are marked with *.
"""


def listed():
    with tempfile.TemporaryDirectory() as data:
        init = subprocess.run([BIN, "ingest", "--data", os.path.join(data, "d"), "-q", "-"], input="", text=True,
                              capture_output=True)
        out = subprocess.run([BIN, "sql", "--data", os.path.join(data, "d"), "--format", "ndjson", "-c", "SHOW FUNCTIONS"],
                             capture_output=True, text=True)
        if out.returncode != 0:
            raise SystemExit(f"SHOW FUNCTIONS fails: {out.stderr}{init.stderr}")
        return [json.loads(line) for line in out.stdout.splitlines()]


def page(rows):
    out = [HEAD]
    for kind, title in (("aggregate", "Aggregate functions"), ("scalar", "Scalar functions")):
        out.append(f"\n## {title}\n\n| call | result | what |\n| --- | --- | --- |")
        seen = sorted((r for r in rows if r["Function Type"] == kind), key=lambda r: r["Function"])
        for r in seen:
            star = "" if r["Deterministic"] == "true" else " *"
            out.append(f'| `{r["Function"]}({r["Argument Types"]})`{star} | {r["Return Type"]} | {r["Description"]} |')
    return "\n".join(out).replace("||", "\\|\\|") + "\n"


def main():
    if not os.path.exists(BIN):
        print("ok function_page # skip: no program")
        return 0
    rows = listed()
    wanted = page(rows)
    if os.environ.get("TH_UPDATE") == "1":
        with open(PAGE, "w") as f:
            f.write(wanted)
    with open(PAGE) as f:
        same = f.read() == wanted
    helpless = [r["Function"] for r in rows if not r["Description"]]
    print(f"{'ok' if same else 'not ok'} docs/FUNCTIONS.md is what SHOW FUNCTIONS prints")
    print(f"{'ok' if not helpless else 'not ok'} every function has a description {helpless}")
    return 0 if same and not helpless else 1


if __name__ == "__main__":
    sys.exit(main())
