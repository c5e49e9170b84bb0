"""The figures of xentop without xentop: from the hypervisor, from dom0's /proc and /sys, and names from xenstore.

Exact where xentop's text is not: CPU times in ns, every domain once, vifs on any network, disks by their own numbers. One
reading takes a hypercall per vCPU, three for the host and one per thousand domains, and one connection to each QEMU that
serves disks itself.
"""
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Set, Tuple

from xenmeter.core.clock import now_ns
from xenmeter.core.errors import BadInput, DomainGone, SourceError
from xenmeter.core.identity import Life, Lives
from xenmeter.core.reading import Reading, Row
from xenmeter.xen import structs
from xenmeter.xen.backends import Disk, Vif, Vifs, read_disks, unseen_vifs
from xenmeter.xen.hypervisor import Hypervisor
from xenmeter.xen.names import LiveNames
from xenmeter.xen.netdev import NO_VIFS
from xenmeter.xen.polling import Polled
from xenmeter.xen.privcmd import PAGE_SIZE
from xenmeter.xen.qdisks import Qdisks, merged, unlike
from xenmeter.xen.qmp import Told
from xenmeter.xen.roster import Member, Roster
from xenmeter.xen.vbdnames import series_name
from xenmeter.xen.whoami import NOT_DOM0, is_dom0
from xenmeter.xentop.text.collector import STATES, domain_labels

__all__ = ("DirectDomain", "DirectSample", "LiveDirect", "DirectCollector", "NO_LIMIT", "UNKNOWN_DISKS", "letters",
           "vcpus_of")


class DirectDomain(NamedTuple):
    member: Member    # its record by the hypervisor, UUID, name and xenstore's facts
    vcpu_ns: List[Tuple[int, int]]    # running time of each online vCPU, ns, up to now
    vifs: Optional[List[Vif]]    # None: /proc/net/dev could not be read
    disks: Optional[List[Disk]]    # None: sysfs could not be read


class DirectSample(NamedTuple):
    time_ns: int
    xen_ns: int    # Xen's system time at about the same moment: what its counters count in
    domains: List[DirectDomain]
    host: Any    # struct xen_sysctl_physinfo
    idle_ns: List[int]    # of each pCPU by its id; 0 for one that is offline; none where we are not dom0
    left_out: Dict[str, int]
    trouble: Optional[str]
    notices: Tuple[str, ...] = ()    # what else to say of it in the log, one line each


class LiveDirect(Polled):
    """Samples of this host.

    :param interval: seconds between readings.
    :param names: xenstore's word on the domains; :param connect: opens the hypervisor; :param vifs: an
        ``xen.backends.Vifs``; :param disks: ``xen.backends.read_disks``; :param qdisks: a ``xen.qdisks.Qdisks`` (all
        five: tests).
    """

    def __init__(self, interval: float, names: Any = None, connect: Callable[[], Any] = Hypervisor, vifs: Optional[Vifs] = None,
                 disks: Callable[[], Dict[int, List[Disk]]] = read_disks, qdisks: Any = None) -> None:
        devices = vifs if vifs is not None else Vifs()
        roster = Roster(names if names is not None else LiveNames(for_good=False))
        qemus = qdisks if qdisks is not None else Qdisks()
        self._session = lambda: _Session(roster, connect(), devices, disks, qemus)
        super().__init__(interval, self._session)

    def once(self) -> Tuple[DirectSample, int]:
        """One sample, and the hypercalls that a later one takes: the first also finds out the interfaces' versions."""
        session = self._session()
        try:
            session.read()
            before = session.hypercalls
            return session.read(), session.hypercalls - before
        finally:
            session.close()


class _Session:
    """One connection to the hypervisor."""

    def __init__(self, roster: Roster, xen: Hypervisor, vifs: Vifs, disks: Callable[[], Dict[int, List[Disk]]],
                 qdisks: Qdisks) -> None:
        self._roster = roster
        self._told: Dict[str, int] = dict(roster.errors)
        self._xen = xen
        self._vifs = vifs
        self._disks = disks
        self._qdisks = qdisks
        self._is_dom0: Optional[bool] = None
        self._asked: Set[Tuple[int, Any]] = set()  # devices for which xenstore was asked again

    @property
    def hypercalls(self) -> int:
        return self._xen.hypercalls

    def read(self) -> DirectSample:
        xen = self._xen
        stamp = now_ns()
        host = xen.host()
        if self._is_dom0 is None:
            self._is_dom0 = is_dom0(xen) is not False
        idle_ns = xen.idle_ns(host) if self._is_dom0 else []    # of Xen's own clock, of which only domain 0 is as old
        own = xen.own_runstate(0)       # its times add up to its age in that clock
        infos = xen.domains()
        members = self._roster.members(infos)
        left_out: Dict[str, int]
        trouble: Optional[str]
        left_out, trouble = {}, self._roster.trouble
        for kind, number in self._roster.errors.items():
            if number > self._told.get(kind, 0):
                left_out[kind] = number - self._told.get(kind, 0)
        self._told = dict(self._roster.errors)
        times = self._vcpu_times(members)       # now: what comes may wait a moment for a QEMU
        vifs: Optional[Dict[int, List[Any]]]
        disks: Optional[Dict[int, List[Any]]]
        vifs, disks = None, None
        try:
            vifs = self._vifs.read()
        except (SourceError, BadInput) as error:
            left_out["no_vifs"], trouble = 1, str(error)
        try:
            disks = self._disks()
        except SourceError as error:
            left_out["no_disks"], trouble = 1, str(error)
        told = self._qdisks.read([member.domid for member in members if member.facts is not None and member.facts.qdisks
                                  and not member.info.flags & structs.DYING])      # its QEMU may be gone before it is
        if self._qdisks.failures:
            trouble = trouble or self._qdisks.failures[min(self._qdisks.failures)]
            if self._qdisks.failed:
                left_out["no_qdisks"] = self._qdisks.failed
        new = self._new_devices(members, vifs, disks or {}, told)
        if new:     # series of disks must begin under their names, not their numbers
            members = self._roster.again(infos, new)
            times.update(self._vcpu_times([member for member in members if member.domid not in times]))
        domains = [DirectDomain(member, times[member.domid], None if vifs is None else vifs.get(member.domid, []),
                                None if disks is None else
                                merged(disks.get(member.domid, []), member.facts, told.get(member.domid)))
                   for member in members if member.domid in times]
        notices = list(self._roster.notices)
        if not self._is_dom0:
            notices.append(NOT_DOM0)
        if vifs == {} and any(member.facts.vifs for member in members if member.facts is not None):
            notices.append(NO_VIFS)
        return DirectSample(stamp, own.running + own.runnable + own.blocked + own.offline if own else 0, domains, host,
                            idle_ns, left_out, trouble, tuple(notices))

    def _new_devices(self, members: List[Member], vifs: Optional[Dict[int, List[Vif]]], disks: Dict[int, List[Disk]],
                     told: Dict[int, Dict[str, Told]]) -> Set[int]:
        """Domids whose devices are not those that xenstore's facts name; each such device counts once."""
        new: Set[Tuple[int, Any]] = set()
        for domid, facts in [(member.domid, member.facts) for member in members if member.facts is not None]:
            new.update([(domid, disk.dev) for disk in disks.get(domid, ()) if disk.dev not in facts.vbds
                        or disk.counters is not None and disk.dev in facts.empty])
            if domid in told:
                new.update([(domid, name) for name in unlike(facts, told[domid])])
            if vifs is not None and facts.vifs:
                new.update([(domid, "vif%d" % devid) for devid in unseen_vifs(facts, vifs.get(domid, []))])
        found = {domid for domid, _ in new - self._asked}
        self._asked = new
        return found

    def _vcpu_times(self, members: List[Member]) -> Dict[int, List[Tuple[int, int]]]:
        """Running time of the online vCPUs of each domain that still lives, by domid."""
        times = {}
        for member in members:
            last = member.info.max_vcpu_id
            vcpu_ns = []
            try:
                for vcpu in range(0 if last == structs.NO_VCPU else last + 1):
                    found = self._xen.vcpu(member.domid, vcpu)
                    if found is not None and found.online:
                        vcpu_ns.append((vcpu, found.cpu_time))
            except DomainGone:
                continue
            times[member.domid] = vcpu_ns
        return times

    def close(self) -> None:
        self._xen.close()


#: In ``max_pages`` of a domain that has no limit (libxenstat takes it so, too).
NO_LIMIT = 0xffffffff
#: The letter of each state as xentop prints it, by the flag's bit; a crash is a shutdown of one reason.
_LETTERS = ((structs.DYING, "d"), (structs.SHUTDOWN, "s"), (1 << 4, "b"), (0, "c"), (structs.PAUSED, "p"), (1 << 5, "r"))
_CRASH = 3
UNKNOWN_DISKS: Tuple[Optional[int], ...] = (None,) * 5
_NO_STATE: Tuple[Optional[int], ...] = (None,) * len(STATES[b"------"])


class DirectCollector:
    """DirectSamples to readings with the tables of ``xentop.collector``.

    :param wanted: ``wanted(name, uuid, domid)`` says whether a domain is published.
    :param by_number: call disks by their number where xenstore has no name for them (xen.vbdnames).
    :ivar trouble: why the last reading lacks something, in one line; None where it lacks nothing.
    :ivar notices: what else to say of it in the log, one line each.
    :ivar errors: kind -> how often: ``no_names``, ``unnamed``, ``same_uuid``, ``no_vifs``, ``no_disks``,
        ``unseen_devices``, and ``no_qdisks``, once per QEMU that was asked in vain; and those of core.counters.
    """

    def __init__(self, wanted: Optional[Callable[[str, Optional[str], Optional[int]], bool]] = None,
                 by_number: bool = False) -> None:
        self.errors: Dict[str, int] = {}
        self.trouble: Optional[str] = None
        self.notices: List[str] = []
        self._wanted = wanted
        self._by_number = by_number
        self._lives = Lives(self.errors)
        self._pcpus: Dict[int, Tuple[int, int]] = {}  # (Xen's time, busy time) of the last reading

    def use(self, bases: Any) -> None:
        """Keep devices' counters over a restart, in a core.bases.Bases."""
        self._lives.restore = bases.of("direct")

    @property
    def kept(self) -> Tuple[Lives, str]:
        """The lives whose counters are kept, and the source that they are of."""
        return self._lives, "direct"

    def collect(self, sample: DirectSample) -> Reading:
        for kind, number in sample.left_out.items():
            self.errors[kind] = self.errors.get(kind, 0) + number
        self.trouble, self.notices = sample.trouble, list(sample.notices)
        tables: Dict[str, List[Row]] = {"domain": [], "domain_vcpu": [], "vif": [], "vbd": [], "host": [],
                  "pcpu": self._busy(sample)}
        self._lives.begin()
        for domain in sample.domains:
            self._domain(domain, sample, tables)
        self._lives.end(complete="no_names" not in sample.left_out)
        host = sample.host
        tables["host"].append((None, ("direct",), (1, len(sample.domains), _bytes(host.total_pages), _bytes(host.free_pages),
                                                   host.nr_cpus)))
        return Reading(sample.time_ns, tables)

    def _domain(self, domain: DirectDomain, sample: DirectSample, tables: Dict[str, List[Row]]) -> None:
        member, info, host = domain.member, domain.member.info, sample.host
        vcpus = vcpus_of(info)
        key: Any = member.uuid if member.uuid is not None else (member.domid, member.name)
        life = self._lives.see(key, member.name, member.uuid, member.domid, member.shared, info.cpu_time or 0,
                               dict(domain.vcpu_ns), vcpus or 0)
        before, life.notes["cpu"] = life.notes.get("cpu"), (sample.xen_ns, info.cpu_time)
        if self._wanted is not None and not self._wanted(member.name, member.uuid, member.domid):
            return
        who, facts = life.who, member.facts
        cpu_ppm = None
        if (before is not None and not life.fresh and sample.xen_ns > before[0] and
                None not in (info.cpu_time, before[1], vcpus)):
            cpu_ppm = min((info.cpu_time - before[1]) * 1000000 // (sample.xen_ns - before[0]), vcpus * 1000000)
        limit = None if info.max_pages is None or info.max_pages >= NO_LIMIT else info.max_pages
        network = self._networks(life, domain.vifs, facts, sample.time_ns, tables["vif"])
        disks = self._disks(life, domain.disks, facts, sample.time_ns, tables["vbd"])
        tables["domain"].append((who, domain_labels(member.domid, facts), (
            1, member.domid, None if facts is None else facts.start_time_ns, info.cpu_time, cpu_ppm, vcpus,
            _bytes(info.tot_pages), _share(info.tot_pages, host.total_pages), _bytes(limit), _share(limit, host.total_pages),
        ) + (_NO_STATE if info.flags is None else STATES[letters(info.flags)]) + (info.ssidref,) + network + disks))
        for vcpu, time_ns in domain.vcpu_ns:
            tables["domain_vcpu"].append((who, (str(vcpu),), (time_ns,)))

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
            times = UNKNOWN_DISKS if served is None else life.served.update(
                name, tuple(served), now_ns, identity)
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


def vcpus_of(info: Any) -> Optional[int]:
    """How many vCPUs a domain has, by its record; None where that does not say."""
    if info.max_vcpu_id is None:
        return None
    return 0 if info.max_vcpu_id == structs.NO_VCPU else info.max_vcpu_id + 1


def _bytes(pages: Optional[int]) -> Optional[int]:
    return None if pages is None else pages * PAGE_SIZE


def _added(one: Tuple[Optional[int], ...], other: Tuple[Optional[int], ...]) -> Tuple[Optional[int], ...]:
    return tuple([None if None in pair else sum(pair) for pair in zip(one, other)])     # type: ignore


def _share(pages: Optional[int], total: Optional[int]) -> Optional[int]:
    return pages * 1000000 // total if total and pages is not None else None


def letters(flags: int) -> bytes:
    """The states as xentop's six letters."""
    crashed = flags & structs.SHUTDOWN and structs.shutdown_code(flags) == _CRASH
    if crashed:
        flags &= ~structs.SHUTDOWN
    return "".join([letter if flags & bit or (letter == "c" and crashed) else "-" for bit, letter in _LETTERS]).encode()
