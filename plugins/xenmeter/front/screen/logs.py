"""Logs for post processing: what ``xenmon -n`` wrote, file for file, and a CSV that says more.

XenMon's (4.17) log is a file per domain, PREFIX-dom7.log, and PREFIX-idle.log: a header, then a line per interval with 16
fields between blanks, times in ns. Here as there a line comes only where the domain had a pCPU, and totals are per second.
Different, because it was wrong: the figures are those of all pCPUs together (field cpu is always 0; cpu(%) may exceed
100), waited is time spent waiting, and the first line is not written before the first interval has passed. What is not
known is NaN, which R, gnuplot and Python read as such.
"""
import os
from typing import Any, Dict, List, Optional, TextIO

from xenmeter.core import files
from xenmeter.core.errors import SourceError
from xenmeter.front.screen.history import History, Slice
from xenmeter.front.screen.parts import Part, PcpuPart
from xenmeter.publish.csvrows import CsvWriter, iso_time

__all__ = ("Logs", "COLUMNS", "HEADER")

HEADER = ("# passed cpu dom cpu(tot) cpu(%) cpu/ex allocated/ex blocked(tot) blocked(%) blocked/io waited(tot) waited(%) "
          "waited/ex ex/s io(tot) io/ex\n")
#: Of the CSV. ``time`` and ``time_ns``: the end of the interval; ``length_ns``: how long it was; times are sums in it.
COLUMNS = ("time", "time_ns", "length_ns", "domain", "uuid", "domid", "running_ns", "waiting_ns", "blocked_ns", "offline_ns",
           "unknown_ns", "executions", "io", "allocations", "allocation_sum_ns", "allocation_min_ns", "allocation_max_ns",
           "waits", "wait_sum_ns", "wait_p50_ns", "wait_p90_ns", "wait_p99_ns", "wait_p999_ns", "wait_max_ns",
           "lost_records")
#: Files of domains that are open at the same time.
_OPEN = 200


class Logs:
    """:param prefix: how the names of all files begin; :param interval: ns that a line covers."""

    def __init__(self, prefix: str, interval: int) -> None:
        self._prefix = prefix
        self._interval = interval
        self._waiting: List[Slice] = []
        self._files: Dict[str, TextIO] = {}
        self._begun: set = set()
        self._last: Optional[int] = None   # end of the newest line's interval
        self._passed = 0            # ns from the beginning to that, whatever the clock was set to meanwhile
        self._writer = CsvWriter(COLUMNS, trusted=("time",))
        self._at = prefix + ".csv"  # what is written just now
        self._broken = False
        self.intervals = 0
        self.domains: set = set()
        try:
            with files.folder(os.path.dirname(prefix), make=True):
                self._csv = files.create(prefix + ".csv")
            self._csv.write(self._writer.header())
        except OSError as error:
            raise self._failed(error)

    def add(self, slice_: Slice, history: History) -> None:
        """Take a slice in; an interval that is complete is written."""
        if self._last is None:
            self._last = slice_.time_ns - slice_.length
        self._waiting.append(slice_)
        length = sum(waiting.length for waiting in self._waiting)
        if 2 * length > 2 * self._interval - slice_.length:     # as near as windows come
            ended, self._waiting = self._waiting, []
            try:
                self._write(ended, length, history)
            except OSError as error:
                raise self._failed(error)

    def _write(self, slices: List[Slice], length: int, history: History) -> None:
        time_ns = slices[-1].time_ns
        since, self._last = length if self._last is None else time_ns - self._last, time_ns
        self._passed += since if 2 * since > length else length
        passed = self._passed / 1e6
        lost = sum(one.lost for one in slices)
        rows = []
        for life, part in sorted(_sums(slices, "domains").items()):
            who = history.who.get(life)
            if who is None:
                continue
            self.domains.add(life)
            rows.append([iso_time(time_ns), time_ns, part.length, who.name, who.uuid, life[0]] + _figures(part) + [lost])
            if part.running:
                self._line("dom%d" % life[0], passed, life[0], _xenmon(part))
        self._at = self._prefix + ".csv"
        self._csv.write(self._writer.rows(rows))
        self._csv.flush()       # somebody may be following it
        pcpus: List[PcpuPart] = list(_sums(slices, "pcpus").values())
        if pcpus and sum(one.idle for one in pcpus):
            idle = sum(one.idle * 10 ** 9 / one.length for one in pcpus)
            unknown = [None] * 2
            self._line("idle", passed, -1, [idle, idle / 10 ** 7] + unknown + [0, 0, 0, 0, 0] + [None] * 2 + [0, None])
        self.intervals += 1

    def _line(self, name: str, passed: float, domid: int, numbers: List[Any]) -> None:
        file = self._files.get(name)
        self._at = "%s-%s.log" % (self._prefix, name)
        if file is None:
            if len(self._files) >= _OPEN:
                self._files.pop(next(iter(self._files))).close()
            file = self._files[name] = self._open(self._at)
        shown = " ".join("NaN" if number is None else "%.3f" % number for number in numbers)
        file.write("%.3f 0 %d %s\n" % (passed, domid, shown))

    def _open(self, path: str) -> TextIO:
        """A domain's file: new the first time, and then the one that we have made."""
        if path not in self._begun:
            with files.create(path) as made:
                self._begun.add(path)
                made.write(HEADER.encode("ascii"))
        return open(files.own(path, os.O_WRONLY | os.O_APPEND), "a", buffering=1)

    def close(self) -> None:
        """SourceError where the last of it cannot be written; that is not said again where it was said before."""
        error = self._close()
        if error is not None and not self._broken:
            raise self._failed(error)

    def _close(self) -> Optional[OSError]:
        failure = None
        for file in list(self._files.values()) + [self._csv]:
            try:
                file.close()
            except OSError as error:
                self._at, failure = file.name, error
        return failure

    def _failed(self, error: OSError) -> SourceError:
        """What is in the files is cut to whole lines; where no interval is, they go."""
        self._broken = True
        at = self._at
        if hasattr(self, "_csv"):
            self._close()
            for path in [self._csv.name] + sorted(self._begun):
                if self.intervals:
                    files.keep_whole_lines(path)
                else:
                    files.remove(path)
        return SourceError("%s: %s; %s" % (at, error.strerror, "nothing is logged" if not self.intervals else
                                           "the %d intervals before are in the logs" % self.intervals))


def _sums(slices: List[Slice], kind: str) -> Dict[Any, Any]:
    made: Dict[Any, List[Any]] = {}
    for slice_ in slices:
        for key, part in getattr(slice_, kind).items():
            made.setdefault(key, []).append(part)
    return {key: type(parts[0]).total(parts) for key, parts in made.items()}


def _figures(part: Part) -> List[Optional[int]]:
    waits = part.quantiles()
    allocated = part.slices is not None and part.slices > 0
    return [part.running, part.waiting, part.blocked, part.offline, part.unknown, part.executions, part.ios,
            part.slices if allocated else None, part.slice_sum if allocated else None, part.slice_min, part.slice_max,
            waits.get("count"), waits.get("sum"), waits["p50"], waits["p90"], waits["p99"], waits["p999"], waits["max"]]


def _xenmon(part: Part) -> List[Any]:
    """The 13 numbers after passed, cpu and dom."""
    def per_second(ns: int) -> float:
        return ns * 10 ** 9 / part.length
    each = part.executions or None
    ios = part.ios or 0
    return [per_second(part.running), part.running * 100 / part.length, each and part.running / each,
            part.slice_sum / part.slices if part.slices else None,
            per_second(part.blocked), part.blocked * 100 / part.length, part.blocked / ios if ios else 0,
            per_second(part.waiting), part.waiting * 100 / part.length, each and part.waiting / each,
            per_second(part.executions), per_second(ios), each and ios / each]
