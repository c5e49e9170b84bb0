"""The traces of fixtures/xentrace, and how the host was on which they were made."""
import lzma
import pathlib
import re

from helpers.paths import TRACES

#: TSC rate of the host of most (xl info); when its traces are said to begin, s; and a second, ns.
KHZ = 2596120
START = 1795192500
SECOND = 10 ** 9


def capture(case):
    """The bytes that xentrace wrote."""
    return lzma.decompress((TRACES / case / "trace.bin.xz").read_bytes())


def khz_of(case):
    """The TSC rate of the host of a case, kHz."""
    return int(re.search(r"cpu_khz (\d+)", (TRACES / case / "PROVENANCE.md").read_text()).group(1))


def unpacked(folder, case="narrow-steady"):
    """The path of a file with them."""
    path = pathlib.Path(str(folder)) / (case + ".bin")
    path.write_bytes(capture(case))
    return path


def stamps_of(data):
    """(place of a stamp, it) of all of a trace's records."""
    at = 0
    while at < len(data):
        header, pcpu, size = (int.from_bytes(data[at + place:at + place + 4], "little") for place in (0, 4, 8))
        at += 12
        end = at + size
        while at < end:
            word = int.from_bytes(data[at:at + 4], "little")
            if word >> 31:
                yield at + 4, int.from_bytes(data[at + 4:at + 12], "little")
            at += 4 + 8 * (word >> 31) + 4 * (word >> 28 & 7)
