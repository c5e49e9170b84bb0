"""Readings of Xen and dom0 themselves to the tables of the catalogue: identity, and counters that never fall."""
from typing import Any, Dict, List, Optional, Set, Tuple

from xenmeter.core.bases import Bases
from xenmeter.core.compiled import in_turns
from xenmeter.core.identity import Life, Lives
from xenmeter.core.reading import Reading, Row
from xenmeter.core.select import Wanted
from xenmeter.core.source import Collector
from xenmeter.xen.backends import Vif, unseen_vifs
from xenmeter.xen.blkback import Disk
from xenmeter.xen.vbdnames import series_name
from xenmeter.xentop.compiled import load
from xenmeter.xentop.direct.extrarows import ExtraRows, in_bytes
from xenmeter.xentop.direct.insiderows import InsideRows
from xenmeter.xentop.direct.info import NO_LIMIT, letters, vcpus_of
from xenmeter.xentop.direct.shortcut import is_planned, networks, plan_of, requests, vcpu_rows
from xenmeter.xentop.figures import STATES, UNKNOWN_DISKS, UNTIMED, domain_labels
from xenmeter.xentop.samples import DirectDomain, DirectSample

__all__ = ("DirectCollector",)

#: ns by which a vCPU's running time may fall: the clocks of two pCPUs are not quite one (up to 4 ms on emulated ones).
_SKEW = 10 ** 7
#: What there is without being asked for; the others come with their rows.
_ENTITIES = ("domain", "domain_vcpu", "vif", "vbd", "host", "vbd_info", "vif_info", "domain_memory", "domain_sched",
             "domain_dom0", "dom0", "dom0_service")
_NO_STATE: Tuple[Optional[int], ...] = (None,) * len(STATES[b"------"])


class _StatesOf(dict):
    """What the hypervisor's flags are as figures; a host has a handful."""

    def __missing__(self, flags: int) -> Tuple[int, ...]:
        if len(self) > 4096:
            self.clear()
        states = self[flags] = STATES[letters(flags)]
        return states


_STATES_OF: Dict[int, Tuple[int, ...]] = _StatesOf()


class DirectCollector(Collector):
    """DirectSamples to readings.

    :param wanted: ``wanted(name, uuid, domid)`` says whether a domain is published.
    :param by_number: call disks by their number where xenstore has no name for them (xen.vbdnames).
    :ivar errors: kind -> how often: ``no_names``, ``unnamed``, ``same_uuid``, ``no_vifs``, ``no_disks``,
        ``unseen_devices``, and ``no_qdisks``, once per QEMU that was asked in vain; and those of core.counters.
    """

    def __init__(self, wanted: Optional[Wanted] = None, by_number: bool = False) -> None:
        super().__init__()
        self._wanted = wanted
        self._by_number = by_number
        self._lives = Lives(self.errors, _SKEW)
        self._planned = load("direct")
        self._inside = InsideRows()
        self._extras = ExtraRows(self._lives)
        self._pcpus: Dict[int, Tuple[int, int]] = {}  # (Xen's time, busy time) of the last reading

    def use(self, bases: Bases) -> None:
        self._lives.restore = bases.of("direct")

    @property
    def kept(self) -> Tuple[Lives, str]:
        return self._lives, "direct"

    def collect(self, sample: DirectSample) -> Reading:
        for kind, number in sample.left_out.items():
            self.errors[kind] = self.errors.get(kind, 0) + number
        self.trouble, self.notices = sample.trouble, list(sample.notices)
        tables: Dict[str, List[Row]] = {entity: [] for entity in _ENTITIES}
        tables["pcpu"] = self._busy(sample)
        self._lives.begin()
        in_turns(self._planned, sample.domains, (
            self._lives.alive, self._lives.reading, sample.time_ns, tables["domain"], tables["domain_vcpu"], tables["vif"],
            tables["vbd"], _STATES_OF, sample.xen_ns, sample.host.total_pages),
                 lambda domain: self._domain(domain, sample, tables))
        self._extras.domains(sample, tables)
        self._lives.end(complete="no_names" not in sample.left_out)
        host = sample.host
        tables["host"].append((None, ("direct",), (1, len(sample.domains), in_bytes(host.total_pages), in_bytes(host.free_pages),
                                                   host.nr_cpus) + self._extras.host(sample, tables)))
        self._inside.add(sample.inside, tables)
        return Reading(sample.time_ns, tables)

    def _domain(self, domain: DirectDomain, sample: DirectSample, tables: Dict[str, List[Row]]) -> None:
        member, info, now_ns = domain.member, domain.member.info, sample.time_ns
        vcpus, cpu_time = vcpus_of(info), info.cpu_time
        key: Any = member.uuid if member.uuid is not None else (member.domid, member.name)
        known = self._lives.as_before(key, member.name, member.domid, member.shared)
        planned = known is not None and is_planned(known, domain, vcpus or 0)
        if known is not None and planned:
            life = known
            life.seen, life.fresh, life.cpu, life.vcpu = self._lives.reading, False, cpu_time, dict(domain.vcpu_ns)
        else:
            life = self._lives.see(key, member.name, member.uuid, member.domid, member.shared, cpu_time or 0,
                                   dict(domain.vcpu_ns), vcpus or 0)
            cpu_time = None if cpu_time is None else life.cpu
        before, life.notes["cpu"] = life.notes.get("cpu"), (sample.xen_ns, cpu_time)
        if self._wanted is not None and not self._wanted(member.name, member.uuid, member.domid):
            return
        cpu_ppm = None
        if (before is not None and not life.fresh and sample.xen_ns > before[0] and
                vcpus is not None and None not in (cpu_time, before[1])):
            cpu_ppm = min((cpu_time - before[1]) * 1000000 // (sample.xen_ns - before[0]), vcpus * 1000000)
        if planned:
            plan = life.plan
            network = networks(life, domain.vifs or [], now_ns, tables["vif"])
            disks = requests(life, domain.disks or [], now_ns, tables["vbd"])
            figures = _figures(member, sample.host, cpu_time, vcpus, cpu_ppm) + network + disks
            if figures != plan.row[2]:
                plan.row = (life.who, plan.labels, figures)
            tables["domain"].append(plan.row)
            tables["domain_vcpu"].extend(vcpu_rows(life, domain.vcpu_ns))
            return
        vifs: List[Row] = []
        vbds: List[Row] = []
        network = self._networks(life, domain.vifs, member.facts, now_ns, vifs)
        disks = self._disks(life, domain.disks, member.facts, now_ns, vbds)
        row = (life.who, domain_labels(member.domid, member.facts),
               _figures(member, sample.host, cpu_time, vcpus, cpu_ppm) + network + disks)
        life.plan = plan_of(life, domain, vifs, vbds, row)
        tables["vif"].extend(vifs)
        tables["vbd"].extend(vbds)
        tables["domain"].append(row)
        for vcpu, time_ns in life.vcpu.items():
            tables["domain_vcpu"].append((life.who, (str(vcpu),), (time_ns,)))

    def _networks(self, life: Life, vifs: Optional[List[Vif]], facts: Any, now_ns: int, table: List[Row]) -> Tuple[Optional[int],
                  ...]:
        """Rows of the vifs; how many there are, and the domain's received and sent bytes, which are not known where one of
        them cannot be seen here.

        An HVM guest's packets go through the vif or through the tap of the emulated device, which is no second vif.
        """
        if vifs is None:
            return (None, None, None)
        found: Dict[int, Tuple[Optional[int], ...]] = {}
        names: Set[str] = set()
        for devid, emulated, counters, ifindex in vifs:
            name = str(devid) + ("-emu" if emulated else "")
            names.add(name)
            values = life.vifs.update(name, counters[4:] + counters[:4], now_ns, ifindex)   # the guest receives what dom0 sends
            found[devid] = values if devid not in found else _added(found[devid], values)
        life.vifs.listed(names)
        for devid, values in found.items():
            table.append((life.who, (str(devid),), values))
        unseen = [] if facts is None else unseen_vifs(facts, vifs)
        if unseen:
            self.errors["unseen_devices"] = self.errors.get("unseen_devices", 0) + 1
        if unseen or facts is not None and facts.vifs_elsewhere:
            return (len(found) + len(unseen) + len(facts.vifs_elsewhere), None, None)
        return (len(found),) + life.vifs.total(8)[0:5:4]

    def _disks(self, life: Life, disks: Optional[List[Disk]], facts: Any, now_ns: int, table: List[Row]) -> Tuple[Optional[int],
               ...]:
        """Rows of the disks; how many there are, and the domain's sums, of which each disk's last known one is part."""
        if disks is None:
            return (None,) + UNKNOWN_DISKS
        empty: Any
        more: int
        empty, more = (set(facts.empty), len(facts.vbds_elsewhere)) if facts is not None else ((), 0)
        disks = [disk for disk in disks if disk.counters is not None or disk.dev not in empty]
        if not disks and facts is not None and len(facts.vbds) > len(empty):
            # disks that are not there yet, or no more
            return (len(facts.vbds) - len(empty) + more,) + UNKNOWN_DISKS
        names: Set[str] = set()
        for kind, dev, counters, served, identity in disks:
            if counters is None:
                names.add(life.notes.get(dev, ""))
                continue
            name = series_name(dev, facts, life, self._by_number)
            names.add(name)
            oo = counters[0]
            values = life.vbds.update(name, counters[1:] + (oo or 0,), now_ns, identity)
            if oo is None:
                values = values[:4] + (None,)
            else:
                life.notes["oo"] = True
            times = UNTIMED if served is None else life.served.update(name, tuple(served), now_ns, identity) + (None,)
            table.append((life.who, (name, kind), values + times))
        life.vbds.listed(names)
        life.served.listed(names)
        if more or disks and not life.vbds.known:
            return (len(disks) + more,) + UNKNOWN_DISKS
        total = life.vbds.total(5)
        return (len(disks), total[4] if "oo" in life.notes or not life.vbds.known else None) + total[:4]

    def _busy(self, sample: DirectSample) -> List[Row]:
        """What is not idle time since Xen's start is busy time; Xen counts both in its own clock."""
        rows: List[Row] = []
        last, self._pcpus = self._pcpus, {}
        for pcpu, idle_ns in enumerate(sample.idle_ns):
            if not sample.xen_ns or not idle_ns:
                continue        # offline
            before = last.get(pcpu)
            busy = max(sample.xen_ns - idle_ns, 0 if before is None else before[1])
            ppm = None
            if before is not None and sample.xen_ns > before[0]:
                ppm = min((busy - before[1]) * 1000000 // (sample.xen_ns - before[0]), 1000000)
            self._pcpus[pcpu] = (sample.xen_ns, busy)
            rows.append((None, (str(pcpu),), (busy, ppm)))
        return rows


def _added(one: Tuple[Optional[int], ...], other: Tuple[Optional[int], ...]) -> Tuple[Optional[int], ...]:
    return tuple([None if None in pair else sum(pair) for pair in zip(one, other)])     # type: ignore[arg-type]


def _share(pages: Optional[int], total: Optional[int]) -> Optional[int]:
    return pages * 1000000 // total if total and pages is not None else None


def _figures(member: Any, host: Any, cpu_time: Optional[int], vcpus: Optional[int],
             cpu_ppm: Optional[int]) -> Tuple[Optional[int], ...]:
    """A domain's figures up to those of its devices."""
    info, facts, total = member.info, member.facts, host.total_pages
    limit = None if info.max_pages is None or info.max_pages >= NO_LIMIT else info.max_pages
    return (1, member.domid, None if facts is None else facts.start_time_ns, cpu_time, cpu_ppm, vcpus,
            in_bytes(info.tot_pages), _share(info.tot_pages, total), in_bytes(limit), _share(limit, total),
            ) + (_NO_STATE if info.flags is None else _STATES_OF[info.flags]) + (info.ssidref,)
