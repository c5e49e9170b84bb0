"""The text of ``xentop -b`` to records: bytes in pieces of any size, complete iterations out.

Everything is matched from the right: names are written by less trusted people and may look like columns, headers
or device lines. What distinguishes the lines is how they end: ``drop`` (Net), ``s`` (VCPUs), digits after ``WSECT:``
(VBD), eighteen columns (a domain). A line that is none of these is counted and left out; it never becomes a figure.

Here bytes become lines, and each goes where it belongs: to the iteration in hand (``gathering``), or to its row (``details``).
"""
import itertools
from typing import FrozenSet, List

from xenmeter.core.quiet_gc import quiet_gc
from xenmeter.xentop.text.batches import MOST, Batches, batches
from xenmeter.xentop.text.details import Details
from xenmeter.xentop.text.lineends import STAND_IN, LineEnds
from xenmeter.xentop.text.records import DomainRow, Iteration

__all__ = ("Parser", "parse")

#: Longest line that can be a line of xentop's: xenstore values end at 4096 bytes, the columns add some 300.
MAX_LINE = 8192
#: Calls of flush() before an iteration that is shorter than the last one is accepted: xentop may pause within one.
_PATIENCE = 10


class Parser(Details):
    """A stream of xentop's text. The parameters and what else it tells are those of ``gathering.Gathering``."""

    def __init__(self, flags: str = "") -> None:
        super().__init__(flags)
        self._tail = b""                # a line whose end has not come yet
        self._overlong = False          # inside a line that cannot be xentop's
        self._silences = 0              # calls of flush since something came
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

    def _other(self, line: bytes, end: bytes) -> bool:
        """What ends neither in a digit nor in a device line's letters: headers, unreadable disks, the -p table."""
        if end == b"D":
            return self._header(line)
        if end == b"-":
            return self._vbd(line)
        if line == b"VCPUs(sec): ":     # of a domain with no vCPU online
            return self._vcpus(line)
        return not line or self._pcpu(line)

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


def parse(text: bytes) -> List[Iteration]:
    """All complete iterations of a whole text."""
    parser = Parser()
    return parser.feed(text) + parser.close()
