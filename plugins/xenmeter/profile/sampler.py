"""When to look, and what a look weighs.

At each tick every vCPU is asked for its CPU time, which pauses nothing. One that has not run since its last sample, or is
blocked now, is left alone: where it blocked is not what it ran. Of another the registers are taken, and the sample weighs the
CPU time since the one before. So a sample stands for each moment that a vCPU runs with the same chance, the weights are as
large on average whatever it ran, and those of a vCPU add up to its CPU time exactly; what it ran after its last sample is
NOT_SEEN. What Xen counted of the whole domain meanwhile is told beside them. Ticks are not even: each wait is half to one and a
half of the mean, so that no guest can be in step with them.
"""
import random
import threading
import time
from typing import Any, Callable, Dict, List, Optional

from xenmeter.core.errors import DomainGone
from xenmeter.profile.sample import NOT_SEEN, Sample

__all__ = ("Sampler", "Cost", "Clock")


class Clock:
    """:ivar now: seconds; :ivar spent: CPU seconds of this thread; :ivar time_ns: since the epoch."""

    now = staticmethod(time.monotonic)
    time_ns = staticmethod(lambda: int(time.time() * 1e9))

    @staticmethod
    def spent() -> float:
        times = getattr(time, "thread_time", time.process_time)     # Python 3.7
        return float(times())


class Cost:
    """What a profile took. :ivar late: ticks that the bound, or whatever else ran in dom0, made late. :ivar aside_s: CPU seconds
    for reading kernels and modules meanwhile. :ivar weighed_ns: all
    weights of the guests that were there until the end, :ivar counted_ns: and their CPU time from begin to end by Xen's count of
    the domains."""

    def __init__(self) -> None:
        self.ticks = 0
        self.late = 0
        self.seconds = 0.0
        self.own_s = 0.0
        self.aside_s = 0.0
        self.weighed_ns = 0
        self.counted_ns = 0


class Sampler:
    """:param guests: ``guest.look.Guest``s. :param hz: ticks a second. :param share: the bound on its own CPU time, as a part of
    one CPU's. :param follow: what is called with each sample, and ``word``, as Guest.take says.
    """

    def __init__(self, guests: List[Any], hz: float, share: float, follow: Callable[[Sample, Any], None],
                 clock: Any = Clock, chance: Optional[random.Random] = None) -> None:
        self._guests = list(guests)
        self._wait = 1.0 / hz
        self._share = share
        self._follow = follow
        self._clock = clock
        self._chance = chance or random.SystemRandom()
        self._last: Dict[Any, Dict[int, int]] = {guest: {} for guest in guests}
        self._first: Dict[Any, int] = {}        # CPU time of the domain when its profile began
        self._rested: Dict[Any, int] = {}       # (guest, vCPU): its CPU time when it was last seen blocked
        self._weighed: Dict[Any, int] = dict.fromkeys(guests, 0)
        #: When it ends, and what of its time and its CPU time is not the sampling's.
        self._end = 0.0
        self._aside_s = self._aside_spent = 0.0
        self.cost = Cost()
        self.gone: List[Any] = []       # guests that ended meanwhile

    def start(self, vcpus: Dict[Any, int]) -> None:
        """The first look, which weighs nothing. :param vcpus: guest -> the number of vCPUs that it may have."""
        for guest in list(self._guests):
            try:
                self._last[guest] = dict.fromkeys(range(vcpus[guest]), 0)
                self.restart(guest)
            except DomainGone:
                self._lose(guest)

    def aside(self, work: Callable[[], Any]) -> Any:
        """Work that is no sampling, as reading a kernel: the profile lasts as long as it was to beside it, and the bound on what
        it takes is not of this."""
        began, spent = self._clock.now(), self._clock.spent()
        try:
            return work()
        finally:
            took = self._clock.now() - began
            self._end += took
            self._aside_s += took
            self._aside_spent += self._clock.spent() - spent

    def restart(self, guest: Any) -> None:
        """A guest's profile begins now: what it ran while its kernel was read is in no sample."""
        self._first[guest] = guest.cpu_time() - self._weighed[guest]
        last = self._last[guest]
        for number in last:
            state = guest.vcpu(number)
            last[number] = state.cpu_time if state is not None else 0

    def run(self, seconds: float, stop: threading.Event, taken: Callable[[Sample], None]) -> None:
        """So long, until ``stop``, or until no guest is left; the last look is at the end, so that nothing is left out."""
        began, first = self._clock.now(), self._clock.spent()
        self._end = began + seconds
        while self._guests:
            now = self._clock.now()
            due = min(now + self._wait * self._chance.uniform(0.5, 1.5), self._end)
            # no sooner than the bound allows for what was spent so far
            allowed = began + self._aside_s + (self._clock.spent() - first - self._aside_spent) / self._share
            if allowed > due:
                self.cost.late += 1
            due = min(max(due, allowed), self._end)
            stopped = stop.wait(max(0.0, due - now))
            self.look(taken)
            if stopped or self._clock.now() >= self._end:
                break
        self.cost.seconds = self._clock.now() - began - self._aside_s
        self.cost.own_s = self._clock.spent() - first - self._aside_spent
        self.cost.aside_s = self._aside_spent
        for guest in list(self._guests):
            try:
                self._rest(guest, taken)
                self.cost.counted_ns += guest.cpu_time() - self._first[guest]
                self.cost.weighed_ns += self._weighed[guest]
            except DomainGone:
                self._lose(guest)

    def look(self, taken: Callable[[Sample], None]) -> None:
        """One tick."""
        self.cost.ticks += 1
        time_ns = self._clock.time_ns()
        for guest in list(self._guests):
            try:
                self._look_at(guest, time_ns, taken)
            except DomainGone:
                self._lose(guest)

    def _look_at(self, guest: Any, time_ns: int, taken: Callable[[Sample], None]) -> None:
        last, ran = self._last[guest], False
        for number in last:
            state = guest.vcpu(number)
            if state is not None and state.blocked:
                self._rested[guest, number] = state.cpu_time
            elif state is not None and not state.running and self._rested.get((guest, number)) == state.cpu_time:
                continue        # woken, it waits for a pCPU: what it ran was before it blocked
            if state is None or state.cpu_time <= last[number] or state.blocked or not state.online:
                continue        # it has not run (or another pCPU's clock lags by a moment), or does not now: it is not paused
            weight, last[number] = state.cpu_time - last[number], state.cpu_time
            ran = True
            self._weighed[guest] += weight
            taken(guest.take(time_ns, number, weight, self._follow))
        if not ran:
            guest.cpu_time()    # a domain that is dying does not run, and is let go

    def _rest(self, guest: Any, taken: Callable[[Sample], None]) -> None:
        """What vCPUs ran after their last sample: it counts, and nobody knows what it was."""
        last = self._last[guest]
        for number in last:
            state = guest.vcpu(number)
            if state is not None and state.cpu_time > last[number]:
                weight, last[number] = state.cpu_time - last[number], state.cpu_time
                self._weighed[guest] += weight
                taken(Sample(self._clock.time_ns(), guest.domid, number, weight, NOT_SEEN, {}, None, ()))

    def _lose(self, guest: Any) -> None:
        self._guests.remove(guest)
        self.gone.append(guest)
        guest.forget()
