#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Findings are a function of the set of stored records: another order, pieces, repeated loads, replay, and a runner killed
over and over, a lost state file and a kill between the commits of findings and cursor give the same ids and the same
bodies, and no row twice. And a runner's process holds no file of the archive."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile

BIN = os.environ["TRAILHOLD_BIN"]
ACCOUNT = "210987654321"


def records(seed, count):
    rng = random.Random(seed)
    made = []
    for number in range(count):
        root = rng.random() < 0.2
        event = {
            "eventVersion": "1.09",
            "userIdentity": {"type": "Root", "arn": f"arn:aws:iam::{ACCOUNT}:root", "accountId": ACCOUNT} if root else
                            {"type": "IAMUser", "arn": f"arn:aws:iam::{ACCOUNT}:user/{rng.choice('abc')}", "accountId": ACCOUNT},
            "eventTime": f"2026-03-{rng.randint(1, 4):02d}T{rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}:00Z",
            "eventSource": "cloudtrail.amazonaws.com",
            "eventName": rng.choice(["StopLogging", "DeleteTrail", "DescribeTrails", "LookupEvents"]),
            "awsRegion": rng.choice(["eu-central-1", "us-east-1"]),
            "requestParameters": {"name": rng.choice(["main", "audit"])},
            "eventID": f"00000000-0000-4000-8000-{number:012d}", "eventType": "AwsApiCall", "recipientAccountId": ACCOUNT,
        }
        made.append(json.dumps(event))
        if rng.random() < 0.1:  # the same event in other words: a variant, not another event
            made.append(json.dumps(event, separators=(",", ":")))
    return made


def run(*words, text=None, check=True):
    done = subprocess.run([BIN, *words], input=text, capture_output=True, text=True)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)}: {done.returncode}: {done.stderr[-500:]}")
    return done.stdout


def findings(data):
    return {json.loads(line)["Id"]: line for line in run("findings", "--data", data).splitlines()}


def load(data, lines):
    run("ingest", "--data", data, "-q", "-", text="\n".join(lines) + "\n")


class Served:
    def __init__(self, data):
        self.process = subprocess.Popen([BIN, "serve", "--data", data, "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL)
        self.process.stdout.readline()

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait(60)
        self.process.stdout.close()


def plugins(data):
    return [json.loads(line) for line in run("plugins", "list", "--json", "--data", data).splitlines()]


def kill_runners(data):
    for plugin in plugins(data):
        if plugin["pid"] > 0:
            try:
                os.kill(plugin["pid"], signal.SIGKILL)
            except ProcessLookupError:
                pass


def archive_descriptors(data):
    """Descriptors of runners that lead into the data folder, or to anything but pipes, sockets, memory and /dev/null."""
    strange = []
    for plugin in plugins(data):
        if plugin["pid"] <= 0:
            strange.append(f"{plugin['name']} has no runner")
            continue
        for fd in os.listdir(f"/proc/{plugin['pid']}/fd"):
            target = os.readlink(f"/proc/{plugin['pid']}/fd/{fd}")
            if not target.startswith(("socket:", "/memfd:", "/dev/null", "pipe:")):
                strange.append(f"{plugin['name']}: {target}")
    return strange


def doubled(data):
    """Rows of findings_events that are there more than once."""
    history = run("findings", "--data", data, "--history").splitlines()
    return len(history) - len(set(history))


def lose_state(data):
    folder = os.path.join(data, "plugins")
    for name in os.listdir(folder):
        shutil.rmtree(os.path.join(folder, name))


def killed_between_commits(folder, lines, expected):
    """Every failpoint of the plugin host, at its first passes."""
    failed = False
    for name in ("plugin_before_findings", "plugin_after_findings", "plugin_after_cursor"):
        for passes in (1, 2):
            data = os.path.join(folder, f"{name}-{passes}")
            env = dict(os.environ, TRAILHOLD_FAILPOINT=f"{name}:{passes}")
            hits = 0
            for start in range(0, len(lines), 100):
                text = "\n".join(lines[start:start + 100]) + "\n"
                killed = subprocess.run([BIN, "ingest", "--data", data, "-q", "-"], input=text, capture_output=True, text=True, env=env)
                hits += killed.returncode == -signal.SIGKILL
            failed |= not hits
            if not hits:
                print(f"not ok {name} was not reached")
            for start in range(0, len(lines), 100):  # what was not acked
                load(data, lines[start:start + 100])
            failed |= compare(f"killed {hits} times at {name}:{passes}", findings(data), expected)
            extra = doubled(data)
            failed |= extra != 0
            if extra:
                print(f"not ok {extra} rows twice after {name}:{passes}")
    return failed


def compare(name, got, expected):
    if got == expected:
        print(f"ok {name}")
        return False
    ids = f"{len(got)} against {len(expected)} findings" if got.keys() != expected.keys() else "bodies differ"
    print(f"not ok {name}: {ids}")
    return True


def main():
    failed = False
    folder = tempfile.mkdtemp(prefix="order-", dir=os.environ.get("TMPDIR"))
    lines = records(7, 400)
    rng = random.Random(8)

    plain = os.path.join(folder, "plain")
    load(plain, lines)
    expected = findings(plain)
    failed |= not expected
    print("ok there are findings to compare" if expected else "not ok there are no findings")

    shuffled = os.path.join(folder, "shuffled")
    other = lines[:]
    rng.shuffle(other)
    for start in range(0, len(other), 23):
        load(shuffled, other[start:start + 23])
    failed |= compare("another order, in pieces", findings(shuffled), expected)
    load(shuffled, other[:200])
    failed |= compare("loaded again", findings(shuffled), expected)

    served = Served(shuffled)
    for plugin in plugins(shuffled):
        run("plugins", "replay", plugin["name"], "--data", shuffled)
    run("plugins", "wait", "--timeout", "60", "--data", shuffled)
    failed |= compare("replayed from the start", findings(shuffled), expected)
    strange = archive_descriptors(shuffled)
    failed |= bool(strange)
    print("ok a runner holds no file of the archive" if not strange else f"not ok a runner holds {strange}")
    served.stop()
    extra = doubled(shuffled)
    failed |= extra != 0
    print("ok no event of a finding is there twice" if not extra else f"not ok {extra} events of findings are there twice")

    lose_state(shuffled)
    failed |= compare("made again after the plugins' files were lost", findings(shuffled), expected)
    load(shuffled, other)
    failed |= compare("and loaded again", findings(shuffled), expected)
    failed |= killed_between_commits(folder, other, expected)

    battered = os.path.join(folder, "battered")
    served = Served(battered)
    for start in range(0, len(other), 40):
        load(battered, other[start:start + 40])
        kill_runners(battered)
        if rng.random() < 0.3:
            served.stop(signal.SIGKILL)
            served = Served(battered)
    run("plugins", "wait", "--timeout", "120", "--data", battered)
    failed |= compare("runners and server killed between loads", findings(battered), expected)
    served.stop()
    shutil.rmtree(folder, ignore_errors=True)
    return failed


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
