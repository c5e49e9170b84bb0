"""ELF files of 64 bits, little endian: sections, notes and symbols, as the System V ABI and Linux's ``elf.h`` lay them out.

Nothing in such a file is trusted: a table or a section that does not lie within the file is BadInput, or not there.
"""
import struct
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

from xenmeter.core.errors import BadInput

__all__ = ("Elf", "Section", "build_id_note", "build_id_of", "notes_in")

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_NOTE = struct.Struct("<III")
_NO_BITS = 8            # SHT_NOBITS: the section takes no room in the file
_BUILD_ID = 3           # NT_GNU_BUILD_ID
_FUNCTION = 2           # STT_FUNC
#: A kernel has some 80; -ffunction-sections makes thousands, and the header holds no more than these.
_MOST_SECTIONS = 0xff00
#: Bytes of a name that are told.
_LONGEST = 4096


class Section(NamedTuple):
    """``address`` is where it lies in memory, ``offset`` where in the file; ``size`` in bytes."""

    name: str
    kind: int
    address: int
    offset: int
    size: int
    link: int


class Elf:
    """One file.

    :param data: its bytes.
    :ivar sections: by name; of several with one name the first.
    :raises BadInput: where it is no ELF file of 64 bits, or its section table is not whole.
    """

    def __init__(self, data: Any) -> None:
        self.data = memoryview(data)
        if len(self.data) < _HEADER.size or bytes(self.data[:6]) != b"\x7fELF\x02\x01":
            raise BadInput("this is no ELF file of 64 bits", 0)
        head = _HEADER.unpack_from(self.data)
        self._all = self._table(head[6], head[11], head[12], head[13])
        self.sections: Dict[str, Section] = {}
        for section in self._all:
            self.sections.setdefault(section.name, section)

    def _table(self, at: int, size: int, number: int, names: int) -> List[Section]:
        if not number:
            return []
        if size < _SECTION.size or number > _MOST_SECTIONS or at + size * number > len(self.data):
            raise BadInput("the table of sections does not lie in the file", min(at, len(self.data)))
        rows = [_SECTION.unpack_from(self.data, at + size * row) for row in range(number)]
        texts = self._bytes(rows[names][4], rows[names][5]) if names < number else memoryview(b"")
        whole = bytes(texts)
        return [Section(_text(whole, row[0]), row[1], row[3], row[4], row[5], row[6]) for row in rows]

    def _bytes(self, offset: int, size: int) -> memoryview:
        if offset + size > len(self.data):
            raise BadInput("a section of %d bytes does not lie in the file" % size, min(offset, len(self.data)))
        return self.data[offset:offset + size]

    def section(self, name: str) -> Optional[Tuple[int, memoryview]]:
        """(its address, its bytes), or None where the file has no such section; BadInput where it is cut off."""
        found = self.sections.get(name)
        if found is None or found.kind == _NO_BITS:
            return None
        return found.address, self._bytes(found.offset, found.size)

    def notes(self) -> Iterator[Tuple[bytes, int, bytes]]:
        """(owner, type, content) of each note in ``.notes`` (kernels) or in sections of notes (programs)."""
        for section in self._all:
            if section.kind == 7:       # SHT_NOTE
                yield from notes_in(self._bytes(section.offset, section.size))

    @property
    def build_id(self) -> Optional[str]:
        """What the linker called this build, as hexadecimal digits; None where it did not."""
        return build_id_of(self.notes())

    def functions(self) -> List[Tuple[int, int, str]]:
        """(address, size, name) of the functions in its symbol table, by address; of a stripped one those it exports."""
        for wanted in (2, 11):          # SHT_SYMTAB, SHT_DYNSYM
            for section in self._all:
                if section.kind == wanted and section.link < len(self._all):
                    names = self._all[section.link]
                    texts = bytes(self._bytes(names.offset, names.size))
                    symbols = self._bytes(section.offset, section.size // _SYMBOL.size * _SYMBOL.size)
                    return sorted((value, size, _text(texts, name)) for name, info, _, index, value, size
                                  in _SYMBOL.iter_unpack(symbols) if info & 15 == _FUNCTION and index)
        return []


def notes_in(data: memoryview) -> Iterator[Tuple[bytes, int, bytes]]:
    """(owner, type, content) of the notes in these bytes, as far as they are whole."""
    for begin, end, kind in _notes(data):
        owner, _, _ = _NOTE.unpack_from(data, begin)
        name_at = begin + _NOTE.size
        yield bytes(data[name_at:name_at + owner]).rstrip(b"\0"), kind, bytes(data[name_at + (owner + 3 & -4):end])


def _notes(data: memoryview) -> Iterator[Tuple[int, int, int]]:
    """(begin, end, type) of each whole note."""
    at = 0
    while at + _NOTE.size <= len(data):
        owner, content, kind = _NOTE.unpack_from(data, at)
        end = at + _NOTE.size + (owner + 3 & -4) + content
        if end > len(data):
            return
        yield at, end, kind
        at = end + 3 & -4


def build_id_note(address: int, data: memoryview) -> Optional[Tuple[int, bytes]]:
    """(address, bytes) of the one note that tells the build: it is the same wherever the kernel was moved to, while others hold
    addresses, which move with it. None where there is none. :param address: where these notes lie."""
    for begin, end, _ in _notes(data):
        if build_id_of(notes_in(data[begin:end])) is not None:
            return address + begin, bytes(data[begin:end])
    return None


def build_id_of(notes: Iterator[Tuple[bytes, int, bytes]]) -> Optional[str]:
    for owner, kind, content in notes:
        if owner == b"GNU" and kind == _BUILD_ID and 8 <= len(content) <= 64:
            return content.hex()
    return None


def _text(texts: bytes, at: int) -> str:
    end = texts.find(b"\0", at, at + _LONGEST)
    return texts[at:end if end >= 0 else at + _LONGEST].decode("utf-8", "replace")
