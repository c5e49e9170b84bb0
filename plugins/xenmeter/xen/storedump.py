"""The text of ``xenstore-ls -f`` and ``-fp``, and a store that answers from it: a recording's xenstore.

One node is one line, ``<path> = "<value>"``, and with ``-p`` three blanks and ``(<permissions>)`` after it.
In a value xenstore-ls (``sanitise_value`` in Xen's ``tools/xs-clients/xenstore_client.c``) leaves 0x20 to 0x7e as they
are, the double quote too, but for the backslash; the rest is ``\\t``, ``\\n``, ``\\r``, ``\\\\``, three octal digits
below 8, or ``\\xhh``. So a value ends at the last quote of its line. A node that vanished before its value was read
has a line ``<path>:`` and its permissions, or nothing, on the next one.
"""
import re
from typing import Any, Dict, Iterable, List, Mapping, Optional, Union

from xenmeter.core.errors import BadInput

__all__ = ("parse_dump", "encode_dump", "DumpStore")

#: xenstored allows letters, digits and -/_@ in paths; no line of a dump is ambiguous while there is no blank in one.
_PATH = re.compile(rb"(?:/[!-.0-9;-~]+)+\Z")
_PERMISSIONS = re.compile(rb"(?: {3}\((?:[rwbn][0-9]+(?:,[rwbn][0-9]+)*)?\)| )\Z")
_PERMISSIONS_ALONE = re.compile(rb"(?:  \((?:[rwbn][0-9]+(?:,[rwbn][0-9]+)*)?\))?\Z")
_ESCAPE = re.compile(rb"\\(?:([tnr\\])|([0-3][0-7]{2})|x([0-9a-fA-F]{2}))")
_PLAIN = {b"t": b"\t", b"n": b"\n", b"r": b"\r", b"\\": b"\\"}
_UNPRINTABLE = re.compile(rb"[^ -~]|\\")
_NAMED = {b"\t": b"\\t", b"\n": b"\\n", b"\r": b"\\r", b"\\": b"\\\\"}


def parse_dump(data: bytes) -> Dict[bytes, bytes]:
    """Values by path, in the dump's order; BadInput where a line is none of xenstore-ls."""
    nodes: Dict[bytes, bytes] = {}
    offset = 0
    vanished = False
    for line in data.split(b"\n"):
        path, equals, rest = line.partition(b' = "')
        if vanished and _PERMISSIONS_ALONE.match(line):
            vanished = False
        elif equals:
            value = _value(rest, offset + len(path) + 4)
            if not _PATH.match(path):
                raise BadInput("xenstore dump: no path", offset)
            nodes[path] = value
            vanished = False
        elif line.endswith(b":") and _PATH.match(line[:-1]):
            vanished = True
        elif line or offset < len(data):
            raise BadInput("xenstore dump: no line of xenstore-ls -f", offset)
        offset += len(line) + 1
    if data and not data.endswith(b"\n"):
        raise BadInput("xenstore dump: the last line is cut off", len(data))
    return nodes


def encode_dump(nodes: Mapping[bytes, bytes], permissions: Optional[bytes] = None) -> bytes:
    """The text that xenstore-ls prints: of ``-f``, or of ``-fp`` with the same permissions (``n0``) for all.

    ValueError for a path that no xenstore has.
    """
    end = b'"\n' if permissions is None else b'"   (' + permissions + b")\n"
    lines = []
    for path, value in nodes.items():
        if not _PATH.match(path):
            raise ValueError("no xenstore path: %r" % (path,))
        lines.append(path + b' = "' + _UNPRINTABLE.sub(_escape, value) + end)
    return b"".join(lines)


def _value(text: bytes, offset: int) -> bytes:
    """The value in what follows the opening quote, escapes undone."""
    raw, quote, rest = text.rpartition(b'"')
    if not quote or (rest and not _PERMISSIONS.match(rest)):
        raise BadInput("xenstore dump: value without a closing quote", offset)
    if b"\\" not in raw:
        return raw
    if b"\\" in _ESCAPE.sub(b"", raw):
        raise BadInput("xenstore dump: unknown escape", offset + _unknown_escape(raw))
    return _ESCAPE.sub(_unescape, raw)


def _unknown_escape(raw: bytes) -> int:
    at = raw.find(b"\\")
    while True:
        match = _ESCAPE.match(raw, at)
        if not match:
            return at
        at = raw.find(b"\\", match.end())


def _unescape(match: Any) -> bytes:
    plain, octal, hexadecimal = match.groups()
    if plain is not None:
        return _PLAIN[plain]
    return bytes((int(octal, 8) if octal is not None else int(hexadecimal, 16),))


def _escape(match: Any) -> bytes:
    byte = match.group()
    return _NAMED.get(byte) or (b"\\%03o" if byte < b"\x08" else b"\\x%02x") % ord(byte)


class DumpStore:
    """Answers as ``Xenstore`` does, from a mapping of paths to values. A node's parents are there with it.

    :param nodes: ``parse_dump``'s; may change between questions only through ``replace``.
    """

    def __init__(self, nodes: Mapping[bytes, bytes]) -> None:
        self.replace(nodes)

    def replace(self, nodes: Mapping[bytes, bytes]) -> None:
        """Another moment of the same recording."""
        self._nodes: Dict[bytes, bytes] = {b"/": b""}
        self._children: Dict[bytes, Dict[bytes, None]] = {}  # a dict keeps the order
        for path, value in nodes.items():
            self._nodes[path] = value
            while path != b"/":
                parent, _, name = path.rpartition(b"/")
                parent = parent or b"/"
                siblings = self._children.get(parent)
                if siblings is not None:
                    siblings[name] = None
                    break
                self._children[parent] = {name: None}
                self._nodes.setdefault(parent, b"")
                path = parent

    def read(self, path: Union[str, bytes]) -> Optional[bytes]:
        return self._nodes.get(_bytes(path))

    def read_many(self, paths: Iterable[Union[str, bytes]]) -> List[Optional[bytes]]:
        return [self._nodes.get(_bytes(path)) for path in paths]

    def directory(self, path: Union[str, bytes]) -> List[bytes]:
        return list(self._children.get(_bytes(path), ()))

    def directory_many(self, paths: Iterable[Union[str, bytes]]) -> List[List[bytes]]:
        return [self.directory(path) for path in paths]

    def close(self) -> None:
        """Nothing is open."""


def _bytes(path: Union[str, bytes]) -> bytes:
    return path.encode("utf-8") if isinstance(path, str) else path
