#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""./dev bench loop [--seconds S]: lag of the server's loop under 8 writers of small objects and 4 readers of SQL.

Prints requests a second, their latencies as the clients saw them, and the lag from /metrics."""

import argparse
import os
import re
import shutil
import sys
import tempfile
import threading
import time
import urllib.request

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TESTS, "crash"))
from rig import Server, trail  # noqa: E402

WRITERS, READERS = 8, 4
QUESTIONS = ["SELECT count(*) AS n FROM cloudtrail",
             "SELECT eventname, count(*) AS n FROM cloudtrail GROUP BY 1 ORDER BY n DESC LIMIT 10",
             "SELECT eventid FROM cloudtrail WHERE useridentity.type = 'Root' LIMIT 100",
             "SELECT sourceipaddress, min(eventtime) AS first FROM cloudtrail GROUP BY 1 ORDER BY 1 LIMIT 20"]


class Client(threading.Thread):
    def __init__(self, stop, ask):
        super().__init__()
        self.stop, self.ask, self.seconds, self.failures = stop, ask, [], []

    def run(self):
        step = 0
        while not self.stop.is_set():
            start = time.monotonic()
            try:
                self.ask(step)
                self.seconds.append(time.monotonic() - start)
            except Exception as error:  # noqa: BLE001
                self.failures.append(repr(error))
            step += 1


def writer(server, index):
    def ask(step):
        base = (index * 1000000 + step) * 10
        server.post("/v1/ingest/cloudtrail", trail(range(base, base + 10)), {"X-Trailhold-Object": f"s3://bench/{base}"})
    return ask


def reader(server):
    return lambda step: server.rows(QUESTIONS[step % len(QUESTIONS)])


def show(name, clients, seconds):
    times = sorted(t for c in clients for t in c.seconds)
    failures = [f for c in clients for f in c.failures]
    if not times:
        print(f"{name}: none answered; {failures[:1]}")
        return
    at = lambda share: times[min(len(times) - 1, int(len(times) * share))] * 1000  # noqa: E731
    print(f"{name:10} {len(times) / seconds:10,.0f} a second   ms: median {at(0.5):.1f}  p99 {at(0.99):.1f}  max {at(1):.1f}   "
          f"{len(failures)} failed {failures[:1] or ''}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--peers", action="store_true", help="accepted by every benchmark; none here")
    args = parser.parse_args()
    work = tempfile.mkdtemp(prefix="bench-", dir=os.environ.get("TMPDIR"))
    server = Server(os.path.join(work, "data"))
    try:
        stop = threading.Event()
        writers = [Client(stop, writer(server, i)) for i in range(WRITERS)]
        readers = [Client(stop, reader(server)) for _ in range(READERS)]
        start = time.monotonic()
        for client in writers + readers:
            client.start()
        time.sleep(args.seconds)
        stop.set()
        for client in writers + readers:
            client.join()
        seconds = time.monotonic() - start
        show("writes", writers, seconds)
        show("questions", readers, seconds)
        with urllib.request.urlopen(f"http://{server.address}/metrics", timeout=30) as answer:
            text = answer.read().decode()
        lag = {name: int(value) / 1000 for name, value in re.findall(r"trailhold_loop_lag_(p99|max)_microseconds (\d+)", text)}
        print(f"loop lag   p99 {lag['p99']:.2f} ms  max {lag['max']:.2f} ms")
    finally:
        server.stop()
        shutil.rmtree(work, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
