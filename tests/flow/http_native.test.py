#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The native HTTP of a running server: loads from many clients, SQL in every format, refusals, and a graceful end."""

import concurrent.futures
import gzip
import http.client
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time

BIN = os.environ["TRAILHOLD_BIN"]
FOLDER = tempfile.mkdtemp(prefix="http-", dir=os.environ.get("TMPDIR"))
DATA = os.path.join(FOLDER, "data")
FAILED = []
CLIENTS, OBJECTS, RECORDS = 8, 10, 5


def check(name, condition, detail=""):
    if condition:
        print(f"ok {name}", flush=True)
    else:
        FAILED.append(name)
        print(f"not ok {name}: {str(detail)[:400]}", flush=True)


def start():
    server = subprocess.Popen([BIN, "serve", "--data", DATA, "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
    line = server.stdout.readline()
    if not line.startswith("listening on "):
        print(f"not ok start: {line!r}")
        sys.exit(1)
    host, port = line.split()[2].rsplit(":", 1)
    return server, host, int(port)


def ask(address, method, path, body=None, headers=None):
    connection = http.client.HTTPConnection(*address, timeout=60)
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, text, answer.headers


def sql(address, text, **more):
    status, body, _ = ask(address, "POST", "/v1/sql", json.dumps({"sql": text, **more}), {"Content-Type": "application/json"})
    lines = [json.loads(line) for line in body.splitlines()]
    return status, lines


def trail(client, number):
    records = [{"eventVersion": "1.09", "eventTime": f"2026-03-02T{client:02d}:{number:02d}:{i:02d}Z", "eventSource": "ec2.amazonaws.com",
                "eventName": "RunInstances", "awsRegion": "eu-central-1", "userIdentity": {"type": "IAMUser"},
                "eventID": f"00000000-0000-4000-8{client:03d}-{number:06d}{i:06d}", "recipientAccountId": "210987654321"}
               for i in range(RECORDS)]
    return gzip.compress(json.dumps({"Records": records}).encode(), mtime=0)


def load_many(address, client):
    summaries = []
    for number in range(OBJECTS):
        status, body, _ = ask(address, "POST", "/v1/ingest/auto", trail(client, number),
                              {"X-Trailhold-Object": f"s3://bucket/{client}/{number}.json.gz", "x-amz-meta-origin": "test"})
        summaries.append((status, json.loads(body)))
    return summaries


def loads(address):
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        answers = [s for many in pool.map(lambda c: load_many(address, c), range(CLIENTS)) for s in many]
    check("every_load_is_acked", all(status == 200 for status, _ in answers), answers[:3])
    stored = sum(summary["records"] for _, summary in answers)
    check("acks_count_the_records", stored == CLIENTS * OBJECTS * RECORDS, stored)
    _, lines = sql(address, "SELECT count(*) AS n FROM cloudtrail")
    check("acked_records_are_there", lines[0] == {"n": stored}, lines)
    again = load_many(address, 0)
    check("loading_again_adds_none", all(s["records"] == 0 and s["deliveries"] == 1 for _, s in again), again[:2])
    status, body, _ = ask(address, "POST", "/v1/ingest/nonsense", b"x")
    check("unknown_source_is_refused", status == 404 and "error" in json.loads(body), body)


def answers(address):
    status, lines = sql(address, "SELECT 1 AS a, 'x' AS b")
    check("rows_and_end", status == 200 and lines[0] == {"a": 1, "b": "x"} and lines[-1]["end"]["rows"] == 1, lines)
    status, lines = sql(address, "SELECT nope FROM cloudtrail")
    error = lines[-1].get("error", {})
    check("error_has_its_place", status == 400 and error.get("line") == 1 and error.get("column") == 8, lines)
    status, lines = sql(address, "SELECT eventname FROM cloudtrail", limits={"rows": 3})
    check("row_limit_is_an_error", "error" in lines[-1], lines)
    query = "SELECT eventid, eventtime FROM cloudtrail ORDER BY eventid LIMIT 20"
    for form in ("csv", "tsv", "json", "ndjson"):
        over_http = ask(address, "POST", "/v1/sql", query, {"X-Trailhold-Format": form})[1]
        local = subprocess.run([BIN, "sql", "--server", f"http://{address[0]}:{address[1]}", "--format", form, "-c", query],
                               capture_output=True).stdout
        if form == "ndjson":
            over_http = b"".join(over_http.splitlines(True)[:-1])
        check(f"same_bytes_as_the_command_{form}", over_http == local and len(local) > 100, (over_http[:100], local[:100]))


def refusals(address):
    check("rebinding", ask(address, "GET", "/healthz", headers={"Host": "evil.example"})[0] == 403)
    check("other_origin", ask(address, "POST", "/v1/sql", "SELECT 1", {"Origin": "http://evil.example"})[0] == 403)
    raw = socket.create_connection(address)
    raw.sendall(b"POST /v1/sql HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
                b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    got = b""
    while part := raw.recv(65536):
        got += part
    check("smuggling", got.startswith(b"HTTP/1.1 400 ") and got.count(b"HTTP/1.1") == 1, got)
    mode = os.stat(os.path.join(DATA, "sock"))
    check("socket_is_private", stat.S_ISSOCK(mode.st_mode) and stat.S_IMODE(mode.st_mode) == 0o600, oct(mode.st_mode))


def slow_clients(address):
    """Uploads that trickle and readers that stand still hold up nobody."""
    held = []
    for _ in range(100):
        raw = socket.create_connection(address)
        raw.sendall(b"POST /v1/ingest/auto HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nx")
        held.append(raw)
    begun = time.monotonic()
    status, _ = sql(address, "SELECT count(*) FROM cloudtrail")
    check("slow_uploads_hold_up_nobody", status == 200 and time.monotonic() - begun < 5, time.monotonic() - begun)
    for raw in held:
        raw.close()
    _, text, _ = ask(address, "GET", "/metrics")
    metrics = dict(line.split() for line in text.decode().splitlines() if not line.startswith("#"))
    check("metrics", int(metrics["trailhold_ingest_objects_total"]) == (CLIENTS + 1) * OBJECTS, metrics)


def graceful_end(server, address):
    """SIGTERM between loads: what was acked is there afterwards, what was not got an error or no answer."""
    acked, stop = [], threading.Event()

    def load(client):
        for number in range(1000):
            if stop.is_set():
                return
            try:
                status, _, _ = ask(address, "POST", "/v1/ingest/auto", trail(client, number), {})
            except OSError:
                return
            except http.client.HTTPException:
                return
            if status != 200:
                return
            acked.append((client, number))

    threads = [threading.Thread(target=load, args=(20 + i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    server.send_signal(signal.SIGTERM)
    ended = server.wait(timeout=60)
    stop.set()
    for thread in threads:
        thread.join()
    check("sigterm_ends_it_well", ended == 0, ended)
    check("socket_is_gone", not os.path.exists(os.path.join(DATA, "sock")))
    server, *address = start()
    _, lines = sql(tuple(address), "SELECT count(*) AS n FROM cloudtrail")
    wanted = (CLIENTS * OBJECTS + len(acked)) * RECORDS
    check("acked_before_the_end_is_there", len(acked) > 0 and lines[0]["n"] >= wanted, (lines, wanted))
    server.terminate()
    server.wait(timeout=60)


def main():
    server, *address = start()
    address = tuple(address)
    try:
        check("health", ask(address, "GET", "/healthz")[0] == 200 and ask(address, "GET", "/readyz")[0] == 200)
        loads(address)
        answers(address)
        refusals(address)
        slow_clients(address)
        graceful_end(server, address)
    finally:
        server.kill()
    return 1 if FAILED else 0


sys.exit(main())
