"""The short way from what is said of a domain to its figures, where nothing but these has changed: for nearly all domains.

What goes with the figures - labels, the devices and their counters - is kept as the life's plan by the collector, when it has
gone its own way. The plan holds while the domain's facts, vCPUs and devices are as they were; a domain of which anything else is
said goes the collector's way again, with nothing done yet. The figures are the same on both ways, and rows whose figures have not
changed are the same objects again: publishers are quick about those. planned.c goes it for many domains at once.
"""
from typing import List, Optional, Tuple

from xenmeter.core.identity import Life
from xenmeter.core.reading import Row
from xenmeter.xen.backends import Vif
from xenmeter.xen.blkback import Disk
from xenmeter.xentop.devices import Device, Kind, shown
from xenmeter.xentop.figures import UNTIMED
from xenmeter.xentop.samples import DirectDomain

__all__ = ("Plan", "plan_of", "is_planned", "vcpu_rows", "networks", "requests")

#: A vif, from dom0's side to the guest's, and a disk.
_VIF = Kind((4, 5, 6, 7, 0, 1, 2, 3), figures=2, identity=3)
_DISK = Kind((1, 2, 3, 4, 0), figures=2, identity=4, unknown=UNTIMED)

Figures = Tuple[Optional[int], ...]


class Plan:
    """How a domain's rows are made.

    :ivar facts: xenstore's, by which names were chosen; :ivar labels: the domain's own.
    :ivar vifs: their device ids; :ivar disks: (type, device number) of each.
    :ivar row: the domain's newest.
    """

    __slots__ = ("facts", "labels", "times", "vcpu_rows", "vifs", "vif_devices", "disks", "disk_devices", "network", "requested",
                 "row")

    def __init__(self, life: Life, domain: DirectDomain, vifs: List[Row], disks: List[Row], row: Row) -> None:
        self.facts = domain.member.facts
        self.labels = row[1]
        self.times = list(life.vcpu.items())
        self.vcpu_rows: List[Row] = [(life.who, (str(vcpu),), (time_ns,)) for vcpu, time_ns in self.times]
        self.vifs = [vif.devid for vif in domain.vifs or ()]
        self.vif_devices = [Device(life.vifs, vif) for vif in vifs]
        self.disks = [disk[:2] for disk in domain.disks or ()]
        self.disk_devices = [Device(life.vbds, disk) for disk in disks]
        self.network: Figures = ()
        self.requested: Figures = ()
        self.row = row


def plan_of(life: Life, domain: DirectDomain, vifs: List[Row], disks: List[Row], row: Row) -> Optional[Plan]:
    """The plan by which the collector has made these rows; None where one of the domain's devices is not plainly told."""
    if domain.vifs is None or domain.disks is None or domain.member.info.flags is None or domain.member.info.cpu_time is None:
        return None
    facts = domain.member.facts
    if facts is not None and (facts.vifs_elsewhere or facts.vbds_elsewhere or facts.empty
                              or len(facts.vifs) > len(vifs) or len(facts.vbds) > len(disks)):
        return None
    if (len(vifs) != len(domain.vifs) or len(disks) != len(domain.disks) or any([vif.emulated for vif in domain.vifs])
            or not all(map(_is_plain, domain.disks)) or len({disk[1][0] for disk in disks}) < len(disks)):
        return None
    plan = Plan(life, domain, vifs, disks, row)
    plan.network, plan.requested = row[2][-9:-6], row[2][-6:]
    return plan


def _is_plain(disk: Disk) -> bool:
    """Whether it is blkback's, and can be read."""
    return disk.served is None and disk.counters is not None and disk.counters[0] is not None


def is_planned(life: Life, domain: DirectDomain, vcpus: int) -> bool:
    """Whether all is as the life's plan says but the figures, which go on. The caller has seen to it that the domain is called as
    it was, and was there in the last reading."""
    plan: Optional[Plan] = life.plan
    vifs, disks, times, cpu_time = domain.vifs, domain.disks, domain.vcpu_ns, domain.member.info.cpu_time
    if (plan is None or vifs is None or disks is None or cpu_time is None or cpu_time < life.cpu
            or vcpus != life.vcpus or len(times) != len(plan.times) or len(vifs) != len(plan.vifs)
            or len(disks) != len(plan.disks)):
        return False
    for (devid, emulated, _, _), as_before in zip(vifs, plan.vifs):
        if devid != as_before or emulated:
            return False
    for (kind, dev, counters, served, _), (same_kind, same_dev) in zip(disks, plan.disks):
        if dev != same_dev or kind != same_kind or counters is None or counters[0] is None or served is not None:
            return False
    for (vcpu, time_ns), (same, before) in zip(times, plan.times):
        if vcpu != same or time_ns < before:
            return False
    facts = domain.member.facts
    if plan.facts is not facts:
        if plan.facts != facts:
            return False
        plan.facts = facts
    return True


def vcpu_rows(life: Life, times: List[Tuple[int, int]]) -> List[Row]:
    """The vCPUs' rows."""
    plan: Plan = life.plan
    if times != plan.times:
        who = life.who
        plan.vcpu_rows = [row if row[2][0] == time_ns else (who, row[1], (time_ns,))
                          for row, (_, time_ns) in zip(plan.vcpu_rows, times)]
        plan.times = times
    return plan.vcpu_rows


def networks(life: Life, vifs: List[Vif], now_ns: int, table: List[Row]) -> Figures:
    """The vifs' rows; how many there are, and the domain's received and sent bytes."""
    plan: Plan = life.plan
    values = shown(life, plan.vif_devices, vifs, _VIF, now_ns, table)
    if values is not None:
        plan.network = (len(vifs),) + (values if len(life.vifs.known) == 1 else life.vifs.total(8))[0:5:4]
    return plan.network


def requests(life: Life, disks: List[Disk], now_ns: int, table: List[Row]) -> Figures:
    """The disks' rows; how many there are, and the domain's sums."""
    plan: Plan = life.plan
    values = shown(life, plan.disk_devices, disks, _DISK, now_ns, table)
    if values is not None:
        total = values if len(life.vbds.known) == 1 else life.vbds.total(5)
        plan.requested = (len(disks), total[4]) + total[:4]
    return plan.requested
