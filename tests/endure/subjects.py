"""What faults happen to: our ways to run, each with a clock of its own and the library that makes its calls fail."""
import http.client
import os
import pathlib
import re
import signal

from endure import ringed
from endure.calls import CASES, OF_NEW_FILES, cut
from endure.clocks import Clock
from endure.objects import objects
from endure.programs import DIRECT, Program, Readings, page, port_of
from endure.ringed import PAGES, Ringed
from endure.traced import KHZ, Traced, quantum
from helpers.paths import PLUGINS
from tools.collectd_daemon import Collectd
from xenmeter.core.errors import SourceError
from xenmeter.xentrace.baker.document import to_sample
from xenmeter.xentrace.baker.shm import Reader

#: Seconds of the simulated clock between two readings.
INTERVAL = 10
#: Of a host, how many of the domains must be there for a reading to be whole: some are just being born.
MOST = 0.8
_CPU = re.compile(rb'^xen_domain_cpu_seconds_total\{[^\n]*?uuid="([0-9a-f-]{36})"\} ([0-9.e+]+)$', re.MULTILINE)
_VCPU = re.compile(rb'^xen_vcpu_runstate_seconds_total\{[^\n]*?uuid="([0-9a-f-]{36})",vcpu="0",state="running"\} ([0-9.e+]+)$',
                   re.MULTILINE)
_UP = re.compile(rb'^xenmeter_up\{plugin="[a-z]+"\} ([01])', re.MULTILINE)


class Subject:
    """:param bench: what is shared: the host, the libraries, the folder.

    :ivar wrong: figures that the model never had; :ivar errors: lines of its log so far; :ivar down: it says so itself.
    :ivar stopped: by a signal.
    """

    name = ""
    cases = CASES
    behind = 0      # intervals by which its figures are old where nothing is wrong

    def __init__(self, bench):
        self.bench = bench
        self.host = bench.host
        self.clock = Clock(bench.folder, os.path.basename(self._named("clock")))
        self.plan, self.log = pathlib.Path(self._named("failing")), pathlib.Path(self._named("failed"))
        self.fail([])
        self.wrong, self.down, self.stopped = [], False, False
        self.start()

    def _named(self, what):
        return str(self.bench.folder / re.sub("[ ,]+", "-", "%s %s" % (self.name, what)))

    def environment(self):
        environment = self.host.xen.preload(XENSTORED_PATH=str(self.bench.folder / "store"), FAILING=str(self.plan),
                                            FAILING_LOG=str(self.log), XENMETER_COUNTERS=self._named("counters"),
                                            XENMETER_COMPILED=str(objects() / "hot.so"))
        environment = self.clock.environment(environment, str(objects() / "simclock.so"))
        environment["LD_PRELOAD"] = "%s:%s" % (objects() / "failing.so", environment["LD_PRELOAD"])
        return environment

    def fail(self, plans):
        """:param plans: (call, place, error): the so many-th of these calls from now on fails once. No other one does."""
        new = self.plan.with_suffix(".new")     # it comes whole, and is another file than the one before
        new.write_text("".join("%s %d %d\n" % plan for plan in plans))
        new.replace(self.plan)

    def failed(self):
        """(call, error) of those that have failed so far."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [(call, int(error)) for call, error in map(str.split, lines)]

    def stir(self, _names):
        """Has it make calls of these names that it makes seldom; what has happened to it for that, which is told in its log."""
        return []

    def step(self):
        """The host has gone on by a step; now the clock does."""
        self.clock.advance(INTERVAL)

    def compare(self, pairs, at=None):
        """Keep those of these figures that are wrong. :param at: the time that they have, by the program's clock; None: now."""
        at = self.clock.now() if at is None else self.clock.true(at)
        known = [(key, value) for key, value in pairs if key in self.host.lives or key in self.host.dead]
        found = (self.host.wrong(key, value, 3 * INTERVAL + 10, at) for key, value in known)
        self.wrong += [text for text in found if text]

    def fresh(self, pairs):
        """Whether these figures are of the host as it is now, and nearly all of it."""
        least = self.host.step - self.behind
        fresh = [key for key, value in pairs if key in self.host.lives and self.host.step_of(value) >= least]
        return len(fresh) > MOST * len(self.host.lives)

    @property
    def pid(self):
        return self.program.pid

    @property
    def errors(self):
        return self.program.errors

    @staticmethod
    def is_aside(_line):
        """Whether a line of its log is about no fault: about the host as it is."""
        return False

    def alive(self):
        return self.program.alive()

    def signal(self, number):
        os.kill(self.pid, number)

    def again(self):
        """Killed, or ended by a fault: started anew."""
        self.fail([])
        if self.alive():
            self.signal(signal.SIGKILL)
        self.program.end()
        self.start()

    def end(self):
        self.program.end()


class Serve(Subject):
    name = "serve xentop"
    words, figures = ("serve", "xentop", "--source", "direct", "--listen", "127.0.0.1:0"), _CPU

    def start(self):
        self.program = Program(self.name, [*self.words, "--interval", str(INTERVAL)], self.environment())
        self.port = port_of(self.program)

    def look(self):
        try:
            return self.judge(page(self.port, 10))
        except (OSError, http.client.HTTPException):
            return False

    def judge(self, told):
        """A page."""
        self.down = (_UP.search(told) or [b""] * 2)[1] == b"0"
        pairs = [(key.decode(), round(float(value) * 10 ** 9)) for key, value in self.figures.findall(told)]
        self.compare(pairs)
        return self.fresh(pairs) and not self.down


class ServeVcpu(Serve):
    name = "serve vcpu"
    words, figures = ("serve", "vcpu", "--source", "hypercall", "--listen", "127.0.0.1:0"), _VCPU


class Textfile(Serve):
    """A page that lies in a file."""

    name = "textfile"

    def start(self):
        self._file, self._before = self.bench.folder / "x.prom", None
        self._file.unlink(missing_ok=True)
        self.program = Program(self.name, ["xentop", "--source", "direct", "--textfile", str(self._file), "--interval",
                                           str(INTERVAL)], self.environment())

    def signal(self, number):
        """What lies there when it is stopped is as old as the stop is long: whoever reads it has its time."""
        super().signal(number)
        self._before = self._file.stat().st_mtime_ns if self._file.exists() else None

    def look(self):
        try:
            return self._file.stat().st_mtime_ns != self._before and self.judge(self._file.read_bytes())
        except FileNotFoundError:
            return False


class Execd(Subject):
    name = "execd xentop"
    words, figures = ("execd", "xentop", "--source", "direct"), DIRECT

    def start(self):
        self.read, self._pairs, self._told = Readings(self.figures), [], 0
        self.program = Program(self.name, [*self.words, "--signal", "none", "--interval", str(INTERVAL)], self.environment(),
                               on_data=self.read.data)

    def look(self):
        if self.read.come.is_set():
            for stamp, self._pairs in self.read.taken():
                self.compare(self._pairs, stamp)
        self.down = self.read.told > self._told and not self.read.up
        return self.fresh(self._pairs) and self.read.up

    def step(self):
        self._told = self.read.told
        super().step()


class Baker(Subject):
    """Its trace is of its own clock; a new one is written for each baker."""

    name = file = "baker"
    traces = first = 0
    behind = 4      # a pass over the pCPUs is over when the next one begins, and a window when its border is safe

    def start(self):
        self.traces += 1
        self._began = self.clock.now()
        self.shared = str(self.bench.folder / self.file)
        self.bake(["--window", str(INTERVAL), "--share", "0", "--shared", self.shared])

    def bake(self, words):
        self.traced = Traced(self.bench.folder / ("%s-trace-%d" % (self.file, self.traces)), INTERVAL)
        self.program = Program(self.name, ["baker", "--source", self.traced.path, "--cpu-khz", str(KHZ), *words],
                               self.environment())

    def stir(self, names):
        """Another file takes the place of one that is cut."""
        if OF_NEW_FILES & set(names):
            cut(self.shared)
        return []

    def step(self):
        self.traced.step({life.domid for life in self.host.lives.values()}, 30 if self.alive() else 0.001)
        super().step()

    def look(self):
        """The newest document: whole quanta of each domain, and no more of them than there were."""
        reader = Reader(self.shared)
        try:
            _, time_ns, document = reader.read(True)
            if time_ns / 1e9 - self.clock.set < self._began:
                return False        # the file of the one before
            figures = to_sample(time_ns, document, reader.cells).figures
        except SourceError:
            return False
        finally:
            reader.close()
        live = {life.domid for life in self.host.lives.values()}
        for one in figures["domains"]:
            if one["running_ns"] % quantum(one["domid"]) or one["running_ns"] > self.traced.steps * quantum(one["domid"]):
                self.wrong.append("domain %d has run %d ns, in quanta of %d" % (
                    one["domid"], one["running_ns"], quantum(one["domid"])))
        return (len(live & {one["domid"] for one in figures["domains"]}) > MOST * len(live)
                and figures["trace"]["span_ns"] >= (self.traced.steps - self.first - self.behind) * INTERVAL * 10 ** 9)


class RingBaker(Baker):
    """Its trace is in the host's rings, and goes on when it begins anew."""

    name, file = "baker on rings", "ring-baker"
    traced = None

    def bake(self, words):
        self.traced = self.traced or Ringed(self.bench.folder / "rings", INTERVAL)
        self.first = self.traced.steps
        self.program = Program(self.name, words + ["--buffer-pages", str(PAGES)], self.environment(),
                               start=(ringed.__file__, self.traced.path))
        self.program.wait_error("baking into")      # it discards what is in the rings: nothing of a step that is being written


class InCollectd(Subject):
    name, plugin, file = "collectd", "xentop", "virt_cpu_total"
    options = 'Source "direct"', 'Group "cpu"'
    behind = 2      # one reads ahead, another takes what was read and dispatches it
    _CONFIG = """
<Plugin python>
  Import "xenmeter.collectd.{0}"
  <Module {0}>
    Interval {1}
    InstanceFormat "uuid"
    {2}
  </Module>
</Plugin>
"""

    def start(self):
        own = self.environment()
        libraries = own.pop("LD_PRELOAD")
        mine = {name: own[name] for name in own if name not in os.environ or own[name] != os.environ[name]}
        config = self._CONFIG.format(self.plugin, INTERVAL, "\n    ".join(self.options))
        self.program = Collectd(self._named("work"), config, [PLUGINS], INTERVAL, env=dict(mine, LD_PRELOAD=libraries))
        self.program.__enter__()

    @property
    def errors(self):
        return [line for line in self.program.log_text().splitlines() if re.search(r"\[(error|warning)\] .*xenmeter", line)]

    def alive(self):
        return self.program.is_alive()

    def signal(self, number):
        self.program.signal(number)

    def again(self):
        self.fail([])
        self.end()
        self.start()

    def end(self):
        self.program.__exit__(None, None, None)

    def look(self):
        pairs = []
        for key in list(self.host.lives):
            files = list((self.program.csv / "testhost" / ("%s-%s" % (self.plugin, key))).glob(self.file + "-*"))
            lines = max(files, key=os.path.getmtime).read_text().split("\n") if files else []
            if len(lines) > 2 and lines[-1] == "" and "," in lines[-2]:
                stamp, value = lines[-2].split(",")
                pairs.append((key, int(value)))
                self.compare(pairs[-1:], float(stamp))
        return self.fresh(pairs)

