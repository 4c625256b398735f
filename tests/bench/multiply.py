#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""multiply.py OUT [--bytes N] [--days D] [--shared DIR] [--seed S] [--processes P]

Real CloudTrail events, many times over, as AWS delivers them: gzip'd `Records` objects under AWSLogs/ACCOUNT/CloudTrail/
REGION/YYYY/MM/DD/. Each copy gets ids, keys, tokens, resource ids and random suffixes of its own, times moved to a day of
its own, and the accounts of one of eight organisations, so that nothing compresses or deduplicates across copies that
would not do so in life; what repeats within a copy still does, and names stay. The same arguments give the same bytes.

OUT/made.json tells events, files, json_bytes and gzip_bytes; OUT/objects.tsv every object's path, content SHA-256, size,
records and the sum of the records' SHA-256. A folder that was made with the same arguments is not made again."""

import argparse
import base64
import calendar
import glob
import gzip
import hashlib
import json
import multiprocessing
import operator
import os
import random
import shutil
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from tokens import ALPHABETS, LAST_OF_PAD, Corpus  # noqa: E402

SOURCES = ["cloudtrail-sans504-s3-lab", "cloudtrail-invictus-stratus", "cloudtrail-opensearch-catalog",
           "cloudtrail-stratus-detonations", "cloudtrail-traildiscover", "cloudtrail-flaws-slice"]
VERSION = 4
FIRST_DAY = calendar.timegm((2026, 3, 2, 0, 0, 0)) // 86400
ACCOUNT_SETS = 8
OBJECT_EVENTS = (150, 350)
TABLES = {name: bytes(ord(letters[i % len(letters)]) for i in range(256)) for name, letters in ALPHABETS.items()}


def texts_of(path):
    """Texts of the records of one file, as they stand in it; files written for people are written as AWS delivers."""
    opened = gzip.open if path.endswith(".gz") else open
    with opened(path, "rt", encoding="utf-8") as file:
        text = file.read()
    if path.endswith(".jsonl"):
        return [line.strip() for line in text.splitlines() if line.strip()]
    if text.startswith('{"Records":['):
        return split_array(text, len('{"Records":['))
    document = json.loads(text)
    records = document.get("Records", [document]) if isinstance(document, dict) else document
    return [json.dumps(r, separators=(",", ":"), ensure_ascii=False) for r in records]


def split_array(text, at):
    decoder, found = json.JSONDecoder(), []
    while text[at] != "]":
        _, end = decoder.raw_decode(text, at)
        found.append(text[at:end])
        at = end + 1 if text[end] == "," else end
    return found


class Events:
    """Distinct events of all sets: in order of account, region, day and time, with the parts of each."""

    def __init__(self, shared):
        self.corpus, seen, rows, first = Corpus(), set(), [], {}
        for source in SOURCES:
            for path in sorted(p for end in ("json", "json.gz", "jsonl", "json.cloudtrail")
                               for p in glob.glob(f"{shared}/{source}/**/*.{end}", recursive=True)):
                for text in texts_of(path):
                    record = json.loads(text)
                    number, when = record.get("eventID"), str(record.get("eventTime"))
                    if not isinstance(number, str) or number in seen or len(when) != 20:
                        continue
                    try:
                        seconds = calendar.timegm(time.strptime(when, "%Y-%m-%dT%H:%M:%SZ"))
                    except ValueError:
                        continue
                    seen.add(number)
                    day = seconds // 86400
                    first[source] = min(first.get(source, day), day)
                    account = record.get("recipientAccountId") or record.get("userIdentity", {}).get("accountId")
                    account = account if isinstance(account, str) and account.isdigit() and len(account) == 12 else "999999999999"
                    rows.append((account, record.get("awsRegion", "us-east-1"), (source, day), seconds, text))
        rows.sort(key=lambda r: (r[0], r[1], r[2], r[3]))
        self.groups = sorted({r[2] for r in rows})
        index = {group: i for i, group in enumerate(self.groups)}
        self.days = [(day, day - first[source]) for source, day in self.groups]  # (its date, day of its set)
        self.rows = []
        for account, region, group, seconds, text in rows:
            ids = self.corpus.split(text, index[group])
            self.rows.append((account, region, index[group], seconds, operator.itemgetter(*ids, ids[0]), ids))
        self.bytes = sum(len(r[4]) + 1 for r in rows)


class Copy:
    """One copy's parts: the corpus with every token made anew."""

    def __init__(self, events, seed, number, days):
        self.random = random.Random(f"{seed}/{number}")
        self.account_set = number % ACCOUNT_SETS
        late = self.random.randrange(86400)
        self.moves = [(FIRST_DAY + (of_set + number) % days - day) * 86400 + late for day, of_set in events.days]
        self.made, nested = list(events.corpus.parts), []
        wanted = {name: 0 for name in ALPHABETS}
        for part in self.made:
            if part[0] == "chars":
                wanted[part[1]] += len(part[2])
        self.pools = {name: self.random.randbytes(size).translate(TABLES[name]) for name, size in wanted.items()}
        self.used = dict.fromkeys(ALPHABETS, 0)
        for index, part in enumerate(self.made):
            if isinstance(part, tuple):
                if part[0] == "b64text":
                    nested.append(index)
                else:
                    self.made[index] = getattr(self, part[0])(*part[1:])
        for index in nested:
            self.made[index] = base64.b64encode(b"".join(map(self.made.__getitem__, self.made[index][1])))

    def chars(self, alphabet, text, pad):
        at = self.used[alphabet]
        end = self.used[alphabet] = at + len(text)
        made = self.pools[alphabet][at:end]
        if pad:
            made = made[:-pad - 1] + self.random.choice(LAST_OF_PAD[pad]).encode() + b"=" * pad
        return made

    def uuid(self, text):
        made = self.random.randbytes(16).hex()
        return f"{made[:8]}-{made[8:12]}-{text[14]}{made[13:16]}-{text[19]}{made[17:20]}-{made[20:]}".encode()

    def fresh(self, text):
        return self.uuid("00000000-0000-4000-8000-000000000000")

    def account(self, text):
        return self.account_text(text).encode()

    def account_text(self, text):
        return f"{(int(text) + self.account_set * 79190007919) % 10**12:012d}"

    def time(self, form, seconds, group):
        return time.strftime(form, time.gmtime(seconds + self.moves[group])).encode()


def write_object(out, copy, where, texts, last):
    account, region = where
    at = time.gmtime(last + 300 - last % 300)
    account = copy.account_text(account)
    folder = f"AWSLogs/{account}/CloudTrail/{region}/{time.strftime('%Y/%m/%d', at)}"
    unique = copy.random.randbytes(16).translate(TABLES["base62"]).decode()
    name = f"{folder}/{account}_CloudTrail_{region}_{time.strftime('%Y%m%dT%H%MZ', at)}_{unique}.json.gz"
    os.makedirs(f"{out}/{folder}", exist_ok=True)
    body = b'{"Records":[' + b",".join(texts) + b"]}"
    packed = gzip.compress(body, 6, mtime=0)
    with open(f"{out}/{name}", "wb") as file:
        file.write(packed)
    total = sum(int.from_bytes(hashlib.sha256(text).digest(), "big") for text in texts) % (1 << 256)
    return name, hashlib.sha256(body).hexdigest(), len(body), len(texts), f"{total:x}", len(packed)


def write_copy(out, events, seed, number, days):
    copy = Copy(events, seed, number, days)
    objects, texts, where, limit, last = [], [], None, 0, 0
    for account, region, group, seconds, parts, _ in events.rows:
        key = (account, region, group)
        if key != where or len(texts) == limit:
            if texts:
                objects.append(write_object(out, copy, where[:2], texts, last))
            texts, where, limit = [], key, copy.random.randint(*OBJECT_EVENTS)
        texts.append(b"".join(parts(copy.made)[:-1]))
        last = seconds + copy.moves[group]
    objects.append(write_object(out, copy, where[:2], texts, last))
    return objects


def check_copy(out, events, objects, strict):
    """Each record must parse, and have the names and the shape of the one it was made from."""
    rows = iter(events.rows)
    for name, *_ in objects if strict else objects[:3]:
        with gzip.open(f"{out}/{name}") as file:
            records = json.loads(file.read())["Records"]
        for record in records:
            _, region, _, _, _, ids = next(rows)
            plain = b"".join(p if isinstance(p, bytes) else b"0" for p in map(events.corpus.parts.__getitem__, ids))
            if record["eventID"].encode() in plain:
                raise SystemExit(f"{name}: event {record['eventID']} is not new")
            if record["awsRegion"] != region or f'"eventName":"{record["eventName"]}"'.encode() not in plain:
                raise SystemExit(f"{name}: {record['eventName']} in {record['awsRegion']} was made from {plain[:300]}")


def task(arguments):
    out, shared, seed, number, days = arguments
    events = task.events = getattr(task, "events", None) or Events(shared)
    objects = write_copy(out, events, seed, number, days)
    check_copy(out, events, objects, number % 16 == 0)
    return objects


def multiply(out, size, shared, seed=1, days=12, processes=2):
    """At least `size` bytes of JSON under out (whole copies); returns what made.json holds."""
    out = os.path.abspath(out)
    wanted = {"version": VERSION, "size": size, "seed": seed, "days": days}
    try:
        with open(f"{out}/made.json", encoding="utf-8") as file:
            made = json.load(file)
        if made["wanted"] == wanted:
            return made
    except (OSError, ValueError, KeyError):
        pass
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    start = time.monotonic()
    events = task.events = Events(shared)
    count = -(-size // events.bytes)
    with multiprocessing.Pool(processes) as pool:  # the children inherit the corpus
        objects = sum(pool.imap(task, [(out, shared, seed, n, days) for n in range(count)], chunksize=1), [])
    with open(f"{out}/objects.tsv", "w", encoding="utf-8") as file:
        file.writelines("\t".join(map(str, o[:5])) + "\n" for o in objects)
    made = {"wanted": wanted, "copies": count, "events": sum(o[3] for o in objects), "files": len(objects),
            "json_bytes": sum(o[2] for o in objects), "gzip_bytes": sum(o[5] for o in objects),
            "days": days, "seconds": round(time.monotonic() - start, 1)}
    with open(f"{out}/made.json", "w", encoding="utf-8") as file:
        json.dump(made, file)
    return made


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--bytes", type=int, default=1_000_000_000)
    parser.add_argument("--days", type=int, default=12)
    parser.add_argument("--shared", default=os.environ.get("SHARED", "../shared"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    print(json.dumps(multiply(args.out, args.bytes, os.path.join(args.shared, "data"), args.seed, args.days, args.processes)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
