"""A kernel's file to the ELF file inside: what boots a guest holds everything, but packed.

``bzImage`` has its payload where the setup header says (Linux's Documentation/arch/x86/boot.rst: ``setup_sects`` at 0x1f1,
``payload_offset`` at 0x248 and ``payload_length`` at 0x24c since protocol 2.08). gzip, bzip2, xz and lzma are Python's own; zstd
and lz4 are their programs', where dom0 has them.
"""
import bz2
import struct
import subprocess
import tempfile
import zlib
from typing import Any, Callable, Dict, NamedTuple, Tuple, Type

from xenmeter.core import files
from xenmeter.core.errors import BadInput, SourceError
from xenmeter.core.programs import find_program

try:
    import lzma
except ImportError:     # a Python that was built without it
    lzma = None     # type: ignore[assignment]

__all__ = ("data_of", "unpack", "LONGEST")

#: Bytes of an unpacked kernel; a debug build without its symbols has some 200 MiB.
LONGEST = 1 << 28
_HEADER = b"HdrS"


def data_of(path: str) -> bytes:
    """A kernel's file as it is; SourceError where it cannot be read, or is none by its size."""
    try:
        with open(files.regular(path), "rb") as file:
            data = file.read(LONGEST + 1)
    except OSError as error:
        raise SourceError("%s: %s" % (path, error.strerror))
    if len(data) > LONGEST:
        raise SourceError("%s is larger than any kernel" % path)
    return data


def unpack(data: bytes) -> bytes:
    """An ELF file as it is; of a bzImage, or of a packed file, the ELF file inside."""
    if data[:4] == b"\x7fELF":
        return data
    found = _unpacked(_payload(data) if data[0x202:0x206] == _HEADER else data)
    if found[:4] != b"\x7fELF":
        raise BadInput("there is no ELF file in it: is it a kernel for x86-64?", 0)
    return found


def _payload(data: bytes) -> bytes:
    version, = struct.unpack_from("<H", data, 0x206)
    if version < 0x208 or len(data) < 0x250:
        raise BadInput("this kernel's boot protocol is older than 2.08 and does not say where its payload is", 0x206)
    offset, length = struct.unpack_from("<II", data, 0x248)
    start = ((data[0x1f1] or 4) + 1) * 512 + offset
    if start + length > len(data):
        raise BadInput("its payload of %d bytes is cut off" % length, min(start, len(data)))
    return data[start:start + length]


def _unpacked(packed: bytes) -> bytes:
    for form in _FORMS:
        if packed.startswith(form.magic):
            return form.unpack(packed)
    raise BadInput("it is packed in no way that is known (it begins with %s)" % packed[:4].hex(), 0)


def _by(make: Callable[[], Any], errors: Tuple[Type[BaseException], ...], name: str) -> Callable[[bytes], bytes]:
    """By one of Python's own: what follows the packed bytes, the size that Linux appends, is left."""
    def unpack_it(packed: bytes) -> bytes:
        try:
            return _bounded(make().decompress(packed, LONGEST + 1))
        except errors as error:
            raise BadInput("its %s does not unpack: %s" % (name, error), 0)
    return unpack_it


def _bounded(found: bytes) -> bytes:
    if len(found) > LONGEST:
        raise BadInput("it unpacks to more than any kernel has", 0)
    return found


def _by_program(name: str) -> Callable[[bytes], bytes]:
    """By a program, whose complaint about the size that Linux appends counts for nothing once it gave an ELF file. The kernel may
    be out of a guest's disk: of what a few bytes unpack to no more is read than a kernel may have."""
    def unpack_it(packed: bytes) -> bytes:
        program = find_program(name)
        if program is None:
            raise SourceError("this kernel is packed with %s, and there is no program %s: install it, or unpack the kernel "
                              "elsewhere and give the ELF file with --kernel" % (name, name))
        try:
            with tempfile.TemporaryFile() as file:
                file.write(packed)
                file.seek(0)
                with subprocess.Popen([program, "-dc"], stdin=file, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
                    found: bytes = process.stdout.read(LONGEST + 1)     # type: ignore[union-attr]
                    process.kill()
        except OSError as error:
            raise SourceError("cannot unpack with %s: %s" % (name, error.strerror))
        return _bounded(found)
    return unpack_it


def _lz4(packed: bytes) -> bytes:
    """Without the size that Linux appends: lz4 takes it for a block's and ends, since 1.10 (Debian 13) often before anything is
    written. The form is lz4's legacy frame (lz4_Frame_format.md): blocks, each behind its size, up to the end.
    """
    at = len(_LZ4)
    while at + 4 <= len(packed):
        behind = at + 4 + struct.unpack_from("<I", packed, at)[0]
        if behind > len(packed):
            break
        at = behind
    return _by_program("lz4")(packed[:at])


def _no_lzma(packed: bytes) -> bytes:
    raise SourceError("this Python cannot unpack xz (it has no module lzma); give the unpacked ELF file with --kernel")


class _Form(NamedTuple):
    magic: bytes
    unpack: Callable[[bytes], bytes]


_XZ: Dict[str, Callable[[bytes], bytes]] = {} if lzma is None else {
    "xz": _by(lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ), (lzma.LZMAError, EOFError), "xz"),
    "lzma": _by(lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE), (lzma.LZMAError, EOFError), "lzma")}

_LZ4 = b"\x02\x21\x4c\x18"
_FORMS = (
    _Form(b"\x1f\x8b", _by(lambda: zlib.decompressobj(31), (zlib.error,), "gzip")),
    _Form(b"BZh", _by(bz2.BZ2Decompressor, (OSError, ValueError, EOFError), "bzip2")),
    _Form(b"\xfd7zXZ\0", _XZ.get("xz", _no_lzma)),
    _Form(b"\x5d\0\0", _XZ.get("lzma", _no_lzma)),
    _Form(b"\x28\xb5\x2f\xfd", _by_program("zstd")),
    _Form(_LZ4, _lz4),
)
