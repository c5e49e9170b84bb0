"""Records to the text of ``xentop -b``: makes fixtures, and the other half of the parser's round trip.

Prints what xentop 4.5 and later print: columns grow with the widest value of the iteration, ``-f`` names are padded.
"""
from typing import List, Optional

from xenmeter.xentop.text.records import DomainRow, Iteration, Net, Vbd

__all__ = ("encode",)

_TITLES = ("STATE", "CPU(sec)", "CPU(%)", "MEM(k)", "MEM(%)", "MAXMEM(k)", "MAXMEM(%)", "VCPUS", "NETS", "NETTX(k)",
           "NETRX(k)", "VBDS", "VBD_OO", "VBD_RD", "VBD_WR", "VBD_RSECT", "VBD_WSECT", "SSID")
_SECTORS = ("VBD_RSECT", "VBD_WSECT")
_WIDTHS = (6, 10, 6, 10, 6, 10, 9, 5, 4, 8, 8, 4, 8, 8, 8, 10, 10, 4)
#: Positions in Columns of what grows with the widest value of the iteration (Xen 4.5): NETTX NETRX RD WR RSECT WSECT.
_GROWING = (8, 9, 12, 13, 14, 15)


def encode(iteration: Iteration, full_names: bool = True, nets: bool = True, vbds: bool = True, vcpus: bool = True,
           repeat_header: bool = False, sectors: bool = True) -> bytes:
    """The bytes xentop would print for an iteration; the flags are xentop's -f, -n, -x, -v and -r.

    :param sectors: False leaves them out, as Xen 3.1 to 4.0 do.
    """
    kept = [index for index, title in enumerate(_TITLES) if sectors or title not in _SECTORS]
    widths = _widths(iteration.rows)
    name_width = max([10] + [len(row.name) for row in iteration.rows]) if full_names else 10
    header = b"%*s %s\n" % (name_width, b"NAME", b" ".join(
        b"%*s" % (widths[index], _TITLES[index].encode()) for index in kept))
    lines: List[bytes] = []
    for number, row in enumerate(iteration.rows):
        if number == 0 or repeat_header:
            lines.append(header)
        name = row.name if full_names else row.name[:10]
        texts = _cells(row)
        cells = [b"%*s" % (widths[index], texts[index - 1].encode()) for index in kept[1:]]
        lines.append(b"%*s %s %s\n" % (name_width, name, row.state, b" ".join(cells)))
        if vcpus:
            lines.append(_vcpu_line(row))
        if nets:
            lines.extend(_net_line(net) for net in row.networks)
        if vbds:
            lines.extend(_vbd_line(vbd, sectors) for vbd in row.vbds)
    if iteration.pcpus is not None:
        lines.append(_pcpu_table(iteration.pcpus))
    return b"".join(lines)


def _widths(rows: List[DomainRow]) -> List[int]:
    widths = list(_WIDTHS)
    for position in _GROWING:
        values = [str(row.columns[position]) for row in rows if row.columns[position] is not None]
        widths[position + 1] = max([widths[position + 1]] + [len(value) for value in values])
    return widths


def _cells(row: DomainRow) -> List[str]:
    cells = []
    for name, value in zip(row.columns._fields, row.columns):
        if name.endswith("_permille"):
            cells.append("%d.%d" % divmod(value, 10) if value is not None else "nan" if name == "cpu_permille" else "n/a")
        elif value is None:
            cells.append("no limit" if name == "maxmem_kib" else "-")
        else:
            cells.append(str(value))
    return cells


def _vcpu_line(row: DomainRow) -> bytes:
    line = b"VCPUs(sec): "
    for vcpu, seconds in row.vcpu_seconds or ():
        if vcpu and vcpu % 5 == 0:
            line += b"\n" + b" " * 8
        line += b" %2d: %10ds" % (vcpu, seconds)
    return line + b"\n"


def _net_line(net: Net) -> bytes:
    return (b"Net%d RX: %8dbytes %8dpkts %8derr %8ddrop  TX: %8dbytes %8dpkts %8derr %8ddrop\n" % net)


def _number(value: Optional[int], width: int) -> bytes:
    return b"%*s" % (width, b"-" if value is None else b"%d" % value)


def _vbd_line(vbd: Vbd, sectors: bool) -> bytes:
    signed = vbd.dev - (1 << 32) if vbd.dev >> 31 else vbd.dev      # an unsigned number, printed as %d
    line = b"VBD %s %4d [%2x:%2x]  OO: %s   RD: %s   WR: %s" % (
        vbd.type.encode(), signed, vbd.dev >> 8, vbd.dev & 0xff, _number(vbd.oo, 8), _number(vbd.rd, 8), _number(vbd.wr, 8))
    if sectors:
        line += b"   RSECT: %s   WSECT: %s" % (_number(vbd.rsect, 10), _number(vbd.wsect, 10))
    return line + b"\n"


def _pcpu_table(pcpus: list) -> bytes:
    rule = b"+-------+--------+\n"
    rows = b"".join(b"| %-5d | %5s%% |\n" % (pcpu, b"%d.%d" % divmod(permille, 10)) for pcpu, permille in pcpus)
    return b"\nPhysical CPU Usage:\n" + rule + b"| Core  | Usage  |\n" + rule + rows + rule
