"""The direct source's samples as the rows that xentop would print: what xentop's mirror (JSON, CSV) is made of."""
from typing import Any, Dict, List, Optional, Tuple

from xenmeter.xen.blkback import SECTOR
from xenmeter.xen.privcmd import PAGE_SIZE
from xenmeter.xentop.direct.info import NO_LIMIT, letters, vcpus_of
from xenmeter.xentop.figures import UNKNOWN_DISKS
from xenmeter.xentop.samples import DirectDomain, DirectSample
from xenmeter.xentop.text.attribute import Joined
from xenmeter.xentop.text.records import Columns, DomainRow, Net, Vbd

__all__ = ("DirectRows", "UNTOLD")

#: The state of a domain whose recording does not tell it.
UNTOLD = b""


class DirectRows:
    """DirectSamples as xentop's rows, joined with whose they are.

    A percentage is of the time since the last sample; it is None in a domain's first.
    """

    def __init__(self) -> None:
        self._last: Dict[Tuple[int, bytes], Tuple[int, int]] = {}  # (Xen's time, CPU time)

    def joined(self, sample: DirectSample) -> List[Joined]:
        last, self._last = self._last, {}
        found = []
        for domain in sample.domains:
            member, info = domain.member, domain.member.info
            key = (member.domid, info.handle)
            before = last.get(key)
            self._last[key] = (sample.xen_ns, info.cpu_time)
            rate = None
            if before is not None and None not in (before[1], info.cpu_time) and (
                    sample.xen_ns > before[0] and info.cpu_time >= before[1]):
                rate = _permille(info.cpu_time - before[1], sample.xen_ns - before[0])
            found.append(Joined(_as_text(domain, sample.host.total_pages, rate), member.uuid or member.name, member.name,
                                member.uuid, member.domid, member.shared, member.facts))
        return found


def _permille(part: Optional[int], whole: Optional[int]) -> Optional[int]:
    """A share as xentop prints it: in floating point, and rounded by %.1f."""
    return int(("%.1f" % (part / whole * 100)).replace(".", "")) if whole and part is not None else None


def _kib(pages: Optional[int]) -> Optional[int]:
    return None if pages is None else pages * (PAGE_SIZE // 1024)


def _in_sectors(counters: Optional[Tuple[Optional[int], ...]]) -> Tuple[Optional[int], ...]:
    return UNKNOWN_DISKS if counters is None else counters[:3] + tuple([count // SECTOR for count in counters[3:]])  # type: ignore[operator]


def _as_text(domain: DirectDomain, total_pages: int, rate: Optional[int]) -> DomainRow:
    member, info = domain.member, domain.member.info
    counters: Dict[int, Tuple[int, ...]] = {}
    for devid, _, values in [vif[:3] for vif in domain.vifs or ()]:
        counters[devid] = values if devid not in counters else tuple(map(sum, zip(counters[devid], values)))
    networks = [Net(index, *values) for index, values in enumerate(counters.values())]
    vbds = [Vbd(disk.type, disk.dev, *_in_sectors(disk.counters)) for disk in domain.disks or ()]
    sums: Tuple[Optional[int], ...] = UNKNOWN_DISKS if domain.disks is None else (0,) * 5
    if vbds:    # what cannot be read is not 0
        columns = [[value for value in column if value is not None] for column in zip(*[vbd[2:] for vbd in vbds])]
        sums = tuple([sum(column) if column else None for column in columns])
    limit = None if info.max_pages is None or info.max_pages >= NO_LIMIT else info.max_pages
    # of a recording by another release some are not told, as they are in xentop's text
    told: List[Any] = [
        None if info.cpu_time is None else info.cpu_time // 10 ** 9, rate,
        _kib(info.tot_pages), _permille(info.tot_pages, total_pages), _kib(limit), _permille(limit, total_pages),
        vcpus_of(info), len(networks),
        sum([net.tx_bytes for net in networks]) >> 10, sum([net.rx_bytes for net in networks]) >> 10, len(vbds),
        sums[0], sums[1], sums[2], sums[3], sums[4], info.ssidref]
    state = UNTOLD if info.flags is None else letters(info.flags)
    row = DomainRow(member.name.lstrip(" ").encode("utf-8"), state, Columns(*told))
    row.vcpu_seconds = [(vcpu, time_ns // 10 ** 9) for vcpu, time_ns in domain.vcpu_ns]
    row.networks, row.vbds = networks, vbds
    return row
