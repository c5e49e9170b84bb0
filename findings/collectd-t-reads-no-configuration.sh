#!/usr/bin/env bash
# collectd 5.12.0 (Debian 12): its manual says that -t tests the configuration and ends after parsing it. It ends with 0 before
# any file is read, so each configuration passes, one that is no configuration and one that is not there. -T parses.
packages="collectd-core=5.12.0-14 libpython3.11=3.11.2-6+deb12u9"
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
mkdir -p "$work/archives/partial" "$work/root"
fail() { echo "CHANGED: $*"; exit 1; }
# fetched with what is missing here, unpacked, not installed
apt-get install -qq -y --download-only --no-install-recommends -o Debug::NoLocking=1 -o APT::Sandbox::User=root \
    -o Dir::Cache::archives="$work/archives" $packages >"$work/apt.log" 2>&1 || { cat "$work/apt.log"; exit 2; }
for deb in "$work"/archives/*.deb; do [ ! -e "$deb" ] || dpkg-deb -x "$deb" "$work/root"; done
export PATH="$work/root/usr/bin:$work/root/usr/sbin:$PATH" LD_LIBRARY_PATH="$work/root/usr/lib/x86_64-linux-gnu:$work/root/lib/x86_64-linux-gnu"

echo 'no configuration "at all' >"$work/broken.conf"
for file in "$work/broken.conf" "$work/not-there.conf"; do
    status=0; collectd -t -C "$file" >"$work/out" 2>&1 || status=$?
    [ $status = 0 ] || fail "-t ends with $status"
    [ ! -s "$work/out" ] || fail "-t says: $(cat "$work/out")"
    status=0; collectd -T -C "$file" >"$work/out" 2>&1 || status=$?
    [ $status = 1 ] || fail "-T ends with $status"
done
tail -n 1 "$work/out"
echo "seen: -t ends with 0 without a word for both, -T with 1"
