#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""sanitize.py asan|tsan [PATTERN...]: builds the unit tests (asan: and the corpus replayers) with clang's sanitizers
and runs them; ends with one line `N passed, N failed`. The programs stay under zig-out/asan or zig-out/tsan."""

import os
import shutil
import subprocess
import sys

from clangbuild import TOP, Builder

FLAVOURS = {
    "asan": ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
    "tsan": ["-fsanitize=thread"],
}
OPTIONS = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:detect_stack_use_after_return=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=0:second_deadlock_stack=1:exitcode=66",
}


def main():
    if len(sys.argv) < 2 or sys.argv[1] not in FLAVOURS:
        print(__doc__, file=sys.stderr)
        return 2
    flavour, patterns = sys.argv[1], sys.argv[2:]
    os.chdir(TOP)
    builder = Builder(flavour, FLAVOURS[flavour])
    wanted, kinds = [], ["unit"]
    for test in builder.sources["tests"]:
        wanted.append(("unit/" + test["name"], [test["file"]], test["module"]))
    if flavour == "asan":
        kinds.append("replay")
        for target in builder.sources["fuzz"]:
            wanted.append(("replay/" + target["name"], [target["file"], "fuzz/driver.c"], target["module"]))
    chosen = [w for w in wanted if any(p in w[0] for p in patterns)] or wanted

    programs = os.path.join("zig-out", flavour)
    shutil.rmtree(programs, ignore_errors=True)
    for kind in ("unit", "replay"):
        os.makedirs(os.path.join(builder.folder, kind), exist_ok=True)
        os.makedirs(os.path.join(programs, kind), exist_ok=True)
    built, _ = builder.programs([w for w in chosen if w[2]])
    for name, path in built.items():
        os.link(path, os.path.join(programs, name))

    argv = [sys.executable, "tests/run/run.py", "--programs", programs, "--repeat", "./dev " + flavour]
    for kind in kinds:
        argv += ["--only", kind]
    # The kernel's widest address layouts leave clang 14's TSan no room for its shadow.
    return subprocess.call(["setarch", "-R", *argv, *patterns], env={**os.environ, **OPTIONS})


if __name__ == "__main__":
    sys.exit(main())
