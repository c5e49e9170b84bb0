"""Which domain a figure belongs to: lives, keyed by UUID (or by name where nothing on the host gives one).

A life ends when the domain is gone from a complete listing, or when something shows that another has taken its place:
another domid, a counter that ran backwards, fewer configured vCPUs. The next life under the same key is a new
generation. Generation and domid are never labels; they only keep one life's counters apart from the next's.
"""
from typing import Any, Callable, Dict, Hashable, Iterator, List, Optional, Tuple

from xenmeter.core.counters import BACKED, ENDED, SERVED, VBD, VIF, Devices, CounterLog
from xenmeter.core.reading import Who

__all__ = ("Life", "Lives")


class Life:
    """What lasts between readings for one domain.

    :ivar who: how publishers name it; replaced when the name changes.
    :ivar fresh: True in the first reading of the life, when no rate over the last interval can be right.
    :ivar cpu: the last CPU times (total, then per vCPU id), in the source's own unit.
    :ivar devices: the last figures that hold sums over its devices, where the source needs them to know it again.
    :ivar plan: what the collector keeps to be quick about a domain that is as it was, or None.
    """

    __slots__ = ("key", "who", "fresh", "seen", "held", "cpu", "vcpu", "vcpus", "devices", "vifs", "vbds", "served", "backed",
                 "ended", "notes", "plan", "rows")

    def __init__(self, key: Hashable, who: Who, told: CounterLog) -> None:
        self.key = key
        self.who = who
        self.fresh = True
        self.seen = 0                   # number of the reading in which it was last seen
        self.held = 0                   # the last reading that was sure of the domain, but not of its figures
        self.cpu = 0
        self.vcpu: Dict[int, int] = {}
        self.vcpus = 0
        self.devices: Tuple[Optional[int], ...] = ()
        self.vifs = Devices(VIF, told)
        self.vbds = Devices(VBD, told)
        self.served = Devices(SERVED, told)     # what tapdisk3 and QEMU tell of the same disks
        self.backed = Devices(BACKED, told)     # what the block devices below them tell
        self.ended = Devices(ENDED, told)       # CPU time of what has worked for the domain and has ended
        self.notes: Dict[Hashable, Any] = {}    # choices made once for the life's series
        self.plan: Any = None
        self.rows: Dict[Hashable, Any] = {}     # the newest of what is told again as the same object while it is the same

    def continues(self, domid: Optional[int], cpu: int, vcpu: Dict[int, int], vcpus: int, skew: int = 0) -> bool:
        """Whether these figures can be this life's next ones. ``skew``: a vCPU's time may fall by so much."""
        if (cpu < self.cpu - skew * vcpus or vcpus < self.vcpus
                or (domid is not None and self.who.domid not in (None, domid))):
            return False
        last = self.vcpu
        if vcpu == last:
            return True
        for number, time in vcpu.items():
            if time < last.get(number, 0) - skew:
                return False
        return True


class Lives:
    """All domains that live now, and how many lives each key has had.

    :param errors: where what goes wrong with the lives' counters is counted, by kind.
    :param skew: by how much a vCPU's time may fall within a life, in the source's own unit: the clocks of two pCPUs are not quite
        one. ``Life.cpu`` and ``Life.vcpu`` keep the larger figure then.
    :ivar alive: the lives by their keys.
    :ivar kept: for the caller that works out the keys: its own notes from one reading to the next.
    :ivar told: what the lives' counters have to tell.
    :ivar reading: ``int``, number of the reading.
    :ivar restore: called with each new life and its CPU time, or None (core.bases).
    """

    def __init__(self, errors: Optional[Dict[str, int]] = None, skew: int = 0) -> None:
        self.told = CounterLog(errors)
        self._skew = skew
        self.restore: Optional[Callable[[Life, int], None]] = None
        self.alive: Dict[Hashable, Life] = {}
        self._generations: Dict[Hashable, int] = {}
        self.reading = 0
        self.kept: Any = None

    def __iter__(self) -> Iterator[Life]:
        return iter(self.alive.values())

    def get(self, key: Hashable) -> Optional[Life]:
        return self.alive.get(key)

    def begin(self) -> None:
        """A reading begins."""
        self.reading += 1

    def as_before(self, key: Hashable, name: str, domid: Optional[int], shared: bool) -> Optional[Life]:
        """The life of this key if it was there in the last reading and is named as it was; None if anything must be asked."""
        life = self.alive.get(key)
        if life is None or life.seen != self.reading - 1:
            return None
        who = life.who
        return life if who.name == name and who.domid == domid and who.shared == shared else None

    def see(self, key: Hashable, name: str, uuid: Optional[str], domid: Optional[int], shared: bool, cpu: int,
            vcpu: Dict[int, int], vcpus: int, devices: Tuple[Any, ...] = ()) -> Life:
        """The life that a domain's figures belong to, begun here if it is a new one."""
        life = self.alive.get(key)
        if life is None or not life.continues(domid, cpu, vcpu, vcpus, self._skew):
            generation = self._generations[key] = self._generations.get(key, -1) + 1
            life = self.alive[key] = Life(key, Who(name, uuid, domid, generation, shared), self.told)
            if self.restore is not None:
                self.restore(life, cpu)
        else:
            life.fresh = life.seen != self.reading - 1
            if self._skew:
                cpu = max(cpu, life.cpu)
                vcpu = {number: max(time, life.vcpu.get(number, 0)) for number, time in vcpu.items()}
            who = life.who
            if who.name != name or who.shared != shared or who.domid != domid:
                life.who = Who(name, uuid, domid, who.generation, shared)
        life.seen = self.reading
        life.cpu = cpu
        life.vcpu = vcpu
        life.vcpus = vcpus
        life.devices = devices
        return life

    def hold(self, uuid: Optional[str], domid: int) -> None:
        """A domain lives, but this reading cannot tell its figures (``uuid``: or not even its UUID): its life goes on."""
        life = self.alive.get(uuid)
        held = [life] if life is not None else [other for other in self if uuid is None and other.who.domid == domid]
        for life in held:
            life.held = self.reading

    def end(self, complete: bool) -> List[Life]:
        """The reading ends; where it listed every domain, those neither seen nor held are gone. Gives the gone ones."""
        if not complete:
            return []
        gone = [life for life in self.alive.values() if self.reading not in (life.seen, life.held)]
        for life in gone:
            del self.alive[life.key]
        self._forget()
        return gone

    def _forget(self) -> None:
        """Generations of keys long gone are dropped: a host that makes and ends domains for years must not grow."""
        if len(self._generations) > 4 * len(self.alive) + 4096:
            self._generations = {key: number for key, number in self._generations.items() if key in self.alive}


