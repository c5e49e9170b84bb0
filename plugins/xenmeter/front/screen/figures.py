"""XenMon's figures of one domain or vCPU, last 10 s beside last 1 s, in a given width."""
from typing import Any, Callable, List, Optional, Tuple

from xenmeter.front.screen.history import History
from xenmeter.front.screen.parts import Part
from xenmeter.front.screen.tables import LONG, SHORT, TableRow, seconds
from xenmeter.front.screen.text import Glyphs, Line, brief, cell, count, percent, short, spark

__all__ = ("figures", "WIDE", "HEIGHT")

_LABEL, _CELL = 15, 9
#: Columns from which both spans are shown side by side.
WIDE = _LABEL + 6 * _CELL + 2
#: Lines that a domain takes at least.
HEIGHT = 10

_Cells = Tuple[str, Optional[str], str]


def figures(history: History, row: TableRow, width: int, glyphs: Glyphs) -> List[Line]:
    """A title, headings, and one line for each quantity; offline and unknown time and I/O only where there is any."""
    spans = [(LONG, row.long), (SHORT, row.short)] if width >= WIDE else [(SHORT, row.short)]
    lines = [_title(history, row, glyphs), _heads(history, [span for span, _ in spans])]
    # the line of the title's level fills what the figures leave, to the right
    room = min(60, width - (_LABEL + len(spans) * 3 * _CELL + 2 * (len(spans) - 1)) - 2)
    for label, what, state in _quantities(row):
        line: Line = [(cell(label, _LABEL, left=True), "head")]
        for place, (_, part) in enumerate(spans):
            cells = ("-", "", "") if part is None else what(part)
            style = "warn" if state == "waiting" and part is not None and part.ppm("waiting") >= 100000 else ""
            line.append((("  " if place else "") + _laid(cells), style))
        if state and room >= 8:
            course = history.course(row.kind, row.key, state)
            line.append(("  " + spark(course, room, glyphs.levels, _most(row)), _COLOURS[state]))
        lines.append(line)
    return lines


_COLOURS = {"running": "good", "waiting": "bad", "blocked": "dim", "offline": "dim", "unknown": "lost"}


def _most(row: TableRow) -> int:
    """What the top of a sparkline stands for: all vCPUs of the domain for all of the time, as far as the states tell."""
    part = row.long or row.short
    states = part.running + part.waiting + part.blocked + part.offline + part.unknown if part is not None else 0
    return max(1000000, -(-states // part.length) * 1000000) if part is not None else 1000000


def _title(history: History, row: TableRow, glyphs: Glyphs) -> Line:
    life = row.key if row.kind == "domains" else row.key[0]
    who = history.who.get(life)
    about = "domid %d" % life[0]
    if row.kind == "domains":
        vcpus = sum(1 for other, _ in history.homes if other == life)
        about += ", %d vCPU%s seen" % (vcpus, "" if vcpus == 1 else "s")
    elif history.homes.get(row.key) is not None:
        about += ", ran last on pCPU %s" % history.homes[row.key]
    if who is not None and who.uuid:
        about += ", " + who.uuid
    name = row.name if row.kind == "domains" or not row.indent or who is None else "%s %s" % (who.name, row.name)
    return [(glyphs.safe(name, 64), "title"), ("  " + about, "dim")]


def _heads(history: History, spans: List[int]) -> Line:
    text = cell("", _LABEL)
    for place, span in enumerate(spans):
        first = "last " + seconds(history.covered(span))
        text += ("  " if place else "") + "".join(cell(head, _CELL) for head in (first, "%", "per exec"))
    return [(text, "head")]


def _quantities(row: TableRow) -> List[Tuple[str, Callable[[Part], _Cells], str]]:
    """(label, from a part to three cells, state of the sparkline or nothing)."""
    quantities: List[Tuple[str, Callable[[Part], _Cells], str]] = [
        ("CPU gotten", _state("running"), "running"), ("waited", _state("waiting"), "waiting"),
        ("blocked", _state("blocked"), "blocked")]
    for state in ("offline", "unknown"):
        if any(part is not None and getattr(part, state) for part in (row.long, row.short)):
            quantities.append((state, _state(state, False), state))
    quantities += [("allocated", _allocated, ""), ("executions", _executions, ""), ("I/O count", _ios, "")]
    if any(part is not None and part.ios for part in (row.long, row.short)):
        quantities.append(("blocked per I/O", lambda part: (brief(part.blocked_per_io), "", ""), ""))
    return quantities + [("wait p50-99", lambda part: _waits(part, "p50", "p90", "p99"), ""),
                   ("wait p99.9-max", lambda part: _waits(part, "p999", "max"), "")]


def _laid(cells: _Cells) -> str:
    """Where there is no second cell the first one has its room, and of the third's what a time never needs."""
    first, second, third = cells
    if second is None:
        return cell(first, 2 * _CELL + 1) + cell(third, _CELL - 1)
    return "".join(cell(text, _CELL) for text in (first, second, third))


def _state(state: str, executions: bool = True) -> Callable[[Part], _Cells]:
    return lambda part: (brief(getattr(part, state)), percent(part.ppm(state)),
                         brief(part.per_execution(state)) if executions else "")


def _allocated(part: Part) -> _Cells:
    """The smallest, the largest and the mean time slice that the scheduler granted: what the heads do not name is named."""
    if part.slices == 0:
        return "-", "", "-"
    if part.slice_min is None:
        return "-", "", brief(part.allocation)
    return "min %s max %s" % (short(part.slice_min), short(part.slice_max)), None, brief(part.allocation)


def _executions(part: Part) -> _Cells:
    return _exact(part.executions), count(part.per_second(part.executions)) + "/s", ""


def _ios(part: Part) -> _Cells:
    if part.ios is None:
        return "-", "", ""
    each: Any = part.ios / part.executions if part.executions else None
    return _exact(part.ios), count(part.per_second(part.ios)) + "/s", count(each)


def _exact(number: int) -> str:
    return "%d" % number if number < 10 ** 8 else count(number)


def _waits(part: Part, *names: str) -> _Cells:
    quantiles = part.quantiles()
    cells = [brief(quantiles[name]) for name in names] + ["", ""]
    return cells[0], cells[1], cells[2]
