"""Bytes to entries, in pure Python: finds the windows, walks their records, queues per pCPU what the accounts need.

An entry is ``(tsc, pcpu, kind, a, b)``; kinds are those of ``records``. ``a`` is the record's domid << 16 | vcpu, or
its domid, or what the kind has; ``b`` a slice, or a lost count. ``hot.c`` does the same to its own queues; the two are
held equal, entry by entry, by the tests.
"""
import struct
from itertools import repeat
from typing import Any, Dict, List, Set, Union

from xenmeter.xentrace.engine.layout import (BACKLOG, DRAIN, GARBAGE, G_CUR, G_CUT, G_DRAIN_AT, G_HURT, G_HURT_TO, G_LEFT,
                                             G_LOOKED, G_MAXT, G_NPCPU, G_ORIGIN, G_PASS, G_PENDING, G_POS, G_PREV, G_PREVMAX,
                                             G_QUIET, G_RECORDS, G_SAFE, G_SKIP, G_TWICE, G_WILDS, G_WINDOWS, G_WINDOW_AT, HURT,
                                             LEAP, MENDED, MENDING, NEED, NEW_PCPU, OLDER, P_BYTES, P_FULL, P_HELD, P_LAST,
                                             P_LOST, P_LOST_BEFORE, P_NUMBER, P_PASS, P_RECORDS, SEAM, SOUND, STAMP_LIMIT, WOUND)
from xenmeter.xentrace.engine.records import (CPU_CHANGE_HEADER, KIND_FREQUENCY, KIND_GAP_BEGIN, KIND_GAP_END, KIND_LOST,
                                              KIND_SLICE, MAX_PCPU, MAX_WINDOW, classify)
from xenmeter.xentrace.engine.stamps import Stamps

__all__ = ("Scanner", "plausible", "next_header", "begin_pass", "begin_window", "brimful", "ROOM")

_HEADER = struct.Struct("<III")
_MAGIC = CPU_CHANGE_HEADER.to_bytes(4, "little")
_SHORT = struct.Struct("<IQI")
_STAMP = struct.Struct("<q")
_PAGE = 4096
#: A ring that drops records had less than this free: the largest record and the filler before it.
ROOM = 80


def plausible(data: Union[bytes, bytearray], at: int) -> bool:
    """Whether the 12 bytes at ``at`` can be a window's header."""
    header, pcpu, size = _HEADER.unpack_from(data, at)
    return header == CPU_CHANGE_HEADER and pcpu < MAX_PCPU and size <= MAX_WINDOW and not size & 3


def next_header(data: Union[bytes, bytearray], at: int) -> int:
    """The first place from ``at`` on that can be a window's header, or may become one when more bytes have come."""
    found = data.find(_MAGIC, at)
    while 0 <= found <= len(data) - 12 and not plausible(data, found):
        found = data.find(_MAGIC, found + 1)
    return found if found >= 0 else max(at, len(data) - 3)


def begin_pass(g: List[int]) -> None:
    """xentrace's pass over all rings is complete: all up to the largest TSC of the pass before has been delivered."""
    g[G_SAFE] = g[G_PREVMAX]
    g[G_PREVMAX] = g[G_MAXT]
    g[G_PASS] += 1
    if g[G_HURT] == MENDED:
        g[G_HURT_TO] = g[G_MAXT]
    g[G_HURT] = MENDED if g[G_HURT] == MENDING else SOUND


def begin_window(g: List[int], row: List[int], size: int) -> None:
    """Note how full the pCPU's ring was. A full one may have begun to lose records; only a later window tells."""
    if row[P_PASS] != g[G_PASS]:
        row[P_PASS] = g[G_PASS]
        row[P_BYTES] = 0
    row[P_BYTES] += size
    row[P_FULL] = brimful(row[P_BYTES])
    g[G_WINDOWS] += 1


def brimful(size: int) -> int:
    """1 where so many bytes may have filled a ring: X = pages * 4096 - 8 of data (tools/xentrace, struct t_buf)."""
    over = (size + 8) % _PAGE
    return int(size > 0 and (over == 0 or over > _PAGE - ROOM))


class Scanner(Stamps):
    def __init__(self, g: List[int]) -> None:
        super().__init__(g)
        self._classes: Dict[int, Any] = {}
        self._plain: Set[int] = set()   # headers of 16-byte records with a TSC

    def new_pcpu(self, number, row):
        self.rows[number] = row
        self.queues[number] = []

    def _classify(self, header):
        found = self._classes[header] = classify(header)
        if found[0] == 4 and found[2] == 3 and found[1] != KIND_LOST:
            self._plain.add(header)
        return found

    def scan(self, data, start, end):
        """Take in ``data[start:end]``; G_POS tells how far. Returns NEED, GARBAGE, NEW_PCPU, DRAIN, SEAM or HURT."""
        g = self.g
        pos = start
        while True:
            if g[G_SKIP]:
                step = min(g[G_SKIP], end - pos)
                pos += step
                g[G_SKIP] -= step
                if g[G_SKIP]:
                    return self._stop(pos, NEED)
            if g[G_LEFT]:
                pos += self._payload(data, pos, min(g[G_LEFT], end - pos) & ~3)
                if g[G_HURT] == WOUND:
                    return self._stop(pos, HURT)
                if g[G_SKIP]:
                    continue
                if g[G_LEFT]:
                    return self._stop(pos, NEED)
            if end - pos < 12:
                return self._stop(pos, NEED)
            if not plausible(data, pos):
                return self._stop(pos, GARBAGE)
            if g[G_PENDING] >= g[G_DRAIN_AT]:
                return self._stop(pos, DRAIN)
            _, pcpu, size = _HEADER.unpack_from(data, pos)
            row = self.rows.get(pcpu)
            if row is None:
                g[G_CUR] = pcpu
                return self._stop(pos, NEW_PCPU)
            if not g[G_LOOKED] and end - pos < 12 + min(size, 12):
                return self._stop(pos, NEED)
            if not g[G_LOOKED] and self._seam(data, pos + 12, size, row[P_LAST]):
                return self._stop(pos, SEAM)
            g[G_LOOKED] = 0
            again = pcpu == g[G_PREV]
            if pcpu < g[G_PREV] or (again and (g[G_TWICE] or g[G_NPCPU] == 1 or g[G_PENDING] >= BACKLOG)):
                begin_pass(g)
                again = False
            g[G_TWICE] = int(again)     # a ring may come in two pieces, never in three
            g[G_PREV] = g[G_CUR] = pcpu
            g[G_LEFT] = size
            g[G_WINDOW_AT] = g[G_ORIGIN] + pos
            begin_window(g, row, size)
            pos += 12

    def _seam(self, data, at, size, last):
        """Whether the window at ``at`` may be another recording's (seams.py); looked at where it begins with a stamp."""
        most = self.g[G_MAXT]
        if size < 12 or not data[at + 3] & 0x80 or most < 0:
            return False
        tsc, = _STAMP.unpack_from(data, at + 4)
        return tsc < last - OLDER or tsc - most > self.g[G_QUIET]

    def _stop(self, pos, answer):
        self.g[G_POS] = pos
        return answer

    def _payload(self, data, pos, size):
        """Walk the whole records in ``size`` bytes of the current window; returns the bytes used."""
        g = self.g
        words = memoryview(data)[pos:pos + size].cast("I")
        count = size >> 2
        left = g[G_LEFT] >> 2
        row = self.rows[g[G_CUR]]
        queue = self.queues[g[G_CUR]]
        before = len(queue)
        at = 0
        # Whole windows of runstate changes are common under the narrow mask, and can be unpacked at one go.
        if count >= 16 and self._plain.issuperset(words[:count & ~3:4].tolist()):
            at = self._bulk(data, pos, count & ~3, row, queue)
        classes = self._classes
        while at < count:
            header = words[at]
            length, kind, first = classes.get(header) or self._classify(header)
            if at + length > left or header == CPU_CHANGE_HEADER:
                # The window was cut short, by a killed xentrace or a damaged file.
                g[G_CUT] += 1
                self._hurt()
                g[G_LEFT] = 0
                if header != CPU_CHANGE_HEADER:
                    g[G_SKIP] = (left - at) << 2
                g[G_PENDING] += len(queue) - before
                return at << 2
            if at + length > count:
                break
            if first == 3:
                tsc = words[at + 1] | words[at + 2] << 32
                last = row[P_LAST]
                if tsc < last or tsc - g[G_MAXT] > LEAP or tsc >= STAMP_LIMIT or row[P_HELD] >= 0 or last < 0:
                    if row[P_HELD] >= 0:
                        self._judge(queue, row, tsc)
                        last = row[P_LAST]
                    tsc = self._odd_stamp(tsc, last)
                    if tsc < 0:
                        g[G_RECORDS] += 1
                        row[P_RECORDS] += 1
                        at += length
                        continue
                    if tsc - g[G_MAXT] > LEAP and g[G_MAXT] >= 0 and not g[G_WILDS] and kind != KIND_LOST:
                        row[P_HELD] = tsc
                    elif last < 0:
                        self._first_stamp(queue, tsc)
                if row[P_HELD] < 0:
                    row[P_LAST] = tsc
                    if tsc > g[G_MAXT]:
                        g[G_MAXT] = tsc
                g[G_WILDS] = 0
            else:
                tsc = last = max(row[P_LAST], row[P_HELD])
            g[G_RECORDS] += 1
            if kind >= 0:
                self._queue(queue, row, tsc, kind, words, at + first, last)
            if kind != KIND_LOST:
                row[P_RECORDS] += 1
            at += length
        g[G_LEFT] -= at << 2
        g[G_PENDING] += len(queue) - before
        return at << 2

    def _bulk(self, data, pos, count, row, queue):
        """Records of 16 bytes with ascending stamps: all at once. Returns the words used, 0 where it cannot be done."""
        g = self.g
        headers, stamps, words = zip(*_SHORT.iter_unpack(memoryview(data)[pos:pos + count * 4]))
        low, high = stamps[0], stamps[-1]
        if (g[G_MAXT] < 0 or low < max(0, row[P_LAST]) or high - g[G_MAXT] > LEAP or row[P_LAST] < 0
                or row[P_HELD] >= 0 or high >= STAMP_LIMIT or list(stamps) != sorted(stamps)):
            return 0
        kinds = {header: self._classes[header][1] for header in set(headers)}
        entries = zip(stamps, repeat(row[P_NUMBER]), map(kinds.__getitem__, headers), words, repeat(0))
        if min(kinds.values()) < 0:
            queue.extend([entry for entry in entries if entry[2] >= 0])
        else:
            queue.extend(entries)
        row[P_LAST] = high
        g[G_MAXT] = max(g[G_MAXT], high)
        g[G_RECORDS] += len(stamps)
        row[P_RECORDS] += len(stamps)
        g[G_WILDS] = 0
        return count

    def _queue(self, queue, row, tsc, kind, words, first, last):
        pcpu = row[0]
        a = words[first]
        b = 0
        if kind == KIND_LOST:
            row[P_LOST] += a
            if not row[P_RECORDS]:
                row[P_LOST_BEFORE] += a
            begin = words[first + 2] | words[first + 3] << 32
            # The marker names domid and vcpu the other way round than runstate records do.
            word = words[first + 1]
            begin = max(min(begin, tsc), last)
            if last < 0:
                for place, entry in enumerate(queue):       # stampless ones, from before the loss
                    queue[place] = (begin,) + entry[1:]
            queue.append((begin, pcpu, KIND_GAP_BEGIN, 0, 0))
            kind, a, b = KIND_GAP_END, (word & 0xFFFF) << 16 | word >> 16, a
        elif kind == KIND_SLICE:
            # Four words since 4.8 ("xen: sched: improve tracing", with a vcpu word), three before.
            b = words[first + 3 if words[first - 3] >> 28 & 7 >= 4 else first + 2]
        elif kind == KIND_FREQUENCY:
            b = words[first + 1]
        queue.append((tsc, pcpu, kind, a, b))
