"""A log as a report: shares, executions, I/O and percentiles, but no timeline.

Two kinds: the CSV of ``xenmeter mon --log``, sums in ns per domain and interval; and that of ``xenmeter xentrace
--format csv``, shares per domain and window, of whose lengths the shortest is taken. Longer logs than fit are merged to
windows of twice the length, as often as needed: times and counts add up, of percentiles the largest is kept, and that
is said.
"""
import csv
import datetime
from typing import Any, Dict, Iterable, List, Set, Tuple

from xenmeter import __version__
from xenmeter.core.errors import SourceError
from xenmeter.core.times import fraction_ns, seconds_ns
from xenmeter.front.report.document import MOST_SERIES, OTHERS
from xenmeter.publish.text import bounded

__all__ = ("of_csv", "looks_like_csv")

_NEEDED = ("time", "domain", "window", "cpu_percent", "wait_percent", "blocked_percent", "executions_per_s")
#: Of mon's log.
_SUMS = ("time_ns", "length_ns", "domain", "running_ns", "waiting_ns", "blocked_ns", "executions", "lost_records")
_SHARES = (("running", "cpu_percent"), ("waiting", "wait_percent"), ("blocked", "blocked_percent"),
           ("offline", "offline_percent"), ("unknown", "unknown_percent"))
_RATES = (("executions", "executions_per_s"), ("ios", "io_per_s"))
_COUNTS = (("executions", "executions"), ("ios", "io"))
_WAITS = (("p50", "wait_p50_ns"), ("p99", "wait_p99_ns"), ("max", "wait_max_ns"))
#: Windows that are kept.
_MOST = 480
_PEEK = 4000
_EPOCH = datetime.datetime(1970, 1, 1)


def looks_like_csv(head: bytes) -> bool:
    """Whether a file that begins so is a CSV of ours rather than a trace."""
    line = head.split(b"\n", 1)[0]
    return b"," in line and b"domain" in line and b"\0" not in line


class _Domain:
    def __init__(self, name: str, uuid: str, domid: str) -> None:
        self.name, self.uuid, self.domid = name, uuid, domid
        self.cells: Dict[int, Dict[str, int]] = {}      # window -> figures
        self.weight = 0


def of_csv(lines: Iterable[str], name: str, source: Dict[str, Any]) -> Dict[str, Any]:
    """:param lines: of text, with the header; raises SourceError with the number of the line that is wrong."""
    reader = csv.DictReader(lines)
    try:
        columns = reader.fieldnames or ()
    except csv.Error as error:
        raise SourceError("%s: line 1 is no CSV: %s" % (name, error))
    sums = "length_ns" in columns
    missing = [column for column in (_SUMS if sums else _NEEDED) if column not in columns]
    if missing:
        raise SourceError("%s: no column %s: this is not what `xenmeter xentrace --format csv` or `xenmeter mon --log` "
                          "writes" % (name, missing[0]))
    log = _Log(name, sums)
    try:
        for row in reader:
            log.row(row, reader.line_num)
    except csv.Error as error:
        raise SourceError("%s: line %d is no CSV: %s" % (name, reader.line_num + 1, error))
    log.settle()
    if not log.length:
        raise SourceError("%s: there is no row in it" % name)
    return _document(log, dict(source, start_ns=log.begin))


class _Log:
    """:ivar length: of a window, ns; :ivar begin: of the first, ns since 1970; :ivar merged: windows in one."""

    def __init__(self, name: str, sums: bool) -> None:
        self._name = name
        self.sums = sums
        self.lost: Set[Tuple[int, int]] = set()    # begin, end: intervals in which records were lost
        self._early: List[Tuple[int, int, Dict[str, Any], Dict[str, int]]] = []
        self._shift = 0         # ns by which the clock was set back so far
        self._last: Dict[str, int] = {}  # end of a domain's newest row
        self.domains: Dict[str, _Domain] = {}
        self.length = 0         # not known yet
        self.begin = 0
        self.given = 0
        self.merged = 1

    def row(self, row: Dict[str, Any], line: int) -> None:
        try:
            if None in row or None in row.values():
                raise ValueError("it has %s fields than the header; was it cut off?" % ("more" if None in row else "fewer"))
            time, length, figures = (_of_sums if self.sums else _of_shares)(row)
            if length <= 0:
                raise ValueError("a window of %s" % (row["length_ns"] if self.sums else row["window"]))
            time = self._on(time, length, row.get("uuid") or row["domain"])
            if not self.length:
                self._early.append((time, length, row, figures))
                if len(self._early) >= _PEEK:
                    self.settle()
            elif self.sums or length == self.given:
                self._add(time, length, row, figures)
        except (ValueError, AttributeError, TypeError, OverflowError) as error:
            raise SourceError("%s: line %d cannot be read: %s" % (self._name, line, error))

    def settle(self) -> None:
        """Enough rows have been seen to know the shortest window."""
        if self.length or not self._early:
            return
        self.given = self.length = min(length for _, length, _, _ in self._early)
        early, self._early = self._early, []
        self.begin = min(time - length for time, length, _, _ in early if self.sums or length == self.given)
        for time, length, row, figures in early:
            if self.sums or length == self.given:
                self._add(time, length, row, figures)

    def _on(self, time: int, length: int, key: str) -> int:
        """Times go on where the clock was set back, as if it had not been: what was written later stands later."""
        last = self._last.get(key)
        if last is not None and time + self._shift < last - length // 2:
            self._shift = last + length - time
        self._last[key] = time + self._shift
        return time + self._shift

    def _add(self, time: int, length: int, row: Dict[str, Any], new: Dict[str, int]) -> None:
        # A row has the time of its window's end; the window's middle finds its place in spite of jitter.
        middle = time - self.begin - length // 2
        if middle < 0:
            raise ValueError("its time is before that of the rows at the beginning")
        while middle // self.length >= _MOST:
            self._fold()
        key = row.get("uuid") or row["domain"]
        domain = self.domains.get(key)
        if domain is None:
            domain = self.domains[key] = _Domain(row["domain"], row.get("uuid") or "", row.get("domid") or "")
        domain.name = bounded(row["domain"])
        if self.sums and row["lost_records"] not in ("", "0") and len(self.lost) < _MOST:
            self.lost.add((time - length - self.begin, time - self.begin))
        place = middle // self.length
        old = domain.cells.get(place)
        domain.cells[place] = new if old is None else _sum(old, new)
        domain.weight += new.get("running", 0) + new.get("waiting", 0)

    def _fold(self) -> None:
        self.length *= 2
        self.merged *= 2
        for domain in self.domains.values():
            folded: Dict[int, Dict[str, int]] = {}
            for place, cell in domain.cells.items():
                folded[place // 2] = _sum(folded[place // 2], cell) if place // 2 in folded else cell
            domain.cells = folded


def _of_shares(row: Dict[str, Any]) -> Tuple[int, int, Dict[str, int]]:
    """(time of its end, its length, figures as sums) of a row of xentrace's CSV; what is not known is left out."""
    length = seconds_ns(row["window"].rstrip("s"))
    sums = {"observed": length}
    for table, whole in ((_SHARES, 100), (_RATES, 10 ** 9)):
        for figure, column in table:
            if row.get(column):
                sums[figure] = round(float(row[column]) * length / whole)
    return _time(row["time"]), length, _with_waits(sums, row)


def _of_sums(row: Dict[str, Any]) -> Tuple[int, int, Dict[str, int]]:
    """The same of mon's log."""
    length = int(row["length_ns"])
    sums = {"observed": length}
    for figure, column in tuple((figure, figure + "_ns") for figure, _ in _SHARES) + _COUNTS:
        if row.get(column):
            sums[figure] = int(row[column])
    return int(row["time_ns"]), length, _with_waits(sums, row)


def _with_waits(sums: Dict[str, int], row: Dict[str, Any]) -> Dict[str, int]:
    for figure, column in _WAITS:
        if row.get(column):
            sums[figure] = int(row[column])
    return sums


def _sum(former: Dict[str, int], latter: Dict[str, int]) -> Dict[str, int]:
    total = dict(former)
    for name, value in latter.items():
        if name in total:
            total[name] = max(total[name], value) if name in ("p50", "p99", "max") else total[name] + value
        else:
            total[name] = value
    return total


def _time(text: str) -> int:
    """ISO 8601 in UTC, or seconds since 1970, in ns."""
    if text.endswith("Z"):
        whole, _, fraction = text[:-1].partition(".")
        seconds = int((datetime.datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S") - _EPOCH).total_seconds())
        return seconds * 10 ** 9 + fraction_ns(fraction)
    return seconds_ns(text)


def _document(log: _Log, source: Dict[str, Any]) -> Dict[str, Any]:
    domains = sorted(log.domains.values(), key=lambda domain: -domain.weight)
    own = domains[:MOST_SERIES] if len(domains) > MOST_SERIES + 1 else domains
    groups = [[domain] for domain in own]
    if len(own) < len(domains):
        groups.append(domains[len(own):])
    count = 1 + max(max(domain.cells) for domain in domains)
    series: List[Dict[str, Any]] = []
    columns = []
    for group in groups:
        series.append({"name": group[0].name if len(group) == 1 else "%d %s" % (len(group), OTHERS), "life": None})
        columns.append(_columns(group, count))
    records: List[Dict[str, Any]] = [
        {"name": domain.name, "uuid": domain.uuid or None, "domid": int(domain.domid) if domain.domid.isdigit() else None,
             "generation": 0, "series": min(place, len(groups) - 1)} for place, domain in enumerate(domains)]
    for place, domain in enumerate(records):
        if len(groups[domain["series"]]) == 1:
            series[domain["series"]]["life"] = place
    windows = {"length_ns": log.length, "start_ns": [place * log.length for place in range(count)],
               "lengths_ns": [log.length] * count, "series": columns}
    return {"format": "xenmeter-report", "version": 1, "xenmeter": __version__, "kind": "csv", "source": source,
            "domains": records, "series": series, "windows": windows, "merged": log.merged, "given_ns": log.given,
            "lost": [[None, begin, end] for begin, end in sorted(log.lost)], "lost_more": 0, "tells_losses": log.sums}


def _columns(group: List[_Domain], count: int) -> Dict[str, Any]:
    names = [name for name, _ in _SHARES + _RATES] + ["observed"]
    columns: Dict[str, Any] = {name: [None] * count for name in names}
    columns["wait"] = {name: [None] * count for name, _ in _WAITS}
    for place in range(count):
        cells = [one.cells[place] for one in group if place in one.cells]
        if cells:
            whole = cells[0]
            for one in cells[1:]:
                whole = dict(_sum(whole, one), observed=max(whole["observed"], one["observed"]))
            for name in names:
                columns[name][place] = whole.get(name)
            for name, _ in _WAITS:
                columns["wait"][name][place] = whole.get(name)
    return columns
