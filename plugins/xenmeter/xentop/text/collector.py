"""Iterations of xentop to readings: identity, monotonic counters, and the guest's view of network directions.

All numbers are integers here: nanoseconds, bytes, parts per million. What xentop does not say is None.
"""
from typing import Any, Dict, List, Optional, Set, Tuple

from xenmeter.core import source
from xenmeter.core.bases import Bases
from xenmeter.core.compiled import in_turns
from xenmeter.core.identity import Life, Lives
from xenmeter.core.reading import Reading, Row
from xenmeter.core.select import Wanted
from xenmeter.xen.domains import Unreadable
from xenmeter.xen.netdev import NO_VIFS, unlisted_vifs
from xenmeter.xen.vbdnames import series_name
from xenmeter.xentop.compiled import load
from xenmeter.xentop.figures import LABELS, STATES, UNCOUNTED, UNKNOWN_DISKS, UNTIMED, domain_labels
from xenmeter.xentop.samples import Sample
from xenmeter.xentop.text.attribute import CHUNK, Joined, attribute
from xenmeter.xentop.text.records import SECTOR, DomainRow
from xenmeter.xentop.text.shortcut import as_planned, plan_of
from xenmeter.xentop.text.units import disk_totals, domain_figures, guests_view, requests, sent

__all__ = ("Collector",)


class Collector(source.Collector):
    """Keeps what lasts between iterations.

    :param wanted: ``wanted(name, uuid, domid)`` says whether a domain is published.
    :param by_number: call disks by their number where xenstore has no name for them (xen.vbdnames).
    :ivar errors: kind -> how often: ``skipped_line``, ``repeated``, ``unjoined``, ``same_uuid``, ``inconsistent``,
        ``unseen_devices``, ``no_names``, and those of core.counters.
    """

    def __init__(self, wanted: Optional[Wanted] = None, by_number: bool = False) -> None:
        super().__init__()
        self._wanted = wanted
        self._by_number = by_number
        self._lives = Lives(self.errors)
        self._planned = load("text")

    def use(self, bases: Bases) -> None:
        self._lives.restore = bases.of("xentop")

    @property
    def kept(self) -> Tuple[Lives, str]:
        return self._lives, "xentop"

    def collect(self, sample: Sample) -> Reading:
        """The reading of one iteration. Domains whose identity is not known now are missing from it."""
        iteration = sample.iteration
        self._count("skipped_line", iteration.skipped)
        tables: Dict[str, List[Row]] = {"domain": [], "domain_vcpu": [], "vif": [], "vbd": [],
                  "host": [], "pcpu": []}
        self._lives.begin()
        self.trouble, self.notices = None, []
        if isinstance(sample.names, Unreadable):
            self._count("no_names", 1)
            self.trouble = sample.names.reason
        else:
            domains = None if sample.names is None else sample.names.domains
            joined, left_out = attribute(iteration.rows, domains, self._lives, self.notices)
            for reason, number in left_out.items():
                self._count(reason, number)
            if domains is None and "repeated" in left_out:
                self.trouble = ("xentop prints more than %d rows and repeats names; without xenstore the copies cannot "
                                "be told from domains that share a name, and one row of each name is kept" % CHUNK)
            order = sample.names.vif_order if sample.names is not None else None
            now_ns = sample.time_ns
            in_turns(self._planned, joined, (
                self._lives.alive, self._lives.reading, now_ns, tables["domain"], tables["domain_vcpu"], tables["vif"],
                tables["vbd"], STATES, order, sample.first), lambda item: self._domain(item, order, sample.first, now_ns, tables))
            self._lives.end(complete=not iteration.skipped)
            tables["host"].append((None, ("xentop",), (1, len(joined), None, None, None) + UNCOUNTED))
        if iteration.pcpus is not None:
            tables["pcpu"] = [(None, (str(pcpu),), (None, permille * 1000)) for pcpu, permille in iteration.pcpus]
        return Reading(sample.time_ns, tables)

    def _count(self, kind: str, number: int) -> None:
        if number > 0:
            self.errors[kind] = self.errors.get(kind, 0) + number

    def _domain(self, item: Joined, order: Optional[Dict[int, List[str]]], first: bool, now_ns: int,
                tables: Dict[str, List[Row]]) -> None:
        row, key, name, uuid, domid, shared, facts = item
        listed = None if facts is None or order is None else order.get(facts.domid, ())
        life = self._lives.as_before(key, name, domid, shared)
        if life is not None and life.plan is not None and as_planned(life, row, facts, listed, first, now_ns, tables):
            life.seen = self._lives.reading
            return
        columns = row.columns
        vcpu_seconds = dict(row.vcpu_seconds) if row.vcpu_seconds else {}
        life = self._lives.see(key, name, uuid, domid, shared, columns.cpu_seconds, vcpu_seconds, columns.vcpus, columns)
        life.plan = None
        if self._wanted is not None and not self._wanted(name, uuid, domid):
            return
        if first or life.fresh or columns.cpu_permille is None or columns.cpu_permille > 1050 * columns.vcpus:
            cpu_ppm = None      # the first one is always 0.0, a re-used domid's wraps around: no rate at all
        else:
            cpu_ppm = columns.cpu_permille * 1000
        vifs: List[Row] = []
        vbds: List[Row] = []
        nets: Optional[int] = columns.nets
        disks: Optional[int] = columns.vbds
        network = self._networks(life, row, facts, order, now_ns, vifs)
        requested = self._disks(life, row, facts, now_ns, vbds)
        if columns.vbd_rsect is None and columns.vbd_rd is not None:    # Xen 3.1 to 4.0; the sums of the others are known
            requested = requested[:3] + (None, None)
        if facts is not None:
            nets, network = self._with_unseen_vifs(columns.nets, network, facts, order)
            disks, requested = self._with_unseen_vbds(row, requested, facts)
        begin = (None if domid is None else 1, domid, None if facts is None else facts.start_time_ns)
        domain = (life.who, domain_labels(domid, facts), domain_figures(begin, row, cpu_ppm, nets, network, disks, requested))
        vcpus: List[Row] = [(life.who, LABELS[vcpu], (seconds * 1000000000,)) for vcpu, seconds in vcpu_seconds.items()]
        for entity, rows in (("domain", [domain]), ("domain_vcpu", vcpus), ("vif", vifs), ("vbd", vbds)):
            tables[entity].extend(rows)
        life.plan = plan_of(life, row, facts, listed, domain, vcpus, vifs, vbds)

    def _with_unseen_vbds(self, row: DomainRow, requested: Tuple[Optional[int], ...],
                          facts: Any) -> Tuple[Optional[int], Tuple[Optional[int], ...]]:
        """How many vbds a domain has, and its :func:`disk_totals`: not known where one of them is not among those of the row."""
        disks = row.columns.vbds - len([line for line in row.vbds if line[3] is None and line[1] in facts.empty])
        if disks < len(facts.vbds) - len(facts.empty):
            self._count("unseen_devices", 1)
            return None, UNKNOWN_DISKS      # a sum without them would be another figure
        if facts.vbds_elsewhere:
            return disks + len(facts.vbds_elsewhere), UNKNOWN_DISKS
        return disks, requested

    def _with_unseen_vifs(self, nets: int, network: Any, facts: Any,
                          order: Optional[Dict[int, List[str]]]) -> Tuple[Optional[int], Any]:
        """How many vifs a domain has, and its bytes: not known where one of them is not among those that xentop shows."""
        listed = facts.vifs if order is None else order.get(facts.domid, ())
        if nets < len(listed):
            self._count("unseen_devices", 1)
            return None, (None, None)
        unseen = max(0, len(listed) + len(unlisted_vifs(facts, order)) - nets)
        if unseen:
            self._count("unseen_devices", 1)
            if not order and NO_VIFS not in self.notices:
                self.notices.append(NO_VIFS)
        if unseen or facts.vifs_elsewhere:
            return nets + unseen + len(facts.vifs_elsewhere), (None, None)
        return nets, network

    def _networks(self, life: Life, row: DomainRow, facts: Any, order: Optional[Dict[int, List[str]]], now_ns: int,
                  table: List[Row]) -> Tuple[Optional[int], ...]:
        """Rows of the vifs, and the domain's received and sent bytes.

        Bytes come from the device lines, or else from the KiB columns; what a life began with, it keeps.
        """
        columns, lines = row.columns, row.networks
        if not columns.nets:
            life.vifs.listed(())
            return life.vifs.total(8)[0:5:4]
        if lines and (len(lines) != columns.nets or sent(lines) >> 10 != columns.nettx_kib):
            self._count("inconsistent", 1)      # a line was lost, or hangs on the wrong domain
            lines = []
        by_line = life.notes.setdefault("net_lines", bool(lines))
        if bool(lines) != by_line:
            return None, None
        if not lines:
            parts, life.notes["nets"] = max(columns.nets, life.notes.get("nets", 0)), columns.nets
            life.vifs.update("columns", (columns.nettx_kib << 10, 0, 0, 0, columns.netrx_kib << 10, 0, 0, 0), now_ns,
                             None, parts)
            return life.vifs.total(8)[0:5:4]
        names = self._vif_names(life, row, facts, order)
        if names is None:
            return None, None
        for name, line in zip(names, lines):
            table.append((life.who, (name,), life.vifs.update(name, guests_view(line), now_ns)))
        life.vifs.listed(names)
        return life.vifs.total(8)[0:5:4]

    def _vif_names(self, life: Life, row: DomainRow, facts: Any, order: Optional[Dict[int, List[str]]]) -> Optional[List[str]]:
        """Device ids for NetN lines, whose N is only a position; ``net0`` by position where nothing tells more.

        None: the lists do not match just now (a vif comes or goes), so the vifs wait for the next reading.
        """
        if facts is not None and order is not None and not life.notes.get("net_positions"):
            names = order.get(facts.domid, [])
            if len(names) == len(row.networks):
                return names
            if len(names) < len(row.networks):
                self._count("unjoined", 1)
            return None
        if facts is not None and len(facts.vifs) == 1 == len(row.networks) and not life.notes.get("net_positions"):
            return [str(facts.vifs[0])]
        life.notes["net_positions"] = True
        return ["net%d" % line.index for line in row.networks]

    def _disks(self, life: Life, row: DomainRow, facts: Any, now_ns: int, table: List[Row]) -> Tuple[Optional[int], ...]:
        """Rows of the block devices, and the domain's (out of requests, reads, writes, bytes read, bytes written)."""
        columns, lines = row.columns, row.vbds
        if not columns.vbds:
            life.vbds.listed(())
            return disk_totals(life.vbds.total(5))
        if lines and len(lines) != columns.vbds:
            self._count("inconsistent", 1)
            lines = []
        if columns.vbd_rd is None and not _only_empty_drives_unread(lines, facts):
            return UNKNOWN_DISKS
        by_line = life.notes.setdefault("vbd_lines", bool(lines))
        if bool(lines) != by_line:
            return UNKNOWN_DISKS
        if len(lines) > 1 and len({line[1] for line in lines}) < len(lines):
            # libxenstat gives the first disk's number to all that QEMU 4.0 and later serves: nobody knows which is which
            self._count("inconsistent", 1)
            return UNKNOWN_DISKS
        if not lines:
            parts, life.notes["disks"] = max(columns.vbds, life.notes.get("disks", 0)), columns.vbds
            life.vbds.update("columns", (columns.vbd_rd, columns.vbd_wr, (columns.vbd_rsect or 0) * SECTOR,
                                         (columns.vbd_wsect or 0) * SECTOR, columns.vbd_oo), now_ns, None, parts)
            return disk_totals(life.vbds.total(5))
        names: Set[str] = set()
        for line in lines:
            dev = line.dev
            name = life.notes.get(dev)
            if line.rd is None:
                names.add(name or "")
                continue
            name = name or series_name(dev, facts, life, self._by_number)
            names.add(name)
            values = life.vbds.update(name, requests(line), now_ns)
            if line.rsect is None:
                values = values[:2] + (None, None) + values[4:]
            table.append((life.who, (name, line.type), values + UNTIMED))
        life.vbds.listed(names)
        return disk_totals(life.vbds.total(5))


def _only_empty_drives_unread(lines: List[Any], facts: Any) -> bool:
    """Whether the sums are not told only because a drive without a medium has no counters (xl's, of blkback)."""
    return bool(lines) and facts is not None and all(line[3] is not None or line[1] in facts.empty for line in lines)
