"""Files for reading, packed by gzip or xz or as they are; what goes wrong in them is one line that names the file."""
import gzip
import io
import os
import stat
import zlib
from typing import Any, BinaryIO, Callable, Iterator

from xenmeter.core.errors import SourceError

try:
    import lzma
except ImportError:     # a Python that was built without it
    lzma = None     # type: ignore[assignment]

__all__ = ("opened", "packed", "unpacked", "lines", "LONGEST_LINE")

_NO_LZMA = "this Python cannot unpack xz (it has no module lzma); unpack it first"
#: Bytes of a line: what 30000 vCPUs have in a reading, at 1 KiB each.
LONGEST_LINE = 1 << 25
#: How a file of each form begins (RFC 1952; the .xz file format, 2.1.1.1).
_GZIP, _XZ = b"\x1f\x8b", b"\xfd7zXZ\x00"
_ERRORS = (OSError, EOFError, zlib.error) + ((lzma.LZMAError,) if lzma else ())


def _saying(name: str) -> Callable[..., Any]:
    """The base's method, with what goes wrong in it as a SourceError that names the file."""
    def method(self: Any, *arguments: Any) -> Any:
        try:
            return getattr(super(type(self), self), name)(*arguments)
        except _ERRORS as error:
            raise SourceError("%s: the recording cannot be read on: %s; is the file whole? Copy it again%s" % (
                self.name, error, ", or take what `%s -dc` still gives" % self.tool if self.tool else ""))
    return method


class _Gzip(gzip.GzipFile):
    tool = "gzip"
    read, read1, readline, peek = [_saying(name) for name in ("read", "read1", "readline", "peek")]


class _Plain(io.FileIO):
    """A file below a buffer."""

    tool = ""
    readinto, readall = [_saying(name) for name in ("readinto", "readall")]


if lzma:
    class _Xz(lzma.LZMAFile):
        tool = "xz"
        name = ""   # newer Pythons have a property here
        read, read1, readline, peek = [_saying(name) for name in ("read", "read1", "readline", "peek")]

        def __init__(self, path: str, stream: Any = None) -> None:
            self.fileobj = stream or open(path, "rb")   # as of a GzipFile: the place in it tells how far a reader is
            super().__init__(self.fileobj)
            self.name = path

        def close(self) -> None:
            try:
                super().close()
            finally:
                self.fileobj.close()


def opened(path: str) -> BinaryIO:
    """The file's content. Raises OSError where it does not open, SourceError later, or where this Python has no lzma."""
    form = packed(path)
    if form == "gzip":
        return _Gzip(path, "rb")    # type: ignore[return-value]
    if form == "xz":
        if not lzma:
            raise SourceError("%s: %s: xz -dk %s" % (path, _NO_LZMA, path))
        return _Xz(path)    # type: ignore[return-value]
    return io.BufferedReader(_Plain(path))


def lines(file: Any, longest: int = LONGEST_LINE) -> Iterator[bytes]:
    """Those of a file or a stream; SourceError at one that is longer than any that is written, before memory is used up for it.

    :param longest: bytes.
    """
    number = 1
    line = file.readline(longest + 1)
    while line:
        if len(line) > longest:
            raise SourceError("%s, line %d: it is longer than %d bytes; this is no file of lines" % (file.name, number, longest))
        yield line
        number += 1
        line = file.readline(longest + 1)


def packed(path: str) -> str:
    """``gzip`` or ``xz``, by how the file begins, else by its name; empty where it is as it is, as an empty file is whatever
    its name. What comes through a pipe is not looked at, since nothing may have come yet. Raises OSError where it does not
    open."""
    begin = b""
    if stat.S_ISREG(os.stat(path).st_mode):
        with open(path, "rb", buffering=0) as file:
            try:
                begin = file.read(len(_XZ))
                if not begin:
                    return ""
            except OSError:
                pass    # it is said when it is read in earnest
    if begin.startswith(_GZIP) or begin == _XZ:
        return "xz" if begin == _XZ else "gzip"
    return {".gz": "gzip", ".xz": "xz"}.get(os.path.splitext(path)[1], "")


class _Begun(io.RawIOBase):
    """A stream of which the beginning was read already."""

    def __init__(self, begin: bytes, stream: Any) -> None:
        self._begin = begin
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._begin or self._stream.read1(len(buffer))
        data, self._begin = data[:len(buffer)], data[len(buffer):]
        buffer[:len(data)] = data
        return len(data)


def unpacked(stream: Any, name: str) -> BinaryIO:
    """What comes on a stream, unpacked if by its beginning it is packed; for which it waits, six bytes.

    :param stream: buffered, for reading; :param name: of it, for SourceErrors, which reading may raise.
    """
    begin = stream.read(len(_XZ))
    whole = io.BufferedReader(_Begun(begin, stream))
    if begin.startswith(_GZIP):
        made = _Gzip(fileobj=whole, mode="rb")
        made.name = name
        return made     # type: ignore[return-value]
    if begin == _XZ:
        if not lzma:
            raise SourceError("%s: %s: xz -dc" % (name, _NO_LZMA))
        return _Xz(name, whole)     # type: ignore[return-value]
    return whole
