"""C structs of Xen's public headers as tables: one table is both the decoder and the encoder, and tests compare it with
the compiler's own ``offsetof``.

All are little endian and laid out for 64 bits (x86_64, arm64), which is where Xen's tools run today.
"""
import collections
import struct
from typing import Any, Dict, List, Sequence, Tuple

from xenmeter.core.errors import BadInput

__all__ = ("Field", "Structure")

#: (name, code of the struct module, offset): ``("cpu_time", "Q", 56)``.
Field = Tuple[str, str, int]


class Structure:
    """One C struct, or the part of it that is used.

    :param name: its name in C, ``xen_sysctl``.
    :param size: ``sizeof`` in bytes.
    :param fields: by ascending offset; what lies between them is padding, or not used.
    :param union: where it is one arm of a union: the C path of the arm's own fields, ``u.physinfo.``.
    :param header: fields of it that lie before the union.
    """

    def __init__(self, name: str, size: int, fields: Sequence[Field], union: str = "", header: Sequence[Field] = ()) -> None:
        self.name = name
        self.size = size
        self.fields = tuple(header) + tuple(fields)
        self.paths: List[str] = [field[0] for field in header] + [union + field[0] for field in fields]
        code, at = "<", 0
        for field, kind, offset in self.fields:
            if offset < at:
                raise ValueError("%s.%s overlaps the field before it" % (name, field))
            code += "%dx%s" % (offset - at, kind)
            at = offset + struct.calcsize("<" + kind)
        if at > size:
            raise ValueError("%s has %d bytes, its fields need %d" % (name, size, at))
        self._struct = struct.Struct(code + "%dx" % (size - at))
        self._names = [field[0] for field in self.fields]
        self._blank = [b"" if kind.endswith("s") else 0 for _, kind, _ in self.fields]
        self.tuple: Any = collections.namedtuple(name, [field[0] for field in self.fields])     # type: ignore[misc]

    def pack(self, **values: Any) -> bytes:
        """The struct's bytes; what is not named is 0."""
        return self._struct.pack(*self._values(values))

    def pack_into(self, target: Any, offset: int, values: Dict[str, Any]) -> None:
        self._struct.pack_into(target, offset, *self._values(values))

    def unpack(self, data: Any, offset: int = 0) -> Any:
        """The fields of the struct at ``offset``, as a named tuple; BadInput where the bytes end before it does."""
        if offset < 0 or len(data) - offset < self.size:
            raise BadInput("%s needs %d bytes, %d are left" % (self.name, self.size, max(0, len(data) - offset)), offset)
        return self.tuple._make(self._struct.unpack_from(data, offset))

    def unpack_array(self, data: Any, number: int) -> List[Any]:
        """The first ``number`` structs of an array."""
        if len(data) < number * self.size:
            raise BadInput("%d times %s needs %d bytes, there are %d"
                           % (number, self.name, number * self.size, len(data)), 0)
        return list(map(self.tuple._make, self._struct.iter_unpack(data[:number * self.size])))

    def _values(self, values: Any) -> List[Any]:
        unknown = set(values).difference(self._names)
        if unknown:
            raise ValueError("%s has no field %s" % (self.name, ", ".join(sorted(unknown))))
        return list(map(values.get, self._names, self._blank))
