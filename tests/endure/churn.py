"""Churn: a simulated host of 1000 domains, half of them reborn in each simulated minute, hostile names, 10 000 at the peak.

The clocks of our programs are the model's: when all of them have read what the host is like at a moment, it goes on to the next.
So a week takes as long as the machine needs for its readings, which are five minutes apart where a week is to be.
What must hold: no figure that the model never had, no series of a domain that is gone, nothing that a process holds rises, no
more lines in a log than one an hour of a kind.
"""
import collections
import re
import statistics
import time

from endure.clocks import Clock
from endure.held import Held, cpu_seconds
from endure.model import Host
from endure.objects import objects
from endure.programs import BAKED, Program, Readings, heart, page, port_of, wait_for
from endure.traced import KHZ, Traced, quantum
from xenmeter.core.errors import SourceError
from xenmeter.core.log import kind_of
from xenmeter.xentrace.baker.control import ask

#: Seconds in which half of the domains are reborn.
MINUTE_S = 60
WEEK = 7.0
#: Domains, those at the peak, and minutes between two readings, each of which is a step: where there is an hour, and where there
#: is less. A slope wants many steps more than it wants many domains.
WHOLE, SMALL, HOUR = (1000, 10000, 5), (200, 2000, 1), 3000
#: Minutes of the baker's windows where there are 1000 domains.
WINDOW = 2
#: % per simulated day.
LIMIT = 1.0
#: % in all, where what is judged is less than so many days: what a process takes once is a steep slope then.
ALLOWED, SHORT = 3.0, 1.0
#: Points without which no slope is told.
LEAST = 60
#: Steps that a figure may be older than its own, and seconds of the machine's for which a reading is waited.
LATE, PATIENCE = 0.5, 180
#: After which what is kept of the past, and bounded, is full: names and identities of so many lives, the baker's 600 windows.
LIVES, WINDOWS = 33000, 700
#: Steps that the peak takes as long as, and what is to be ended after it.
PEAK_STEPS = 35
#: Steps at the least, however slow the machine is.
FEWEST = 12
#: Readings between two looks at the baker's document.
BAKED_EACH = 20
_VCPU = re.compile(rb'^xen_vcpu_runstate_seconds_total\{[^\n]*?uuid="([0-9a-f-]{36})",vcpu="0",state="running"\} ([0-9.e+]+)$',
                   re.MULTILINE)
DOM0 = "00000000-0000-0000-0000-000000000000"


class Checked:
    """Figures of one front, against the model.

    :ivar step: of the newest figure; :ivar series: of the last reading; :ivar unread: of steps of which none has come, what its
    program said.
    """

    def __init__(self, host, name, step_s):
        self._host = host
        self.name = name
        self.figures = self.readings = self.series = self.step = 0
        self.wrong, self.unread = [], []
        self._step_s = step_s
        self.late = LATE * step_s   # and as long as the step has taken the machine by now

    def take(self, pairs, at=None):
        """(UUID, running ns) of one reading. :param at: the time that it has, where it says that."""
        self.readings += 1
        pairs = [(key, value) for key, value in pairs if key != DOM0]
        self.series = len(pairs)
        self.figures += len(pairs)
        for key, value in pairs:
            wrong = self._host.wrong(key, value, self._step_s + self.late, at)
            if wrong:
                self.wrong.append(wrong)
        self.step = max([self._host.step_of(value) for _, value in pairs], default=self.step)


class Churn:
    """:param seconds: of the machine's own clock, for all of it; a week of the simulated one ends it too."""

    def __init__(self, folder, seconds, seed, size, peak, minutes):
        self.folder = folder
        self.minutes, self.step_s = minutes, minutes * MINUTE_S
        self._until = time.monotonic() + seconds
        self.clock, self.bakers = Clock(folder, "clock"), Clock(folder, "bakers")
        self._library = str(objects() / "simclock.so")
        self.host = Host(folder, size, peak, seed, size // 2, self.clock.now)
        self.traced, self.shared = Traced(folder / "trace", MINUTE_S), str(folder / "baker")
        self.size, self.peak, self.late = size, peak, LATE * self.step_s
        self.window_s = MINUTE_S if size < WHOLE[0] else WINDOW * MINUTE_S
        self.xentop = Checked(self.host, "execd xentop (direct)", self.step_s)
        self.vcpu = Checked(self.host, "serve vcpu (hypercall)", self.step_s)
        self.baker_wrong, self.baker_figures, self.missed = [], 0, 0
        self.read_wrong, self.read_figures = [], 0
        self.programs = []

    def run(self, results):
        environment = self.host.xen.preload(XENSTORED_PATH=str(self.folder / "store"), XENMETER_COUNTERS="")
        ours = self.clock.environment(environment, self._library)
        shared, interval = self.shared, ["--interval", str(self.step_s)]
        environment["XENMETER_COMPILED"] = str(objects() / "hot.so")
        self.read, self.read_baked = Readings(), Readings(BAKED)
        with self.host.store:
            try:
                self.programs = [
                    Program("baker", ["baker", "--source", self.traced.path, "--cpu-khz", str(KHZ), "--window",
                                      str(self.window_s), "--share", "0", "--shared", shared],
                            self.bakers.environment(environment, self._library)),
                    Program("execd xentop", ["execd", "xentop", "--signal", "none", *interval, "--source", "direct"], ours,
                            on_data=self.read.data),
                    Program("serve vcpu", ["serve", "vcpu", *interval, "--source", "hypercall", "--listen", "127.0.0.1:0"], ours),
                    Program("execd xentrace", ["execd", "xentrace", "--signal", "none", *interval, "--source", "baker",
                                               "--shared", shared], ours, on_data=self.read_baked.data)]
                self._churn()
                self._peak()
            finally:
                for program in self.programs:
                    program.end()
                self.traced.close()
        self._tell(results)

    def _step(self, minutes=None):
        """Minutes of the host, and a reading of it by each front. The baker first: its heart must not seem to stand still."""
        for present in self.host.advance(minutes or self.minutes):
            self.missed += not self.traced.step(present, PATIENCE)
        self.host.store.quiet(0.02, 5)
        self.bakers.advance(self.step_s)
        wait_for(lambda: (heart(self.shared) or 0) / 1e9 > time.monotonic() + self.bakers.ahead - self.step_s / 10, PATIENCE)
        self.clock.advance(self.step_s)
        began = time.monotonic()
        while min(self.xentop.step, self.vcpu.step) < self.host.step and time.monotonic() < began + PATIENCE:
            self.xentop.late = self.vcpu.late = self.late + time.monotonic() - began
            if not self.read.come.wait(0.02) and self.xentop.step < self.host.step:
                continue
            for stamp, pairs in self.read.taken():
                self.xentop.take(pairs, stamp)
            if self.vcpu.step < self.host.step:
                self._scrape()
        for one, program in zip((self.xentop, self.vcpu), self.programs[1:]):
            if one.step < self.host.step:
                one.unread.append("step %d, series %d of step %d: %s" % (self.host.step, one.series, one.step,
                                                                         program.errors[-2:]))
        for program in self.programs:
            assert program.alive(), "%s ended with %s: %s" % (program.name, program.process.returncode, program.errors[-3:])

    def _churn(self):
        self.port = port_of(self.programs[2])
        wait_for(lambda: heart(self.shared), PATIENCE)
        self.held = [Held(program.name, program.pid) for program in self.programs]
        took, baked, began = [], FEWEST // 2, time.monotonic()
        while len(took) < FEWEST or (began + PEAK_STEPS * statistics.median(took) < self._until and self._days() < WEEK):
            self._step()
            took = [*took[-99:], time.monotonic() - began]
            began = time.monotonic()
            if self.host.step >= baked:
                baked = self.host.step + (BAKED_EACH if self._bake() else 1)
            for one in self.held:
                one.look(self._days())
        self.days, self.steps = self._days(), self.host.step
        self.cpu = [cpu_seconds(program.pid) for program in self.programs]

    def _days(self):
        return self.host.step * self.step_s / 86400

    def _scrape(self):
        self.vcpu.take([(key.decode(), round(float(value) * 10 ** 9)) for key, value in _VCPU.findall(page(self.port, PATIENCE))])

    def _bake(self):
        """The baker's newest document: each domain has run in whole quanta of its own. Whether it has answered."""
        try:
            told = ask(str(self.folder / "baker.sock"), get="figures")
        except SourceError:
            return False
        for one in told.get("domains", ()):
            self.baker_figures += 1
            if one["running_ns"] % quantum(one["domid"]) or one["running_ns"] > self.traced.steps * quantum(one["domid"]):
                self.baker_wrong.append("domain %d has run %d ns, in quanta of %d" % (
                    one["domid"], one["running_ns"], quantum(one["domid"])))
        for key, value in [pair for _, pairs in self.read_baked.taken()[-1:] for pair in pairs if pair[0] in self.host.lives]:
            self.read_figures += 1
            life = self.host.lives[key]
            if value % quantum(life.domid) or value > (self.host.step - life.born + 1) * self.minutes * quantum(
                    life.domid):
                self.read_wrong.append("%s, born at step %d of %d, has run %d ns, in quanta of %d" % (
                    key, life.born, self.host.step, value, quantum(life.domid)))
        return True

    def _peak(self):
        """All at once, and back."""
        self.before = {one.name: one.readings[-1][1] for one in self.held}
        self.late = 3 * self.step_s
        self.host.resize(self.peak)
        self._settle(lambda series: series > 0.99 * self.peak)
        self.at_peak = (self.xentop.series, self.vcpu.series)
        for one in self.held:
            one.look(0)
        self.most = {one.name: one.readings.pop()[1] for one in self.held}
        self.host.resize(self.size)
        self._settle(lambda series: series <= self.size)
        self.left = [(one.name, one.series - self.size) for one in (self.xentop, self.vcpu)]

    def _settle(self, enough):
        """Until both fronts show so many series, or for some steps."""
        for _ in range(8):
            self._step(1)
            if enough(self.xentop.series) and enough(self.vcpu.series):
                return

    def _tell(self, results):
        results.figure("simulated days, at a reading each %d s of %d domains" % (self.step_s, self.size), "%.2f" % self.days)
        results.figure("domains that were born; steps", "%d; %d" % (self.host.born, self.steps))
        for one in (self.xentop, self.vcpu):
            results.figure("%s: readings, figures of domains" % one.name, "%d, %d" % (one.readings, one.figures), "each step",
                           one.readings >= self.steps and one.figures > self.size)
            _none(results, "%s: steps that were waited for in vain" % one.name, one.unread)
            _none(results, "%s: wrong figures" % one.name, one.wrong)
        results.figure("baker: figures of domains", self.baker_figures, "some", self.baker_figures > 0)
        _none(results, "baker: wrong figures", self.baker_wrong)
        results.figure("execd xentrace: figures of domains", self.read_figures, "some", self.read_figures > 0)
        _none(results, "execd xentrace: wrong figures", self.read_wrong)
        results.figure("baker: minutes that it had no time for", self.missed)
        for program, seconds in zip(self.programs, self.cpu):
            results.figure("%s: CPU seconds per simulated day" % program.name, "%.0f" % (seconds / self.days))
        for name, more in self.left:
            results.figure("%s: series left over after the peak" % name, max(0, more), "0", more <= 0)
        results.figure("series at the peak of %d domains" % self.peak, "%d, %d" % self.at_peak, "nearly all",
                       min(self.at_peak) > 0.9 * self.peak)
        for one in self.held:
            self._tell_held(results, one)
        for program in self.programs:
            kinds = collections.Counter(map(kind_of, program.errors))
            most = max(kinds.values(), default=0)
            results.figure("%s: lines in its log, kinds, most of a kind" % program.name, "%d, %d, %d" % (
                len(program.errors), len(kinds), most), "one an hour", most <= 2 + 24 * self._days() and len(kinds) <= 20)

    def _tell_held(self, results, one):
        shown = self.size * (1 - 0.5 ** self.minutes)   # of those that are born in a step
        full = round(WINDOWS * self.window_s / self.step_s if one.name in ("baker", "execd xentrace") else LIVES / shown + 10)
        kept = [reading for reading in one.readings if reading[0] > full * self.step_s / 86400]
        judged = len(kept) >= LEAST
        shown = Held(one.name, one.pid)
        shown.readings = kept if judged else one.readings
        is_short = shown.readings[-1][0] - shown.readings[0][0] < SHORT
        for column, what, unit in ((1, "resident memory", 1 << 20), (2, "descriptors", 1)):
            rise, level, over = shown.rises(column, LIMIT, ALLOWED if is_short else 0)
            told = "%.0f%s, %+.2f" % (level / unit, " MiB" if unit > 1 else "", rise)
            name = "%s: %s, slope in %% per simulated day" % (one.name, what)
            if judged:
                results.figure(name, told, "%g%s" % (LIMIT, ", or %g in all" % ALLOWED if is_short else ""), not over)
            else:
                results.figure("%s, while what is kept of the past still fills (%d steps of %d)" % (
                    name, self.steps, full + LEAST), told)
        results.figure("%s: memory before and at the peak, MiB" % one.name, "%d, %d" % (
            self.before[one.name] >> 20, self.most[one.name] >> 20))


def _none(results, what, wrong):
    results.figure(what, "%d%s" % (len(wrong), "".join("; " + text for text in wrong[:2])), "0", not wrong)


def run(folder, seconds, seed, results):
    churn = Churn(folder, seconds, seed, *(WHOLE if seconds >= HOUR * 0.6 else SMALL))
    churn.run(results)
    return churn
