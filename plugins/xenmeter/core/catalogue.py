"""The catalogue: each plugin's ``metrics.csv`` is the only place where a metric is named, typed and explained.

One line of the table is one figure. Columns:

entity       what the figure belongs to; the figures of one entity are read, passed on and written together
figure       the key that code uses
kind         ``counter``, ``gauge``, ``info`` (constant 1), ``state`` (one of a set, 0 or 1), ``histogram``
unit         of the integer that the collector hands over: ns, bytes, ppm (of one), 1 (a plain count), milli (thousandths),
             micro (millionths), bool
group        the option that switches it: cpu, vcpu, memory, network, disk, state, host, names, sched, dom0, meter ...;
             ``cpu+small``: and the preset SMALL, which takes some figures of each plugin
openmetrics  family name with its own labels, ``xen_vif_receive_bytes_total{vif}``; ``{state=running}`` is constant
influx       ``measurement.field`` with its own tags, ``xen_vbd{vbd,type}.read_requests``
collectd     ``type-instance`` with labels in braces, ``if_octets-vif{vif}:rx`` (``:rx`` is the data source of the type)
help         one sentence, with what a reader must know to trust the figure

``-`` means: not published there. Labels ``domain`` and ``uuid`` are implied for everything that belongs to a domain.
"""
import csv
import io
import re
from typing import Collection, Dict, List, NamedTuple, Optional, Sequence, Tuple

from xenmeter.core import shipped

__all__ = ("Figure", "Entity", "Catalogue", "load", "KINDS", "UNITS", "SMALL")

#: In place of a group, for every plugin: figures that people look at first, some 20 series per domain of all plugins together.
SMALL = "small"

KINDS = ("counter", "gauge", "info", "state", "histogram")
UNITS = ("ns", "bytes", "ppm", "1", "milli", "micro", "bool")
COLUMNS = ("entity", "figure", "kind", "unit", "group", "openmetrics", "influx", "collectd", "help")

_OPENMETRICS = re.compile(r"([a-z][a-z0-9_]*)(?:\{([^}]*)\})?\Z")
_INFLUX = re.compile(r"([a-z][a-z0-9_]*)(?:\{([a-z_,]*)\})?\.([a-z][a-z0-9_]*)\Z")
_COLLECTD = re.compile(r"([a-z][a-z0-9_]*)(?:-([A-Za-z0-9_{}]+))?(?::([a-z]+))?\Z")


class Family(NamedTuple):
    """A name in one exposition: family, its own labels in order, constant labels."""

    name: str
    labels: Tuple[str, ...]
    constant: Tuple[Tuple[str, str], ...]


class Field(NamedTuple):
    measurement: str
    tags: Tuple[str, ...]
    field: str


class Stock(NamedTuple):
    """``source`` is the data source of a type with several (if_octets has rx and tx), or None."""

    type: str
    instance: str
    source: Optional[str]


class Figure(NamedTuple):
    key: str
    kind: str
    unit: str
    group: str
    openmetrics: Optional[Family]
    influx: Optional[Field]
    collectd: Optional[Stock]
    help: str
    small: bool = False     # whether the preset SMALL has it

    def wanted(self, groups: Optional[Collection[str]]) -> bool:
        """Whether it is of these groups; None: of any."""
        return groups is None or self.group in groups or (self.small and SMALL in groups)


class Entity:
    """A thing that has figures: ``domain``, ``vif`` ... with its figures in the order of the table.

    :ivar labels: names of the entity's own labels, in the order in which rows carry them.
    """

    def __init__(self, name: str, figures: Sequence[Figure]) -> None:
        self.name = name
        self.figures = tuple(figures)
        labels: List[str] = []
        for figure in self.figures:
            named = (figure.openmetrics.labels if figure.openmetrics else ()) + (
                figure.influx.tags if figure.influx else ())
            labels.extend(label for label in named if label not in labels)
        self.labels = tuple(labels)

    def keys(self) -> Tuple[str, ...]:
        return tuple(figure.key for figure in self.figures)


class Catalogue:
    """All entities of one plugin.

    :ivar plugin: the plugin's name, ``xentop``.
    """

    def __init__(self, plugin: str, entities: Sequence[Entity]) -> None:
        self.plugin = plugin
        self.entities: Dict[str, Entity] = {entity.name: entity for entity in entities}

    def expect(self, entity: str, keys: Sequence[str]) -> None:
        """A collector states the order in which it fills an entity's values; raises ValueError where the table differs."""
        have = self.entities[entity].keys()
        if have != tuple(keys):
            raise ValueError("metrics.csv of %s lists %s as %s, its collector as %s"
                             % (self.plugin, entity, have, tuple(keys)))

    def groups(self) -> List[str]:
        groups: List[str] = []
        for entity in self.entities.values():
            groups.extend(figure.group for figure in entity.figures if figure.group not in groups)
        return groups


def parse(rows: Sequence[Dict[str, str]], plugin: str) -> Catalogue:
    """The catalogue of a table's rows; raises ValueError, naming the row, where one is not what the columns take."""
    figures: Dict[str, List[Figure]] = {}
    for row in rows:
        try:
            if row["kind"] not in KINDS or row["unit"] not in UNITS or not row["help"]:
                raise ValueError("kind, unit or help")
            group, plus, preset = row["group"].partition("+")
            if plus and preset != SMALL:
                raise ValueError("group %r" % row["group"])
            figure = Figure(row["figure"], row["kind"], row["unit"], group, _family(row["openmetrics"]),
                            _field(row["influx"]), _stock(row["collectd"]), row["help"], bool(plus))
        except (KeyError, ValueError) as error:
            raise ValueError("metrics.csv of %s, %s.%s: %s" % (plugin, row.get("entity"), row.get("figure"), error))
        figures.setdefault(row["entity"], []).append(figure)
    return Catalogue(plugin, [Entity(name, rows) for name, rows in figures.items()])


def load(plugin: str, directory: str) -> Catalogue:
    """Read ``metrics.csv`` in a plugin's own directory."""
    reader = csv.DictReader(io.StringIO(shipped.text(directory, "metrics.csv"), newline=""))
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise ValueError("metrics.csv of %s: columns are %s, expected %s" % (plugin, reader.fieldnames, COLUMNS))
    return parse(list(reader), plugin)


def _family(text: str) -> Optional[Family]:
    if text == "-":
        return None
    match = _OPENMETRICS.match(text)
    if not match:
        raise ValueError("openmetrics %r" % text)
    labels = []
    constant = []
    for label in filter(None, (match.group(2) or "").split(",")):
        key, equals, value = label.partition("=")
        if equals:
            constant.append((key, value))
        else:
            labels.append(key)
    return Family(match.group(1), tuple(labels), tuple(constant))


def _field(text: str) -> Optional[Field]:
    if text == "-":
        return None
    match = _INFLUX.match(text)
    if not match:
        raise ValueError("influx %r" % text)
    return Field(match.group(1), tuple(filter(None, (match.group(2) or "").split(","))), match.group(3))


def _stock(text: str) -> Optional[Stock]:
    if text == "-":
        return None
    match = _COLLECTD.match(text)
    if not match:
        raise ValueError("collectd %r" % text)
    return Stock(match.group(1), match.group(2) or "", match.group(3))
