#!/usr/bin/env bash
# influxd 1.6.7 (Debian 12): a query over two subqueries whose columns have different names gives no row of the second where the
# fields are integers, and gives them where they are floats, of the same numbers. Nothing is said. So one rate out of two
# measurements (a counter by another, as ours of nanoseconds are) is lost, unless it is made a float first: / 1.0.
packages="influxdb=1.6.7~rc0-1+b13"
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
mkdir -p "$work/archives/partial" "$work/root"
fail() { echo "CHANGED: $*"; exit 1; }
# fetched with what is missing here, unpacked, not installed
apt-get install -qq -y --download-only --no-install-recommends -o Debug::NoLocking=1 -o APT::Sandbox::User=root \
    -o Dir::Cache::archives="$work/archives" $packages >"$work/apt.log" 2>&1 || { cat "$work/apt.log"; exit 2; }
for deb in "$work"/archives/*.deb; do [ ! -e "$deb" ] || dpkg-deb -x "$deb" "$work/root"; done

cat >"$work/conf" <<END
reporting-disabled = true
bind-address = "127.0.0.1:0"
[meta]
  dir = "$work/meta"
[data]
  dir = "$work/data"
  wal-dir = "$work/wal"
[http]
  bind-address = "127.0.0.1:0"
[monitor]
  store-enabled = false
END
"$work/root/usr/bin/influxd" -config "$work/conf" >"$work/log" 2>&1 &
influxd=$!; trap 'kill $influxd 2>/dev/null; wait $influxd 2>/dev/null; rm -rf "$work"' EXIT
port=
for _ in $(seq 100); do        # the port that it took is in its log
    port=$(grep -as 'Listening on HTTP' "$work/log" | sed -n 's/.*addr=[^ ]*:\([0-9]*\).*/\1/p' || true)
    [ -n "$port" ] && break
    sleep 0.2
done
[ -n "$port" ] || { cat "$work/log"; exit 2; }
url=http://127.0.0.1:$port
curl -sS -o /dev/null -X POST "$url/query" --data-urlencode 'q=create database d'
curl -sS -X POST "$url/write?db=d" --data-binary 'counter whole=1i,float=1 1000000000
counter whole=3i,float=3 2000000000
other whole=10i,float=10 1000000000
other whole=20i,float=20 2000000000'
asked() {
    curl -sS -G "$url/query" --data-urlencode db=d --data-urlencode \
        "q=select sum(n), sum(t) from (select $1 as n from counter), (select $1 as t from other)"
}
echo "integers: $(asked whole)"
echo "floats:   $(asked float)"
echo "made so:  $(asked 'whole / 1.0')"
asked float | grep -q '"other"' && asked float | grep -q 'null,30' || fail "floats of the second measurement are not summed up"
asked whole | grep -q '"counter"' || fail "integers of the first measurement are not summed up"
asked whole | grep -q '"other"' && fail "integers of the second measurement are summed up"
echo "seen: the second measurement is there with floats, and missing with integers"
