"""What each backend still wants on this host, with the commands that bring it: for ``xenmeter check --install``.

Only files are looked at, and nothing is changed or asked: what is installed, where the files of conf.d lie, what the daemons'
folders hold, which services begin at boot (``hostfiles``).
"""
import os
import re
from typing import Callable, Iterator, List, Tuple

from xenmeter.front import hostfiles
from xenmeter.front.hostfiles import Host, Step

__all__ = ("BACKENDS", "steps")

_EXECD = re.compile(r'^[^#\n]*xenmeter"?,\s*"execd"', re.MULTILINE)
_IMPORT = re.compile(r'^\s*Import\s+"?xenmeter\.collectd\.', re.MULTILINE)
_MODULE_PATH = re.compile(r'^\s*ModulePath\s+"?([^"\s]+)', re.MULTILINE)
_SUDO = re.compile(r"^[^#\n]*/xenmeter execd xentop", re.MULTILINE)
_TEXTFILES = re.compile(r'^\s*XENMETER_TEXTFILE_DIRECTORY="?([^"\n]+)', re.MULTILINE)

#: What a distribution's daemon finds our library in, each a pattern.
_LIBRARIES = ("/usr/lib/python3/dist-packages", "/usr/local/lib/python3*/dist-packages", "/usr/lib*/python3*/site-packages",
              "/usr/local/lib*/python3*/site-packages")


def _no_services(host: Host, name: str, words: str) -> Step:
    what = "there are no services with this installation (of pip, or the one file): take a package; or until the next boot"
    begin = "" if host.openrc else "systemd-run --unit=%s " % name
    return Step(what, ("%s%s %s" % (begin, host.command() or "xenmeter", words),))


def _collectd(host: Host) -> Iterator[Step]:
    plugin = host.found("/usr/lib*/collectd/python.so", "/usr/lib/*/collectd/python.so")
    if host.which("collectd") is None or not plugin:
        what = "collectd is not installed" if host.which("collectd") is None else "collectd's Python plugin is not installed"
        yield Step(what, host.installs("collectd", "collectd collectd-python", "collectd collectd-python"))
    elif _embeds_python_2(host, plugin[0]):
        yield Step("this collectd embeds Python 2, which runs none of this: take Telegraf, the textfile or the endpoint", ())
        return
    folders = ("/etc/collectd/collectd.conf.d", "/etc/collectd.d")
    file = host.says(_IMPORT, *[folder + "/*" for folder in folders], "/etc/collectd.conf", "/etc/collectd/collectd.conf")
    if file is None:
        target = next((folder for folder in folders if host.exists(folder)), folders[host.which("apt-get") is None])
        yield Step("collectd's folder has no file of ours" + _WHERE[host.form in _PACKAGED],
                   _packaged(host, "collectd") or host.copied("collectd", target, _least_for_collectd))
    told = _MODULE_PATH.search(host.text(file)) if file else None
    if told is None and not host.found(*[folder + "/xenmeter" for folder in _LIBRARIES]):
        where = hostfiles.library()
        if os.path.isfile(where):
            yield Step("collectd cannot import from the one file %s: take a package, or pip" % where, ())
        else:
            yield Step("collectd's Python does not find xenmeter", (
                "sed -i 's,^.*# ModulePath .*,  ModulePath \"%s\",' %s" % (
                    where, file or os.path.join(target, "xenmeter-*.conf")),))


def _least_for_collectd(name: str) -> str:
    return ('LoadPlugin python\\n<Plugin python>\\n  # ModulePath ""\\n  Import "xenmeter.collectd.%s"\\n  <Module %s>\\n'
            '  </Module>\\n</Plugin>\\n' % (name, name))


def _embeds_python_2(host: Host, plugin: str) -> bool:
    try:
        with open(host.root + plugin, "rb") as file:
            return b"libpython2." in file.read()
    except OSError:
        return False


#: The command that installs our own package of a daemon's files, and what is said of where.
_PACKAGED = {"deb": "apt-get install ./%s-xenmeter_*.deb", "rpm": "dnf install ./%s-xenmeter-*.rpm"}
_WHERE = ("", "; in the folder of the packages")


def _packaged(host: Host, daemon: str) -> Tuple[str, ...]:
    return (_PACKAGED[host.form] % daemon,) if host.form in _PACKAGED else ()


def _telegraf(host: Host) -> Iterator[Step]:
    if host.which("telegraf") is None:
        yield Step("telegraf is not installed; it comes from its makers' archive, which no distribution has switched on", ())
    if host.which("sudo") is None:
        yield Step("sudo is not installed", host.installs("sudo", "sudo", "sudo"))
    if not host.exists("/usr/bin/xenmeter"):
        yield Step("there is no /usr/bin/xenmeter, which sudo's lines and the files name", (
            "ln -s %s /usr/bin/xenmeter" % host.command(),) if host.command() else ())
    files = host.says(_EXECD, "/etc/telegraf/telegraf.d/*.conf", "/etc/telegraf/telegraf.conf")
    sudo = host.says(_SUDO, "/etc/sudoers.d/*", "/etc/sudoers")
    if files is None or sudo is None:
        what = " and ".join(["Telegraf's folder has no file of ours"] * (files is None) + [
            "sudo has no lines for it"] * (sudo is None))
        yield Step(what + _WHERE[host.form in _PACKAGED], _telegraf_files(host))


def _telegraf_files(host: Host) -> Tuple[str, ...]:
    if host.form == "opt":
        return ("/opt/xenmeter/install.sh --telegraf",)
    return _packaged(host, "telegraf") or host.copied("telegraf", "/etc/telegraf/telegraf.d", _least_for_telegraf) + (
        "echo 'telegraf ALL=(root) NOPASSWD: /usr/bin/xenmeter execd xentop, /usr/bin/xenmeter execd vcpu' "
        "> /etc/sudoers.d/xenmeter-telegraf", "chmod 440 /etc/sudoers.d/xenmeter-telegraf")


def _least_for_telegraf(name: str) -> str:
    words = ["/usr/bin/xenmeter", "execd", name]
    if name != "xentrace":
        words = ["sudo", "-n"] + words
    return '[[inputs.execd]]\\n  command = [%s]\\n  signal = "STDIN"\\n  interval = "10s"\\n  data_format = "influx"\\n' % (
        ", ".join(['"%s"' % word for word in words]))


def _prometheus(host: Host) -> Iterator[Step]:
    if not host.services():
        yield _no_services(host, "xenmeter-serve", "serve all")
    elif host.begins("xenmeter-serve*") is None:
        yield host.switch_on("xenmeter-serve@all")


def _textfile(host: Host) -> Iterator[Step]:
    if not (host.which("prometheus-node-exporter") or host.which("node_exporter")):
        yield Step("node_exporter is not installed", host.installs("prometheus-node-exporter", "node-exporter",
                                                                    "prometheus-node-exporter"))
    if not host.services():
        yield _no_services(host, "xenmeter-textfile",
                           "xentop --textfile /var/lib/prometheus/node-exporter/xenmeter-xentop.prom")
        return
    folder = next((found.group(1) for path in ("/etc/default/xenmeter", "/etc/sysconfig/xenmeter")
                   for found in _TEXTFILES.finditer(host.text(path))), "/var/lib/prometheus/node-exporter")
    if not host.exists(folder):
        yield Step("there is no %s, where the service writes: make it, or name node_exporter's folder in %s" % (
            folder, "/etc/default/xenmeter" if host.form == "deb" else "/etc/sysconfig/xenmeter"), ("mkdir -p " + folder,))
    if host.begins("xenmeter-textfile*") is None:
        yield host.switch_on("xenmeter-textfile@xentop")


def _baker(host: Host) -> Iterator[Step]:
    if not host.services():
        yield _no_services(host, "xenmeter-baker", "baker")
    elif host.begins("xenmeter-baker*") is None:
        yield host.switch_on("xenmeter-baker")


#: Name, what it is for, what it still wants.
BACKENDS: Tuple[Tuple[str, str, Callable[[Host], Iterator[Step]]], ...] = (
    ("collectd", "collectd reads our plugins", _collectd),
    ("telegraf", "Telegraf asks xenmeter execd", _telegraf),
    ("prometheus", "Prometheus asks the endpoint", _prometheus),
    ("node_exporter", "node_exporter hands on the textfile", _textfile),
    ("baker", "the figures of xentrace, for any of the others", _baker))


def steps(host: Host) -> List[Tuple[str, str, List[Step]]]:
    """Each backend with what it is for and what it still wants, in the order in which it is to be done; nothing: it is ready.

    A daemon of somebody else's that has new files reads them when it is started again, which is its administrator's to choose.
    """
    found = []
    for name, about, ask in BACKENDS:
        wanted = list(ask(host))
        if wanted and name in ("collectd", "telegraf") and all(step.commands for step in wanted):
            again = "rc-service %s restart" if host.openrc else "systemctl restart %s"
            wanted.append(Step("then it must read its files again", (again % name,)))
        found.append((name, about, wanted))
    return found
