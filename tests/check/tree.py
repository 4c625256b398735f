# SPDX-License-Identifier: Apache-2.0
"""The checks that read the sources themselves: lists, layers, sizes, banned calls, leftovers."""

import json
import os
import re

FOLDERS = ["src", "query", "plugins", "tests", "fuzz", "demo", "docs", "web"]
TOP_FILES = ["build.zig", "dev", "README.md", "dependencies.txt", ".ci/run"]
SKIPPED = {"corpus", "work", "node_modules", "__pycache__"}
TEXT = (".c", ".h", ".def", ".py", ".sh", ".zig", ".md", ".ts", ".txt")
LINES_FAIL, LINES_NOTE = 1000, 500
FUNCTION_FAIL, FUNCTION_NOTE = 100, 70

# Which library a system header belongs to; only modules that list the library may include it.
LIBRARY_HEADERS = [
    (r"lmdb\.h", "lmdb"), (r"lz4\w*\.h", "lz4"), (r"uv\.h", "uv"), (r"openssl/.*", "crypto"), (r"isa-l.*", "isal"),
    (r"zlib\.h", "z"), (r"xxhash\.h", "xxhash"), (r"histedit\.h|editline/.*", "edit"), (r"pcre2\.h", "pcre2-8"),
]
# call -> what to use instead
BANNED = {
    "strcpy": "th_buf", "strcat": "th_buf", "strncpy": "memcpy with a checked size", "strncat": "th_buf",
    "sprintf": "snprintf or th_buf", "vsprintf": "vsnprintf", "gets": "th_os_*", "strtok": "th_slice_*",
    "atoi": "th_slice_to_i64", "atol": "th_slice_to_i64", "atoll": "th_slice_to_i64", "atof": "strtod",
    "alloca": "th_arena", "system": "posix_spawn", "popen": "posix_spawn", "rand": "th_os_random",
    "srand": "th_os_random", "random": "th_os_random", "gmtime": "th_civil_from_us", "localtime": "th_civil_from_us",
    "asctime": "th_time_format_iso", "ctime": "th_time_format_iso", "mktemp": "mkstemp", "tmpnam": "mkstemp",
    "setjmp": "th_err", "longjmp": "th_err", "exit": "return from main", "abort": "TH_ASSERT", "assert": "TH_ASSERT",
}
# The few places that own what is banned elsewhere.
ALLOWED = {("src/base/assert.c", "abort"), ("src/main.c", "exit")}


class Tree:
    """The files to look at, and the tables of build.zig."""

    def __init__(self, only=()):
        with open("zig-out/sources.json", encoding="utf-8") as file:
            self.sources = json.load(file)
        self.modules = {m["name"]: m for m in self.sources["modules"]}
        self.only = [os.path.normpath(p) for p in only]
        self.files = sorted(self.wanted(self.walk()))

    @staticmethod
    def walk():
        for folder in FOLDERS:
            for path, folders, names in os.walk(folder):
                folders[:] = [f for f in folders if f not in SKIPPED]
                yield from (os.path.join(path, n) for n in names)
        yield from (f for f in TOP_FILES if os.path.exists(f))

    def wanted(self, paths):
        for path in paths:
            if not self.only or any(path == p or path.startswith(p + "/") for p in self.only):
                yield path

    def with_end(self, *ends):
        return [f for f in self.files if f.endswith(ends)]

    def formatted(self):
        return self.with_end(".c", ".h")

    def module_of(self, path):
        """The module whose folder holds path: the deepest one."""
        best = None
        for module in self.modules.values():
            if path.startswith(module["dir"] + "/") and (best is None or len(module["dir"]) > len(best["dir"])):
                best = module
        return best

    def shipped_c(self):
        """C files that become part of the program or of a plugin."""
        return [f for f in self.with_end(".c") if f.startswith(("src/", "query/", "plugins/"))]


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def code_only(text):
    """C text with comments, strings and character constants blanked; lines stay where they are."""
    pattern = r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'"
    return re.sub(pattern, lambda m: re.sub(r"[^\n]", " ", m.group()), text, flags=re.DOTALL)


def check_sources(tree):
    """build.zig lists exactly what is there; each file says its licence; each module has its README."""
    problems, notes = [], []
    listed = set()
    for module in tree.modules.values():
        for name in module["files"]:
            path = os.path.join(module["dir"], name)
            listed.add(path)
            if not os.path.exists(path):
                problems.append(f"build.zig lists {path}, which is missing")
        if module["files"] and module["name"] != "main" and not os.path.exists(os.path.join(module["dir"], "README.md")):
            problems.append(f"{module['dir']}/README.md is missing")
    for plugin in tree.sources["plugins"]:
        listed.update(os.path.join("plugins", plugin["name"], f) for f in plugin["files"])
    for path in tree.shipped_c():
        if path not in listed:
            problems.append(f"{path} is not listed in build.zig")
    for kind, text in (("tests", "its name does not begin with a module's"), ("fuzz", "no line `fuzz-module: NAME`")):
        problems += [f"{p['file']}: {text}" for p in tree.sources[kind] if not p["module"]]
    for target in tree.sources["fuzz"]:
        if not os.path.isdir(os.path.join("fuzz", "corpus", target["name"])):
            problems.append(f"fuzz/corpus/{target['name']}/ is missing")
        if "TH_FUZZ_CANARY" not in read(target["file"]):
            notes.append(f"{target['file']}: no canary in the target itself")
    for path in tree.with_end(".c", ".h", ".py", ".sh", ".zig", ".def"):
        if "SPDX-License-Identifier: Apache-2.0" not in read(path)[:300]:
            problems.append(f"{path}: no SPDX line at the top")
    return problems, notes


def may_include(tree, path):
    """(names of modules that path may include, the folder it owns)."""
    for kind in ("tests", "fuzz"):
        for program in tree.sources[kind]:
            if program["file"] == path and program["module"]:
                return set(tree.modules[program["module"]]["closure"]), program["module"]
    if path.startswith("plugins/") and not path.startswith("plugins/sdk/"):
        return {"sdk"}, None
    module = tree.module_of(path)
    return (set(module["includes"]) | {module["name"]}, module["name"]) if module else (None, None)


def check_include(tree, path, included, allowed, own):
    """What is wrong with one quoted include, or None."""
    beside = os.path.join(os.path.dirname(path), included)
    found = next((p for p in (os.path.join("src", included), included, beside) if os.path.exists(p)), None)
    if found is None:
        fetched = own and tree.modules[own]["fetched_dir"]
        if fetched and os.path.exists(os.path.join(fetched, included)):
            return None
        return f"includes \"{included}\", which is in neither src/ nor the top"
    if path.startswith(("tests/", "plugins/")) and os.path.dirname(found).startswith(os.path.dirname(path)):
        return None
    module = tree.module_of(found)
    if module is None:
        return None if path.startswith(("tests/", "fuzz/")) else f"includes {found}, which is in no module"
    if module["name"] not in allowed:
        return f"includes {found}: the module table does not let it use {module['name']}"
    if found.endswith("_private.h") and module["name"] != own:
        return f"includes {found}, which is private to {module['name']}"
    if found.endswith("_test.h") and path.startswith(("src/", "query/")) and module["name"] != own:
        return f"includes {found}, which is for tests"
    return None


def check_layers(tree):
    problems = []
    for path in tree.with_end(".c", ".h", ".def"):
        allowed, own = may_include(tree, path)
        if allowed is None:
            continue
        libs = {lib for m in allowed & set(tree.modules) if m == own or path.startswith(("tests/", "fuzz/"))
                for lib in tree.modules[m]["libs"]}
        for number, line in enumerate(read(path).splitlines(), 1):
            quoted = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            if quoted:
                wrong = check_include(tree, path, quoted.group(1), allowed, own)
                if wrong:
                    problems.append(f"{path}:{number}: {wrong}")
            system = re.match(r"\s*#\s*include\s+<([^>]+)>", line)
            for pattern, lib in LIBRARY_HEADERS if system and own else []:
                if re.fullmatch(pattern, system.group(1)) and lib not in libs:
                    problems.append(f"{path}:{number}: includes <{system.group(1)}>, but {own} does not list lib {lib}")
    return problems, []


def check_sizes(tree):
    problems, notes = [], []
    for path in tree.with_end(".c", ".h", ".py", ".zig", ".sh", ".ts"):
        lines = read(path).splitlines()
        if len(lines) > LINES_NOTE:
            (problems if len(lines) > LINES_FAIL else notes).append(f"{path}: {len(lines)} lines")
        if not path.endswith(".c"):
            continue
        start = None
        for number, line in enumerate(lines, 1):
            if line.startswith("{"):
                start = number
            elif line.startswith("}") and start is not None:
                size = number - start + 1
                if size > FUNCTION_NOTE:
                    (problems if size > FUNCTION_FAIL else notes).append(f"{path}:{start}: a function of {size} lines")
                start = None
    return problems, notes


def check_banned(tree):
    problems = []
    pattern = re.compile(r"(?<![\w.>])(" + "|".join(BANNED) + r")\s*\(")
    for path in tree.with_end(".c", ".h"):
        if path.startswith(("tests/", "fuzz/")):
            continue
        for number, line in enumerate(code_only(read(path)).splitlines(), 1):
            for call in pattern.findall(line):
                if (path, call) not in ALLOWED:
                    problems.append(f"{path}:{number}: {call}(): use {BANNED[call]}")
    return problems, []


def check_leftovers(tree):
    problems, notes = [], []
    words = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK"]) + r")\b")
    machine = re.compile(r"(?<![\w.])/(?:work|tmp/th|tmp/bash_jobs|root)/")
    loose = re.compile(r"\b(for now|not implemented|temporarily)\b", re.IGNORECASE)
    for path in tree.files:
        if not path.endswith(TEXT) and path not in TOP_FILES:
            continue
        for number, line in enumerate(read(path).splitlines(), 1):
            if words.search(line):
                problems.append(f"{path}:{number}: {line.strip()[:80]}")
            elif machine.search(line):
                problems.append(f"{path}:{number}: names a folder of one machine: {line.strip()[:80]}")
            elif loose.search(line):
                notes.append(f"{path}:{number}: {line.strip()[:80]}")
            if line != line.rstrip() and not path.endswith(".md"):
                problems.append(f"{path}:{number}: white space at the end of the line")
    return problems, notes
