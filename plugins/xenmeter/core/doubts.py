"""Counters that did what no counter does: which figure is a wrap, which is damage, and when one is believed again.

What is seen in the field stands in `core.wraps`. A figure that does not fit is not told until the next ones have said whether
it was the exception or goes on; what then goes on adds its steps to what was there before, for what it jumped by was never
counted by anybody.
"""
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Set, Tuple

from xenmeter.core.reading import IMPOSSIBLE
from xenmeter.core.wraps import is_exception, room_for, wrapped

__all__ = ("Doubts",)

_AGREE = 2              # readings that must go on from one that did not fit
_MEMORY = 8             # readings after which what has changed is no longer taken back


class _Doubt(NamedTuple):
    """A counter that does not fit: the time of the last figure that did; the first that does not, the newest that goes on from
    it, its time, and how many have done so; by how much the counter has risen if it wrapped around there, else 0.
    """

    good_ns: int
    first: int
    now: int
    now_ns: int
    times: int
    rise: int


class _Look(NamedTuple):
    """One look at a device: its new figures and their time; the last good figures, those before them, and the totals, which the
    look brings up to date. What comes before a change is told as if the counter had not changed.
    """

    device: Any
    raw: Tuple[int, ...]
    now_ns: int
    last: List[Optional[int]]
    before: List[Optional[int]]
    totals: List[int]


class Doubts:
    """What is doubtful of one device (`counters.Monotonic`); there is none while all is as it should be.

    :ivar hidden: places of the counters that are not told now.
    """

    __slots__ = ("hidden", "_at", "_doubts", "_beyond", "_highest", "_events")

    def __init__(self, at: int) -> None:
        self.hidden: Set[int] = set()
        self._at = at           # of the reading before
        self._doubts: Dict[int, _Doubt] = {}
        self._beyond: Set[int] = set()    # impossible since the last good figure
        self._highest: Dict[int, int] = {}  # totals that were told and turned out to be too high
        #: what was changed: readings since, and by place the figure and the total before
        self._events: List[Tuple[int, Dict[int, Tuple[int, int]]]] = []

    def empty(self) -> bool:
        return not (self.hidden or self._doubts or self._beyond or self._highest or self._events)

    def settled(self, totals: Tuple[int, ...]) -> Tuple[int, ...]:
        return tuple([max(total, self._highest.get(place, 0)) for place, total in enumerate(totals)])

    def settle(self) -> None:
        """The device is gone: what was told of it stands, and is not taken back any more."""
        self._highest.clear()
        self._events = []

    def see(self, device: Any, raw: Tuple[int, ...], now_ns: int, began: List[int], certain: bool, totals: List[int]) -> None:
        """Bring ``totals`` and the device's raw figures up to date.

        :param began: places of the counters that began again at zero; :param certain: for it is another device.
        """
        self.hidden = set()
        look = _Look(device, raw, now_ns, list(device.raw), list(device.raw), totals)
        if certain:
            self._events = []
        done = self._came_back(look)
        if began and not done:
            if not certain:
                self._remember(look, began)
            self._begin(look, began)
            done = set(began)
        for place in range(len(raw)):
            if place not in done:
                self._one(look, place)
        for place in [place for place, highest in self._highest.items() if totals[place] >= highest]:
            del self._highest[place]
        self.hidden.update(self._highest)
        device.before, device.raw = tuple(look.before), tuple(look.last)
        self._at = now_ns

    @staticmethod
    def pass_over(device: Any, raw: Tuple[int, ...], places: List[int]) -> None:
        """These counters are sums, of which a part has gone: what is left counts on."""
        device.told.changed = True
        device.raw = tuple([raw[place] if place in places and raw[place] < IMPOSSIBLE else last
                            for place, last in enumerate(device.raw)])

    def _begin(self, look: _Look, began: List[int]) -> None:
        look.device.told.changed = True
        for place in began:
            self._doubts.pop(place, None)
            self._beyond.discard(place)
            look.last[place] = None
            self._one(look, place)

    def _one(self, look: _Look, place: int) -> None:
        """A counter for itself."""
        value, good, log = look.raw[place], look.last[place], look.device.told
        if value >= IMPOSSIBLE:
            log.count("counter_impossible")
            self._beyond.add(place)
            self.hidden.add(place)
        elif good is None:
            self._follow(look, place, value)
            look.before[place] = None
        elif place in self._doubts:
            self._again(look, place, self._doubts[place])
        elif 0 <= value - good <= room_for(look.now_ns - self._at, look.device.shape.room[place]):
            self._follow(look, place, value - good)
        elif value < good and is_exception(look.device, place, value):
            log.count("counter_damaged")
            self._take_back(look, place, value - good)
            look.before[place] = look.device.before[place]
        else:
            rise, sure = wrapped(look.device, place, value, place in self._beyond) if value < good else (0, False)
            if sure:
                log.count("counter_wrapped")
                self._change(look, place, rise)
                return
            if not rise:
                log.count("counter_damaged")
            self._doubts[place] = _Doubt(self._at, value, value, look.now_ns, 0, rise)
            self.hidden.add(place)

    def _follow(self, look: _Look, place: int, step: int) -> None:
        """The new figure is good, and so much more than the last one."""
        look.last[place] = look.raw[place]
        look.before[place] = look.raw[place] - step
        look.totals[place] += step
        self._beyond.discard(place)

    def _change(self, look: _Look, place: int, step: int) -> None:
        """As :meth:`_follow`, where the total no longer goes with the figure."""
        look.device.told.changed = True
        self._remember(look, [place])
        self._follow(look, place, step)

    def _take_back(self, look: _Look, place: int, step: int) -> None:
        """As :meth:`_follow`, with a total that falls: it is told again when it is what it was."""
        look.device.told.changed = True
        self._highest[place] = max(self._highest.get(place, 0), look.totals[place])
        self._follow(look, place, step)

    def _again(self, look: _Look, place: int, doubt: _Doubt) -> None:
        """A counter whose last figure did not fit: this one goes on from that, or from the one before, or from neither."""
        value, more = look.raw[place], look.device.shape.room[place]
        good: Any = look.last[place]
        from_good = 0 <= value - good <= room_for(look.now_ns - doubt.good_ns, more)
        from_new = 0 <= value - doubt.now <= room_for(look.now_ns - doubt.now_ns, more)
        if from_good and (not from_new or good >= doubt.now):
            del self._doubts[place]
            self._follow(look, place, value - good)
            return
        if value < good and not from_new:   # the one before was the exception, and the counter wrapped around beside it
            rise, sure = wrapped(look.device, place, value, place in self._beyond)
            if sure:
                del self._doubts[place]
                look.device.told.count("counter_wrapped")
                self._change(look, place, rise)
                return
        times = doubt.times + 1 if from_new else 0
        if times >= _AGREE:
            del self._doubts[place]
            if doubt.rise:
                look.device.told.count("counter_wrapped")
            self._change(look, place, doubt.rise + value - doubt.first)
            look.before[place] = doubt.now
            return
        if not from_new:
            look.device.told.count("counter_damaged")
            doubt = doubt._replace(first=value, rise=0)
        self._doubts[place] = doubt._replace(now=value, now_ns=look.now_ns, times=times)
        self.hidden.add(place)

    def _remember(self, look: _Look, places: Iterable[int]) -> None:
        """What is changed now may be taken back, where a counter cannot come to its old figure again just by counting on."""
        before = look.device.before
        kept: Dict[int, Tuple[int, int]] = {}
        for place in places:
            good = look.device.raw[place]
            if good:
                if before is not None and before[place] is not None and (
                        good - look.raw[place] <= _MEMORY * (good - before[place])):
                    return
                kept[place] = (good, look.totals[place])
        if kept:
            self._events.append((0, kept))

    def _came_back(self, look: _Look) -> Set[int]:
        """The places of counters that are again where they were before a change, which was none then."""
        returned: Set[int] = set()
        left = []
        for age, kept in self._events:
            if returned.isdisjoint(kept) and all([_is_back(look.raw[place], look.last[place], good)
                                               for place, (good, _) in kept.items()]):
                for place, (good, total) in kept.items():
                    look.device.told.count("counter_damaged")
                    self._doubts.pop(place, None)
                    self._take_back(look, place, total + look.raw[place] - good - look.totals[place])
                    look.before[place] = good
                    returned.add(place)
            elif age + 1 < _MEMORY:
                left.append((age + 1, kept))
        self._events = [event for event in left if returned.isdisjoint(event[1])]
        return returned


def _is_back(value: int, last: Optional[int], good: int) -> bool:
    return last is not None and good <= value < IMPOSSIBLE and value - good < good - last
