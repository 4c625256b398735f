#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 300
"""Following a folder: what is there is loaded, then what is delivered, once it is whole. Nothing here sleeps: each step
waits for the line of counts that it causes."""

import gzip
import json
import os
import signal
import subprocess
import sys
import tempfile

BIN = os.environ["TRAILHOLD_BIN"]
FOLDER = tempfile.mkdtemp(prefix="follow-", dir=os.environ.get("TMPDIR"))
FAILED = []


def check(name, got, wanted):
    if got == wanted:
        print(f"ok {name}", flush=True)
    else:
        FAILED.append(name)
        print(f"not ok {name}: {str(got)[:300]}, wanted {str(wanted)[:300]}", flush=True)


def trail(first, count):
    records = [{"eventVersion": "1.09", "eventTime": "2026-03-02T00:00:00Z", "eventSource": "ec2.amazonaws.com",
                "eventName": "RunInstances", "eventID": f"e{i}", "recipientAccountId": "123456789012"}
               for i in range(first, first + count)]
    return json.dumps({"Records": records}).encode()


def put(path, content):
    with open(path, "wb") as file:
        file.write(content)


class Follower:
    """A process that follows; its counts a line."""

    def __init__(self, data, *words):
        self.process = subprocess.Popen([BIN, "ingest", "--follow", "--json", "--no-plugins", "--data", data, *words],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def line(self):
        text = self.process.stdout.readline()
        if not text:
            raise RuntimeError("it ended: " + self.process.stderr.read()[:500])
        counts = json.loads(text)
        return counts["objects"], counts["records"], counts["quarantined"]

    def upto(self, objects):
        """Lines until so many new objects are stored: what is delivered at once may come in one commit or in several."""
        total = [0, 0, 0]
        while total[0] < objects:
            total = [a + b for a, b in zip(total, self.line())]
        return tuple(total)

    def end(self, number):
        self.process.send_signal(number)
        rest, _ = self.process.communicate(timeout=60)
        return self.process.returncode, rest


def sql(data, statement):
    done = subprocess.run([BIN, "sql", "--data", data, "--format", "csv", "--no-header", "-c", statement],
                          capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else done.stderr


def deliveries(root, follower):
    put(os.path.join(root, "new.json"), trail(100, 2))
    check("a new file", follower.line(), (1, 2, 0))
    os.makedirs(os.path.join(root, "2026", "03"))
    put(os.path.join(root, "2026", "03", "deep.json"), trail(200, 3))
    check("a file in folders that are new", follower.line(), (1, 3, 0))
    put(os.path.join(root, "2026", "03", "second.json.gz"), gzip.compress(trail(210, 1)))
    check("a file in a folder that was new", follower.line(), (1, 1, 0))
    put(os.path.join(root, "part.tmp123"), trail(300, 1))
    os.rename(os.path.join(root, "part.tmp123"), os.path.join(root, "whole.json"))
    check("a file that was renamed", follower.upto(1), (1, 1, 0))
    aside = os.path.join(FOLDER, "aside")
    os.makedirs(os.path.join(aside, "below"))
    put(os.path.join(aside, "one.json"), trail(400, 1))
    put(os.path.join(aside, "below", "two.json"), trail(410, 1))
    os.rename(aside, os.path.join(root, "moved"))
    check("a folder that was moved in", follower.upto(2), (2, 2, 0))
    put(os.path.join(root, "moved", "below", "three.json"), trail(420, 1))
    check("a file in a folder that was moved in", follower.line(), (1, 1, 0))


def odd_files(root, follower):
    whole = gzip.compress(trail(500, 4))
    with open(os.path.join(root, "slow.json.gz"), "wb") as slow:
        slow.write(whole[:50])
        slow.flush()
        put(os.path.join(root, "meanwhile.json"), trail(600, 1))
        check("a file that is still written is left alone", follower.line(), (1, 1, 0))
        slow.write(whole[50:])
    check("it is read when it is closed", follower.line(), (1, 4, 0))
    with open(os.path.join(root, "slow.json.gz"), "ab"):
        pass  # closed after writing nothing
    put(os.path.join(root, "words.txt"), b"no log at all\n")
    check("what did not change is not read again; what is no log is kept", follower.line(), (1, 0, 1))
    put(os.path.join(root, "new.json"), trail(100, 2) + trail(110, 1))
    check("a file that was written anew", follower.line(), (1, 1, 0))
    put(os.path.join(root, "x.json.head.json"), b'{"ETag":"\\"abc\\"","VersionId":"v7"}')
    put(os.path.join(root, "x.json"), trail(700, 1))
    check("metadata beside a file is no object", follower.line(), (1, 1, 0))
    os.symlink("/etc/hostname", os.path.join(root, "link"))
    put(os.path.join(root, "last.json"), trail(800, 1))
    check("links are not followed", follower.line(), (1, 1, 0))


def lost_events(root, follower):
    """More than the kernel keeps for a process that does not run; and a link, which it never tells of."""
    with open("/proc/sys/fs/inotify/max_queued_events", encoding="ascii") as file:
        limit = int(file.read())
    if limit > 100000:
        return 0
    outside = os.path.join(FOLDER, "outside.json")
    put(outside, trail(900, 1))
    follower.process.send_signal(signal.SIGSTOP)
    names = [os.path.join(root, name) for name in ("turn.json", "taken.json")]
    for i in range(limit + 2):
        with open(names[i % 2], "wb"):
            pass
    put(names[0], trail(910, 1))
    put(names[1], trail(920, 1))
    os.link(outside, os.path.join(root, "linked.json"))
    follower.process.send_signal(signal.SIGCONT)
    check("what was delivered while events were lost", follower.upto(3), (3, 3, 0))
    return 3


def alone():
    root, data = os.path.join(FOLDER, "in"), os.path.join(FOLDER, "data")
    os.mkdir(root)
    put(os.path.join(root, "old.json"), trail(0, 5))
    with open(os.path.join(root, "growing.json.gz"), "wb") as growing:
        whole = gzip.compress(trail(50, 1))
        growing.write(whole[:30])
        growing.flush()
        follower = Follower(data, "--as", "s3://bucket/", root)
        check("what is there", follower.line(), (1, 5, 0))
        growing.write(whole[30:])
    check("what was being written then", follower.line(), (1, 1, 0))
    deliveries(root, follower)
    odd_files(root, follower)
    more = lost_events(root, follower)
    check("others ask meanwhile", sql(data, "SELECT count(*) FROM cloudtrail"), str(5 + 1 + 10 + 1 + 4 + 1 + 1 + 1 + more))
    check("names are as a walk gives them",
          sql(data, "SELECT name FROM objects WHERE name LIKE '%deep%'"), "s3://bucket/2026/03/deep.json")
    check("metadata is kept", sql(data, "SELECT version FROM objects WHERE name = 's3://bucket/x.json'"), "v7")
    check("SIGTERM ends it", follower.end(signal.SIGTERM), (130, ""))


def through_a_server():
    root, data = os.path.join(FOLDER, "in2"), os.path.join(FOLDER, "data2")
    os.mkdir(root)
    server = subprocess.Popen([BIN, "serve", "--data", data, "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
    check("a server listens", server.stdout.readline().startswith("listening on "), True)
    follower = Follower(data, root)
    check("an empty folder has a line, too", follower.line(), (0, 0, 0))
    os.mkdir(os.path.join(root, "a"))
    put(os.path.join(root, "a", "1.json"), trail(0, 3))
    check("through a server: a new file", follower.line(), (1, 3, 0))
    put(os.path.join(root, "a", "2.json"), trail(0, 4))
    check("through a server: counts are each commit's", follower.line(), (1, 1, 0))
    check("through a server: Ctrl-C ends it", follower.end(signal.SIGINT), (130, ""))
    server.terminate()
    server.wait(timeout=60)


def refusals():
    data = os.path.join(FOLDER, "data3")
    for words in (["/dev/null"], ["-"], [os.path.join(FOLDER, "none")]):
        done = subprocess.run([BIN, "ingest", "--follow", "--data", data, *words], capture_output=True)
        check(f"{words[0]} cannot be followed", done.returncode, 2)


def main():
    signal.alarm(280)
    for part in (alone, through_a_server, refusals):
        try:
            part()
        except (RuntimeError, ValueError, OSError, subprocess.SubprocessError) as error:
            check(part.__name__, repr(error), None)
    return 1 if FAILED else 0


if __name__ == "__main__":
    sys.exit(main())
