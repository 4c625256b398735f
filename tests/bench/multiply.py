#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""multiply.py OUT [--events N] [--shared DIR] [--seed S] [--object-events N]

Real CloudTrail events, many times over, as AWS delivers them: gzip'd `Records` objects under AWSLogs/ACCOUNT/CloudTrail/
REGION/YYYY/MM/DD/. Each copy gets ids, access keys and tokens of its own, other accounts, and times moved by whole days, so
that nothing compresses or deduplicates across copies that would not do so in life. The same token of one copy always
becomes the same other token. The same arguments give the same bytes.

Prints one JSON object: events, files, json_bytes, gzip_bytes."""

import argparse
import base64
import datetime
import glob
import gzip
import hashlib
import json
import multiprocessing
import os
import re
import sys

SOURCES = ["cloudtrail-invictus-stratus", "cloudtrail-sans504-s3-lab", "cloudtrail-opensearch-catalog"]
TOKENS = re.compile(
    r'(?P<id>(?<="eventID":")[^"\\]+|(?<="requestID":")[^"\\]+|(?<="sharedEventID":")[^"\\]+)'
    r"|(?P<uuid>\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b)"
    r'|(?P<blob>(?<="x-amz-id-2":")[A-Za-z0-9+/=]+|(?<="sessionToken":")[A-Za-z0-9+/=]+)'
    r"|(?P<key>\b(?:AKIA|ASIA)[A-Z0-9]{12,16}\b)"
    r"|(?P<account>\b[1-9][0-9]{11}\b)"
    r"|(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2}(?=T[0-9]{2}:[0-9]{2}:[0-9]{2}))")
COPIES_A_TASK = 2
ACCOUNT_SETS = 8
DAYS = 365
KEY_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def records_of(path):
    opened = gzip.open if path.endswith(".gz") else open
    with opened(path, "rt", encoding="utf-8") as file:
        text = file.read()
    if path.endswith(".jsonl"):
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    document = json.loads(text)
    return document.get("Records", []) if isinstance(document, dict) else document


def load(shared):
    """Distinct events, in order of time: (account, region, time, pieces). pieces: text, (kind, token), text, ..."""
    seen, events = set(), []
    for source in SOURCES:
        paths = [p for end in ("json", "json.gz", "jsonl") for p in glob.glob(f"{shared}/{source}/**/*.{end}", recursive=True)]
        for path in sorted(paths):
            for record in records_of(path):
                number = record.get("eventID")
                if not isinstance(number, str) or number in seen or not isinstance(record.get("eventTime"), str):
                    continue
                seen.add(number)
                text = json.dumps(record, separators=(",", ":"), ensure_ascii=False)
                account = record.get("recipientAccountId") or record.get("userIdentity", {}).get("accountId") or "999999999999"
                events.append((account, record.get("awsRegion", "us-east-1"), record["eventTime"], split(text)))
    events.sort(key=lambda e: (e[0], e[1], e[2]))
    return events


def split(text):
    pieces, at = [], 0
    for match in TOKENS.finditer(text):
        pieces += [text[at:match.start()], (match.lastgroup, match.group())]
        at = match.end()
    return pieces + [text[at:]]


class Copy:
    """One copy's tokens."""

    def __init__(self, seed, number):
        self.salt = f"{seed}/{number}".encode()
        self.days = datetime.timedelta(days=int.from_bytes(self.digest("days", 4), "big") % DAYS)
        self.accounts = number % ACCOUNT_SETS
        self.known = {}

    def digest(self, text, size):
        return hashlib.blake2b(text.encode(), digest_size=size, key=self.salt[:64]).digest()

    def token(self, kind_and_text):
        made = self.known.get(kind_and_text)
        if made is None:
            made = self.known[kind_and_text] = self.make(*kind_and_text)
        return made

    def make(self, kind, text):
        if kind == "day":
            return (datetime.date.fromisoformat(text) + self.days).isoformat()
        if kind == "account":
            return str(100000000000 + (int(text) - 100000000000 + self.accounts * 7919) % 900000000000)
        if kind == "key":
            return text[:4] + "".join(KEY_LETTERS[b & 31] for b in self.digest(text, len(text) - 4))
        if kind == "blob":
            return self.blob(text)
        return self.same_shape(text)

    def blob(self, text):
        raw = b"".join(self.digest(f"{i}{text}", 48) for i in range(len(text) // 64 + 1))
        body = text.rstrip("=")
        return base64.b64encode(raw).decode()[:len(body)] + text[len(body):]

    def same_shape(self, text):
        """Hex digits where all letters were hex, letters and digits of the same case elsewhere; the rest stays."""
        is_hex = all(c in "0123456789abcdefABCDEF-" for c in text)
        raw = b"".join(self.digest(f"{i}{text}", 32) for i in range(len(text) // 32 + 1))
        made = []
        for c, b in zip(text, raw):
            if not c.isascii() or not c.isalnum():
                made.append(c)
            elif is_hex:
                made.append("0123456789abcdef"[b & 15] if not c.isupper() else "0123456789ABCDEF"[b & 15])
            else:
                made.append("ABCDEFGHJKMNPQRSTVWXYZ0123456789"[b & 31] if c.isupper() or c.isdigit() else chr(97 + b % 26))
        return "".join(made)


def write_object(out, copy, number, key, texts):
    account, region, day = key
    folder = f"{out}/AWSLogs/{account}/CloudTrail/{region}/{day.replace('-', '/')}"
    os.makedirs(folder, exist_ok=True)
    unique = base64.b32encode(copy.digest(f"{number}{key}", 10)).decode()
    body = ('{"Records":[' + ",".join(texts) + "]}").encode()
    packed = gzip.compress(body, 6, mtime=0)
    minute = f"{number // 60 % 24:02d}{number % 60:02d}"
    with open(f"{folder}/{account}_CloudTrail_{region}_{day.replace('-', '')}T{minute}Z_{unique}.json.gz", "wb") as file:
        file.write(packed)
    return len(body), len(packed)


def write_copy(out, events, seed, number, limit, object_events):
    copy = Copy(seed, number)
    made = {"events": 0, "files": 0, "json_bytes": 0, "gzip_bytes": 0}
    texts, open_key = [], None

    def flush():
        if texts:
            sizes = write_object(out, copy, made["files"], open_key, texts)
            made["json_bytes"] += sizes[0]
            made["gzip_bytes"] += sizes[1]
            made["files"] += 1
            texts.clear()

    for account, region, time, pieces in events[:limit]:
        key = (copy.token(("account", account)), region, copy.token(("day", time[:10])))
        if key != open_key or len(texts) == object_events:
            flush()
            open_key = key
        texts.append("".join(p if isinstance(p, str) else copy.token(p) for p in pieces))
        made["events"] += 1
    flush()
    return made


def task(arguments):
    out, shared, seed, copies, object_events = arguments
    events = task.events = getattr(task, "events", None) or load(shared)
    done = [write_copy(out, events, seed, number, limit, object_events) for number, limit in copies]
    return {name: sum(d[name] for d in done) for name in done[0]}


def multiply(out, count, shared, seed=1, object_events=200, processes=2):
    """Write `count` events under out; sums of what was written."""
    per_copy = len(load(shared))
    copies = [(n, min(per_copy, count - n * per_copy)) for n in range(-(-count // per_copy))]
    tasks = [(out, shared, seed, copies[i:i + COPIES_A_TASK], object_events) for i in range(0, len(copies), COPIES_A_TASK)]
    with multiprocessing.Pool(processes) as pool:
        done = pool.map(task, tasks, chunksize=1)
    return {name: sum(d[name] for d in done) for name in done[0]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--events", type=int, default=500000)
    parser.add_argument("--shared", default=os.environ.get("SHARED", "../shared"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--object-events", type=int, default=200, help="most events in one object")
    args = parser.parse_args()
    print(json.dumps(multiply(args.out, args.events, os.path.join(args.shared, "data"), args.seed, args.object_events)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
