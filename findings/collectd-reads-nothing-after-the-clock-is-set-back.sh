#!/usr/bin/env bash
# collectd 5.12.0 (Debian 12), its clock set back by libfaketime 0.9.10: it waits for the next reading by the wall clock, so after
# a step of an hour back no plugin is asked any more, for as long as the step was; nothing in the log says so. A daemon that is
# alive and silent after somebody has corrected a host's clock is this.
packages="collectd-core=5.12.0-14 libpython3.11=3.11.2-6+deb12u9 libfaketime=0.9.10-2.1"
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
    collectd.info("asked")

collectd.register_read(read)
END
faketime=$(find "$work/root" /usr/lib -name libfaketimeMT.so.1 2>/dev/null | head -n 1)
echo "+0" >"$work/step"
collectd_runs 0.1; : >"$work/log"       # writes the configuration
LD_PRELOAD="$faketime" FAKETIME_TIMESTAMP_FILE="$work/step" FAKETIME_NO_CACHE=1 DONT_FAKE_MONOTONIC=1 PYTHONHOME="$work/root/usr" \
    timeout 30 collectd -f -C "$work/collectd.conf" >"$work/out" 2>&1 & daemon=$!
trap 'kill $daemon 2>/dev/null || true; wait $daemon 2>/dev/null || true; rm -rf "$work"' EXIT
asked() { grep -c asked "$work/log" || true; }
until [ "$(asked)" -ge 4 ]; do sleep 0.2; done
echo "-3600" >"$work/step"
sleep 2; before=$(asked)        # a reading that was under way may still be told
sleep 8; after=$(asked)
echo "readings when the clock had just been set back: $before; eight seconds and sixteen intervals later: $after"
kill -0 $daemon || fail "the daemon has ended"
[ "$after" = "$before" ] || fail "it goes on reading"
echo "seen: a daemon that lives and reads nothing"
