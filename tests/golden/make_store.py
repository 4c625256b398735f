#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/golden/store-vN, once for each version of the data folder: make_store.py N. The originals are those of store-v1.

It holds files of the compact tier, a large commit in sealed files of its own, and a journal. A folder that was on main is
never made anew."""

import gzip
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
BIN = os.environ["TRAILHOLD_BIN"]


QUARANTINED = 3  # exit status of a load that put something into quarantine


def run(*words, env=None):
    done = subprocess.run([BIN, *words], capture_output=True, env=dict(os.environ, **(env or {})))
    if done.returncode not in (0, QUARANTINED):
        sys.exit(f"{words}: {done.stderr.decode()}")
    return done.stdout


def originals(folder, into):
    """The contents of the first golden folder as files again, trails first and last."""
    data = os.path.join(into, "data-v1")
    shutil.copytree(os.path.join(folder, "data"), data)
    paths = []
    for line in run("object", "list", "--json", "--data", data).splitlines():
        listed = json.loads(line)
        content = run("object", "get", listed["sha256"], "--data", data)
        path = os.path.join(into, "in", listed["names"][0].split("://")[-1].lstrip("/"))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as out:
            out.write(gzip.compress(content, mtime=0) if path.endswith(".gz") else content)
        paths.append(path)
    paths.sort(key=lambda path: ("CloudTrail" not in path, path))
    return paths[1:] + paths[:1]


def main():
    folder = os.path.join(HERE, f"store-v{sys.argv[1]}")
    if os.path.exists(folder):
        sys.exit(f"{folder} is there already")
    with tempfile.TemporaryDirectory() as work:
        paths = originals(os.path.join(HERE, "store-v1"), work)
        data = os.path.join(work, "data")
        third = len(paths) // 3
        run("ingest", *paths[:third], "--data", data)
        run("compact", "--data", data)
        run("ingest", *paths[third:2 * third], "--data", data, env={"TRAILHOLD_TEST_BULK_BYTES": "100"})
        run("ingest", *paths[2 * third:], "--data", data)
        os.makedirs(folder)
        shutil.copytree(data, os.path.join(folder, "data"), ignore=shutil.ignore_patterns("*-lock", "LOCK", "sock"))
    spec = importlib.util.spec_from_file_location("store_test", os.path.join(HERE, "store.test.py"))
    test = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(test)
    with tempfile.TemporaryDirectory() as work:
        data = os.path.join(work, "data")
        shutil.copytree(os.path.join(folder, "data"), data)
        with open(os.path.join(folder, "expected.json"), "w") as out:
            json.dump(test.answers(data), out, indent=1)
            out.write("\n")


if __name__ == "__main__":
    main()
