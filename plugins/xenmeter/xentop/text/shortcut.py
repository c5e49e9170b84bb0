"""The short way from a row to figures, for a domain of which nothing but its figures has changed: nearly all of them.

What goes with a domain's figures - labels, the names of its devices and their counters - is worked out by the collector, and
kept here as the life's plan. It holds while the domain's facts, its devices and their order are as they were; a row that is
not as the plan says goes the collector's way again, with nothing done yet. The figures are the same on both ways.
planned.c goes it for many domains at once.
"""
from typing import Any, Dict, List, Optional, Sequence, Tuple

from xenmeter.core.identity import Life
from xenmeter.core.reading import Row
from xenmeter.xentop.devices import Device, Kind, shown
from xenmeter.xentop.figures import CATALOGUE, UNTIMED
from xenmeter.xentop.text.records import SECTOR, Columns, DomainRow, Net, Vbd
from xenmeter.xentop.text.units import disk_totals, domain_figures, sent

__all__ = ("Plan", "as_planned", "plan_of")

_PLACE = CATALOGUE.entities["domain"].keys().index
#: Places of the numbers of devices among a domain's figures, of those that begin them, and of its devices' sums.
_VIFS, _VBDS, _BEGIN = _PLACE("vifs"), _PLACE("vbds"), _PLACE("cpu_time_ns")
_NETWORK, _REQUESTED = slice(_VIFS + 1, _VBDS), slice(_VBDS + 1, None)

#: The lines of a vif, from dom0's side to the guest's, and of a disk.
_NET = Kind((5, 6, 7, 8, 1, 2, 3, 4))
_VBD = Kind((3, 4, 5, 6, 2), (1, 1, SECTOR, SECTOR, 1), unknown=UNTIMED)

Tables = Dict[str, List[Row]]
Values = Tuple[Optional[int], ...]


class Plan:
    """How a domain's rows are made.

    :ivar facts: xenstore's, by which the names were chosen.
    :ivar listed: the names of its vifs that dom0's kernel listed, None where that is not known.
    """

    __slots__ = ("facts", "listed", "row", "times", "vcpus", "vifs", "vbds", "disks", "columns", "state",
                 "begin", "network", "requested")

    def __init__(self, life: Life, row: DomainRow, facts: Any, listed: Optional[Sequence[str]], domain: Row,
                 vcpus: List[Row], vifs: List[Row], vbds: List[Row]) -> None:
        self.facts = facts
        self.listed = listed
        self.row = domain
        self.columns: Optional[Columns] = None   # of that row, where it may stand again
        self.state = row.state
        self.begin = domain[2][:_BEGIN]
        self.network: Values = domain[2][_NETWORK]
        self.requested: Values = domain[2][_REQUESTED]
        self.times = row.vcpu_seconds
        self.vcpus = vcpus
        self.vifs = [Device(life.vifs, vif) for vif in vifs]
        self.vbds = [Device(life.vbds, vbd) for vbd in vbds]
        self.disks = [line[:2] for line in row.vbds]


def plan_of(life: Life, row: DomainRow, facts: Any, listed: Optional[Sequence[str]], domain: Row, vcpus: List[Row],
            vifs: List[Row], vbds: List[Row]) -> Optional[Plan]:
    """The plan by which the collector has made these rows; None where one of the domain's devices was not plainly told."""
    columns = row.columns
    if ((domain[2][_VIFS], domain[2][_VBDS]) != (columns.nets, columns.vbds)
            or len({labels[0] for _, labels, _ in vifs}) != columns.nets
            or len({labels[0] for _, labels, _ in vbds}) != columns.vbds
            or len(vcpus) != len(row.vcpu_seconds or ()) or None in [columns.vbd_rsect] + [line.rsect for line in row.vbds]):
        return None
    return Plan(life, row, facts, listed, domain, vcpus, vifs, vbds)


def as_planned(life: Life, row: DomainRow, facts: Any, listed: Optional[Sequence[str]], first: bool, now_ns: int,
               tables: Tables) -> bool:
    """Whether the row is as the life's plan says; then its figures are in the tables, and the life has been seen.

    The caller has seen to it that the domain is called as it was, and was there in the last reading.
    """
    plan: Plan = life.plan
    columns, networks, vbds = row.columns, row.networks, row.vbds
    if (plan.facts is not facts or plan.listed != listed or columns[0] < life.cpu or columns[6] != life.vcpus
            or not columns[7] == len(networks) == len(plan.vifs) or not columns[10] == len(vbds) == len(plan.vbds)
            or columns[12] is None or columns[14] is None or networks and sent(networks) >> 10 != columns[8]):
        return False
    for line, disk in zip(vbds, plan.disks):
        if line[:2] != disk or line[3] is None or line[5] is None:
            return False
    # the last question: who says yes to it has begun with the figures
    if row.vcpu_seconds != plan.times and not _run_on(life, plan, row.vcpu_seconds):
        return False
    tables["domain_vcpu"].extend(plan.vcpus)
    changed = _networks(life, plan, networks, now_ns, tables["vif"])
    changed = _disks(life, plan, vbds, now_ns, tables["vbd"]) or changed
    if changed or first or columns != plan.columns or row.state != plan.state:
        permille, vcpus = columns[1], columns[6]
        cpu_ppm = None if first or permille is None or permille > 1050 * vcpus else permille * 1000
        plan.row = (life.who, plan.row[1], domain_figures(
            plan.begin, row, cpu_ppm, columns[7], plan.network, columns[10], plan.requested))
        plan.columns, plan.state = None if first else columns, row.state
        life.cpu, life.devices = columns[0], columns
    tables["domain"].append(plan.row)
    life.fresh = False
    return True


def _run_on(life: Life, plan: Plan, times: Optional[List[Tuple[int, int]]]) -> bool:
    """Whether the same vCPUs have run on; their rows are made then."""
    last = plan.times
    if not times or not last or len(times) != len(last):
        return False
    for (vcpu, seconds), (same, before) in zip(times, last):
        if vcpu != same or seconds < before:
            return False
    plan.times = times
    life.vcpu = dict(times)
    who = life.who
    plan.vcpus = [(who, row[1], (seconds * 1000000000,)) for row, (_, seconds) in zip(plan.vcpus, times)]
    return True


def _networks(life: Life, plan: Plan, lines: List[Net], now_ns: int, table: List[Row]) -> bool:
    """The vifs' rows; whether there is another figure in them."""
    values = shown(life, plan.vifs, lines, _NET, now_ns, table)
    if values is None:
        return False
    plan.network = (values if len(life.vifs.known) == 1 else life.vifs.total(8))[0:5:4]
    return True


def _disks(life: Life, plan: Plan, lines: List[Vbd], now_ns: int, table: List[Row]) -> bool:
    """The vbds' rows; whether there is another figure in them."""
    values = shown(life, plan.vbds, lines, _VBD, now_ns, table)
    if values is None:
        return False
    plan.requested = disk_totals(values if len(life.vbds.known) == 1 else life.vbds.total(5))
    return True
