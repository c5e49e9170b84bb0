"""Where one recording ends and another begins in the same file: `xentrace ... >> trace.bin` leaves such files, `cat` too.

The scanner looks at the first stamp of each window alone, and asks where it is out of the ordinary. Here the whole pass
that begins there is looked at: xentrace goes over the pCPUs by ascending number, so it lasts until a smaller one comes; of
one pCPU there may be two windows, where the end of its ring was crossed. Stamps older than before on every pCPU: another
boot, or the same trace again. None on any pCPU for more than a second: the host slept, or nobody recorded; what was at work
before, or is in another state after it, tells which.
"""
import struct
from typing import Any, Dict, List, NamedTuple, Optional

from xenmeter.xentrace.engine.layout import CLASS, G_MAXT, JUMP, OLDER, P_LAST, S_PENDING, S_UNKNOWN, V_IDLE, V_LASTCPU, V_STATE
from xenmeter.xentrace.engine.records import KIND_LOST, classify
from xenmeter.xentrace.engine.scan import plausible

__all__ = ("Window", "window", "pass_at", "older", "silent_until", "interrupted")

_HEADER = struct.Struct("<III")
#: Records of a window that are looked at for changes of state.
_MOST = 4096


class Window(NamedTuple):
    """``stamps``: the first two TSCs in it; ``changes``: (vCPU's key, old state) of its runstate changes, in their order.
    ``lost``: [True] where it begins with a marker of lost records."""

    pcpu: int
    stamps: List[int]
    changes: List[Any]
    lost: List[bool]


def pass_at(data: bytes, position: int, final: bool) -> Optional[List[Window]]:
    """The windows of the pass that begins at ``position`` with a window's header.

    :param final: nothing follows ``data``. None: more is needed.
    """
    found: List[Window] = []
    while position + 12 <= len(data) and plausible(data, position):
        _, pcpu, size = _HEADER.unpack_from(data, position)
        if found and (pcpu < found[-1].pcpu or [one.pcpu for one in found[-2:]] == [pcpu, pcpu]):
            return found
        if position + 12 + size > len(data):
            if not final:
                return None
            size = (len(data) - position - 12) & ~3
        found.append(window(pcpu, memoryview(data)[position + 12:position + 12 + size].cast("I")))
        position += 12 + size
    return found if final or position + 12 <= len(data) else None


def window(pcpu: int, words: Any) -> Window:
    """What there is to look at in the 32-bit words of a pCPU's records."""
    one = Window(pcpu, [], [], [])
    at = 0
    for _ in range(_MOST):
        if at >= len(words):
            break
        length, kind, first = classify(words[at])
        if at + length > len(words):
            break
        if kind == KIND_LOST and not one.stamps:
            one.lost.append(True)
        if first == 3 and len(one.stamps) < 2:
            one.stamps.append(words[at + 1] | words[at + 2] << 32)
        if 0 <= kind < 16:
            one.changes.append((words[at + first], kind >> 2))
        at += length
    return one


def older(windows: List[Window], rows: Dict[int, List[int]]) -> bool:
    """Whether all stamps lie clearly before what their pCPUs wrote last: one damaged stamp is no other recording."""
    found = [(rows[one.pcpu][P_LAST], stamp) for one in windows if one.pcpu in rows and rows[one.pcpu][P_LAST] >= 0
             for stamp in one.stamps]
    return len(found) > 1 and all(stamp < last - OLDER for last, stamp in found)


def silent_until(windows: List[Window], g: List[int], cycles: int) -> Optional[int]:
    """The first TSC after a time of more than ``cycles`` in which no pCPU has a record; None: there is no such time, or what
    is missing was lost, which a marker tells: nobody had read the rings, and they were full."""
    if any(one.lost for one in windows):
        return None
    stamps = [stamp for one in windows for stamp in one.stamps]
    if len(stamps) < 2 or min(stamps) - g[G_MAXT] <= cycles or max(stamps) - g[G_MAXT] > JUMP:
        return None
    return min(stamps)


def interrupted(windows: List[Window], accounts: Any) -> bool:
    """Whether a silence is one of the recording's, not of the host's: a vCPU waited all the while, which none does where
    the scheduler says nothing for a second; or one is in another state after it than before."""
    if any(CLASS[vcpu.row[V_STATE]] == 1 and not vcpu.row[V_IDLE] for vcpu in accounts.vcpus.values()):
        return True
    seen = set()
    for one in windows:
        for key, old in one.changes:
            vcpu = accounts.vcpus.get(key)
            if vcpu is None or key in seen or vcpu.row[V_STATE] in (S_UNKNOWN, S_PENDING):
                continue
            seen.add(key)
            if CLASS[vcpu.row[V_STATE]] != old or (old == 0 and vcpu.row[V_LASTCPU] != one.pcpu):
                return True
    return False
