"""JSON, CSV and the table for people of any plugin that brings no form of its own: all that is in its readings, by the catalogue.

JSON: one object per reading, ``{"time_ns": N, ENTITY: [{...}, ...], ...}`` with the rows of each entity. CSV: one row per
figure, so that the columns are the same for every plugin. Both are made as a plugin's mirrors are (core/plugin.py). Figures
have the catalogue's keys and units; shares and thousandths are divided, as people have them: ``busy_ppm`` is told as
``busy_percent``.
"""
from typing import Any, Collection, Dict, Iterator, List, Optional, Tuple

from xenmeter.core.catalogue import Catalogue, Entity, Figure
from xenmeter.core.reading import Reading, Row
from xenmeter.core.source import ReadingMirror
from xenmeter.publish import jsonlines
from xenmeter.publish.compiled import selected
from xenmeter.publish.csvrows import TIMES, CsvWriter
from xenmeter.publish.table import Block, Column

__all__ = ("COLUMNS", "CsvRows", "JsonObjects", "as_object", "blocks", "divided")

COLUMNS = ("time", "entity", "domain", "uuid", "domid", "labels", "figure", "value")

#: By the unit of the catalogue: the ending of a key, the one it gets, and what the integer is divided by.
_SCALES = {"ppm": ("_ppm", "_percent", 10000), "milli": ("", "", 1000)}


def divided(figure: Figure, value: Optional[int]) -> Any:
    """A figure's value as people have it: percent and plain numbers for parts per million and thousandths."""
    return value if value is None or figure.unit not in _SCALES else value / _SCALES[figure.unit][2]


def _key(figure: Figure) -> str:
    if figure.unit not in _SCALES or figure.kind == "histogram":
        return figure.key
    old, new, _ = _SCALES[figure.unit]
    return figure.key[:len(figure.key) - len(old)] + new


def as_object(entity: Entity, row: Row, groups: Optional[Collection[str]] = None) -> Dict[str, Any]:
    """A row under its figures' names; a histogram as its summary.

    :param groups: those whose figures are wanted; None: all.
    """
    who, labels, values = row
    named: Dict[str, Any] = {}
    if who is not None:
        named.update(domain=who.name, uuid=who.uuid, domid=who.domid, generation=who.generation)
    named.update(zip(entity.labels, labels))
    for place, figure in selected(entity, groups):
        value = values[place]
        if figure.kind == "histogram":
            named[figure.key] = None if value is None else value.summary()
        else:
            named[_key(figure)] = divided(figure, value)
    return named


class JsonObjects(ReadingMirror):
    """One JSON object per line and reading.

    :param groups: those whose figures are wanted; an entity without any is left out.
    """

    def __init__(self, catalogue: Catalogue, groups: Collection[str]) -> None:
        self._groups = groups
        self._entities = [entity for entity in catalogue.entities.values() if selected(entity, groups)]

    def reading(self, sample: Any, reading: Reading) -> bytes:
        named: Dict[str, Any] = {"time_ns": reading.time_ns}
        for entity in self._entities:
            named[entity.name] = [as_object(entity, row, self._groups) for row in reading.tables.get(entity.name, ())]
        return jsonlines.encode(named)


class CsvRows(ReadingMirror):
    """One row per figure that is known: whose, of what, which, how much. A histogram has one for each number of its summary.

    :param time: how the first column is written, a key of csvrows.TIMES.
    """

    def __init__(self, catalogue: Catalogue, groups: Collection[str], time: str = "iso") -> None:
        self._time = TIMES[time]
        self._writer = CsvWriter(COLUMNS, trusted=("time",))
        self._figures: List[Tuple[Entity, List[Tuple[int, Figure]]]] = [
            (entity, selected(entity, groups)) for entity in catalogue.entities.values()]

    def header(self) -> bytes:
        return self._writer.header()

    def reading(self, sample: Any, reading: Reading) -> bytes:
        stamp = self._time(reading.time_ns)
        rows: List[List[Any]] = []
        for entity, figures in self._figures:
            for who, labels, values in reading.tables.get(entity.name, ()):
                identity = [None] * 3 if who is None else [who.name, who.uuid, who.domid]
                shown = " ".join("%s=%s" % pair for pair in zip(entity.labels, labels)) or None
                rows.extend([stamp, entity.name] + identity + [shown, key, value] for key, value in _numbers(figures, values))
        return self._writer.rows(rows)


def _numbers(figures: List[Tuple[int, Figure]], values: Tuple[Any, ...]) -> Iterator[Tuple[str, Any]]:
    for place, figure in figures:
        value = values[place]
        if value is None:
            continue
        if figure.kind == "histogram":
            for name, number in value.summary().items():
                yield "%s_%s" % (figure.key, name), number
        else:
            yield _key(figure), divided(figure, value)


def blocks(catalogue: Catalogue) -> List[Block]:
    """A block of the table for each entity: whose, its labels, its figures. Histograms have no room there."""
    shown = []
    for entity in catalogue.entities.values():
        names = list(entity.labels) + [figure.key for figure in entity.figures if figure.kind != "histogram"]
        shown.append(Block(entity.name, entity.name, [Column("DOMAIN", "domain", width=40)] + [
            Column(name.upper().replace("_", " "), name) for name in names]))
    return shown
