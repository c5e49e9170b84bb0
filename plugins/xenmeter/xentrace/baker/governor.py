"""How much of a pCPU the baker may take: it observes whole windows, and rests between them as long as its share asks.

The cost is the CPU time of the thread that bakes; what the hypervisor spends on writing records is outside it. At rest no
events are selected, but tracing stays on: to disable it would forget losses that were not told yet.
"""
from typing import Callable

from xenmeter.core.clock import steady_ns, thread_cpu_ns

__all__ = ("Governor", "SHORTEST_NS")

#: An observation is never shorter.
SHORTEST_NS = 5 * 10 ** 9
#: A rest is never longer: a host that was busy once must be looked at again.
LONGEST_REST_NS = 300 * 10 ** 9


class Governor:
    """:param share_ppm: of one pCPU, parts per million; 0: no bound, it never rests.

    :param longest_window_ns: an observation is a whole number of these.
    :param cpu_ns: what was spent so far.
    """

    def __init__(self, share_ppm: int, longest_window_ns: int, cpu_ns: Callable[[], int] = thread_cpu_ns,
                 clock_ns: Callable[[], int] = steady_ns) -> None:
        self._share = share_ppm
        self.observation_ns = -(-SHORTEST_NS // longest_window_ns) * longest_window_ns
        self._cpu_ns = cpu_ns
        self._clock_ns = clock_ns
        self.start_ns = self._clock_ns()
        self.begin()

    def begin(self) -> None:
        """An observation begins."""
        self._began = self._clock_ns()
        self._spent = self._cpu_ns()

    def elapsed_ns(self) -> int:
        """Since the baker started."""
        return self._clock_ns() - self.start_ns

    def rest_ns(self) -> int:
        """An observation has ended: how long to rest, 0 where it cost no more than it may."""
        if not self._share:
            return 0
        took = self._clock_ns() - self._began
        whole = (self._cpu_ns() - self._spent) * 1000000 // self._share
        return min(LONGEST_REST_NS, max(0, whole - took))
