"""The real collectd, with the python plugin, a csv writer to look at, and nothing of this machine's configuration."""
import fnmatch
import os
import pathlib
import re
import signal
import subprocess
import typing

from . import provision
from .process import Daemon, is_running, poll

CONFIG = """\
Hostname "{host}"
FQDNLookup false
BaseDir "{work}"
PIDFile "{work}/collectd.pid"
PluginDir "{root}/usr/lib/collectd"
Interval {interval}
# One: csv makes a new file without a lock, and of two threads with a series' first values one empties what the other wrote.
WriteThreads 1
LoadPlugin logfile
<Plugin logfile>
  LogLevel "info"
  File "{work}/collectd.log"
  Timestamp true
  PrintSeverity true
</Plugin>
LoadPlugin csv
<Plugin csv>
  DataDir "{work}/csv"
  StoreRates {rates}
</Plugin>
{python}Include "{work}/tested.conf"
# Last on purpose: a collectd as installed reads its types only after the configuration.
TypesDB "{root}/usr/share/collectd/types.db"
"""
#: What a collectd that is installed as it comes is to do besides: a log and its values, in files.
BESIDES = """\
LoadPlugin logfile
<Plugin logfile>
  LogLevel "info"
  File "/var/log/collectd.log"
</Plugin>
LoadPlugin csv
<Plugin csv>
  DataDir "/var/lib/collectd/csv"
</Plugin>
"""
LOAD_PYTHON = """\
<LoadPlugin python>
  Globals true
</LoadPlugin>
"""
UP = r"Initialization complete, entering read-loop"


class Value(typing.NamedTuple):
    """One line of collectd's csv plugin. Integers stay exact integers."""

    identifier: str
    time: float
    values: tuple


class Collectd(Daemon):
    """collectd running one configuration snippet.

    python_path: folders where the embedded Python finds the plugin. store_rates: csv shows rates, not counters.
    daemonise: the classic way, without -f, as an init script does it. load_python=False: the snippet does it.
    """

    name = "collectd"

    def __init__(self, workdir, config_text, python_path=(), interval=0.5, *, store_rates=False, daemonise=False,
                 load_python=True, host="testhost", env=None):
        super().__init__(workdir)
        self.pid_file = self.workdir / "collectd.pid"
        self.csv = self.workdir / "csv"
        self.conf = self.workdir / "collectd.conf"
        self.daemonise = daemonise
        self._daemon_pid = None
        self._guard = None
        self._env = dict(env or {})
        self._python_path = [str(pathlib.Path(folder).resolve()) for folder in python_path]
        self._program = provision.program("collectd", "usr/sbin/collectd")
        (self.workdir / "tested.conf").write_text(config_text)
        self.conf.write_text(CONFIG.format(
            host=host, work=self.workdir, root=_root(), interval=interval, rates="true" if store_rates else "false",
            python=LOAD_PYTHON if load_python else ""))

    def environment(self):
        """Debian's own Python for the interpreter in collectd: PATH may lead to another, whose library does not fit."""
        return provision.environment("collectd", HOME=str(self.workdir), PYTHONHOME=_python_home(),
                                     PYTHONPATH=":".join(self._python_path), PYTHONDONTWRITEBYTECODE="1", **self._env)

    def command(self):
        return [self._program, "-C", self.conf] + ([] if self.daemonise else ["-f"])

    def is_up(self):
        return re.search(UP, self.log_text()) and (not self.daemonise or self.pid is not None)

    def spawn(self):
        """A daemonised collectd leaves our process tree: a guard kills it if this process dies without stop()."""
        super().spawn()
        if self.daemonise:
            script = 'read _; pid=$(cat "$1" 2>/dev/null) && grep -qs collectd /proc/$pid/comm && kill -9 $pid'
            self._guard = subprocess.Popen(["sh", "-c", script, "guard", str(self.pid_file)], stdin=subprocess.PIPE,
                                           start_new_session=True)

    @property
    def pid(self):
        """The process that collects; when daemonised, that is known once it has written its file."""
        if not self.daemonise:
            return super().pid
        try:
            self._daemon_pid = int(self.pid_file.read_text())
        except (OSError, ValueError):
            pass
        return self._daemon_pid

    def is_alive(self):
        if not self.daemonise or self.process is None:
            return super().is_alive()
        status = self.process.poll()    # once: its parent may end between two questions, which is no death
        return status is None or status == 0 and (self.pid is None or is_running(self.pid))

    def signal(self, number):
        if self.daemonise and self.pid is not None:
            if is_running(self.pid):
                os.kill(self.pid, number)
        else:
            super().signal(number)

    def stop(self):
        """End it; returns the exit status, or for a daemonised one 0 when it went by itself and -9 when not."""
        status = 0
        if self.daemonise and self.pid is not None:
            self.signal(signal.SIGTERM)
            try:
                poll(lambda: not is_running(self.pid), self.stop_timeout, TimeoutError)
            except TimeoutError:
                self.signal(signal.SIGKILL)
                status = -signal.SIGKILL
        status = super().stop() or status
        if self._guard is not None:
            self._guard.communicate()
            self._guard = None
        return status

    def read_once(self, timeout=30.0):
        """`collectd -T`: one call of every read callback, then the end. Needs no running daemon.

        Look at the exit status and the log: it often ends before its write threads have written the values.
        """
        return subprocess.run([self._program, "-T", "-C", str(self.conf)], check=False, env=self.environment(),
                              timeout=timeout, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              cwd=str(self.workdir), text=True, errors="replace")

    def values(self, pattern="*"):
        """What csv wrote, for identifiers (host/plugin-instance/type-instance) that match the glob pattern."""
        found = []
        for file in sorted(self.csv.glob("*/*/*")):
            identifier = re.sub(r"-\d{4}-\d\d-\d\d$", "", str(file.relative_to(self.csv)))
            if fnmatch.fnmatchcase(identifier, pattern):
                found.extend(_rows(identifier, file))
        return found

    def wait_values(self, pattern="*", count=1, timeout=10.0):
        """Wait until at least count values match the pattern; returns them."""
        def look():
            found = self.values(pattern)
            return found if len(found) >= count else None
        return self.wait(look, timeout, f"{count} values of {pattern}")


def _rows(identifier, file):
    """Complete lines only: collectd may be writing the next one."""
    text = file.read_text()
    for line in text[:text.rfind("\n") + 1].splitlines()[1:]:
        stamp, *numbers = line.split(",")
        yield Value(identifier, float(stamp), tuple(_number(number) for number in numbers))


def _number(text):
    try:
        return int(text)
    except ValueError:
        return float(text)


def _root():
    """Prefix of the unpacked tree; nothing when collectd is installed on the machine."""
    return str(provision.root_of("collectd")).rstrip("/")


def embedded_python():
    """The Python that this collectd embeds, "3.11": the archive says so, not the machine's own python3."""
    found = [re.match(r"libpython(3\.\d+)(?:t64)?$", name) for name in provision.packages_of("collectd")]
    return next(match.group(1) for match in found if match)


def _python_home():
    """The prefix under which the library of the Python that collectd embeds really lies."""
    unpacked = provision.root_of("collectd") / "usr"
    library = unpacked / "lib" / ("python" + embedded_python())
    return str(unpacked) if all((library / file).exists() for file in ("os.py", "json/__init__.py")) else "/usr"


def collectd_version():
    """Such as "5.12.0"."""
    program = provision.program("collectd", "usr/sbin/collectd")
    ran = subprocess.run([program, "-h"], check=False, env=provision.environment("collectd"), stdout=subprocess.PIPE,
                         text=True)
    return re.search(r"^collectd (\d+[\d.]*\d)", ran.stdout, re.MULTILINE).group(1)
