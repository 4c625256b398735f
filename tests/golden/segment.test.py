#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A reader of segments written from docs/FORMAT.md alone, over the golden images of each format version: it shares no code
with the program. segment-v1/NAME.records has a line for each row: its layout, a tab, the record. (Checksums are not
looked at: Python has no XXH3.)"""

import glob
import json
import os
import re
import struct
import sys
import uuid
from datetime import datetime, timedelta, timezone

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TABLES = {1: "cloudtrail", 5: "vpc_flow"}
ABSENT, NULL, STRING, JSON = range(4)
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        assert size <= len(self.data) - self.at
        self.at += size
        return self.data[self.at - size : self.at]

    def byte(self):
        return self.take(1)[0]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def text(self):
        return self.take(self.varint())

    def end(self):
        assert self.at == len(self.data), "bytes are left over"


def lz4_block(data, raw_size):
    out, reader = bytearray(), Reader(data)

    def length(nibble):
        if nibble == 15:
            while (more := reader.byte()) == 255:
                nibble += 255
            nibble += more
        return nibble

    while True:
        token = reader.byte()
        out += reader.take(length(token >> 4))
        if reader.at == len(data):
            break
        distance = struct.unpack("<H", reader.take(2))[0]
        for _ in range(length(token & 15) + 4):
            out.append(out[-distance])
    assert len(out) == raw_size
    return bytes(out)


class Segment:
    def __init__(self, image):
        (magic, version, flags, self.rows, table, self.raw_bytes, size, at, directory_size) = struct.unpack_from(
            "<4sHHIIQQQQ", image)
        assert (magic, version, flags, size) == (b"THSG", 1, 0, len(image)) and at + directory_size == len(image)
        self.table = TABLES[table]
        self.image, self.chunk_at = image, 64
        self.directory = Reader(image[at:])
        self.records = self.read_records()
        self.layouts = self.read_layouts()
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

    def read_layouts(self):
        names = [self.directory.text() for _ in range(self.directory.varint())]
        rows = []
        for _ in range(self.directory.varint() if names else 0):
            name, count = self.directory.varint(), self.directory.varint()
            rows += [names[name]] * count
        return rows or [b""] * self.rows

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


def check(path):
    with open(path, "rb") as file:
        segment = Segment(file.read())
    with open(path.removesuffix(".segment") + ".records", "rb") as file:
        rows = [line.split(b"\t", 1) for line in file.read().splitlines()]
    assert segment.records == [record for _, record in rows], "records differ"
    assert segment.layouts == [layout for layout, _ in rows], "layouts differ"
    assert sum(map(len, segment.records)) == segment.raw_bytes
    with open(os.path.join(TOP, "src", "model", "columns", segment.table + ".def"), encoding="utf-8") as file:
        paths = re.findall(r'^STORED\(\w+, "([^"]*)"\)', file.read(), re.M)
    seen = set()
    for name, (encoding, values) in zip(paths, segment.columns):
        seen.add(encoding)
        for row, (layout, record) in enumerate(rows):
            wanted = line_cell(record, layout, name) if layout else json_cell(record, name)
            assert values[row] == wanted, f"{name} of row {row}: {values[row]}, wanted {wanted}"
    for row, (layout, record) in enumerate(rows):
        start = line_cell(record, layout, "start")[1] if layout else None
        text = json_cell(record, "eventTime")[1].decode() if not layout else ""
        time = int(start) if start else int(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp())
        assert segment.times[row] == time * 1000000, f"time of row {row}"
    return seen


def main():
    failed, seen = False, set()
    for path in sorted(glob.glob(os.path.join(TOP, "tests", "golden", "segment-v*", "*.segment"))):
        name = os.path.relpath(path, os.path.join(TOP, "tests", "golden"))
        try:
            seen |= check(path)
            print(f"ok {name}")
        except (AssertionError, IndexError, KeyError, ValueError) as error:
            failed = True
            print(f"not ok {name}: {type(error).__name__}: {error}")
    every = seen == set(range(6))
    print("ok every encoding occurs" if every else f"not ok every encoding occurs: only {sorted(seen)}")
    return 1 if failed or not every else 0


if __name__ == "__main__":
    sys.exit(main())
