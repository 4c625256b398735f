# SPDX-License-Identifier: Apache-2.0
"""The crash rig: writers load small trails, the process is killed at a random moment or at a failpoint, and after each
restart the archive must hold every acked record, none twice, and answer.

What is acked is known from outside only: an HTTP 200 with the counts of a commit, or the exit of `trailhold ingest`.
Records that were sent but not acked may be there or not, whole objects at a time."""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request

BIN = os.environ["TRAILHOLD_BIN"]
ACCOUNT = "210987654321"


def event(number, name="DescribeInstances"):
    """One CloudTrail record; number makes its id. Every eleventh is root's, so that a detector has work."""
    user = {"type": "IAMUser", "arn": f"arn:aws:iam::{ACCOUNT}:user/u{number % 7}", "accountId": ACCOUNT}
    root = {"type": "Root", "arn": f"arn:aws:iam::{ACCOUNT}:root", "accountId": ACCOUNT}
    return {
        "eventVersion": "1.09",
        "userIdentity": user if number % 11 else root,
        "eventTime": f"2026-03-{1 + number % 3:02d}T10:{number // 60 % 60:02d}:{number % 60:02d}Z",
        "eventSource": "ec2.amazonaws.com", "eventName": name, "awsRegion": "eu-central-1",
        "sourceIPAddress": f"198.51.100.{number % 250}", "requestParameters": {"n": number}, "responseElements": None,
        "eventID": f"00000000-0000-4000-8000-{number:012d}", "eventType": "AwsApiCall",
        "recipientAccountId": ACCOUNT, "eventCategory": "Management",
    }


def trail(numbers):
    return json.dumps({"Records": [event(n) for n in numbers]}, separators=(",", ":")).encode()


class Server:
    def __init__(self, data, env=None):
        self.data = data
        full = dict(os.environ, **(env or {}))
        self.log = open(os.path.join(data + ".log"), "ab")
        self.process = subprocess.Popen([BIN, "serve", "--data", data, "--listen", "127.0.0.1:0"], env=full,
                                        stdout=subprocess.PIPE, stderr=self.log)
        line = self.process.stdout.readline().decode()
        self.address = line.split()[-1] if line.startswith("listening on ") else None

    def alive(self):
        return self.process.poll() is None

    def post(self, path, body, headers=None, timeout=30):
        request = urllib.request.Request(f"http://{self.address}{path}", data=body, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read()

    def rows(self, sql):
        status, body = self.post("/v1/sql", sql.encode())
        lines = [json.loads(line) for line in body.splitlines()]
        if status != 200 or not lines or "end" not in lines[-1]:
            raise RuntimeError(f"{sql}: {body[-500:]!r}")
        return lines[:-1]

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self):
        status = self.process.wait(timeout=60)
        self.process.stdout.close()
        self.log.close()
        return status


class Writers:
    """Threads that post objects of five records, some of them shared with a neighbour, until told to stop."""

    def __init__(self, server, count, first, acked):
        self.server, self.acked, self.first = server, acked, first
        self.stop = threading.Event()
        self.sent = set()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(count)]
        for thread in self.threads:
            thread.start()

    def run(self, index):
        step = 0
        while not self.stop.is_set():
            base = self.first + (index * 4) + step * 40
            numbers = list(range(base, base + 5))  # the fifth is the neighbour's first: both load it
            with self.lock:
                self.sent.update(numbers)
            try:
                status, body = self.server.post("/v1/ingest/cloudtrail", trail(numbers),
                                                {"X-Trailhold-Object": f"s3://rig/{base}"})
            except Exception:
                return  # the server is gone: nothing was acked
            if status == 200 and json.loads(body)["lsn"] > 0:
                with self.lock:
                    self.acked.update(numbers)
            step += 1

    def join(self):
        self.stop.set()
        for thread in self.threads:
            thread.join(60)
        return self.first + 40 * 100000


def check(server, acked):
    """Every acked record once; names what is wrong."""
    rows = server.rows("SELECT eventid, count(*) AS n FROM cloudtrail_copies GROUP BY 1")
    found = {int(row["eventid"][-12:]): row["n"] for row in rows}
    missing = sorted(n for n in acked if n not in found)
    doubled = sorted(n for n, times in found.items() if times != 1)
    problems = []
    if missing:
        problems.append(f"{len(missing)} acked records are missing, first {missing[:5]}")
    if doubled:
        problems.append(f"{len(doubled)} records are stored twice, first {doubled[:5]}")
    return problems


def findings(data):
    """Every finding's body by its Id, once the detectors have seen everything."""
    subprocess.run([BIN, "plugins", "wait", "--timeout", "120", "--data", data], check=True, capture_output=True)
    text = subprocess.run([BIN, "findings", "--format", "asff", "--data", data], check=True, capture_output=True).stdout
    return {json.loads(line)["Id"]: line for line in text.splitlines()}


class Rig:
    def __init__(self, seed, writers=8, env=None):
        self.random = random.Random(seed)
        self.folder = tempfile.mkdtemp(prefix="crash-", dir=os.environ.get("TMPDIR"))
        self.data = os.path.join(self.folder, "data")
        self.acked = set()
        self.next_number = 0
        self.writers = writers
        self.env = env or {}
        self.kills = 0
        self.rounds_with_acks = 0

    def serve_round(self, failpoint=None):
        """One life of a server: kill it at a random moment, or let it kill itself at a failpoint; then check a new one."""
        env = dict(self.env)
        if failpoint:
            env["TRAILHOLD_FAILPOINT"] = failpoint
        if failpoint and failpoint.startswith("bulk_"):
            env["TRAILHOLD_TEST_BULK_BYTES"] = "2000"  # so that writes of this rig count as large
        before = len(self.acked)
        server = Server(self.data, env)
        if server.address is not None:
            writers = Writers(server, self.writers, self.next_number, self.acked)
            self.next_number += 40 * 100000
            deadline = time.monotonic() + (20 if failpoint else self.random.uniform(0.02, 0.8))
            while server.alive() and time.monotonic() < deadline:
                time.sleep(0.005)
            hit = not server.alive()
            if server.alive():
                server.kill()
            else:
                server.wait()
            writers.join()
        else:
            hit = True
            server.wait()
        self.kills += 1
        self.rounds_with_acks += len(self.acked) > before
        after = Server(self.data, {k: v for k, v in self.env.items() if k != "TRAILHOLD_TEST_MODE"})
        if after.address is None:
            after.wait()
            with open(self.data + ".log", errors="replace") as log:
                return [f"the server does not start again: {log.read()[-300:]}"], hit
        problems = check(after, self.acked)
        if after.stop() != 0:
            problems.append("the server does not stop cleanly")
        return problems, hit

    def ingest_round(self, failpoint=None):
        """One `trailhold ingest` of a folder, killed; its exit status is its ack."""
        folder = os.path.join(self.folder, f"in-{self.next_number}")
        os.makedirs(folder)
        numbers = set()
        for i in range(30):
            part = list(range(self.next_number + i * 20, self.next_number + i * 20 + 21))
            numbers.update(part)
            with open(os.path.join(folder, f"{i:04d}.json"), "wb") as out:
                out.write(trail(part))
        self.next_number += 1000
        env = dict(os.environ, **self.env)
        if failpoint:
            env["TRAILHOLD_FAILPOINT"] = failpoint
        process = subprocess.Popen([BIN, "ingest", "--data", self.data, "-q", folder], env=env,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            status = process.wait(timeout=60 if failpoint else self.random.uniform(0.005, 0.25))
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        self.kills += 1
        if status in (0, 3):
            self.acked.update(numbers)
        again = subprocess.run([BIN, "ingest", "--data", self.data, "-q", folder], capture_output=True)
        problems = [] if again.returncode == 0 else [f"loading again fails: {again.stderr.decode()[-300:]}"]
        if again.returncode == 0:
            self.acked.update(numbers)
        server = Server(self.data)
        if server.address is None:
            return problems + ["the server does not start"], status < 0
        problems += check(server, self.acked)
        server.stop()
        shutil.rmtree(folder)
        return problems, status < 0

    def check_findings(self):
        """The findings of the battered archive against those of a new one that got the same records in one piece."""
        server = Server(self.data)
        numbers = sorted(int(row["eventid"][-12:]) for row in server.rows("SELECT eventid FROM cloudtrail"))
        server.stop()
        plain = os.path.join(self.folder, "plain")
        for start in range(0, len(numbers), 20000):
            subprocess.run([BIN, "ingest", "--data", plain, "-q", "-"], input=trail(numbers[start:start + 20000]), check=True)
        battered, undisturbed = findings(self.data), findings(plain)
        if not undisturbed:
            return ["no findings at all: the rig proves nothing"]
        if battered.keys() != undisturbed.keys():
            return [f"findings differ by id: {len(battered)} against {len(undisturbed)}"]
        return [f"the body of {key} differs" for key in undisturbed if battered[key] != undisturbed[key]][:5]

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)


def failpoints():
    text = subprocess.run([BIN, "--failpoints"], capture_output=True, check=True).stdout.decode()
    return text.split()
