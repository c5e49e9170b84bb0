#!/usr/bin/env bash
# xenalyze of Xen 4.17 (Debian 12): it keeps the clock rate as cycles per ns times 1024, cut to an integer, so with --cpu-hz=2596M
# its seconds are 0.011 % too long: two records that lie exactly 100 s of that clock apart are printed 100.011 s apart. Sums of its
# summary have the same error. It is the same for each rate that is no multiple of 1000/1024 MHz.
packages="xen-utils-common=4.17.7+13-g2445b30a44-0+deb12u1 libxenstore4=4.17.7+13-g2445b30a44-0+deb12u1"
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
mkdir -p "$work/archives/partial" "$work/root"
fail() { echo "CHANGED: $*"; exit 1; }
# fetched with what is missing here, unpacked, not installed
apt-get install -qq -y --download-only --no-install-recommends -o Debug::NoLocking=1 -o APT::Sandbox::User=root \
    -o Dir::Cache::archives="$work/archives" $packages >"$work/apt.log" 2>&1 || { cat "$work/apt.log"; exit 2; }
for deb in "$work"/archives/*.deb; do [ ! -e "$deb" ] || dpkg-deb -x "$deb" "$work/root"; done
export PATH="$work/root/usr/bin:$work/root/usr/sbin:$PATH" LD_LIBRARY_PATH="$work/root/usr/lib/x86_64-linux-gnu:$work/root/lib/x86_64-linux-gnu"

# a vCPU that runs and waits in turn every 10 s of a clock of 2596 MHz, as xentrace writes it
python3 - "$work/trace" <<'END'
import struct, sys
def record(event, stamp, *words):
    return struct.pack("<IQ%dI" % len(words), event | len(words) << 28 | 1 << 31, stamp, *words)
RUNNING, RUNNABLE = 0, 1
states = [(RUNNING, RUNNABLE), (RUNNABLE, RUNNING)]
records = b"".join(record(0x21001 | old << 8 | new << 4, 1000000000 + number * 25960000000, 1 << 16)
                   for number in range(11) for old, new in [states[number % 2]])
with open(sys.argv[1], "wb") as trace:
    trace.write(struct.pack("<III", 0x1f003 | 2 << 28, 0, len(records)) + records)
END
xenalyze --cpu-hz=2596M --dump-all "$work/trace" >"$work/dump" 2>"$work/err"
# the first record is time 0, which is printed as blanks
grep runstate_change "$work/dump" | sed -n '1p;$p'
[ "$(grep -c runstate_change "$work/dump")" = 11 ] || fail "not all of the 11 records are printed"
last=$(grep runstate_change "$work/dump" | sed -n '$s/^ *\([0-9.]*\) .*/\1/p')
[ "${last%?????}" = 100.0114 ] || fail "the last is printed $last s after the first"
echo "seen: 100 s of the clock are $last s"
