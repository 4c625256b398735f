# SPDX-License-Identifier: Apache-2.0
"""The checks that other programs make: clang-format, the compiler, cppcheck, clang-tidy."""

import concurrent.futures
import hashlib
import os
import subprocess

import tree as sources

CACHE = os.path.join("zig-out", "check")
JOBS = 2
LLHTTP = ["-isystem", ".tools/llhttp"]


def run(argv):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace")
    return done.returncode, done.stdout


def compiler_flags(tree):
    return [*tree.sources["flags"], "-DTH_SLOW_CHECKS", "-Isrc", "-I.", *LLHTTP]


def dependencies(path, flags):
    """path and all of our headers that it includes; only path when it does not compile."""
    status, out = run(["clang", "-MM", "-w", *flags, path])
    if status != 0:
        return [path]
    return out.replace("\\\n", " ").split(":", 1)[1].split()


def cache_key(name, files, settings):
    digest = hashlib.sha256(repr((name, settings)).encode())
    for file in files:
        with open(file, "rb") as data:
            digest.update(hashlib.sha256(data.read()).digest())
    return os.path.join(CACHE, digest.hexdigest())


def each(paths, one):
    """one(path) -> list of problems, for all paths, JOBS at a time; in the order of paths."""
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        return [problem for problems in pool.map(one, paths) for problem in problems]


def remembered(name, settings, flags, judge):
    """judge(path), unless nothing has changed since it found nothing."""

    def one(path):
        key = cache_key(name, dependencies(path, flags), settings)
        if os.path.exists(key):
            return []
        problems = judge(path)
        if not problems:
            os.makedirs(CACHE, exist_ok=True)
            with open(key, "w", encoding="utf-8") as file:
                file.write(path + "\n")
        return problems

    return one


def first_lines(text, wanted=("warning:", "error:")):
    lines = [line for line in text.splitlines() if any(w in line for w in wanted)]
    return lines or text.splitlines()[:3]


def check_format(tree):
    def one(path):
        status, _ = run(["clang-format", "--dry-run", "-Werror", path])
        return [] if status == 0 else [f"{path}: not as clang-format writes it (./dev check format --fix --files {path})"]

    problems = each(tree.formatted(), one)
    status, out = run([".tools/zig", "fmt", "--check", "build.zig", "build.zig.zon"])
    if status != 0:
        problems += [f"{name}: not as `.tools/zig fmt` writes it" for name in out.split()]
    return problems, []


def check_headers(tree):
    """Each header compiles alone; the plugin ABI also as C11 and as C++."""
    flags = compiler_flags(tree)

    def one(path):
        ways = [["clang", *flags, "-x", "c"]]
        if path.startswith("plugins/sdk/"):
            ways.append(["clang", "-std=c11", "-Wall", "-Wextra", "-pedantic", "-Werror", "-I.", "-x", "c"])
            ways.append(["clang++", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-I.", "-x", "c++"])
        problems = []
        for way in ways:
            status, out = run([*way, "-fsyntax-only", "-Wno-unused-function", "-include", path, "/dev/null"])
            if status != 0:
                problems.append(f"{path} does not compile alone: {first_lines(out)[0]}")
        return problems

    headers = [h for h in tree.with_end(".h") if h.startswith(("src/", "query/", "plugins/", "tests/unit/"))]
    return each(headers, remembered("headers", flags, flags, one)), []


def check_cppcheck(tree):
    settings = ["--enable=warning,performance,portability", "--inline-suppr", "--library=posix,gnu", "--std=c11",
                "--suppress=missingInclude", "--suppress=missingIncludeSystem", "--suppress=checkersReport",
                "--suppress=normalCheckLevelMaxBranches", "--suppress=nullPointerOutOfMemory", "--suppress=internalAstError",
                "--suppress=ctuPointerArith", "--suppress=uninitvar", "-D_GNU_SOURCE",
                "-D__x86_64__", "-D__linux__", "-D__GNUC__=12", "-Isrc", "-I.", "--quiet", "--error-exitcode=1",
                "--template={file}:{line}: {severity}: {message} [{id}]"]

    def one(path):
        status, out = run(["cppcheck", *settings, path])
        return [] if status == 0 else first_lines(out, (": error:", ": warning:", ": performance:", ": portability:"))

    return each(tree.shipped_c(), remembered("cppcheck", settings, compiler_flags(tree), one)), []


def check_tidy(tree):
    flags = compiler_flags(tree)

    def one(path):
        status, out = run(["clang-tidy", "--quiet", path, "--", *[f for f in flags if f != "-Werror"]])
        return [] if status == 0 else first_lines(out)

    settings = [flags, sources.read(".clang-tidy")]
    return each(tree.shipped_c(), remembered("tidy", settings, flags, one)), []
