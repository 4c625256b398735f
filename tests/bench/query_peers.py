#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""query_peers.py duckdb|chdb load TRAIL DATABASE | ask DATABASE. load: peers.py's table with one number column more, and for
chDB a filter over eventID. ask: reads lines "RUNS<tab>OPTIONS<tab>STATEMENT" and answers as query_bench does; OPTIONS is
threads=N or nothing."""

import csv
import io
import json
import os
import sys
import time

import peers

NUMBER = "additionalEventData.bytesTransferredOut"


def load(engine, trail, database):
    if engine == "duckdb":
        return peers.load_duckdb(trail, database, {"bytes_out": NUMBER})
    return peers.load_chdb(trail, database, {"bytes_out": NUMBER}, ["INDEX by_id eventID TYPE bloom_filter(0.01) GRANULARITY 1"])


def text_of(value):
    return "" if value is None else value if isinstance(value, str) else str(value)


class DuckDB:
    def __init__(self, database):
        import duckdb
        self.connection = duckdb.connect(database, read_only=True, config={"threads": peers.THREADS})

    def run(self, statement, threads):
        self.connection.execute(f"SET threads = {threads or peers.THREADS}")
        begin = time.perf_counter()
        rows = self.connection.execute(statement).fetchall()
        return time.perf_counter() - begin, [[text_of(value) for value in row] for row in rows]


class ChDB:
    def __init__(self, database):
        from chdb import session
        self.session = session.Session(database)

    def run(self, statement, threads):
        if " SETTINGS " in statement:
            statement += f", max_threads = {threads or peers.THREADS}"
        begin = time.perf_counter()
        text = str(self.session.query(statement, "CSV"))
        seconds = time.perf_counter() - begin
        csv.field_size_limit(1 << 30)
        return seconds, list(csv.reader(io.StringIO(text)))


def ask(engine, database):
    peer = {"duckdb": DuckDB, "chdb": ChDB}[engine](database)
    print("ready", flush=True)
    for line in sys.stdin:
        runs, options, statement = line.rstrip("\n").split("\t", 2)
        threads = int(options.removeprefix("threads=") or 0)
        try:
            answers = [peer.run(statement, threads) for _ in range(int(runs))]
            print(json.dumps({"seconds": [seconds for seconds, _ in answers], "rows": answers[-1][1]}), flush=True)
        except Exception as error:  # pylint: disable=broad-except
            print(json.dumps({"error": str(error)}), flush=True)


def main():
    engine, verb, *rest = sys.argv[1:]
    if verb == "ask":
        ask(engine, os.path.abspath(rest[0]))
        return 0
    trail, database = (os.path.abspath(path) for path in rest)
    version, seconds, rows = load(engine, trail, database)
    print(json.dumps({"version": version, "load_s": seconds[0], "rows": rows, "bytes": peers.disk(database)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
