"""The modules of a guest's kernel: their names and unwind tables, out of its memory. Hostile: every length is bounded.

Linux keeps them in a ring (``modules``); of each, ``mod->kallsyms`` has the symbols and ``mod->arch`` the unwind tables, sorted.
"""
import struct
from array import array
from typing import Any, List, Optional, Sequence

from xenmeter.core.errors import BadInput, printable
from xenmeter.profile.kernel.kallsyms import Names
from xenmeter.profile.kernel.orc import Orc
from xenmeter.xen.foreign import Unmapped

__all__ = ("Module", "loaded")

MOST = 512              # modules
_SYMBOLS = 1 << 16      # of one
_TEXTS = 1 << 21
_ORCS = 1 << 18
#: Of all together; each of a guest's modules may be the largest, and the same memory be that of all.
_ALL_SYMBOLS, _ALL_ORCS = 1 << 18, 1 << 20
_LARGEST = 1 << 27      # bytes of code
_NAME = 56              # MODULE_NAME_LEN on 64 bits
_SYMBOL = struct.Struct("<IBBHQQ")
_WORD = 1 << 64


class _Room:
    """What may still be read of all modules: symbols, and places in unwind tables."""

    def __init__(self) -> None:
        self.symbols = _ALL_SYMBOLS
        self.orcs = _ALL_ORCS


class Module:
    """:ivar begin: where its code begins; :ivar end: and ends. :ivar orc: ``Orc``, or None."""

    def __init__(self, name: str, begin: int, end: int, names: Names, orc: Optional[Orc]) -> None:
        self.name = name
        self.begin = begin
        self.end = end
        self.names = names
        self.orc = orc


def loaded(space: Any, kernel: Any, slide: int = 0, before: Sequence[Module] = ()) -> List[Module]:
    """What can be read of the guest's modules, by address. None of it is an error: a module may come and go meanwhile.

    :param slide: how far the kernel was moved from where its image says. :param before: what was read already.
    """
    seen = {(module.name, module.begin, module.end): module for module in before}
    places = kernel.modules
    if places is None:
        return []
    found: List[Module] = []
    room = _Room()
    try:
        head = (places.head + slide) % _WORD
        at = space.word(head)
        for _ in range(MOST):
            if at == head:
                break
            module = _module(space, (at - places.list) % _WORD, places, kernel, seen, room)
            if module is not None:
                found.append(module)
            at = space.word(at)
    except Unmapped:
        pass
    return sorted(found, key=lambda module: module.begin)


def _module(space: Any, at: int, places: Any, kernel: Any, seen: Any, room: _Room) -> Optional[Module]:
    try:
        name = space.read(at + places.name, _NAME).split(b"\0")[0].decode("ascii", "replace")
        begin = space.word(at + places.text)
        size = int.from_bytes(space.read(at + places.size, 4), "little")
        if not name or not 0 < size <= _LARGEST or begin + size > _WORD:
            return None
        known = seen.get((printable(name), begin, begin + size))
        if known is not None:
            room.symbols -= len(known.names.at)
            room.orcs -= len(known.orc.ips) if known.orc is not None else 0
            return known
        return Module(printable(name), begin, begin + size,
                      _names(space, space.word(at + places.kallsyms), places, begin, size, room),
                      _orc(space, at, places, begin, kernel, room))
    except Unmapped:
        return None


def _names(space: Any, at: int, places: Any, begin: int, size: int, room: _Room) -> Names:
    """Its functions, without what is undefined; a text that is not there is left out."""
    rows = []
    try:
        number = min(int.from_bytes(space.read(at + places.num_symtab, 4), "little"), _SYMBOLS, max(0, room.symbols))
        room.symbols -= number
        symbols = space.read(space.word(at + places.symtab), _SYMBOL.size * number)
        used = [(value, name) for name, _, _, index, value, _ in _SYMBOL.iter_unpack(symbols)
                if name < _TEXTS and index and begin <= value < begin + size]
        texts = space.some(space.word(at + places.strtab), max([name for _, name in used]) + 512) if used else b""
        for value, name in used:
            text = texts[name:texts.find(b"\0", name)] if name < len(texts) else b""
            if text and not text.startswith(b"__pfx_"):
                rows.append((value, printable(text[:200].decode("utf-8", "replace"))))
    except Unmapped:
        pass
    rows.sort()
    return Names(array("Q", [row[0] for row in rows]), [row[1] for row in rows], {})


def _orc(space: Any, at: int, places: Any, begin: int, kernel: Any, room: _Room) -> Optional[Orc]:
    if kernel.orc is None:
        return None
    try:
        number = int.from_bytes(space.read(at + places.num_orcs, 4), "little")
        if not 0 < number <= min(_ORCS, room.orcs):
            return None
        room.orcs -= number
        ips_at = space.word(at + places.orc_unwind_ip)
        ips, entries = space.read(ips_at, 4 * number), space.read(space.word(at + places.orc_unwind), 6 * number)
        return Orc.of_sections(ips_at, ips, entries, _below(begin), kernel.orc.three_bits, kernel.orc.early)
    except (Unmapped, BadInput):
        return None


def _below(begin: int) -> int:
    """What a module's addresses are told from: its .init may lie below its code, and be gone."""
    return begin - (1 << 30)
