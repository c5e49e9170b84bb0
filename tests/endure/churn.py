"""Churn: a simulated host of 1000 domains, half of them reborn in each simulated minute, hostile names, 10 000 at the peak.

The real front ends read it as fast as they can, so that a reading of each tenth of a second stands for one of ten seconds. What
must hold: no figure that the model never had, no series of a domain that is gone, nothing that a process holds rises.
"""
import re
import threading
import time

from endure.held import Held
from endure.model import STEP_S, Host
from endure.programs import Program, page, port_of
from endure.traced import KHZ, Traced, quantum
from xenmeter.core.errors import SourceError
from xenmeter.xentrace.baker.control import ask

SIZE, PEAK = 1000, 10000
#: In each simulated minute.
REBORN = SIZE // 2
#: % per simulated day.
LIMIT = 1.0
#: % in all, where the run is but a part of a day.
ALLOWED = 3.0
#: Seconds that a figure may be old: some readings on a machine with other work; and where 10 000 domains come at once.
PATIENCE, PEAK_PATIENCE = 10, 120
#: Steps after which what is kept of the past, and bounded, is full: names and identities (33 000 lives), the baker's 600 windows.
FULL, BAKED = 400, 700
_INFLUX = re.compile(rb"^xen_domain,[^\n]*?uuid=([0-9a-f-]{36})[ ,][^\n]*?cpu_time_ns=(\d+)i[^\n]* (\d+)$", re.MULTILINE)
_VCPU = re.compile(rb'^xen_vcpu_runstate_seconds_total\{[^\n]*?uuid="([0-9a-f-]{36})",vcpu="0",state="running"\} ([0-9.e+]+)$',
                   re.MULTILINE)
DOM0 = "00000000-0000-0000-0000-000000000000"


class Checked:
    """Figures of one front, against the model."""

    def __init__(self, host, name):
        self._host = host
        self.name = name
        self.figures = 0
        self.readings = 0
        self.series = 0         # of the last reading
        self.wrong = []
        self.patience = PATIENCE

    def take(self, pairs, at=None):
        """(UUID, running ns) of one reading. :param at: when it was taken, by the monotonic clock, where it says that."""
        self.readings += 1
        self.series = 0
        for key, value in pairs:
            if key == DOM0:
                continue
            self.series += 1
            self.figures += 1
            wrong = self._host.wrong(key, value, self.patience, at)
            if wrong:
                self.wrong.append(wrong)


class Execd:
    """Whole readings of an execd's stream: lines of one time stamp."""

    def __init__(self, checked):
        self._checked = checked
        self._parts = []
        self.came = threading.Event()

    def data(self, data):
        self._parts.append(data)
        if b"xenmeter" not in data:
            return
        held = b"".join(self._parts)
        end = held.find(b"\n", held.rfind(b"\nxenmeter") + 1) + 1     # the meter's own line is the last one
        if not end:
            return
        self._parts = [held[end:]]
        readings = {}
        for key, value, stamp in _INFLUX.findall(held[:end]):
            readings.setdefault(stamp, []).append((key.decode(), int(value)))
        since = time.time() - time.monotonic()
        for stamp, pairs in sorted(readings.items()):
            self._checked.take(pairs, int(stamp) / 1e9 - since)
        self.came.set()


class Churn:
    """:param seconds: of the machine's own clock, the peak not counted."""

    def __init__(self, folder, seconds, seed, size=SIZE, peak=PEAK):
        self.folder = folder
        self.seconds = seconds
        self.host = Host(folder, size, peak, seed, REBORN * STEP_S // 60 * size // SIZE)
        self.traced = Traced(folder / "trace")
        self.peak = peak
        self.xentop = Checked(self.host, "execd xentop (direct)")
        self.vcpu = Checked(self.host, "serve vcpu (hypercall)")
        self.baker_wrong, self.baker_figures, self.baker_domains = [], 0, 0
        self.programs = []

    def run(self, results):
        environment = self.host.xen.preload(XENSTORED_PATH=str(self.folder / "store"))
        shared = str(self.folder / "baker")
        with self.host.store:
            try:
                execd = Execd(self.xentop)
                self.programs = [
                    Program("execd xentop", ["execd", "xentop", "--signal", "none", "--interval", "0.1", "--source", "direct"],
                            environment, on_data=execd.data),
                    Program("serve vcpu", ["serve", "vcpu", "--interval", "0.3", "--source", "hypercall", "--listen",
                                           "127.0.0.1:0"], environment),
                    Program("baker", ["baker", "--source", self.traced.path, "--cpu-khz", str(KHZ), "--window", "10", "--share",
                                      "0", "--shared", shared], environment),
                    Program("execd xentrace", ["execd", "xentrace", "--signal", "none", "--interval", "0.3", "--source",
                                               "baker", "--shared", shared], environment)]
                self._churn(execd)
                self._peak(execd)
            finally:
                for program in self.programs:
                    program.end()
                self.traced.close()
        self._tell(results)

    def _step(self, execd, wait):
        """One step of the host, and a reading of it."""
        execd.came.clear()
        self.host.advance()
        self.traced.step({life.domid for life in self.host.lives.values()})
        execd.came.wait(wait)
        for program in self.programs:
            assert program.alive(), "%s ended with %s: %s" % (program.name, program.process.returncode, program.errors[-3:])

    def _churn(self, execd):
        self.port = port_of(self.programs[1])
        self.held = [Held(program.name, program.pid) for program in self.programs]
        until, look = time.monotonic() + self.seconds, 0.0
        while time.monotonic() < until:
            self._step(execd, 10)
            if time.monotonic() >= look:
                look = time.monotonic() + max(0.5, self.seconds / 600)
                self._scrape()
                self._bake()
                for one in self.held:
                    one.look(self.host.step * STEP_S / 86400)
        self.days = self.host.step * STEP_S / 86400

    def _scrape(self):
        self.vcpu.take([(key.decode(), round(float(value) * 10 ** 9)) for key, value in _VCPU.findall(page(self.port))])

    def _bake(self):
        """The baker's newest document: each domain has run in whole quanta of its own."""
        try:
            told = ask(str(self.folder / "baker.sock"), get="figures")
        except SourceError:
            return
        if "domains" not in told:
            return
        self.baker_domains = len(told["domains"])
        for one in told["domains"]:
            self.baker_figures += 1
            if one["running_ns"] % quantum(one["domid"]) or one["running_ns"] > self.traced.steps * quantum(one["domid"]):
                self.baker_wrong.append("domain %d has run %d ns, in quanta of %d" % (
                    one["domid"], one["running_ns"], quantum(one["domid"])))

    def _peak(self, execd):
        """All at once, and back."""
        self.before = {one.name: one.readings[-1][1] for one in self.held}
        size = len(self.host.lives)
        for one in (self.xentop, self.vcpu):
            one.patience = PEAK_PATIENCE
        self.host.resize(self.peak)
        self._settle(lambda series: series > 0.99 * self.peak)
        self._step(execd, 60)
        self.at_peak = (self.xentop.series, self.vcpu.series)
        for one in self.held:
            one.look(0)
        self.most = {one.name: one.readings.pop()[1] for one in self.held}
        self.host.resize(size)
        self._settle(lambda series: series <= size)
        self.left = [(one.name, one.series - size) for one in (self.xentop, self.vcpu)]

    def _settle(self, enough):
        """Until both fronts show so many series, or for PEAK_PATIENCE."""
        until = time.monotonic() + PEAK_PATIENCE
        while time.monotonic() < until and not (enough(self.xentop.series) and enough(self.vcpu.series)):
            time.sleep(0.5)
            self._scrape()

    def _tell(self, results):
        results.figure("simulated days, at a reading each %d s" % STEP_S, "%.2f" % self.days)
        results.figure("domains that were born", self.host.born)
        for one in (self.xentop, self.vcpu):
            results.figure("%s: readings, figures of domains" % one.name, "%d, %d" % (one.readings, one.figures), "some",
                           one.readings > 3 and one.figures > 1000)
            results.figure("%s: wrong figures" % one.name, "%d%s" % (len(one.wrong),
            "".join("; " + text for text in one.wrong[:2])),
                           "0", not one.wrong)
        results.figure("baker: figures of domains", self.baker_figures, "some", self.baker_figures > 0)
        results.figure("baker: wrong figures", "%d%s" % (len(self.baker_wrong),
        "".join("; " + text for text in self.baker_wrong[:2])),
                       "0", not self.baker_wrong)
        for name, more in self.left:
            results.figure("%s: series left over after the peak" % name, max(0, more), "0", more <= 0)
        results.figure("series at the peak of %d domains" % self.peak, "%d, %d" % self.at_peak, "nearly all",
                       min(self.at_peak) > 0.9 * self.peak)
        for one in self.held:
            for column, what, unit in ((1, "resident memory", 1 << 20), (2, "descriptors", 1)):
                full = FULL if one.name in ("execd xentop", "serve vcpu") else BAKED
                one.readings = [reading for reading in one.readings if reading[0] > full * STEP_S / 86400]
                if len(one.readings) < 20:
                    results.figure("%s: %s: the time was too short to tell" % (one.name, what), "")
                    continue
                rise, level, over = one.rises(column, LIMIT, ALLOWED)
                results.figure("%s: %s, rise in %% per simulated day" % (one.name, what), "%.0f%s, %+.2f" % (
                    level / unit, " MiB" if unit > 1 else "", rise),
                    "%g%s" % (LIMIT, ", or %g in all" % ALLOWED if self.days < 3 else ""), not over)
            results.figure("%s: memory before and at the peak, MiB" % one.name, "%d, %d" % (
                self.before[one.name] >> 20, self.most[one.name] >> 20))
        for program in self.programs:
            results.figure("%s: lines in its log" % program.name, len(program.errors), "at most 20", len(program.errors) <= 20)


def run(folder, seconds, seed, results):
    churn = Churn(folder, seconds, seed)
    churn.run(results)
    return churn


