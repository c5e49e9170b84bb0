"""collectd value lists, without collectd: what the plugin hands to ``Values(...).dispatch()``.

Identifiers keep to ``[A-Za-z0-9_.:+@ -]`` and 120 bytes: collectd cuts longer ones silently at 127, turns ``/``
into ``_`` and splits at ``-``. A name that had to be altered, or that another domain bears too, ends in ``~`` and
eight digits of the UUID (of a hash of the name where there is no UUID), so two series never become one.

Units: DERIVE stays in the collector's integers (ns, bytes, counts); of GAUGEs ppm become percent, ns seconds, and
thousandths and millionths what they are parts of.
A value that its type does not take (NaN, DERIVE of 2**63 and more, percent over 100.1) is left out, and a value
list is left out as a whole when one of its sources is unknown. Source: collectd 5.12 types.db, pyvalues.c.
"""
import ctypes
import re
from typing import Any, Collection, Dict, Iterator, List, Optional, Sequence, Set, Tuple

from xenmeter.core.catalogue import Catalogue, Entity, Figure
from xenmeter.core.reading import Reading, Row, Who
from xenmeter.core.source import Publisher
from xenmeter.publish.compiled import entities, forget, selected
from xenmeter.publish.text import digest
from xenmeter.publish.valuelists import list_of, lists_made

__all__ = ("CollectdValues", "Value", "INSTANCE_FORMATS", "HOST", "METER", "plugin_instance", "type_instance_part")

INSTANCE_FORMATS = ("name", "uuid", "name-uuid")

#: Plugin instances of what belongs to no domain: the host's figures, and the meter's own. The meter has one of its
#: own because its figures say nothing about the host; it bears the name that other backends know it by.
HOST = "host"
METER = "xenmeter"

#: Bytes of an identifier's part; collectd 5.6 and later keep 127.
_LIMIT = 120
#: Bytes of one label in a type_instance, so that two of them and the words around them stay within the limit.
_PART = 50
_UNSAFE = re.compile(r"[^A-Za-z0-9_.:+@ -]")
_UNSAFE_IN_TYPE = re.compile(r"[^A-Za-z0-9_.:+@ ]")
_LABEL = re.compile(r"\{([a-z_]+)\}")

#: (plugin_instance, type, type_instance, values in the order of the type's data sources)
Value = Tuple[str, str, str, List[float]]
#: plugin_instance, type_instance of each list, meta data: what a row's lists are called.
Identifier = Tuple[str, Tuple[str, ...], Dict[str, str]]
#: A label that is no part of an identifier, so that no series ends where its value changes; it goes beside the values.
_META = "source"
#: Rows of which the value lists are made at once by compiled code: they are many, and taken one by one.
_AT_ONCE = 128


class CollectdValues(Publisher):
    """Readings to value lists.

    :param catalogues: those of all entities that readings will hold. Raises ValueError, naming the figure, where
        one asks for a type that is not stock, or for a part of its data sources only.
    :param plugin: collectd's plugin name, ``xentop``.
    :param groups: the enabled groups of figures; None enables all.
    :param instance_format: how a domain is named in plugin_instance: ``name``, ``uuid``, ``name-uuid`` (joined by
        ``:``, as the virt plugin does).
    """

    def __init__(self, catalogues: Sequence[Catalogue], plugin: str, groups: Optional[Collection[str]] = None,
                 instance_format: str = "name") -> None:
        if instance_format not in INSTANCE_FORMATS:
            raise ValueError("instance format %r is none of %s" % (instance_format, ", ".join(INSTANCE_FORMATS)))
        self.plugin = plugin
        self._format = instance_format
        compiled = [_Entity(entity, groups) for entity in entities(catalogues)]
        self._entities = [entity for entity in compiled if entity.lists]
        self._whos: Set[Optional[Who]] = set()  # of the last reading
        self._crowded: Set[str] = set()  # plugin instances that two domains would have had; never forgotten
        self._make = lists_made()

    def values(self, reading: Reading) -> Iterator[Value]:
        """Each known value list of the reading. All carry the reading's time: pass ``time_ns / 1e9`` to dispatch."""
        for value, _ in self.with_meta(reading):
            yield value

    def with_meta(self, reading: Reading) -> Iterator[Tuple[Value, Dict[str, str]]]:
        """Each value list with collectd's meta data for it: ``source``, where the row has it."""
        whos = {row[0] for rows in reading.tables.values() for row in rows}
        if whos - {None} and whos != self._whos:     # without a domain it is the meter's own reading
            self._whos = whos
            self._tell_apart()
        for entity in self._entities:
            rows = reading.tables.get(entity.name)
            if rows is None:
                continue        # it is another reading's
            if rows:
                identifiers = entity.identified(rows, self._format, self._crowded)
                self.duplicates += identifiers.count(None)
                for at in range(0, len(rows), _AT_ONCE):
                    yield from entity.values(rows, identifiers, at, min(_AT_ONCE, len(rows) - at), self._make)
            forget(entity.identifiers, rows)

    def _tell_apart(self) -> None:
        """Find the domains that would share an instance, so that none of them ever has it."""
        owners: Dict[str, str] = {}
        crowded = set()
        for who in self._whos:
            if who is not None and who.uuid:
                instance = plugin_instance(who, self._format)
                if owners.setdefault(instance, who.uuid) != who.uuid:
                    crowded.add(instance)
        if not crowded <= self._crowded:
            self._crowded |= crowded
            for entity in self._entities:
                entity.identifiers.clear()
                entity.known = None


def plugin_instance(who: Who, instance_format: str, crowded: Collection[str] = ()) -> str:
    """A domain's plugin_instance; never that of the host or of the meter, whatever the domain is called.

    :param crowded: what eight digits of the UUID do not tell apart: such a domain has all of its UUID in their place.
    """
    uuid = _UNSAFE.sub("_", who.uuid or "")[:36]
    if instance_format == "uuid" and uuid:
        return uuid
    if instance_format == "name-uuid" and uuid:
        return "%s:%s" % (_UNSAFE.sub("_", who.name).strip()[:_LIMIT - 37], uuid)
    safe = _UNSAFE.sub("_", who.name).strip()
    if safe == who.name and 0 < len(safe) <= _LIMIT and safe not in (HOST, METER) and not who.shared:
        return safe
    short = "%s~%s" % (safe[:_LIMIT - 9], uuid[:8] or digest(who.name))
    return "%s~%s" % (safe[:_LIMIT - 37], uuid) if uuid and short in crowded else short


def type_instance_part(text: str) -> str:
    """A label value inside a type_instance: as `plugin_instance`, and without ``-``; at most 50 bytes."""
    safe = _UNSAFE_IN_TYPE.sub("_", text).strip()
    if safe == text and len(safe) <= _PART:
        return safe
    return "%s~%s" % (safe[:_PART - 9], digest(text))


class _Entity:
    """One entity's value lists, and the identifiers of its rows."""

    def __init__(self, entity: Entity, groups: Optional[Collection[str]]) -> None:
        self.name = entity.name
        found: Dict[Tuple[str, str], List[Tuple[int, Figure]]] = {}
        for place, figure in selected(entity, groups):
            if figure.collectd:
                found.setdefault((figure.collectd.type, figure.collectd.instance), []).append((place, figure))
        self.lists = [list_of(entity, name, figures) for (name, _), figures in found.items()]
        self._bounds = (ctypes.c_double * (2 * len(self.lists)))(*[bound for one in self.lists for bound in (one.low, one.high)])
        self.known: Any = None      # the whos and labels of the last rows, and their identifiers
        # what identifier() gives, and whether another domain had the name then, by (who, labels)
        self.identifiers: Dict[Tuple[Optional[Who], Tuple[str, ...]], Any] = {}
        self._instances = [instance for _, instance in found]
        for instance in self._instances:
            for label in _LABEL.findall(instance):
                if label not in entity.labels:
                    raise ValueError("%s: collectd instance %s has a label that the entity lacks"
                                     % (entity.name, instance))
        self._labels = entity.labels
        self._alone = METER if all(figure.group == "meter" for figure in entity.figures) else HOST

    def identified(self, rows: List[Row], instance_format: str, crowded: Collection[str]) -> List[Optional[Identifier]]:
        """The identifiers of rows, None for one that has another row's; the same list again for the same whos and labels."""
        whos, labels, _ = zip(*rows)
        if self.known is None or self.known[0] != whos or self.known[1] != labels:
            seen = set()
            found: List[Optional[Identifier]] = []
            for who, texts in zip(whos, labels):
                kept = self.identifier(who, texts, instance_format, crowded)
                found.append(None if kept[:2] in seen else kept)
                seen.add(kept[:2])
            self.known = (whos, labels, found)
        return self.known[2]

    def values(self, rows: List[Row], identifiers: List[Optional[Identifier]], at: int, number: int,
               make: Any) -> List[Tuple[Value, Dict[str, str]]]:
        """The value lists of some rows, with their meta data, by compiled code if it can."""
        made: List[Tuple[Value, Dict[str, str]]] = []
        if make is not None and make(rows, identifiers, at, number, self.lists, self._bounds, made) == 0:
            return made
        made = []
        for (_, _, values), identifier in zip(rows[at:at + number], identifiers[at:at + number]):
            if identifier is not None:
                for name, one in zip(identifier[1], self.lists):
                    converted = one.convert(values)
                    if converted is not None:
                        made.append(((identifier[0], one.stock, name, converted), identifier[2]))
        return made

    def identifier(self, who: Optional[Who], labels: Tuple[str, ...], instance_format: str,
                   crowded: Collection[str] = ()) -> Identifier:
        """(plugin_instance, type_instance of each list, meta); made anew when another domain takes the name or leaves it."""
        shared = who is not None and who.shared
        kept = self.identifiers.get((who, labels))
        if kept is None or kept[0] != shared:
            parts = {label: type_instance_part(value) for label, value in zip(self._labels, labels)}
            names = tuple(_LABEL.sub(lambda match: parts[match.group(1)], instance) for instance in self._instances)
            instance = self._alone if who is None else plugin_instance(who, instance_format, crowded)
            meta = {label: value for label, value in zip(self._labels, labels) if label == _META}
            kept = self.identifiers[who, labels] = (shared, instance, names, meta)
        return kept[1:]
