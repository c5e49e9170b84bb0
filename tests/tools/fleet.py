"""Hosts of any size from recordings of small ones: every guest is a copy of a recorded one, under a name, a UUID and counters
of its own. What is measured on them (bytes on the wire, series, bytes on disk) is as good as that: real figures, real shapes.
"""
import functools
import json
import lzma
import pathlib
import random
import tempfile
import uuid

from xenmeter.core import meter
from xenmeter.core.options import from_pairs
from xenmeter.core.pipeline import Pipeline
from xenmeter.core.reading import Reading, Who
from xenmeter.front import plugins
from xenmeter.publish.collectdvalues import CollectdValues
from xenmeter.publish.influx import LineProtocol
from xenmeter.publish.openmetrics import Exposition

TOP = pathlib.Path(__file__).resolve().parents[2]
NAMES = plugins.NAMES
COLLECTD = {name: plugins.get(name).collectd or name for name in NAMES}
START = 1795192500
KHZ = 2596120


def _vcpus(path):
    """A recording of the vcpu plugin: two domains with two vCPUs each, one moving as a busy and one as an idle guest does; with
    what a page tells of each and XCP-ng of a domain's, which no host has at once."""
    chance = random.Random(1)
    busy = 0
    with open(str(path), "w") as file:
        for second in range(12):
            busy += chance.randrange(9 * 10 ** 9)
            file.write(json.dumps({"time_ns": (START + 10 * second) * 10 ** 9, "domains": [
                {"domid": domid, "uuid": str(uuid.UUID(int=domid)), "name": "guest", "shared": domid == 2, "source": "resource",
                 "configured": 2, "cpu_time_ns": busy, "runstates": [second * 10 ** 9] * 6,
                 "mean_ns": [busy // 17, busy // domid + 1, busy // 40], "missed_changes": second, "vcpus": [
                     {"vcpu": number, "running_ns": busy // domid + number, "runnable_ns": busy // 17,
                      "blocked_ns": second * 10 ** 9, "offline_ns": 0, "online": 1, "pcpu": chance.randrange(8)}
                     for number in (0, 1)]}
                for domid in (1, 2)]}) + "\n")


def _source(name, folder):
    if name == "xentop":
        return {"source": str(TOP / "fixtures" / "xentop" / "direct-dom0")}
    path = pathlib.Path(folder, name)
    if name == "vcpu":
        _vcpus(path)
        return {"source": str(path)}
    packed = TOP / "fixtures" / "xentrace" / "narrow-churn" / "trace.bin.xz"
    path.write_bytes(lzma.decompress(packed.read_bytes()))
    return {"source": str(path), "cpu_khz": KHZ}


@functools.lru_cache(maxsize=None)
def recorded(name):
    """(plugin, its readings of a recording); a recording is played once, however many hosts are made of it."""
    plugin = plugins.get(name)
    with tempfile.TemporaryDirectory() as folder:
        given = dict(_source(name, folder), start=str(START))
        pipeline = Pipeline(plugin, from_pairs(plugin.options, [(key, [value]) for key, value in given.items()])[0])
        pipeline.start()
        readings = []
        while not pipeline.ended:
            readings += [pipeline.collect(sample) for sample in pipeline.take()]
        return plugin, readings


class Host:
    """A host with so many domains, dom0 among them: readings of one plugin for each interval.

    :param seed: tells one host from another: UUIDs, and where counters stand.
    :param groups: of figures, as the option --group; None: all, those too that are off unless they are named.
    """

    def __init__(self, name, domains, seed=0, groups=None):
        self.groups = None if groups is None else {*groups, "meter"}
        self.plugin, readings = recorded(name)
        self.catalogues = [self.plugin.catalogue, meter.CATALOGUE]
        # The fullest reading is the shape: after the first one, with every window that there is.
        self._shape = max(readings, key=lambda one: sum(map(len, one.tables.values())))
        self._chance = random.Random(seed)
        known = [who for who in self._known() if who.domid != 0] or list(self._known())
        self._clones = [(known[number % len(known)], Who(
            "guest-%03d-%04d" % (seed, number), str(uuid.UUID(int=self._chance.getrandbits(128), version=4)), number + 1))
            for number in range(domains - 1)]
        dom0 = [who for who in self._known() if who.domid == 0]
        self._clones += [(who, Who("Domain-0", str(uuid.UUID(int=seed << 64)), 0)) for who in (dom0 or known)[:1]]
        self._moved = {}

    def _known(self):
        """Domains of the shape, those with the most rows (an interface, a device) first."""
        rows = {}
        for table in self._shape.tables.values():
            for who, _, _ in table:
                if who is not None:
                    rows[who] = rows.get(who, 0) + 1
        most = max(rows.values())
        return [who for who in rows if rows[who] == most or who.domid == 0]

    def reading(self, step, interval=10):
        """The reading after so many intervals."""
        tables = {}
        for entity, rows in self._shape.tables.items():
            figures = self.plugin.catalogue.entities[entity].figures
            by_who = {}
            for row in rows:
                by_who.setdefault(row[0], []).append(row)
            made = [self._row(figures, entity, None, row) for row in by_who.get(None, ())]
            for like, clone in self._clones:
                made += [self._row(figures, entity, clone, row) for row in by_who.get(like, ())]
            tables[entity] = made
        return Reading((START + step * interval) * 10 ** 9, tables)

    def _row(self, figures, entity, who, row):
        _, labels, values = row
        new = []
        for place, (figure, value) in enumerate(zip(figures, values)):
            if isinstance(value, int) and figure.unit not in ("bool", "milli") and figure.kind in ("counter", "gauge"):
                key = (entity, who.uuid if who else None, labels, place)
                if figure.kind == "counter":
                    # every clone stands elsewhere, and goes on by some part of what was recorded
                    moved = self._moved.get(key)
                    more = value * self._chance.random()
                    moved = int(9 * more) if moved is None else moved + int(more / 8)
                    self._moved[key] = moved
                    value += moved
                elif figure.key.endswith(("_ns", "_ppm")) and figure.key != "start_time_ns":
                    value = min(int(value * (0.5 + self._chance.random())), max(value, 10 ** 6))
            new.append(value)
        return who, labels, tuple(new)

    def own(self, reading):
        """The meter's own reading at the same time."""
        domains = len(self._clones)
        one = meter.Meter(self.plugin.name)
        one.collect(lambda _: reading, None)
        return one.reading(reading.time_ns, 10 ** 6 * domains, {}, None)

    def both(self, step):
        reading = self.reading(step)
        return [reading, self.own(reading)]

    def lines(self, step, host=None):
        """Line protocol, with Telegraf's tag for the host when it is named (bytes)."""
        if not hasattr(self, "_protocol"):
            self._protocol = LineProtocol(self.catalogues, self.groups)
        data = b"".join(self._protocol.encode(reading) for reading in self.both(step))
        return data if host is None else tagged(data, host)

    def page(self, step):
        """The exposition that Prometheus scrapes (bytes)."""
        if not hasattr(self, "_exposition"):
            self._exposition = Exposition(self.catalogues, self.groups)
        return self._exposition.openmetrics(self.both(step))

    def value_lists(self, step):
        """What is dispatched in collectd: [(plugin instance, type, type instance, values)]."""
        values = CollectdValues(self.catalogues, COLLECTD[self.plugin.name], self.groups)
        return [value for reading in self.both(step) for value in values.values(reading)]


def tagged(data, host):
    """Lines with Telegraf's tag; tags are in the order of their keys."""
    lines = []
    for line in data.splitlines():
        head, space, rest = line.partition(b" ")
        while head.endswith(b"\\"):      # an escaped space belongs to the tags
            more, space, rest = rest.partition(b" ")
            head += b" " + more
        measurement, *tags = split_tags(head)
        lines.append(b",".join([measurement] + sorted(tags + [b"host=" + host.encode()])) + space + rest + b"\n")
    return b"".join(lines)


def split_tags(head):
    """measurement,tag=value... at the commas that are not escaped."""
    parts = []
    for part in head.split(b","):
        if parts and parts[-1].endswith(b"\\"):
            parts[-1] += b"," + part
        else:
            parts.append(part)
    return parts


def fields_of(lines):
    """Number of fields, which are series in most engines, in line protocol without strings."""
    return sum(line.rpartition(b" ")[0].rpartition(b" ")[2].count(b",") + 1 for line in lines.splitlines())
