# SPDX-License-Identifier: Apache-2.0
"""Real files as they are, not multiplied: what segments and the data folder take against gzip -6 of each delivered file."""

import gzip
import hashlib
import os

from archive import compact, ingest, object_bytes, segment_sizes
from measure import Failure, sizes_of

SETS = {"trail, red team (807 events)": "cloudtrail-invictus-stratus",
        "trail, role crawling S3 (840)": "cloudtrail-opensearch-catalog",
        "trail, busy log bucket (18,672)": "cloudtrail-sans504-s3-lab",
        "ASFF findings (731)": "findings-defectdojo/asff/prowler-output.asff.json",
        "ASFF control findings (84 files)": "findings-asff-controls",
        "Config items (53)": "config-items-rdk"}
CHECKED = 150
NOT_RECORDS = ("contents", "objects", "leaves")


def files_under(path):
    if os.path.isfile(path):
        return [path]
    return sorted(os.path.join(where, name) for where, _, names in os.walk(path) for name in names)


def content_of(path):
    with open(path, "rb") as file:
        content = file.read()
    return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content


def measure_set(results, name, path, work):
    files = files_under(path)
    texts = [content_of(file) for file in files]
    packed = sum(len(gzip.compress(text, 6, mtime=0)) for text in texts)
    data = os.path.join(work, "real")
    _, summary = ingest(data, [path], accept=(0, 3))
    at_once = sizes_of(data)
    compact(data)
    after, tables = sizes_of(data), segment_sizes(data)
    all_segments = sum(t["stored_bytes"] for t in tables.values())
    records = sum(t["stored_bytes"] for name, t in tables.items() if name not in NOT_RECORDS)
    step = max(1, len(texts) // CHECKED)
    for text in texts[::step]:
        digest = hashlib.sha256(text).hexdigest()
        if hashlib.sha256(object_bytes(data, digest)).hexdigest() != digest:
            raise Failure(f"{name}: {digest} did not come back")
    results.add(f"{name}: records", summary["records"], "records")
    results.add(f"{name}: JSON", sum(map(len, texts)) / 1e3, "KB")
    results.add(f"{name}: gzip -6 per file", packed / 1e3, "KB")
    results.add(f"{name}: folder at once, of gzip", sum(at_once.values()) / packed, "x")
    results.add(f"{name}: folder after compact, of gzip", sum(after.values()) / packed, "x")
    results.add(f"{name}: segments after compact, of gzip", all_segments / packed, "x")
    results.add(f"{name}: segments of records alone, of gzip", records / packed, "x")
    results.show(*[row for row in results.section if row.startswith(name)])
    results.say(f"after compact: segments {all_segments / 1e3:,.1f} KB ("
                + ", ".join(f"{kind} {t['stored_bytes'] / 1e3:,.1f}" for kind, t in sorted(tables.items()))
                + f"); page rounding, trees of pages, catalog {(sum(after.values()) - all_segments) / 1e3:,.0f} KB ("
                + ", ".join(f"{kind} {size / 1e3:,.0f}" for kind, size in sorted(after.items())) + ")")
