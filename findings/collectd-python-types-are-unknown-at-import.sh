#!/usr/bin/env bash
# collectd 5.12.0 (Debian 12), plugin python: the default types.db is read after the modules have been imported, so a module that
# makes Values(type="gauge") at its top gets a TypeError and ends the daemon's start, and the same module works where the
# configuration has a TypesDB line above the import. In a function that init calls it works in both.
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

try:
    collectd.Values(type="gauge")
    collectd.notice("import: gauge is known")
except TypeError as error:
    collectd.notice("import: TypeError, %s" % error)
END
collectd_runs 3
echo "TypesDB first: $(grep -Eo 'import: .*' "$work/log")"
grep -q 'import: gauge is known$' "$work/log" || fail "not known with TypesDB first"
rm "$work/log"
# the same line behind the import
sed -i -e '/^TypesDB/d' -e "\$a TypesDB \"$work/root/usr/share/collectd/types.db\"" "$work/collectd.conf"
PYTHONHOME="$work/root/usr" timeout 3 collectd -f -C "$work/collectd.conf" >"$work/out" 2>&1 || true
echo "TypesDB last:  $(grep -Eo 'import: .*' "$work/log")"
grep -q 'import: TypeError, Dataset gauge not found' "$work/log" || fail "known with TypesDB last"
echo "seen: types are known to a module's import only below a TypesDB line"
