"""The blocks of a plugin's table as HTML: what a counter did since the reading before, shares as bars, no script."""
import html
from typing import Any, Collection, Dict, List, Optional, Sequence, Tuple

from xenmeter.core.catalogue import Catalogue
from xenmeter.core.reading import Reading, Row
from xenmeter.publish.compiled import entities
from xenmeter.publish.table import Block, ShownColumn, humanise, shown_columns

__all__ = ("HtmlTable", "escape")

#: Rows of a block that are shown; a host of a thousand domains has more than anybody reads.
MOST = 100


def escape(text: str) -> str:
    """Text as HTML shows it, also within an attribute in quotes."""
    return html.escape(text)


class HtmlTable:
    """``catalogue``, ``blocks`` and ``groups`` as Table takes them."""

    def __init__(self, catalogue: Catalogue, blocks: Sequence[Block], groups: Optional[Collection[str]] = None) -> None:
        known = {entity.name: entity for entity in entities([catalogue])}
        self._blocks = [(block, shown_columns(known[block.entity], block.columns, groups)) for block in blocks]

    def render(self, reading: Reading, before: Optional[Reading] = None) -> str:
        """The blocks that have rows, each a table; ``before``: the reading before this one, for rates."""
        seconds = (reading.time_ns - before.time_ns) / 1e9 if before is not None else 0
        parts = []
        for block, columns in self._blocks:
            rows = reading.tables.get(block.entity, ())
            if rows and columns:
                old = _by_owner(before.tables.get(block.entity, ())) if before is not None and seconds > 0 else {}
                parts.append(_table(block, columns, rows, old, seconds))
        return "".join(parts)


def _owner(row: Row) -> Tuple[Any, ...]:
    who = row[0]
    return (who and (who.uuid or who.name, who.generation),) + row[1]


def _by_owner(rows: Sequence[Row]) -> Dict[Tuple[Any, ...], Row]:
    return {_owner(row): row for row in rows}


def _table(block: Block, columns: List[ShownColumn], rows: Sequence[Row], old: Dict[Tuple[Any, ...], Row],
           seconds: float) -> str:
    shown = _busiest(columns, rows)
    lines = ["<h3>%s</h3>" % escape(block.title) if block.title else "", "<div><table><thead><tr>"]
    lines.extend("<th%s>%s" % (_side(column), escape(column.title)) for column in columns)
    lines.append("</thead><tbody>\n")
    for row in shown:
        lines.append("<tr>" + "".join([_cell(column, row, old.get(_owner(row)), seconds) for column in columns]) + "\n")
    lines.append("</tbody></table></div>\n")
    if len(shown) < len(rows):
        lines.append("<p>The %d busiest of %d; all are in <a href=\"metrics\">metrics</a>.</p>\n" % (len(shown), len(rows)))
    return "".join(lines)


def _busiest(columns: List[ShownColumn], rows: Sequence[Row]) -> Sequence[Row]:
    """All in their order; where they are too many, those with the largest shares, or counters where there are no shares."""
    if len(rows) <= MOST:
        return rows
    for wanted in ([column for column in columns if column.unit == "ppm"], [column for column in columns if column.counter]):
        if wanted:
            return sorted(rows, key=lambda row: -(wanted[0].value(row) or 0))[:MOST]
    return rows[:MOST]


def _side(column: ShownColumn) -> str:
    return "" if column.right else " class=l"


def _cell(column: ShownColumn, row: Row, before: Optional[Row], seconds: float) -> str:
    text, value = escape(column.cell(row)), column.value(row)
    if column.unit == "ppm" and value is not None:
        return "<td class=b style=\"--w:%.1f%%\">%s" % (min(max(value / 10000, 0), 100), text)
    rate = _rate(column, value, column.value(before), seconds) if column.counter and before is not None else ""
    return "<td%s>%s%s" % (_side(column), text, rate and " <small>%s</small>" % escape(rate))


def _rate(column: ShownColumn, now: Optional[int], before: Optional[int], seconds: float) -> str:
    """What a second brought; of a time, the share of it. Empty: not known, or nothing."""
    if now is None or before is None or now <= before:
        return ""
    a_second = (now - before) / seconds
    if column.unit == "ns":
        return humanise(int(a_second / 1000), "ppm")
    return humanise(int(a_second) if a_second >= 10 or column.unit == "bytes" else int(a_second * 1000),
                    column.unit if a_second >= 10 or column.unit == "bytes" else "milli") + "/s"
