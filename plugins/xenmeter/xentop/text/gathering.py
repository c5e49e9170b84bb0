"""Iterations of xentop's text in the making: where one begins and ends, whose row each is, and which lines were left out.

xentop prints no end mark. An iteration ends where the next begins, or when whoever reads the text finds it whole.
"""
from typing import Any, List, Optional, Set, Tuple

from xenmeter.xentop.text.boundaries import Boundaries
from xenmeter.xentop.text.heads import Heads
from xenmeter.xentop.text.lines import old_row_of, row_of
from xenmeter.xentop.text.pcputable import PcpuTable
from xenmeter.xentop.text.records import Columns, DomainRow, Iteration

__all__ = ("Gathering",)


class Gathering:
    """What is in hand of a stream.

    :param flags: which of xentop's ``n x v p`` are known to be on (str); what is not told is learnt from the stream.
    :ivar skipped: ``int``, lines that were none of xentop's, cut ones among them.
    :ivar first_skipped: (byte offset, ``bytes``) of the first of them, or None.
    """

    def __init__(self, flags: str = "") -> None:
        self.skipped = 0
        self.first_skipped: Optional[Tuple[int, bytes]] = None
        self._kinds: Set[str] = set(flags)
        self._offset = 0                # of what is read next
        self._last = b""                # the last name of the iteration before, as it is sorted
        self._early = 0                 # lines skipped while no iteration was in hand: the next one's
        self._elsewhere = 0             # those of them before its header: only with -r the next one's, else of one without a row
        self._loose: List[bytes] = []  # lines just skipped: a name may hold line ends
        self._done: List[Iteration] = []
        self._iteration: Any = None     # an Iteration, or None
        self._row: Any = None       # the DomainRow that device lines belong to, or None
        self._heads = Heads()
        self._boundaries = Boundaries()
        self._table = PcpuTable()

    @property
    def foreign(self) -> Optional[str]:
        """What is wrong with a header that is none of a xentop that can be read, in words; None without one."""
        return self._heads.foreign

    def _header(self, line: bytes) -> bool:
        if not self._heads.header(line):
            return False
        self._boundaries.headed = True
        self._row = None
        if self._iteration is None:
            self._elsewhere = self._early
        return True

    def _domain(self, line: bytes) -> bool:
        found = row_of(line) if self._heads.sectors else old_row_of(line)
        return found is not None and self._begin_row(*found)

    def _begin_row(self, before: bytes, columns: Columns) -> bool:
        """A domain's row, if what stands before the columns can be that."""
        head = self._heads.read(before, self._loose)
        if head is None:
            return False
        if head.loose:
            self._take_back(self._loose[-head.loose:])
        row = DomainRow(head[0], head[1], columns)
        if self._iteration is None or self._boundaries.must_be_asked():
            self._place(row.name)
        self._iteration.rows.append(row)
        self._row = row
        return True

    def _place(self, name: bytes) -> None:
        """Begin the next iteration if a row that is not simply one more does so."""
        iteration = self._iteration
        if iteration is None and not self._boundaries.headed and not self._early:
            self._early = 1     # no header: xentop was held up so long that the rows before were taken for all
        knew, was_plain = self._boundaries.repeats, self._boundaries.plain
        split, begins = self._boundaries.place(name, iteration, bool(self._loose))
        if iteration is not None and self._boundaries.plain and not was_plain and not split:
            iteration.skipped = max(0, iteration.skipped - self._elsewhere)
        if split:
            self._done.append(Iteration(iteration.rows[:split], None, iteration.skipped))
            del iteration.rows[:split]
            iteration.skipped = 0
        first = iteration.rows[0].name.lower() if self._boundaries.repeats and not knew else b"domain-0"
        while first != b"domain-0" and self._done and [row.name.lower() for row in self._done[-1].rows] == [first]:
            twin = self._done.pop()     # it looked like a host with one domain
            iteration.rows[:0] = twin.rows
            iteration.skipped += twin.skipped
        if begins:
            if iteration is not None:
                self._give(iteration)
            if self._boundaries.plain:
                self._early = max(0, self._early - self._elsewhere)
            if iteration is not None or self._boundaries.plain:
                self._elsewhere = 0
            self._iteration = Iteration(skipped=self._early)
            self._early = 0
            self._table.rules = 0

    def _finish(self) -> None:
        if self._iteration is not None and self._iteration.rows:
            self._give(self._iteration)
        self._iteration = None
        self._row = None
        self._table.rules = 0
        self._boundaries.ended()

    def _give(self, iteration: Iteration) -> None:
        self._done.append(iteration)
        self._last = iteration.rows[-1].name.lower()

    def _skip(self, line: bytes) -> None:
        self.skipped += 1
        if self.first_skipped is None:
            self.first_skipped = (self._offset, line[:80])
        self._loose = self._loose[-15:] + [line]
        self._row = None
        if self._iteration is None:
            self._early += 1
        else:
            self._iteration.skipped += 1
            self._boundaries.watch(self._iteration.rows)

    def _take_back(self, lines: List[bytes]) -> None:
        """Lines that were skipped are a name's."""
        count = sum(1 for line in lines if line)     # empty ones were never counted
        self.skipped -= count
        if not self.skipped:
            self.first_skipped = None
        if self._iteration is None:
            self._early -= count
        else:
            self._iteration.skipped -= count
