#!/usr/bin/env bash
# xenalyze of Xen 4.17 (Debian 12) takes every trace for one of an Intel host: at the first VM exit of AMD's SVM whose number VMX does
# not have (HLT is 0x78) it says "exit_reason 78 > exit_reason_max", ends with status 1, and tells nothing of the records behind.
# With --svm-mode it tells them all. xenalyze of 4.20 (Debian 13) does not know that option and ends with its usage: a script for
# both must ask which one it has.
old="xen-utils-common=4.17.7+13-g2445b30a44-0+deb12u1 libc6"
new="xen-utils-common=4.20.4+63-g7abfd2bce2-0+deb13u1 libc6"
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
fail() { echo "CHANGED: $*"; exit 1; }
# fetch RELEASE PACKAGE...: from the archives that this machine has, of that release; unpacked, not installed
fetch() {
    local release=$1 place=$work/$1 own
    shift
    mkdir -p "$place/lists/partial" "$place/archives" "$place/root"
    own=$(. /etc/os-release && echo "$VERSION_CODENAME")
    apt-get indextargets --format \
        'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(REPO_URI) $(RELEASE) $(COMPONENT)' \
        'Created-By: Packages' 'Origin: Debian' | sed "s/ $own/ $release/" | sort -u >"$place/sources.list"
    local options="-o Dir::Etc::SourceList=$place/sources.list -o Dir::Etc::SourceParts=- -o Dir::State::Lists=$place/lists
        -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o Debug::NoLocking=1 -o APT::Sandbox::User=root"
    (apt-get $options -qq update && cd "$place/archives" && apt-get $options -qq download "$@") >"$place/apt.log" 2>&1 ||
        { cat "$place/apt.log"; exit 2; }
    for deb in "$place"/archives/*.deb; do dpkg-deb -x "$deb" "$place/root"; done
}
fetch bookworm $old
fetch trixie $new

# a vCPU that runs and goes to sleep four times, as Xen 4.17 writes it on AMD: VMEXIT64, its reason and rip, and VMENTRY
python3 - "$work/trace" <<'END'
import struct, sys
def record(event, stamp, *words):
    return struct.pack("<IQ%dI" % len(words), event | len(words) << 28 | 1 << 31, stamp, *words)
RUNS, VMENTRY, VMEXIT64, SVM_EXIT_HLT = 0x21101, 0x81001, 0x81102, 0x78
records = record(RUNS, 10 ** 9, 1 << 16)
for number in range(1, 5):
    records += record(VMEXIT64, 10 ** 9 + number * 10 ** 6, SVM_EXIT_HLT, 0x81000000, 0xffffffff)
    records += record(VMENTRY, 10 ** 9 + number * 10 ** 6 + 1000)
with open(sys.argv[1], "wb") as trace:
    trace.write(struct.pack("<III", 0x1f003 | 2 << 28, 0, len(records)) + records)
END
# told RELEASE OPTION...: its status, how many VM exits and entries it tells; what it says is in RELEASE/said
told() {
    local release=$1 status=0 libraries=$work/$1/root/usr/lib/x86_64-linux-gnu
    shift
    [ -e "$libraries/ld-linux-x86-64.so.2" ] || libraries=$work/$release/root/lib/x86_64-linux-gnu
    "$libraries/ld-linux-x86-64.so.2" --library-path "$libraries" "$work/$release/root/usr/bin/xenalyze" --cpu-hz=1000M --dump-all \
        "$@" "$work/trace" >"$work/$release/said" 2>&1 || status=$?
    echo "$status $(grep -c ' vmexit exit_reason' "$work/$release/said" || :) $(grep -c ' vmentry ' "$work/$release/said" || :)"
}
plain=$(told bookworm); grep exit_reason_max "$work/bookworm/said" || :
svm=$(told bookworm --svm-mode)
newer=$(told trixie --svm-mode)
[ "$plain" = "1 0 0" ] || fail "4.17: status, exits and entries told are $plain"
[ "$svm" = "0 4 4" ] || fail "4.17 with --svm-mode: status, exits and entries told are $svm"
[ "${newer% * *}" != 0 ] && grep -q "unrecognized option.*svm-mode" "$work/trixie/said" || fail "4.20 with --svm-mode: $newer"
echo "seen: 4.17 ends with 1 at the first of 4 exits, with --svm-mode it tells all; 4.20 ends with ${newer% * *} at that option"
