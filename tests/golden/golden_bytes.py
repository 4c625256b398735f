# SPDX-License-Identifier: Apache-2.0
"""Bytes of stored data as docs/FORMAT.md has them: varints, texts, LZ4 blocks, the layouts of a segment's rows."""

import struct


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        assert size <= len(self.data) - self.at, "bytes are missing"
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

    def zigzag(self):
        value = self.varint()
        return (value >> 1) ^ -(value & 1)

    def text(self):
        return self.take(self.varint())

    def end(self):
        assert self.at == len(self.data), "bytes are left over"


def read_layouts(directory, row_count):
    """The layout of each row, of either version."""
    names = [directory.text() for _ in range(directory.varint())]
    rows = []
    for _ in range(directory.varint() if names else 0):
        name, count = directory.varint(), directory.varint()
        rows += [names[name]] * count
    return rows or [b""] * row_count


def lz4_block(data, raw_size, before=b""):
    out, reader = bytearray(before), Reader(data)

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
    assert len(out) == raw_size + len(before)
    return bytes(out[len(before):])
