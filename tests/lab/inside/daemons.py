"""The distribution's collectd with our drop-in files, execd as Telegraf runs it, and the baker; and what kill -9 does."""
import pathlib
import signal
import subprocess
import time

from lab.inside import dom0

__all__ = ("Execd", "collectd_values", "costs", "kill_and_restart", "start_baker", "start_collectd", "wait_collectd")

CONFIG = """\
Hostname "dom0lab"
FQDNLookup false
BaseDir "/run/collectd"
PIDFile "/run/collectd/pid"
PluginDir "/usr/lib/collectd"
TypesDB "/usr/share/collectd/types.db"
Interval 10
LoadPlugin logfile
<Plugin logfile>
  LogLevel "info"
  File "/results/collectd.log"
  Timestamp true
</Plugin>
LoadPlugin csv
<Plugin csv>
  DataDir "/results/csv"
  StoreRates false
</Plugin>
LoadPlugin xencpu
<LoadPlugin python>
  Globals true
</LoadPlugin>
Include "/run/collectd/conf.d"
"""
CSV = dom0.RESULTS / "csv" / "dom0lab"
#: Values of a plugin that are waited for: more than its meter's, and than are written while one looks.
ENOUGH = 50


def start_collectd():
    """The drop-in files as they are shipped, but for the path of the package, a shorter interval, and xentop's text as the
    source, so that there is a child to kill."""
    work = pathlib.Path("/run/collectd")
    (work / "conf.d").mkdir(parents=True, exist_ok=True)
    (work / "collectd.conf").write_text(CONFIG)
    for file in (dom0.CODE / "conf.d" / "collectd").glob("*.conf"):
        text = file.read_text().replace('# ModulePath "/opt/xenmeter/plugins"', 'ModulePath "/code/plugins"')
        text = text.replace("# Interval 10", "Interval 5")
        if file.name == "xentop.conf":
            text = text.replace('# Source "auto"', 'Source "xentop"')
        (work / "conf.d" / file.name).write_text(text)
    return dom0.start("collectd", "collectd", "-f", "-C", work / "collectd.conf")


def start_baker():
    """Without a bound on its cost: with the default, 2 % of a pCPU, it would rest for minutes here, where all is slow."""
    return dom0.start("baker", *dom0.xenmeter("baker", "--share", "0"))


def collectd_values(kind):
    """How many values collectd's csv plugin has of one of our plugins: lines of all its files."""
    return sum(len(file.read_text().splitlines()) - 1 for folder in CSV.glob(kind + "*") for file in folder.iterdir())


def wait_collectd():
    """Until collectd has stored values of each plugin, of dom0 and of a guest: its meter's are there first, and what waits in its
    queue when it is stopped is never stored."""
    for kind in ("xentop-", "xenvcpu-", "xentrace-"):
        dom0.wait_for(lambda kind=kind: collectd_values(kind) > ENOUGH and all(
            (CSV / (kind + name)).exists() for name in ("Domain-0", "burner")), 240, f"collectd's values of {kind}")


class Execd:
    """`xenmeter execd PLUGIN` at its own pace, as Telegraf's inputs.execd runs it with signal = "none"."""

    def __init__(self, name, *arguments):
        self.name = name
        self.child = dom0.start(name, *dom0.xenmeter("execd", *arguments, "--signal", "none"), stdin=subprocess.PIPE)

    def lines(self):
        return dom0.lines(self.name)

    def stop(self):
        """As Telegraf does it: stdin ends."""
        self.child.stdin.close()
        dom0.finish(self.child, 300)


def kill_and_restart(collectd, baker):
    """kill -9 of each process in turn; what must come back is waited for, and how long it took is noted."""
    subprocess.run(["kill", "-9", *map(str, _xentops(collectd))], check=False)     # one may have gone by itself
    dom0.mark("kill -9 of xentop_child")
    _grows("xentop_child", lambda: collectd_values("xentop-"))
    dom0.kill(baker)
    dom0.run("restore", *dom0.xenmeter("baker", "--restore"))
    baker = start_baker()
    _grows("baker", lambda: collectd_values("xentrace-"))
    _kill_with_its_xentop("collectd", collectd)
    collectd = start_collectd()
    for kind in ("xentop-", "xenvcpu-", "xentrace-"):
        _grows("collectd " + kind, lambda kind=kind: collectd_values(kind))
    execd = Execd("execd-killed", "xentop", "--source", "xentop", "--interval", "2")
    dom0.wait_for(lambda: execd.lines() > 0, 240, "lines of execd")
    _kill_with_its_xentop("execd", execd.child)
    return collectd, baker


def _kill_with_its_xentop(what, child):
    """Its xentop must end by itself, at the latest when it writes into the pipe that nobody reads."""
    xentops = _xentops(child)
    dom0.kill(child)
    began = time.monotonic()
    dom0.wait_for(lambda: not xentops & set(_running("xentop")), 240, f"the end of the xentop of a killed {what}")
    dom0.note(f"orphan_seconds.{what}", round(time.monotonic() - began, 1))


def _xentops(child):
    """The xentops that this process has started; one may just be starting."""
    return dom0.wait_for(lambda: set(_running("xentop")) & _descendants(child.pid), 240, f"an xentop of {child.lab_name}")


def _descendants(pid):
    try:
        children = set(dom0.children(pid))
    except OSError:     # it has ended meanwhile
        return set()
    return children.union(*map(_descendants, children))


def _running(name):
    return [int(pid.name) for pid in pathlib.Path("/proc").glob("[0-9]*") if _command(pid.name).startswith(name + " ")]


def _command(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().rpartition("/")[2]
    except OSError:
        return ""


def _grows(what, count):
    """More values than there were: three times, so that it was no rest of before."""
    began = time.monotonic()
    for _ in range(2):
        before = count()
        dom0.wait_for(lambda before=before: count() > before, 240, f"values after {what}")
    dom0.note(f"back.{what}", round(time.monotonic() - began, 1))


def costs(baker, seconds):
    """CPU seconds per hour of each form at its default interval, all measured over the same seconds; and of xentop. Beside
    it Xen's own account of dom0, with them and with the baker alone: what their hypercalls and the kernel do is in that."""
    _account("alone", seconds / 2, lambda: None)
    forms = {"xentop -b -d 10": dom0.start("cost-xentop", "xentop", "-b", "-d", "10"), "baker": baker}
    execs = [Execd("cost-execd-" + "-".join(arguments).replace("--", ""), *arguments) for arguments in (
        ("xentop", "--source", "xentop"), ("xentop", "--source", "direct"), ("vcpu",), ("xentrace",))]
    forms.update((execd.name.replace("cost-", ""), execd.child) for execd in execs)
    for execd in execs:
        dom0.wait_for(lambda execd=execd: execd.lines() > 0, 240, f"lines of {execd.name}")
    before, after, took = _account("with-all", seconds, lambda: {name: dom0.cpu_ns(child.pid) for name, child in forms.items()})
    dom0.note("cost_cpu_seconds_per_hour", {name: (after[name] - before[name]) / 1e9 / took * 3600 for name in forms})
    _rest(execs, 35)
    for execd in execs:
        execd.stop()
    dom0.stop(forms["xentop -b -d 10"], signal.SIGINT)


def _rest(execs, seconds):
    """The system calls of each of them, with their times, for so long after the first: between two readings there should be
    none."""
    tracers = [dom0.start(execd.name.replace("cost-", "rest-"), "strace", "-f", "-ttt", "-s", "64", "-o",
                          dom0.RESULTS / (execd.name.replace("cost-", "rest-") + ".strace"), "-p", execd.child.pid)
               for execd in execs]
    files = [dom0.RESULTS / f"{tracer.lab_name}.strace" for tracer in tracers]
    dom0.wait_for(lambda: all(file.exists() and file.stat().st_size for file in files), 240, "system calls of each form")
    dom0.sleep(seconds)
    for tracer in tracers:
        dom0.stop(tracer, signal.SIGINT)


def _account(name, seconds, look):
    """What `look` gives before and after these seconds, and how many there were; notes them with Xen's account of dom0, and
    how long it was from the beginning of that account's first look to the end of its last, which take long themselves."""
    outer = time.monotonic()
    dom0.run(f"cost-{name}-before", "xl", "vcpu-list", "0")
    began, before = time.monotonic(), look()
    dom0.sleep(seconds)
    after, took = look(), time.monotonic() - began
    dom0.run(f"cost-{name}-after", "xl", "vcpu-list", "0")
    dom0.note(f"cost-{name}-seconds", took)
    dom0.note(f"cost-{name}-outer-seconds", time.monotonic() - outer)
    return before, after, took
