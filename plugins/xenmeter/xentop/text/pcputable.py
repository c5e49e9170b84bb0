"""The table of pCPUs that ``xentop -b -p`` prints after the domains of each iteration (Xen 4.21)."""
import re

from xenmeter.xentop.text.lines import permille
from xenmeter.xentop.text.records import Iteration

__all__ = ("PcpuTable", "WHOLE")

_TITLE = b"Physical CPU Usage:"
_RULE = b"+-------+--------+"
_HEAD = b"| Core  | Usage  |"
_ROW = re.compile(rb"\| (\d{1,20}) *\| +(\d{1,20}\.\d)% \|\Z")
#: After so many rules and the title the table is over.
WHOLE = 4


class PcpuTable:
    """:ivar rules: the title and the rules that were read of it; 0 outside of a table."""

    def __init__(self) -> None:
        self.rules = 0

    def read(self, line: bytes, iteration: Iteration) -> bool:
        """Whether it is a line of the table; what it says is put into the iteration."""
        if line == _TITLE:
            self.rules = 1
            return True
        if not self.rules:
            return False
        if line == _RULE:
            self.rules += 1
            if self.rules == WHOLE:
                iteration.pcpus = iteration.pcpus or []
            return True
        match = _ROW.match(line)
        if match and self.rules == WHOLE - 1:
            iteration.pcpus = (iteration.pcpus or []) + [(int(match.group(1)), permille[match.group(2)])]
        return bool(match) or line == _HEAD
