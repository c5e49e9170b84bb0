"""What one domain, vCPU or pCPU did in a length of time, and sums of that. Integer nanoseconds and counts."""
from typing import Any, Dict, Iterable, Optional

from xenmeter.xentrace.engine.distribution import EMPTY, Distribution
from xenmeter.xentrace.engine.figures import GRANTS, STATES, WINDOW_STATES

__all__ = ("Part", "PcpuPart", "TIMES")

#: A vCPU's states as the screen names them, in the order of figures.STATES.
TIMES = ("running", "waiting", "blocked", "offline", "unknown")


class Part:
    """:ivar length: ns that it covers; :ivar ios: XenMon's I/O count, None for a vCPU, whose grants are not told apart.

    :ivar slices: time slices that the scheduler granted, 0 where the trace has none; with ``slice_sum``, ``slice_min``
        and ``slice_max`` (ns, None: not known).
    :ivar wait: the waits that ended in it, None where they are not known.
    """

    __slots__ = ("length",) + TIMES + ("executions", "ios", "slices", "slice_sum", "slice_min", "slice_max", "_wait")

    def __init__(self, length: int, times: Iterable[int], executions: int, ios: Optional[int],
                 wait: Optional[Distribution]) -> None:
        self.length = length
        self.running, self.waiting, self.blocked, self.offline, self.unknown = times
        self.executions = executions
        self.ios = ios
        self.slices: Optional[int] = 0
        self.slice_sum = 0
        self.slice_min: Optional[int] = None
        self.slice_max: Optional[int] = None
        self._wait: Any = wait

    @property
    def wait(self) -> Optional[Distribution]:
        if isinstance(self._wait, list):        # of a sum: added up for those that are looked at
            self._wait = EMPTY.plus(self._wait)
        return self._wait

    @classmethod
    def of_window(cls, record: Dict[str, Any], length: int) -> "Part":
        """A domain in a window of the baker's; without the number of granted slices, which a window does not tell."""
        waits = record.get("latency", {}).get("wait")
        ios = sum(record[name] for name in GRANTS)
        part = cls(length, [record[name] for name in WINDOW_STATES], record["executions"], ios, waits)
        part.slice_min, part.slice_max = record["allocation_min_ns"], record["allocation_max_ns"]
        if part.slice_max is not None:
            part.slices = None
        return part

    @classmethod
    def between(cls, old: Optional[Dict[str, Any]], new: Dict[str, Any], length: int, vcpus: int = 1) -> "Optional[Part]":
        """From two readings of the sums (``old`` None: all of it), None where they do not tell: a record may reveal later
        what a vCPU did before, and that time belongs to earlier windows. :param vcpus: how many have their sums in it."""
        times = [new[name] - (old[name] if old else 0) for name in STATES]
        if min(times) < 0 or sum(times) > length * vcpus:
            return None
        ios = sum(new[name] - (old[name] if old else 0) for name in GRANTS) if GRANTS[0] in new else None
        wait = None
        if "wait" in new.get("histograms", ()):
            wait = new["histograms"]["wait"].since(old["histograms"]["wait"] if old else EMPTY)
        part = cls(length, times, new["executions"] - (old["executions"] if old else 0), ios, wait)
        part.count_slices(old, new)
        return part

    @classmethod
    def first(cls, new: Dict[str, Any], length: int, domain: "Part", alone: bool) -> "Optional[Part]":
        """A vCPU that was seen for the first time in the slice, though its domain is older: its sums tell also what it was until
        then, which was one state (offline, while its domain was built). None where that cannot be told from the slice.

        :param domain: its domain in the slice; :param alone: it is the domain's only vCPU, so all of that is its own.
        """
        times = [new[name] for name in STATES]
        limits = [getattr(domain, name) for name in TIMES]
        before = sum(times) - length
        if alone:
            times = limits
        elif before > 0:
            places = [place for place, time in enumerate(times) if time >= before]
            if len(places) != 1:
                return None
            times[places[0]] -= before
            if any([time > limit for time, limit in zip(times, limits)]):
                return None
        wait = new["histograms"]["wait"] if "wait" in new.get("histograms", ()) else None
        return cls(length, times, new["executions"], None, wait)

    def count_slices(self, old: Optional[Dict[str, Any]], new: Dict[str, Any]) -> None:
        """The number and sum of granted slices between two readings of the sums."""
        now = new.get("allocation")
        if now is not None:
            before = (old or {}).get("allocation") or {"count": 0, "sum_ns": 0}
            self.slices = now["count"] - before["count"]
            self.slice_sum = now["sum_ns"] - before["sum_ns"]

    @classmethod
    def total(cls, parts: "Iterable[Part]") -> "Optional[Part]":
        """All of them as one; None where there is none. What one of them does not know is not known of all."""
        parts = list(parts)
        if len(parts) < 2:
            return parts[0] if parts else None
        times = [(part.running, part.waiting, part.blocked, part.offline, part.unknown) for part in parts]
        made = cls(sum([part.length for part in parts]), [sum(column) for column in zip(*times)],
                   sum([part.executions for part in parts]), _sum([part.ios for part in parts]), None)
        waits = [part.wait for part in parts]
        if None not in waits:
            made._wait = waits
        made.slices = _sum([part.slices for part in parts])
        made.slice_sum = sum([part.slice_sum for part in parts])
        made.slice_min = min([part.slice_min for part in parts if part.slice_min is not None], default=None)
        made.slice_max = max([part.slice_max for part in parts if part.slice_max is not None], default=None)
        return made

    # -- what XenMon made of it; None: not known, or there was none ---------------------------------------------------
    def ppm(self, state: str) -> int:
        """Share of one pCPU."""
        return getattr(self, state) * 1000000 // self.length

    def per_execution(self, state: str) -> Optional[int]:
        return getattr(self, state) // self.executions if self.executions else None

    @property
    def blocked_per_io(self) -> Optional[int]:
        return self.blocked // self.ios if self.ios else None

    @property
    def allocation(self) -> Optional[int]:
        return self.slice_sum // self.slices if self.slices else None

    def per_second(self, count: Optional[int]) -> Optional[float]:
        return None if count is None else count * 10 ** 9 / self.length

    def quantiles(self) -> Dict[str, Optional[int]]:
        """p50, p90, p99, p999 and max of the waits, ns."""
        return dict.fromkeys(("p50", "p90", "p99", "p999", "max")) if self.wait is None else self.wait.summary()


def _sum(numbers: Iterable[Optional[int]]) -> Optional[int]:
    numbers = list(numbers)
    return None if None in numbers else sum(numbers)  # type: ignore[arg-type]


class PcpuPart:
    """A pCPU's busy, idle and unknown time, ns, and its lost records."""

    __slots__ = ("length", "busy", "idle", "unknown", "lost_records", "lost_ns")
    _NAMES = ("busy", "idle", "unknown", "lost_records", "lost_ns")

    def __init__(self, length: int, numbers: Iterable[int]) -> None:
        self.length = length
        self.busy, self.idle, self.unknown, self.lost_records, self.lost_ns = numbers

    @classmethod
    def between(cls, old: Optional[Dict[str, Any]], new: Dict[str, Any], length: int) -> "Optional[PcpuPart]":
        names = ("busy_ns", "idle_ns", "unknown_ns", "lost_records", "lost_ns")
        figures = [new[name] - (old[name] if old else 0) for name in names]
        return cls(length, figures) if min(figures) >= 0 and sum(figures[:3]) <= length else None

    @classmethod
    def total(cls, parts: "Iterable[PcpuPart]") -> "Optional[PcpuPart]":
        parts = list(parts)
        if not parts:
            return None
        return cls(sum(part.length for part in parts), [sum(getattr(part, name) for part in parts) for name in cls._NAMES])

    def ppm(self, state: str) -> int:
        return getattr(self, state) * 1000000 // self.length
