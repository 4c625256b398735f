#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fuzzes with libFuzzer under AddressSanitizer and UBSan, two targets at a time.

Each target is fuzz/TARGET.c with its corpus in fuzz/corpus/TARGET/ and, when there is one, fuzz/TARGET.dict. What a run
learns stays in fuzz/work/TARGET/corpus/, so the next run goes on from there; a find is kept in fuzz/work/TARGET/finds/.
--canary builds with TH_FUZZ_CANARY, which seeds one bug a target, and fails when a bug is not found within its time.
Ends with one line `N passed, N failed`."""

import argparse
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TOP, "tests", "run"))
from clangbuild import Builder  # noqa: E402

SANITIZE = ["-fno-sanitize-recover=all", "-fsanitize=address,undefined"]
CANARY_SECONDS = 120
INPUT_SECONDS = 25
MEMORY_MIB = 3072
printing = threading.Lock()


def say(text):
    with printing:
        print(text, flush=True)


def folders(target):
    work = os.path.join("fuzz", "work", target)
    made = {name: os.path.join(work, name) for name in ("corpus", "finds")}
    for path in made.values():
        os.makedirs(path, exist_ok=True)
    made["log"] = os.path.join(work, "log")
    made["cpu"] = os.path.join(work, "cpu_seconds")
    return made


def libfuzzer(program, target, seconds, corpus, finds, log):
    """One run. Returns (exit status, CPU seconds)."""
    argv = ["setarch", "-R", program, f"-max_total_time={max(1, int(seconds))}", f"-timeout={INPUT_SECONDS}",
            f"-rss_limit_mb={MEMORY_MIB}", f"-artifact_prefix={finds}/", "-print_final_stats=1", "-use_value_profile=1"]
    if os.path.exists(f"fuzz/{target}.dict"):
        argv.append(f"-dict=fuzz/{target}.dict")
    argv.append(corpus)
    if os.path.isdir(f"fuzz/corpus/{target}"):
        argv.append(f"fuzz/corpus/{target}")
    env = dict(os.environ, ASAN_OPTIONS="detect_stack_use_after_return=1:allocator_may_return_null=1",
               UBSAN_OPTIONS="print_stacktrace=1")
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_utime + usage.ru_stime


def last_count(text, pattern):
    found = re.findall(pattern, text)
    return found[-1] if found else "?"


def read_number(path):
    try:
        with open(path, encoding="utf-8") as file:
            return float(file.read())
    except (OSError, ValueError):
        return 0.0


def fuzz(program, target, minutes):
    """Fuzzes for that much CPU time; True when nothing was found."""
    at = folders(target)
    spent, status, runs = 0.0, 0, 0
    total = read_number(at["cpu"])
    with open(at["log"], "w+", encoding="utf-8", errors="replace") as log:
        while status == 0 and spent < minutes * 60 - 1:
            begin = log.seek(0, os.SEEK_END)
            status, cpu = libfuzzer(program, target, minutes * 60 - spent, at["corpus"], at["finds"], log)
            spent += max(cpu, 0.5)
            with open(at["cpu"], "w", encoding="utf-8") as file:
                file.write(f"{total + spent:.0f}\n")
            log.seek(begin)
            text = log.read()
            count = last_count(text, r"stat::number_of_executed_units:\s+(\d+)")
            runs += int(count) if count.isdigit() else 0
    covered = last_count(text, r"cov: (\d+)")
    kept = len(os.listdir(at["corpus"]))
    summary = (f"{target}: {runs} runs in {spent / 60:.1f} CPU minutes ({(total + spent) / 60:.1f} over all runs), "
               f"{covered} edges, {kept} inputs kept")
    if status == 0:
        say(f"ok {summary}")
        return True
    # An interrupted child is not a find; its report would name an input.
    finding = last_count(text, r"Test unit written to (\S+)")
    reason = last_count(text, r"SUMMARY: (.*)")
    say(f"not ok {summary}\n    {reason}\n    input: {finding}\n    all of it: {at['log']}\n"
        f"    repeat: {program} {finding}")
    return False


def canary(program, target):
    """True when the seeded bug is found from the committed corpus in time."""
    with tempfile.TemporaryDirectory(prefix="th-canary-") as work:
        for name in ("corpus", "finds"):
            os.mkdir(os.path.join(work, name))
        started = time.monotonic()
        with open(os.path.join(work, "log"), "w+", encoding="utf-8", errors="replace") as log:
            status, _ = libfuzzer(program, target, CANARY_SECONDS, os.path.join(work, "corpus"),
                                  os.path.join(work, "finds"), log)
            log.seek(0)
            reason = last_count(log.read(), r"SUMMARY: (.*)")
        seconds = time.monotonic() - started
        if status != 0 and os.listdir(os.path.join(work, "finds")):
            say(f"ok {target}: the canary was found in {seconds:.1f} s: {reason}")
            return True
        say(f"not ok {target}: the canary was not found in {seconds:.0f} s")
        return False


def minimize(program, target):
    """Rewrites the committed corpus: the fewest inputs that reach all that work and corpus reach together."""
    at = folders(target)
    corpus = os.path.join("fuzz", "corpus", target)
    with tempfile.TemporaryDirectory(prefix="th-merge-") as merged:
        argv = ["setarch", "-R", program, "-merge=1", "-max_len=4096", merged, corpus, at["corpus"]]
        if subprocess.call(argv, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) != 0:
            say(f"not ok {target}: libFuzzer could not merge")
            return False
        for name in os.listdir(merged):
            shutil.copy(os.path.join(merged, name), os.path.join(corpus, name))
        say(f"ok {target}: {len(os.listdir(merged))} inputs added to {corpus}")
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--minutes", type=float, default=5, help="CPU minutes a target (default 5)")
    parser.add_argument("--canary", action="store_true", help="is each seeded bug found within two minutes?")
    parser.add_argument("--minimize", action="store_true", help="add what the work corpus reaches to the corpus")
    parser.add_argument("--list", action="store_true", help="name the targets")
    args = parser.parse_args()
    os.chdir(TOP)
    compile_flags = SANITIZE + ["-fsanitize=fuzzer-no-link"] + (["-DTH_FUZZ_CANARY"] if args.canary else [])
    builder = Builder("canary" if args.canary else "fuzz", compile_flags, SANITIZE + ["-fsanitize=fuzzer"])
    known = {t["name"]: t for t in builder.sources["fuzz"]}
    if args.list:
        print("\n".join(known))
        return 0
    unknown = [t for t in args.targets if t not in known]
    if unknown:
        print(f"fuzz: no target {', '.join(unknown)}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    names = args.targets or list(known)
    built, failed = builder.programs([(n, known[n]["files"], known[n]["module"]) for n in names if known[n]["module"]])
    for name in names:
        if not known[name]["module"]:
            failed[name] = "its source has no line `fuzz-module: NAME`"
            say(f"not ok {name}: {failed[name]}")

    def one(name):
        if args.canary:
            return canary(built[name], name)
        return minimize(built[name], name) if args.minimize else fuzz(built[name], name, args.minutes)

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        results = list(pool.map(one, built))
    bad = results.count(False) + len(failed)
    print(f"{results.count(True)} passed, {bad} failed")
    return 1 if bad or not names else 0


if __name__ == "__main__":
    sys.exit(main())
