"""The text of ``xentop -b`` to records: bytes in pieces of any size, complete iterations out.

Everything is matched from the right: names are written by less trusted people and may look like columns, headers
or device lines. What distinguishes the lines is how they end: ``drop`` (Net), ``s`` (VCPUs), digits after ``WSECT:``
(VBD), eighteen columns (a domain). A line that is none of these is counted and left out; it never becomes a figure.

xentop prints no end mark. An iteration ends where the next begins, or when :meth:`Parser.flush` finds it whole.
"""
import itertools
import re
from typing import Any, FrozenSet, List, Optional, Set, Tuple

from xenmeter.core.quiet_gc import quiet_gc
from xenmeter.xentop.text.batches import MOST, Batches, batches
from xenmeter.xentop.text.boundaries import Boundaries
from xenmeter.xentop.text.heads import Heads
from xenmeter.xentop.text.lineends import STAND_IN, LineEnds
from xenmeter.xentop.text.lines import net_of, old_row_of, old_vbd_of, row_of, vbd_of, vcpus_of
from xenmeter.xentop.text.pcputable import WHOLE, PcpuTable
from xenmeter.xentop.text.records import Columns, DomainRow, Iteration

__all__ = ("Parser", "parse")

#: Longest line that can be a line of xentop's: xenstore values end at 4096 bytes, the columns add some 300.
MAX_LINE = 8192
#: Calls of flush() before an iteration that is shorter than the last one is accepted: xentop may pause within one.
_PATIENCE = 10
_NETS, _VBDS = Columns._fields.index("nets"), Columns._fields.index("vbds")
#: What the second and later lines of vCPUs begin with.
_MORE_VCPUS = b" " * 9
_TABS = re.compile(rb"[\t\v\f\r]")


class Parser:
    """A stream of xentop's text.

    :param flags: which of xentop's ``n x v p`` are known to be on (str); what is not told is learnt from the stream.
    :ivar skipped: ``int``, lines that were none of xentop's, cut ones among them.
    :ivar first_skipped: (byte offset, ``bytes``) of the first of them, or None.
    """

    def __init__(self, flags: str = "") -> None:
        self.skipped = 0
        self.first_skipped: Optional[Tuple[int, bytes]] = None
        self._kinds: Set[str] = set(flags)
        self._offset = 0                # of the start of _tail
        self._tail = b""                # a line whose end has not come yet
        self._overlong = False          # inside a line that cannot be xentop's
        self._silences = 0              # calls of flush since something came
        self._last = b""                # the last name of the iteration before, as it is sorted
        self._early = 0                 # lines skipped while no iteration was in hand: the next one's
        self._elsewhere = 0             # those of them before its header: only with -r the next one's, else of one without a row
        self._loose: List[bytes] = []  # lines just skipped: a name may hold line ends
        self._done: List[Iteration] = []
        self._iteration: Any = None     # an Iteration, or None
        self._row: Any = None       # the DomainRow that device lines belong to, or None
        self._heads = Heads()
        self._tabs = False              # white space that is no blank is in the last bytes
        self._boundaries = Boundaries()
        self._table = PcpuTable()
        self._ends = LineEnds()
        self._batches = batches()
        self._ahead = 1         # rows that compiled code shall read at once

    def know(self, names: FrozenSet[bytes]) -> None:
        """Names that hold line ends, as xenstore tells them: what looks like rows inside of them is none."""
        self._ends.know(names)
        self._heads.know(self._ends.stand_ins)

    @property
    def known(self) -> FrozenSet[bytes]:
        return self._ends.names

    def feed(self, data: bytes) -> List[Iteration]:
        """Take the next bytes; gives the iterations that they complete."""
        self._silences = 0
        self._feed(self._ends.take(data) if self._ends else data)
        return self._take()

    def _feed(self, data: bytes) -> None:
        with quiet_gc:
            text = self._tail + data
            end = text.rfind(b"\n") + 1
            self._tail = text[end:]
            begin = 0
            if self._overlong and end:
                begin = text.index(b"\n") + 1
                self._offset += begin
                self._overlong = False
            self._tabs = b"\t" in text or b"\v" in text or b"\f" in text or b"\r" in text
            if self._batches is not None and not self._tabs:
                self._read_in_batches(self._batches, text, begin, end)
            else:
                self._read(text[begin:end].split(b"\n")[:-1])
        if len(self._tail) > MAX_LINE or self._overlong:
            if not self._overlong:
                self._skip(self._tail[:80])
            self._overlong = True
            self._offset += len(self._tail)
            self._tail = b""

    def _read(self, lines: List[bytes]) -> None:
        number = counted = 0    # the next line, and the first whose length is not in the offset: only a skip needs that
        end = len(lines)
        lines.append(b"")       # a line that is nothing, so that looking ahead needs no test for the end
        while number < end:
            line = lines[number]
            number += 1
            last = line[-1:]
            if last.isdigit() and line[:4] != b"VBD ":
                known = self._domain(line)
                if known:
                    number = self._details(lines, number)
            else:
                known = self._known(line, last)
            if not known:
                self._offset += sum(map(len, lines[counted:number - 1])) + number - 1 - counted
                counted = number - 1
                self._skip(line)
            elif self._loose:
                self._loose = [] if line else self._loose + [line]     # an empty line may be one of such a name
        self._offset += sum(map(len, lines[counted:])) + end - counted

    def _read_in_batches(self, compiled: Batches, text: bytes, at: int, end: int) -> None:
        """As :meth:`_read`, of whole lines, with compiled code for rows of which everything is told."""
        offset = self._offset - at
        while at < end:
            stop = text.index(b"\n", at)
            if text[stop - 1:stop].isdigit() and not self._loose and self._heads.sectors and text[at:at + 4] != b"VBD ":
                after = self._take_batch(compiled, text, at, end)
                if after > at:
                    at = after
                    continue
            line = text[at:stop]
            if not self._known(line, line[-1:]):
                self._offset = offset + at
                self._skip(line)
            elif self._loose:
                self._loose = [] if line else self._loose + [line]
            at = stop + 1
        self._offset = offset + end

    def _take_batch(self, compiled: Batches, text: bytes, at: int, end: int) -> int:
        """Rows from a line's beginning on; where the first line begins that is not in them."""
        self._ahead = min(4 * self._ahead, MOST)
        heads = self._heads.known
        for begin, before, columns, vcpus, nets, vbds, after in compiled.rows(text, at, end, self._ahead):
            head = heads.get(before)
            if head is not None and self._iteration is not None and not self._boundaries.must_be_asked():
                self._row = DomainRow(head[0], head[1], columns, vcpus, nets, vbds)
                self._iteration.rows.append(self._row)
            elif self._begin_row(before, columns):
                self._row.vcpu_seconds, self._row.networks, self._row.vbds = vcpus, nets, vbds
            else:
                self._ahead = 1     # more such ones may come, after a damaged header: what is read ahead is lost
                return begin
            self._kinds.update(("v" if vcpus else "") + ("n" if nets else "") + ("x" if vbds else ""))
            at = after
        return at

    def _known(self, line: bytes, last: bytes) -> bool:
        """Whether a line is one of xentop's; what it says is taken."""
        if last.isdigit():
            return line[:4] == b"VBD " and self._vbd(line) or self._domain(line)
        if last == b"p":
            return self._net(line)
        return self._vcpus(line) if last == b"s" else self._other(line, last)

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

    def flush(self) -> List[Iteration]:
        """Nothing came for a while: gives out the iteration in hand if it is whole, else keeps it.

        Rows are sorted by name. Where the last rows of the iteration before are missing they may still come, so this must be
        called some times more.
        """
        self._silences += 1
        if self._ends.holds:
            self._feed(self._ends.rest())
        if self._whole() and (self._silences >= _PATIENCE or self._iteration.rows[-1].name.lower() >= self._last):
            self._finish()
        return self._take()

    @property
    def foreign(self) -> Optional[str]:
        """What is wrong with a header that is none of a xentop that can be read, in words; None without one."""
        return self._heads.foreign

    @property
    def waits(self) -> bool:
        """Whether a part of an iteration is in hand."""
        return self._iteration is not None or bool(self._tail) or self._ends.holds

    def close(self) -> List[Iteration]:
        """The input has ended: as :meth:`flush`, but an iteration that was cut off is dropped and counted."""
        if self._ends.holds:
            self._feed(self._ends.rest())
        if self._tail or self._overlong:
            if self._tail:
                self._skip(self._tail)
            self._tail = b""
            self._overlong = False
            self._iteration = None
        elif self._whole():
            self._finish()
        elif self._iteration and self._iteration.rows:
            self._skip(self._iteration.rows[-1].name)
            self._iteration = None
        return self._take()

    def _take(self) -> List[Iteration]:
        done, self._done = self._done, []
        if self._ends.names:
            for row in itertools.chain.from_iterable(iteration.rows for iteration in done):
                row.name = row.name.replace(STAND_IN, b"\n")
        return done

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

    def _whole(self) -> bool:
        """True when all that the last row announces has come."""
        if self._tail or self._overlong or self._iteration is None or not self._iteration.rows:
            return False
        if "p" in self._kinds and self._iteration.pcpus is None or self._table.rules:
            return False
        row = self._row
        if row is None:
            return True     # its last lines were garbage: nothing more can be waited for
        return not ("n" in self._kinds and len(row.networks) < row.columns.nets
                    or "x" in self._kinds and len(row.vbds) < row.columns.vbds
                    or "v" in self._kinds and row.vcpu_seconds is None)

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

    def _other(self, line: bytes, end: bytes) -> bool:
        """What ends neither in a digit nor in a device line's letters: headers, unreadable disks, the -p table."""
        if end == b"D":
            return self._header(line)
        if end == b"-":
            return self._vbd(line)
        if line == b"VCPUs(sec): ":     # of a domain with no vCPU online
            return self._vcpus(line)
        return not line or self._pcpu(line)

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


def parse(text: bytes) -> List[Iteration]:
    """All complete iterations of a whole text."""
    parser = Parser()
    return parser.feed(text) + parser.close()
