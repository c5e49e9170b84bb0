"""pCPUs whose rings are silent although they are at work: what runs there is in no record.

Seen on Xen 4.14 and 4.20: a pCPU that was taken offline and came back (``xen-hptool cpu-offline``, ``cpu-online``) never
writes a trace record again until the host reboots. Its ring stands in t_info as before, and no lost-records marker tells it.
Here the hypervisor is asked how long each pCPU was idle: one that was not, by more than a reader's and the clock's tolerance,
must have written records; one that runs its idle vCPU writes none.
"""
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

from xenmeter.core.clock import steady_ns
from xenmeter.core.errors import XenmeterError
from xenmeter.xentrace.engine.layout import P_OCCUPANT
from xenmeter.xentrace.engine.passes import Windows
from xenmeter.xentrace.engine.records import IDLE_DOMAIN

__all__ = ("Watch", "BETWEEN_NS")

#: Between two questions.
BETWEEN_NS = 5 * 10 ** 9
#: Of work, or of idleness, that no record told; both clocks are read one after the other, far nearer than that.
_TOLERANCE_NS = 50 * 10 ** 6


class Watch:
    """:param idle_ns: pCPU id -> idle time of each, 0 where it is offline; or raises XenmeterError.

    :param pcpus: those that are traced; None: all.
    """

    def __init__(self, idle_ns: Callable[[], List[int]], pcpus: Optional[Iterable[int]] = None,
                 clock_ns: Callable[[], int] = steady_ns) -> None:
        self._idle_ns = idle_ns
        self._pcpus = None if pcpus is None else frozenset(pcpus)
        self._clock_ns = clock_ns
        self.begin()

    def begin(self) -> None:
        """An observation begins: what was before is nothing to compare with."""
        self._before: Optional[Tuple[int, Dict[int, int]]] = None
        self._spoken: set = set()

    def look(self, pass_: Any, engine: Any) -> List[int]:
        """After each pass over the rings, when it has been accounted. The pCPUs found mute now, mostly none; one that stays mute
        is found again and again, and so is one that the records alone have shown to be."""
        self._spoken.update(pass_.numbers if isinstance(pass_, Windows) else [pcpu for pcpu, data in pass_ if data])
        now = self._clock_ns()
        if self._before is not None and now - self._before[0] < BETWEEN_NS:
            return []
        try:
            told = dict(enumerate(self._idle_ns()))
        except XenmeterError:
            self.begin()        # another time
            return []
        found = []
        if self._before is not None:
            then, idle = self._before
            found = [pcpu for pcpu in sorted(told) if self._watched(pcpu) and idle.get(pcpu) and told[pcpu] >= idle[pcpu]
                     and _contradicts(engine, pcpu, told[pcpu] - idle[pcpu], now - then)]
        self._before, self._spoken = (now, told), set()
        return found

    def _watched(self, pcpu: int) -> bool:
        return pcpu not in self._spoken and (self._pcpus is None or pcpu in self._pcpus)


def _contradicts(engine: Any, pcpu: int, idle_ns: int, elapsed_ns: int) -> bool:
    """Whether a pCPU that has said nothing for ``elapsed_ns`` was not what it was before: idle, or at work."""
    row = engine.core.rows.get(pcpu)
    occupant = -1 if row is None else row[P_OCCUPANT]
    if occupant >= 0 and occupant >> 16 != IDLE_DOMAIN:
        return idle_ns > _TOLERANCE_NS
    return elapsed_ns - idle_ns > _TOLERANCE_NS
