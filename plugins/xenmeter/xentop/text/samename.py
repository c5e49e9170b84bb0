"""Rows of one name: which of them are libxenstat's second copies, and which domain each of the others is."""
import itertools
from typing import Any, List, Optional, Tuple

from xenmeter.core.identity import Lives
from xenmeter.xentop.text.records import Columns, DomainRow

__all__ = ("by_evidence", "device_sums", "with_devices_first", "without_copies")

#: More rows or domains of one name are not tried: there are too many ways.
_MOST = 5

_DEVICE_SUMS = slice(Columns._fields.index("nets"), Columns._fields.index("vbd_wr") + 1)


def device_sums(columns: Tuple[Optional[int], ...]) -> Tuple[Optional[int], ...]:
    """What falls only when a device goes: numbers of vifs and vbds, network KiB, requests. (Sectors read are garbage in
    some Xen 4.13 to 4.15.)"""
    return columns[_DEVICE_SUMS]


def with_devices_first(group: List[DomainRow]) -> List[DomainRow]:
    return sorted(group, key=lambda row: -(row.columns.nets + row.columns.vbds))


def without_copies(group: List[DomainRow], surplus: int) -> List[DomainRow]:
    """The rows without second copies; all of them where more than ``surplus`` look like copies, for then some are none."""
    kept: List[DomainRow] = []
    for row in with_devices_first(group):
        if not any(_is_copy(row, other) for other in kept):
            kept.append(row)
    return kept if len(group) - len(kept) <= surplus else group


def _is_copy(row: DomainRow, other: DomainRow) -> bool:
    """Whether a row can be the second copy of another: libxenstat hangs vifs and vbds on the first one only, and reads the
    two within a second, so that their CPU times are nearly the same."""
    one, two = row.columns, other.columns
    return (one.nets == one.vbds == 0 and (one.vcpus, one.maxmem_kib, one.ssid) == (two.vcpus, two.maxmem_kib, two.ssid)
            and abs(one.cpu_seconds - two.cpu_seconds) <= one.vcpus)


def by_evidence(group: List[DomainRow], domains: List[Any], lives: Lives) -> Optional[List[Tuple[DomainRow, Any]]]:
    """The one best way in which rows of one name fit its domains, or None where there is none or more than one.

    Of two ways the one is better in which more lives go on; it counts half where a device's counters would have to fall.
    Rows whose figures are all equal may be exchanged without a difference. Where there are more rows than domains, or
    fewer, some are left.
    """
    if not len(group) <= _MOST >= len(domains):
        return None
    if len(group) <= len(domains):
        ways = (list(zip(group, order)) for order in itertools.permutations(domains, len(group)))
    else:
        ways = (list(zip(order, domains)) for order in itertools.permutations(group, len(domains)))
    best: Optional[List[Tuple[DomainRow, Any]]]
    most: int
    alone: bool
    best, most, alone = None, -1, True
    for pairs in ways:
        points = _points(pairs, lives)
        if points > most:
            best, most, alone = pairs, points, True
        elif points == most and best is not None:
            alone = alone and _same(best, pairs)
    return best if alone else None


def _points(pairs: List[Tuple[DomainRow, Any]], lives: Lives) -> int:
    """How well rows fit domains; -1 where one cannot be its domain."""
    points = 0
    for row, facts in pairs:
        fits = _fits(row, facts, lives)
        if fits < 0:
            return -1
        points += fits
    return points


def _fits(row: DomainRow, facts: Any, lives: Lives) -> int:
    """2: the domain's life can go on so; 1: if it lost a device; 0: no life is known; -1: the row is not this domain."""
    if facts.uuid is None:
        return 0
    columns = row.columns
    if columns.nets and not facts.vifs or columns.vbds > len(facts.vbds):
        return -1
    if row.vbds and not {vbd.dev for vbd in row.vbds} <= set(facts.vbds):
        return -1
    life = lives.get(facts.uuid)
    if life is None or life.who.domid != facts.domid:
        return 0    # it has just been made, or rebooted
    if not life.continues(facts.domid, columns.cpu_seconds, dict(row.vcpu_seconds or ()), columns.vcpus):
        return -1
    return 1 if any(now is not None and last is not None and now < last
                    for now, last in zip(device_sums(columns), device_sums(life.devices))) else 2


def _same(one: List[Tuple[DomainRow, Any]], other: List[Tuple[DomainRow, Any]]) -> bool:
    figures = [{facts.domid: row for row, facts in pairs} for pairs in (one, other)]
    return figures[0] == figures[1]
