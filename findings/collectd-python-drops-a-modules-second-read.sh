#!/usr/bin/env bash
# collectd 5.12.0 (Debian 12), plugin python: two functions of one module that are registered to read without a name get the same
# name. The second is dropped with a line in the log, and yet register_read gives back the name as if it were taken.
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
# collectd_runs SECONDS: $work/plugin.py in a collectd of its own; its log and what its csv plugin wrote are under $work
collectd_runs() {
    cat >"$work/collectd.conf" <<END
Hostname "host"
FQDNLookup false
BaseDir "$work"
PIDFile "$work/pid"
PluginDir "$work/root/usr/lib/collectd"
TypesDB "$work/root/usr/share/collectd/types.db"
Interval 0.5
LoadPlugin logfile
<Plugin logfile>
  File "$work/log"
</Plugin>
LoadPlugin csv
<Plugin csv>
  DataDir "$work/csv"
</Plugin>
LoadPlugin python
<Plugin python>
  ModulePath "$work"
  Import "plugin"
</Plugin>
END
    PYTHONHOME="$work/root/usr" timeout "$1" collectd -f -C "$work/collectd.conf" >"$work/out" 2>&1 || true
}

cat >"$work/plugin.py" <<'END'
import collectd

def first():
    collectd.info("the first reads")

def second():
    collectd.info("the second reads")

collectd.info("registered as %s and %s" % (collectd.register_read(first), collectd.register_read(second)))
END
collectd_runs 3
grep 'registered as python.plugin and python.plugin' "$work/log" || fail "other names: $(grep 'registered as' "$work/log")"
grep 'is already registered' "$work/log" || fail "no such line"
grep -q 'the first reads' "$work/log" || fail "the first does not read either"
if grep -q 'the second reads' "$work/log"; then fail "the second reads"; fi
echo "seen: both are told as registered, one is asked"
