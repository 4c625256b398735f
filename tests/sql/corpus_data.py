# SPDX-License-Identifier: Apache-2.0
"""The records that the saved queries are run over: samples of ../shared, what `trailhold generate` makes, and logs of
sources that it does not make, written here in the forms that AWS delivers."""

import datetime
import glob
import gzip
import json
import os
import random
import subprocess

SAMPLES = ["cloudtrail-*", "awsdocs-examples", "config-items-rdk", "findings-asff-controls", "eventbridge-*",
           "logs-opensearch-catalog", "labelled-*", "config-rule-events"]

# Logs of kinds that are not stored: columns of the tables that the queries read.
DEFINED = {
    "cloudfront": "`date` date, time string, location string, bytes bigint, request_ip string, requestip string, method string, "
                  "host string, uri string, status int, referrer string, user_agent string, query_string string, os string, "
                  "browser string, x_edge_location string, sc_bytes bigint, c_ip string, cs_method string, cs_uri_stem string, "
                  "sc_status int, cs_user_agent string, result_type string, http_version string",
    "clb_access": "timestamp string, elb_name string, request_ip string, request_port int, backend_ip string, backend_port int, "
                  "request_processing_time double, backend_processing_time double, client_response_time double, "
                  "elb_response_code string, backend_response_code string, received_bytes bigint, sent_bytes bigint, "
                  "request_verb string, url string, protocol string, user_agent string, ssl_cipher string, ssl_protocol string",
    "nlb_access": "type string, version string, time string, elb string, listener_id string, client_ip string, client_port int, "
                  "target_ip string, target_port int, tcp_connection_time_ms double, tls_handshake_time_ms double, "
                  "received_bytes bigint, sent_bytes bigint, incoming_tls_alert int, cert_arn string, certificate_serial string, "
                  "tls_cipher_suite string, tls_protocol_version string, tls_named_group string, domain_name string",
    "emr": "log string",
    "ses": "eventtype string, mail struct<`timestamp`:string,source:string,destination:array<string>>, "
           "bounce struct<bouncetype:string,bouncesubtype:string,bouncedrecipients:array<struct<emailaddress:string>>>, "
           "complaint struct<complainedrecipients:array<struct<emailaddress:string>>,complaintfeedbacktype:string>",
    "iis": "date_col string, time_col string, c_ip string, s_ip string, cs_method string, cs_uri_stem string, sc_status string, "
           "client_ip_address string, user_name string, request_date string, request_time string, service_status_code string, "
           "client_ip string, client_id string, request_received_time string, client_request string, server_status string",
    "apache": "client_ip string, client_id string, user_id string, request_received_time string, client_request string, "
              "server_status string, returned_obj_size string",
    "global_accelerator_flow": "version string, account string, acceleratorid string, clientip string, clientport int, gip string, "
                               "gipport int, endpointip string, endpointport int, protocol string, ipaddresstype string, "
                               "numpackets bigint, numbytes int, starttime int, endtime int, action string, logstatus string, "
                               "agasourceip string, agasourceport int, endpointregion string, agaregion string, direction string",
    "network_firewall": "firewall_name string, availability_zone string, event_timestamp bigint, event struct<`timestamp`:string,"
                        "flow_id:bigint,event_type:string,src_ip:string,src_port:int,dest_ip:string,dest_port:int,proto:string,"
                        "app_proto:string,alert:struct<action:string,signature_id:bigint,signature:string>>",
}


def write(folder, name, text):
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with gzip.open(path, "wb", 1) if path.endswith(".gz") else open(path, "wb") as f:
        f.write(text.encode())


def load(program, shared, data, scratch):
    made = os.path.join(scratch, "made")
    today = datetime.datetime.now(datetime.timezone.utc)
    start = (today - datetime.timedelta(days=6)).strftime("%Y-%m-%d")
    subprocess.run([program, "generate", "-q", "--size", "6M", "--days", "8", "--start", start, "--sources",
                    "cloudtrail=4,vpc_flow=2,dns=1,config=1,findings=1", "-o", made], check=True, capture_output=True)
    paths = [made]
    for pattern in SAMPLES:
        paths += glob.glob(os.path.join(shared, "data", pattern))
    subprocess.run([program, "ingest", "-q", "--data", data, *paths], capture_output=True)
