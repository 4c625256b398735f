#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""./dev bench query [--quick] [--peers] [--only NAME,...]

The query set (queries.py) over one CloudTrail trail made by multiply.py, by our engine and by DuckDB and ClickHouse, each
loaded in its own process and asked inside it: no client's start, no network. Rounds ask every engine the same statement one
after the other; every second round runs backwards. Milliseconds: median (least - most).

  cold      the first statement of a new process; files are in the page cache
  warm      repeated in a process that has run it before
  prepared  PREPARE once, then EXECUTE (where the engine has it)
  1 thread  warm with one thread; scans over 5 ms should be 1.6 times faster with two

Answers are compared between the engines. ClickHouse runs with use_query_condition_cache = 0. Memory is RssAnon + RssShmem of
the process while a statement runs, and for ours also what the statement itself held."""

import argparse
import csv
import io
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import queries  # noqa: E402
from archive import DataSet, ingest  # noqa: E402
from measure import Failure, Program, Results, Run, Watch, load_now, size_of  # noqa: E402
from multiply import multiply  # noqa: E402

TOP = os.path.dirname(os.path.dirname(HERE))
WORK = os.path.join(TOP, "tests", "work", "bench")
PEERS = os.path.join(TOP, ".tools", "peers")
BYTES_PER_ROW = 1550
SCAN_MS, SCALING = 5, 1.6
TRIVIAL, TRIVIAL_MS = "SELECT 1", 0.3


class Engine:
    """A process that answers statements; `begin` starts it anew."""

    def __init__(self, name, argv, env=None):
        self.name, self.argv, self.env, self.process = name, argv, env, None

    def begin(self):
        self.end()
        self.process = subprocess.Popen(self.argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                        env=dict(os.environ, **(self.env or {})))
        if self.name != "trailhold" and self.process.stdout.readline().strip() != "ready":
            raise Failure(f"{self.name} does not start")

    def ask(self, statement, runs=1, options=""):
        """The answer with `rows` and `memory`, or Failure."""
        watch = Watch(self.process.pid)
        self.process.stdin.write(f"{runs}\t{options}\t{statement}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        peak = watch.stop()
        answer = json.loads(line or '{"error": "the process ended"}')
        if "error" in answer:
            raise Failure(f"{self.name}: {answer['error']}")
        answer["memory"] = peak
        if "csv" in answer:
            csv.field_size_limit(1 << 30)
            answer["rows"] = list(csv.reader(io.StringIO(answer["csv"])))
        return answer

    def end(self):
        if self.process is not None:
            self.process.stdin.close()
            self.process.wait(timeout=60)
            self.process.stdout.close()
            self.process = None


class Bench:
    def __init__(self, args, dataset, results, work):
        self.args, self.set, self.results, self.work = args, dataset, results, work
        parameters = queries.parameters(dataset)
        self.statements = {"trailhold": queries.ours(parameters), "duckdb": queries.duckdb(parameters)}
        self.statements["chdb"] = {name: text + queries.CHDB_SETTINGS for name, text in queries.chdb(parameters).items()}
        self.engines = []

    def load(self):
        self.results.start("load", f"{self.set.events:,} events")
        data = os.path.join(self.work, "data")
        run, summary = ingest(data, [self.set.trail])
        if summary["records"] != self.set.events:
            raise Failure(f"{summary['records']} of {self.set.events} records were loaded")
        self.results.add("trailhold", run.seconds, "s")
        self.results.add("trailhold: data folder", size_of(data) / 1e6, "MB")
        program = shutil.copy(os.path.join(TOP, "zig-out", "bench", "query_bench"), self.work)
        self.engines.append(Engine("trailhold", [program, data]))
        for name in ("duckdb", "chdb") if self.args.peers else ():
            try:
                self.load_peer(name)
            except (Failure, OSError) as failure:
                self.results.say(f"{name} is not there: {str(failure)[-300:]}")
        self.results.show()

    def load_peer(self, name):
        database = os.path.join(self.work, f"{name}.db")
        script = os.path.join(HERE, "query_peers.py")
        run = Run([sys.executable, script, name, "load", self.set.trail, database], env={"PYTHONPATH": PEERS})
        made = json.loads(run.out)
        if made["rows"] != self.set.events:
            raise Failure(f"{made['rows']} of {self.set.events} records were loaded")
        self.results.add(name, made["load_s"], "s")
        self.results.add(f"{name}: database", made["bytes"] / 1e6, "MB")
        self.results.say(f"{name} {made['version']}")
        self.engines.append(Engine(name, [sys.executable, script, name, "ask", database], {"PYTHONPATH": PEERS}))

    def order(self, number):
        return self.engines if number % 2 == 0 else list(reversed(self.engines))

    # what is asked

    def compare(self, name):
        """Every engine's answer equals ours."""
        answers = {engine.name: engine.ask(self.statements[engine.name][name])["rows"] for engine in self.engines}
        ours = answers.pop("trailhold")
        for peer, rows in answers.items():
            same = queries.comparable(name, ours) == queries.comparable(name, rows)
            if same and name == "percentiles" and peer == "chdb":
                same = queries.percentile_values(ours) == queries.percentile_values(rows)
            if not same:
                self.results.fail(name, f"the answer differs from {peer}'s: {str(ours)[:300]} | {str(rows)[:300]}")

    def warm(self):
        for engine in self.engines:
            engine.begin()
        for name in self.args.only:
            self.compare(name)
        for number in range(self.args.rounds):
            for name in self.args.only if number % 2 == 0 else reversed(self.args.only):
                for engine in self.order(number):
                    self.measure(engine, name)
                self.measure(self.engines[0], name, "1 thread", "threads=1")
        for name in self.args.only:
            self.prepared(name)
        self.trivial()
        for engine in self.engines:
            engine.end()

    def measure(self, engine, name, kind="warm", options=""):
        answer = engine.ask(self.statements[engine.name][name], self.args.repeats, options)
        self.results.add(f"{name}: {engine.name} {kind}", statistics.median(answer["seconds"]) * 1e3, "ms")
        if kind == "warm":
            self.results.add(f"{name}: {engine.name} memory", answer["memory"] / 1e6, "MB")
        if kind == "warm" and engine.name == "trailhold":
            self.results.add(f"{name}: held by the statement", answer["peak_bytes"] / 1e6, "MB")
            self.results.add(f"{name}: rows read", answer["rows_read"], "")
            self.results.add(f"{name}: bytes read", answer["bytes_read"] / 1e6, "MB")

    def prepared(self, name):
        ours = self.engines[0]
        try:
            ours.ask(f"PREPARE {name} FROM {self.statements['trailhold'][name]}")
            for _ in range(self.args.rounds):
                answer = ours.ask(f"EXECUTE {name}", self.args.repeats)
                self.results.add(f"{name}: trailhold prepared", statistics.median(answer["seconds"]) * 1e3, "ms")
        except Failure as failure:
            self.results.say(f"{name}: prepared: {failure}")

    def trivial(self):
        answer = self.engines[0].ask(TRIVIAL, 1000)
        for seconds in answer["seconds"]:
            self.results.add("trivial: trailhold warm", seconds * 1e3, "ms")

    def cold(self):
        for number in range(self.args.cold):
            for name in self.args.only:
                for engine in self.order(number):
                    engine.begin()
                    answer = engine.ask(self.statements[engine.name][name])
                    engine.end()
                    self.results.add(f"{name}: {engine.name} cold", answer["seconds"][0] * 1e3, "ms")

    # what came of it

    def median(self, row):
        entry = self.results.section.get(row)
        return statistics.median(entry["values"]) if entry else None

    def spread(self, row):
        values = self.results.section.get(row, {"values": []})["values"]
        return f"{statistics.median(values):.2f} ({min(values):.2f} - {max(values):.2f})" if values else "-"

    def judge(self):
        missed = 0
        for name in self.args.only:
            what, most = queries.QUERIES[name]
            print(f"\n  {name}: {what}", flush=True)
            for engine in self.engines:
                print(f"    {engine.name:10} warm {self.spread(f'{name}: {engine.name} warm')} ms, cold "
                      f"{self.spread(f'{name}: {engine.name} cold')} ms, memory {self.median(f'{name}: {engine.name} memory') or 0:,.0f} MB")
            print(f"    prepared {self.spread(f'{name}: trailhold prepared')} ms; held {self.median(f'{name}: held by the statement'):.1f} MB; "
                  f"rows read {self.median(f'{name}: rows read'):,.0f}, bytes {self.median(f'{name}: bytes read'):.2f} MB")
            missed += self.judge_scaling(name)
            missed += self.judge_ratio(name, most)
        trivial = self.median("trivial: trailhold warm")
        print(f"\n  trivial statement: {trivial:.3f} ms, at most {TRIVIAL_MS}: {verdict(trivial <= TRIVIAL_MS)}")
        print(f"\n  {missed + (trivial > TRIVIAL_MS)} targets missed", flush=True)

    def judge_scaling(self, name):
        one, all_ = self.median(f"{name}: trailhold 1 thread"), self.median(f"{name}: trailhold warm")
        text = f"    1 thread {self.spread(f'{name}: trailhold 1 thread')} ms, of that with all: {one / all_:.2f}x"
        if one <= SCAN_MS:
            print(text)
            return False
        print(f"{text}, at least {SCALING}: {verdict(one / all_ >= SCALING)}")
        return one / all_ < SCALING

    def judge_ratio(self, name, most):
        """Of each round, ours against the best peer's of the same round."""
        peers = [engine.name for engine in self.engines[1:]]
        if not peers:
            return False
        best = min(peers, key=lambda peer: self.median(f"{name}: {peer} warm"))
        ours, theirs = (self.results.section[f"{name}: {engine} warm"]["values"] for engine in ("trailhold", best))
        ratios = sorted(a / b for a, b in zip(ours, theirs))
        ratio = statistics.median(ours) / statistics.median(theirs)
        self.results.add(f"{name}: of the best peer", ratio, "x")
        print(f"    of {best}: {ratio:.2f}x (rounds {ratios[0]:.2f} - {ratios[-1]:.2f}), at most {most}: {verdict(ratio <= most)}", flush=True)
        return ratio > most


def verdict(good):
    return "PASS" if good else "MISS"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="80,000 rows and few rounds, for every day")
    parser.add_argument("--rows", type=int, help="rows to load, about (default 1,000,000)")
    parser.add_argument("--days", type=int, default=12, help="days that the trail spans")
    parser.add_argument("--rounds", type=int, help="warm rounds (default 5)")
    parser.add_argument("--repeats", type=int, default=5, help="runs of a statement in a round, of which the median counts")
    parser.add_argument("--cold", type=int, help="cold rounds (default 3)")
    parser.add_argument("--trail", help="a folder that multiply.py made, instead")
    parser.add_argument("--only", default=",".join(queries.QUERIES), help="queries to ask")
    parser.add_argument("--peers", action="store_true", help="ask DuckDB and ClickHouse (chDB) as well")
    args = parser.parse_args()
    args.rows = args.rows or (80_000 if args.quick else 1_000_000)
    args.rounds = args.rounds or (3 if args.quick else 5)
    args.cold = args.cold if args.cold is not None else (1 if args.quick else 3)
    args.only = args.only.split(",")
    unknown = [name for name in args.only if name not in queries.QUERIES]
    if unknown:
        parser.error(f"no query {', '.join(unknown)}; there are {', '.join(queries.QUERIES)}")
    return args


def trail_of(args):
    if args.trail:
        with open(os.path.join(args.trail, "made.json"), encoding="utf-8") as file:
            return args.trail, json.load(file)
    size = args.rows * BYTES_PER_ROW
    folder = os.path.join(WORK, f"{size // 1_000_000}mb-{args.days}d")
    return folder, multiply(folder, size, os.path.join(os.environ["SHARED"], "data"), days=args.days)


def main():
    args = arguments()
    if "SHARED" not in os.environ and not args.trail:
        print("no ../shared: nothing to multiply")
        return 0
    os.makedirs(WORK, exist_ok=True)
    subprocess.run([os.path.join(TOP, ".tools", "zig"), "build", "bench-programs", "--summary", "none"], cwd=TOP, check=True)
    folder, made = trail_of(args)
    commit = subprocess.run(["git", "-C", TOP, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    about = {"args": vars(args), "commit": commit, "machine": platform.platform(), "cores": os.cpu_count(), "load": load_now()}
    results, start = Results(about, "query"), time.monotonic()
    work = tempfile.mkdtemp(prefix="run-", dir=WORK)
    Program.copy_to(work)
    print(f"commit {commit}, {os.cpu_count()} cores, load {about['load']:.1f}"
          + ("\nthe machine is BUSY: believe ratios, not times" if about["load"] > 0.7 else ""), flush=True)
    try:
        bench = Bench(args, DataSet(folder, made), results, work)
        bench.load()
        results.start("query", f"{made['events']:,} rows; {args.rounds} rounds of {args.repeats} runs")
        bench.warm()
        bench.cold()
        bench.judge()
    except Failure as failure:
        results.fail("query", failure)
    finally:
        for engine in getattr(locals().get("bench"), "engines", ()):
            engine.end()
        shutil.rmtree(work, ignore_errors=True)
        about["load at the end"], about["seconds"] = load_now(), round(time.monotonic() - start, 1)
        results.write(os.path.join(WORK, "results"))
    print(f"{about['seconds']:.0f} s in all, load {about['load at the end']:.1f}" + "".join(f"\nFAILED {f}" for f in results.failures), flush=True)
    return 1 if results.failures else 0


if __name__ == "__main__":
    sys.exit(main())
