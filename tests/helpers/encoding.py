"""Trace records, made by hand: the other way round from xenmeter.xentrace.engine.records."""
import struct

from xenmeter.xentrace.engine import records

_TSC = 0x80000000


def encode(event, words=(), tsc=None):
    """One record. ``event``: 28-bit id; ``words``: up to seven ``uint32_t``; ``tsc``: ``uint64_t`` or none."""
    words = [word & 0xFFFFFFFF for word in words]
    if len(words) > 7:
        raise ValueError("a record holds 7 words, not %d" % len(words))
    header = event & 0x0FFFFFFF | len(words) << 28
    if tsc is None:
        return struct.pack("<%dI" % (1 + len(words)), header, *words)
    return struct.pack("<IQ%dI" % len(words), header | _TSC, tsc, *words)


def runstate(tsc, domid, vcpu, old, new):
    return encode(records.RUNSTATE_CHANGE | old << 8 | new << 4, [domid << 16 | vcpu], tsc)


def continue_running(tsc, domid, vcpu):
    return encode(records.CONTINUE_RUNNING, [domid << 16 | vcpu], tsc)


def lost(tsc, count, domid, vcpu, first_tsc):
    """``count`` records were dropped from ``first_tsc`` to ``tsc``; here domid is the low half of the word."""
    return encode(records.LOST_RECORDS, [count, vcpu << 16 | domid, first_tsc, first_tsc >> 32], tsc)


def wrap(words, tsc=None):
    """Filler up to the ring's end; its words are whatever was in memory."""
    return encode(records.WRAP_BUFFER, words, tsc)


def switch_infprev(tsc, domid, unit, runtime):
    """``runtime`` in ns, cut to 32 bits (4.8 and later)."""
    return encode(records.SWITCH_INFPREV, [domid, unit, runtime], tsc)


def switch_infnext(tsc, domid, unit, waited, slice_ns):
    """``waited`` and ``slice_ns`` in ns, cut to 32 bits; a negative slice has no limit (4.8 and later)."""
    return encode(records.SWITCH_INFNEXT, [domid, unit, waited, slice_ns], tsc)
