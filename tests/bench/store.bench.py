#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""./dev bench store [--events N] [--rounds R] [--keep DIR]

Load speed against `zcat` of the same files, interleaved; size on disk against `gzip -6`; peak memory. Every line gives
min / median / max over the rounds. The files are made by multiply.py; --keep DIR makes them there once and leaves them."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from multiply import multiply  # noqa: E402

BIN = os.environ["TRAILHOLD_BIN"]


def show(name, values, unit, digits=1):
    values = sorted(values)
    low, middle, high = values[0], values[len(values) // 2], values[-1]
    print(f"{name:44} {low:12,.{digits}f} / {middle:12,.{digits}f} / {high:12,.{digits}f} {unit}", flush=True)


def size_of(folder):
    return sum(os.lstat(os.path.join(where, name)).st_blocks * 512 for where, _, names in os.walk(folder) for name in names)


def memory_of(pid):
    """RssAnon + RssShmem, bytes."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8") as file:
            lines = [line.split() for line in file if line.startswith(("RssAnon:", "RssShmem:"))]
        return sum(int(line[1]) * 1024 for line in lines)
    except (OSError, IndexError):
        return 0


def timed(argv, **kwargs):
    """Seconds and peak memory of a process that must succeed."""
    start = time.monotonic()
    process = subprocess.Popen(argv, **kwargs)
    peak = [0]

    def watch():
        while process.poll() is None:
            peak[0] = max(peak[0], memory_of(process.pid))
            time.sleep(0.02)

    watcher = threading.Thread(target=watch)
    watcher.start()
    status = process.wait()
    seconds = time.monotonic() - start
    watcher.join()
    if status != 0:
        raise SystemExit(f"{' '.join(argv[:4])}: {status}")
    return seconds, peak[0]


def zcat(folder):
    seconds, _ = timed(["sh", "-c", f"find '{folder}' -name '*.gz' -print0 | xargs -0 zcat"], stdout=subprocess.DEVNULL)
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=500000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keep")
    parser.add_argument("--peers", action="store_true", help="accepted by every benchmark; none here")
    args = parser.parse_args()
    if "SHARED" not in os.environ:
        print("no ../shared: nothing to multiply")
        return 0
    work = tempfile.mkdtemp(prefix="bench-", dir=os.environ.get("TMPDIR"))
    folder = args.keep or os.path.join(work, "in")
    try:
        made_path = os.path.join(folder, "made.json")
        if not os.path.exists(made_path):
            made = multiply(folder, args.events, os.path.join(os.environ["SHARED"], "data"))
            with open(made_path, "w", encoding="utf-8") as file:
                json.dump(made, file)
        with open(made_path, encoding="utf-8") as file:
            made = json.load(file)
        trail = os.path.join(folder, "AWSLogs")
        print(f"{made['events']:,} events in {made['files']:,} files, {made['json_bytes'] / 1e6:,.0f} MB of JSON, "
              f"{made['gzip_bytes'] / 1e6:,.1f} MB gzip -6; {args.rounds} rounds; min / median / max")
        return measure(work, trail, made, args.rounds)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def measure(work, trail, made, rounds):
    plain, load, peak, at_once, compacted, compact = [], [], [], [], [], []
    for number in range(rounds):
        data = os.path.join(work, f"data-{number}")
        plain.append(zcat(trail))
        seconds, memory = timed([BIN, "ingest", "-q", "--no-plugins", "--data", data, trail], stdout=subprocess.DEVNULL)
        load.append(seconds)
        peak.append(memory)
        at_once.append(size_of(data))
        compact.append(timed([BIN, "compact", "--data", data], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)[0])
        compacted.append(size_of(data))
        if number == 0:
            count = subprocess.run([BIN, "sql", "--data", data, "--format", "csv", "-c", "SELECT count(*) FROM cloudtrail"],
                                   capture_output=True, text=True, check=True).stdout.split()[-1]
            if int(count.strip('"')) != made["events"]:
                raise SystemExit(f"{count} events are stored, {made['events']} were given")
        shutil.rmtree(data)
    show("zcat of all files", plain, "s", 2)
    show("ingest", load, "s", 2)
    show("ingest", [made["events"] / s for s in load], "events/s", 0)
    show("ingest", [made["json_bytes"] / 1e6 / s for s in load], "MB/s of JSON")
    show("ingest against zcat", [b / a for a, b in zip(plain, load)], "times", 2)
    show("peak RssAnon + RssShmem", [m / 1e6 for m in peak], "MB")
    show("compact", compact, "s", 2)
    show("disk at once", [s / 1e6 for s in at_once], "MB")
    show("disk at once against gzip -6", [s / made["gzip_bytes"] for s in at_once], "times", 2)
    show("disk after compact", [s / 1e6 for s in compacted], "MB")
    show("disk after compact against gzip -6", [s / made["gzip_bytes"] for s in compacted], "times", 2)
    return 0


if __name__ == "__main__":
    sys.exit(main())
