#!/usr/bin/env bash
# POV-Ray 3.7.0.10 (Debian 12): all that it says, its result too ("Trace Time"), is on stderr; stdout is empty unless the picture
# goes there. And there is no line "Total Time" any more, which descriptions of the 3.6 benchmark tell to read.
packages="povray=1:3.7.0.10-2+b2"
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
mkdir -p "$work/archives/partial" "$work/root"
fail() { echo "CHANGED: $*"; exit 1; }
# fetched with what is missing here, unpacked, not installed
apt-get install -qq -y --download-only --no-install-recommends -o Debug::NoLocking=1 -o APT::Sandbox::User=root \
    -o Dir::Cache::archives="$work/archives" $packages >"$work/apt.log" 2>&1 || { cat "$work/apt.log"; exit 2; }
for deb in "$work"/archives/*.deb; do [ ! -e "$deb" ] || dpkg-deb -x "$deb" "$work/root"; done
export PATH="$work/root/usr/bin:$work/root/usr/sbin:$PATH" LD_LIBRARY_PATH="$work/root/usr/lib/x86_64-linux-gnu:$work/root/lib/x86_64-linux-gnu"

export LD_LIBRARY_PATH="$LD_LIBRARY_PATH:$work/root/usr/lib/x86_64-linux-gnu/pulseaudio" HOME="$work"
cat >"$work/scene.pov" <<'END'
#version 3.7;
camera { location <0, 0, -3> look_at 0 }
light_source { <2, 2, -3> color rgb 1 }
sphere { 0, 1 pigment { color rgb 1 } }
END
cd "$work"
povray +Iscene.pov -D +Opicture.png +W32 +H32 >"$work/out" 2>"$work/err" </dev/null || fail "$(tail -n 3 "$work/err")"
[ ! -s "$work/out" ] || fail "it says something on stdout now: $(head -n 1 "$work/out")"
grep 'Trace Time:.*seconds' "$work/err" || fail "no trace time on stderr"
if grep -q 'Total Time' "$work/err"; then fail "there is a total time"; fi
echo "seen: nothing on stdout, the time on stderr, no total"
