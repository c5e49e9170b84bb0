r"""Influx line protocol, as Telegraf's execd input and InfluxDB read it.

Tag values escape ``,`` ``=`` and space and nothing else: a backslash is not doubled, for neither parser would
undo it. A backslash before one of those, before ``\`` or ``"`` or at the end is read differently by Telegraf and
InfluxDB; it becomes ``_``. Names are as metrics.csv takes them (``[a-z0-9_]``) and need no escaping.

Units: ns, bytes and counts are int64 fields (``i``), bool is 0i or 1i, ppm become percent and thousandths ones, as
floats. A field keeps its type for ever. What is unknown, or is no int64, is left out; a line without a field is not
written.
Source: Telegraf plugins/parsers/influx/machine.go.rl, InfluxDB 1.x line protocol reference.
"""
import re
import struct
from typing import Any, Collection, Dict, List, Optional, Sequence, Tuple

from xenmeter.core.catalogue import Catalogue, Entity, Figure
from xenmeter.core.quiet_gc import quiet_gc
from xenmeter.core.reading import IMPOSSIBLE, Reading, Row, Who
from xenmeter.publish.compiled import entities, forget, picker, selected
from xenmeter.publish.text import NAME_LIMIT, bounded, telling
from xenmeter.publish.writer import COUNT, PARTS, Column, Texts, Unfit, Writer, writer

__all__ = ("LineProtocol", "tag_value")

_PPM_PER_PERCENT = 10000

#: Patterns of absent values whose formats are kept; a host has a handful.
_SHAPES = 256

#: Texts of percentages that are kept.
_PERCENTS = 4096

#: So many rows of an entity are kept with their lines: on a small host they are mostly the same ones in the same order, and many
#: say what they said.
_FEW = 64

#: A row and its lines without the time.
_Told = Tuple[Optional[Row], List[str]]
_NOTHING: _Told = (None, [])

#: How rows with one pattern of absent values are written: picker of the known values, test that they are int64,
#: picker of the absent ones and what it gives, format of the fields, places and texts of the floats among the known.
_Shape = Tuple[Any, Any, Any, Tuple[None, ...], str, List[Tuple[int, Dict[int, str]]]]

_UNSAFE_BACKSLASH = re.compile(r'\\(?=[,= "\\]|\Z)')
_ESCAPED = re.compile(r"[,= ]")
_SIMPLE = re.compile(r"[A-Za-z0-9_.:+@/~-]{0,%d}\Z" % NAME_LIMIT)  # most values, told in one test


class LineProtocol:
    """Readings to line protocol: one line per row and measurement, all with the reading's one time stamp (ns).

    :param catalogues: those of all entities that readings will hold; raises ValueError where they do not fit.
    :param groups: the enabled groups of figures; None enables all.
    """

    def __init__(self, catalogues: Sequence[Catalogue], groups: Optional[Collection[str]] = None) -> None:
        compiled = [_Entity(entity, groups) for entity in entities(catalogues)]
        self._entities = [entity for entity in compiled if entity.measurements]
        self._having: Dict[Tuple[str, ...], List[_Entity]] = {}     # by the names of a reading's tables
        self._writer = writer()

    def encode(self, reading: Reading) -> bytes:
        """The reading as UTF-8 lines, each ended by LF; empty where nothing is known. Entities of no catalogue
        are left out."""
        end, tables = " %d\n" % reading.time_ns, reading.tables
        names = tuple(tables)
        having = self._having.get(names)
        if having is None:      # an entity without a table is another reading's (the meter's, the plugin's), and stays as it is
            if len(self._having) > _SHAPES:
                self._having.clear()
            having = self._having[names] = [entity for entity in self._entities if entity.name in tables]
        with quiet_gc:
            return b"".join([entity.encode(tables[entity.name], end, self._writer)
                             for entity in having if tables[entity.name] or entity.heads])


def tag_value(text: str) -> str:
    """A tag value, escaped and bounded; empty only for an empty text (such a tag must be left out)."""
    if _SIMPLE.match(text):
        return text
    return _ESCAPED.sub(r"\\\g<0>", _shown(text))


def _shown(text: str) -> str:
    return _UNSAFE_BACKSLASH.sub("_", bounded(text))


class _Fractions(dict):
    """Parts (ppm of a whole, thousandths) to the text of percent or ones, ``12.5``; few different ones occur, and a
    float's text is dear."""

    def __init__(self, divisor: int) -> None:
        super().__init__()
        self._divisor = divisor

    def __missing__(self, parts: int) -> str:
        if len(self) > _PERCENTS:
            self.clear()
        text = self[parts] = repr(parts / self._divisor)
        return text


#: The units that become floats, what they are divided by, and their texts.
_DIVISORS = {"ppm": _PPM_PER_PERCENT, "milli": 1000, "micro": 1000000}
_FLOATS: Dict[str, Dict[int, str]] = {unit: _Fractions(divisor) for unit, divisor in _DIVISORS.items()}


class _Entity:
    """One entity's measurements, and the escaped beginning of each row's lines."""

    def __init__(self, entity: Entity, groups: Optional[Collection[str]]) -> None:
        self.name = entity.name
        found: Dict[Tuple[str, Tuple[str, ...]], List[Tuple[int, Figure]]] = {}
        for place, figure in selected(entity, groups):
            if figure.influx:
                if figure.kind == "histogram":
                    raise ValueError("%s.%s: a histogram is no influx field" % (entity.name, figure.key))
                found.setdefault((figure.influx.measurement, figure.influx.tags), []).append((place, figure))
        self.measurements = [_Measurement(entity, measurement, tags, figures)
                             for (measurement, tags), figures in found.items()]
        self.heads: Dict[Tuple[Optional[Who], Tuple[str, ...]], List[Tuple[str, _Measurement]]] = {}
        self._told: List[_Told] = []        # of few rows the last ones

    def encode(self, rows: Sequence[Row], end: str, compiled: Optional[Writer]) -> bytes:
        """The rows' lines, written by compiled code where that can be."""
        if compiled is not None and len(self.measurements) == 1:
            cells, (measurement,) = compiled.cells(rows), self.measurements
            try:
                if cells is not None:
                    return compiled.lines(measurement.texts.of(cells), measurement.columns, cells, end.encode("ascii"))
            except Unfit:
                pass
        out: List[str] = []
        self._add(rows, end, out)
        return "".join(out).encode("utf-8")

    def _add(self, rows: Sequence[Row], end: str, out: List[str]) -> None:
        if len(rows) > _FEW:
            self._told = []
            for row in rows:
                for line in self._lines(row):
                    out.append(line + end)
        else:
            before = self._told if len(rows) == len(self._told) else [_NOTHING] * len(rows)
            told = self._told = []
            for row, last in zip(rows, before):
                if row != last[0]:
                    last = (row, self._lines(row))
                told.append(last)
                for line in last[1]:
                    out.append(line + end)
        forget(self.heads, rows)

    def _lines(self, row: Row) -> List[str]:
        """Of each measurement that is known the line up to the time."""
        who, labels, values = row
        try:
            heads = self.heads[who, labels]
        except KeyError:
            heads = self.heads[who, labels] = [(measurement.head(who, labels), measurement) for measurement in self.measurements]
        lines = []
        for head, measurement in heads:
            fields = measurement.fields(values)
            if fields:
                lines.append(head + fields)
        return lines


class _Measurement:
    """The fields that one line of one entity carries."""

    def __init__(self, entity: Entity, name: str, tags: Tuple[str, ...], figures: List[Tuple[int, Figure]]) -> None:
        if {"domain", "uuid"} & set(tags):
            raise ValueError("%s: tags domain and uuid are implied" % name)
        self._name = name
        self._tags = [(tag, entity.labels.index(tag)) for tag in tags]
        self._figures = figures
        self.texts = Texts(self.head)
        self.columns = [Column(place, (figure.influx.field + "=").encode("ascii"), PARTS if figure.unit in _DIVISORS else COUNT,
                               _DIVISORS.get(figure.unit, 1)) for place, figure in figures if figure.influx]
        self._pick = picker([place for place, _ in figures])
        self._shapes: Dict[Tuple[bool, ...], _Shape] = {}
        self._shape = self._make((True,) * len(figures))

    def head(self, who: Optional[Who], labels: Tuple[str, ...]) -> str:
        """Measurement and tags, sorted by key, up to the space before the fields."""
        tags = {tag: labels[place] for tag, place in self._tags}
        if who is not None and who.uuid:
            tags.update(domain=who.name, uuid=who.uuid)
        elif who is not None:
            tags.update(domain=telling(who.name, _shown(who.name)))
        return self._name + "".join(",%s=%s" % (tag, tag_value(tags[tag])) for tag in sorted(tags) if tags[tag]) + " "

    def fields(self, values: Tuple[Any, ...]) -> str:
        """The known fields of a row's values; empty where none is known."""
        # Most rows lack the same figures as the row before: try its format first.
        pick, check, rest, nothing, text, ratios = self._shape
        picked = pick(values)
        try:
            if nothing and rest(values) != nothing:
                raise struct.error
            check(*picked)
        except struct.error:
            known = tuple([value is not None and -IMPOSSIBLE <= value < IMPOSSIBLE for value in self._pick(values)])
            self._shape = pick, _, _, _, text, ratios = self._shapes.get(known) or self._make(known)
            picked = pick(values)
        if ratios:
            picked = list(picked)
            for place, texts in ratios:
                picked[place] = texts[picked[place]]
            picked = tuple(picked)
        return text % picked

    def _make(self, known: Tuple[bool, ...]) -> _Shape:
        if len(self._shapes) >= _SHAPES:
            self._shapes.clear()
        have = [entry for entry, is_known in zip(self._figures, known) if is_known]
        lack = [place for (place, _), is_known in zip(self._figures, known) if not is_known]
        text = ",".join("%s=%s" % (figure.influx.field, "%s" if figure.unit in _FLOATS else "%di")
                        for _, figure in have if figure.influx)
        ratios = [(place, _FLOATS[figure.unit]) for place, (_, figure) in enumerate(have) if figure.unit in _FLOATS]
        # Packing is the cheapest test that every value is an int and fits int64: one call, none of it in Python.
        shape = self._shapes[known] = (picker([place for place, _ in have]), struct.Struct("%dq" % len(have)).pack,
                                       picker(lack), (None,) * len(lack), text, ratios)
        return shape
