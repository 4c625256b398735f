#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the tests, two programs at a time, and ends with one line `N passed, N failed`.

A test program prints `ok NAME` or `not ok NAME: why` for each of its tests. There are three kinds:
  unit     zig-out/tests/unit/NAME, built from tests/unit/NAME.c
  replay   zig-out/tests/replay/TARGET over each file of fuzz/corpus/TARGET/
  drivers  tests/FOLDER/NAME.test.py, started with TRAILHOLD_BIN, TMPDIR (removed afterwards) and, where the
           folder ../shared exists, SHARED
A program that ends badly without a `not ok`, that prints no test at all, or that runs longer than its limit
(300 s; a driver may say otherwise: a line `# timeout: SECONDS`) counts as one failure.
"""

import argparse
import concurrent.futures
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DRIVER_FOLDERS = ["cli", "clients", "crash", "flow", "golden", "plugins", "sql"]
TIMEOUT_SECONDS = 300
OUTPUT_BYTES_SHOWN = 20000


class Job:
    def __init__(self, name, argv, timeout=TIMEOUT_SECONDS):
        self.name = name
        self.argv = argv
        self.timeout = timeout
        self.passed = 0
        self.failures = []
        self.output = ""
        self.seconds = 0.0


def unit_jobs(sources, programs):
    return [Job("unit/" + t["name"], [os.path.join(programs, "unit", t["name"])]) for t in sources["tests"]]


def replay_jobs(sources, programs):
    jobs = []
    for target in sources["fuzz"]:
        corpus = os.path.join("fuzz", "corpus", target["name"])
        argv = [os.path.join(programs, "replay", target["name"])]
        jobs.append(Job("replay/" + target["name"], argv + [corpus] if os.path.isdir(corpus) else argv))
    return jobs


def driver_jobs():
    jobs = []
    for folder in DRIVER_FOLDERS:
        path = os.path.join("tests", folder)
        for name in sorted(os.listdir(path)) if os.path.isdir(path) else []:
            if not name.endswith(".test.py"):
                continue
            file = os.path.join(path, name)
            with open(file, encoding="utf-8") as text:
                wanted = re.search(r"^# timeout: (\d+)$", text.read(), re.MULTILINE)
            timeout = int(wanted.group(1)) if wanted else TIMEOUT_SECONDS
            jobs.append(Job(f"{folder}/{name[:-len('.test.py')]}", [sys.executable, file], timeout))
    return jobs


def environment(work):
    env = dict(os.environ, TMPDIR=work, PYTHONDONTWRITEBYTECODE="1", PYTHONUNBUFFERED="1")
    env.setdefault("TRAILHOLD_BIN", os.path.join(TOP, "zig-out", "bin", "trailhold"))
    env["PYTHONPATH"] = os.pathsep.join([os.path.join(TOP, "tests", "run"), os.path.join(TOP, "tests")])
    shared = os.path.join(os.path.dirname(TOP), "shared")
    if os.path.isdir(shared):
        env.setdefault("SHARED", shared)
    return env


def run_program(job, work):
    """Runs job.argv in a session of its own; returns the exit status, or None when it ran out of time."""
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(job.argv, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                                   env=environment(work), start_new_session=True)
        try:
            status = process.wait(job.timeout)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            # Servers that a driver left behind go with it.
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
        out.seek(0)
        job.output = out.read().decode("utf-8", "replace")
    return status


def how_it_ended(status):
    if status == -signal.SIGILL:
        return "ended with an illegal instruction: UBSan; ./dev asan says what and where"
    return f"ended with signal {-status}" if status < 0 else f"ended with status {status}"


def run_job(job):
    started = time.monotonic()
    work = tempfile.mkdtemp(prefix="th-")
    try:
        if not os.path.exists(job.argv[0]):
            job.failures.append("it was not built")
            return job
        status = run_program(job, work)
        for line in job.output.splitlines():
            if line.startswith("ok "):
                job.passed += 1
            elif line.startswith("not ok "):
                job.failures.append(line[len("not ok "):])
        if status is None:
            job.failures.append(f"ran longer than {job.timeout} s")
        elif status != 0 and not job.failures:
            job.failures.append(how_it_ended(status))
        elif job.passed == 0 and not job.failures:
            job.failures.append("printed no test")
    finally:
        shutil.rmtree(work, ignore_errors=True)
        job.seconds = time.monotonic() - started
    return job


def report(job, repeat):
    failed = f", {len(job.failures)} failed" if job.failures else ""
    print(f"{job.name:<40} {job.passed:5} passed{failed}   {job.seconds:.1f} s", flush=True)
    if not job.failures:
        return
    shown = job.output[-OUTPUT_BYTES_SHOWN:]
    if len(shown) < len(job.output):
        shown = "... (cut)\n" + shown
    for line in shown.splitlines():
        print("    | " + line)
    for failure in job.failures:
        print(f"    failed: {failure}")
    print(f"    repeat: {repeat} {job.name}", flush=True)


def choose(jobs, patterns):
    """Programs whose name holds a pattern; when there is none, all unit programs, for tests of that name."""
    if not patterns:
        return jobs
    chosen = [j for j in jobs if any(p in j.name for p in patterns)]
    if chosen:
        return chosen
    chosen = [j for j in jobs if j.name.startswith("unit/")]
    for job in chosen:
        job.argv += patterns
    return chosen


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("patterns", nargs="*", metavar="PATTERN")
    parser.add_argument("--only", choices=["unit", "replay", "drivers"], action="append")
    parser.add_argument("--module", help="only unit tests of this module")
    parser.add_argument("--programs", default="zig-out/tests", help="where the built test programs are")
    parser.add_argument("--failed", action="append", default=[], metavar="STEP", help="a build step that failed")
    parser.add_argument("--repeat", default="./dev test", help="the command that a failure names")
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    os.chdir(TOP)
    with open("zig-out/sources.json", encoding="utf-8") as file:
        sources = json.load(file)
    if args.module:
        sources["tests"] = [t for t in sources["tests"] if t["module"] == args.module]
        sources["fuzz"] = [t for t in sources["fuzz"] if t["module"] == args.module]

    kinds = args.only or ["unit", "replay", "drivers"]
    jobs = []
    if "unit" in kinds:
        jobs += unit_jobs(sources, args.programs)
    if "replay" in kinds:
        jobs += replay_jobs(sources, args.programs)
    if "drivers" in kinds:
        jobs += driver_jobs()
    jobs = choose(jobs, args.patterns)
    by_test = bool(args.patterns) and any(len(j.argv) > 1 for j in jobs if j.name.startswith("unit/"))

    passed = failed = 0
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for done in concurrent.futures.as_completed([pool.submit(run_job, j) for j in jobs]):
            job = done.result()
            if by_test and job.failures == ["printed no test"]:
                continue
            report(job, args.repeat)
            passed += job.passed
            failed += len(job.failures)
    for step in args.failed:
        print(f"failed: {step} did not build (see above)")
        failed += 1
    if passed + failed == 0:
        print("no test was run")
        failed = 1
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
