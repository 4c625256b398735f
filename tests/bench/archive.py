# SPDX-License-Identifier: Apache-2.0
"""The program under measurement: loads, compaction, reading back, a server, and the comparison of what comes back with
what was delivered."""

import hashlib
import http.client
import json
import os
import random
import signal
import subprocess
import time

from measure import Failure, Program, Run, Watch, memory_of

MODULUS = 1 << 256


class DataSet:
    """A folder that multiply.py made, or one like it: its objects and the sum of its records' hashes."""

    def __init__(self, folder, made):
        self.folder, self.made = folder, made
        self.trail = f"{folder}/AWSLogs"
        with open(f"{folder}/objects.tsv", encoding="utf-8") as file:
            rows = [line.rstrip("\n").split("\t") for line in file]
        self.objects = [(f"{folder}/{r[0]}", r[1], int(r[2]), int(r[3])) for r in rows]
        self.record_sum = sum(int(r[4], 16) for r in rows) % MODULUS
        self.events, self.json_bytes, self.gzip_bytes = made["events"], made["json_bytes"], made["gzip_bytes"]


def ingest(data, paths, cores=None, accept=(0,)):
    """(run, summary) of a load."""
    run = Run([Program.path, "ingest", "-q", "--json", "--no-plugins", "--data", data, *paths], cores=cores, accept=accept)
    return run, json.loads(run.out or b"{}")


def segment_sizes(data):
    """By table what its segments take: see store_sizes.c."""
    run = Run([Program.sizes, data])
    return json.loads(run.out)


def compact(data, cores=None):
    return Run([Program.path, "compact", "--data", data], cores=cores)


def check_records(data, wanted, table="cloudtrail"):
    """Every record of a table, read back by SQL, against the sum of the hashes of what was delivered."""
    export = subprocess.Popen([Program.path, "sql", "--data", data, "--format", "ndjson", "-c", f"SELECT record FROM {table}"],
                              stdout=subprocess.PIPE)
    count, total = 0, 0
    for line in export.stdout:
        total += int.from_bytes(hashlib.sha256(json.loads(line)["record"].encode()).digest(), "big")
        count += 1
    if export.wait() != 0:
        raise Failure(f"the export of {table} failed")
    if count != wanted.events or total % MODULUS != wanted.record_sum:
        raise Failure(f"RECORDS DIFFER: {count} of {wanted.events} came back from {data}, hashes "
                         f"{'equal' if total % MODULUS == wanted.record_sum else 'differ'}")
    return count


def object_bytes(data, ref):
    run = subprocess.run([Program.path, "object", "get", "--data", data, ref], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    return run.stdout if run.returncode == 0 else run.stderr


def check_objects(data, wanted, sample):
    """`sample` of the delivered contents (0: all), asked for by hash, must hash to it. Returns how many."""
    digests = sorted({digest for _, digest, _, _ in wanted.objects})
    if sample and sample < len(digests):
        digests = random.Random(len(digests)).sample(digests, sample)
    for digest in digests:
        content = object_bytes(data, digest)
        if hashlib.sha256(content).hexdigest() != digest:
            raise Failure(f"AN OBJECT DIFFERS: {digest} came back as {content[:200]!r}")
    return len(digests)


class Server:
    def __init__(self, data):
        self.process = subprocess.Popen([Program.path, "serve", "--data", data, "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL)
        line = self.process.stdout.readline().decode()
        if not line.startswith("listening on "):
            raise Failure(f"serve said {line!r}")
        self.address = line.split()[-1]
        self.watch = Watch(self.process.pid)

    def memory(self):
        """Bytes now."""
        return memory_of(self.process.pid)

    def cpu(self):
        """Seconds so far."""
        with open(f"/proc/{self.process.pid}/stat", encoding="utf-8") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def ask(self, statement):
        """(answer, seconds) of a statement over HTTP."""
        start = time.monotonic()
        connection = http.client.HTTPConnection(self.address, timeout=300)
        connection.request("POST", "/v1/sql", statement.encode(), {"Content-Type": "text/plain"})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        if answer.status != 200:
            raise Failure(f"{statement}: {answer.status} {text[:300]!r}")
        return text, time.monotonic() - start

    def stop(self):
        """Peak memory, bytes; the data folder is complete afterwards."""
        peak = self.watch.stop()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=600)
        self.process.stdout.close()
        return peak


class Poster:
    """One connection that loads objects and keeps it open."""

    def __init__(self, address):
        self.connection = http.client.HTTPConnection(address, timeout=300)
        self.seconds, self.records = [], 0

    def post(self, name, body):
        headers = {"X-Trailhold-Object": f"s3://bench/{name}"}
        while True:
            start = time.monotonic()
            self.connection.request("POST", "/v1/ingest/cloudtrail", body, headers)
            answer = self.connection.getresponse()
            text = answer.read()
            if answer.status == 429:  # the server is full: it says when to come back
                time.sleep(min(1.0, float(answer.headers.get("Retry-After", "1")) / 10))
                continue
            if answer.status != 200:
                raise Failure(f"ingest of {name}: {answer.status} {text[:300]!r}")
            self.seconds.append(time.monotonic() - start)
            self.records += json.loads(text)["records"]
            return


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
