"""An engine that hands over a picture of its accounts at the end of each window: what every source of the baker is built on."""
from collections import deque
from typing import Any, Deque, Dict, List, Sequence

from xenmeter.xentrace.engine.engine import Engine
from xenmeter.xentrace.engine.layout import G_NOW
from xenmeter.xentrace.engine.naming import Naming
from xenmeter.xentrace.engine.picture import Picture
from xenmeter.xentrace.engine.sections import Section

__all__ = ("Baking",)


class Baking:
    """:param windows: lengths, ns, at least one; :param history: closed windows of each length that are kept.

    :param per_vcpu: a histogram for each vCPU too. ``core`` as in Engine.
    :param newest: only the newest picture is wanted, with the newest window of each length, and not beyond the next border;
        else all of them, each with the windows that end there.
    :param causes: how many of what made a domain wait are told by name; 0: nobody keeps who made whom wait.
    :ivar taken: what was taken at borders and waits to be fetched, oldest first.
    """

    def __init__(self, cpu_khz: int, windows: Sequence[int], history: int = 1, per_vcpu: bool = False, core: Any = None,
                 newest: bool = False, causes: int = 0) -> None:
        self.engine = Engine(cpu_khz, windows, history, per_vcpu, core, causes=causes > 0)
        if causes:
            self.engine.accounts.naming = Naming(self.engine.accounts.causes, causes)
        self.engine.accounts.windows.at_border = self._take
        self._teller = self.engine.teller()
        self._newest = newest
        self._closed: Dict[int, List[Section]] = {}      # number of a length -> its newest window
        self.taken: Deque[Picture] = deque(maxlen=1 if newest else None)
        self._last = -1

    def _take(self, border: int) -> None:
        self._last = border
        if not self._newest:
            self._closed.clear()
        if self.engine.accounts.scheduled:      # else there is nothing to say of any domain
            for which, closed in enumerate(self.engine.accounts.windows.closed):
                if closed and closed[-1].start + closed[-1].length == border:
                    self._closed[which] = self._teller.window(which, closed[-1])
        self.taken.append(self._picture(border))
        self.engine.accounts.forget_ended()     # they have been told now

    def _picture(self, now: int) -> Picture:
        sections = self.engine.sections(now)
        if self.engine.accounts.naming is not None:
            sections.append(self.engine.accounts.naming.section(self.engine.accounts.in_order(), now))
        picture = Picture(sections + [section for which in sorted(self._closed) for section in self._closed[which]],
                          self._teller.cells)
        return picture if self._newest else picture.frozen()

    def now(self) -> Picture:
        """The figures up to the last moment that is accounted, between borders; no windows end here."""
        if not self._newest:
            self._closed.clear()
        return self._picture(self.engine.g[G_NOW])

    def finish(self) -> None:
        """The stream has ended: the rest of it is taken too."""
        self.engine.end()
        if self.engine.g[G_NOW] > self._last:
            self.taken.append(self.now())

    def rest(self) -> int:
        """Nothing is recorded from now on; what is when the engine is fed again goes on with the sums. Gives the time that is
        accounted, ns."""
        self.engine.rest()
        now: int = self.engine.g[G_NOW]
        for which, left in enumerate(self.engine.accounts.windows.restart(now)):
            self._teller.window(which, left)        # else the next one would have the intervals that have ended in it
        self._closed.clear()
        return now

    def close(self) -> None:
        self.engine.close()
