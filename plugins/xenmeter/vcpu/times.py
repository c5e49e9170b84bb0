"""Times of one vCPU, or of a domain, within one life: what is told of them never falls, and never runs ahead of the clock."""
from typing import Dict, List, Optional, Tuple

__all__ = ("Times",)

Values = Tuple[Optional[int], ...]

#: ns by which a time may rise beyond twice what has passed by the wall clock, which may be set, before it is doubted.
_SLACK = 600 * 10 ** 9
#: ns by which a time may fall and none is damaged: the clocks of two pCPUs are not quite one.
_SKEW = 10 ** 6
#: Readings that must go on from a figure that did not fit, until it is believed.
_AGREE = 2


def _room(passed_ns: int) -> int:
    return 2 * abs(passed_ns) + _SLACK


class Times:
    """No state lasts longer than the time that has passed, so a figure that rises by more is not told, unless the next ones go on
    from it. Where another source takes over that lags (a page does not have what goes on now) the old figure stands until the new
    one has reached it; nor is it forgotten where the other does not know it. That a source's own figure falls is counted.
    """

    __slots__ = ("_told", "_given", "_raw", "_source", "_at", "_shown", "_doubts")

    def __init__(self) -> None:
        self._raw: Values = ()
        self._given: Values = ()
        self._told: Values = ()
        self._shown: Values = (None,)
        self._source = ""
        self._at = 0
        self._doubts: Dict[int, Tuple[int, int, int]] = {}     # place -> (newest figure, its time, how many have gone on)

    @property
    def is_doubted(self) -> bool:
        """Whether a figure is held back, so that the same ones may be told otherwise the next time."""
        return bool(self._doubts)

    def rested(self, now_ns: int) -> None:
        """What :meth:`update` does where nothing is doubted and the figures are the same again."""
        self._at = now_ns

    def update(self, times: Values, source: str, now_ns: int, errors: Dict[str, int]) -> Values:
        """What to tell of these figures, None where one is not known. ``errors``: ``counter_damaged`` is counted there."""
        if not self._doubts and times == self._given and source == self._source:
            self._at = now_ns
            return self._shown
        if self._shown is self._given and source == self._source:     # nothing is held back, nor lags
            room = 2 * abs(now_ns - self._at) + _SLACK
            for value, good in zip(times, self._given):
                if value is not good and (value is None or good is None or not 0 <= value - good <= room):
                    break
            else:
                self._given = self._shown = self._raw = self._told = times
                self._at = now_ns
                return times
        return self._look(times, source, now_ns, errors)

    def _look(self, times: Values, source: str, now_ns: int, errors: Dict[str, int]) -> Values:
        """The update of times of which something is not as it was."""
        if not self._raw:
            self._raw = self._told = (None,) * len(times)
            self._at = now_ns
        room, damaged = _room(now_ns - self._at), False
        raw, told = list(self._raw), list(self._told)
        shown: List[Optional[int]] = []
        for place, value in enumerate(times):
            good, old = raw[place], told[place]
            if value is None:
                shown.append(None)
                continue
            if good is not None and value - good > room and not self._agreed(place, value, now_ns):
                damaged = damaged or self._doubts[place][2] == 0
                shown.append(None)
                continue
            self._doubts.pop(place, None)
            damaged = damaged or good is not None and good - value > _SKEW and source == self._source
            raw[place] = value
            told[place] = value if old is None or value > old else old
            shown.append(told[place])
        if damaged:
            errors["counter_damaged"] = errors.get("counter_damaged", 0) + 1
        self._raw, self._told, self._shown = tuple(raw), tuple(told), tuple(shown)
        self._given, self._source = times, source
        if self._shown == self._raw == self._told == times:
            self._given = self._shown
        if not self._doubts:
            self._at = now_ns
        return self._shown

    def _agreed(self, place: int, value: int, now_ns: int) -> bool:
        """Whether so many have gone on from a figure that did not fit that it is one."""
        last, at, times = self._doubts.get(place, (value, now_ns, -1))
        times = times + 1 if 0 <= value - last <= _room(now_ns - at) else 0
        self._doubts[place] = (value, now_ns, times)
        return times >= _AGREE
