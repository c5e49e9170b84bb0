"""The last minute, window by window, out of the baker's samples: what the screen and the logs are made of."""
from collections import Counter, deque
from typing import Any, Deque, Dict, List, NamedTuple, Optional, Tuple

from xenmeter.core.reading import Who
from xenmeter.core.select import Wanted
from xenmeter.front.screen.parts import Part, PcpuPart
from xenmeter.front.screen.who import Neighbours
from xenmeter.xen.domains import Unreadable
from xenmeter.xentrace.attribute import Attribution, LifeKey

__all__ = ("History", "Slice")


class Slice(NamedTuple):
    """What happened between two samples. ``vcpus``: by (life, number); ``lost``: records lost on all pCPUs in it."""

    time_ns: int    # its end
    length: int    # ns
    domains: Dict[LifeKey, Part]
    vcpus: Dict[Tuple[LifeKey, int], Part]
    pcpus: Dict[int, PcpuPart]
    lost: int


_MINUTE = 60 * 10 ** 9
#: ns by which figures may be behind the clock; where the baker rests, it adds up to more.
_LAG = 5 * 10 ** 9


class History:
    """:param wanted: ``wanted(name, uuid, domid)`` says whether a domain is shown; None: all are.

    :param keep: ns of slices that are kept.
    :ivar slices: oldest first.
    :ivar who: names of the lives in the newest sample, and of those that ended lately.
    :ivar homes: (life, vCPU) -> pCPU of its last execution, None where that is not known.
    :ivar neighbours: who made whom wait.
    :ivar observed: share of all time that the figures cover, ppm; less than all where the baker rests between observations.
    :ivar covers: the same in ns: (observed, all).
    :ivar trouble: what to know about the newest sample, in one line, or None.
    :ivar unusable: why the newest sample gave nothing at all, in one line, or None.
    """

    def __init__(self, wanted: Optional[Wanted] = None, keep: int = _MINUTE) -> None:
        self.slices: Deque[Slice] = deque()
        self.who: Dict[LifeKey, Who] = {}
        self.homes: Dict[Tuple[LifeKey, int], Optional[int]] = {}
        self.observed = 1000000
        self.covers: Tuple[int, int] = (1, 1)
        self.trouble: Optional[str] = None
        self.unusable: Optional[str] = None
        self.neighbours = Neighbours()
        self._wanted = wanted
        self._keep = keep
        self._attribution = Attribution()
        self._before: Optional[Dict[str, Any]] = None
        self._totals: Dict[Any, Any] = {}

    def add(self, sample: Any) -> Optional[Slice]:
        """Take a sample in; the slice that ends with it, None where it has nothing new (or is the first of its kind), or where
        it cannot be used: what another program wrote may be whole and wrong."""
        try:
            self.unusable = None
            return self._add(sample)
        except Exception as error:
            self._refuse(error)
            return None

    def drop(self, error: Exception) -> None:
        """What is here cannot be shown: all begins anew with the next sample."""
        self.slices.clear()
        self._totals.clear()
        self._refuse(error)

    def _refuse(self, error: Exception) -> None:
        self._before, self.homes = None, {}
        self.trouble = self.unusable = "figures that cannot be used are left out: %s: %.200s" % (type(error).__name__, error)

    def _add(self, sample: Any) -> Optional[Slice]:
        figures = sample.figures
        self._name(sample)
        self.homes = {(_life(record), record["vcpu"]): record.get("pcpu") for record in figures["vcpus"]}
        before, self._before = self._before, figures
        span = figures["trace"]["span_ns"]
        self.neighbours = self.neighbours.after(span, figures.get("causes"))
        passed = span - before["trace"]["span_ns"] if before is not None else 0
        if passed < 0:      # another baker, or its clock began anew
            before, passed = None, 0
        window = min(figures["windows"], key=lambda each: each["length_ns"], default=None)
        length = passed or (window["length_ns"] if window is not None else 0)
        if before is None and length == span:
            before = {"domains": [], "vcpus": [], "pcpus": [], "trace": {"span_ns": 0}}     # it is the beginning
        if not length or (before is not None and not passed and length != span):
            return None
        domains = self._domains(before, figures, window, length)
        made = Slice(sample.time_ns, length, domains, self._vcpus(before, figures, length, domains),
                     self._pcpus(before, figures, length),
                     _lost(figures) - _lost(before) if before is not None else 0)
        self.slices.append(made)
        self._forget_old()
        self._totals.clear()
        return made

    def put_before(self, windows: List[Dict[str, Any]]) -> None:
        """Windows that the baker still has of before the first slice, oldest first; the first slice's own is among them, and
        tells where to stop. They tell no waits, and how often slices were granted neither."""
        first = self.slices[0]
        made: List[Slice] = []
        for window in windows:
            parts = {life: Part.of_window(record, window["length_ns"]) for life, record in _by_life(window["domains"]).items()
                     if life in self.who}
            if _ran(parts) == _ran(first.domains):
                break
            made.append(Slice(0, window["length_ns"], parts, {}, {}, 0))
        else:
            return      # it is not: who knows what lies between
        self.slices.extendleft(reversed(made))
        self._forget_old()
        self._totals.clear()

    def _forget_old(self) -> None:
        while sum(slice_.length for slice_ in self.slices) - self.slices[0].length >= self._keep:
            self.slices.popleft()

    def _name(self, sample: Any) -> None:
        figures = sample.figures
        lives = list(figures["domains"])
        known = {_life(record) for record in lives}
        for window in figures["windows"]:
            for record in window["domains"]:
                if _life(record) not in known:
                    known.add(_life(record))
                    lives.append({"domid": record["domid"], "generation": record["generation"], "end_ns": window["start_ns"]})
        whose = self._attribution.whose(lives, sample.names)
        if isinstance(sample.names, Unreadable):
            whose = self.who    # names of a moment ago; what has no name yet waits
            self.trouble = sample.names.reason
        else:
            left_out = self._attribution.left_out.get("unjoined", 0)
            self.trouble = sample.remark or ("%d without a name in xenstore: not shown" % left_out if left_out else
                                             next(iter(self._attribution.notices), None))
        self.who = {life: who for life, who in whose.items()
                    if self._wanted is None or self._wanted(who.name, who.uuid, who.domid)}
        observed, elapsed = self.covers = figures.get("observed") or (1, 1)
        # the newest second or two are not in a window yet: that is no rest
        self.observed = observed * 1000000 // elapsed if elapsed - observed > _LAG else 1000000

    def _domains(self, before: Any, figures: Dict[str, Any], window: Any, length: int) -> Dict[LifeKey, Part]:
        """From the window where it is this slice; else, where a window was missed, from the sums."""
        old = _by_life(before["domains"]) if before is not None else {}
        new = _by_life(figures["domains"])
        parts: Dict[LifeKey, Optional[Part]] = {}
        if window is not None and window["length_ns"] == length:
            for life, record in _by_life(window["domains"]).items():
                part = Part.of_window(record, length)
                parts[life] = part
                if life in new and (life in old or _is_new(new[life], before)):
                    part.count_slices(old.get(life), new[life])
        elif before is not None:
            vcpus = Counter(_life(record) for record in figures["vcpus"])
            for life, record in new.items():
                if life in old or _is_new(record, before):
                    parts[life] = Part.between(old.get(life), record, length, vcpus[life])
        return {life: part for life, part in parts.items() if part is not None and life in self.who}

    def _vcpus(self, before: Any, figures: Dict[str, Any], length: int,
               domains: Dict[LifeKey, Part]) -> Dict[Tuple[LifeKey, int], Part]:
        if before is None:
            return {}
        lives = _by_life(figures["domains"])
        old = {(_life(record), record["vcpu"]): record for record in before["vcpus"]}
        number = Counter(_life(record) for record in figures["vcpus"])
        parts = {}
        for record in figures["vcpus"]:
            key = _life(record), record["vcpu"]
            if key[0] not in self.who:
                continue
            if key in old or (key[0] in lives and _is_new(lives[key[0]], before)):
                parts[key] = Part.between(old.get(key), record, length)
            elif key[0] in domains:
                parts[key] = Part.first(record, length, domains[key[0]], number[key[0]] == 1)
        return {key: part for key, part in parts.items() if part is not None}

    @staticmethod
    def _pcpus(before: Any, figures: Dict[str, Any], length: int) -> Dict[int, PcpuPart]:
        if before is None:
            return {}
        old = {record["pcpu"]: record for record in before["pcpus"]}
        whole = before["trace"]["span_ns"] == 0
        parts = {record["pcpu"]: PcpuPart.between(old.get(record["pcpu"]), record, length) for record in figures["pcpus"]
                 if record["pcpu"] in old or whole}
        return {number: part for number, part in parts.items() if part is not None}

    # -- sums ----------------------------------------------------------------------------------------------------------
    def last(self, span: int) -> List[Slice]:
        """The newest slices, as many as come nearest to ``span`` ns (at least one, if there is one), oldest first."""
        newest: List[Slice] = []
        covered = 0
        for slice_ in reversed(self.slices):
            if newest and covered + slice_.length // 2 > span:
                break
            newest.append(slice_)
            covered += slice_.length
        return newest[::-1]

    def covered(self, span: int) -> int:
        """ns that ``last(span)`` really covers."""
        return sum(slice_.length for slice_ in self.last(span))

    def totals(self, kind: str, span: int) -> Dict[Any, Any]:
        """Sums over ``last(span)`` of all ``domains``, ``vcpus`` or ``pcpus`` that are in the newest slice, or still live."""
        if (kind, span) not in self._totals:
            made: Dict[Any, List[Any]] = {}
            for slice_ in self.last(span):
                for key, part in getattr(slice_, kind).items():
                    made.setdefault(key, []).append(part)
            self._totals[kind, span] = {key: type(parts[0]).total(parts) for key, parts in made.items()}
        return self._totals[kind, span]

    def lost(self, span: int) -> int:
        return sum(slice_.lost for slice_ in self.last(span))

    def course(self, kind: str, key: Any, state: str) -> List[Tuple[int, Optional[int]]]:
        """(ns, share in ppm or None) slice by slice, oldest first: what a sparkline draws."""
        parts = [getattr(slice_, kind).get(key) for slice_ in self.slices]
        return [(slice_.length, None if part is None else part.ppm(state)) for slice_, part in zip(self.slices, parts)]

    def frozen(self) -> "History":
        """A copy that stands still."""
        made = History(self._wanted, self._keep)
        made.slices, made.who, made.homes = deque(self.slices), dict(self.who), dict(self.homes)
        made.observed, made.covers, made.trouble = self.observed, self.covers, self.trouble
        made.neighbours = self.neighbours
        return made


def _life(record: Dict[str, Any]) -> LifeKey:
    return record["domid"], record["generation"]


def _by_life(records: List[Dict[str, Any]]) -> Dict[LifeKey, Dict[str, Any]]:
    return {_life(record): record for record in records}


def _ran(parts: Dict[LifeKey, Part]) -> Any:
    return sorted((life, part.running, part.executions) for life, part in parts.items())


def _is_new(record: Dict[str, Any], before: Any) -> bool:
    """Whether the domain began in this slice, so that all of its sums are this slice's."""
    return before is not None and record["start_ns"] >= before["trace"]["span_ns"]


def _lost(figures: Dict[str, Any]) -> int:
    return sum(pcpu["lost_records"] for pcpu in figures["pcpus"])
