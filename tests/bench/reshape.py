# SPDX-License-Identifier: Apache-2.0
"""Other deliveries of a multiplied set: the same records shuffled into other objects, and a few large objects. And the sizes
that general compressors reach on it. All are made once and kept beside the set."""

import gzip
import hashlib
import json
import os
import random
import shutil
import subprocess
import time
import zlib

from archive import DataSet
from multiply import split_array

HEAD = b'{"Records":['
LARGE_OBJECT = 32_000_000
LARGE_OBJECTS = 3


def contents(dataset):
    for path, *_ in dataset.objects:
        with gzip.open(path) as file:
            yield file.read()


def records_of(dataset):
    for content in contents(dataset):
        yield from (text.encode() for text in split_array(content.decode(), len(HEAD)))


class Writer:
    """Objects of records with the lists that DataSet reads; the same layout as a delivery."""

    def __init__(self, folder, level=6):
        self.folder, self.level, self.rows = folder, level, []
        shutil.rmtree(folder, ignore_errors=True)
        self.where = "AWSLogs/210987654321/CloudTrail/us-east-1/2026/03/15"
        os.makedirs(f"{folder}/{self.where}")

    def add(self, records):
        body = HEAD + b",".join(records) + b"]}"
        packed = gzip.compress(body, self.level, mtime=0)
        name = f"{self.where}/210987654321_CloudTrail_us-east-1_20260315T0000Z_{len(self.rows):016d}.json.gz"
        with open(f"{self.folder}/{name}", "wb") as file:
            file.write(packed)
        total = sum(int.from_bytes(hashlib.sha256(r).digest(), "big") for r in records) % (1 << 256)
        self.rows.append((name, hashlib.sha256(body).hexdigest(), len(body), len(records), f"{total:x}", len(packed)))

    def done(self):
        made = {"events": sum(r[3] for r in self.rows), "files": len(self.rows), "json_bytes": sum(r[2] for r in self.rows),
                "gzip_bytes": sum(r[5] for r in self.rows)}
        with open(f"{self.folder}/objects.tsv", "w", encoding="utf-8") as file:
            file.writelines("\t".join(map(str, r[:5])) + "\n" for r in self.rows)
        with open(f"{self.folder}/made.json", "w", encoding="utf-8") as file:
            json.dump(made, file)
        return DataSet(self.folder, made)


def kept(folder):
    """A set that is there already, or None."""
    try:
        with open(f"{folder}/made.json", encoding="utf-8") as file:
            return DataSet(folder, json.load(file))
    except (OSError, ValueError):
        return None


def shuffled(dataset):
    folder = f"{dataset.folder}/shuffled"
    found = kept(folder)
    if found is not None:
        return found
    records, luck, writer = list(records_of(dataset)), random.Random(5), Writer(folder)
    luck.shuffle(records)
    at = 0
    while at < len(records):
        size = luck.randint(150, 350)
        writer.add(records[at:at + size])
        at += size
    return writer.done()


def large(dataset):
    folder = f"{dataset.folder}/large"
    found = kept(folder)
    if found is not None:
        return found
    writer, batch, size = Writer(folder), [], 0
    for record in records_of(dataset):
        batch.append(record)
        size += len(record) + 1
        if size >= LARGE_OBJECT:
            writer.add(batch)
            batch, size = [], 0
            if len(writer.rows) == LARGE_OBJECTS:
                break
    if not writer.rows:
        writer.add(batch)
    return writer.done()


def piped(dataset, argv):
    """Bytes of all contents in one stream through a compressor, and its CPU seconds."""
    before = os.times()
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    counted = subprocess.Popen(["wc", "-c"], stdin=process.stdout, stdout=subprocess.PIPE)
    process.stdout.close()
    for content in contents(dataset):
        process.stdin.write(content)
    process.stdin.close()
    size = int(counted.communicate()[0])
    process.wait()
    after = os.times()
    return size, after.children_user - before.children_user


def baseline(dataset):
    """{name: (bytes, CPU seconds)} of gzip -6 a file, gzip -6 and zstd -3 over everything."""
    path = f"{dataset.folder}/baseline.json"
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    seconds = 0.0
    for content in contents(dataset):
        start = time.process_time()
        zlib.compress(content, 6)
        seconds += time.process_time() - start
    sizes = {"gzip -6 per file": (dataset.gzip_bytes, seconds), "gzip -6 solid": piped(dataset, ["gzip", "-6"])}
    if shutil.which("zstd"):
        sizes["zstd -3 solid"] = piped(dataset, ["zstd", "-3", "-q", "-c"])
    with open(path, "w", encoding="utf-8") as file:
        json.dump(sizes, file)
    return sizes
