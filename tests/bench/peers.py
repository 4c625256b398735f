#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""peers.py duckdb|chdb TRAIL DATABASE: loads the objects under TRAIL into one table of typed columns and the record's text, as
a careful user of that engine would. Prints {"version", "load_s", "cpu_s", "rows", "bytes"}; the caller watches memory and disk."""

import json
import os
import resource
import sys
import time

TEXTS = ["eventID", "eventName", "eventSource", "awsRegion", "sourceIPAddress", "userAgent", "errorCode", "errorMessage", "requestID",
         "eventType", "eventCategory", "recipientAccountId", "sharedEventID", "vpcEndpointId", "userIdentity.type",
         "userIdentity.principalId", "userIdentity.arn", "userIdentity.accountId", "userIdentity.accessKeyId",
         "userIdentity.userName", "userIdentity.invokedBy", "userIdentity.sessionContext.sessionIssuer.arn"]
REPEATING = {"eventName", "eventSource", "awsRegion", "userAgent", "errorCode", "eventType", "eventCategory", "recipientAccountId",
             "userIdentity.type", "userIdentity.accountId", "userIdentity.invokedBy"}
THREADS = 2


def column(path):
    return path.replace(".", "_")


def load_duckdb(trail, database, numbers=None):
    """numbers: columns more, name -> path of a number."""
    import duckdb
    connection = duckdb.connect(database, config={"threads": THREADS})
    connection.execute("SET preserve_insertion_order=false")
    columns = ["CAST(r->>'eventTime' AS TIMESTAMP) AS event_time", "CAST(r->>'readOnly' AS BOOLEAN) AS read_only"]
    def value(path):
        *folders, last = path.split(".")
        return "r" + "".join(f"->'{name}'" for name in folders) + f"->>'{last}'"

    columns += [f"{value(path)} AS {column(path)}" for path in TEXTS]
    columns += [f"TRY_CAST({value(path)} AS DOUBLE) AS {name}" for name, path in (numbers or {}).items()]
    start, cpu = time.monotonic(), time.process_time()
    connection.execute(f"CREATE TABLE trail AS SELECT {', '.join(columns)}, r AS record FROM (SELECT unnest(Records) AS r FROM "
                       f"read_json('{trail}/**/*.json.gz', columns={{'Records': 'JSON[]'}}, maximum_object_size=268435456))")
    connection.execute("CHECKPOINT")
    seconds = time.monotonic() - start, time.process_time() - cpu
    rows = connection.execute("SELECT count(*) FROM trail").fetchone()[0]
    connection.close()
    return duckdb.__version__, seconds, rows


def load_chdb(trail, database, numbers=None, indexes=()):
    """numbers: columns more, name -> path of a number; indexes: more of the table's definition."""
    import chdb
    from chdb import session
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    engine = session.Session(database)

    def ask(text):
        return str(engine.query(text, "CSV")).strip().strip('"')

    columns = ["event_time DateTime('UTC')", "read_only Bool"]
    values = ["parseDateTimeBestEffort(JSONExtractString(record, 'eventTime'), 'UTC') AS event_time",
              "JSONExtractBool(record, 'readOnly') AS read_only"]

    def steps(path):
        return ", ".join(f"'{name}'" for name in path.split("."))

    for path in TEXTS:
        columns.append(f"{column(path)} " + ("LowCardinality(String)" if path in REPEATING else "String"))
        values.append(f"JSONExtractString(record, {steps(path)}) AS {column(path)}")
    for name, path in (numbers or {}).items():
        columns.append(f"{name} Nullable(Float64)")
        values.append(f"JSONExtract(record, {steps(path)}, 'Nullable(Float64)') AS {name}")
    ask("CREATE DATABASE IF NOT EXISTS bench ENGINE = Atomic")
    ask(f"CREATE TABLE bench.trail ({', '.join(columns)}, {', '.join(['record String CODEC(ZSTD(3))', *indexes])}) ENGINE = MergeTree ORDER BY event_time")
    start, cpu = time.monotonic(), time.process_time()
    ask(f"INSERT INTO bench.trail SELECT {', '.join(values)}, record FROM (SELECT arrayJoin(JSONExtractArrayRaw(json, 'Records')) "
        f"AS record FROM file('{trail}/**/*.json.gz', 'JSONAsString', 'json String')) "
        f"SETTINGS max_threads = {THREADS}, max_insert_threads = {THREADS}")
    seconds = time.monotonic() - start, time.process_time() - cpu
    rows = int(ask("SELECT count() FROM bench.trail"))
    version = f"{chdb.__version__} ({ask('SELECT version()')})"
    engine.close()
    return version, seconds, rows


def disk(path):
    if os.path.isfile(path):
        return os.lstat(path).st_blocks * 512
    return sum(os.lstat(os.path.join(where, name)).st_blocks * 512 for where, _, names in os.walk(path) for name in names)


def main():
    engine, trail, database = sys.argv[1:]
    version, seconds, rows = {"duckdb": load_duckdb, "chdb": load_chdb}[engine](os.path.abspath(trail), os.path.abspath(database))
    print(json.dumps({"version": version, "load_s": seconds[0], "cpu_s": seconds[1], "rows": rows, "bytes": disk(database)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
