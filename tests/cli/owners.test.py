#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Many commands at a time over a folder without a server: whoever comes first owns it and serves the others until its own
command is done. Each of them does what it does alone, whoever ends under it."""

import hashlib
import json
import os
import subprocess
import sys
import tempfile

AT_A_TIME = 16
ROUNDS = 8
failures = 0


def check(what, passed, seen=""):
    global failures
    if not passed:
        failures += 1
        print(f"not ok {what}: {seen}")


def start(data, *words):
    return subprocess.Popen([os.environ["TRAILHOLD_BIN"], *words, "--data", data], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def finish(processes):
    for words, process in processes:
        out, err = process.communicate(timeout=60)
        yield words, process.returncode, out, err


def trail(number):
    records = [{"eventVersion": "1.08", "eventTime": f"2023-07-10T12:{number % 60:02}:{i:02}Z", "eventName": "GetObject",
                "eventSource": "s3.amazonaws.com", "awsRegion": "us-east-1", "recipientAccountId": "111122223333",
                "eventID": f"00000000-0000-0000-{number:04}-{i:012}", "filler": "x" * 3000} for i in range(20)]
    return json.dumps({"Records": records}).encode()


def main():
    with tempfile.TemporaryDirectory() as folder:
        data = os.path.join(folder, "data")
        contents = [trail(n) for n in range(AT_A_TIME * 2)]
        paths = [os.path.join(folder, f"{n}.json") for n in range(len(contents))]
        for path, content in zip(paths, contents):
            with open(path, "wb") as f:
                f.write(content)

        loads = [(path, start(data, "ingest", "-q", "--json", path)) for path in paths]
        for path, status, out, err in finish(loads):
            check(f"loading {path} among others", status == 0 and json.loads(out)["objects"] + json.loads(out)["objects_known"] == 1,
                  (status, out, err))

        for turn in range(ROUNDS):
            runs = []
            for i in range(AT_A_TIME):
                sha = hashlib.sha256(contents[(turn + i) % len(contents)]).hexdigest()
                runs.append((("get", sha), start(data, "object", "get", sha)))
                if i % 4 == 0:
                    runs.append((("count", ""), start(data, "sql", "--no-header", "-c", "SELECT count(*) FROM cloudtrail")))
            for (what, sha), status, out, err in finish(runs):
                if what == "get":
                    check("object get among others", status == 0 and hashlib.sha256(out).hexdigest() == sha, (status, len(out), err))
                else:
                    check("sql among others", (status, out) == (0, f"{len(contents) * 20}\n".encode()), (status, out, err))
    print("ok many commands over one folder" if failures == 0 else f"{failures} of them failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
