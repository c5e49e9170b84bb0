"""The whole screen as lines of styled text for any width and height. Pure: no terminal, no clock, nothing is changed."""
import textwrap
from typing import List, NamedTuple, Optional

from xenmeter.front.screen.figures import figures
from xenmeter.front.screen.history import History
from xenmeter.front.screen.live import Rest
from xenmeter.front.screen.tables import LONG, SHORT, TableRow, no_part, pcpu_rows, rows_of, seconds, table
from xenmeter.front.screen.text import Glyphs, Line, brief, cell, count, fit, percent, spark
from xenmeter.front.screen.view import View
from xenmeter.front.screen.who import who
from xenmeter.publish.csvrows import iso_time

__all__ = ("Status", "Frame", "draw", "SMALLEST")

#: Columns and lines below which the screen only says that it is too small.
SMALLEST = (44, 8)
_MINUTE = 60 * 10 ** 9


class Status(NamedTuple):
    """``source``: where the figures come from; ``state``: a word for it (``paused``, ``ended``), or nothing; ``message``: what
    is wrong now, or nothing; ``late``: ns since figures should have come, 0 where they do; ``note``: what to know about
    where they come from, or nothing; ``rest``: the baker's, None while it observes; ``undated_ns``: the time from which a
    recording is counted of which nobody knows when it was, None where figures have the times at which they were so.
    """

    source: str
    state: str
    message: str
    late: int
    note: str = ""
    rest: Optional[Rest] = None
    undated_ns: Optional[int] = None


class Frame(NamedTuple):
    """``lines``: each exactly as wide as the screen; ``rows``: how many lines there are to choose from, ``page``: how many of
    them are shown.
    """

    lines: List[Line]
    rows: int
    page: int


_HELP = (
    ("q", "quit"), ("c n", "next pCPU; after the last one, all of them"), ("p", "previous pCPU"),
    ("v", "the vCPUs of each domain, or not"), ("d", "table and figures, table only, XenMon's figures of all"),
    ("b", "by whom the chosen domain was made wait: who took its CPU"),
    ("s S r", "sort by the next column, the one before; reverse"), ("/ f", "filter by name; Enter keeps it, Esc drops it"),
    ("space", "pause, and go on"), ("arrows", "choose a domain, also j k, PgUp PgDn, Home End"), ("h ?", "this help"),
    ("", ""),
    ("CPU", "time on a pCPU; 100 % is one pCPU for all of the time"),
    ("waiting", "ready to run, but no pCPU was free for it"),
    ("blocked", "waiting for an event or a timer"),
    ("exec", "executions: how often it was given a pCPU"),
    ("I/O", "grants mapped, unmapped and transferred; copies leave no trace"),
    ("alloc", "time slice granted by the scheduler (only where that is traced)"),
    ("p99", "99 of 100 waits were shorter, within 2 %"),
    ("unknown", "trace records were lost; - is: not known"),
)


def draw(history: History, view: View, status: Status, width: int, height: int, glyphs: Glyphs) -> Frame:
    if width < SMALLEST[0] or height < SMALLEST[1]:
        return _too_small(width, height)
    top = _top(history, view, status, width, glyphs)
    body = height - len(top) - 1
    rows = rows_of(history, view)
    page = 0
    if view.help:
        help_lines = _HELP[min(view.help_top, max(0, len(_HELP) - body)):]
        lines: List[Line] = [[(cell(key, 8, left=True), "key"), (" " + text, "")] for key, text in help_lines]
        return Frame(_whole(top, lines, body, _help_foot(len(_HELP) > body), width), len(_HELP), body)
    if not history.slices:
        lines = [[(status.message or "waiting for the first window to end", "warn" if status.message else "dim")]]
    else:
        lines, page = _body(history, view, rows, width, body, glyphs)
    return Frame(_whole(top, lines, body, _foot(view, status, width, glyphs), width), len(rows), page)


def _whole(top: List[Line], lines: List[Line], body: int, foot: Line, width: int) -> List[Line]:
    lines = lines[:body]
    return [fit(line, width) for line in top + lines + [[("", "")]] * (body - len(lines)) + [foot]]


def _help_foot(longer: bool) -> Line:
    scroll: Line = [(" arrows", "key"), (" show more ", "")] if longer else []
    return scroll + [(" q", "key"), (" quit ", ""), (" any other key", "key"), (" back ", "")]


def _too_small(width: int, height: int) -> Frame:
    words = ["%dx%d is too small:" % (width, height), "xenmeter needs", "%dx%d (q: quit)" % SMALLEST]
    lines: List[Line] = [fit([(text, "warn")], width) for text in words[:height]]
    lines += [fit([("", "")], width) for _ in range(height - len(lines))]
    return Frame(lines if width > 0 else [], 0, 0)


def _top(history: History, view: View, status: Status, width: int, glyphs: Glyphs) -> List[Line]:
    """The title, the host, and a line for each thing to know before one trusts a figure."""
    stamp = _stamp(history.slices[-1].time_ns, status.undated_ns) if history.slices else ""
    right = "  ".join(part for part in (status.state.upper(), stamp) if part) + " "
    left = glyphs.safe(" xenmeter mon  " + status.source, max(0, width - len(right) - 1))
    lines: List[Line] = [[(cell(left, width - len(right), left=True) + right, "title")]]
    lines.append([(_host(history, view), "")])
    lost = history.lost(_MINUTE)
    if lost:
        where = ", ".join(str(number) for number, part in sorted(history.totals("pcpus", _MINUTE).items())
                          if part.lost_records)
        lines.append([(" LOST RECORDS: %s in the last minute, their time is unknown%s" % (
            lost if lost < 10 ** 6 else count(lost), "; pCPU " + where if where else ""), "lost")])
    if status.rest is not None:
        lines.append([(" RESTING for %ds more: %s of %s observed; --share bounds the baker's cost" % (
            status.rest.left_s, brief(status.rest.observed_ns), brief(status.rest.elapsed_ns)), "warn")])
    elif history.observed < 999000:
        lines.append([(" observed %s %% of the time, %s of %s: the baker rests, to bound its cost" % (
            percent(history.observed), brief(history.covers[0]), brief(history.covers[1])), "warn")])
    if history.slices and status.message:
        lines.append([(" " + glyphs.safe(status.message), "bad")])
    elif status.late and status.rest is None:
        lines.append([(" nothing new for %s" % seconds(status.late), "warn")])
    for text in (status.note, history.trouble):
        # a line for each; what a narrow screen has no room for goes on below
        lines += [[(" " + part, "warn")] for part in textwrap.wrap(glyphs.safe(text or ""), width - 1)[:3]]
    return lines


def _stamp(time_ns: int, undated_ns: Optional[int]) -> str:
    """When it was; of a trace whose time is not known, how far into it."""
    if undated_ns is None:
        return iso_time(time_ns)[:19].replace("T", " ") + "Z"
    passed = (time_ns - undated_ns) // 10 ** 9
    return "%d:%02d:%02d in, date unknown" % (passed // 3600, passed // 60 % 60, passed % 60)


def _host(history: History, view: View) -> str:
    pcpus = pcpu_rows(history)
    text = "%d pCPU%s" % (len(pcpus), "" if len(pcpus) == 1 else "s")
    for span, name, parts in ((LONG, " busy", [ten for _, ten, _ in pcpus]), (SHORT, "", [one for _, _, one in pcpus])):
        known = [part.ppm("busy") for part in parts if part is not None]
        if known:
            text += ",%s %s %% in %s" % (name, percent(sum(known)), seconds(history.covered(span)))
    domains = len(history.slices[-1].domains) if history.slices else 0
    text += "; %d domain%s" % (domains, "" if domains == 1 else "s")
    return " " + text + "; sorted by %s%s" % (view.sort, ", reversed" if view.backwards else "")


def _foot(view: View, status: Status, width: int, glyphs: Glyphs) -> Line:
    if view.typing is not None:
        return [("filter: ", "key"), (glyphs.safe(view.typing, width - 10) + "_", "")]
    if view.filter:
        return [(" only names with ", ""), (glyphs.safe(view.filter, width - 40), "warn"), ("   Esc", "key"), (" shows all", "")]
    line: Line = []
    for key, what in (("q", "quit"), ("h", "help"), ("c n p", "pCPU"), ("v", "vCPUs"), ("s", "sort"), ("/", "filter"),
                      ("d", "view"), ("space", "go on" if view.paused else "pause")):
        line += [(" " + key, "key"), (" " + what + " ", "")]
    return line


def _body(history: History, view: View, rows: List[TableRow], width: int, height: int, glyphs: Glyphs) -> tuple:
    """(lines, rows of the table that are shown)"""
    lines: List[Line] = _pcpus(history, view, width, height // 3, glyphs) if view.pcpu is not None else []
    height -= len(lines)
    chosen = min(view.place, max(0, len(rows) - 1))
    if view.details == "xenmon":
        page = 0
        for row in rows[chosen:]:
            lines += figures(history, row, width, glyphs) + [[("", "")]]
            page += 1
            if len(lines) >= height:
                break
        return lines, page
    below = (who if view.who else figures)(history, rows[chosen], width, glyphs) if rows and view.details == "both" else []
    if len(below) + 2 + min(3, len(rows) + 2) > height:
        below = []      # no room for both: the table is what everybody looks at first
    room = height - len(below) - (1 if below else 0)
    shown = table(history, rows, chosen, width, max(2, room), glyphs)
    lines += shown
    if below:
        lines += [[("", "")]] * (room - len(shown)) + [[(glyphs.rule * width, "dim")]] + below
    if not rows:
        lines.append([(" no vCPU ran last here" if view.pcpu is not None else " no domain to show", "dim")])
    return lines, len(shown) - 2


def _pcpus(history: History, view: View, width: int, height: int, glyphs: Glyphs) -> List[Line]:
    """A line per pCPU around the chosen one, and a heading for the vCPUs below."""
    pcpus = pcpu_rows(history)
    long, short = seconds(history.covered(LONG)), seconds(history.covered(SHORT))
    heads = ("busy " + long, "busy " + short, "idle " + long, "unknown", "lost")
    lines: List[Line] = [[("pCPU " + "".join(cell(head, 10) for head in heads), "head")]]
    numbers = [number for number, _, _ in pcpus]
    at = numbers.index(view.pcpu) if view.pcpu in numbers else 0
    page = max(1, height - 2)
    top = max(0, min(at - page // 2, len(pcpus) - page))
    room = min(60, width - 57)
    for number, ten, one in pcpus[top:top + page]:
        cells = [percent(None if part is None else part.ppm(state))
                 for part, state in ((ten, "busy"), (one, "busy"), (ten, "idle"), (ten, "unknown"))]
        cells.append(count(no_part(ten, lambda part: part.lost_records)))
        text = cell(str(number), 4) + " " + "".join(cell(one, 10) for one in cells)
        if room >= 8:
            text += "  " + spark(history.course("pcpus", number, "busy"), room, glyphs.levels)
        lines.append([(text, "chosen" if number == view.pcpu else "")])
    return lines + [[("vCPUs that ran last on pCPU %s, their figures on all pCPUs" % view.pcpu, "head")]]
