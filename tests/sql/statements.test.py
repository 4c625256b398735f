#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
"""Statements that define and write: views, tables of users, prepared statements, sessions, exports. What is defined is
there for the next process."""

import glob
import os
import subprocess
import sys
import tempfile

BIN = os.environ["TRAILHOLD_BIN"]
EVENT = ('{"Records":[{"eventVersion":"1.08","eventTime":"2024-05-01T00:00:00Z","eventSource":"s3.amazonaws.com",'
         '"eventName":"%s","awsRegion":"us-east-1","sourceIPAddress":"198.51.100.7","recipientAccountId":"111122223333",'
         '"eventID":"%s","eventType":"AwsApiCall"}]}')

TYPES = ("a integer primary key, b varchar(10), c text, d double, e decimal(10,2), f timestamp(6), "
         "g array(row(x int, y varchar)), h varbinary, i json, j date, k boolean, m map(varchar, bigint)")
ROW = ("1, 'x', 'y', 1.5, 2.25, TIMESTAMP '2024-01-01 00:00:00.123456', ARRAY[ROW(1,'q')], X'00ff', JSON '{\"a\":1}', "
       "DATE '2024-02-03', true, MAP(ARRAY['k'],ARRAY[7])")
BACK = ('1,x,y,1.5,2.25,2024-01-01 00:00:00.123456,"[{""x"":1,""y"":""q""}]",00 ff,"{""a"":1}",2024-02-03,true,'
        '"{""k"":7}"')

# (statements, what the last one prints without its header, or the start of the error)
STEPS = [
    ("CREATE VIEW v AS SELECT * FROM cloudtrail; SELECT count(*), min(day) FROM v", "2,01"),
    ("SELECT count(*) FROM v WHERE \"$path\" IS NOT NULL", "2"),
    ("CREATE VIEW v AS SELECT 1 AS x", "error: line 1:13: TABLE_ALREADY_EXISTS"),
    ("CREATE VIEW IF NOT EXISTS v AS SELECT 1 AS x; SELECT count(*) FROM v", "2"),
    ("CREATE VIEW cloudtrail AS SELECT * FROM cloudtrail WHERE eventname = 'GetObject'; SELECT count(*) FROM cloudtrail", "1"),
    ("DROP VIEW cloudtrail; SELECT count(*) FROM cloudtrail", "2"),
    ("DROP TABLE cloudtrail", "error: line 1:12: PERMISSION_DENIED"),
    (f"CREATE TABLE t ({TYPES}); INSERT INTO t VALUES ({ROW}); SELECT * FROM t", BACK),
    ("INSERT INTO t (c, a) SELECT 'only', 5; SELECT a, b, c FROM t WHERE a = 5", "5,,only"),
    ("INSERT INTO t (a) VALUES ('one')", "error: line 1:19: TYPE_MISMATCH"),
    ("CREATE UNIQUE INDEX i ON t (a); ALTER TABLE t ADD COLUMNS (z bigint); INSERT INTO t (z, a) VALUES (9, 8); "
     "SELECT a, z FROM t ORDER BY a DESC LIMIT 2", "8,9\n5,"),
    ("CREATE TABLE t2 WITH (format = 'PARQUET') AS SELECT eventname, count(*) AS n FROM v GROUP BY 1; "
     "SELECT * FROM t2 ORDER BY 1", "GetObject,1\nPutObject,1"),
    ("SHOW VIEWS LIKE 'v'", "v"),
    ("SHOW COLUMNS FROM t2", "eventname\nn"),
    ("SHOW TABLES LIKE 't*'", "t\nt2"),
    ("PREPARE p FROM SELECT count(*) FROM v WHERE eventname = ?; EXECUTE p USING 'PutObject'", "1"),
    ("EXECUTE IMMEDIATE 'SELECT ? + 1' USING 4", "5"),
    ("DEALLOCATE PREPARE p; EXECUTE p USING 1", "error: line 1:31: NOT_FOUND"),
    ("CREATE TABLE made (a int); DROP TABLE made; SELECT * FROM made", "error: line 1:59: TABLE_NOT_FOUND"),
    ("DELETE FROM t", "error: line 1:1: NOT_SUPPORTED"),
    ("INSERT INTO cloudtrail SELECT * FROM cloudtrail", "error: line 1:13: PERMISSION_DENIED"),
    ("UNLOAD (SELECT a FROM t) TO 's3://b/../../x/' WITH (format = 'JSON')", "error: INVALID_TABLE_PROPERTY"),
    ("UNLOAD (SELECT a FROM t) TO 's3://b/x/' WITH (format = 'PARQUET')", "error: line 1:1: NOT_SUPPORTED"),
    ("SELECT table_type FROM information_schema.tables WHERE table_name IN ('v', 't') ORDER BY 1", "BASE TABLE\nVIEW"),
]


def main():
    failed = 0

    def check(name, have, want):
        nonlocal failed
        good = have.startswith(want) if want.startswith("error:") else have == want
        failed += not good
        print(f"{'ok' if good else 'not ok'} {name}" + ("" if good else f": {have!r}, wanted {want!r}"))

    with tempfile.TemporaryDirectory() as scratch:
        data = os.path.join(scratch, "data")
        for i, name in enumerate(["GetObject", "PutObject"]):
            path = os.path.join(scratch, f"{i}.json")
            with open(path, "w", encoding="utf-8") as f:
                f.write(EVENT % (name, f"0000000{i}-0000-0000-0000-000000000000"))
            subprocess.run([BIN, "ingest", "-q", "--data", data, path], check=True)

        def run(sql, *words):
            done = subprocess.run([BIN, "sql", "--data", data, "--format", "csv", "--no-header", *words, "-c", sql],
                                  capture_output=True, text=True)
            return done.stderr if done.returncode else done.stdout.rstrip("\n")

        for sql, want in STEPS:
            check(sql[:70], run(sql), want)
        check("an export", run("UNLOAD (SELECT a, b, z FROM t ORDER BY a) TO 's3://bucket/key/' WITH (format = 'JSON', "
                               "compression = 'NONE')"), "")
        files = glob.glob(os.path.join(data, "export", "bucket", "key", "*.json"))
        text = "".join(open(f, encoding="utf-8").read() for f in files)
        check("its lines", text, '{"a":1,"b":"x"}\n{"a":5}\n{"a":8,"z":9}\n')
        session = os.path.join(scratch, "session")
        check("a session's own", run("CREATE VIEW own AS SELECT 7 AS x; CREATE TABLE mine (a int); INSERT INTO mine VALUES 3; "
                                     "USE default", "--session", session), "")
        check("a session taken up again", run("SELECT * FROM own, mine", "--session", session), "7,3")
        check("nobody else's", run("SELECT * FROM own"), "error: line 1:15: TABLE_NOT_FOUND")
        check("as known before", run("SELECT count(*) FROM v", "--as-known-at", "2"), "error: line 1:22: TABLE_NOT_FOUND")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
