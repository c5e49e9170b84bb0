#!/usr/bin/env bash
# collectd 5.12.0 (Debian 12): a value whose time is not later than the last one of its series is logged as too old by the cache,
# and dispatch() says nothing; yet each writer gets it. So a file of plugin csv has two values of one time.
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

def read():
    collectd.Values(type="gauge", plugin="times").dispatch(values=[1], time=1000000000.0)
    collectd.Values(type="gauge", plugin="times").dispatch(values=[2], time=1000000000.0)

collectd.register_read(read)
END
collectd_runs 3
grep -m 1 'Value too old' "$work/log" || fail "it is not called too old"
cat "$work"/csv/host/times/gauge-* | head -n 3
cat "$work"/csv/host/times/gauge-* | grep -q '^1000000000.000,2' || fail "the second value is not written"
echo "seen: values that the cache refuses, in the file"
