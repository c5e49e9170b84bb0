"""What the numbers of a row are as figures: their units, their order, the guest's view of the network."""
from operator import itemgetter
from typing import List, Optional, Tuple

from xenmeter.xentop.figures import STATES
from xenmeter.xentop.text.records import SECTOR, DomainRow, Net, Vbd

__all__ = ("disk_totals", "domain_figures", "guests_view", "requests", "sent")

Values = Tuple[Optional[int], ...]

#: A Net line's figures as the guest sees them: dom0's interface sends what the guest receives.
guests_view = itemgetter(5, 6, 7, 8, 1, 2, 3, 4)


def domain_figures(begin: Values, row: DomainRow, cpu_ppm: Optional[int], nets: Optional[int],
                   network: Values, vbds: Optional[int], disks: Values) -> Values:
    """A domain's figures in the catalogue's order.

    :param begin: info, domid and start time; :param network: bytes received and sent; :param disks: :func:`disk_totals`.
    """
    cpu_s, _, mem, mem_permille, maxmem, maxmem_permille, vcpus, _, _, _, _, _, _, _, _, _, ssid = row.columns
    return begin + (
        cpu_s * 1000000000, cpu_ppm, vcpus, mem << 10, mem_permille * 1000, None if maxmem is None else maxmem << 10,
        None if maxmem_permille is None else maxmem_permille * 1000,
    ) + STATES[row.state] + (ssid, nets) + network + (vbds,) + disks


def sent(lines: List[Net]) -> int:
    """Bytes that dom0 sent to a guest."""
    return lines[0][5] if len(lines) == 1 else sum([line[5] for line in lines])


def requests(line: Vbd) -> Tuple[int, ...]:
    """A disk's counters in the order of core.counters.VBD; of sectors that are not told, 0."""
    _, _, oo, reads, writes, rsect, wsect = line
    return (reads, writes, (rsect or 0) * SECTOR, (wsect or 0) * SECTOR, oo)     # type: ignore[return-value]


def disk_totals(total: Values) -> Values:
    """Counters in the order of core.counters.VBD in that of a domain's figures: out of requests first."""
    return (total[4],) + total[:4]
