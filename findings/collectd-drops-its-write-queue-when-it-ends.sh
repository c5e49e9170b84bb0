#!/usr/bin/env bash
# collectd 5.12.0 (Debian 12): when it is told to end (SIGTERM), what its plugins have dispatched and its write threads have not yet
# come to is thrown away, with one line at the level of a warning and exit status 0. So the last values of a slow writer are missing.
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
cat >"$work/collectd.conf" <<END
Hostname "host"
FQDNLookup false
BaseDir "$work"
PIDFile "$work/pid"
PluginDir "$work/root/usr/lib/collectd"
TypesDB "$work/root/usr/share/collectd/types.db"
Interval 60
WriteThreads 1
LoadPlugin logfile
<Plugin logfile>
  File "$work/log"
</Plugin>
LoadPlugin python
<Plugin python>
  ModulePath "$work"
  Import "plugin"
</Plugin>
END
cat >"$work/plugin.py" <<'END'
import os, signal, time
import collectd

NUMBER, written = 1000, []

def read():
    for number in range(NUMBER):
        collectd.Values(type="gauge", plugin="queued", type_instance=str(number)).dispatch(values=[number])
    os.kill(os.getpid(), signal.SIGTERM)

def write(values):
    written.append(values.type_instance)
    time.sleep(0.01)    # a writer that takes its time, as one over a network

def ended():
    with open(os.path.join(os.path.dirname(__file__), "told"), "w") as file:
        file.write("%d dispatched, %d of them written\n" % (NUMBER, len(written)))

collectd.register_read(read)
collectd.register_write(write)
collectd.register_shutdown(ended)
END
status=0
PYTHONHOME="$work/root/usr" timeout 60 collectd -f -C "$work/collectd.conf" >"$work/out" 2>&1 || status=$?
cat "$work/told"; echo "exit status $status"
grep -h 'left after shutting down the write threads' "$work/log" "$work/out" || fail "it says nothing of values that are left"
[ "$status" = 0 ] || fail "its exit status is $status"
read -r dispatched _ written _ <"$work/told"
[ "$written" -lt "$dispatched" ] || fail "all values were written"
echo "seen: values that were dispatched and never written, of a collectd that ended well"
