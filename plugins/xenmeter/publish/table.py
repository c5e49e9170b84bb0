"""A table for people: blocks of aligned columns, units as one would say them, and nothing that moves a cursor."""
from typing import Any, Callable, Collection, Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

from xenmeter.core.catalogue import Catalogue, Entity, Figure
from xenmeter.core.reading import Reading, Row, Who
from xenmeter.publish.compiled import entities
from xenmeter.publish.csvrows import iso_time
from xenmeter.publish.text import display_width, for_terminal

__all__ = ("Column", "Block", "Table", "humanise", "shown_columns", "ShownColumn", "UNITS")


class Column(NamedTuple):
    """What a column shows. ``source``: ``domain``, ``uuid``, ``domid``, one of the entity's labels or figures, or a
    function of (who, labels, {figure: value}) that gives an int or a text in ``unit``, or None. ``unit``: one of UNITS,
    or None for the figure's own; ``width``: columns of the screen after which a text is cut, or None.
    """

    title: str
    source: Union[str, Callable[[Optional[Who], Tuple[str, ...], Dict[str, Any]], Any]]
    unit: Optional[str] = None
    width: Optional[int] = None


class Block(NamedTuple):
    """The rows of one entity under a title (empty: none)."""

    entity: str
    title: str
    columns: Sequence[Column]


_UNKNOWN = "-"
_STEPS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


class Table:
    """Readings to text for a screen.

    :param catalogues: those of the blocks' entities; raises ValueError where a block names what they have not.
    :param groups: the enabled groups of figures; columns of others are left out. None enables all.
    """

    def __init__(self, catalogues: Sequence[Catalogue], blocks: Sequence[Block],
                 groups: Optional[Collection[str]] = None) -> None:
        known = {entity.name: entity for entity in entities(catalogues)}
        for block in blocks:
            if block.entity not in known:
                raise ValueError("table: no entity %s" % block.entity)
        self._blocks = [(block, shown_columns(known[block.entity], block.columns, groups)) for block in blocks]

    def render(self, reading: Reading) -> str:
        """The blocks that have rows, in order, an empty line between them; each line ends in LF."""
        parts = []
        for block, columns in self._blocks:
            rows = reading.tables.get(block.entity, ())
            if rows and columns:
                title = for_terminal(block.title) + "\n" if block.title else ""
                parts.append(title + _aligned(columns, rows))
        return "\n".join(parts)


def humanise(value: Any, unit: str) -> str:
    """A value as people say it; ``unit`` is one of UNITS. None: ``-``."""
    return _UNKNOWN if value is None else UNITS[unit](value)


def _bytes(value: int) -> str:
    amount: float = value
    step = 0
    while abs(amount) >= (1024 if step == 0 else 1023.95) and step < len(_STEPS) - 1:  # never 1024.0 of a unit
        amount /= 1024
        step += 1
    return ("%d %s" if step == 0 else "%.1f %s") % (amount, _STEPS[step])


def _duration(ns: int) -> str:
    """Three to four digits, in the unit that suits them: ``850 ns``, ``1.25 ms``, ``59.9 s``, ``3m05s``, ``2d07h``."""
    if ns < 0:
        return "-" + _duration(-ns)
    for limit, divisor, form in ((1000, 1, "%d ns"), (999500, 1000, "%.3g us"), (999500000, 1000000, "%.3g ms"),
                                 (59950000000, 1000000000, "%.3g s")):
        if ns < limit:
            return form % (ns / divisor)
    seconds = (ns + 500000000) // 1000000000
    if seconds < 3600:
        return "%dm%02ds" % divmod(seconds, 60)
    minutes = seconds // 60
    return "%dh%02dm" % divmod(minutes, 60) if minutes < 1440 else "%dd%02dh" % divmod(minutes // 60, 24)


#: How each unit is shown: those of the catalogue, ``time`` (ns since the epoch) and ``text``.
UNITS: Dict[str, Callable[[Any], str]] = {
    "bytes": _bytes,
    "ns": _duration,
    "ppm": lambda ppm: "%.1f%%" % (ppm / 10000),
    "1": lambda count: "%d" % count,
    "milli": lambda thousandths: "%.2f" % (thousandths / 1000),
    "micro": lambda millionths: "%.6g" % (millionths / 1000000),
    "bool": lambda flag: "yes" if flag else "no",
    "time": lambda ns: iso_time(ns)[:19].replace("T", " ") + "Z",
    "text": for_terminal,
}

class ShownColumn(NamedTuple):
    """A column that is shown: from a row to its text, and to the value behind it."""

    title: str
    cell: Callable[[Row], str]
    value: Callable[[Row], Any]
    unit: str
    counter: bool

    @property
    def right(self) -> bool:
        """Whether it is aligned to the right, as numbers are."""
        return self.unit != "text"


def shown_columns(entity: Entity, columns: Sequence[Column], groups: Optional[Collection[str]]) -> List[ShownColumn]:
    """Those of the enabled groups; raises ValueError where one names what the entity has not."""
    shown = []
    for column in columns:
        value, unit, figure = _value(entity, column)
        if figure is not None and not figure.wanted(groups):
            continue
        unit = column.unit or unit
        if unit not in UNITS:
            raise ValueError("table: column %s has the unit %s" % (column.title, unit))
        shown.append(ShownColumn(for_terminal(column.title), _cell(value, unit, column.width), value, unit,
                                 figure is not None and figure.kind == "counter"))
    return shown


def _value(entity: Entity, column: Column) -> Tuple[Callable[[Row], Any], str, Optional[Figure]]:
    """(from a row to the column's value, its unit, its figure)"""
    source, keys = column.source, entity.keys()
    if callable(source):
        return (lambda row: source(row[0], row[1], dict(zip(keys, row[2])))), "text", None
    if source in keys:
        place = keys.index(source)
        figure = entity.figures[place]
        return (lambda row: row[2][place]), figure.unit, figure
    if source in entity.labels:
        label = entity.labels.index(source)
        return (lambda row: row[1][label]), "text", None
    if source in ("domain", "uuid"):
        attribute = "name" if source == "domain" else source
        return (lambda row: row[0] and getattr(row[0], attribute)), "text", None
    if source == "domid":
        return (lambda row: row[0] and row[0].domid), "1", None
    raise ValueError("table: %s has no %s" % (entity.name, source))


def _cell(value: Callable[[Row], Any], unit: str, width: Optional[int]) -> Callable[[Row], str]:
    def cell(row: Row) -> str:
        known = value(row)
        if unit == "text" and known is not None:
            return for_terminal(str(known), width)
        return humanise(known, unit)
    return cell


def _aligned(columns: List[ShownColumn], rows: Sequence[Row]) -> str:
    drawn = []
    for column in columns:
        cells = [column.title] + [column.cell(row) for row in rows]
        widths = [display_width(text) for text in cells]
        widest = max(widths)
        drawn.append([" " * (widest - width) + text if column.right else text + " " * (widest - width)
                      for text, width in zip(cells, widths)])
    return "".join("  ".join(line).rstrip(" ") + "\n" for line in zip(*drawn))
