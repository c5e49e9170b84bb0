"""The lines that follow a domain's row: its vCPUs, vifs and disks, and the table of pCPUs behind the last one."""
import re
from typing import List

from xenmeter.xentop.text.gathering import Gathering
from xenmeter.xentop.text.lines import net_of, old_vbd_of, vbd_of, vcpus_of
from xenmeter.xentop.text.pcputable import WHOLE
from xenmeter.xentop.text.records import Columns

__all__ = ("Details",)

_NETS, _VBDS = Columns._fields.index("nets"), Columns._fields.index("vbds")
#: What the second and later lines of vCPUs begin with.
_MORE_VCPUS = b" " * 9
_TABS = re.compile(rb"[\t\v\f\r]")


class Details(Gathering):
    """Gives them to the row in hand; a line that cannot be its is none of xentop's."""

    def __init__(self, flags: str = "") -> None:
        super().__init__(flags)
        self._tabs = False              # white space that is no blank is in the last bytes

    def _details(self, lines: List[bytes], number: int) -> int:
        """The lines of the row just read, where they come in xentop's order; what is not as expected is left to others.

        As short a way as there is, for nearly all lines. Gives the number of the first that is not the row's."""
        if self._tabs:
            return number
        row = self._row
        columns = row.columns
        if lines[number][:12] == b"VCPUs(sec): ":
            row.vcpu_seconds = vcpus_of(lines[number], 12)
            if row.vcpu_seconds is None:
                return number
            number += 1
            self._kinds.add("v")
            while lines[number][:9] == _MORE_VCPUS and self._more_vcpus(lines[number]):
                number += 1
        for index in range(columns[_NETS]):
            net = net_of(lines[number])
            if net is None or net[0] != index:
                return number
            number += 1
            row.networks.append(net)
            self._kinds.add("n")
        for _ in range(columns[_VBDS]):
            vbd = vbd_of(lines[number]) if self._heads.sectors else None
            if vbd is None:
                return number
            number += 1
            row.vbds.append(vbd)
            self._kinds.add("x")
        return number

    def _vcpus(self, line: bytes) -> bool:
        """``VCPUs(sec):   0:        100s  1:        200s``, or a line that it goes on in."""
        row = self._row
        if row is None:
            return False
        if row.vcpu_seconds is not None:
            return line[:9] == _MORE_VCPUS and self._more_vcpus(line)
        found = vcpus_of(line, 12) if line.startswith(b"VCPUs(sec): ") else None
        if found is None:
            return False
        row.vcpu_seconds = found
        self._kinds.add("v")
        return True

    def _more_vcpus(self, line: bytes) -> bool:
        """A line that begins with blanks goes on with the vCPUs of the line before, whose numbers rise."""
        row = self._row
        found = vcpus_of(line, 8)
        known = row.vcpu_seconds
        if not found or row.networks or row.vbds or known and found[0][0] <= known[-1][0]:
            return False
        known.extend(found)
        return True

    def _net(self, line: bytes) -> bool:
        row = self._row
        net = None if row is None else net_of(line)
        if net is None or not net[0] == len(row.networks) < row.columns.nets:
            return False
        row.networks.append(net)
        self._kinds.add("n")
        return True

    def _vbd(self, line: bytes) -> bool:
        row = self._row
        if row is None or len(row.vbds) >= row.columns.vbds:
            return False
        vbd = vbd_of(line) if self._heads.sectors else old_vbd_of(line)
        if vbd is None or self._tabs and _TABS.search(line):
            return False
        row.vbds.append(vbd)
        self._kinds.add("x")
        return True

    def _pcpu(self, line: bytes) -> bool:
        """A line of the -p table, which ends an iteration."""
        if self._iteration is None or not self._table.read(line, self._iteration):
            return False
        self._row = None
        self._kinds.add("p")
        if self._table.rules == WHOLE:
            self._finish()
        return True
