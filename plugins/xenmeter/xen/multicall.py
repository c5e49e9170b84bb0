"""Many hypercalls of one kind in a single trap: Xen's ``multicall``.

HYPERVISOR_multicall (``xen/include/public/xen.h``) takes an array of ``struct multicall_entry`` and makes the calls one after
the other, each as if it had come by itself; it may be interrupted between two of them. PV, PVH and Arm domains have it in every
release since 4.11. Of an entry only ``result`` is looked at afterwards: a debug build of Xen overwrites the rest. Entries and
structs lie in memory that hypercalls may use (xen.calls).

An entry is made of the kernel's own words. A kernel of 32 bits would take ours for other calls, so there none is made.
"""
import errno
import os
import struct
import sys
from typing import Any, Dict, List, Optional, Sequence, Tuple

from xenmeter.xen import structs
from xenmeter.xen.calls import Buffer

__all__ = ("Multicall", "MOST")

#: Calls in one trap; with a domctl each they need 208 KiB.
MOST = 1024

_SIZE = structs.MULTICALL_ENTRY.size
_PACK = struct.Struct("<Qq6Q").pack
_RESULT, _WORDS = 1, _SIZE // 8     # an entry's word, and how many it has
_ARGUMENTS = 6
#: In ``result`` before the call; no hypercall answers so.
_UNTOUCHED = 0x5a5a5a5a5a5a

Before = Optional[Tuple[Tuple[int, ...], ...]]


class Multicall:
    """:param calls: ``LibraryCalls`` or ``DeviceCalls``.

    :ivar refused: why it is not to be had here, in a few words; None while it is.
    """

    def __init__(self, calls: Any) -> None:
        self.refused: Optional[str] = None if _is_64_bits() else "the kernel is not known to be one of 64 bits"
        self._calls = calls
        self._entries: Optional[Buffer] = None
        self._structs: Optional[Buffer] = None
        self._images: Dict[Tuple[int, int, Before, Tuple[int, ...]], bytes] = {}    # of entries, for the present buffers

    def each(self, op: int, stride: int, data: bytes, before: Tuple[int, ...] = (), after: Tuple[int, ...] = (),
             ) -> Tuple[List[int], bytes]:
        """Make one call for each struct, of any number; where multicalls are refused, each by itself.

        :param before, after: the arguments of each call that come before and after its struct's address: three at most, with it.
        :returns: the results (0 or more, or an errno below it), and the structs.
        """
        results: List[int] = []
        parts: List[bytes] = []
        for at in range(0, len(data), MOST * stride):
            part = data[at:at + MOST * stride]
            told = self.ask(op, stride, part, (before,) * MOST if before else None, after)
            found, answers = told if told is not None else self._one_by_one(op, stride, part, before, after)
            results.extend(found)
            parts.append(bytes(answers))
        return results, b"".join(parts)

    def _one_by_one(self, op: int, stride: int, data: bytes, before: Tuple[int, ...], after: Tuple[int, ...],
                    ) -> Tuple[List[int], Any]:
        answers = self._structs = self._room(self._structs, len(data))
        answers.view[:len(data)] = data
        results: List[int] = []
        for at in range(0, len(data), stride):
            try:
                results.append(self._calls.call(op, *(before + (answers.address + at,) + after)))
            except OSError as error:
                results.append(-(error.errno or errno.EIO))
        return results, answers.view[:len(data)]

    def ask(self, op: int, stride: int, data: bytes, before: Before = None, after: Tuple[int, ...] = (),
            ) -> Optional[Tuple[List[int], Any]]:
        """Make one call for each struct, of MOST at most.

        :param op: the hypercall; :param stride: bytes from one struct of ``data`` to the next.
        :param before: of each call the arguments that come before its struct's address; None: none.
        :param after: those that come after it, of all.
        :returns: the results (0, or an errno below it), and a ``memoryview`` of the structs, good until the next question;
            None where multicalls are ``refused``, now and from now on.
        """
        if self.refused is not None:
            return None
        number = len(data) // stride
        entries = self._entries = self._room(self._entries, number * _SIZE)
        answers = self._structs = self._room(self._structs, len(data))
        image = self._image(op, stride, number, before, answers.address, after)
        entries.view[:len(image)] = image
        answers.view[:len(data)] = data
        try:
            self._calls.call(structs.HYPERCALL_MULTICALL, entries.address, number)
        except OSError as error:
            self.refused = "Xen answers: %s" % (error.strerror or error)
            return None
        results = entries.view[:len(image)].cast("q")[_RESULT::_WORDS].tolist()
        if _UNTOUCHED in results:
            self.refused = "Xen did not make all of its calls"
            return None
        return results, answers.view[:len(data)]

    def close(self) -> None:
        for buffer in (self._entries, self._structs):
            if buffer is not None:
                self._calls.free(buffer)
        self._entries = self._structs = None

    def _room(self, buffer: Optional[Buffer], size: int) -> Buffer:
        if buffer is not None and len(buffer.view) >= size:
            return buffer
        larger = self._calls.allocate(size)
        if buffer is not None:
            self._calls.free(buffer)
        self._images.clear()        # they hold the old one's address
        return larger

    def _image(self, op: int, stride: int, number: int, before: Before, address: int, after: Tuple[int, ...]) -> bytes:
        """The entries' bytes; made once for as many as there were."""
        image = self._images.get((op, stride, before, after), b"")
        if len(image) < number * _SIZE:
            image = self._images[op, stride, before, after] = b"".join([
                _entry(op, (() if before is None else before[place]) + (address + place * stride,) + after)
                for place in range(number)])
        return image if len(image) == number * _SIZE else image[:number * _SIZE]


def _entry(op: int, arguments: Sequence[int]) -> bytes:
    return _PACK(op, _UNTOUCHED, *(tuple(arguments) + (0,) * (_ARGUMENTS - len(arguments))))


def _is_64_bits() -> bool:
    return "64" in os.uname().machine and sys.maxsize > 1 << 32 and sys.byteorder == "little"
