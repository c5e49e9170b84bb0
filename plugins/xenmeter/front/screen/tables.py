"""The rows of the screen (domains, their vCPUs, those of a pCPU) and the table that they make in a given width."""
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Tuple

from xenmeter.front.screen.history import History
from xenmeter.front.screen.parts import Part
from xenmeter.front.screen.text import Glyphs, Line, brief, cell, count, percent, spark
from xenmeter.front.screen.view import View

__all__ = ("TableRow", "SHORT", "LONG", "rows_of", "domain_rows", "pcpu_rows", "table", "seconds", "no_part")

#: XenMon's two spans, ns.
SHORT, LONG = 10 ** 9, 10 ** 10


class TableRow(NamedTuple):
    """One line: ``kind`` and ``key`` are where the history keeps it. A span in which nothing is known of it is None."""

    kind: str
    key: Any
    name: str
    indent: int
    long: Optional[Part]
    short: Optional[Part]


class _Column(NamedTuple):
    """``key``: what makes room for it first; ``head``: (above, below); ``show``: from a row to (text, style)."""

    head: Tuple[str, str]
    width: int
    show: Callable[[TableRow], Tuple[str, str]]


def domain_rows(history: History, view: View) -> List[TableRow]:
    """Every domain of the newest slice that the filter lets through, sorted."""
    short, long = history.totals("domains", SHORT), history.totals("domains", LONG)
    rows = [TableRow("domains", life, history.who[life].name, 0, long.get(life), short.get(life))
            for life in (history.slices[-1].domains if history.slices else ())
            if life in history.who and view.wanted(history.who[life].name)]
    rows.sort(key=lambda row: (row.name.lower(), row.key))
    if view.sort == "name":
        ordered = rows
    elif view.sort == "domid":
        ordered = sorted(rows, key=lambda row: row.key)
    else:
        value = _VALUES[view.sort]
        ordered = sorted(rows, key=lambda row: -_or_less(value(row.long) if row.long is not None else None))
    return ordered[::-1] if view.backwards else ordered


_VALUES: Dict[str, Callable[[Part], Any]] = {
    "cpu": lambda part: part.ppm("running"), "wait": lambda part: part.ppm("waiting"),
    "blocked": lambda part: part.ppm("blocked"), "executions": lambda part: part.per_second(part.executions),
    "I/O": lambda part: part.per_second(part.ios), "p99": lambda part: part.quantiles()["p99"],
}


def _or_less(value: Any) -> Any:
    return -1 if value is None else value


def rows_of(history: History, view: View) -> List[TableRow]:
    """The lines of the page: domains (with their vCPUs below them), or the vCPUs that ran last on the chosen pCPU."""
    domains = domain_rows(history, view)
    if view.pcpu is None and not view.vcpus:
        return domains
    numbers: Dict[Any, List[int]] = {}
    for life, number in sorted(history.homes):
        numbers.setdefault(life, []).append(number)
    if view.pcpu is not None:
        rows = [row for domain in domains for row in _vcpu_rows(history, domain, numbers.get(domain.key, ()))
                if history.homes.get(row.key) == view.pcpu]
        rows.sort(key=lambda row: -_or_less(row.long.ppm("running") if row.long is not None else None))
        return rows
    return [row for domain in domains for row in [domain] + _vcpu_rows(history, domain, numbers.get(domain.key, ()), 1)]


def _vcpu_rows(history: History, domain: TableRow, numbers: Iterable[int], indent: int = 0) -> List[TableRow]:
    short, long = history.totals("vcpus", SHORT), history.totals("vcpus", LONG)
    return [TableRow("vcpus", (domain.key, number), "vCPU %d" % number if indent else "%s vCPU %d" % (domain.name, number),
                indent, long.get((domain.key, number)), short.get((domain.key, number))) for number in numbers]


def pcpu_rows(history: History) -> List[Tuple[int, Any, Any]]:
    """(number, last 10 s, last 1 s) of each pCPU; None where nothing is known."""
    short, long = history.totals("pcpus", SHORT), history.totals("pcpus", LONG)
    return [(number, long.get(number), short.get(number)) for number in sorted(set(short) | set(long))]


def no_part(part: Optional[Any], what: Callable[[Any], Any]) -> Any:
    return None if part is None else what(part)


def seconds(ns: int) -> str:
    """A span as a heading: ``10s``, ``0.5s``."""
    return "%gs" % round(ns / 1e9, 1)


def _share(span: str, state: str) -> Callable[[TableRow], Tuple[str, str]]:
    def show(row: TableRow) -> Tuple[str, str]:
        ppm = no_part(getattr(row, span), lambda part: part.ppm(state))
        style = ""
        if state == "waiting" and ppm is not None and ppm >= 100000:
            style = "bad" if ppm >= 500000 else "warn"
        return percent(ppm), style
    return show


def _figure(what: Callable[[Part], Any], form: Callable[[Any], str]) -> Callable[[TableRow], Tuple[str, str]]:
    return lambda row: (form(no_part(row.long, what)), "")


def _columns(long: str, short: str) -> List[Tuple[int, _Column]]:
    """(rank, column) in the order in which they stand; those of a low rank are there first."""
    return [
        (0, _Column(("CPU %", long), 5, _share("long", "running"))),
        (0, _Column(("", short), 5, _share("short", "running"))),
        (1, _Column(("WAITING %", long), 5, _share("long", "waiting"))),
        (1, _Column(("", short), 5, _share("short", "waiting"))),
        (4, _Column(("BLOCKED %", long), 5, _share("long", "blocked"))),
        (4, _Column(("", short), 5, _share("short", "blocked"))),
        (3, _Column(("EXEC", "/s"), 5, _figure(lambda part: part.per_second(part.executions), count))),
        (5, _Column(("I/O", "/s"), 5, _figure(lambda part: part.per_second(part.ios), count))),
        (7, _Column(("CPU", "/exec"), 6, _figure(lambda part: part.per_execution("running"), brief))),
        (7, _Column(("WAIT", "/exec"), 6, _figure(lambda part: part.per_execution("waiting"), brief))),
        (8, _Column(("ALLOC", "/exec"), 6, _figure(lambda part: part.allocation, brief))),
        (6, _Column(("WAIT", "p50"), 6, _figure(lambda part: part.quantiles()["p50"], brief))),
        (2, _Column(("WAIT", "p99"), 6, _figure(lambda part: part.quantiles()["p99"], brief))),
        (9, _Column(("WAIT", "max"), 6, _figure(lambda part: part.quantiles()["max"], brief))),
    ]


_NAME, _SPARK = 12, 8
_MOST_NAME, _MOST_SPARK = 40, 60


def _chosen(width: int, columns: List[Tuple[int, _Column]], longest: int) -> Tuple[List[_Column], int, int]:
    """The columns that there is room for, and the widths of name and sparkline."""
    left = width - _NAME
    ranks: List[int] = []
    for rank in sorted({rank for rank, _ in columns}):
        needed = sum(column.width + 1 for other, column in columns if other == rank)
        if needed > left or (rank > 5 and needed > left - _SPARK - 1):
            break
        ranks.append(rank)
        left -= needed
    name = min(max(_NAME, longest), _MOST_NAME)
    spark_width = min(_MOST_SPARK, left - 1 - max(0, min(name - _NAME, left - _SPARK - 1)))
    if spark_width < _SPARK:
        spark_width = 0
    name = min(_MOST_NAME, _NAME + left - (spark_width + 1 if spark_width else 0))
    return [column for rank, column in columns if rank in ranks], name, spark_width


def table(history: History, rows: List[TableRow], chosen: int, width: int, height: int, glyphs: Glyphs) -> List[Line]:
    """Two lines of headings, and as many rows as the height has room for, the chosen one among them."""
    long, short = seconds(history.covered(LONG)), seconds(history.covered(SHORT))
    names = [" " * 2 * row.indent + glyphs.safe(row.name) for row in rows]
    columns, name_width, spark_width = _chosen(width, _columns(long, short), max([len(name) for name in names] + [0]))
    above, below = cell("", name_width), cell("DOMAIN", name_width, left=True)
    wide = ""       # a heading over two columns
    for column in columns:
        if column.head[0].endswith("%"):
            wide = column.head[0]
            above += " " + cell(wide, 2 * column.width + 1)
        elif column.head[0]:
            above += " " + cell(column.head[0], column.width)
        below += " " + cell(column.head[1], column.width)
    if spark_width:
        above += " " + cell("CPU", spark_width, left=True)
        below += " " + cell("LAST MINUTE" if spark_width > 10 else "LAST MIN", spark_width, left=True)
    page = max(0, height - 2)
    top = max(0, min(chosen - page // 2, len(rows) - page))
    lines: List[Line] = [[(above, "head")], [(below, "head")]]
    for place in range(top, min(len(rows), top + page)):
        row = rows[place]
        line: Line = [(cell(glyphs.safe(" " * 2 * row.indent + row.name, name_width), name_width, left=True), "")]
        for column in columns:
            text, style = column.show(row)
            line += [(" ", ""), (cell(text, column.width), style)]
        if spark_width:
            most = 1000000 * max(1, sum(1 for life, _ in history.homes if life == row.key))
            line += [(" ", ""), (spark(history.course(row.kind, row.key, "running"), spark_width, glyphs.levels, most), "good")]
        lines.append([(text, "chosen") for text, _ in line] if place == chosen else line)
    return lines
