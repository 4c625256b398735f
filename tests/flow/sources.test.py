#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 300
"""Logs of requests through loader and SQL: each source in the form in which AWS delivers it, wrapped as CloudWatch Logs
wraps it, and real lines of many producers counted by an independent reading."""

import collections
import gzip
import json
import os
import re
import subprocess
import sys
import tempfile

BIN = os.environ["TRAILHOLD_BIN"]
SHARED = os.environ.get("SHARED")
WORK = tempfile.mkdtemp(prefix="sources-", dir=os.environ.get("TMPDIR"))
FAILED = []

EKS = [{"kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "auditID": f"a{i}", "stage": stage,
        "requestURI": "/api/v1/namespaces/prod/secrets/db?x=1&y=\u00e9", "verb": "get",
        "user": {"username": "system:anonymous", "groups": ["system:unauthenticated"],
                 "extra": {"sessionName": ["s", "t"]}},
        "sourceIPs": ["203.0.113.7", "10.0.0.1"], "objectRef": {"resource": "secrets", "namespace": "prod", "name": "db"},
        "responseStatus": {"code": 403}, "requestReceivedTimestamp": "2026-03-02T01:02:03.000004Z",
        "stageTimestamp": "2026-03-02T01:02:03.500000Z", "annotations": {"authorization.k8s.io/decision": "forbid"}}
       for i in range(3) for stage in ("RequestReceived", "ResponseComplete")]
FLOW = "2 123456789012 eni-1 10.0.0.1 198.51.100.2 443 50000 6 10 840 1772413323 1772413383 ACCEPT OK"
DNS = [{"version": "1.100000", "account_id": "123456789012", "region": "us-east-1", "vpc_id": "vpc-1",
        "query_timestamp": "2026-03-02T01:02:03Z", "query_name": f"host{i}.example.com.", "query_type": "A",
        "query_class": "IN", "rcode": "NOERROR", "answers": [{"Rdata": "203.0.113.9", "Type": "A", "Class": "IN"}],
        "srcaddr": "10.0.0.5", "srcport": "40001", "transport": "UDP", "srcids": {"instance": "i-1"}} for i in range(2)]
WAF = {"timestamp": 1772413323000, "formatVersion": 1, "webaclId": "arn:aws:wafv2:us-east-1:123456789012:regional/webacl/w/1",
       "terminatingRuleId": "Default_Action", "action": "BLOCK", "ruleGroupList": [{"ruleGroupId": "g", "terminatingRule": None}],
       "httpRequest": {"clientIp": "203.0.113.7", "country": "NL", "headers": [{"name": "Host", "value": "h"}], "uri": "/a"},
       "labels": [{"name": "l1"}]}
S3 = ('79a5 logs [02/Mar/2026:01:02:03 +0000] 203.0.113.7 arn:aws:iam::1:user/u 3E57 REST.GET.OBJECT a%20b.txt '
      '"GET /logs/a.txt?x="1" HTTP/1.1" 403 AccessDenied 113 - 7 - "-" "curl "odd" agent" - s9lz= SigV4 - AuthHeader '
      'logs.s3.amazonaws.com TLSv1.2')
ALB = ('https 2026-03-02T01:02:03.186641Z app/lb/1 203.0.113.7:2817 {target} 0.086 0.048 0.037 502 - 10 57 '
       '"GET https://h:443/a b?c HTTP/1.1" "curl/7.46.0" ECDHE TLSv1.2 arn:aws:tg "Root=1" "h" "arn:cert" 0 '
       '2026-03-02T01:02:03.100000Z "forward" "-" "-" "10.0.0.1:80" "-" "-" "-" TID_1')
GUARDDUTY = {"schemaVersion": "2.0", "accountId": "123456789012", "region": "us-east-1", "partition": "aws", "id": "f1",
             "arn": "arn:aws:guardduty:us-east-1:123456789012:detector/d/finding/f1", "type": "Recon:IAMUser/TorIPCaller",
             "resource": {"resourceType": "AccessKey"}, "service": {"count": 3}, "severity": 5,
             "createdAt": "2026-02-01T00:00:00.000Z", "updatedAt": "2026-03-02T00:00:00.000Z", "title": "t", "description": "d"}
ASFF = {"SchemaVersion": "2018-10-08", "Id": "a1", "ProductArn": "arn:aws:securityhub:us-east-1::product/aws/guardduty",
        "GeneratorId": "g", "AwsAccountId": "123456789012", "UpdatedAt": "2026-03-02T00:00:00Z", "Title": "t"}
CLOUDTRAIL = {"eventVersion": "1.09", "eventTime": "2026-03-02T00:00:00Z", "eventSource": "ec2.amazonaws.com",
              "eventName": "RunInstances", "eventID": "e1", "recipientAccountId": "123456789012"}


def check(name, got, wanted):
    if got == wanted:
        print(f"ok {name}", flush=True)
    else:
        FAILED.append(name)
        print(f"not ok {name}: {str(got)[:400]}, wanted {str(wanted)[:400]}", flush=True)


def ingest(data, *words):
    done = subprocess.run([BIN, "ingest", "--data", data, "--no-plugins", "--json", "-q", *words], capture_output=True)
    if done.returncode not in (0, 3):
        raise RuntimeError(f"ingest {words}: {done.stderr.decode(errors='replace')[:500]}")
    return json.loads(done.stdout)


def sql(data, statement):
    done = subprocess.run([BIN, "sql", "--data", data, "--format", "json", "-c", statement], capture_output=True)
    if done.returncode != 0:
        return done.stderr.decode(errors="replace")
    rows = json.loads(done.stdout)
    rows = rows["rows"] if isinstance(rows, dict) else rows
    return [list(row.values()) if isinstance(row, dict) else row for row in rows]


def object_bytes(data, name):
    return subprocess.run([BIN, "object", "get", "--data", data, name], capture_output=True).stdout


def lines(values):
    return "".join((v if isinstance(v, str) else json.dumps(v)) + "\n" for v in values)


def envelope(messages, first=0, group="/aws/eks/c/cluster"):
    return json.dumps({"messageType": "DATA_MESSAGE", "owner": "123456789012", "logGroup": group, "logStream": "s",
                       "subscriptionFilters": ["f"],
                       "logEvents": [{"id": f"{first + i:056d}", "timestamp": 1772413323000 + i, "message": message}
                                     for i, message in enumerate(messages)]})


def deliver():
    """Files as AWS names them; each with the content that it must give back."""
    day, account = "2026/03/02", "AWSLogs/123456789012"
    messages = [json.dumps(event) for event in EKS] + [FLOW, "time=x level=info msg=\"access granted\"", json.dumps(CLOUDTRAIL)]
    files = {
        f"{account}/vpcdnsquerylogs/vpc-1/{day}/q.log.gz": lines(DNS),
        f"{account}/WAFLogs/us-east-1/w/{day}/01/00/w.log.gz": lines([WAF, "{\"broken\": ", WAF]),
        f"{account}/elasticloadbalancing/us-east-1/{day}/a.log.gz":
            ALB.format(target="10.0.0.1:80") + "\n" + ALB.format(target="-") + "\nhttps 2026-03-02T01\n",
        f"{account}/vpcflowlogs/us-east-1/{day}/f.log.gz":
            "dstport end start account-id flow-direction tcp-flags\n443 1772413383 1772413323 123456789012 egress 3\n",
        f"{account}/GuardDuty/us-east-1/{day}/g.jsonl.gz": lines([GUARDDUTY, dict(GUARDDUTY, updatedAt="2026-03-03T00:00:00.000Z")]),
        "bus/events": "".join(json.dumps({"version": "0", "id": "i", "detail-type": kind, "source": "aws.x", "detail": detail})
                              for kind, detail in (("GuardDuty Finding", GUARDDUTY),
                                                   ("Security Hub Findings - Imported", {"findings": [ASFF]}),
                                                   ("AWS API Call via CloudTrail", dict(CLOUDTRAIL, eventID="e2")))),
        "access/2026-03-02-01-02-03-ABC": S3 + "\r\n" + S3 + " - Yes us-east-1\r\n",
        "export/task/stream/000000.gz": "".join(f"2026-03-02T01:02:03.000Z {m}\n" for m in messages[:4] + [FLOW]),
        "firehose/2026/03/02/01/stream-1": envelope(messages) + envelope([json.dumps(DNS[0])], 100),
        "api.json": json.dumps({"events": [{"logStreamName": "s", "timestamp": 1772413323000, "message": "words",
                                            "ingestionTime": 1772413324000, "eventId": "9"}], "nextToken": "t"}),
    }
    for name, text in files.items():
        path = os.path.join(WORK, "in", name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            if name.startswith("firehose"):  # a member a payload, nothing between
                cut = text.index("}{") + 1
                file.write(gzip.compress(text[:cut].encode()) + gzip.compress(text[cut:].encode()))
            else:
                file.write(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return files


def made():
    data, files = os.path.join(WORK, "data"), deliver()
    counts = ingest(data, "--as", "s3://bucket/", os.path.join(WORK, "in"))
    check("damaged lines cost themselves only", counts["quarantined"], 2)
    check("audit events and findings are stored once, whatever wraps them", counts["duplicates"], 5)
    wanted = {"dns": 3, "waf": 2, "alb": 2, "s3_access": 2, "eks_audit": 6, "vpc_flow": 3, "cloudtrail": 2, "cloudwatch_logs": 2,
              "gd_logs": 2, "findings": 1}
    check("rows a table", {t: sql(data, f"SELECT count(*) FROM {t}")[0][0] for t in wanted}, wanted)
    check("records", counts["records"], sum(wanted.values()))
    for name, text in files.items():
        check(f"{name} comes back", object_bytes(data, f"s3://bucket/{name}"), text.encode())
    again = ingest(data, "--as", "s3://bucket/", os.path.join(WORK, "in"))
    check("loaded again: nothing new", (again["records"], again["variants"], again["objects_known"]), (0, 0, len(files)))
    again = ingest(data, "--reprocess", "--as", "s3://bucket/", os.path.join(WORK, "in"))
    check("recognised again: no row twice", (again["records"], again["variants"]), (0, 0))
    answers(data)


def answers(data):
    check("dns", sql(data, "SELECT query_name, answers[1].rdata, srcport, srcids.instance, account, \"date\" FROM r53_rlogs "
                           "WHERE query_timestamp >= '2026-03-02' AND query_name LIKE 'host1%'"),
          [["host1.example.com.", "203.0.113.9", 40001, "i-1", "123456789012", "2026-03-02"]])
    check("dns of the bootstrap", sql(data, "SELECT count(*) FROM r53dns WHERE date_partition = '2026/03/02' AND "
                                            "vpc_partition = 'vpc-1' AND account_partition = '123456789012'"), [[3]])
    check("waf", sql(data, "SELECT action, httprequest.clientip, httprequest.headers[1].name, labels[1].name AS label, account FROM "
                           "waf_logs WHERE \"date\" = '2026/03/02' LIMIT 1"),
          [["BLOCK", "203.0.113.7", "Host", "l1", "123456789012"]])
    check("alb", sql(data, "SELECT client_ip, client_port, target_ip, target_port, elb_status_code, target_status_code, "
                           "request_verb, request_url, request_proto, user_agent, conn_trace_id FROM alb_logs "
                           "WHERE day = '2026/03/02' AND time > '2026-03-02T01' ORDER BY target_port"),
          [["203.0.113.7", 2817, ip, port, 502, None, "GET", "https://h:443/a b?c", "HTTP/1.1", "curl/7.46.0", "TID_1"]
           for ip, port in (("10.0.0.1", 80), (None, None))])
    check("s3 access", sql(data, "SELECT requestdatetime, key, request_uri, httpstatus, bytessent, objectsize, useragent, "
                                 "aclrequired, sourceregion FROM s3_access_logs WHERE \"timestamp\" = '2026/03/02' "
                                 "ORDER BY aclrequired"),
          [["02/Mar/2026:01:02:03 +0000", "a%20b.txt", "GET /logs/a.txt?x=\"1\" HTTP/1.1", "403", 113, None,
            "curl \"odd\" agent", acl, region] for acl, region in (("Yes", "us-east-1"), (None, None))])
    check("eks", sql(data, "SELECT verb, \"user\".username, \"user\".extra['sessionName'][2], sourceips[1], objectref.name, "
                           "responsestatus.code, element_at(annotations, 'authorization.k8s.io/decision') FROM eks_audit "
                           "WHERE auditid = 'a1' AND stage = 'ResponseComplete'"),
          [["get", "system:anonymous", "t", "203.0.113.7", "db", 403, "forbid"]])
    check("a filter on the first time of a finding that came again later",
          sql(data, "SELECT id, json_extract_scalar(service, '$.count') FROM gd_logs WHERE createdat <= '2026-02-02'"),
          [["f1", "3"]] * 2)
    check("flow logs of any layout", sql(data, "SELECT dstport, tcp_flags, flow_direction, srcaddr, \"date\" FROM vpc_flow_logs "
                                               "WHERE \"date\" = DATE '2026-03-02' ORDER BY tcp_flags NULLS LAST LIMIT 1"),
          [[443, 3, "egress", None, "2026-03-02"]])
    check("flow logs of the bootstrap", sql(data, "SELECT count(*), sum(numbytes) FROM vpcflow WHERE "
                                                  "date_partition = '2026/03/02' AND sourceaddress = '10.0.0.1'"), [[2, 1680]])
    check("log events", sql(data, "SELECT id, \"timestamp\", message FROM cloudwatch_logs ORDER BY message"),
          [[f"{7:056d}", 1772413323007, "time=x level=info msg=\"access granted\""], ["9", 1772413323000, "words"]])
    check("where an event came from", sql(data, "SELECT DISTINCT \"$path\" FROM cloudwatch_logs WHERE id = '9'"),
          [["s3://bucket/api.json"]])


def real_lines():
    """Lines that real services wrote."""
    source, data = os.path.join(SHARED, "data", "logs-opensearch-catalog"), os.path.join(WORK, "real")
    ingest(data, source)
    with open(os.path.join(source, "amazon_elb.raw.log"), encoding="utf-8") as file:
        alb = [re.match(r'(\S+) (\S+) \S+ (\S+):(\d+) \S+ \S+ \S+ \S+ (\d+) \S+ (\d+) (\d+) "(\S+) ', line) for line in file if line.strip()]
    check("ALB", sql(data, "SELECT count(*), sum(received_bytes), sum(sent_bytes), count(DISTINCT client_ip), sum(client_port) FROM alb"),
          [[len(alb), sum(int(m[6]) for m in alb), sum(int(m[7]) for m in alb), len({m[3] for m in alb}), sum(int(m[4]) for m in alb)]])
    check("ALB: verbs", dict(sql(data, "SELECT request_verb, count(*) FROM alb GROUP BY 1")),
          dict(collections.Counter(m[8] if m[8] != "-" else None for m in alb)))
    with open(os.path.join(source, "amazon_s3.raw.log"), encoding="utf-8") as file:
        s3 = [re.findall(r'\[[^\]]*\]|"[^"]*"|\S+', line) for line in file if line.strip()]
    check("S3", sql(data, "SELECT count(*), sum(objectsize), count(DISTINCT requestid), count(DISTINCT useragent), "
                          "min(requestdatetime) FROM s3_access"),
          [[len(s3), sum(int(f[12]) for f in s3 if f[12] != "-"), len({f[5] for f in s3}),
            len({f[16] for f in s3 if f[16] != '"-"'}), min(f[2] for f in s3)[1:-1]]])
    with open(os.path.join(source, "aws_waf.raw.log"), encoding="utf-8") as file:
        waf = [json.loads(line) for line in file if line.strip()]
    check("WAF", dict(sql(data, "SELECT action, count(*) FROM waf GROUP BY 1")), dict(collections.Counter(w["action"] for w in waf)))
    check("WAF: headers", sql(data, "SELECT count(*) FROM waf CROSS JOIN UNNEST(httprequest.headers) AS t(h)"),
          [[sum(len(w["httpRequest"]["headers"]) for w in waf)]])


def is_audit(event):
    return event.get("kind") == "Event" and str(event.get("apiVersion")).startswith("audit.k8s.io/")


def labelled_events():
    """Events of detection rules' tests, as lines and as log events."""
    source, folder = os.path.join(SHARED, "data", "labelled-panther"), os.path.join(WORK, "labelled")
    os.makedirs(folder)
    events = []
    for name in sorted(os.listdir(source)):
        with open(os.path.join(source, name), encoding="utf-8") as file:
            events += [json.loads(line)["event"] for line in file]
    with open(os.path.join(folder, "lines.jsonl"), "w", encoding="utf-8") as file:
        file.write(lines(events))
    data = os.path.join(WORK, "labelled-data")
    ingest(data, folder)
    audit = {json.dumps(event) for event in events if is_audit(event)}
    known = {json.loads(text)["auditID"] + json.loads(text)["stage"] if {"auditID", "stage"} <= set(json.loads(text)) else text
             for text in audit}
    wanted = {"eks_audit": len(known), "dns": sum("query_timestamp" in e for e in events),
              "waf": sum("webaclId" in e and "httpRequest" in e and "timestamp" in e for e in events),
              "guardduty": sum("service" in e and "severity" in e and "accountId" in e for e in events),
              "findings_events": sum("ProductArn" in e for e in events)}
    check("labelled events", {t: sql(data, f"SELECT count(*) FROM {t}")[0][0] for t in wanted}, wanted)
    wrapped = os.path.join(folder, "wrapped.json.gz")
    with open(wrapped, "wb") as file:
        file.write(gzip.compress(envelope([json.dumps(event) for event in events if is_audit(event)]).encode()))
    counts = ingest(data, wrapped)
    check("labelled events in an envelope are known", (counts["records"], counts["quarantined"]), (0, 0))
    check("and have what a detector asks for", sql(data, "SELECT count(*) FROM eks_audit WHERE \"user\".username = 'system:anonymous'")[0][0] > 0, True)


def main():
    parts = [made] + ([real_lines, labelled_events] if SHARED is not None else [])
    for part in parts:
        try:
            part()
        except (RuntimeError, ValueError, OSError, KeyError, IndexError, TypeError) as error:
            check(part.__name__, repr(error), None)
    return 1 if FAILED else 0


if __name__ == "__main__":
    sys.exit(main())
