"""Counters that stay monotonic for as long as a domain lives, whatever its devices and their kernels do.

A backend takes a counter that falls for a restart from zero. That is right for a domain that was rebooted; but a vif
that is unplugged and plugged again within one life would look like a spike of all it ever counted. So what was counted
before is added, where there is evidence that the device began again: another identity of it, or every counter that was
not 0 fell. A single one that falls is a wrap, or a damaged figure (`core.doubts`); the others are none of its business.
"""
from operator import add, le, sub
from typing import Any, Dict, Hashable, Iterable, List, NamedTuple, Optional, Tuple

from xenmeter.core.doubts import Doubts
from xenmeter.core.wraps import room_for, wrapped

__all__ = ("Shape", "CounterLog", "Monotonic", "Devices", "VIF", "VBD", "SERVED", "BACKED", "ENDED")


class Shape(NamedTuple):
    """How the counters of a device belong together. ``groups``: the places of those that begin again together; ``units``: of
    each counter, what one step of the kernel's own is (a disk's bytes come from sectors), for that is what wraps; ``room``:
    by how much more than a count it may rise in a time.
    """

    groups: Tuple[Tuple[int, ...], ...]
    units: Tuple[int, ...]
    room: Tuple[int, ...]


#: Bytes, packets, errors, drops received, then sent. Linux' netback keeps bytes and packets per queue, which go when the
#: guest's driver connects anew, and the rest with the interface, which stays (drivers/net/xen-netback/interface.c).
VIF = Shape(((0, 1, 4, 5), (2, 3, 6, 7)), (1,) * 8, (1,) * 8)
#: Requests read and written, bytes read and written, out of requests; blkback and tapdisk3 count sectors of 512 bytes.
VBD = Shape(((0, 1, 2, 3, 4),), (1, 1, 512, 512, 1), (1,) * 5)
#: xen.tapdisk.RequestTimes: tapdisk3 counts microseconds, QEMU ns, of all requests that are on their way at once.
SERVED = Shape(((0, 1, 2, 3, 4),), (1, 1000, 1, 1000, 1), (1, 1000, 1, 1000, 1))
#: xen.backing.Backing: Linux counts whole ms, in 32 bits.
BACKED = Shape(((0, 1, 2, 3),), (1, 1000000, 1, 1000000), (1, 1000, 1, 1000))
#: CPU time of processes that have ended: of one that had run for years it comes at once.
ENDED = Shape(((0,),), (1,), (1 << 20,))

#: Figures that rise by no more than this, all together, need no second look, however short the time was.
_QUIET = room_for(0, 1)

Values = Tuple[Optional[int], ...]


class CounterLog:
    """What counters have to tell to whoever keeps them.

    :ivar errors: kind -> how often: ``counter_wrapped``, ``counter_damaged``, ``counter_impossible``.
    :ivar changed: True since a total no longer is the raw figure and what was added before.
    """

    __slots__ = ("errors", "changed")

    def __init__(self, errors: Optional[Dict[str, int]] = None) -> None:
        self.errors = {} if errors is None else errors
        self.changed = False

    def count(self, kind: str) -> None:
        self.errors[kind] = self.errors.get(kind, 0) + 1


class Monotonic:
    """One device's counters; gives a tuple that never falls, None in it for what is not known now.

    :param shape: None: all begin again together, and count in ones.
    :ivar raw: the last figures that were believed, None where there is none yet; :ivar total: what they amount to, the same
        object while that is the same.
    :ivar shown: what the last update gave; :ivar at: its time, ns.
    :ivar identity: what the device is known by where the source can tell it from its successor, or None.
    :ivar gone: it was missing from a complete listing since.
    """

    __slots__ = ("shape", "told", "raw", "total", "shown", "before", "at", "identity", "gone", "doubts")

    def __init__(self, shape: Optional[Shape] = None, told: Optional[CounterLog] = None) -> None:
        self.shape = shape
        self.told = CounterLog() if told is None else told
        self.raw: Optional[Values] = None
        self.total: Tuple[int, ...] = ()
        self.shown: Values = ()
        self.before: Optional[Values] = None  # the raw figures before the last ones
        self.at = 0
        self.identity: Any = None
        self.gone = False
        self.doubts: Optional[Doubts] = None

    def update(self, raw: Tuple[Any, ...], now_ns: int = 0, identity: Any = None, parts: int = 1) -> Values:
        if self.doubts is None and identity == self.identity and not self.gone and self.raw is not None:
            if raw == self.raw:
                self.at = now_ns
                return self.shown
            last: Any = self.raw
            if all(map(le, last, raw)) and sum(raw) - sum(last) <= _QUIET:
                if self.total is last:
                    self.shown = self.total = raw
                else:
                    self.shown = self.total = tuple(map(add, self.total, map(sub, raw, last)))
                self.before, self.raw, self.at = last, raw, now_ns
                return self.shown
        return self._look(raw, now_ns, identity, parts)

    def restore(self, raw: Values, total: Tuple[int, ...], identity: Any, gone: bool) -> None:
        """Go on where an earlier process of ours was (`core.bases`)."""
        self.raw, self.total, self.identity, self.gone = raw, total, identity, gone
        self.shown = tuple([None if figure is None else shown for figure, shown in zip(raw, total)])
        if None in raw:
            self.doubts = Doubts(0)

    def leave(self) -> None:
        """The device is gone; another may come in its place."""
        self.gone = True
        self.total = self.settled()
        if self.doubts is not None:
            self.doubts.settle()

    def settled(self) -> Tuple[int, ...]:
        """The totals, or what was told where that was more."""
        return self.total if self.doubts is None else self.doubts.settled(self.total)

    def _look(self, raw: Tuple[int, ...], now_ns: int, identity: Any, parts: int) -> Values:
        """The update of a device that is new, or of which something is not as it was."""
        if self.shape is None:
            self.shape = Shape((tuple(range(len(raw))),), (1,) * len(raw), (1,) * len(raw))
        if self.raw is None:
            self.raw, self.total = (None,) * len(raw), (0,) * len(raw)
        doubts = Doubts(self.at) if self.doubts is None else self.doubts
        another = None not in (identity, self.identity) and identity != self.identity
        began = list(range(len(raw))) if another else self._began(raw)
        totals = list(self.total)
        if began and parts > 1 and not self.gone:
            doubts.pass_over(self, raw, began)
            began = []
        doubts.see(self, raw, now_ns, began, another or self.gone, totals)
        self.total = tuple(totals)
        believed: Any = self.raw
        if self.total == believed:
            self.total = believed
        self.shown = tuple([None if place in doubts.hidden else total for place, total in enumerate(totals)])
        self.identity = self.identity if identity is None else identity
        self.at, self.gone = now_ns, False
        self.doubts = None if doubts.empty() else doubts
        return self.shown

    def _began(self, raw: Tuple[int, ...]) -> List[int]:
        """The places of the counters that began again at zero, by what the figures say."""
        last: Any = self.raw
        places = range(len(raw))
        fell = [place for place in places if last[place] is not None and raw[place] < last[place]]
        if not fell:
            return []
        if self.gone:
            return list(places)
        began: List[int] = []
        for group in self.shape.groups:     # type: ignore[union-attr]
            counted = [place for place in group if last[place]]
            if counted and set(counted).issubset(fell) and not self._wraps(counted, raw):
                began.extend(group)
        return began + [place for place in fell if place not in began] if began else []

    def _wraps(self, counted: List[int], raw: Tuple[int, ...]) -> bool:
        """Whether all fell just as counters of 32 bits do, which is all the same to those of a device that began again."""
        return all([wrapped(self, place, raw[place], False)[1] for place in counted])


class Devices:
    """The devices of one kind of one domain life, gone ones included, so that their sum never falls either."""

    __slots__ = ("known", "shape", "told")

    def __init__(self, shape: Optional[Shape] = None, told: Optional[CounterLog] = None) -> None:
        self.known: Dict[Hashable, Monotonic] = {}
        self.shape = shape
        self.told = CounterLog() if told is None else told

    def update(self, device: Hashable, raw: Tuple[Any, ...], now_ns: int = 0, identity: Any = None, parts: int = 1) -> Values:
        """What the device counted in this life; None for a counter that is not known now.

        :param now_ns: time of the figures; :param identity: anything that another device in its place would not have.
        :param parts: of how many devices this is the sum, now or the last time: one that goes makes it fall, not to zero.
        """
        counter = self.known.get(device)
        if counter is None:
            counter = self.known[device] = Monotonic(self.shape, self.told)
        return counter.update(raw, now_ns, identity, parts)

    def listed(self, names: Iterable[Hashable]) -> None:
        """These are all devices that there are now: the others are gone, and what comes in their place is another."""
        for name in self.known.keys() - names:
            if not self.known[name].gone:
                self.known[name].leave()
                self.told.changed = True

    def total(self, width: int) -> Values:
        """The sum over all devices ever seen in this life, as a tuple of ``width`` counters; None where a part is unknown."""
        if len(self.known) == 1:
            for counter in self.known.values():
                return counter.total if counter.gone else counter.shown
        totals = [counter.total if counter.gone else counter.shown for counter in self.known.values()]
        if any([None in parts for parts in totals]):
            return tuple([None if None in column else sum(column) for column in zip(*totals)])
        return tuple(map(sum, zip(*totals))) if totals else (0,) * width
