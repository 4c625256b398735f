# SPDX-License-Identifier: Apache-2.0
"""What every section of the bench uses: processes with their seconds, CPU and peak memory, sizes on disk, tables and the
result file. Memory is RssAnon + RssShmem: the mapped pages of a data folder are the page cache's, not the program's."""

import json
import os
import shutil
import statistics
import subprocess
import threading
import time

SAMPLE_EVERY = 0.01


class Program:
    """The program under measurement: a copy, for a build in the middle of a run would change what is measured. No plugin lies
    beside a copy, so a server does what `ingest --no-plugins` does."""

    path = os.environ["TRAILHOLD_BIN"]
    sizes = os.path.join(os.path.dirname(os.path.dirname(path)), "bench", "store_sizes")

    @classmethod
    def copy_to(cls, folder):
        cls.path = shutil.copy(cls.path, os.path.join(folder, "trailhold"))
        if os.path.exists(cls.sizes):
            cls.sizes = shutil.copy(cls.sizes, os.path.join(folder, "store_sizes"))


class Failure(Exception):
    """The program did something wrong: shown and kept, and the bench goes on with what does not need it."""


def memory_of(pid):
    """RssAnon + RssShmem, bytes; 0 for a process that is gone."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8") as file:
            lines = [line.split() for line in file if line.startswith(("RssAnon:", "RssShmem:"))]
        return sum(int(line[1]) * 1024 for line in lines)
    except (OSError, IndexError):
        return 0


class Watch:
    """Samples a process until it is told to stop."""

    def __init__(self, pid):
        self.pid, self.peak, self.over = pid, 0, threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.over.wait(SAMPLE_EVERY):
            self.peak = max(self.peak, memory_of(self.pid))

    def stop(self):
        self.over.set()
        self.thread.join()
        self.peak = max(self.peak, memory_of(self.pid))
        return self.peak


class Run:
    """A process that ran to its end: seconds, cpu (seconds), peak (bytes), status, out, err."""

    def __init__(self, argv, cores=None, env=None, keep_out=True, accept=(0,), limit=3600):
        if cores:
            argv = ["taskset", "-c", cores, *argv]
        self.argv = argv
        before, start = os.times(), time.monotonic()
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE if keep_out else subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, env=dict(os.environ, **(env or {})))
        watch = Watch(process.pid)
        try:
            self.out, self.err = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise Failure(f"{' '.join(argv)}: not done after {limit} s") from None
        finally:
            self.peak = watch.stop()
        self.seconds, after = time.monotonic() - start, os.times()
        self.cpu = after.children_user + after.children_system - before.children_user - before.children_system
        self.status = process.returncode
        if accept and self.status not in accept:
            raise Failure(f"{' '.join(argv)}: exit {self.status}\n{self.err.decode(errors='replace')[-2000:]}")


def sizes_of(folder):
    """Allocated bytes by part of the data folder: a table's partitions, journal, catalog and the rest."""
    sizes = {}
    for where, _, names in os.walk(folder):
        parts = os.path.relpath(where, folder).split(os.sep)
        for name in names:
            kind = f"parts/{parts[1]}" if parts[0] == "parts" and len(parts) > 1 else parts[0]
            if kind == ".":
                kind = name.split(".")[0]
            sizes[kind] = sizes.get(kind, 0) + os.lstat(os.path.join(where, name)).st_blocks * 512
    return sizes


def size_of(folder):
    return sum(sizes_of(folder).values())


def files_of(folder):
    return sum(len(names) for _, _, names in os.walk(folder))


class Results:
    """Values by section and row: shown as they come, kept for the file."""

    def __init__(self, about, name="store"):
        self.name, self.about, self.sections, self.section, self.failures = name, about, {}, None, []

    def start(self, section, title):
        self.section = self.sections.setdefault(section, {})
        print(f"\n{section}: {title}", flush=True)

    def add(self, row, value, unit):
        entry = self.section.setdefault(row, {"unit": unit, "values": []})
        entry["values"].append(value)

    def show(self, *rows):
        """min / median / max of these rows, or of all of the section."""
        for row in rows or self.section:
            entry = self.section.get(row)
            if entry is None or entry["unit"] == "text":
                continue
            values, unit = sorted(entry["values"]), entry["unit"]
            form = "{:,.3f}" if unit in ("x", "s") else "{:,.0f}" if unit in ("", "records", "files") else "{:,.1f}"
            text = [form.format(v) for v in (values[0], statistics.median(values), values[-1])]
            shown = text[1] if len(values) == 1 else f"{text[1]}  ({text[0]} - {text[2]}, {len(values)} runs)"
            print(f"  {row:56} {shown} {unit}", flush=True)

    def judge(self, targets):
        """Medians against (section, row, least or most, value)."""
        print("\ntargets (medians)", flush=True)
        for section, row, side, wanted in targets:
            entry = self.sections.get(section, {}).get(row)
            if entry is not None:
                value = statistics.median(entry["values"])
                good = value >= wanted if side == "least" else value <= wanted
                print(f"  {section + ': ' + row:56} {value:,.2f} {entry['unit']}, at {side} {wanted:g}: "
                      f"{'PASS' if good else 'FAIL'}", flush=True)

    def say(self, text):
        print(f"  {text}", flush=True)
        self.section.setdefault("notes", {"unit": "text", "values": []})["values"].append(text)

    def fail(self, where, why):
        print(f"  FAILED {where}: {why}", flush=True)
        self.failures.append(f"{where}: {why}")

    def write(self, folder):
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, time.strftime(f"{self.name}-%Y%m%dT%H%M%S.json"))
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"about": self.about, "failures": self.failures, "sections": self.sections}, file, indent=1)
        print(f"\nresult file: {path}", flush=True)


def load_now():
    with open("/proc/loadavg", encoding="utf-8") as file:
        return float(file.read().split()[0])
