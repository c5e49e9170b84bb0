"""README's way on a fresh Debian: the packages, collectd and Telegraf as they are, an upgrade from an older commit's, removal.

There is no Xen there, so what must come is first one line that says so, and then the recording that comes along, by each way
that a dom0's figures would go.
"""
import re
import shutil

from tools import chroot, gobuild, provision
from tools.collectd_daemon import BESIDES
from xenmeter.front import plugins

from .hosts import apt_install, put_in, running
from .one_file import in_system
from .rows import holds
from .served import endpoint, from_another_host

NAMES = ("python3-xenmeter", "xenmeter", "collectd-xenmeter", "telegraf-xenmeter")
#: How collectd's series of each plugin begin.
SERIES = ("xentop", "xenvcpu", "xentrace")
TELEGRAF = '[agent]\n  interval = "10s"\n  flush_interval = "1s"\n[[outputs.file]]\n  files = ["/tmp/metrics.influx"]\n'


def first_look(system):
    """README's block on a host that is no dom0, and the recording: what it says, in order."""
    apt_install(system, "/debs", "python3-xenmeter", "xenmeter", recommended=True)
    told = system.run("xenmeter", "check", check=False)
    holds(told.stdout, "There is nothing to measure here", "--source example")
    live = system.run("xenmeter", "xentop", "--count", "2", "--interval", "1", check=False)
    lines = live.stdout.strip().splitlines()
    if (told.returncode, live.returncode, len(lines)) != (3, 1, 1):
        raise AssertionError("check ended with %d, xentop with %d: %s" % (told.returncode, live.returncode, live.stdout))
    holds(system.run("xenmeter", "check", "--install", check=False).stdout, "apt-get install ./collectd-xenmeter_*.deb",
          "telegraf-xenmeter", "systemctl enable --now xenmeter-serve@all")
    seen = system.run("xenmeter", "xentop", "--source", "example", "--count", "2", "--interval", "1").stdout
    holds(seen, "Domain-0", "burner")
    version = system.run("xenmeter", "--version").stdout.split()[1]
    return "xenmeter %s, Python %s; live one line, status 1: \"%s\"; then the recording" % (
        version, system.run("python3", "-V").stdout.split()[1], lines[0].partition(";")[0])


def collectd(system):
    """The distribution's, with its own configuration and our three files: every plugin's values in its csv files."""
    apt_install(system, "/debs", "collectd-xenmeter")
    system.apt("install", "collectd", "libmnl0")    # the default configuration wants it, and collectd only recommends it
    for source in ("auto", "example"):
        for name in plugins.NAMES:
            file = system.path("/etc/collectd/xenmeter/%s.conf" % name)
            file.write_text(file.read_text().replace('# Source "auto"', '%sSource "%s"' % ("# " * (source == "auto"), source)))
        system.path("/etc/collectd/collectd.conf.d/test.conf").write_text(BESIDES)
        csv, log = system.path("/var/lib/collectd/csv"), system.path("/var/log/collectd.log")
        for path in (log, csv):
            shutil.rmtree(str(path), ignore_errors=True)
            if path.exists():
                path.unlink()

        def said():
            return log.read_text(errors="replace") if log.exists() else ""
        with running(system, "/var/log/collectd.out", "/usr/sbin/collectd", "-f") as wait:
            if source == "auto":
                wait(lambda: all(re.search("xenmeter %s: (?!version )" % name, said()) for name in plugins.NAMES))
            else:
                wait(lambda: all(list(csv.glob("*/%s-*/*" % name)) for name in SERIES))
    version = system.run("dpkg-query", "-W", "-f", "${Version}", "collectd-core").stdout
    return "collectd %s: without Xen each plugin says so; figures of all three of the recording" % version


def telegraf(system):
    """Telegraf's own user, our three files, sudo: an option is added in both files, as README.Debian says."""
    provision.ensure("telegraf")
    shutil.copy(str(gobuild.telegraf_path(provision.BUILD)), str(system.path("/usr/bin/telegraf")))
    apt_install(system, "/debs", "telegraf-xenmeter")
    system.run("sh", "-c", "id telegraf >/dev/null 2>&1 || useradd --system --no-create-home telegraf")
    system.path("/etc/telegraf/telegraf.conf").write_text(TELEGRAF)
    words = ["setpriv", "--reuid", "telegraf", "--regid", "telegraf", "--clear-groups", "/usr/bin/telegraf", "--config",
             "/etc/telegraf/telegraf.conf", "--config-directory", "/etc/telegraf/telegraf.d"]
    lines = system.path("/tmp/metrics.influx")

    def written():
        return lines.read_text() if lines.exists() else ""
    with running(system, "/var/log/telegraf.log", *words) as wait:
        wait(lambda: written().count("up=0i") >= len(plugins.NAMES))
    for name in plugins.NAMES:
        file = system.path("/etc/telegraf/xenmeter/%s.conf" % name)
        file.write_text(file.read_text().replace('"execd", "%s"]' % name, '"execd", "%s", "--source", "example"]' % name))
    sudo = system.path("/etc/sudoers.d/xenmeter-telegraf")
    sudo.write_text(re.sub(r"(execd (xentop|vcpu))\b", r"\1 --source example", sudo.read_text()))
    holds(system.run("visudo", "-c").stdout, "parsed OK")
    lines.unlink()
    with running(system, "/var/log/telegraf.log", *words) as wait:
        wait(lambda: all(word in written() for word in ("xen_domain,", "xen_vcpu", "xen_sched")))
    version = system.run("telegraf", "--version").stdout.split()[1]
    return "Telegraf %s as its own user: up=0i of each plugin without Xen; figures of all three of the recording" % version


def upgraded(system, old, commit):
    """From an older commit's packages to these: what was changed by hand stays, what the administrator took away stays away."""
    put_in(system, old(), "/old")
    apt_install(system, "/old", *NAMES)
    before = system.run("xenmeter", "--version").stdout.split()[1]
    conf = system.path("/etc/collectd/xenmeter/xentop.conf")
    conf.write_text(conf.read_text().replace("# Interval 10", "Interval 7"))
    system.path("/etc/telegraf/telegraf.d/xenmeter-vcpu.conf").unlink()
    apt_install(system, "/debs", *NAMES)
    if "Interval 7" not in conf.read_text() or system.path("/etc/telegraf/telegraf.d/xenmeter-vcpu.conf").is_symlink():
        raise AssertionError("an administrator's change is gone")
    return "%s (commit %s) to %s: changes and a link that was removed stayed" % (
        before, commit, system.run("xenmeter", "--version").stdout.split()[1])


def removed(system):
    """README's command; then purge."""
    system.apt("remove", "xenmeter", "collectd-xenmeter", "telegraf-xenmeter")
    linked = [path.name for folder in ("/etc/collectd/collectd.conf.d", "/etc/telegraf/telegraf.d")
              for path in system.path(folder).glob("xenmeter-*.conf")]
    if linked or system.path("/usr/bin/xenmeter").exists():
        raise AssertionError("left after remove: %s" % linked)
    system.apt("purge", *NAMES)
    left = system.run("sh", "-c", "find / -xdev '(' -path /debs -o -path /var/lib/collectd -o -path /var/log -o -path /tmp ')' "
                      "-prune -o -name '*xenmeter*' -print").stdout
    if left:
        raise AssertionError("left after purge: " + " ".join(left.split()))
    return "after remove the daemons' folders have none of ours; after purge no file is left, and the group " + \
        system.run("getent", "group", "xenmeter").stdout.partition(":")[0]


def tried(rows, release, debs, pyz, old, old_commit):
    """All of it in one fresh system, and the upgrade in another. :param old: gives the older packages' paths."""
    place = "Debian " + release
    with chroot.fresh(chroot.name_of("bare", release), wanted=release) as system:
        system.apt("update")
        put_in(system, debs, "/debs")
        if rows.attempt(place, "README's first commands", first_look, system):
            rows.attempt(place, "xenmeter.pyz", in_system, system, pyz)
            rows.attempt(place, "serve all", endpoint, system)
            rows.attempt(place, "serve all, from another host", from_another_host, system)
            rows.attempt(place, "collectd", collectd, system)
            rows.attempt(place, "Telegraf", telegraf, system)
            rows.attempt(place, "removed", removed, system)
    with chroot.fresh(chroot.name_of("bare", release), wanted=release) as system:
        system.apt("update")
        put_in(system, debs, "/debs")
        rows.attempt(place, "upgraded", upgraded, system, old, old_commit)
