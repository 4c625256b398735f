#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The demonstration: load the sample, run the detectors, ask one question, show one finding and one original.
# usage: demo/run.sh TRAILHOLD DATA_DIR     (default: the built binary, ./trailhold-data-demo)
set -euo pipefail
bin=${1:-zig-out/bin/trailhold} data=${2:-trailhold-data-demo}
bin=$(readlink -f "$bin") data=$(readlink -m "$data")
here=$(cd "$(dirname "$0")" && pwd)
say() { printf '\n== %s\n' "$*"; }
rm -rf "$data"

say "Load what AWS delivered (a trail, Config items, findings, a flow log)"
(cd "$here/sample" && "$bin" ingest --data "$data" --as s3://river-evidence/ .)

say "Who deleted the bucket, and what else did they do?"
"$bin" sql --data "$data" --format table -c "
  SELECT eventtime, eventname, useridentity.type AS caller, sourceipaddress, errorcode
  FROM cloudtrail
  WHERE sourceipaddress IN (SELECT sourceipaddress FROM cloudtrail WHERE eventname = 'DeleteBucket')
  ORDER BY eventtime"

say "A finding of our own detectors"
"$bin" findings --data "$data" --format asff | sed -n '/"Title":"A trail was stopped"/p'

say "One original record, byte for byte"
id=$("$bin" sql --data "$data" --format csv --no-header -c "SELECT \"_id\" FROM cloudtrail WHERE eventname = 'StopLogging'")
"$bin" record get "$id" --data "$data"
echo
want=$(gzip -dc "$here"/sample/AWSLogs/*/CloudTrail/*/2026/03/02/*1610Z*.gz | sha256sum | cut -d' ' -f1)
got=$("$bin" object get "$want" --data "$data" | sha256sum | cut -d' ' -f1)
echo "delivered object, unzipped: $want"
echo "as it comes back:           $got"
[ "$want" = "$got" ]

if [ -t 0 ] && [ -t 1 ]; then
    say "Your turn"
    exec "$bin" sql --data "$data"
fi
