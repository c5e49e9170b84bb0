"""What stands before the columns of a domain's row: the name, as wide as the header says, and six state letters."""
import itertools
import re
from typing import Dict, FrozenSet, List, NamedTuple, Optional

__all__ = ("Head", "Heads")

#: Names with state letters that are kept ready; a host that has more domains only costs more.
_KEPT = 16384
_STATES = frozenset(bytes(letters) for letters in itertools.product(*((letter, 45) for letter in b"dsbcpr")))
#: Xen 3.1 to 4.0 have no columns of sectors.
_HEADER = re.compile(rb"( *NAME)  STATE   CPU\(sec\) CPU\(%\)     MEM\(k\) MEM\(%\)  MAXMEM\(k\) MAXMEM\(%\) VCPUS NETS"
                     rb" +NETTX\(k\) +NETRX\(k\) VBDS   VBD_OO +VBD_RD +VBD_WR( +VBD_RSECT +VBD_WSECT)? SSID\Z")
#: What is a header all the same, of a xentop that is not known.
_FOREIGN = re.compile(rb" *NAME +STATE( +[A-Z][A-Z_]*(\([!-~]{1,4}\))?)+ *\Z")
_COLUMNS = ("NAME STATE CPU(sec) CPU(%) MEM(k) MEM(%) MAXMEM(k) MAXMEM(%) VCPUS NETS NETTX(k) NETRX(k) VBDS VBD_OO VBD_RD "
            "VBD_WR VBD_RSECT VBD_WSECT SSID").split()
#: What a name must not hold where nothing but its own look tells where it ends (Xen 4.4 and older with -f).
_LOOKALIKE = re.compile(rb" [d-][s-][b-][c-][p-][r-] |\AVCPUs\(sec\): |\ANet\d+ RX: |\AVBD \S+ +\d+ \[")


class Head(NamedTuple):
    """``loose``: how many of the lines before the row are its name's."""

    name: bytes
    state: bytes
    loose: int


class Heads:
    """Reads them, by the width that the newest header tells.

    :ivar sectors: whether the newest header has the columns of sectors.
    :ivar known: what was read before, by its text.
    :ivar foreign: what is wrong with the first header that is none of a known xentop, in words; None without one.
    """

    def __init__(self) -> None:
        self.sectors = True
        self.foreign: Optional[str] = None
        self._width = 0         # of the name; 0 before the first header
        self.known: Dict[bytes, Head] = {}
        self._sure: FrozenSet[bytes] = frozenset()

    def know(self, names: FrozenSet[bytes]) -> None:
        """Names that are one beyond doubt, whatever they look like and whatever the header's width."""
        self._sure = names

    def header(self, line: bytes) -> bool:
        """Whether the line is a header; what follows is read by it."""
        match = _HEADER.match(line)
        if match is None:
            if self.foreign is None and _FOREIGN.match(line):
                self.foreign = _differences(line.decode("ascii").split())
            return False
        self.sectors = match.group(2) is not None
        if self._width != len(match.group(1)):
            self._width = len(match.group(1))
            self.known.clear()
        return True

    def read(self, head: bytes, loose: List[bytes]) -> Optional[Head]:
        """What the text before the columns says, None where it cannot be that.

        :param loose: the lines just before that were none of xentop's: a name may hold line ends.
        """
        known = self.known.get(head)
        if known is not None:
            return known
        state = head[-6:]
        if state not in _STATES or head[-7:-6] != b" ":
            return None
        if len(head) != self._width + 7:
            return self._odd(head[:-7], state, loose)
        if len(self.known) > _KEPT:
            self.known.clear()
        known = self.known[head] = Head(head[:-7].lstrip(b" "), state, 0)
        return known

    def _odd(self, field: bytes, state: bytes, loose: List[bytes]) -> Optional[Head]:
        """From a field that has not the width which the header tells; None where it is no name's."""
        if field.lstrip(b" ") in self._sure:
            return Head(field.lstrip(b" "), state, 0)
        if not self._width:
            return None     # rows before the first header: the stream begins inside an iteration
        if len(field) > self._width:        # Xen 4.4 and older with -f: long names push the row to the right
            lookalike = field.startswith(b" ") or _LOOKALIKE.search(field) or self._width != 10
            return None if lookalike else Head(field, state, 0)
        for count in range(1, len(loose) + 1):      # a name with line ends in it: its first lines were skipped
            whole = b"\n".join(loose[-count:] + [field])
            if len(whole) >= self._width:
                return Head(whole.lstrip(b" "), state, count) if len(whole) == self._width else None
        return None


def _differences(found: List[str]) -> str:
    """In which columns a header differs from those that are known."""
    lacking = [column for column in _COLUMNS if column not in found]
    more = [column for column in found if column not in _COLUMNS]
    parts = (["without " + ", ".join(lacking)] if lacking else []) + (["with " + ", ".join(more[:5])] if more else [])
    return "columns of a xentop that is not known: %s; those of Xen 3.1 to 4.23 can be read" % (
        " and ".join(parts) or "in another order")
