"""The figures of xentop without xentop: from the hypervisor, from dom0's /proc and /sys, and names from xenstore.

Exact where xentop's text is not: CPU times in ns, every domain once, vifs on any network, disks by their own numbers. One
reading takes a hypercall per thousand vCPUs (one per vCPU where Xen takes no multicall), three for the host and one per thousand
domains, and one connection to each QEMU that serves disks itself; what changes rarely (xen.scheduling) some more now and then.
"""
from typing import Any, Callable, Collection, Dict, List, Optional, Set, Tuple

from xenmeter.core.clock import now_ns
from xenmeter.core.errors import BadInput, SourceError
from xenmeter.xen import structs
from xenmeter.xen.backends import Vif, Vifs, unseen_vifs
from xenmeter.xen.blkback import Disk, Disks
from xenmeter.xen.hypervisor import Hypervisor
from xenmeter.xen.names import LiveNames
from xenmeter.xen.netdev import NO_VIFS
from xenmeter.xen.polling import Polled
from xenmeter.xen.qdisks import Qdisks, merged, unlike
from xenmeter.xen.qmp import DiskCounters
from xenmeter.xen.roster import Member, Roster
from xenmeter.xen.vcpus import Vcpus, price
from xenmeter.xen.whoami import NOT_DOM0, is_dom0
from xenmeter.xentop.direct.extras import Around, Extras
from xenmeter.xentop.direct.info import vcpus_of
from xenmeter.xentop.direct.inside import INSIDE, Asked
from xenmeter.xentop.samples import DirectDomain, DirectSample

__all__ = ("LiveDirect", "EXTRAS")

#: Groups of figures beside xentop's own, which cost something to read.
EXTRAS = ("disk", "sched", "dom0")

_NOTHING: Dict[Any, Any] = {}
_record = tuple.__new__     # a named tuple's own constructor costs twice as much


class LiveDirect(Polled):
    """Samples of this host.

    :param interval: seconds between readings.
    :param names: xenstore's word on the domains; :param connect: opens the hypervisor; :param vifs: an
        ``xen.backends.Vifs``; :param disks: a ``xen.blkback.Disks``; :param qdisks: a ``xen.qdisks.Qdisks`` (all
        five: tests).
    :param groups: those that are wanted; of what is not xentop's (xentop.direct.inside, EXTRAS) only these are asked for.
    :param around: where dom0 is read beside that (tests).
    """

    def __init__(self, interval: float, names: Any = None, connect: Callable[[], Any] = Hypervisor, vifs: Optional[Vifs] = None,
                 disks: Optional[Disks] = None, qdisks: Any = None, groups: Collection[str] = INSIDE + EXTRAS,
                 around: Optional[Around] = None) -> None:
        devices = vifs if vifs is not None else Vifs()
        roster = Roster(names if names is not None else LiveNames(for_good=False))
        blkback = disks if disks is not None else Disks()
        qemus = qdisks if qdisks is not None else Qdisks()
        beside = around if around is not None else Around.of_this_host()

        def session() -> _Session:
            xen = connect()
            return _Session(roster, xen, devices, blkback, qemus, groups, Extras(xen, beside, groups))
        self._session = session
        super().__init__(interval, self._session)

    def once(self) -> Tuple[DirectSample, int, str]:
        """One sample, the hypercalls that a later one takes (the first also finds out the interfaces' versions), and what each of
        its vCPUs costs of them."""
        session = self._session()
        try:
            session.read()
            before = session.hypercalls
            return session.read(), session.hypercalls - before, session.price
        finally:
            session.close()


class _Session:
    """One connection to the hypervisor."""

    def __init__(self, roster: Roster, xen: Hypervisor, vifs: Vifs, disks: Disks, qdisks: Qdisks, groups: Collection[str],
                 extras: Extras) -> None:
        self._roster = roster
        self._told: Dict[str, int] = dict(roster.errors)
        self._xen = xen
        self._vcpus = Vcpus(xen)
        self._inside = Asked(xen, groups)
        self._vifs = vifs
        self._disks = disks
        self._qdisks = qdisks
        self._extras = extras
        self._is_dom0: Optional[bool] = None
        self._asked: Set[Tuple[int, Any]] = set()  # devices for which xenstore was asked again
        self._compared: Any = None      # what they were found by; None: it may be others at any time

    @property
    def hypercalls(self) -> int:
        return self._xen.hypercalls

    @property
    def price(self) -> str:
        return price(self._xen)

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
        inside = self._inside.read(infos, host)
        times = self._vcpu_times(members)       # now: what comes may wait a moment for a QEMU
        counts = self._vcpus.counts
        vifs: Optional[Dict[int, List[Any]]]
        disks: Optional[Dict[int, List[Any]]]
        vifs, disks = None, None
        try:
            vifs = self._vifs.read()
        except (SourceError, BadInput) as error:
            left_out["no_vifs"], trouble = 1, str(error)
        try:
            disks = self._disks.read()
        except SourceError as error:
            left_out["no_disks"], trouble = 1, str(error)
        told = self._qdisks.read([member.domid for member in members if member.facts is not None and member.facts.qdisks
                                  and not member.info.flags & structs.DYING])      # its QEMU may be gone before it is
        if self._qdisks.failures:
            trouble = trouble or self._qdisks.failures[min(self._qdisks.failures)]
            if self._qdisks.failed:
                left_out["no_qdisks"] = self._qdisks.failed
        new = self._new_devices(members, vifs, disks, told)
        if new:     # series of disks must begin under their names, not their numbers
            members = self._roster.again(infos, new)
            come = [member for member in members if member.domid not in times]
            times.update(self._vcpu_times(come) if come else {})
        extras = self._extras.read(members, host, self._disks, disks or {})
        domains = [_record(DirectDomain, (
            member, times[member.domid], None if vifs is None else vifs.get(member.domid, []),
            None if disks is None else merged(disks.get(member.domid, []), member.facts, told.get(member.domid)),
            extras.backing.get(member.domid, _NOTHING), extras.terms.get(member.domid),
            extras.spent.get(member.domid, _NOTHING)))
                   for member in members if member.domid in times]
        notices = list(self._roster.notices)
        if not self._is_dom0:
            notices.append(NOT_DOM0)
        if vifs == {} and any(member.facts.vifs for member in members if member.facts is not None):
            notices.append(NO_VIFS)
        return DirectSample(stamp, own.running + own.runnable + own.blocked + own.offline if own else 0, domains, host,
                            idle_ns, left_out, trouble, tuple(notices), inside, counts, extras.dom0)

    def _new_devices(self, members: List[Member], vifs: Optional[Dict[int, List[Vif]]], disks: Optional[Dict[int, List[Disk]]],
                     told: Dict[int, Dict[str, DiskCounters]]) -> Set[int]:
        """Domids whose devices are not those that xenstore's facts name; each such device counts once."""
        same = (self._roster.asked, self._vifs.arranged, self._disks.arranged, vifs is None, disks is None)
        if same == self._compared and not told:
            return set()
        new: Set[Tuple[int, Any]] = set()
        for domid, facts in [(member.domid, member.facts) for member in members if member.facts is not None]:
            new.update([(domid, disk.dev) for disk in (disks or {}).get(domid, ()) if disk.dev not in facts.vbds
                        or disk.counters is not None and disk.dev in facts.empty])
            if domid in told:
                new.update([(domid, name) for name in unlike(facts, told[domid])])
            if vifs is not None and facts.vifs:
                new.update([(domid, "vif%d" % devid) for devid in unseen_vifs(facts, vifs.get(domid, []))])
        found = {domid for domid, _ in new - self._asked}
        self._asked = new
        # whether a drive is empty is not told by its being there
        drives = [member.facts.empty for member in members if member.facts is not None]
        self._compared = None if told or self._roster.notices or any(drives) else same
        return found

    def _vcpu_times(self, members: List[Member]) -> Dict[int, List[Tuple[int, int]]]:
        """Running time of the online vCPUs of each domain that still lives, by domid."""
        wanted = [(member.domid, vcpus_of(member.info) or 0) for member in members]
        told = self._vcpus.ask(wanted)
        each: List[Any] = list(zip(self._vcpus.numbers, told.cpu_time))
        all_online = all(told.online)
        times, at = {}, 0
        for domid, number in wanted:
            if domid not in told.gone:
                part = each[at:at + number]
                times[domid] = part if all_online else [
                    one for one, online in zip(part, told.online[at:at + number]) if online and one[1] is not None]
            at += number
        return times

    def close(self) -> None:
        self._extras.close()
        self._disks.close()
        self._inside.close()
        self._xen.close()
