"""OpenMetrics 1.0 and Prometheus text 0.0.4 from the same tables.

OpenMetrics is what a scraper gets; text 0.0.4 is what node_exporter's textfile collector takes (it refuses a file
with time stamps and knows no info metrics). Base units only: ns become seconds as exact decimals (no float in
between), ppm become a ratio. Labels are ``domain`` and ``uuid``, then the family's own, then the constant ones; an
empty label is left out, which is the same series. The state of a domain is a gauge with the label ``state``, not a
stateset, whose label would have to bear the family's name.

Columns are formatted at once, one family after the other, because families must not be interleaved.
Source: OpenMetrics specification 1.0, Prometheus exposition formats.
"""
from typing import Collection, Dict, List, Optional, Sequence, Tuple

from xenmeter.core.catalogue import Catalogue, Entity, Figure
from xenmeter.core.quiet_gc import quiet_gc
from xenmeter.core.reading import IMPOSSIBLE, Reading, Row
from xenmeter.core.source import Publisher
from xenmeter.publish.compiled import entities, selected
from xenmeter.publish.labelsets import LabelSet, constant_labels
from xenmeter.publish.numbers import NUMBERS, histogram_lines
from xenmeter.publish.writer import COUNT, INFO, PARTS, SECONDS, Column, Unfit, Writer, writer

__all__ = ("Exposition", "OPENMETRICS_TYPE", "TEXT_TYPE", "END")

#: Content-Type of each form.
OPENMETRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
TEXT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
#: The last line of OpenMetrics.
END = b"# EOF\n"

_TYPES = {"counter": "counter", "gauge": "gauge", "state": "gauge", "info": "info", "histogram": "histogram"}
_SUFFIXES = {"counter": "_total", "info": "_info"}
#: What compiled code makes of a unit: the kind of number, and what it is divided by.
_WRITTEN = {"ns": (SECONDS, 1), "ppm": (PARTS, 1000000), "milli": (PARTS, 1000), "micro": (PARTS, 1000000)}
_UNITS = {"ns": "seconds", "bytes": "bytes", "ppm": "ratio"}


class Exposition(Publisher):
    """Readings of one or several plugins as one exposition.

    :param catalogues: those of all entities that readings will hold; raises ValueError, naming the family, where
        names break the rules of the format or two figures disagree about one family.
    :param groups: the enabled groups of figures; None enables all.
    """

    def __init__(self, catalogues: Sequence[Catalogue], groups: Optional[Collection[str]] = None) -> None:
        families: Dict[str, _Family] = {}
        self._sets: Dict[Tuple[str, Tuple[str, ...]], LabelSet] = {}
        for entity in entities(catalogues):
            for place, figure in selected(entity, groups):
                if figure.openmetrics:
                    key = (entity.name, figure.openmetrics.labels)
                    labels = self._sets.setdefault(key, LabelSet(entity, figure.openmetrics.labels))
                    name = figure.openmetrics.name
                    if name not in families:
                        families[name] = _Family(name, figure)
                    families[name].add(entity, place, figure, labels)
        self._families = list(families.values())
        for family in self._families:
            family.finish()
        self._writer = writer()

    def openmetrics(self, readings: Sequence[Reading]) -> bytes:
        """The readings as OpenMetrics 1.0, UTF-8, ended by ``# EOF``."""
        return self.body(readings, True) + END

    def text(self, readings: Sequence[Reading]) -> bytes:
        """The readings as Prometheus text 0.0.4, UTF-8: info as gauge, no units, no time stamps."""
        return self.body(readings, False)

    def body(self, readings: Sequence[Reading], openmetrics: bool) -> bytes:
        """Either form without its end, so that bodies with other families can follow."""
        with quiet_gc:
            return self._render(readings, "openmetrics" if openmetrics else "text")

    def _render(self, readings: Sequence[Reading], form: str) -> bytes:
        tables: Dict[str, List[Row]] = {}
        for reading in readings:
            for name, rows in reading.tables.items():
                tables[name] = tables[name] + list(rows) if name in tables else list(rows)
        cells = {} if self._writer is None else {name: self._writer.cells(rows) for name, rows in tables.items()}
        for labels in self._sets.values():
            self.duplicates += labels.take(tables.get(labels.entity, ()), cells.get(labels.entity))
        out: List[bytes] = []
        for family in self._families:
            samples = self._samples(family)
            if samples:
                out.append(family.headers[form].encode("utf-8"))
                out.append(samples)
        for labels in self._sets.values():
            labels.release()
        return b"".join(out)

    def _samples(self, family: "_Family") -> bytes:
        if self._writer is not None and not family.may_repeat:
            try:
                return family.written(self._writer)
            except Unfit:
                pass
        samples = family.samples()
        if family.may_repeat:
            samples = self._first_of_each(samples)
        return "".join(samples).encode("utf-8")

    def _first_of_each(self, samples: List[str]) -> List[str]:
        """A sample's series is its last line up to the number, which holds no space (a histogram ends in its sum)."""
        first: Dict[str, str] = {}
        for sample in samples:
            first.setdefault(sample[:-1].rpartition("\n")[2].rpartition(" ")[0], sample)
        self.duplicates += len(samples) - len(first)
        return list(first.values())


class _Column:
    """One figure's place in a family: where its values are, and how they and their labels are written."""

    def __init__(self, name: str, place: int, figure: Figure, labels: LabelSet) -> None:
        self.place = place
        self.figure = figure
        self.labels = labels
        self.constant = figure.openmetrics.constant if figure.openmetrics else ()
        self._tail = constant_labels(self.constant).encode("utf-8")
        self._name = name
        kind, divisor = (INFO, 1) if figure.kind == "info" else _WRITTEN.get(figure.unit, (COUNT, 1))
        self._column = Column(place, name.encode("ascii"), kind, divisor, self.least)

    @property
    def least(self) -> int:
        """A counter may not be negative; a gauge may be anything that backends can hold."""
        return 0 if self.figure.kind == "counter" else -IMPOSSIBLE

    def written(self, compiled: Writer) -> bytes:
        """The samples by compiled code; raises Unfit."""
        if self.figure.kind == "histogram":
            raise Unfit
        if self.labels.cells is None:
            return "".join(self.samples(self._name)).encode("utf-8")
        return compiled.samples(self.labels.encoded, self._column, self.labels.cells, self._tail)

    def samples(self, name: str) -> List[str]:
        figure = self.figure
        texts, rows = self.labels.texts(self.constant), self.labels.values
        values = [row[self.place] for row in rows]
        if figure.kind == "histogram":
            return [histogram_lines(name, text, value, figure.unit)
                    for text, value in zip(texts, values) if value is not None]
        if figure.kind == "info":
            return ["%s%s 1\n" % (name, text) for text, value in zip(texts, values) if value is not None]
        number = NUMBERS.get(figure.unit)
        least = self.least
        if number is None:
            return ["%s%s %d\n" % (name, text, value) for text, value in zip(texts, values)
                    if value is not None and least <= value < IMPOSSIBLE]
        return ["%s%s %s\n" % (name, text, number(value)) for text, value in zip(texts, values)
                if value is not None and least <= value < IMPOSSIBLE]


class _Family:
    """One metric family with its header in each form and its columns."""

    def __init__(self, name: str, figure: Figure) -> None:
        self.name = name
        self.kind = _TYPES[figure.kind]
        self.unit = _UNITS.get(figure.unit) if figure.kind != "info" else None
        self.may_repeat = False
        self.headers: Dict[str, str] = {}
        self._columns: List[_Column] = []
        suffix = _SUFFIXES.get(self.kind, "")
        for known in _SUFFIXES.values():
            if name.endswith(known) != (known == suffix):
                raise ValueError("%s: kind %s and the name's ending disagree" % (name, figure.kind))
        self._base = name[:len(name) - len(suffix)]
        if self.unit and not self._base.endswith("_" + self.unit):
            raise ValueError("%s: unit %s must be the name's ending" % (name, self.unit))

    def add(self, entity: Entity, place: int, figure: Figure, labels: LabelSet) -> None:
        unit = _UNITS.get(figure.unit) if figure.kind != "info" else None
        if (_TYPES[figure.kind], unit) != (self.kind, self.unit):
            raise ValueError("%s: %s.%s differs in kind or unit" % (self.name, entity.name, figure.key))
        column = _Column(self.name, place, figure, labels)
        clash = {key for key, _ in column.constant} & {"domain", "uuid"}.union(labels.names)
        if clash:
            raise ValueError("%s: label %s is both constant and the row's own" % (self.name, ", ".join(sorted(clash))))
        self._columns.append(column)

    def finish(self) -> None:
        """All columns are there: write the headers, and see whether two columns can make the same series."""
        help_text = self._help()
        escaped = help_text.replace("\\", "\\\\").replace("\n", "\\n")
        text_type = "gauge" if self.kind == "info" else self.kind
        self.headers["text"] = "# HELP %s %s\n# TYPE %s %s\n" % (self.name, escaped, self.name, text_type)
        unit = "# UNIT %s %s\n" % (self._base, self.unit) if self.unit else ""
        self.headers["openmetrics"] = "# TYPE %s %s\n%s# HELP %s %s\n" % (
            self._base, self.kind, unit, self._base, escaped.replace('"', '\\"'))
        # Rows of one label set are made unique once per reading. Columns that share it differ if their constant
        # labels have the same keys and other values; whatever cannot be told apart here is compared sample by sample.
        shapes = {(id(column.labels), tuple(key for key, _ in column.constant)) for column in self._columns}
        constants = {column.constant for column in self._columns}
        self.may_repeat = len(shapes) > 1 or len(constants) < len(self._columns)

    def samples(self) -> List[str]:
        lines: List[str] = []
        for column in self._columns:
            lines.extend(column.samples(self.name))
        return lines

    def written(self, compiled: Writer) -> bytes:
        """As :meth:`samples`, by compiled code; raises Unfit."""
        return b"".join([column.written(compiled) for column in self._columns])

    def _help(self) -> str:
        """One help for the family; figures that share it by constant labels each say theirs: ``running: ...``."""
        texts: List[str] = []
        for column in self._columns:
            text = column.figure.help
            if len({other.figure.help for other in self._columns}) > 1 and column.constant:
                text = "%s: %s" % (", ".join(value for _, value in column.constant), text)
            if text not in texts:
                texts.append(text)
        return " ".join(texts)
