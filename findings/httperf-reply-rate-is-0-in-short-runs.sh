#!/usr/bin/env bash
# httperf 0.9.0 (Debian 12): "Reply rate ... avg" is the mean of samples of five seconds each, so in a run that is shorter it is
# 0.0 beside hundreds of replies. The rate of a short run is replies / test-duration.
packages="httperf=0.9.0-9+b2"
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
mkdir -p "$work/archives/partial" "$work/root"
fail() { echo "CHANGED: $*"; exit 1; }
# fetched with what is missing here, unpacked, not installed
apt-get install -qq -y --download-only --no-install-recommends -o Debug::NoLocking=1 -o APT::Sandbox::User=root \
    -o Dir::Cache::archives="$work/archives" $packages >"$work/apt.log" 2>&1 || { cat "$work/apt.log"; exit 2; }
for deb in "$work"/archives/*.deb; do [ ! -e "$deb" ] || dpkg-deb -x "$deb" "$work/root"; done
export PATH="$work/root/usr/bin:$work/root/usr/sbin:$PATH" LD_LIBRARY_PATH="$work/root/usr/lib/x86_64-linux-gnu:$work/root/lib/x86_64-linux-gnu"

mkdir "$work/www"; head -c 1000 /dev/zero >"$work/www/page"
python3 -u -m http.server 0 --bind 127.0.0.1 --directory "$work/www" >"$work/server" 2>&1 & server=$!
trap 'kill $server; rm -rf "$work"' EXIT
until grep -q 'port [0-9]' "$work/server"; do sleep 0.1; done
port=$(sed -n 's/.*port \([0-9]*\).*/\1/p' "$work/server")
httperf --server 127.0.0.1 --port "$port" --uri /page --num-conns 40 --rate 40 >"$work/out" 2>/dev/null
grep 'Total: connections 40 requests 40 replies 40' "$work/out" || fail "not all of 40 requests were answered"
grep 'Reply rate \[replies/s\]: min 0.0 avg 0.0 max 0.0 stddev 0.0 (0 samples)' "$work/out" || fail "$(grep 'Reply rate' "$work/out")"
echo "seen: 40 replies in a second, and a reply rate of 0.0"
