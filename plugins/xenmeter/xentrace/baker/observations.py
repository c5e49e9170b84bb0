"""Figures of several observations as one: sums, counts and histograms go on where the observation before has ended.

Nothing is scaled: what happened between two observations is in no figure, and ``observed`` says how much time that is.
"""
from typing import Any, Dict, List, Optional, Tuple

from xenmeter.xentrace.baker.blamed import Blamed
from xenmeter.xentrace.engine.picture import KIND_CAUSES, Picture
from xenmeter.xentrace.engine.sections import picture_of

__all__ = ("Carry", "AS_NOW")

#: What is no sum, and is told as it is now: who it is, and what holds at a moment. All other figures of a record are counts
#: or durations and add up, whatever they are called, so that a new one cannot be forgotten here.
AS_NOW = {"domains": ("domid", "generation", "start_ns", "end_ns"), "vcpus": ("domid", "vcpu", "generation", "pcpu"),
          "pcpus": ("pcpu", "mhz"), "trace": ("cpu_khz", "pcpus", "left_out_from", "damaged_from", "mute")}
#: Of two extremes the one that holds for both.
_EXTREMES = {"min_ns": min, "max_ns": max}


class Carry:
    """What the observations that are over have found. :ivar observed_ns: their time.

    :param causes: how many of what made a domain wait are told by name.
    """

    def __init__(self, causes: int = 0) -> None:
        self._blamed = Blamed(causes)
        self._before: Optional[Dict[str, Any]] = None
        self._uuids: Dict[int, Optional[str]] = {}
        self._generations: Dict[int, int] = {}     # of the life that a domid's next observation continues
        self.observed_ns = 0

    @property
    def shift(self) -> Dict[int, int]:
        """Domid -> what the present observation's generations, which begin at 0, are counted on by."""
        return dict(self._generations)

    def add(self, figures: Picture, names: Any) -> Picture:
        """All observations up to now. ``figures`` are those of the present one, whose generations begin at 0 again.

        :param names: a snapshot of xenstore or None: a domid that has another UUID now has another domain.
        """
        known = {one.domid: one.uuid for one in names.domains} if getattr(names, "domains", None) is not None else None
        if known is not None:
            self._leave_behind(known)
        shift = self.shift
        if self._before is None and not any(shift.values()):
            return figures
        told = {"observed": figures["observed"]}
        before = self._before or {"domains": [], "vcpus": [], "pcpus": [], "trace": None}
        told["domains"] = _joined(before["domains"], _moved(figures["domains"], shift), _life, AS_NOW["domains"])
        told["vcpus"] = _joined(before["vcpus"], _moved(figures["vcpus"], shift),
                                lambda one: _life(one) + (one["vcpu"],), AS_NOW["vcpus"])
        told["pcpus"] = _joined(before["pcpus"], figures["pcpus"], lambda one: (one["pcpu"],), AS_NOW["pcpus"])
        told["windows"] = [dict(window, domains=_moved(window["domains"], shift)) for window in figures["windows"]]
        told["trace"] = dict(_added(before["trace"] or {}, figures["trace"], AS_NOW["trace"]), pcpus=len(told["pcpus"]))
        joined = picture_of(told)
        causes = self._blamed.add(figures, shift)
        if causes is not None:
            joined.sections.append(causes)
        return joined

    def _leave_behind(self, known: Dict[int, Optional[str]]) -> None:
        """Drop what belongs to domains that are gone, or whose domid is another's now."""
        gone = set()
        for domid, uuid in self._uuids.items():
            if domid not in known or known[domid] not in (None, uuid):     # None: it cannot be read just now
                gone.add(domid)
                self._generations[domid] = self._generations.get(domid, 0) + 1
        self._blamed.leave_behind(gone)
        if gone and self._before is not None:
            for name in ("domains", "vcpus"):
                self._before[name] = [one for one in self._before[name] if one["domid"] not in gone]
        self._uuids = {domid: uuid or self._uuids.get(domid) for domid, uuid in known.items()
                       if uuid is not None or domid in self._uuids}

    def end(self, told: Picture) -> None:
        """The present observation is over; ``told`` is what ``add`` made of its last figures."""
        for one in told["domains"]:
            ended = one["end_ns"] is not None
            self._generations[one["domid"]] = max(self._generations.get(one["domid"], 0), one["generation"] + ended)
        self._before = {name: told[name] for name in ("trace", "pcpus")}
        self._before["domains"] = [one for one in told["domains"] if one["end_ns"] is None]
        alive = {_life(one) for one in self._before["domains"]}
        self._before["vcpus"] = [one for one in told["vcpus"] if _life(one) in alive]
        self._blamed.end(next((one for one in told.sections if one.kind == KIND_CAUSES), None), alive)
        self.observed_ns = told["trace"]["span_ns"]


def _life(one: Dict[str, Any]) -> Tuple[int, ...]:
    return one["domid"], one["generation"]


def _moved(records: List[Dict[str, Any]], shift: Dict[int, int]) -> List[Dict[str, Any]]:
    """Generations counted on from those of the observations before."""
    return [dict(one, generation=one["generation"] + shift.get(one["domid"], 0)) for one in records]


def _joined(before: List[Dict[str, Any]], now: List[Dict[str, Any]], key: Any, as_now: Tuple[str, ...]) -> List[Dict[str, Any]]:
    """The records of both; where both have one, its figures are added up but for those ``as_now``."""
    found = {key(one): one for one in before}
    for one in now:
        old = found.get(key(one))
        found[key(one)] = one if old is None else _added(old, one, as_now)
    return [found[place] for place in sorted(found)]


def _added(old: Dict[Any, Any], new: Dict[Any, Any], as_now: Tuple[str, ...] = ()) -> Dict[Any, Any]:
    """All that either has."""
    told = dict(old)
    for name, value in new.items():
        before = old.get(name)
        if name in as_now or before is None:
            told[name] = value
        elif isinstance(value, dict):
            told[name] = _added(before, value)
        elif isinstance(value, int):
            told[name] = _EXTREMES[name](before, value) if name in _EXTREMES else before + value
        elif value is not None:
            told[name] = before.plus([value])
    return told
