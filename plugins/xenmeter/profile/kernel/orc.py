"""Linux's own unwind tables for x86-64 (``arch/x86/include/asm/orc_types.h``, ``arch/x86/kernel/unwind_orc.c``).

An entry holds for the instructions from its address to that of the next one: how far the frame's end (CFA) is from a register,
and where rbp was saved. Six bytes: sp_offset and bp_offset (signed), then bits sp_reg:4, bp_reg:4 and the type. The type has two
bits until Linux 6.3 (call, registers, part of them), three since 6.4 (undefined, end of stack, and those).
"""
import bisect
import struct
from array import array
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

from xenmeter.core.errors import BadInput

__all__ = ("Orc", "Frame", "TOO_DEEP", "is_kernel", "walk")

_ENTRY = struct.Struct("<hhH")
#: ORC_REG_*
_UNDEFINED, _PREV_SP, _DX, _DI, _BP, _SP, _R10, _R13, _BP_INDIRECT, _SP_INDIRECT = range(10)
_REGISTERS = {_DX: "rdx", _DI: "rdi", _R10: "r10", _R13: "r13"}
_CALL, _REGS, _PARTIAL = range(3)
#: Places in ``struct pt_regs``.
_PT = {"r13": 16, "rbp": 32, "r10": 56, "rdx": 96, "rdi": 112, "rip": 128, "rsp": 152}
TOO_DEEP = 64
#: Entries of a kernel; Debian's 6.12 has 500 000.
_MOST = 1 << 21
_KERNEL = 0xffff800000000000
_WORD = 1 << 64


def is_kernel(address: int) -> bool:
    """Whether it is in the upper half of the addresses, which is the kernel's."""
    return address >= _KERNEL


class Frame(NamedTuple):
    """Where an unwinder stands. ``after_call``: the address is where a call returns to."""

    ip: int
    sp: int
    bp: int
    after_call: bool
    more: Dict[str, int]        # further registers, where they are known


class Orc:
    """The tables of a kernel or of one module.

    :param ips: addresses, ascending, relative to ``base``. :param entries: their entries' bytes. :param early: of a kernel before
        5.12, which adds sp's offset before it reads the pointer there, and not to what it has read.
    """

    def __init__(self, base: int, ips: Sequence[int], entries: bytes, three_bits: Optional[bool] = None,
                 early: bool = False) -> None:
        self.base = base
        self.ips = ips
        self.entries = bytes(entries)
        if len(self.entries) != _ENTRY.size * len(ips):
            raise BadInput("ORC has %d addresses and %d bytes of entries" % (len(ips), len(self.entries)), 0)
        self.three_bits = self._form() if three_bits is None else three_bits
        self.early = early

    @classmethod
    def of_sections(cls, address: int, ips: Any, entries: Any, base: int, three_bits: Optional[bool] = None,
                    early: bool = False) -> "Orc":
        """Of ``.orc_unwind_ip``, which lies at ``address`` and holds distances from each of its own places, and
        ``.orc_unwind``. BadInput where they do not go together."""
        if len(ips) % 4:
            raise BadInput("ORC's addresses are cut off", len(ips))
        if len(ips) > 4 * _MOST:
            raise BadInput("ORC has more addresses than any kernel", 4 * _MOST)
        distances = array("i", bytes(ips))
        first = address - base
        places = [first + 4 * number + distance for number, distance in enumerate(distances)]
        if places and not 0 <= min(places) <= max(places) < 1 << 32:
            raise BadInput("ORC's addresses are not the kernel's", 0)
        if any(one > other for one, other in zip(places, places[1:])):
            # the kernel sorts a module's when it is loaded, its own when it is built
            order = sorted(range(len(places)), key=places.__getitem__)
            data = bytes(entries)
            entries = b"".join([data[_ENTRY.size * place:_ENTRY.size * place + _ENTRY.size] for place in order])
            places.sort()
        return cls(base, array("I", places), entries, three_bits, early)

    def _form(self) -> bool:
        """Most entries are of calls: type 0 of two bits, or 2 of three (then the bits are 01, and what was ``end`` 0)."""
        first = [entry[2] >> 8 & 7 for entry in _ENTRY.iter_unpack(self.entries[:_ENTRY.size * 20000])]
        return first.count(2) > first.count(0)

    def _entry(self, ip: int) -> Optional[Tuple[int, int, int, int, int]]:
        """(sp_offset, bp_offset, sp_reg, bp_reg, type); None where nothing is known, or the stack ends."""
        place = bisect.bisect_right(self.ips, ip - self.base) - 1
        if place < 0:
            return None
        sp_offset, bp_offset, bits = _ENTRY.unpack_from(self.entries, _ENTRY.size * place)
        kind = (bits >> 8 & 7) - 2 if self.three_bits else bits >> 8 & 3
        if kind < 0 or not bits & 15:
            return None
        return sp_offset, bp_offset, bits & 15, bits >> 4 & 15, kind

    def cfa(self, ip: int) -> Optional[Tuple[int, int, int]]:
        """(register, offset, type) by which the frame's end is found at an instruction; for tests against a disassembly."""
        entry = self._entry(ip)
        return None if entry is None else (entry[2], entry[0], entry[4])

    def step(self, frame: Frame, read: Callable[[int], int]) -> Optional[Frame]:
        """The caller's frame; None where the stack ends, or nothing is known of the place.

        :param read: the 8 bytes at an address; LookupError where it cannot, which goes on to the caller.
        """
        entry = self._entry(frame.ip - 1 if frame.after_call else frame.ip)
        if entry is None:
            return None
        sp_offset, bp_offset, sp_register, bp_register, kind = entry
        cfa = self._end_of(frame, sp_register, sp_offset, read)
        if cfa is None:
            return None
        if kind == _CALL:
            bp = frame.bp
            if bp_register == _PREV_SP:
                bp = read((cfa + bp_offset) % _WORD)
            elif bp_register == _BP:
                bp = read((frame.bp + bp_offset) % _WORD)
            return Frame(read((cfa - 8) % _WORD), cfa, bp, True, {})
        if kind == _REGS:
            found = {name: read((cfa + at) % _WORD) for name, at in _PT.items()}
            return Frame(found["rip"], found["rsp"], found["rbp"], False, found)
        if kind == _PARTIAL:            # what the processor itself pushed: rip, cs, flags, rsp, ss
            return Frame(read(cfa), read((cfa + 24) % _WORD), frame.bp, False, {})
        return None

    def _end_of(self, frame: Frame, register: int, offset: int, read: Callable[[int], int]) -> Optional[int]:
        if register == _SP:
            found = frame.sp + offset
        elif register == _BP:
            found = frame.bp + offset
        elif register == _SP_INDIRECT:      # the stack was changed: the old one's pointer is on the new one
            found = read((frame.sp + offset) % _WORD) if self.early else read(frame.sp) + offset
        elif register == _BP_INDIRECT:
            found = read((frame.bp + offset) % _WORD)
        elif register in _REGISTERS and _REGISTERS[register] in frame.more:
            found = frame.more[_REGISTERS[register]] + offset
        else:
            return None
        return found % _WORD


def walk(tables: Callable[[int], Optional[Orc]], frame: Frame, read: Callable[[int], int],
         deepest: int = TOO_DEEP) -> Tuple[List[Frame], bool]:
    """The frames from the innermost outwards while they are the kernel's, and whether the stack was followed to its end.

    :param tables: the tables that know an address; None where no one does.
    """
    frames = [frame]
    while len(frames) < deepest:
        known = tables(frame.ip)
        if known is None:
            return frames, False
        try:
            following = known.step(frame, read)
        except LookupError:
            return frames, False
        if following is None:
            return frames, True
        if not is_kernel(following.ip):
            return frames, following.ip < 1 << 47
        # a stack grows down: whoever comes from it lies above, but for a change of stacks, which is no loop of two frames
        if following.sp == frame.sp and following.ip == frame.ip:
            return frames, False
        frames.append(following)
        frame = following
    return frames, False
