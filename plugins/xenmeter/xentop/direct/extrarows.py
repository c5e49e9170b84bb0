"""The figures of source direct that xentop does not have (xentop.direct.extras) as rows of the catalogue.

A row whose figures have not changed is the same object again, as those of xentop.direct.shortcut are.
"""
from operator import attrgetter, itemgetter
from typing import Any, Dict, Iterator, List, Optional, Set, Tuple

from xenmeter.core.counters import ENDED, Devices
from xenmeter.core.identity import Life, Lives
from xenmeter.core.reading import Row
from xenmeter.xen import structs
from xenmeter.xen.backing import Backing
from xenmeter.xen.privcmd import PAGE_SIZE
from xenmeter.xen.roster import Member
from xenmeter.xen.servants import Spent
from xenmeter.xentop.figures import UNCOUNTED
from xenmeter.xentop.samples import DirectDomain, DirectSample

__all__ = ("ExtraRows", "in_bytes")

_STANDING = structs.PAUSED | structs.SHUTDOWN | structs.DYING
_NO_POOL = 0xffffffff
_PERCENT = 10000        # in ppm

_NO_ROWS: List[Row] = []

#: Of a DirectDomain, of a Member, of a row, and of a domain's record: for many at once, without a step of Python for each.
_FIRST, _FACTS = itemgetter(0), itemgetter(Member._fields.index("facts"))
_BACKING, _TERMS, _SPENT = [itemgetter(DirectDomain._fields.index(name)) for name in ("backing", "terms", "spent")]
_PAGES = attrgetter("outstanding_pages", "shr_pages", "paged_pages")
#: Entities whose rows are made of what rarely changes.
_LASTING = ("vbd_info", "vif_info", "domain_memory", "domain_sched")

Tables = Dict[str, List[Row]]


def in_bytes(pages: Optional[int]) -> Optional[int]:
    return None if pages is None else pages * PAGE_SIZE


class ExtraRows:
    """:param lives: the domains'."""

    def __init__(self, lives: Lives) -> None:
        self._lives = lives
        self._told = lives.told
        self._services = Devices(ENDED, lives.told)
        self._said: Tuple[List[Any], ...] = ()      # what the lasting rows were made of
        self._lasting: Dict[str, List[Row]] = {}    # these, by entity
        self._backs = False     # a block device was one disk's alone

    def domains(self, sample: DirectSample, tables: Tables) -> None:
        """The rows of all domains that have some in the tables; of those of disks, which stand there, some become others."""
        members = list(map(_FIRST, sample.domains))
        said = (list(map(_FACTS, members)), list(map(_TERMS, sample.domains)), list(map(_PAGES, map(_FIRST, members))),
                list(map(_FIRST, tables["domain"])), list(map(_FIRST, tables["vif"])), list(map(_FIRST, tables["vbd"])))
        owners = set(said[3])
        self._backs = self._backs or any(map(_BACKING, sample.domains))
        if self._backs:
            vbds, tables["vbd"] = _by_owner(tables["vbd"]), []
            for domain, life in self._living(sample, owners):
                its = vbds.get(life.who, _NO_ROWS)
                if domain.backing or life.backed.known:
                    its = self._backed(life, its, domain.backing, sample.time_ns)
                tables["vbd"].extend(its)
        if said != self._said:      # mostly they are the same objects, and so are the rows
            self._make_lasting(sample, tables, owners)
            self._said, self._lasting = said, {entity: tables[entity] for entity in _LASTING}
        tables.update(self._lasting)
        for domain, life in self._living(sample, owners) if any(map(_SPENT, sample.domains)) else ():
            for who, spent in domain.spent.items():
                total = self._total(life.ended, who, spent, sample)
                tables["domain_dom0"].append(_kept(life, "dom0 " + who, (who,), (total,)))

    def _living(self, sample: DirectSample, owners: Set[Any]) -> Iterator[Tuple[DirectDomain, Life]]:
        """The domains that are wanted, with their lives."""
        for domain in sample.domains:
            member = domain.member
            life = self._lives.get(member.uuid if member.uuid is not None else (member.domid, member.name))
            if life is not None and life.who in owners:
                yield domain, life

    def _make_lasting(self, sample: DirectSample, tables: Tables, owners: Set[Any]) -> None:
        """The rows of what rarely changes; those of a domain of which nothing has changed are the same objects again."""
        all_vifs, all_vbds = _by_owner(tables["vif"]), _by_owner(tables["vbd"])
        for domain, life in self._living(sample, owners):
            info = domain.member.info
            vifs, vbds = all_vifs.get(life.who, _NO_ROWS), all_vbds.get(life.who, _NO_ROWS)
            of = (life.who, domain.member.facts, domain.terms, info.outstanding_pages, info.shr_pages, info.paged_pages,
                  len(vifs), len(vbds))
            kept = life.rows.get("lasting")
            if kept is None or kept[0] != of:
                made = _lasting(life, of, vifs, vbds)
                kept = life.rows["lasting"] = (of, made if kept is None or kept[1] != made else kept[1])
            for entity, rows in kept[1]:
                tables[entity].extend(rows)

    def host(self, sample: DirectSample, tables: Tables) -> Tuple[Optional[int], ...]:
        """dom0's rows; the host's figures from ``memory_claimed_bytes`` on."""
        if sample.dom0 is not None:
            tables["dom0"].append((None, (), tuple(sample.dom0.memory)))
            for who, spent in sample.dom0.spent.items():
                tables["dom0_service"].append((None, (who,), (self._total(self._services, who, spent, sample),)))
        if sample.vcpus is None:
            return UNCOUNTED
        flags = [domain.member.info.flags for domain in sample.domains]
        running = None if None in flags else sum([not flag & _STANDING for flag in flags])
        claimed = in_bytes(sample.host.outstanding_pages)
        online, runs, blocked = sample.vcpus
        load = (online - blocked) * 1000000 // sample.host.nr_cpus if sample.host.nr_cpus else None
        return (claimed, running, online, runs, blocked, load)

    def _backed(self, life: Life, rows: List[Row], backing: Dict[int, Backing], now_ns: int) -> List[Row]:
        """The disks' rows with what their block devices say."""
        by_name = {life.notes.get(dev): told for dev, told in backing.items()}
        made = []
        for row in rows:
            name, told = row[1][0], by_name.get(row[1][0])
            if told is not None:
                times = self._times(life, name, told, now_ns)
                row = _kept(life, "backed " + name, row[1], row[2][:-len(times) - 2] + times + (None, told.in_flight))
            made.append(row)
        life.backed.listed([name for name in by_name if name is not None])
        return made

    def _times(self, life: Life, name: str, told: Backing, now_ns: int) -> Tuple[Optional[int], ...]:
        """What a disk's block device has counted, less what it did while it was not this disk's alone, or another device."""
        counter = life.backed.known.get(name)
        if counter is None or not counter.gone and counter.identity in (None, told.identity):
            return life.backed.update(name, told[:4], now_ns, told.identity)
        counter.restore(told[:4], counter.settled(), told.identity, False)
        counter.at, counter.doubts = now_ns, None
        self._told.changed = True
        return counter.shown

    def _total(self, devices: Devices, who: str, spent: Spent, sample: DirectSample) -> int:
        """CPU time of those who live and of all that have ended, also before a restart of ours."""
        known = devices.known.get(who)
        before = 0 if known is None else known.total
        ended: Any = devices.update(who, (spent.ended,), sample.time_ns, 0 if sample.dom0 is None else sample.dom0.since)
        if ended != before and spent.ended:
            self._told.changed = True       # it is to outlive us
        return spent.living + ended[0]


def _lasting(life: Life, of: Tuple[Any, ...], vifs: List[Row], vbds: List[Row]) -> List[Tuple[str, List[Row]]]:
    """What rarely changes, by entity: what the disks and vifs that have figures are called in dom0, memory, and scheduling."""
    who, facts, terms = of[:3]
    rows: List[Tuple[str, List[Row]]] = []
    target = None
    if facts is not None:
        storage = {life.notes.get(dev): volume for dev, volume in facts.storage.items()}
        rows.append(("vbd_info", [
            (who, (row[1][0],) + tuple(storage[row[1][0]]), (1,)) for row in vbds if row[1][0] in storage]))
        bridges = {str(devid): bridge for devid, bridge in facts.bridges.items()}
        rows.append(("vif_info", [(who, (row[1][0], bridges[row[1][0]]), (1,)) for row in vifs if row[1][0] in bridges]))
        target = None if facts.memory_target_kib is None else facts.memory_target_kib << 10
    rows.append(("domain_memory", [(who, (), (target,) + tuple(map(in_bytes, of[3:6])))]))
    if terms is not None:
        rows.append(("domain_sched", [(who,) + _scheduled(terms)]))
    return rows


def _by_owner(rows: List[Row]) -> Dict[Any, List[Row]]:
    found: Dict[Any, List[Row]] = {}
    for row in rows:
        its = found.get(row[0])
        if its is None:
            found[row[0]] = [row]
        else:
            its.append(row)
    return found


def _kept(life: Life, note: str, labels: Tuple[str, ...], figures: Tuple[Optional[int], ...]) -> Row:
    """The row, or the one of the last reading where it is the same."""
    row: Optional[Row] = life.rows.get(note)
    if row is None or row[0] is not life.who or row[2] != figures or row[1] != labels:
        row = life.rows[note] = (life.who, labels, figures)
    return row


def _scheduled(terms: Any) -> Tuple[Tuple[str, ...], Tuple[Optional[int], ...]]:
    pool = None if terms.cpupool == _NO_POOL else terms.cpupool
    cap = terms.cap * _PERCENT if terms.cap else None       # 0 is none
    return ((terms.scheduler or "", "" if pool is None else str(pool), terms.cpus or ""),
            (1, pool, terms.weight, cap, terms.number))
