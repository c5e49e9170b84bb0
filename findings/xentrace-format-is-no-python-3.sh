#!/usr/bin/env bash
# xentrace_format of Xen 4.17 (Debian 12): its first line asks for Python 3 and its text is Python 2's, so it ends with a
# SyntaxError whatever trace it is given, and with --help. Records of a trace are to be had from xenalyze --dump-all alone.
packages="xen-utils-common=4.17.7+13-g2445b30a44-0+deb12u1 python3-minimal"
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
mkdir -p "$work/archives/partial" "$work/root"
fail() { echo "CHANGED: $*"; exit 1; }
# fetched with what is missing here, unpacked, not installed
apt-get install -qq -y --download-only --no-install-recommends -o Debug::NoLocking=1 -o APT::Sandbox::User=root \
    -o Dir::Cache::archives="$work/archives" $packages >"$work/apt.log" 2>&1 || { cat "$work/apt.log"; exit 2; }
for deb in "$work"/archives/*.deb; do [ ! -e "$deb" ] || dpkg-deb -x "$deb" "$work/root"; done

printf '0x0002f003 CPU%%(cpu)d %%(tsc)d switch_infcont\n' >"$work/formats"
head -n 1 "$work/root/usr/bin/xentrace_format"
ended=0
python3 "$work/root/usr/bin/xentrace_format" "$work/formats" </dev/null >"$work/out" 2>"$work/err" || ended=$?
tail -n 1 "$work/err"
[ "$(head -n 1 "$work/root/usr/bin/xentrace_format")" = '#!/usr/bin/python3' ] || fail "it asks for another Python"
[ "$ended" = 1 ] && tail -n 1 "$work/err" | grep -q '^SyntaxError: ' || fail "it ended with $ended"
echo "seen: an empty trace and one rule end in a SyntaxError"
