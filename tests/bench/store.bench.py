#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""./dev bench store [--quick] [--peers] [--only SECTION,...]

How fast trails load, what memory and disk they take, how fast they come back, and whether they come back exactly, on real
CloudTrail multiplied by multiply.py (made once, in tests/work/bench/). Values: median (min - max, runs). Ratios compare runs
of one round, which follow each other; every second round runs backwards. MB is 10^6 bytes of JSON.

Sections: load (with the peers when asked), same, resplit, http, latency, export, hostile, real, archive (two generated ones,
of a tenth and all of --archive bytes: what an idle server takes, how soon it answers)."""

import argparse
import json
import os
import platform
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import hostile  # noqa: E402
import realsets  # noqa: E402
import reshape  # noqa: E402
from archive import (DataSet, Poster, Server, check_objects, check_records, compact, ingest, object_bytes,  # noqa: E402
                     percentile, segment_sizes)
from measure import Failure, Program, Results, Run, files_of, load_now, size_of, sizes_of  # noqa: E402
from multiply import multiply  # noqa: E402

TOP = os.path.dirname(os.path.dirname(HERE))
WORK = os.path.join(TOP, "tests", "work", "bench")
PEERS = os.path.join(TOP, ".tools", "peers")
ONE, TWO = "0", "0,1"
POSTERS = 4
BATCH = 10
LARGEST_COLUMNS = 12
QUESTIONS = {"count(*)": "SELECT count(*) FROM cloudtrail", "count by day": "SELECT _day, count(*) FROM cloudtrail GROUP BY 1",
             "one event by eventID": "SELECT record FROM cloudtrail WHERE eventid = '00000000-0000-4000-8000-000000000000'"}


class Bench:
    def __init__(self, args, dataset, results, work):
        self.args, self.set, self.results, self.work = args, dataset, results, work
        self.mb = dataset.json_bytes / 1e6

    def folder(self, name):
        path = os.path.join(self.work, name)
        shutil.rmtree(path, ignore_errors=True)
        return path

    def check(self, data, wanted, sample=None):
        """Everything that came back equals what was delivered, or the bench ends here."""
        check_records(data, wanted)
        check_objects(data, wanted, self.args.sample if sample is None else sample)

    def loaded(self, data, paths, wanted, cores, name):
        """Loads, checks the counts, and notes speed and memory under `name`. MB/s: (by the clock, by CPU time)."""
        run, summary = ingest(data, paths, cores=cores)
        if summary["records"] != wanted.events or summary["quarantined"] or summary["variants"]:
            raise Failure(f"{name}: {summary} of {wanted.events} records")
        mb = wanted.json_bytes / 1e6
        self.results.add(f"{name}: wall", run.seconds, "s")
        self.results.add(f"{name}: speed", mb / run.seconds, "MB/s")
        self.results.add(f"{name}: speed by CPU time", mb / run.cpu, "MB/s")
        self.results.add(f"{name}: peak memory", run.peak / 1e6, "MB")
        return mb / run.seconds, mb / run.cpu

    # load: the headline

    def load(self):
        results, args = self.results, self.args
        results.start("load", f"{self.set.events:,} events, {self.set.made['files']:,} objects, {self.mb:,.0f} MB; "
                              f"{args.rounds} rounds")
        for name, (size, seconds) in reshape.baseline(self.set).items():
            results.add(f"{name}: size", size / 1e6, "MB")
            results.add(f"{name}: speed by CPU time", self.mb / seconds, "MB/s")
        steps = [self.zcat, self.load_one, self.load_two] + ([self.duckdb, self.chdb] if args.peers else [])
        for number in range(args.rounds):
            speeds = {}
            for step in steps if number % 2 == 0 else reversed(steps):
                found = speeds[step.__name__] = step()
                if found:
                    print(f"  round {number + 1}: {step.__name__} {found[0]:,.0f} MB/s, {found[1]:,.0f} by CPU time; "
                          f"machine's load {load_now():.1f}", flush=True)
            results.add("2 cores against 1", speeds["load_two"][0] / speeds["load_one"][0], "x")
            peers = [speeds[name] for name in ("duckdb", "chdb") if speeds.get(name)]
            if peers:
                results.add("2 cores against the faster peer", speeds["load_two"][0] / max(p[0] for p in peers), "x")
                results.add("2 cores against the faster peer, by CPU time", speeds["load_two"][1] / max(p[1] for p in peers), "x")
        results.show()

    def zcat(self):
        run = Run(["sh", "-c", f"find '{self.set.trail}' -name '*.gz' -print0 | xargs -0 gzip -dc"], keep_out=False, cores=ONE)
        self.results.add("zcat of all files, 1 core", self.mb / run.seconds, "MB/s")
        self.results.add("zcat of all files: speed by CPU time", self.mb / run.cpu, "MB/s")
        return self.mb / run.seconds, self.mb / run.cpu

    def load_one(self):
        data = self.folder("one")
        speed = self.loaded(data, [self.set.trail], self.set, ONE, "1 core")
        self.check(data, self.set)
        shutil.rmtree(data)
        return speed

    def load_two(self):
        data = self.folder("two")
        speed = self.loaded(data, [self.set.trail], self.set, TWO, "2 cores")
        self.sizes(data, "at once")
        self.whole(data, "at once")
        self.check(data, self.set)
        run = compact(data, cores=TWO)
        self.results.add("compact: wall", run.seconds, "s")
        self.results.add("compact: speed", self.mb / run.seconds, "MB/s")
        self.results.add("compact: speed by CPU time", self.mb / run.cpu, "MB/s")
        self.results.add("compact: peak memory", run.peak / 1e6, "MB")
        self.sizes(data, "after compact")
        self.whole(data, "after compact")
        self.check(data, self.set)
        shutil.rmtree(data)
        return speed

    def whole(self, data, when):
        """How many rows found no shape, and where the bytes are."""
        trail = segment_sizes(data)["cloudtrail"]
        self.results.add(f"rows stored whole {when}", 100 * trail["whole_rows"] / trail["rows"], "%")
        paths = sorted(trail["columns"].items(), key=lambda item: -item[1])
        paths += [("(shapes, keys, literals)", trail["skeleton_bytes"]), ("(values of small columns)", trail["residual_bytes"])]
        for path, size in paths[:LARGEST_COLUMNS] + paths[-2:]:
            self.results.add(f"segments {when}: {path}", size / 1e6, "MB")

    def sizes(self, data, when):
        sizes = sizes_of(data)
        size = sum(sizes.values())
        self.results.add(f"data folder {when}", size / 1e6, "MB")
        for name, (other, _) in reshape.baseline(self.set).items():
            self.results.add(f"data folder {when}, of {name}", size / other, "x")
        for kind, part in sorted(sizes.items()):
            if part >= size / 100:
                self.results.add(f"data folder {when}: {kind}", part / 1e6, "MB")

    def peer(self, engine):
        """MB/s (by the clock, by CPU time) of another engine over the same files, or None when it is not installed."""
        database = self.folder(engine)
        os.makedirs(database)
        run = Run([sys.executable, os.path.join(HERE, "peers.py"), engine, self.set.trail, os.path.join(database, "db")],
                  cores=TWO, env={"PYTHONPATH": PEERS}, accept=None)
        if run.status != 0:
            self.results.say(f"{engine} did not load: {run.err.decode(errors='replace').strip().splitlines()[-1:]}")
            return None
        told = json.loads(run.out.splitlines()[-1])
        if told["rows"] != self.set.events:
            raise Failure(f"{engine} holds {told['rows']} of {self.set.events} rows")
        self.results.about[engine] = told["version"]
        self.results.add(f"{engine}: speed", self.mb / told["load_s"], "MB/s")
        self.results.add(f"{engine}: speed by CPU time", self.mb / told["cpu_s"], "MB/s")
        self.results.add(f"{engine}: peak memory", run.peak / 1e6, "MB")
        self.results.add(f"{engine}: disk", told["bytes"] / 1e6, "MB")
        self.results.add(f"{engine}: disk, of gzip -6 per file", told["bytes"] / self.set.gzip_bytes, "x")
        shutil.rmtree(database)
        return self.mb / told["load_s"], self.mb / told["cpu_s"]

    def duckdb(self):
        return self.peer("duckdb")

    def chdb(self):
        return self.peer("chdb")

    # second deliveries

    def again(self, section, title, other):
        """Loads the set, then `other`, which holds the same records; none may be added."""
        self.results.start(section, title)
        for _ in range(self.args.rounds):
            data = self.folder("again")
            first, by_cpu = self.loaded(data, [self.set.trail], self.set, TWO, "first")
            size = size_of(data)
            run, summary = ingest(data, [other.trail], cores=TWO)
            speed = other.json_bytes / 1e6 / run.seconds
            if summary["records"] != 0 or summary["quarantined"] or summary["variants"]:
                raise Failure(f"{section}: the second load added something: {summary}")
            self.results.add("second: speed", speed, "MB/s")
            self.results.add("second: speed by CPU time", other.json_bytes / 1e6 / run.cpu, "MB/s")
            self.results.add("second against first, by CPU time", other.json_bytes / 1e6 / run.cpu / by_cpu, "x")
            self.results.add("second: peak memory", run.peak / 1e6, "MB")
            self.results.add("second against first", speed / first, "x")
            self.results.add("data folder grew by", (size_of(data) - size) / size, "x")
            self.check(data, self.set)
            if other is not self.set:
                check_objects(data, other, self.args.sample)
            shutil.rmtree(data)
        self.results.show()

    def same(self):
        self.again("same", "the same files again: no record is added", self.set)

    def resplit(self):
        self.again("resplit", "the same records, shuffled into other objects: no record is added", reshape.shuffled(self.set))

    # HTTP

    def http(self):
        self.results.start("http", f"the same objects by POST, {POSTERS} connections, against loading the files")
        for _ in range(self.args.rounds):
            data = self.folder("files")
            by_file, file_cpu = self.loaded(data, [self.set.trail], self.set, TWO, "by file")
            data = self.folder("http")
            server = Server(data)
            todo = queue.SimpleQueue()
            for path, *_ in self.set.objects:
                todo.put(path)
            posters = [Poster(server.address) for _ in range(POSTERS)]
            start = time.monotonic()
            threads = [threading.Thread(target=post_all, args=(poster, todo, self.set.folder)) for poster in posters]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            seconds, cpu = time.monotonic() - start, server.cpu()
            peak = server.stop()
            if sum(p.records for p in posters) != self.set.events:
                raise Failure(f"http: {sum(p.records for p in posters)} of {self.set.events} records")
            self.results.add("by HTTP: speed", self.mb / seconds, "MB/s")
            self.results.add("by HTTP: peak memory of the server", peak / 1e6, "MB")
            self.results.add("by HTTP: speed by the server's CPU time", self.mb / cpu, "MB/s")
            self.results.add("HTTP against files", self.mb / seconds / by_file, "x")
            self.results.add("HTTP against files, by CPU time", self.mb / cpu / file_cpu, "x")
            self.sizes(data, "after HTTP")
            self.check(data, self.set)
            shutil.rmtree(data)
        self.results.show()

    def latency(self):
        count = 200 if self.args.quick else 1000
        self.results.start("latency", f"POST of {BATCH} records until the answer that follows the commit")
        records = []
        for record in reshape.records_of(self.set):
            records.append(record)
            if len(records) == count * BATCH * 2:
                break
        bodies = [reshape.HEAD + b",".join(records[i:i + BATCH]) + b"]}" for i in range(0, len(records), BATCH)]
        server = Server(self.folder("latency"))
        for name, connections in (("1 connection", 1), ("8 connections", 8)):
            todo = queue.SimpleQueue()
            for number in range(min(count, len(bodies) // 2)):
                todo.put((f"{connections}/{number}", bodies.pop()))
            posters = [Poster(server.address) for _ in range(connections)]
            start = time.monotonic()
            threads = [threading.Thread(target=post_bodies, args=(poster, todo)) for poster in posters]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            seconds = [s for p in posters for s in p.seconds]
            self.results.add(f"{name}: commits a second", len(seconds) / (time.monotonic() - start), "a second")
            for share, label in ((0.5, "p50"), (0.99, "p99"), (1, "max")):
                self.results.add(f"{name}: {label}", percentile(seconds, share) * 1e3, "ms")
        self.results.add("peak memory of the server", server.stop() / 1e6, "MB")
        self.results.show()

    # out again

    def export(self):
        self.results.start("export", "originals out again, 1 core")
        big = reshape.large(self.set)
        data, big_data = self.folder("export"), self.folder("export-large")
        ingest(data, [self.set.trail])
        ingest(big_data, [big.trail])
        for when in ("at once", "after compact"):
            for _ in range(self.args.rounds):
                run = Run([Program.path, "object", "export", "--data", data], cores=ONE, keep_out=False)
                self.results.add(f"all originals by object export, {when}", self.mb / run.seconds, "MB/s")
                self.results.add(f"all originals by object export, {when}: by CPU time", self.mb / run.cpu, "MB/s")
                self.results.add(f"all originals by object export, {when}: peak memory", run.peak / 1e6, "MB")
                run = Run([Program.path, "sql", "--data", data, "--format", "ndjson", "-c", "SELECT record FROM cloudtrail"], cores=ONE,
                          keep_out=False)
                self.results.add(f"all records by sql, {when}", self.mb / run.seconds, "MB/s")
                self.results.add(f"all records by sql, {when}: peak memory", run.peak / 1e6, "MB")
                runs = [Run([Program.path, "object", "get", "--data", big_data, digest], cores=ONE, keep_out=False)
                        for _, digest, _, _ in big.objects]
                self.results.add(f"objects of 32 MB by object get, {when}", big.json_bytes / 1e6 / sum(r.seconds for r in runs), "MB/s")
                self.results.add(f"objects of 32 MB by object get, {when}: by CPU time",
                                 big.json_bytes / 1e6 / sum(r.cpu for r in runs), "MB/s")
                self.results.add(f"objects of 32 MB by object get, {when}: peak memory", max(r.peak for r in runs) / 1e6, "MB")
                run = Run([Program.path, "object", "get", "--data", data, self.set.objects[0][1]], cores=ONE, keep_out=False)
                self.results.add(f"one small object, {when}", run.seconds * 1e3, "ms")
                run = Run([Program.path, "verify", "--data", data], cores=ONE)
                self.results.add(f"verify store, {when}", self.mb / run.seconds, "MB/s")
                self.results.add(f"verify store, {when}: peak memory", run.peak / 1e6, "MB")
            check_objects(big_data, big, 0)
            compact(data)
            compact(big_data)
        self.results.show()

    # what comes from outside

    def hostile(self):
        self.results.start("hostile", "odd records: speed, memory, files; every record and object comes back")
        folder = os.path.join(WORK, "hostile")
        for kind in hostile.KINDS:
            try:
                self.hostile_kind(kind, hostile.make(folder, kind))
            except Failure as failure:
                self.results.fail(kind, failure)
            self.results.show(*[row for row in self.results.section if row.startswith(kind)] or ["nothing"])
        data = self.folder("hostile")
        run, summary = ingest(data, [hostile.bombs(folder)], cores=TWO, accept=(0, 1, 3))
        self.results.add("bombs: wall", run.seconds, "s")
        self.results.add("bombs: peak memory", run.peak / 1e6, "MB")
        self.results.add("bombs: data folder", size_of(data) / 1e6, "MB")
        self.results.add("bombs: quarantined", summary.get("quarantined", 0), "records")
        self.results.show("bombs: wall", "bombs: peak memory", "bombs: data folder", "bombs: quarantined")
        if object_bytes(data, "0" * 64)[:6] != b"error:":
            raise Failure("the data folder does not answer after the bombs")

    def hostile_kind(self, kind, odd):
        for _ in range(1 if self.args.quick else 3):
            data = self.folder("hostile")
            self.loaded(data, [odd.trail], odd, TWO, kind)
            self.results.add(f"{kind}: data folder, of gzip -6 per file", size_of(data) / odd.gzip_bytes, "x")
            self.results.add(f"{kind}: files", files_of(data), "files")
            self.check(data, odd, 0)
            run = compact(data, cores=TWO)
            self.results.add(f"{kind}: compact", run.seconds, "s")
            self.results.add(f"{kind}: compact, peak memory", run.peak / 1e6, "MB")
            self.check(data, odd, 0)

    def real(self):
        self.results.start("real", "real files, not multiplied: data folder against gzip -6 of each delivered file")
        for name, path in realsets.SETS.items():
            self.folder("real")
            realsets.measure_set(self.results, name, os.path.join(os.environ["SHARED"], "data", path), self.work)


    # a large archive at rest

    def archive(self):
        sizes = (self.args.archive // 10, self.args.archive)
        self.results.start("archive", f"generated trails of {sizes[0] / 1e9:g} and {sizes[1] / 1e9:g} GB: a server that nobody asks, its first answers")
        for size in sizes:
            name, data = f"{size / 1e9:g} GB", self.folder("archive")
            made = subprocess.Popen([Program.path, "generate", "--seed", "7", "--days", "365", "--size", str(size), "-o", "-"],
                                    stdout=subprocess.PIPE)
            start = time.monotonic()
            load = subprocess.run([Program.path, "ingest", "-q", "--json", "--no-plugins", "--data", data, "-"], stdin=made.stdout,
                                  stdout=subprocess.PIPE, check=False)
            made.stdout.close()
            if made.wait() != 0 or load.returncode != 0:
                raise Failure(f"the archive of {name} could not be made")
            self.results.add(f"{name}: made and loaded by pipe", size / 1e6 / (time.monotonic() - start), "MB/s")
            self.results.add(f"{name}: data folder", size_of(data) / 1e6, "MB")
            self.at_rest(name, data, json.loads(load.stdout)["records"])
            shutil.rmtree(data)
        self.results.show()

    def at_rest(self, name, data, records):
        for _ in range(self.args.rounds):
            start = time.monotonic()
            server = Server(data)
            count, _ = server.ask("SELECT count(*) FROM cloudtrail")
            self.results.add(f"{name}: start to the first answer, count(*)", (time.monotonic() - start) * 1e3, "ms")
            if str(records) not in count.decode():
                raise Failure(f"{name}: {count!r} of {records} records")
            for label, statement in QUESTIONS.items():
                self.results.add(f"{name}: {label}", server.ask(statement)[1] * 1e3, "ms")
            time.sleep(self.args.idle)
            self.results.add(f"{name}: server that was left alone for {self.args.idle} s", server.memory() / 1e6, "MB")
            server.stop()


def post_all(poster, todo, folder):
    while True:
        try:
            path = todo.get_nowait()
        except queue.Empty:
            return
        with open(path, "rb") as file:
            poster.post(os.path.relpath(path, folder), file.read())


def post_bodies(poster, todo):
    while True:
        try:
            name, body = todo.get_nowait()
        except queue.Empty:
            return
        poster.post(name, body)


# (section, row, least or most, value): what the product promises, on an otherwise idle machine of two cores.
TARGETS = [("load", "1 core: speed", "least", 250), ("load", "2 cores: speed", "least", 400), ("load", "2 cores against 1", "least", 1.6),
           ("load", "2 cores against the faster peer", "least", 1.5), ("load", "2 cores: peak memory", "most", 300), ("load", "compact: peak memory", "most", 300),
           ("load", "data folder at once, of gzip -6 per file", "most", 0.92),
           ("load", "data folder after compact, of gzip -6 per file", "most", 0.70),
           ("same", "second against first", "least", 2), ("resplit", "second against first", "least", 0.5),
           ("http", "HTTP against files", "least", 0.6),
           ("load", "1 core: peak memory", "most", 300), ("load", "rows stored whole at once", "most", 1),
           ("load", "rows stored whole after compact", "most", 1),
           ("load", "2 cores against the faster peer, by CPU time", "least", 1.5), ("http", "by HTTP: peak memory of the server", "most", 300)]
TARGETS += [("export", f"{what}, {when}{how}", "least", 500) for what in ("all originals by object export", "objects of 32 MB by object get")
            for when in ("at once", "after compact") for how in ("", ": by CPU time")]
TARGETS += [("hostile", f"{kind}: speed{how}", "least", 20) for kind in hostile.KINDS for how in ("", " by CPU time")]
TARGETS += [("hostile", f"{kind}: peak memory", "most", 300) for kind in hostile.KINDS]
TARGETS += [("real", f"{name}: segments after compact, of gzip", "most", 1.0 if "Config" in name else 0.9) for name in realsets.SETS]
SECTIONS = ["load", "same", "resplit", "http", "latency", "export", "hostile", "real", "archive"]


def archive_targets(args):
    for size in (args.archive // 10, args.archive):
        name = f"{size / 1e9:g} GB"
        yield ("archive", f"{name}: server that was left alone for {args.idle} s", "most", 60)
        yield ("archive", f"{name}: start to the first answer, count(*)", "most", 200)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="100 MB and 2 rounds, for every day")
    parser.add_argument("--bytes", type=int, help="JSON to load (default 1,000,000,000)")
    parser.add_argument("--rounds", type=int, help="repeats (default 5)")
    parser.add_argument("--days", type=int, default=12, help="days that the trail spans")
    parser.add_argument("--sample", type=int, help="objects compared after a load, 0 for all; records always all (default 200)")
    parser.add_argument("--archive", type=int, help="JSON of the large archive (default 30,000,000,000)")
    parser.add_argument("--idle", type=int, help="seconds that its server is left alone (default 45)")
    parser.add_argument("--only", default=",".join(SECTIONS), help="sections to run")
    parser.add_argument("--peers", action="store_true", help="DuckDB and chDB load the same files in the same rounds")
    args = parser.parse_args()
    args.bytes = args.bytes or (100_000_000 if args.quick else 1_000_000_000)
    args.rounds = args.rounds or (2 if args.quick else 5)
    args.sample = args.sample if args.sample is not None else (20 if args.quick else 200)
    args.archive = args.archive or (300_000_000 if args.quick else 30_000_000_000)
    args.idle = args.idle or (1 if args.quick else 45)
    args.only = args.only.split(",")
    unknown = [name for name in args.only if name not in SECTIONS]
    if unknown:
        parser.error(f"no section {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    return args


def main():
    args = arguments()
    if "SHARED" not in os.environ:
        print("no ../shared: nothing to multiply")
        return 0
    subprocess.run([os.path.join(TOP, ".tools", "zig"), "build", "bench-programs", "--summary", "none"], cwd=TOP, check=True)
    folder = os.path.join(WORK, f"{args.bytes // 1_000_000}mb-{args.days}d")
    made = multiply(folder, args.bytes, os.path.join(os.environ["SHARED"], "data"), days=args.days)
    commit = subprocess.run(["git", "-C", TOP, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    about = {"args": vars(args), "commit": commit, "machine": platform.platform(), "cores": os.cpu_count(), "load": load_now()}
    results, start = Results(about), time.monotonic()
    work = tempfile.mkdtemp(prefix="run-", dir=WORK)
    Program.copy_to(work)
    print(f"commit {commit}, {os.cpu_count()} cores, load {about['load']:.1f}; {made['json_bytes'] / 1e6:,.0f} MB of JSON in "
          f"{made['files']:,} objects over {args.days} days, gzip -6 {made['gzip_bytes'] / 1e6:,.1f} MB"
          + ("\nthe machine is BUSY: believe ratios and CPU time, not speeds" if about["load"] > 0.7 else ""), flush=True)
    try:
        bench = Bench(args, DataSet(folder, made), results, work)
        for section in SECTIONS:
            if section in args.only:
                try:
                    getattr(bench, section)()
                except Failure as failure:
                    results.show()
                    results.fail(section, failure)
    finally:
        shutil.rmtree(work, ignore_errors=True)
        results.judge([*TARGETS, *archive_targets(args)])
        about["seconds"] = round(time.monotonic() - start, 1)
        results.write(os.path.join(WORK, "results"))
    print(f"{about['seconds']:.0f} s in all" + "".join(f"\nFAILED {failure}" for failure in results.failures), flush=True)
    return 1 if results.failures else 0


if __name__ == "__main__":
    sys.exit(main())
