#!/usr/bin/env bash
# collectd 5.12.0 (Debian 12), plugin python: Values.write() takes its argument interval for an integer and stores it as if it were
# a double, so an interval of 7 seconds reaches the writer as 0, and 7.0 is refused. dispatch() takes both, and so does the object.
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

def written(values, data=None):
    collectd.notice("%s: interval %r" % (values.plugin, values.interval))

def read():
    values = {"type": "gauge", "type_instance": "x"}
    collectd.Values(plugin="dispatch", **values).dispatch(values=[1], interval=7)
    collectd.Values(plugin="object", interval=7, **values).write("python.written", values=[1])
    collectd.Values(plugin="write", **values).write("python.written", values=[1], interval=7)
    try:
        collectd.Values(plugin="float", **values).write("python.written", values=[1], interval=7.0)
    except TypeError as error:
        collectd.notice("float: TypeError, %s" % error)

collectd.register_write(written, name="written")
collectd.register_read(read)
END
collectd_runs 3
grep -Eo '(dispatch|object|write|float): .*' "$work/log" | sort -u
grep -q 'dispatch: interval 7.0$' "$work/log" && grep -q 'object: interval 7.0$' "$work/log" || fail "7 is not 7 where it was"
grep -q 'write: interval 0.0$' "$work/log" || fail "write() keeps the interval"
grep -q 'float: TypeError' "$work/log" || fail "write() takes a float"
echo "seen: write() loses an interval that is an integer and refuses one that is a float"
