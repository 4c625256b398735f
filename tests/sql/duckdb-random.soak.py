#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""./dev soak duckdb-random [--statements N] [--seed S] [--canary]: the random queries of random_queries.c that DuckDB
understands in the same way, answered by both. Prints what differs and ends with 1 when something does."""

import argparse
import datetime
import decimal
import json
import os
import subprocess
import sys

import duckdb

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "zig-out", "tests", "sql", "random_queries")
# Of Trino, not of DuckDB.
MACROS = ["CREATE MACRO count_if(x) AS count(*) FILTER (WHERE x)"]


def theirs(value):
    """As ours print it: times and decimals as text."""
    if isinstance(value, datetime.datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S.") + f"{value.microsecond // 1000:03d}"
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    return value


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def same_value(a, b):
    """a ours, b DuckDB's; its decimals may have another scale, its sums be decimals where ours are whole."""
    if a == b and isinstance(a, bool) == isinstance(b, bool):
        return True
    if a is None or b is None or isinstance(a, bool) or isinstance(b, bool):
        return False
    try:
        return (is_number(a) or is_number(b) or isinstance(b, str)) and decimal.Decimal(str(a)) == decimal.Decimal(str(b))
    except decimal.InvalidOperation:
        return False


def same(mine, other):
    """The same rows, in whatever order."""
    def order(rows):
        return sorted(rows, key=lambda row: [(v is None, f"{decimal.Decimal(str(v)).normalize():f}" if is_number(v) else str(v))
                                             for v in row])
    a, b = order(mine), order(other)
    return len(a) == len(b) and all(len(x) == len(y) and all(map(same_value, x, y)) for x, y in zip(a, b))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--statements", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--canary", action="store_true", help="change a value of ours now and then: is it seen?")
    args = parser.parse_args()
    run = subprocess.Popen([PROGRAM, "--common", "--queries", str(2 * args.statements), "--seed", str(args.seed)],
                           stdout=subprocess.PIPE, text=True)
    connection = duckdb.connect(config={"threads": 1})
    for macro in MACROS:
        connection.execute(macro)
    asked = refused = differ = 0
    for line in run.stdout:
        if not line.startswith("{"):
            print(line, end="")
            continue
        item = json.loads(line)
        if "table" in item:
            connection.execute(f"CREATE OR REPLACE TABLE {item['table']} AS {item['as']}")
            continue
        asked += 1
        try:
            rows = [[theirs(v) for v in row] for row in connection.execute(item["sql"]).fetchall()]
        except duckdb.Error as error:
            refused += 1
            if refused <= 5:
                print(f"DuckDB refuses: {str(error).splitlines()[0]}\n  {item['sql']}")
            continue
        if args.canary and asked % 100 == 0 and item["rows"]:
            item["rows"][0][0] = "changed"
        if not same(item["rows"], rows):
            differ += 1
            print(f"DIFFERS: {item['sql']}\n  ours:  {item['rows'][:12]}\n  DuckDB: {rows[:12]}")
    status = run.wait()
    print(f"{asked} statements, {refused} refused by DuckDB, {differ} answers differ")
    return 1 if differ or status != 0 or asked == 0 or refused * 20 > asked else 0


if __name__ == "__main__":
    sys.exit(main())
