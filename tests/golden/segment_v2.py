# SPDX-License-Identifier: Apache-2.0
"""A reader of segment images of version 2, written from docs/FORMAT.md alone. Checksums and filters are not looked at:
Python has no XXH3."""

import base64
import hashlib
import math
import os
import struct
from datetime import datetime, timedelta, timezone

from golden_bytes import Reader, lz4_block, read_layouts

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAGE = 16384
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def signed(value):
    return (value + (1 << 63)) % (1 << 64) - (1 << 63)


def unpack(data, width, count):
    """Packed bits: count values of width bits each, all bytes used."""
    assert len(data) == (width * count + 7) // 8
    number = int.from_bytes(data, "little")
    assert number >> (width * count) == 0
    # By slices: shifting one huge number for every value would cost its square.
    out, step = [], 8 * 64
    for first in range(0, count, step):
        some = min(step, count - first)
        start = first * width // 8
        piece = int.from_bytes(data[start : start + (some * width + 7) // 8], "little")
        out += [piece >> (i * width) & ((1 << width) - 1) for i in range(some)]
    return out


class Payloads:
    """The chunks, and the next payload of a size."""

    def __init__(self, directory, image, end):
        self.shared, self.own = bytearray(), []
        self.limits, at = [], 64
        for _ in range(directory.varint()):
            flags, stored = directory.byte(), directory.varint()
            method = flags & 15
            raw_size = directory.varint() if method else stored
            directory.take(8)
            data = image[at : at + stored]
            at += stored
            if method:
                data = lz4_block(data, raw_size, preset() if method == 2 else b"")
            if flags & 16:
                assert len(data) >= 32768
                self.own.append(data)
            else:
                assert len(data) < 98304
                self.shared += data
                self.limits.append(len(self.shared))
        assert at == end, "chunks do not end where the directory begins"
        self.own_at = self.shared_at = 0

    def take(self, size):
        if size >= 32768:
            self.own_at += 1
            assert len(self.own[self.own_at - 1]) == size
            return self.own[self.own_at - 1]
        begin, self.shared_at = self.shared_at, self.shared_at + size
        assert size == 0 or all(not begin < limit < begin + size for limit in self.limits), "a payload in two chunks"
        return bytes(self.shared[begin : begin + size])

    def end(self):
        assert self.own_at == len(self.own) and self.shared_at == len(self.shared), "bytes that are no payload"


def preset():
    with open(os.path.join(TOP, "src", "segment", "preset1.def"), "rb") as file:
        lines = [line.rstrip(b"\n") for line in file if line.startswith(b'"')]
    text = b"".join(line[1 : line.rindex(b'"')].replace(b'\\"', b'"') for line in lines)
    assert hashlib.sha256(text).hexdigest() == "472b3219099a7173bbf19db6f629c5ab233ea7223544af8c88cf1e46461435b1"
    return text


class Arrays:
    """Descriptions in the directory, with their payloads."""

    def __init__(self, directory, payloads):
        self.directory, self.payloads = directory, payloads
        self.pool, self.labels, self.seen = [], {}, set()

    def payload(self):
        return self.payloads.take(self.directory.varint())

    def pages(self, count, size=PAGE):
        """(values, payload size) of each page; payloads are taken once all sizes are read."""
        sizes = [self.directory.varint() for _ in range((count + size - 1) // size)]
        return [(min(size, count - i * size), self.payloads.take(n)) for i, n in enumerate(sizes)]

    def integers(self, count):
        tag, out = self.directory.byte(), []
        self.seen.add(("integers", tag))
        if tag == 0:
            return [self.directory.zigzag()] * count
        if tag == 3:
            base, width = self.directory.zigzag(), self.directory.byte()
            for rows, data in self.pages(count):
                planes = [data[k * rows : (k + 1) * rows] for k in range(width)]
                assert len(data) == width * rows
                out += [signed(base + sum(plane[i] << 8 * k for k, plane in enumerate(planes))) for i in range(rows)]
            return out
        for rows, data in self.pages(count):
            page = Reader(data)
            if tag == 4:
                value = 0
                for _ in range(rows):
                    value = signed(value + page.zigzag())
                    out.append(value)
            for first in range(0, rows if tag != 4 else 0, 128):
                out += (frame if tag == 1 else differences)(page, min(128, rows - first))
            page.end()
        return out

    def codes(self, count, limit):
        tag, out = self.directory.byte(), []
        self.seen.add(("codes", tag))
        if tag == 0:
            out = [self.directory.varint()] * count
        elif tag == 4:
            runs = Reader(self.payload())
            while len(out) < count:
                code = runs.varint()
                out += [code] * runs.varint()
            runs.end()
        else:
            width = self.directory.byte() if tag == 1 else 0
            for rows, data in self.pages(count):
                if tag == 1:
                    out += unpack(data, width, rows)
                elif tag == 2:
                    out += data
                else:
                    out += [low | high << 8 for low, high in zip(data[:rows], data[rows:])]
        assert len(out) == count and max(out) < limit
        return out

    def array(self, count, depth=1):
        assert depth <= 8 and count > 0
        tag = self.directory.byte()
        self.seen.add(("array", tag))
        values = self.READERS[tag - 1](self, count, depth)
        assert len(values) == count
        return values

    def constant(self, count, _depth):
        return [self.directory.text()] * count

    def text(self, count, _depth):
        sizes = self.integers(count)
        shift, out = self.directory.byte(), []
        for rows, data in self.pages(count, 1 << shift):
            page = Reader(data)
            out += [page.take(sizes[len(out) + i]) for i in range(rows)]
            page.end()
        return out

    def dictionary(self, count, depth):
        entries_count = self.directory.varint()
        entries = self.array(entries_count, depth + 1)
        if all(isinstance(entry, bytes) for entry in entries):
            assert entries == sorted(set(entries))
        codes = self.codes(count, entries_count)
        if self.directory.byte() == 1:
            counts = self.integers(entries_count)
            assert counts == [codes.count(i) for i in range(entries_count)]
        return [entries[code] for code in codes]

    def numbers(self, count, _depth):
        return [str(value).encode() for value in self.integers(count)]

    def times(self, count, _depth):
        form = self.directory.byte()
        return [time_text(form, value) for value in self.integers(count)]

    def uuids(self, count, _depth):
        upper, out = self.directory.byte(), []
        for rows, data in self.pages(count):
            for i in range(rows):
                digits = data[i * 16 : i * 16 + 16].hex()
                text = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
                out.append((text.upper() if upper else text).encode())
        return out

    def hexes(self, count, _depth):
        digits = b"0123456789ABCDEF" if self.directory.byte() else b"0123456789abcdef"
        return self.characters_of(count, digits, 4)

    def characters(self, count, _depth):
        alphabet = bitmap(self.directory.take(32))
        return self.characters_of(count, alphabet, max(1, math.ceil(math.log2(len(alphabet)))))

    def characters_of(self, count, alphabet, width):
        sizes, out = self.integers(count), []
        sizes_at = 0
        for rows, data in self.pages(count):
            some = sizes[sizes_at : sizes_at + rows]
            sizes_at += rows
            page = Reader(bytes(alphabet[place] for place in unpack(data, width, sum(some))))
            out += [page.take(size) for size in some]
        return out

    def base64s(self, count, depth):
        form = self.directory.byte()
        encode = base64.urlsafe_b64encode if form == 2 else base64.b64encode

        def text(value):
            return encode(bytes(value)) if form == 0 else encode(bytes(value)).rstrip(b"=")

        return [late(lambda value=value: text(value), value) for value in self.array(count, depth + 1)]

    def radix(self, count, _depth):
        length = self.directory.varint()
        alphabets = []
        for _ in range(self.directory.varint()):
            size = self.directory.byte()
            alphabets.append(self.directory.take(size) if size else bitmap(self.directory.take(32)))
        positions = [alphabets[self.directory.byte()] for _ in range(length)]
        groups, product = [[]], 1
        for alphabet in positions:
            if product * len(alphabet) > 1 << 63:
                groups.append([])
                product = 1
            product *= len(alphabet)
            groups[-1].append(alphabet)
        widths = [(math.prod(map(len, group)) - 1).bit_length() for group in groups]
        out = []
        for rows, data in self.pages(count):
            assert len(data) == (sum(widths) * rows + 7) // 8
            number = int.from_bytes(data, "little")
            for _ in range(rows):
                value = bytearray()
                for group, width in zip(groups, widths):
                    digits, number = number & ((1 << width) - 1), number >> width
                    for alphabet in group:
                        value.append(alphabet[digits % len(alphabet)])
                        digits //= len(alphabet)
                    assert digits == 0
                out.append(bytes(value))
        return out

    def addresses(self, count, _depth):
        out = []
        for rows, data in self.pages(count):
            out += [".".join(map(str, data[i * 4 : i * 4 + 4])).encode() for i in range(rows)]
        return out

    def split(self, count, depth):
        patterns = self.array(self.directory.varint(), depth + 1)
        codes = self.codes(count, len(patterns))
        shape = [(self.directory.varint(), self.directory.varint()) for _ in patterns]
        tokens = []
        for pattern, (values, width) in zip(patterns, shape):
            assert pattern.count(1) == width
            columns = [self.array(values, depth + 1) for _ in range(width)]
            tokens.append(iter(zip(*columns)) if columns else iter([()] * values))
        return [fill(patterns[code], next(tokens[code])) for code in codes]

    def pick(self, count, depth):
        classes = self.directory.varint()
        codes = self.codes(count, classes)
        sizes = [self.directory.varint() for _ in range(classes)]
        values = [iter(self.array(size, depth + 1)) for size in sizes]
        return [next(values[code]) for code in codes]

    def from_pool(self, count, _depth):
        return [Late(lambda entry=entry: self.pool[entry]) for entry in self.integers(count)]

    def label(self, count, depth):
        label = self.directory.varint()
        assert label > max(self.labels, default=-1)
        self.labels[label] = self.array(count, depth + 1)
        return self.labels[label]

    def copy(self, count, _depth):
        values = self.labels[self.directory.varint()]
        return [values[place] for place in self.integers(count)]

    READERS = (constant, text, dictionary, numbers, times, uuids, hexes, base64s, characters, radix, addresses, split,
               pick, from_pool, label, copy)


class Late:
    """A value that needs the pool, which stands behind the columns."""

    def __init__(self, make):
        self.make = make

    def __bytes__(self):
        return self.make()


def late(make, *values):
    """make() at once when all values are there."""
    return make() if all(isinstance(value, bytes) for value in values) else Late(make)


def fill(pattern, tokens):
    def make():
        parts = pattern.split(b"\x01")
        return parts[0] + b"".join(bytes(token) + part for token, part in zip(tokens, parts[1:], strict=True))

    return late(make, *tokens)


def frame(page, count):
    smallest, width = page.zigzag(), page.byte()
    return [signed(smallest + value) for value in unpack(page.take((width * count + 7) // 8), width, count)]


def differences(page, count):
    out = [page.zigzag()]
    if count > 1:
        smallest, width = page.zigzag(), page.byte()
        for value in unpack(page.take((width * (count - 1) + 7) // 8), width, count - 1):
            out.append(signed(out[-1] + smallest + value))
    return out


def bitmap(data):
    return bytes(c for c in range(256) if data[c >> 3] >> (c & 7) & 1)


def time_text(form, value):
    unit = (1, 1000, 1000000)[form]
    seconds, fraction = divmod(value, unit)
    return (seconds_text(seconds) + ("", f".{fraction:03}", f".{fraction:06}")[form] + "Z").encode()


def seconds_text(seconds):
    if seconds < -62135596800:  # year 0, which Python's calendar lacks: four hundred years later it looks the same
        return "0000" + seconds_text(seconds + 12622780800)[4:]
    return (EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")


class Segment:
    """records, layouts, times (us or None) and zones ((folded, absent, nulls, min, max) a line of the .def) of an image."""

    def __init__(self, image):
        (magic, version, flags, self.rows, self.table, self.raw_bytes, size, at, stored, raw) = struct.unpack_from(
            "<4sHHIIQQQII", image)
        assert (magic, version, size) == (b"THSG", 2, len(image)) and at + stored == len(image) and flags < 2
        self.compact = bool(flags & 1)
        data = image[at:]
        self.directory = Reader(lz4_block(data, raw) if stored < raw else data)
        payloads = Payloads(self.directory, image, at)
        self.arrays = Arrays(self.directory, payloads)
        self.layouts = read_layouts(self.directory, self.rows)
        self.times = self.read_times()
        whole = self.directory.varint()
        self.whole = self.arrays.array(whole) if whole else []
        self.read_template()
        self.read_values()
        self.zones = [self.read_zone() for _ in range(self.directory.varint())]
        for _ in range(self.directory.varint()):
            self.directory.varint()
            assert self.directory.varint() > 0 and len(self.arrays.payload()) % 64 == 0
        self.directory.end()
        payloads.end()
        self.records = self.assemble()

    def read_times(self):
        encoding = self.directory.byte()
        if encoding == 0:
            return [None] * self.rows
        first, last = struct.unpack("<qq", self.directory.take(16))
        if encoding == 1:
            return [first] * self.rows
        without = self.directory.varint()
        has = self.arrays.codes(self.rows, 2) if without else [1] * self.rows
        assert has.count(0) == without
        values = iter(self.arrays.integers(self.rows - without))
        times = [next(values) if one else None for one in has]
        known = [time for time in times if time is not None]
        assert (min(known), max(known)) == (first, last)
        return times

    def read_template(self):
        count = self.directory.varint()
        self.nodes = []
        nodes = Reader(self.arrays.payload() if count else b"")
        for i in range(count):
            parent, kind = nodes.varint(), nodes.byte()
            assert parent <= i and kind <= 2
            self.nodes.append((parent, kind, (nodes.text, lambda: None, nodes.varint)[kind]()))
        nodes.end()
        count = self.directory.varint()
        literals = Reader(self.arrays.payload() if count else b"")
        sizes = [literals.varint() for _ in range(count)]
        self.literals = [literals.take(size) for size in sizes]
        literals.end()
        assert len(set(self.literals)) == count

    def read_values(self):
        columns = [self.read_column() for _ in range(self.directory.varint())]
        count = self.directory.varint()
        data = Reader(self.arrays.payload() if count else b"")
        self.shapes = []
        for _ in range(count):
            slots = [(data.varint(), data.varint()) for _ in range(data.varint())]
            self.shapes.append((slots, data.varint()))
        data.end()
        self.codes = self.arrays.codes(self.rows, count + 1) if count else [0] * self.rows
        residual = self.directory.varint()
        self.residual = self.arrays.array(residual) if residual else []
        pool = self.directory.varint()
        self.arrays.pool = self.arrays.array(pool) if pool else []
        self.columns = columns

    def read_column(self):
        node, kind, count, held = (self.directory.varint(), self.directory.byte(), self.directory.varint(),
                                   self.directory.byte())
        assert node <= len(self.nodes) and count > 0
        self.arrays.seen.add(("column", held))
        if held == 0:
            return kind, held, self.arrays.array(count)
        if held == 1:
            other, m = self.directory.varint(), self.directory.varint()
            codes = self.arrays.codes(count, 2) if m else [0] * count
            assert codes.count(1) == m
            return kind, held, (other, codes, self.arrays.array(m) if m else [])
        return kind, held, count

    def read_zone(self):
        flags, absent, nulls = self.directory.byte(), self.directory.varint(), self.directory.varint()
        texts = (self.directory.text(), self.directory.text()) if flags & 2 else None
        return bool(flags & 1), absent, nulls, texts

    def assemble(self):
        whole, residual = iter(self.whole), iter(self.residual)
        values = [iter(held) if how == 0 else None for _, how, held in self.columns]
        codes = [iter(held[1]) if how == 1 else None for _, how, held in self.columns]
        others = [iter(held[2]) if how == 1 else None for _, how, held in self.columns]
        records = []
        for code in self.codes:
            if code == 0:
                records.append(bytes(next(whole)))
                continue
            slots, last = self.shapes[code - 1]
            # Columns that are referred to come before those that refer to them.
            here = {column: bytes(next(values[column])) for _, column in slots if self.columns[column][1] == 0
                    and [c for _, c in slots].count(column) == 1}
            parts = []
            for literal, column in slots:
                kind, how, held = self.columns[column]
                if column in here:
                    value = here[column]
                elif how == 0:
                    value = bytes(next(values[column]))
                elif how == 1:
                    value = bytes(next(others[column])) if next(codes[column]) else here[held[0]]
                else:
                    value = bytes(next(residual))
                assert kind == 2 or (kind == 0) == self.literals[literal].endswith(b'"')
                parts += [self.literals[literal], value]
            records.append(b"".join(parts) + self.literals[last])
        for left in (whole, residual, *filter(None, values), *filter(None, codes), *filter(None, others)):
            assert next(left, None) is None, "values are left over"
        return records
