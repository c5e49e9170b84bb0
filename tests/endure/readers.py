"""Readers of the baker's shared file that faults happen to, and the baker that writes it, to which others happen."""
import re
import time

from endure.programs import BAKED, heart, wait_for
from endure.subjects import INTERVAL, MOST, Baker, Execd, InCollectd, Serve
from endure.traced import quantum
from xenmeter.core.errors import SourceError
from xenmeter.xentrace.baker.shm import Reader

_RUNNING = re.compile(rb'^xen_sched_runstate_seconds_total\{[^\n]*?uuid="([0-9a-f-]{36})",state="running"\} ([0-9.e+]+)$',
                      re.MULTILINE)


class Steady(Baker):
    """The readers' own baker: no call of its fails. It goes on before they do, for its heart must not seem to stand still."""

    name, file = "the readers' baker", "steady-baker"
    _PATIENCE = 20

    def __init__(self, bench):
        self._since, self._steps, self._newest = {}, 0, None
        super().__init__(bench)

    def step(self):
        for key in self.host.lives:
            self._since.setdefault(key, self._steps)
        before = self.traced.steps
        super().step()
        self._steps += self.traced.steps - before
        wait_for(lambda: self.stopped or not self.alive() or self._has_gone_on(), self._PATIENCE)

    def _has_gone_on(self):
        if (heart(self.shared) or 0) / 1e9 < time.monotonic() + self.clock.ahead - INTERVAL / 2:
            return False
        reader = Reader(self.shared)
        try:
            newest = reader.read()[0]
        except SourceError:
            newest = None
        finally:
            reader.close()
        told, self._newest = self._newest, newest
        return newest != told or self.traced.steps <= self.behind

    def ran(self, key):
        """ns for which a life has run at the most."""
        return (self._steps - self._since.get(key, self._steps)) * quantum(self.host.lives[key].domid)


class Read:
    """What readers have of the file: whole quanta of each domain, no more than there were; and they go on."""

    def compare(self, pairs, at=None):
        """Right is what is of now, too."""

    def fresh(self, pairs):
        """:param pairs: (UUID, running ns)."""
        last = self.__dict__.setdefault("_last", {})
        for key, value in pairs:
            life = self.host.lives.get(key)
            if life is None:
                continue
            if value % quantum(life.domid) or value > self.bench.steady.ran(key):
                self.wrong.append("domain %d has run %d ns of %d, in quanta of %d" % (
                    life.domid, value, self.bench.steady.ran(key), quantum(life.domid)))
            if key not in last or last[key][0] != value:
                last[key] = value, self.host.step
        least = self.host.step - self.behind
        return sum(last.get(key, (0, -1))[1] >= least for key in self.host.lives) > MOST * len(self.host.lives)


class ServeBaked(Read, Serve):
    name, figures = "serve xentrace", _RUNNING
    behind = 1      # the baker's window may end just when it is read

    @property
    def words(self):
        return ("serve", "xentrace", "--source", "baker", "--shared", self.bench.steady.shared, "--listen", "127.0.0.1:0")


class ExecdBaked(Read, Execd):
    name, figures = "execd xentrace", BAKED
    behind = 1

    @property
    def words(self):
        return ("execd", "xentrace", "--source", "baker", "--shared", self.bench.steady.shared)


class CollectdBaked(Read, InCollectd):
    name, plugin, file = "collectd, xentrace", "xentrace", "derive-running"
    behind = 3

    @property
    def options(self):
        return 'Shared "%s"' % self.bench.steady.shared, 'Group "runstate"'
