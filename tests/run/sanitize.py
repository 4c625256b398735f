#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""sanitize.py asan|tsan [PATTERN...]: builds the unit tests, the program and (asan) the corpus replayers with clang's
sanitizers and runs the tests; drivers (cli/..., flow/...) only when a PATTERN names them, for they take long this way.
Ends with one line `N passed, N failed`. What was built stays under zig-out/asan or zig-out/tsan."""

import os
import shutil
import subprocess
import sys

from clangbuild import TOP, Builder
from run import driver_jobs

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
    wanted = [("unit/" + t["name"], t["files"], t["module"]) for t in builder.sources["tests"]]
    if flavour == "asan":
        wanted += [("replay/" + t["name"], t["files"] + ["fuzz/driver.c"], t["module"]) for t in builder.sources["fuzz"]]
    chosen = [w for w in wanted if any(p in w[0] for p in patterns)]
    drivers = any(p in job.name for job in driver_jobs() for p in patterns)
    if not chosen and not drivers:
        chosen = wanted
    if drivers or not patterns:
        chosen.append(("bin/trailhold", [], "main"))

    output = os.path.join("zig-out", flavour)
    shutil.rmtree(output, ignore_errors=True)
    for kind in ("unit", "replay", "bin"):
        os.makedirs(os.path.join(builder.folder, kind), exist_ok=True)
        os.makedirs(os.path.join(output, kind), exist_ok=True)
    built, failed = builder.programs([w for w in chosen if w[2]])
    for name, path in built.items():
        os.link(path, os.path.join(output, name))
    # The program finds its plugins beside itself: those of the main build, whose digests it carries.
    if os.path.isdir("zig-out/plugins"):
        shutil.copytree("zig-out/plugins", os.path.join(output, "plugins"))

    argv = [sys.executable, "tests/run/run.py", "--programs", output, "--repeat", "./dev " + flavour]
    argv += ["--only", "unit", "--only", "replay"] if flavour == "asan" else ["--only", "unit"]
    argv += ["--only", "drivers"] if drivers else []
    argv += ["--failed", "bin/trailhold"] if "bin/trailhold" in failed else []
    env = {**os.environ, **OPTIONS, "TRAILHOLD_BIN": os.path.join(TOP, output, "bin", "trailhold")}
    # The kernel's widest address layouts leave no room for the shadow memory of clang 14's TSan.
    return subprocess.call(["setarch", "-R", *argv, *patterns], env=env)


if __name__ == "__main__":
    sys.exit(main())
