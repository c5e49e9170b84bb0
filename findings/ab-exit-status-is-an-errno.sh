#!/usr/bin/env bash
# ApacheBench 2.3 (Debian 12, apache2-utils): where the server refuses, the exit status is the number of the error (111,
# ECONNREFUSED), not 1; where every answer is a 404 it is 0, and the time per request is told as for any other.
packages="apache2-utils=2.4.71-1~deb12u1"
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
mkdir -p "$work/archives/partial" "$work/root"
fail() { echo "CHANGED: $*"; exit 1; }
# fetched with what is missing here, unpacked, not installed
apt-get install -qq -y --download-only --no-install-recommends -o Debug::NoLocking=1 -o APT::Sandbox::User=root \
    -o Dir::Cache::archives="$work/archives" $packages >"$work/apt.log" 2>&1 || { cat "$work/apt.log"; exit 2; }
for deb in "$work"/archives/*.deb; do [ ! -e "$deb" ] || dpkg-deb -x "$deb" "$work/root"; done
export PATH="$work/root/usr/bin:$work/root/usr/sbin:$PATH" LD_LIBRARY_PATH="$work/root/usr/lib/x86_64-linux-gnu:$work/root/lib/x86_64-linux-gnu"

status=0; ab -n 1 http://127.0.0.1:47153/ >"$work/out" 2>"$work/err" || status=$?
cat "$work/err"
[ $status = 111 ] || fail "refused: the status is $status"
mkdir "$work/www"
python3 -u -m http.server 0 --bind 127.0.0.1 --directory "$work/www" >"$work/server" 2>&1 & server=$!
trap 'kill $server; rm -rf "$work"' EXIT
until grep -q 'port [0-9]' "$work/server"; do sleep 0.1; done
port=$(sed -n 's/.*port \([0-9]*\).*/\1/p' "$work/server")
status=0; ab -n 5 "http://127.0.0.1:$port/nothing-here" >"$work/out" 2>&1 || status=$?
grep -E 'Non-2xx|Failed requests|Time per request' "$work/out"
[ $status = 0 ] || fail "all 404: the status is $status"
grep -q 'Non-2xx responses: *5' "$work/out" && grep -q 'Failed requests: *0' "$work/out" || fail "404 is counted in another way"
echo "seen: 111 for refused, 0 for 404, which is no failed request"
