"""The names of a kernel's functions, out of the tables that it carries for itself (Linux's ``scripts/kallsyms.c``).

A name is a length and so many tokens, each a byte that stands for some characters; the first character is the kind, as ``nm``
writes it. Where the tables lie nobody says, but each can be recognised: the texts of the tokens by those of the ten digits and by
the index of them that follows, the addresses by the base that stands beside them. There are two orders: addresses first (Linux
4.6 to 6.3), or names first (since 6.4). A length was a byte until 6.0; since 6.1 bit 7 says that another byte follows.

A guest may write what it likes there, and a thousand things that look like tables: only so many are tried.
"""
import bisect
import struct
from array import array
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from xenmeter.core.errors import BadInput

__all__ = ("Names", "read", "tokens_in", "MOST")

#: Symbols that a kernel may have. Debian's 6.12 has 215 000.
MOST = 1 << 20
#: Bytes of one name, packed (KSYM_NAME_LEN is 512), and of all of them (Debian's 6.12 has 6 MB).
_LONGEST, _ALL = 512, 1 << 26
#: Places that may be the texts of the tokens, the base, the table of names: two or three are in a kernel.
_TOKENS_TRIED, _BASES_TRIED, _NAMES_TRIED = 64, 256, 32
_LEAST = 1000
_DIGITS = b"".join(b"%d\0" % digit for digit in range(10))
_TOKENS = 256
_EVERY = 256        # a marker stands for so many names
_TEXT = frozenset(b"tTwW")
_WORD = 1 << 64


class Tokens(NamedTuple):
    begin: int              # of the texts
    texts: List[bytes]
    end: int                # of their index


class Names:
    """Names by address.

    :ivar at: addresses of functions, ascending, as 64-bit numbers. :ivar names: their names.
    :ivar absolute: of every symbol: name -> its address, or place in the per-CPU area; of several with one name, the first.
    """

    def __init__(self, at: Sequence[int], names: List[str], absolute: Dict[str, int]) -> None:
        self.at = at
        self.names = names
        self.absolute = absolute

    def of(self, address: int) -> Optional[str]:
        """The function that an address is in: the last one before it. None below the first, and behind one whose end is in the
        table, as a place without a name."""
        place = bisect.bisect_right(self.at, address) - 1
        return self.names[place] or None if place >= 0 else None


def tokens_in(data: bytes) -> Tokens:
    """The texts of the tokens; BadInput where there are none."""
    at = -1
    for _ in range(_TOKENS_TRIED):
        at = data.find(_DIGITS, at + 1)
        if at < 0:
            break
        found = _tokens_around(data, at)
        if found is not None:
            return found
    raise BadInput("this kernel has no table of names (CONFIG_KALLSYMS)", 0)


def _tokens_around(data: bytes, digits: int) -> Optional[Tokens]:
    """With the text of token 48, ``0``, at ``digits``: back to the first one, and on to the index, which must agree."""
    begin = digits
    for _ in range(ord("0")):
        begin = data.rfind(b"\0", max(0, digits - 65536), max(begin - 1, 0)) + 1
        if not begin:
            return None
    places, at = [], begin
    for _ in range(_TOKENS):
        places.append(at)
        at = data.find(b"\0", at, at + 4096) + 1
        if not at:
            return None
    for index_at in range(at + 1 & -2, at + 16, 2):
        if index_at + 2 * _TOKENS > len(data):
            return None
        index = struct.unpack_from("<%dH" % _TOKENS, data, index_at)
        # what stands before the first text may be padding: its true begin is where the index agrees with all others
        begin = places[1] - index[1]
        if index[0] == 0 and begin >= 0 and all(begin + one == place for one, place in zip(index[1:], places[1:])):
            places[0] = begin
            return Tokens(begin, [data[place:data.index(b"\0", place)] for place in places], index_at + 2 * _TOKENS)
    return None


def read(data: Any, base: int, built: Optional[int] = None) -> Names:
    """The names in ``data``, the kernel's read-only data (or all of it).

    :param base: the address of the kernel's text, which the addresses are relative to. :param built: where it is to be instead,
        of a kernel that was moved.
    """
    data = bytes(data)
    tokens = tokens_in(data)
    needle, at = struct.pack("<Q", base), -1
    tries = iter(range(_NAMES_TRIED))
    for _ in range(_BASES_TRIED):
        at = data.find(needle, at + 1)
        if at < 0:
            break
        found = _before(data, tokens, at, tries) if at < tokens.begin else _behind(data, tokens, at, tries)
        if found is not None:
            names, offsets = found
            return _sorted(names, offsets, base if built is None else built)
    raise BadInput("the table of names is of a form that is not known (Linux 4.6 to 6.14 are)", tokens.begin)


_Found = Optional[Tuple[List[bytes], Tuple[int, ...]]]


def _before(data: bytes, tokens: Tokens, base_at: int, tries: Iterator[int]) -> _Found:
    """Addresses, base, number, names, as Linux had them until 6.3."""
    if base_at + 16 > len(data):
        return None
    number, = struct.unpack_from("<Q", data, base_at + 8)
    addresses = base_at - 4 * number & -8
    if not _LEAST <= number <= MOST or addresses < 0:
        return None
    names = _names(data, tokens, base_at + 16, number) if next(tries, None) is not None else None
    return None if names is None else (names, struct.unpack_from("<%di" % number, data, addresses))


def _behind(data: bytes, tokens: Tokens, base_at: int, tries: Iterator[int]) -> _Found:
    """Number, names, markers, texts, index, addresses, base, as Linux has them since 6.4."""
    addresses = tokens.end + 7 & -8
    room = (base_at - addresses) // 4
    if not _LEAST <= room <= MOST:
        return None
    for number in (room, room - 1):
        needle, at = struct.pack("<Q", number), tokens.begin
        while True:
            at = data.rfind(needle, 0, at)
            if at < 0 or next(tries, None) is None:
                break
            names = _names(data, tokens, at + 8, number)
            if names is not None:
                return names, struct.unpack_from("<%di" % number, data, addresses)
    return None


#: Where each name begins, and the end of the last; where the tokens of each lie.
_Places = Tuple[List[int], List[Tuple[int, int]]]


def _names(data: bytes, tokens: Tokens, at: int, number: int) -> Optional[List[bytes]]:
    """So many names from ``at`` on; None where that is not where they are: the markers behind them say so."""
    for long_lengths in (True, False):
        places = _places(data, at, number, tokens.begin, long_lengths)
        if places is not None and _marked(data, at, places):
            return _unpacked(tokens.texts, data, places[1])
    return None


def _unpacked(texts: List[bytes], data: bytes, spans: List[Tuple[int, int]]) -> List[bytes]:
    """Each name, its tokens put together."""
    found, room = [], _ALL
    for begin, end in spans:
        found.append(b"".join([texts[token] for token in data[begin:end]]))
        room -= len(found[-1])
        if room < 0:
            raise BadInput("its names are longer than any kernel's", begin)
    return found


def _places(data: bytes, at: int, number: int, limit: int, long_lengths: bool) -> Optional[_Places]:
    """Where each name begins with its length, and where its tokens lie."""
    starts, spans, place = [], [], at
    if limit > len(data):
        return None
    for _ in range(number):
        if place + 1 >= limit:
            return None
        starts.append(place)
        length = data[place]
        place += 1
        if length & 0x80 and long_lengths:
            length = length & 0x7f | data[place] << 7
            place += 1
        if not 0 < length <= _LONGEST:
            return None
        spans.append((place, place + length))
        place += length
    return (starts + [place], spans) if place <= limit else None


def _marked(data: bytes, at: int, places: _Places) -> bool:
    starts, end = places[0], places[0][-1]
    wanted = [start - at for start in starts[:-1:_EVERY]]
    for markers in (end + 7 & -8, end + 3 & -4):        # aligned for its words, or for the machine's
        if markers + 4 * len(wanted) <= len(data) and list(struct.unpack_from("<%dI" % len(wanted), data, markers)) == wanted:
            return True
    return False


def _sorted(names: List[bytes], offsets: Tuple[int, ...], base: int) -> Names:
    """Where an offset is negative, all that are not are absolute (per-CPU), and the others lie behind the base by -1 - offset
    (``kallsyms_sym_address``); else all lie behind the base by theirs."""
    if min(offsets) < 0:
        addresses = [offset if offset >= 0 else (base - 1 - offset) % _WORD for offset in offsets]
    else:
        addresses = [(base + offset) % _WORD for offset in offsets]
    absolute: Dict[str, int] = {}
    text: List[Tuple[int, str]] = []
    for address, name in zip(addresses, names):
        word = name[1:].decode("utf-8", "replace")
        absolute.setdefault(word, address)
        if name[0] in _TEXT and address >= base:
            text.append((address, word))
    text.sort(key=lambda pair: pair[0])     # of several at one address the last counts, as in /proc/kallsyms
    return Names(array("Q", [pair[0] for pair in text]), [pair[1] for pair in text], absolute)
