#!/usr/bin/env bash
# httperf 0.9.0 (Debian 12): it ends with status 0 where every one of its connections was refused; that is told in the line
# "Errors: total 5 ... connrefused 5" alone.
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

status=0; httperf --server 127.0.0.1 --port 47152 --num-conns 5 >"$work/out" 2>/dev/null || status=$?
[ $status = 0 ] || fail "the status is $status"
grep 'Errors: total 5 client-timo 0 socket-timo 0 connrefused 5' "$work/out" || fail "it tells its errors in another way"
grep 'replies 0' "$work/out" || fail "it tells replies in another way"
echo "seen: no reply at all, and status 0"
