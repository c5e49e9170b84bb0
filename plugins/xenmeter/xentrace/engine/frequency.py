"""The TSC rate out of the trace itself, where the scheduler's own run times (ns) are in it.

SWITCH_INFNEXT and SWITCH_INFPREV (class SCHED_VERBOSE) are written at the same place of the scheduler, one when a vCPU
is switched in, the other when it is switched out with its run time in ns. TSC difference over run time is the rate.
Single ratios stray (interrupts between reading the clock and writing the record), so: the median ratio of
runs of 0.2 ms and more. It came within 0.07 % of ``xl info`` on every capture, better than means or fitted lines. Too
few runs, or too many astray: no answer, rather than a guess.
"""
from typing import BinaryIO, List, Optional, Tuple

from xenmeter.core.errors import BadOption
from xenmeter.xentrace.engine.doubts import no_trace
from xenmeter.xentrace.engine.engine import Engine
from xenmeter.xentrace.engine.hot import PythonCore
from xenmeter.xentrace.engine.layout import G_PENDING, G_QUIET, NEVER, P_NUMBER
from xenmeter.xentrace.engine.records import SWITCH_INFCONT, SWITCH_INFNEXT, SWITCH_INFPREV, classify

__all__ = ("rate_of", "checked_khz")

#: 100 GHz: more than any TSC, and little enough for the clock's integers.
MOST_KHZ = 10 ** 8
_NEXT, _PREV, _CONT = 1, 2, 3
_KINDS = {SWITCH_INFNEXT: _NEXT, SWITCH_INFPREV: _PREV, SWITCH_INFCONT: _CONT}
#: Runs shorter than this say little, longer ones come close to the 32 bits of the run time word.
_SHORTEST, _LONGEST = 200000, 4000000000
_LEAST = 16
#: ns by which a pair of records may be late, beyond 0.2 %.
_STRAY = 20000
_MOST = 50000
#: How much of a stream may be held back to find the frequency in it.
_LOOKAHEAD = 16 << 20


class _Watcher(PythonCore):
    """Takes only the three events out of the stream. :ivar runs: (TSC difference, ns)."""

    def __init__(self, g):
        super().__init__(g, None)
        self.runs = []
        self._on = {}       # pCPU -> (domid, unit, TSC of the switch, of the last look)

    def _classify(self, header):
        length, _, first = classify(header)
        kind = _KINDS.get(header & 0x0FFFFFFF, -1) if first == 3 and length > 5 else -1
        found = self._classes[header] = (length, kind, first)
        return found

    def _queue(self, queue, row, tsc, kind, words, first, last):
        pcpu = row[P_NUMBER]
        count = words[first - 3] >> 28 & 7
        # 4.7 and before have no unit word
        long = count >= (4 if kind == _NEXT else 3)
        who = (words[first], words[first + 1] if long else 0)
        if kind == _NEXT:
            self._on[pcpu] = (who, tsc)
            return
        there = self._on.get(pcpu)
        if kind == _PREV:
            self._on.pop(pcpu, None)
        if there is not None and there[0] == who and count >= 2 and len(self.runs) < _MOST:
            runtime = words[first + 2 if long else first + 1]
            if _SHORTEST <= runtime <= _LONGEST:
                self.runs.append((tsc - there[1], runtime))

    def drain(self, limit, accounts):
        self.g[G_PENDING] = 0


def _told(runs: List[Tuple[int, int]]) -> Optional[Tuple[int, int]]:
    """(the rate in kHz, how many runs told it); None where they do not tell it."""
    ratios = sorted(cycles * 1000000 // ns for cycles, ns in runs)
    if len(ratios) < _LEAST:
        return None
    middle = ratios[len(ratios) // 2]
    near = sum(abs(cycles * 1000000 - middle * ns) <= middle * (_STRAY + ns // 500) for cycles, ns in runs)
    return None if near * 2 < len(ratios) or near < _LEAST else (middle, near)


def checked_khz(given: Optional[int], name: str = "--cpu-khz") -> Optional[int]:
    """``given`` where it can be a TSC's rate in kHz, None where it is None; BadOption otherwise."""
    if given is None or (isinstance(given, int) and not isinstance(given, bool) and 0 < given <= MOST_KHZ):
        return given
    raise BadOption("%s: %r is not what it takes: kHz, from 1 to %d (xl info: cpu_mhz * 1000)" % (name, given, MOST_KHZ))


def rate_of(stream: BinaryIO, held: List[bytes], block: int, name: str) -> Tuple[int, int]:
    """The TSC's rate in kHz out of the trace itself, and how many run times told it.

    :param held: gets what was read on the way, in pieces of ``block`` bytes. :param name: of the stream.

    Raises BadOption where it is not to be found, SourceError where this is no trace.
    """
    engine = Engine(1, core="python", tap=lambda core, g: _Watcher(g))
    engine.g[G_QUIET] = NEVER       # its time has no unit yet
    size = 0
    while size < _LOOKAHEAD:
        data = stream.read(block)
        if not data:
            break
        held.append(data)
        size += len(data)
        engine.feed(data)
    told = _told(engine.core.runs)
    if told is None and not engine.accounts.pcpus:
        raise no_trace(name, size)
    if told is None:
        raise BadOption("--cpu-khz is needed: this trace does not tell the TSC rate (xl info on its host: cpu_mhz * "
                        "1000; traces with the SCHED_VERBOSE events, mask bit 0x8000, tell it)")
    return told
