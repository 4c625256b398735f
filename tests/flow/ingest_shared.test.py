#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 600
"""Real files of many producers through the loader, judged by what Python's own gzip, hashlib and json say of them:
contents come back with the same SHA-256, records and identities are counted by an independent walk."""

import gzip
import hashlib
import json
import os
import subprocess
import sys
import tempfile

BIN = os.environ["TRAILHOLD_BIN"]
SHARED = os.environ.get("SHARED")
DECODER = json.JSONDecoder()
failures = 0


def report(name, why=None):
    global failures
    failures += why is not None
    print(f"ok {name}" if why is None else f"not ok {name}: {why}", flush=True)


def same(name, got, wanted):
    report(name, None if got == wanted else f"{got!r}, wanted {wanted!r}")


def run(data, *words, codes=(0, 3)):
    done = subprocess.run([BIN, words[0], *words[1:2], "--data", data, *words[2:]], capture_output=True)
    if done.returncode not in codes:
        raise RuntimeError(f"{words}: status {done.returncode}: {done.stderr.decode(errors='replace')[:500]}")
    return done.stdout


def ingest(data, *paths):
    done = subprocess.run([BIN, "ingest", "--data", data, "--no-plugins", "--json", "-q", *paths], capture_output=True)
    if done.returncode not in (0, 3):
        raise RuntimeError(f"ingest: status {done.returncode}: {done.stderr.decode(errors='replace')[:500]}")
    return json.loads(done.stdout)


def sql_count(data, statement):
    done = subprocess.run([BIN, "sql", "--data", data, "--format", "csv", "--no-header", "-c", statement],
                          capture_output=True)
    if done.returncode != 0:
        raise RuntimeError(f"{statement}: {done.stderr.decode(errors='replace')[:500]}")
    return int(done.stdout)


def content_of(path):
    with open(path, "rb") as file:
        content = file.read()
    return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content


def files_below(folder):
    for path, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            yield os.path.join(path, name)


# ---- an independent reading of CloudTrail in JSON ----

def is_record(value):
    if isinstance(value.get("eventID"), str) and isinstance(value.get("insightDetails"), dict):
        return True
    return (isinstance(value.get("eventName"), str) and isinstance(value.get("eventSource"), str)
            and not value["eventSource"].startswith("aws:")
            and (isinstance(value.get("eventID"), str) or isinstance(value.get("eventTime"), str)))


def skip_blank(text, at):
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def elements(text, at):
    """Raw texts of an array's elements; at: behind the bracket."""
    at = skip_blank(text, at)
    while text[at] != "]":
        _, end = DECODER.raw_decode(text, at)
        yield text[at:end]
        at = skip_blank(text, end)
        if text[at] == ",":
            at = skip_blank(text, at + 1)


def members(text):
    """Keys and raw values of an object."""
    at = skip_blank(text, 1)
    while text[at] != "}":
        key, end = DECODER.raw_decode(text, at)
        at = skip_blank(text, skip_blank(text, end) + 1)
        _, end = DECODER.raw_decode(text, at)
        yield key, text[at:end]
        at = skip_blank(text, end)
        if text[at] == ",":
            at = skip_blank(text, at + 1)


def records(raw):
    """Raw CloudTrail records in a JSON value."""
    if raw.startswith("["):
        for element in elements(raw, 1):
            yield from records(element)
        return
    if not raw.startswith("{"):
        return
    value = json.loads(raw)
    if is_record(value):
        yield raw
        return
    text = value.get("CloudTrailEvent")
    if isinstance(text, str) and is_record(json.loads(text)):
        yield text
        return
    for key, inner in members(raw):
        if key == "detail" and isinstance(value.get("detail-type"), str) and isinstance(value["detail"], dict):
            if is_record(value["detail"]):
                yield inner
        elif key in ("Records", "Events", "findings", "Findings", "configurationItems") and inner.startswith("["):
            yield from records(inner)


def cloudtrail_records(content):
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return
    at = skip_blank(text, 0)
    found = []
    while at < len(text):
        try:
            _, end = DECODER.raw_decode(text, at)
        except (json.JSONDecodeError, RecursionError):
            break
        found.extend(records(text[at:end]))
        at = skip_blank(text, end)
    yield from (record.encode("utf-8") for record in found)


def identity(record):
    value = json.loads(record)
    account, event = value.get("recipientAccountId"), value.get("eventID")
    if isinstance(account, str) and isinstance(event, str):
        return account, event
    return hashlib.sha256(record).hexdigest()


def real_trail(work, source):
    data = os.path.join(work, "trail")
    summary = ingest(data, os.path.join(source, "cloudtrail-sans504-s3-lab"))
    same("a real trail: records delivered", summary["records"] + summary["duplicates"], 18672)
    same("a real trail: records stored", summary["records"], 14640)
    same("a real trail: nothing refused", summary["quarantined"], 0)
    same("a real trail: rows of SQL", sql_count(data, "SELECT count(*) FROM cloudtrail"), 14640)
    same("a real trail: delivered copies in SQL", sql_count(data, "SELECT count(*) FROM cloudtrail_deliveries"), 18672)


def everything(work, source):
    data = os.path.join(work, "all")
    wanted, copies = {}, set()
    for path in files_below(source):
        content = content_of(path)
        wanted[path] = (hashlib.sha256(content).hexdigest(), len(content))
        if "/json-testsuite/" not in path:
            copies.update(cloudtrail_records(content))
    summary = ingest(data, source)
    same("every file is a delivery", summary["deliveries"], len(wanted))
    same("each content is stored once", summary["objects"], len({sha for sha, _ in wanted.values()}))
    same("variants", summary["variants"], len(copies) - len({identity(record) for record in copies}))
    same("copies in SQL are distinct records", sql_count(data, "SELECT count(*) FROM cloudtrail_copies"), len(copies))
    same("rows in SQL are distinct identities", sql_count(data, "SELECT count(*) FROM cloudtrail"),
         len({identity(record) for record in copies}))

    listed = {}
    for line in run(data, "object", "list", "--json").splitlines():
        row = json.loads(line)
        for name in row["names"]:
            listed[name] = (row["sha256"], row["size"])
    same("names, hashes and sizes are listed", listed == wanted, True)
    bad = []
    shown = sorted(wanted)[::29]
    for path in shown:
        if hashlib.sha256(run(data, "object", "get", wanted[path][0])).hexdigest() != wanted[path][0]:
            bad.append(path)
    same(f"{len(shown)} contents come back", bad, [])

    again = ingest(data, source)
    same("loaded again: no record", (again["records"], again["variants"], again["quarantined"]), (0, 0, 0))
    same("loaded again: all known", (again["objects"], again["objects_known"]), (0, len(wanted)))
    same("loaded again: only deliveries grow", sql_count(data, "SELECT count(*) FROM objects"), 2 * len(wanted))
    same("loaded again: copies stay", sql_count(data, "SELECT count(*) FROM cloudtrail_copies"), len(copies))


def main():
    if SHARED is None:
        report("no public data beside the repository: nothing to load")
        return 0
    source = os.path.join(SHARED, "data")
    with tempfile.TemporaryDirectory() as work:
        for part in (real_trail, everything):
            try:
                part(work, source)
            except (RuntimeError, ValueError, OSError, KeyError) as error:
                report(part.__name__, repr(error))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
