#!/usr/bin/env bash
# iperf3 3.12 (Debian 12): with --json a client that was refused ends with status 0, without --json with 1. The only sign is
# the key "error" of its document. Whoever runs it under a benchmark must read the document, not the status.
packages="iperf3=3.12-1+deb12u2 libiperf0=3.12-1+deb12u2"
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
mkdir -p "$work/archives/partial" "$work/root"
fail() { echo "CHANGED: $*"; exit 1; }
# fetched with what is missing here, unpacked, not installed
apt-get install -qq -y --download-only --no-install-recommends -o Debug::NoLocking=1 -o APT::Sandbox::User=root \
    -o Dir::Cache::archives="$work/archives" $packages >"$work/apt.log" 2>&1 || { cat "$work/apt.log"; exit 2; }
for deb in "$work"/archives/*.deb; do [ ! -e "$deb" ] || dpkg-deb -x "$deb" "$work/root"; done
export PATH="$work/root/usr/bin:$work/root/usr/sbin:$PATH" LD_LIBRARY_PATH="$work/root/usr/lib/x86_64-linux-gnu:$work/root/lib/x86_64-linux-gnu"

iperf3 --version | sed -n 1p
status=0; iperf3 --client 127.0.0.1 --port 47151 --time 1 >"$work/plain" 2>&1 || status=$?
[ $status = 1 ] || fail "without --json the status is $status"
status=0; iperf3 --json --client 127.0.0.1 --port 47151 --time 1 >"$work/json" || status=$?
[ $status = 0 ] || fail "with --json the status is $status"
grep '"error":.*Connection refused' "$work/json" || fail "the document has no such error"
echo "seen: status 1 without --json, status 0 with it"
