"""The bytes of a running trace to passes over the pCPUs, whole windows only."""
from typing import Any, Iterator, List, Tuple

from xenmeter.xentrace.engine import compiled
from xenmeter.xentrace.engine.passes import Windows
from xenmeter.xentrace.engine.records import CPU_CHANGE_HEADER, classify
from xenmeter.xentrace.engine.scan import next_header, plausible

__all__ = ("Splitter", "Pass")

_MAGIC = CPU_CHANGE_HEADER.to_bytes(4, "little")
_HEADER = 12
#: Bytes of a pass after which a window of the same pCPU is taken for the next pass's: a trace of one busy pCPU among
#: silent ones must not be one pass for ever.
_MOST = 1 << 20

Pass = List[Tuple[int, bytes]]


class Splitter:
    """Bytes of any length to passes.

    :ivar skipped: bytes left out to find a window; :ivar damaged: how often.
    """

    def __init__(self) -> None:
        self._data = bytearray()
        self._walked = 0        # bytes of records in the window that has not come whole, up to the last one looked at
        self._searched = 0      # bytes of it in which no other header begins
        self._library = compiled.library()
        self._pass = self._no_pass()
        self._last = -1         # the pCPU of its last window
        self._size = 0          # bytes in the pass
        self._paused = False    # the writer was silent after the pass's last window
        self._pcpus: set = set()
        self.skipped = 0
        self.damaged = 0

    def _no_pass(self) -> Any:
        return [] if self._library is None else Windows()

    def feed(self, more: bytes) -> Iterator[Pass]:
        """The passes that are complete now: all but the one that the last window is in."""
        self._data += more      # in place: a window of many blocks is not copied anew for each of them
        data = self._data
        at = 0
        while len(data) - at >= _HEADER:
            if self._library is not None:
                at += self._in_order(data, at)
                if len(data) - at < _HEADER:
                    break
            if not plausible(data, at):
                at = self._resynchronise(data, at)
                continue
            pcpu = int.from_bytes(data[at + 4:at + 8], "little")
            end = at + _HEADER + int.from_bytes(data[at + 8:at + 12], "little")
            cut = self._header_inside(data, at, min(end, len(data)))
            if not cut and end > len(data):
                break
            if self._begins(pcpu):
                yield self._take()
            # Of a window that was cut the engine gets the next one's first word too, and counts it as a file's reader does.
            held = bytes(data[at + _HEADER:cut + 4 if cut else end])
            self._pass.append((pcpu, held))
            self._last = pcpu
            self._size += len(held)
            self._pcpus.add(pcpu)
            self._walked = self._searched = 0
            at = cut or end
        del data[:at]

    def _in_order(self, data: bytearray, at: int) -> int:
        """Takes the whole windows there that go on with the pass, all at once; bytes that they are."""
        before = len(self._pass)
        taken = self._pass.extend(self._library, data, at, self._last)
        if taken:
            numbers = self._pass.numbers[before:]
            self._last = numbers[-1]
            self._size += taken - _HEADER * len(numbers)
            self._pcpus.update(numbers)
            self._paused = False
            self._walked = self._searched = 0
        return taken

    def pause(self) -> None:
        """Nothing has come for a while: a window of the same pCPU is the next pass's."""
        self._paused = True

    def rest(self) -> Pass:
        """The stream has ended: its last pass, and what there is of a window that was cut."""
        if len(self._data) > _HEADER and plausible(self._data, 0):
            self._pass.append((int.from_bytes(self._data[4:8], "little"), bytes(self._data[_HEADER:])))
            self._data = bytearray()
        return self._take()

    def _begins(self, pcpu: int) -> bool:
        """Whether a window of this pCPU begins another pass: xentrace goes through them in ascending order."""
        last = self._last
        paused, self._paused = self._paused, False
        return pcpu < last or (pcpu == last and (paused or len(self._pcpus) == 1 or self._size >= _MOST))

    def _take(self) -> Pass:
        done, self._pass, self._size, self._last = self._pass, self._no_pass(), 0, -1
        return done

    def _header_inside(self, data: bytearray, at: int, end: int) -> int:
        """Where a window's header stands among the records of the one at ``at``, whose size is damaged then; 0: nowhere."""
        start = at + _HEADER
        border = start + self._walked
        found = data.find(_MAGIC, start + max(self._walked, self._searched), end)
        while 0 <= found <= len(data) - _HEADER:
            while border < found:
                border += 4 * classify(int.from_bytes(data[border:border + 4], "little"))[0]
            if border == found and plausible(data, found):
                return found
            found = data.find(_MAGIC, found + 1, end)
        self._walked = border - start
        self._searched = max(0, (found if found >= 0 else end - len(_MAGIC) + 1) - start)
        return 0

    def _resynchronise(self, data: bytearray, at: int) -> int:
        found = next_header(data, at + 1)
        self.damaged += 1
        self.skipped += found - at
        return found
