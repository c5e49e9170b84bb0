"""Where the members of a kernel's structs lie, by its BTF (Linux's ``include/uapi/linux/btf.h``, Documentation/bpf/btf.rst).

Only structs and unions are kept; of the other types, how long they are. A guest may write what it likes there: types have a
bound, and so have the members that are looked at for a question.
"""
import struct
from typing import Any, Dict, Iterable, List, Optional, Tuple

from xenmeter.core.errors import BadInput

__all__ = ("Btf",)

_MAGIC = 0xeb9f
_HEADER = struct.Struct("<HBBIIIII")
_TYPE = struct.Struct("<III")
_MEMBER = struct.Struct("<III")
_STRUCT, _UNION = 4, 5
#: Kind -> (bytes that follow the type, bytes for each of its members).
_MORE = {0: (0, 0), 1: (4, 0), 2: (0, 0), 3: (12, 0), _STRUCT: (0, 12), _UNION: (0, 12), 6: (0, 8), 7: (0, 0), 8: (0, 0),
         9: (0, 0), 10: (0, 0), 11: (0, 0), 12: (0, 0), 13: (0, 8), 14: (4, 0), 15: (0, 12), 16: (0, 0), 17: (4, 0), 18: (0, 0),
         19: (0, 12)}
#: How deep structs without a name may lie in each other.
_DEEPEST = 8
#: Types (Debian's 6.12 has 140 000), members that are looked at for a question (task_struct has some 300), bytes of a name.
_MOST, _MEMBERS, _LONGEST = 1 << 19, 1 << 16, 512


class Btf:
    """The types of one section ``.BTF``.

    :raises BadInput: where it is none, or is cut off.
    """

    def __init__(self, data: Any) -> None:
        self._data = memoryview(data)
        if len(self._data) < _HEADER.size:
            raise BadInput("the BTF is cut off", len(self._data))
        magic, version, _, head, types, types_size, texts, texts_size = _HEADER.unpack_from(self._data)
        if magic != _MAGIC or version != 1:
            raise BadInput("this is no BTF of version 1", 0)
        if head + max(types + types_size, texts + texts_size) > len(self._data):
            raise BadInput("the BTF is cut off", len(self._data))
        self._texts = bytes(self._data[head + texts:head + texts + texts_size])
        #: Type number -> (where its record is, its number of members, whether offsets are of bit fields), of structs and unions.
        self._structs: Dict[int, Tuple[int, int, bool]] = {}
        #: The place of a name in the texts -> type number.
        self._by_name: Dict[int, int] = {}
        self._left = 0
        self._scan(head + types, head + types + types_size)

    def _scan(self, at: int, end: int) -> None:
        number, unpack, data = 0, _TYPE.unpack_from, self._data
        while at + _TYPE.size <= end:
            number += 1
            name, info, _ = unpack(data, at)
            kind, members = info >> 24 & 31, info & 0xffff
            if number > _MOST:
                raise BadInput("BTF has more types than any kernel", at)
            if kind not in _MORE:
                raise BadInput("BTF's type %d is of the unknown kind %d" % (number, kind), at)
            once, each = _MORE[kind]
            if kind in (_STRUCT, _UNION) and members:
                self._structs[number] = (at, members, bool(info >> 31))
                if name and kind == _STRUCT:
                    self._by_name.setdefault(name, number)
            at += _TYPE.size + once + each * members
        if at != end:
            raise BadInput("BTF's types are cut off", at)

    def offsets(self, name: str, members: Iterable[str]) -> Dict[str, int]:
        """Where those members of ``struct name`` lie, in bytes; also those within structs and unions without a name. What
        it does not have is not in the answer."""
        number = self._number(name)
        if number is None:
            return {}
        found: Dict[str, int] = {}
        self._left = _MEMBERS
        self._collect(number, 0, frozenset(members), found, 0)
        return found

    def _number(self, name: str) -> Optional[int]:
        needle, at = b"\0" + name.encode() + b"\0", -1
        while True:
            at = self._texts.find(needle, at + 1)
            if at < 0:
                return None
            if at + 1 in self._by_name:
                return self._by_name[at + 1]

    def _collect(self, number: int, base: int, wanted: Any, found: Dict[str, int], depth: int) -> None:
        at, members, fields = self._structs[number]
        place = at + _TYPE.size
        for text, kind, offset in _MEMBER.iter_unpack(self._data[place:place + _MEMBER.size * members]):
            self._left -= 1
            if self._left < 0:
                return
            where = base + ((offset & 0xffffff if fields else offset) >> 3)
            if not text:
                if kind in self._structs and depth < _DEEPEST:
                    self._collect(kind, where, wanted, found, depth + 1)
                continue
            name = self._text(text)
            if name in wanted:
                found.setdefault(name, where)

    def _text(self, at: int) -> str:
        end = self._texts.find(b"\0", at, at + _LONGEST)
        return self._texts[at:end].decode("utf-8", "replace") if 0 <= at <= end else ""

    @property
    def structs(self) -> List[str]:
        """The names of all structs."""
        return [self._text(at) for at in self._by_name]
