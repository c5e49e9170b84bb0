#!/bin/sh
# One domain's CPU and memory into a round-robin database: rrdtool.sh xentop.csv web1
# The file comes from: xenmeter xentop --format csv --csv-time epoch > xentop.csv
set -e
start=$(awk -F, 'NR == 2 { print int($1) - 1; exit }' "$1")
rrdtool create "$2.rrd" --start "$start" --step 10 \
    DS:cpu_seconds:DERIVE:30:0:U DS:mem_bytes:GAUGE:30:0:U RRA:AVERAGE:0.5:1:8640
awk -F, -v domain="$2" '$2 "" == domain "" { print $1 ":" $6 ":" $8 }' "$1" | xargs rrdtool update "$2.rrd"
