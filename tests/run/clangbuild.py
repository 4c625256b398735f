# SPDX-License-Identifier: Apache-2.0
"""Builds programs with Debian's clang for what Zig does not bring: ASan, TSan, libFuzzer.

The tables of build.zig come from zig-out/sources.json. Objects are kept under zig-out/clang/FLAVOUR/ and rebuilt when
the source, a header it includes, or the flags have changed. Each file is put in place whole, so that two commands may
build at the same time."""

import concurrent.futures
import hashlib
import json
import os
import subprocess
import sys
import threading

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# The warnings are the main build's business: another compiler has others.
OWN_FLAGS = ["-w", "-Isrc", "-I.", "-DTH_SLOW_CHECKS", "-g", "-O1", "-fno-omit-frame-pointer"]


def load_sources():
    with open(os.path.join(TOP, "zig-out", "sources.json"), encoding="utf-8") as file:
        return json.load(file)


class BuildError(Exception):
    pass


def run(argv):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise BuildError(" ".join(argv) + "\n" + done.stdout)


def is_fresh(target, depfile):
    """Is target newer than all that its make-style dependency file names?"""
    try:
        made = os.stat(target).st_mtime_ns
        with open(depfile, encoding="utf-8") as file:
            names = file.read().replace("\\\n", " ").split(":", 1)[1].split()
        return all(os.stat(name).st_mtime_ns < made for name in names)
    except (OSError, IndexError):
        return False


class Builder:
    def __init__(self, flavour, flags, link_flags=None):
        self.sources = load_sources()
        self.modules = {m["name"]: m for m in self.sources["modules"]}
        self.flags = [f for f in self.sources["flags"] if not f.startswith("-W")] + OWN_FLAGS + flags
        self.link_flags = flags if link_flags is None else link_flags
        key = hashlib.sha256(" ".join(self.flags).encode()).hexdigest()[:8]
        self.folder = os.path.join("zig-out", "clang", f"{flavour}-{key}")
        self.locks = {}
        self.lock = threading.Lock()

    def compile(self, source, extra=()):
        """The object of one C file, rebuilt when needed; each file is compiled once at a time."""
        name = source.replace("/", "_").lstrip("._")
        target = os.path.join(self.folder, name[:-2] + ".o")
        with self.lock:
            lock = self.locks.setdefault(target, threading.Lock())
        with lock:
            if not is_fresh(target, target + ".d"):
                os.makedirs(self.folder, exist_ok=True)
                fresh = f"{target}.{os.getpid()}"
                run(["clang", *self.flags, *extra, "-MD", "-MT", target, "-MF", fresh + ".d", "-c", source, "-o", fresh])
                os.replace(fresh + ".d", target + ".d")
                os.replace(fresh, target)
        return target

    def module_files(self, module):
        """(source, extra flags) of one module."""
        files = [(os.path.join(module["dir"], f), []) for f in module["files"]]
        fetched = module["fetched_dir"]
        if fetched:
            files = [(f, ["-isystem", fetched]) for f, _ in files]
            files += [(os.path.join(fetched, f), []) for f in module["fetched"]]
        if module["name"] == "plugin" and os.path.exists("zig-out/gen/pinned.c"):
            files.append(("zig-out/gen/pinned.c", []))
        return files

    def program(self, name, files, module, extra=()):
        """Links files with module's closure; returns the program's path."""
        closure = [self.modules[m] for m in self.modules[module]["closure"]]
        fetched = self.modules[module]["fetched_dir"]
        own = [*extra, "-isystem", fetched] if fetched else list(extra)
        wanted = [(f, own) for f in files]
        for m in closure:
            wanted += self.module_files(m)
        objects = [self.compile(source, flags) for source, flags in wanted]
        libs = sorted({"-l" + lib for m in closure for lib in m["libs"]})
        target = os.path.join(self.folder, name)
        newest = max(os.stat(o).st_mtime_ns for o in objects)
        if not os.path.exists(target) or os.stat(target).st_mtime_ns < newest:
            fresh = f"{target}.{os.getpid()}"
            run(["clang", *self.link_flags, *objects, *libs, "-lpthread", "-lm", "-ldl", "-o", fresh])
            os.replace(fresh, target)
        return target

    def programs(self, wanted, jobs=2):
        """wanted: (name, files, module). Returns ({name: path}, {name: what the compiler said})."""
        built, failed = {}, {}
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            futures = {pool.submit(self.program, *w): w[0] for w in wanted}
            for future in concurrent.futures.as_completed(futures):
                try:
                    built[futures[future]] = future.result()
                except BuildError as error:
                    failed[futures[future]] = str(error)
                    print(f"{futures[future]} did not build:\n{error}", file=sys.stderr, flush=True)
        return built, failed
