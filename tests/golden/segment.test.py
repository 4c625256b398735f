#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Readers of segments written from docs/FORMAT.md alone, over the golden images of each format version: they share no code
with the program. segment-vN/NAME.records has a line for each row of NAME[-TIER].segment: its layout, a tab, the record. (Checksums are not
looked at: Python has no XXH3.)"""

import glob
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import uuid
from datetime import datetime, timedelta, timezone

import segment_v2
from golden_bytes import Reader, lz4_block, read_layouts

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TABLES = {1: "cloudtrail", 2: "config_items", 5: "vpc_flow"}
ABSENT, NULL, STRING, JSON = range(4)
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class SegmentV1:
    def __init__(self, image):
        (magic, version, flags, self.rows, table, self.raw_bytes, size, at, directory_size) = struct.unpack_from(
            "<4sHHIIQQQQ", image)
        assert (magic, version, flags, size) == (b"THSG", 1, 0, len(image)) and at + directory_size == len(image)
        self.table = TABLES[table]
        self.image, self.chunk_at = image, 64
        self.directory = Reader(image[at:])
        self.records = self.read_records()
        self.layouts = read_layouts(self.directory, self.rows)
        self.times = self.read_times()
        self.columns = [self.read_column() for _ in range(self.directory.varint())]
        self.directory.end()
        assert self.chunk_at == at

    def chunk(self):
        stored, raw = self.directory.varint(), self.directory.varint()
        self.directory.take(8)
        data = self.image[self.chunk_at : self.chunk_at + stored]
        self.chunk_at += stored
        return Reader(lz4_block(data, raw) if stored < raw else data)

    def read_records(self):
        records = []
        for _ in range(self.directory.varint()):
            rows = self.directory.varint()
            block = self.chunk()
            sizes = [block.varint() for _ in range(rows)]
            records += [block.take(size) for size in sizes]
            block.end()
        return records

    def integers(self, chunk):
        kinds = chunk.take(self.rows)
        unit = (1, 1000, 1000000)[chunk.byte()]
        values, before = [], 0
        for kind in kinds:
            if kind >= STRING:
                folded = chunk.varint()
                before += (folded >> 1) ^ -(folded & 1)
            values.append((kind, before * unit))
        chunk.end()
        return values

    def read_times(self):
        encoding = self.directory.byte()
        if encoding == 0:
            return [None] * self.rows
        first, last = struct.unpack("<qq", self.directory.take(16))
        if encoding == 1:
            return [first] * self.rows
        times = [value if kind else None for kind, value in self.integers(self.chunk())]
        known = [time for time in times if time is not None]
        assert (min(known), max(known)) == (first, last)
        return times

    def texts(self, chunk, count):
        kinds = chunk.take(count)
        sizes = [chunk.varint() if kind >= STRING else 0 for kind in kinds]
        values = [(kind, chunk.take(size)) for kind, size in zip(kinds, sizes)]
        chunk.end()
        return values

    def read_column(self):
        flags = self.directory.byte()
        absent, nulls = self.directory.varint(), self.directory.varint()
        zone = (self.directory.text(), self.directory.text()) if flags & 32 else None
        values = self.READERS[flags & 15](self)
        kinds = [kind for kind, _ in values]
        assert (kinds.count(ABSENT), kinds.count(NULL), len(values)) == (absent, nulls, self.rows)
        if zone is not None:
            texts = [text for kind, text in values if kind >= STRING]
            assert zone == (min(texts), max(texts))
        return flags & 15, values

    def read_absent(self):
        return [(ABSENT, b"")] * self.rows

    def read_constant(self):
        return [(self.directory.byte(), self.directory.text())] * self.rows

    def read_dictionary(self):
        count = self.directory.varint()
        entries = self.texts(self.chunk(), count)
        assert entries == sorted(set(entries))
        codes = self.chunk()
        low = codes.take(self.rows)
        high = codes.take(self.rows) if count > 256 else bytes(self.rows)
        codes.end()
        return [entries[a | b << 8] for a, b in zip(low, high)]

    def read_plain(self):
        return self.texts(self.chunk(), self.rows)

    def read_uuids(self):
        chunk = self.chunk()
        kinds = chunk.take(self.rows)
        values = [(k, str(uuid.UUID(bytes=chunk.take(16))).encode() if k == STRING else b"") for k in kinds]
        chunk.end()
        return values

    def read_integers(self):
        form = self.directory.byte()
        return [(kind, integer_text(form, value) if kind >= STRING else b"")
                for kind, value in self.integers(self.chunk())]

    READERS = (read_absent, read_constant, read_dictionary, read_plain, read_uuids, read_integers)


def integer_text(form, value):
    if form != 0:
        return str(value).encode()
    time = (EPOCH + timedelta(microseconds=value)).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = value % 1000000
    if fraction:
        time += f".{fraction:06}" if fraction % 1000 else f".{fraction // 1000:03}"
    return (time + "Z").encode()


def step_into(value, name):
    if not isinstance(value, dict):
        return None, False
    if name in value:
        return value[name], True
    for key in value:
        if key.lower() == name.lower():
            return value[key], True
    return None, False


def json_cell(record, path):
    found = [json_cell_at(record, alternative) for alternative in path.split("|")]
    return next((cell for cell in found if cell[0] >= STRING), max(found))


def json_cell_at(record, path):
    value = json.loads(record)
    for name in path.split("."):
        value, found = step_into(value, name)
        if not found:
            return ABSENT, b""
    if value is None:
        return NULL, b""
    return (STRING, value.encode()) if isinstance(value, str) else (JSON, json.dumps(value).encode())


def line_cell(record, layout, path):
    fields = dict(zip(layout.split(b" "), record.split(b" ")))
    value = fields.get(path.encode())
    if value is None:
        return ABSENT, b""
    return (NULL, b"") if value == b"-" else (STRING, value)


def read_rows(path):
    with open(re.sub(r"(-fast|-compact)?\.segment$", ".records", path), "rb") as file:
        return [line.split(b"\t", 1) for line in file.read().splitlines()]


def paths_of(table):
    with open(os.path.join(TOP, "src", "model", "columns", table + ".def"), encoding="utf-8") as file:
        return re.findall(r'^STORED\(\w+, "([^"]*)"\)', file.read(), re.M)


def check_records(segment, rows):
    assert segment.records == [record for _, record in rows], "records differ"
    assert segment.layouts == [layout for layout, _ in rows], "layouts differ"
    assert sum(map(len, segment.records)) == segment.raw_bytes
    for row, (layout, record) in enumerate(rows):
        start = line_cell(record, layout, "start")[1] if layout else None
        text = json_cell(record, "eventTime|configurationItemCaptureTime")[1].decode() if not layout else ""
        time = int(start) if start else int(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp())
        assert segment.times[row] == time * 1000000, f"time of row {row}"


def cells(rows, path):
    return [line_cell(record, layout, path) if layout else json_cell(record, path) for layout, record in rows]


def check_v1(image, rows):
    segment = SegmentV1(image)
    check_records(segment, rows)
    for name, (_, values) in zip(paths_of(segment.table), segment.columns):
        for row, wanted in enumerate(cells(rows, name)):
            assert values[row] == wanted, f"{name} of row {row}: {values[row]}, wanted {wanted}"
    return {encoding for encoding, _ in segment.columns}


def check_v2(image, rows):
    segment = segment_v2.Segment(image)
    check_records(segment, rows)
    for name, (folded, absent, nulls, texts) in zip(paths_of(TABLES[segment.table]), segment.zones):
        values = cells(rows, name)
        kinds = [kind for kind, _ in values]
        assert (kinds.count(ABSENT), kinds.count(NULL)) == (absent, nulls), f"counts of {name}"
        if texts is not None:
            found = [text for kind, text in values if kind >= STRING]
            assert texts == (min(found), max(found)), f"zone of {name}"
        assert not folded, name
    return segment.arrays.seen | {("tier", segment.compact)}


CHECKS = {1: check_v1, 2: check_v2}
# Every encoding that a version has occurs in some golden image of it.
EVERY = {
    1: set(range(6)),
    2: {("array", tag) for tag in range(1, 17)} | {("codes", tag) for tag in range(5)}
    | {("integers", tag) for tag in range(5)} | {("column", held) for held in range(3)}
    | {("tier", False), ("tier", True)},
}


def check_image(name, path, rows_path, seen):
    """Whether the reader of the version that the image says it is finds the rows in it."""
    with open(path, "rb") as file:
        image = file.read()
    version = image[4]
    try:
        seen[version] |= CHECKS[version](image, read_rows(rows_path))
        print(f"ok {name}")
        return True
    except (AssertionError, IndexError, KeyError, ValueError) as error:
        print(f"not ok {name}: {type(error).__name__}: {error}")
        return False


def check_todays():
    """A format that changes without another version number is read wrongly here."""
    good = True
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([os.path.join(TOP, "zig-out", "tests", "unit", "segment_golden"), "todays_images"], check=True,
                       env=dict(os.environ, TH_GOLDEN_OUT=folder), stdout=subprocess.DEVNULL)
        paths = sorted(glob.glob(os.path.join(folder, "*.segment")))
        for path in paths:
            name = os.path.basename(path)
            rows = os.path.join(TOP, "tests", "golden", "segment-v2", name)
            good &= check_image(f"today's {name}", path, rows, {version: set() for version in EVERY})
    print("ok today's images are there" if len(paths) == 4 else "not ok today's images are there")
    return good and len(paths) == 4


def main():
    failed, seen = False, {version: set() for version in EVERY}
    for path in sorted(glob.glob(os.path.join(TOP, "tests", "golden", "segment-v*", "*.segment"))):
        failed |= not check_image(os.path.relpath(path, os.path.join(TOP, "tests", "golden")), path, path, seen)
    failed |= not check_todays()
    for version, every in EVERY.items():
        missing = sorted(every - seen[version])
        failed |= bool(missing)
        print(f"not ok every encoding of version {version} occurs: {missing} do not" if missing
              else f"ok every encoding of version {version} occurs")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
