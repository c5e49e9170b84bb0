#!/usr/bin/env bash
# bonnie++ 2.00a (Debian 12): the header line that it writes before its CSV lines (with -x) names 48 columns, and each line has
# 50. Two columns have no name, so a reader that goes by the header gives wrong names to what stands behind them.
packages="bonnie++=2.00a+nmu1"
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
mkdir -p "$work/archives/partial" "$work/root"
fail() { echo "CHANGED: $*"; exit 1; }
# fetched with what is missing here, unpacked, not installed
apt-get install -qq -y --download-only --no-install-recommends -o Debug::NoLocking=1 -o APT::Sandbox::User=root \
    -o Dir::Cache::archives="$work/archives" $packages >"$work/apt.log" 2>&1 || { cat "$work/apt.log"; exit 2; }
for deb in "$work"/archives/*.deb; do [ ! -e "$deb" ] || dpkg-deb -x "$deb" "$work/root"; done
export PATH="$work/root/usr/bin:$work/root/usr/sbin:$PATH" LD_LIBRARY_PATH="$work/root/usr/lib/x86_64-linux-gnu:$work/root/lib/x86_64-linux-gnu"

mkdir "$work/disk"
bonnie++ -d "$work/disk" -s 4M:8k -r 2M -n 0 -f -x 2 -m host -u "$(id -un)" >"$work/csv" 2>/dev/null
awk -F, '{ print NF " columns: " substr($0, 1, 60) }' "$work/csv"
[ "$(awk -F, '{ printf "%d ", NF }' "$work/csv")" = "48 50 50 " ] || fail "other numbers of columns"
head -n 1 "$work/csv" | grep -q '^format_version,bonnie_version,name,' || fail "the first line is no header"
echo "seen: a header of 48 names over lines of 50 values"
