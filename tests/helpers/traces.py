"""Traces as long as one likes, made of captures, and captures with less in them."""
import struct

import numpy

from helpers.captures import KHZ, capture

#: The class of the scheduler's events, in bits 16 to 27 of a record's header (xen/include/public/trace.h).
TRC_SCHED = 2


def save(folder, case):
    path = folder / (case + ".bin")
    if not path.exists():
        path.write_bytes(capture(case))
    return path


def stamps_of(data):
    """Where the TSCs are: numbers of the 32-bit words that hold their lower halves."""
    words = struct.unpack("<%dI" % (len(data) // 4), data)
    found = []
    at = 0
    while at < len(words):
        header = words[at]
        if header >> 31:
            found.append(at + 1)
            if header & 0x0FFFFFFF == 0x0001F001:
                found.append(at + 5)        # a marker's first_tsc
        at += 1 + 2 * (header >> 31) + (header >> 28 & 7)
    return numpy.array(found)


def without_class(data, which):
    """The capture as it were with an event mask that leaves out a class of events."""
    kept = bytearray()
    place = 0
    while place < len(data):
        header, pcpu, size = struct.unpack_from("<III", data, place)    # a window's own record: the pCPU and its bytes
        place += 12
        end, window = place + size, bytearray()
        while place < end:
            word = struct.unpack_from("<I", data, place)[0]
            length = 4 + 8 * (word >> 31) + 4 * (word >> 28 & 7)
            if word >> 16 & 0xFFF != which:
                window += data[place:place + length]
            place += length
        kept += struct.pack("<III", header, pcpu, len(window)) + window
    return bytes(kept)


def lengthened(data, size):
    """The capture again and again, each time later, until it has at least ``size`` bytes: one long trace."""
    low = stamps_of(data)
    words = numpy.frombuffer(data, "<u4").copy()
    stamps = words[low].astype(numpy.uint64) | words[low + 1].astype(numpy.uint64) << numpy.uint64(32)
    # The next copy begins a ms after the end of the one before.
    step = int(stamps.max()) - int(stamps.min()) + KHZ
    parts = []
    for number in range(-(-size // len(data))):
        moved = stamps + numpy.uint64(number * step)
        words[low] = (moved & numpy.uint64(0xFFFFFFFF)).astype("<u4")
        words[low + 1] = (moved >> numpy.uint64(32)).astype("<u4")
        parts.append(words.tobytes())
    return b"".join(parts)
