#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
"""The prompt on a terminal: statements over several lines, history, completion, formats, Ctrl-C over a line and over a query."""

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time

BIN = os.environ["TRAILHOLD_BIN"]


class Prompt:
    def __init__(self, data, home):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(HOME=home, TERM="xterm", NO_COLOR="1")
            os.execv(BIN, [BIN, "sql", "--data", data])
        self.seen = ""

    def wait_for(self, pattern, seconds=20):
        """What came since the last call, up to the pattern; None when it does not come."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = re.search(pattern, self.seen)
            if found:
                text, self.seen = self.seen[:found.end()], self.seen[found.end():]
                return text
            if select.select([self.fd], [], [], 0.2)[0]:
                try:
                    self.seen += os.read(self.fd, 65536).decode(errors="replace")
                except OSError:
                    break
        return None

    def type(self, text):
        os.write(self.fd, text.encode())

    def end(self):
        _, status = os.waitpid(self.pid, 0)
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status)


def check(name, good, why=""):
    print(f"ok {name}" if good else f"not ok {name}: {str(why)[-300:]!r}")
    return not good


def main():
    folder = tempfile.mkdtemp(prefix="repl-", dir=os.environ.get("TMPDIR"))
    data = os.path.join(folder, "data")
    subprocess.run([BIN, "ingest", "-q", "--no-plugins", "--data", data, "demo/sample"], check=True)
    p = Prompt(data, folder)
    failed = check("a prompt appears", p.wait_for("trailhold> ") is not None, p.seen)
    p.type("SELECT count(*)\n")
    failed |= check("an open statement asks for more", p.wait_for(r"-> ") is not None, p.seen)
    p.type("AS how_many FROM cloudtrail;\n")
    failed |= check("it runs at the ;", p.wait_for(r"how_many[\s\S]*54[\s\S]*\(1 row\)") is not None, p.seen)
    p.wait_for("trailhold> ")
    p.type("\\f csv\n")
    p.wait_for("trailhold> ")
    p.type("SELECT 7 AS seven;\n")
    failed |= check("\\f changes the format", p.wait_for(r"seven\r\n7\r\n") is not None, p.seen)
    p.wait_for("trailhold> ")
    p.type("SELECT nosuch FROM cloudtrail;\n")
    failed |= check("an error shows and the prompt goes on", p.wait_for(r"COLUMN_NOT_FOUND[\s\S]*trailhold> ") is not None, p.seen)
    p.type("SELECT abando\x03")
    failed |= check("Ctrl-C drops the line", p.wait_for("trailhold> ") is not None, p.seen)
    p.type("SELECT 8 AS eight;\n")
    failed |= check("what was dropped is gone", p.wait_for(r"eight\r\n8\r\n") is not None, p.seen)
    p.wait_for("trailhold> ")
    p.type("SELECT * FROM cloudtrail_del\t")
    failed |= check("Tab completes a table", p.wait_for("iveries") is not None, p.seen)
    p.type("\x03")
    p.wait_for("trailhold> ")
    ended = None
    for _ in range(20):
        # A Ctrl-C that comes before the prompt has read the line takes the line away with it: then it is typed again.
        p.type("SELECT count(*) FROM cloudtrail a, cloudtrail b, cloudtrail c, cloudtrail d, cloudtrail e;\n")
        p.wait_for(r"cloudtrail e;\s*\r\n")
        answer = None
        for _ in range(100):  # the first may come just before the query runs
            p.type("\x03")
            answer = answer or p.wait_for(r"trailhold> ", 0.2)
            if answer:
                break
        if answer and "CANCELED" in answer:
            ended = answer
            break
    failed |= check("Ctrl-C ends a query", ended is not None, p.seen)
    p.type("\x1b[A")
    failed |= check("the history has the last statement", p.wait_for("cloudtrail e;") is not None, p.seen)
    p.type("\x03")
    p.wait_for("trailhold> ")
    p.type("\\q\n")
    failed |= check("\\q leaves with 0", p.end() == 0)
    with open(os.path.join(folder, ".trailhold_history")) as f:
        failed |= check("a statement of two lines is one entry", "count(*)\\040AS" in (text := f.read()) or "count(*) AS" in text, text)
    shutil.rmtree(folder, ignore_errors=True)
    return failed


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
