"""A bounded share of one CPU for work that somebody else asks for, however often it is asked for."""
import threading
import time
from typing import Callable, Optional

__all__ = ("Allowance",)


def _cpu_ns() -> int:
    """Exact for a thread that runs; getrusage's figure moves with the kernel's ticks."""
    return int(time.clock_gettime(time.CLOCK_THREAD_CPUTIME_ID) * 1e9)


class Allowance:
    """All threads that use it together take at most ``share`` of a CPU, ``burst_ns`` at once after a quiet time.

    :param share: above 0, below 1; :param clock_ns: monotonic; :param cpu_ns: of the calling thread; :param sleep: seconds.
    """

    def __init__(self, share: float, burst_ns: int, clock_ns: Optional[Callable[[], int]] = None,
                 cpu_ns: Callable[[], int] = _cpu_ns, sleep: Callable[[float], None] = time.sleep) -> None:
        self._per_ns = 1 / share
        self._saved_ns = int(burst_ns / share)      # of waiting that is not asked for
        self._clock_ns = clock_ns or (lambda: int(time.monotonic() * 1e9))
        self._cpu_ns = cpu_ns
        self._sleep = sleep
        self._lock = threading.Lock()
        self._paid_until_ns = self._clock_ns() - self._saved_ns

    def pay(self, spent_ns: int) -> None:
        """That much CPU time was taken; come back when all that was taken so far is within the share."""
        with self._lock:
            now = self._clock_ns()
            self._paid_until_ns = int(max(self._paid_until_ns, now - self._saved_ns) + spent_ns * self._per_ns)
            wait_ns = self._paid_until_ns - now
        if wait_ns > 0:
            self._sleep(wait_ns / 1e9)

    def spender(self) -> "Spender":
        """For the calling thread, all of whose time counts from its beginning on."""
        return Spender(self, self._cpu_ns)


class Spender:
    """One thread's work."""

    def __init__(self, allowance: Allowance, cpu_ns: Callable[[], int]) -> None:
        self._allowance = allowance
        self._cpu_ns = cpu_ns
        self._paid_ns = 0

    def pay(self) -> None:
        """For what the thread took since it last did; comes back when all threads' work is within the share."""
        now = self._cpu_ns()
        spent_ns, self._paid_ns = now - self._paid_ns, now
        self._allowance.pay(spent_ns)
