# SPDX-License-Identifier: Apache-2.0
"""Loads that a store must survive: each a few objects of valid CloudTrail records of one odd kind, or a bomb. Made once."""

import datetime
import gzip
import json
import os
import random
import string
import zlib

from reshape import Writer, kept

KIND_BYTES = 24_000_000
OBJECT_BYTES = 6_000_000


def event(number, **more):
    return {"eventVersion": "1.09", "userIdentity": {"type": "IAMUser", "accountId": "210987654321", "userName": f"u{number % 9}"},
            "eventTime": f"2026-03-{1 + number % 5:02d}T10:{number // 60 % 60:02d}:{number % 60:02d}Z",
            "eventSource": "ec2.amazonaws.com", "eventName": "RunInstances", "awsRegion": "eu-central-1",
            "eventID": f"00000000-0000-4000-8000-{number:012d}", "recipientAccountId": "210987654321", **more}


def word(luck, size):
    return "".join(luck.choices(string.ascii_letters, k=size))


def one_shape_a_row(luck, number):
    keys = [word(luck, luck.randint(3, 12)) for _ in range(luck.randint(8, 30))]
    return event(number, requestParameters={key: luck.choice([1, "x", True, None, {}, [], [1, {"y": 2}]]) for key in keys})


def wide_record(luck, number):
    return event(number, requestParameters={f"key{number}x{i}": i for i in range(100_000)})


def long_strings(luck, number):
    return event(number, requestParameters={"text": word(luck, 256 * 1024)})


def dates(luck, number):
    day = datetime.date(1900, 1, 1) + datetime.timedelta(days=number % 100_000)
    return event(number, eventTime=f"{day.isoformat()}T10:00:00Z")


def odd_text(luck, number):
    text = "".join(chr(luck.choice([luck.randint(32, 126), luck.randint(0x80, 0x7ff), luck.randint(0x4e00, 0x9fff),
                                    luck.randint(0x1f300, 0x1faff), luck.randint(0, 31)])) for _ in range(200))
    return event(number, requestParameters={text[:20]: text, "n": luck.choice([0.5, -0.0, 1e300, 10**25])})


KINDS = {"one shape a row": one_shape_a_row, "100,000 keys a record": wide_record, "256 KiB strings": long_strings,
         "100,000 dates": dates, "odd text and numbers": odd_text}
COUNTS = {"100,000 dates": 100_000}


def make(folder, kind):
    """The DataSet of one kind."""
    where = f"{folder}/{kind.replace(' ', '-').replace(',', '')}"
    found = kept(where)
    if found is not None:
        return found
    luck, writer, batch, size, total, number = random.Random(kind), Writer(where), [], 0, 0, 0
    while number < COUNTS[kind] if kind in COUNTS else total < KIND_BYTES:
        text = json.dumps(KINDS[kind](luck, number), separators=(",", ":"), ensure_ascii=number % 2 == 0).encode()
        number += 1
        batch.append(text)
        size += len(text)
        total += len(text)
        if size >= OBJECT_BYTES:
            writer.add(batch)
            batch, size = [], 0
    if batch:
        writer.add(batch)
    return writer.done()


def bombs(folder):
    """A folder of small files that want to be large or deep."""
    where = f"{folder}/bombs"
    if os.path.isdir(where):
        return where
    os.makedirs(where + ".new")
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = b"0" * (1 << 20)
    with open(f"{where}.new/zeros.json.gz", "wb") as file:
        file.write(b"".join(packer.compress(block) for _ in range(2048)) + packer.flush())
    twice = gzip.compress(gzip.compress(block * 64, 9, mtime=0), 9, mtime=0)
    for name, content in [("twice.json.gz", twice), ("deep.json", b"[" * 2_000_000), ("deep-object.json", b'{"a":' * 500_000),
                          ("open-string.json", b'{"Records":[{"a":"' + b"x" * 30_000_000),
                          ("cut.json.gz", gzip.compress(block * 8, 6, mtime=0)[:-9])]:
        with open(f"{where}.new/{name}", "wb") as file:
            file.write(content)
    os.rename(where + ".new", where)
    return where
