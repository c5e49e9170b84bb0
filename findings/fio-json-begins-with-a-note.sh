#!/usr/bin/env bash
# fio 3.33 (Debian 12): with --output-format=json it writes notes on stdout, before the document, so stdout as a whole is no
# JSON. A reader has to begin at the first line that is "{", or use --output.
packages="fio=3.33-3"
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
mkdir -p "$work/archives/partial" "$work/root"
fail() { echo "CHANGED: $*"; exit 1; }
# fetched with what is missing here, unpacked, not installed
apt-get install -qq -y --download-only --no-install-recommends -o Debug::NoLocking=1 -o APT::Sandbox::User=root \
    -o Dir::Cache::archives="$work/archives" $packages >"$work/apt.log" 2>&1 || { cat "$work/apt.log"; exit 2; }
for deb in "$work"/archives/*.deb; do [ ! -e "$deb" ] || dpkg-deb -x "$deb" "$work/root"; done
export PATH="$work/root/usr/bin:$work/root/usr/sbin:$PATH" LD_LIBRARY_PATH="$work/root/usr/lib/x86_64-linux-gnu:$work/root/lib/x86_64-linux-gnu"

export LD_LIBRARY_PATH="$LD_LIBRARY_PATH:$work/root/usr/lib/x86_64-linux-gnu/ceph"
fio --version
fio --name=short --filename="$work/data" --size=256k --rw=read --ioengine=psync --iodepth=4 --output-format=json \
    >"$work/out" 2>"$work/err"
head -n 2 "$work/out"
head -n 1 "$work/out" | grep -q '^note: both iodepth >= 1 and synchronous I/O engine are selected' || fail "another first line"
python3 - "$work/out" <<'END' || fail "what follows is no JSON, or stdout as a whole is"
import json, sys
text = open(sys.argv[1]).read()
try:
    json.loads(text)
except ValueError as error:
    print("stdout as a whole:", error)
    print("from the first brace on:", json.loads(text[text.index("{"):])["fio version"])
else:
    sys.exit(1)
END
echo "seen: a note before the document, on stdout"
