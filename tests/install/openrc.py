"""Our services under the real OpenRC, as Debian packages it: started, asked, killed, stopped, in a fresh system.

There is no Xen: the services play a recording, by the options of /etc/conf.d. The file by which they know a dom0 is looked for
where it is not, which must stop them, and then below another folder, for nobody can put a file into /proc.
"""
import gzip
import shutil

from tools import chroot
from tools.process import free_port

from .hosts import apt_install, put_in
from .one_file import TOP, TRACE
from .rows import holds

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

SERVICES = {
    "xenmeter-serve": (
        'options="--source example --xentrace-source example --listen 127.0.0.1:@PORT@"', """\
until_true python3 -c 'import urllib.request as u
assert b"xen_domain" in u.urlopen("http://127.0.0.1:@PORT@/metrics").read()'
"""),
    "xenmeter-textfile": ('options="--source example --pace 0.02"\ndirectory=/metrics',
                          "until_true grep -q ^xen_domain /metrics/xenmeter-xentop.prom\n"),
    "xenmeter-textfile.vcpu": ('options="--source example --pace 0.02"\ndirectory=/metrics',
                               "until_true grep -q ^xen_vcpu /metrics/xenmeter-vcpu.prom\n"),
    "xenmeter-baker": ('options="--source /trace.bin --cpu-khz 2596120 --stay"', """\
until_true test -e /run/xenmeter/baker
stat -c '%U:%G %a %n' /run/xenmeter
"""),
}
#: One service: not started without the dom0's files; started, asked, killed and back, stopped, and no process left.
SCRIPT = """\
set -eu
until_true() {
    n=0
    until "$@" >/dev/null 2>&1; do
        n=$((n + 1))
        [ $n -lt 480 ] || { echo "never true: $*"; cat /var/log/*.log; exit 1; }
        sleep .25
    done
}
find /run/openrc ! -type d -delete
mkdir -p /run/openrc /metrics
touch /run/openrc/softlevel
name=$1
if rc-service "$name" start >/said 2>&1; then echo "it started without a dom0"; exit 1; fi
grep -q 'this is no Xen dom0' /said || { cat /said; exit 1; }
sed -i 's,/proc/xen/,/dom0/xen/,g' "/etc/init.d/${name%%.*}"
mkdir -p /dom0/xen
echo control_d > /dom0/xen/capabilities
rc-service "$name" start
WAIT
rc-service "$name" status
running() { pgrep -f "^/usr/bin/python3.*/usr/bin/xenmeter " || :; }
first=$(running | sort -n | head -n 1)
[ -n "$first" ] || { echo "it does not run"; ps ax; exit 1; }
kill -9 "$first"
until_true sh -c 'pgrep -f "^/usr/bin/python3.*/usr/bin/xenmeter " | grep -qv "^'"$first"'\\$"'
WAIT
rc-service "$name" stop
[ -z "$(running)" ] || { echo "it still runs"; ps ax; exit 1; }
rc-service "$name" status && exit 1
echo "$name: done"
"""


def service(system, name):
    """One service from start to stop, in one process namespace: what is left there would end with it."""
    port = str(free_port())
    options, wait = SERVICES[name]
    script = name.partition(".")[0]
    shutil.copy(str(TOP / "packaging" / "openrc" / (script + ".initd")), str(system.path("/etc/init.d/" + script)))
    system.path("/etc/init.d/" + script).chmod(0o755)
    system.path("/etc/conf.d").mkdir(exist_ok=True)
    if name != script:
        system.run("ln", "-sf", script, "/etc/init.d/" + name)
    system.path("/etc/conf.d/" + name).write_text(options.replace("@PORT@", port) + "\n")
    told = system.run("sh", "-c", SCRIPT.replace("WAIT\n", wait.replace("@PORT@", port)), "sh", name, env={"PATH": PATH}).stdout
    holds(told, "status: started", name + ": done")
    return "refused without a dom0; started, answered, came back after kill -9, stopped"


def tried(rows, release, debs):
    """Each service in a fresh system of a release that has OpenRC."""
    place = "OpenRC, Debian " + release
    with chroot.fresh(chroot.name_of("bare", release), wanted=release) as system:
        def prepared():
            system.apt("update")
            system.apt("install", "openrc", "procps")
            put_in(system, debs, "/debs")
            apt_install(system, "/debs", "python3-xenmeter", "xenmeter")
            system.path("/trace.bin").write_bytes(gzip.decompress(TRACE.read_bytes()))
            return "OpenRC " + system.run("dpkg-query", "-W", "-f", "${Version}", "openrc").stdout
        if rows.attempt(place, "OpenRC itself", prepared):
            for name in SERVICES:
                rows.attempt(place, name, service, system, name)
