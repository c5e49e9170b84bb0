"""When to look, and at what.

At each tick every vCPU is asked for its CPU time, which pauses nothing. One that has not run since its last sample, or is
blocked now, is left alone: where it blocked is not what it ran. Of another the registers are taken. So a sample stands for each
moment that a vCPU runs with the same chance; what it weighs, ``weights`` says: those of a vCPU add up to its CPU time exactly,
and where it had none, what it ran is NOT_SEEN. What Xen counted of the whole domain meanwhile is told beside them. Ticks are not
even: each wait is half to one and a half of the mean, so that no guest can be in step with them.
"""
import random
import threading
import time
from typing import Any, Callable, Dict, List, Optional

from xenmeter.core.errors import DomainGone
from xenmeter.profile.sample import NOT_SEEN, Sample
from xenmeter.profile.weights import Weights

__all__ = ("Sampler", "Cost", "Clock")


#: Seconds whose samples are weighed together: each of them has some, and a guest whose pace changes has not changed much.
_SETTLED_S = 2.0
#: And after which a guest that does not run is asked whether it is dying: the vCPUs of one that is do answer.
_DYING_S = 1.0


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
    the domains. :ivar calls: hypercalls, and questions for pages, of the sampling; :ivar pages: mapped by it."""

    def __init__(self) -> None:
        self.ticks = 0
        self.late = 0
        self.seconds = 0.0
        self.own_s = 0.0
        self.aside_s = 0.0
        self.weighed_ns = 0
        self.counted_ns = 0
        self.calls = self.pages = 0


class Sampler:
    """:param guests: ``guest.look.Guest``s. :param hz: ticks a second. :param share: the bound on its own CPU time, as a part of
    one CPU's. :param follow: what is called with each sample, and ``word``, as Guest.take says. :param memory: whether samples
    keep their bytes of stacks until they are weighed.
    """

    def __init__(self, guests: List[Any], hz: float, share: float, follow: Callable[[Sample, Any], None],
                 clock: Any = Clock, chance: Optional[random.Random] = None, memory: bool = True) -> None:
        self._guests = list(guests)
        self._wait = 1.0 / hz
        self._share = share
        self._follow = follow
        self._clock = clock
        self._chance = chance or random.SystemRandom()
        self._memory = memory
        self._vcpus: Dict[Any, Dict[int, Weights]] = {guest: {} for guest in guests}
        self._first: Dict[Any, int] = {}        # CPU time of the domain when its profile began
        self._rested: Dict[Any, int] = {}       # (guest, vCPU): its CPU time when it was last seen blocked
        self._alive: Dict[Any, float] = {}      # when it was last known not to be dying
        self._settled = clock.now()     # when samples were weighed last
        #: When it ends, and what of its time and its CPU time is not the sampling's.
        self._end = 0.0
        self._aside_s = self._aside_spent = 0.0
        self.cost = Cost()
        self.gone: List[Any] = []       # guests that ended meanwhile

    def start(self, vcpus: Dict[Any, int]) -> None:
        """The first look, which weighs nothing. :param vcpus: guest -> the number of vCPUs that it may have."""
        for guest in list(self._guests):
            try:
                for number in range(vcpus[guest]):
                    state = guest.vcpu(number)
                    self._vcpus[guest][number] = Weights(self._clock.now(), state.cpu_time if state is not None else 0)
                self._first[guest] = guest.cpu_time()
            except DomainGone:
                self._lose(guest, lambda sample: None)

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
        self._first[guest] = guest.cpu_time() - self._seen_ns(guest)
        for number, weights in self._vcpus[guest].items():
            state = guest.vcpu(number)
            weights.leave_out(self._clock.now(), state.cpu_time if state is not None else 0)

    def _seen_ns(self, guest: Any) -> int:
        return sum(weights.seen_ns for weights in self._vcpus[guest].values())

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
                for number, weights in self._vcpus[guest].items():
                    state = guest.vcpu(number)
                    weights.look(self._clock.now(), state.cpu_time if state is not None else None, False)
                self.cost.counted_ns += guest.cpu_time() - self._first[guest]
                self.cost.weighed_ns += self._seen_ns(guest)
                self._settle(guest, taken, True)
            except DomainGone:
                self._lose(guest, taken)

    def look(self, taken: Callable[[Sample], None]) -> None:
        """One tick."""
        self.cost.ticks += 1
        time_ns = self._clock.time_ns()
        for guest in list(self._guests):
            try:
                self._look_at(guest, time_ns)
            except DomainGone:
                self._lose(guest, taken)
        if self._clock.now() >= self._settled + _SETTLED_S:
            self._settled = self._clock.now()
            for guest in self._guests:
                self._settle(guest, taken, False)

    def _look_at(self, guest: Any, time_ns: int) -> None:
        ran = False
        for number, weights in self._vcpus[guest].items():
            state = guest.vcpu(number)
            awake = state is not None and not state.blocked and bool(state.online)
            if state is not None and state.blocked:
                self._rested[guest, number] = state.cpu_time
            elif awake and not state.running and self._rested.get((guest, number)) == state.cpu_time:
                awake = False       # woken, it waits for a pCPU: what it ran was before it blocked
            has_run = weights.look(self._clock.now(), state.cpu_time if state is not None else None, awake)
            if awake and has_run:
                ran = True
                sample = guest.take(time_ns, number, 0, self._follow)
                weights.add(sample if self._memory else sample._replace(memory=()))
        if ran:
            self._alive[guest] = self._clock.now()
        elif self._clock.now() >= self._alive.get(guest, 0.0) + _DYING_S:
            self._alive[guest] = self._clock.now()
            guest.cpu_time()    # a domain that is dying does not run, and is let go

    def _settle(self, guest: Any, taken: Callable[[Sample], None], ended: bool) -> None:
        """What is weighed by now, in the order of time; at the end all of it, and what vCPUs ran that have no sample to weigh."""
        samples: List[Sample] = []
        for number, weights in self._vcpus[guest].items():
            samples += weights.settled(ended)
            rest = weights.rest() if ended else 0
            if rest:
                samples.append(Sample(self._clock.time_ns(), guest.domid, number, rest, NOT_SEEN, {}, None, ()))
        for sample in sorted(samples, key=lambda sample: sample.time_ns):
            taken(sample)

    def _lose(self, guest: Any, taken: Callable[[Sample], None]) -> None:
        self._settle(guest, taken, True)
        self._guests.remove(guest)
        self.gone.append(guest)
        guest.forget()
