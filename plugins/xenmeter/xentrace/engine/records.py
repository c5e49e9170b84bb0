"""Trace records as Xen writes them.

Mirrors ``xen/include/public/trace.h`` (record form unchanged since Xen 3.1 in 2007; ids as of 4.17, checked up to
4.23) and what ``tools/xentrace/xentrace.c`` puts around them. A stream has no header of its own: it is a sequence of
windows, each a CPU_CHANGE record (12 bytes) and the bytes of one pCPU's ring. Words are little endian.

A record is a ``uint32_t`` header (bits 0-27 id, 28-30 number of words, 31 "a TSC follows"), then maybe the
``uint64_t`` TSC, low half first, then the words.
"""
import struct
from typing import Tuple

__all__ = ("window", "classify", "RUNNING", "RUNNABLE", "BLOCKED", "OFFLINE", "IDLE_DOMAIN", "CPU_CHANGE_HEADER", "MAX_PCPU",
           "MAX_WINDOW")

RUNNING, RUNNABLE, BLOCKED, OFFLINE = range(4)
IDLE_DOMAIN = 0x7FFF

LOST_RECORDS = 0x0001F001
WRAP_BUFFER = 0x0001F002
CPU_CHANGE = 0x0001F003
RUNSTATE_CHANGE = 0x00021001       # | old << 8 | new << 4
CONTINUE_RUNNING = 0x00021002
SCHED_DOM_ADD = 0x00028001         # scheduler attach and detach: a life's border only where 0x41001/2 are masked out
SCHED_DOM_REM = 0x00028002
SWITCH_INFPREV = 0x0002800E        # 4.8: domid, unit, runtime; before: domid, runtime
SWITCH_INFNEXT = 0x0002800F        # 4.8: domid, unit, waited, slice; before: domid, waited, slice
SWITCH_INFCONT = 0x00028011        # 4.9: domid, unit, runtime, slice
DOM0_DOM_ADD = 0x00041001
DOM0_DOM_REM = 0x00041002
GRANT_MAP = 0x0010F001
GRANT_UNMAP = 0x0010F002
GRANT_TRANSFER = 0x0010F003
PM_FREQ_CHANGE = 0x00801001
PM_IDLE_ENTRY = 0x00801002
PM_IDLE_EXIT = 0x00801003

#: CPU_CHANGE with its two words and no TSC: how every window begins.
CPU_CHANGE_HEADER = 0x20000000 | CPU_CHANGE
#: x86 can be built for 16383 pCPUs; more in a header means that it is none.
MAX_PCPU = 1 << 14
#: A ring is addressed by 32-bit pointers modulo twice its size; a window larger than this is none.
MAX_WINDOW = 1 << 30

# Kinds: what the accounts distinguish. 0-15 are the runstate changes, old * 4 + new.
KIND_CONTINUE = 16
KIND_GRANT_MAP, KIND_GRANT_UNMAP, KIND_GRANT_TRANSFER = 17, 18, 19
KIND_SLICE = 20
KIND_GAP_BEGIN, KIND_GAP_END = 21, 22
KIND_DOM_ADD, KIND_DOM_REM = 23, 24
KIND_SCHED_ADD, KIND_SCHED_REM = 25, 26
KIND_FREQUENCY, KIND_IDLE_ENTRY, KIND_IDLE_EXIT = 27, 28, 29
#: A lost-records marker; the decoder makes KIND_GAP_BEGIN and KIND_GAP_END of it.
KIND_LOST = 30
#: Counted, its time stamp used, and nothing else.
KIND_NONE = -1

#: id -> (kind, fewest words that make sense, whether a TSC is needed)
_KINDS = {
    CONTINUE_RUNNING: (KIND_CONTINUE, 1, True),
    GRANT_MAP: (KIND_GRANT_MAP, 1, False),
    GRANT_UNMAP: (KIND_GRANT_UNMAP, 1, False),
    GRANT_TRANSFER: (KIND_GRANT_TRANSFER, 1, False),
    SWITCH_INFNEXT: (KIND_SLICE, 3, True),
    LOST_RECORDS: (KIND_LOST, 4, True),
    DOM0_DOM_ADD: (KIND_DOM_ADD, 1, True),
    DOM0_DOM_REM: (KIND_DOM_REM, 1, True),
    SCHED_DOM_ADD: (KIND_SCHED_ADD, 1, True),
    SCHED_DOM_REM: (KIND_SCHED_REM, 1, True),
    PM_FREQ_CHANGE: (KIND_FREQUENCY, 2, True),
    PM_IDLE_ENTRY: (KIND_IDLE_ENTRY, 1, True),
    PM_IDLE_EXIT: (KIND_IDLE_EXIT, 1, True),
}


def classify(header: int) -> Tuple[int, int, int]:
    """(length in 32-bit words, kind, index of the first word after the TSC) of a record's header."""
    words = header >> 28 & 7
    timed = header >> 31
    event = header & 0x0FFFFFFF
    kind = KIND_NONE
    if event & ~0x330 == RUNSTATE_CHANGE:
        if timed and words:
            kind = (event >> 8 & 3) << 2 | event >> 4 & 3
    elif event in _KINDS:
        known, least, needs_tsc = _KINDS[event]
        if words >= least and (timed or not needs_tsc):
            kind = known
    return 1 + 2 * timed + words, kind, 1 + 2 * timed


def window(pcpu: int, payload: bytes) -> bytes:
    """What xentrace writes of one pCPU in one pass; the size does not count the header itself."""
    return struct.pack("<III", CPU_CHANGE_HEADER, pcpu, len(payload)) + payload
