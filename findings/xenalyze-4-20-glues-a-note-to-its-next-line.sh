#!/usr/bin/env bash
# xenalyze of Xen 4.20 (Debian 13): with --dump-all it says "d1v0 RUNSTATE_RUNNING detected, leaving INIT" on its standard output,
# without an end of line, so the line of the record that it prints next begins with that text and not with its time. A reader of
# lines takes it for a record without a time. xenalyze of 4.17 prints no such text.
packages="xen-utils-common=4.20.4+63-g7abfd2bce2-0+deb13u1 libc6"
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/archives" "$work/root"
fail() { echo "CHANGED: $*"; exit 1; }
# the archives that this machine has, of the release that has the package; fetched, unpacked, not installed
own=$(. /etc/os-release && echo "$VERSION_CODENAME")
apt-get indextargets --format 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(REPO_URI) $(RELEASE) $(COMPONENT)' \
    'Created-By: Packages' 'Origin: Debian' | sed "s/ $own/ trixie/" | sort -u >"$work/sources.list"
options="-o Dir::Etc::SourceList=$work/sources.list -o Dir::Etc::SourceParts=- -o Dir::State::Lists=$work/lists
    -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o Debug::NoLocking=1 -o APT::Sandbox::User=root"
{ apt-get $options -qq update && cd "$work/archives" && apt-get $options -qq download $packages; } >"$work/apt.log" 2>&1 ||
    { cat "$work/apt.log"; exit 2; }
for deb in "$work"/archives/*.deb; do dpkg-deb -x "$deb" "$work/root"; done
libraries=$work/root/usr/lib/x86_64-linux-gnu

# a vCPU that runs and waits in turn, as xentrace writes it; the first record says that it ran
python3 - "$work/trace" <<'END'
import struct, sys
def record(event, stamp, *words):
    return struct.pack("<IQ%dI" % len(words), event | len(words) << 28 | 1 << 31, stamp, *words)
RUNNING, RUNNABLE = 0, 1
states = [(RUNNING, RUNNABLE), (RUNNABLE, RUNNING)]
records = b"".join(record(0x21001 | old << 8 | new << 4, 1000000000 + number * 1000000, 1 << 16)
                   for number in range(5) for old, new in [states[number % 2]])
with open(sys.argv[1], "wb") as trace:
    trace.write(struct.pack("<III", 0x1f003 | 2 << 28, 0, len(records)) + records)
END
"$libraries/ld-linux-x86-64.so.2" --library-path "$libraries" "$work/root/usr/bin/xenalyze" --cpu-hz=1000M --dump-all "$work/trace" \
    >"$work/dump" 2>"$work/err"
grep runstate_change "$work/dump"
[ "$(grep -c runstate_change "$work/dump")" = 5 ] || fail "not all of the 5 records are printed"
glued=$(grep -c '^d1v0 RUNSTATE_RUNNING detected, leaving INIT.*runstate_change' "$work/dump") || true
[ "$glued" = 1 ] || fail "$glued lines begin with the text"
echo "seen: one of 5 lines begins with a text that is no record's"
