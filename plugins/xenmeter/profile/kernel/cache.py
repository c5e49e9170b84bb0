"""What was read of kernels, kept by build id, so that each is unpacked and read once: files that root alone can read and write.

``BUILDID.tables``: a first line, the SHA-256 of all that follows it, and then a line of JSON with the facts and the sizes of the
tables that come behind it. ``SHA256.image``: the build id in the image file of this digest. A file that anybody else owns or may
write, or that is damaged, is not read; what it was to tell is read from the kernel again.
"""
import contextlib
import hashlib
import json
import os
import stat
from array import array
from typing import Any, Dict, Iterator, List, Optional, Tuple

from xenmeter.core import files
from xenmeter.core.errors import BadInput
from xenmeter.profile.kernel import facts
from xenmeter.profile.kernel.image import data_of
from xenmeter.profile.kernel.kallsyms import Names
from xenmeter.profile.kernel.orc import Orc

__all__ = ("Cache", "FOLDER", "encoded", "decoded")

FOLDER = "/var/cache/xenmeter/kernels"
#: Kernels that are kept, and images that they are known by: those used last. One of Debian's takes 5 to 10 MB.
MOST, _MOST_IMAGES = 8, 32
_LARGEST = 1 << 26
_MAGIC = b"xenmeter's tables of a kernel, 1\n"
_DIGITS = frozenset("0123456789abcdef")


class Cache:
    """:param folder: made where it is missing, mode 0700; nothing is kept where it cannot be had so, nor for others than root.

    :ivar remarks: why nothing is kept, a line at most.
    """

    def __init__(self, folder: str = "") -> None:
        self._folder = folder or FOLDER
        self.remarks: List[str] = []

    def of_file(self, path: str) -> Any:
        """``facts.Kernel`` of a kernel's file; SourceError says what is wrong with it."""
        data = data_of(path)
        image = hashlib.sha256(data).hexdigest() + ".image"
        kernel = self.of_build(self._read(image, 256).decode("ascii", "replace"))
        if kernel is None:
            kernel = facts.of_data(data, path)
            if self.keep(kernel):
                self._write(image, str(kernel.build_id).encode())
        return kernel

    def of_build(self, build_id: Optional[str]) -> Any:
        """The kernel of a build id; None where it is not kept."""
        if not build_id or not _DIGITS.issuperset(build_id):
            return None
        data = self._read(build_id + ".tables", _LARGEST)
        try:
            kernel = decoded(data) if data else None
        except BadInput:
            return None
        return kernel if kernel is not None and kernel.build_id == build_id else None

    def all(self) -> Iterator[Any]:
        """Each kernel that is kept, the one used last first."""
        for name in self._names(".tables"):
            kernel = self.of_build(name.partition(".")[0])
            if kernel is not None:
                yield kernel

    def keep(self, kernel: Any) -> bool:
        return bool(kernel.build_id and _DIGITS.issuperset(kernel.build_id)) and self._write(
            kernel.build_id + ".tables", encoded(kernel))

    @contextlib.contextmanager
    def _opened(self, make: bool) -> Iterator[int]:
        """The folder; OSError where it is not there, or is not ours alone."""
        if os.geteuid() != 0:
            raise PermissionError("it is for root alone")
        with files.folder(self._folder, make=make, mode=0o700) as place:
            if not _is_ours(os.fstat(place)):
                raise PermissionError("%s is not root's alone (mode 0700)" % self._folder)
            yield place

    def _names(self, end: str) -> List[str]:
        try:
            with self._opened(False) as place:
                known = [(os.stat(name, dir_fd=place, follow_symlinks=False).st_mtime_ns, name)
                         for name in os.listdir("/proc/self/fd/%d" % place) if name.endswith(end)]
        except OSError:
            return []
        return [name for _, name in sorted(known, reverse=True)]

    def _read(self, name: str, most: int) -> bytes:
        """A file's bytes, and it was used now; nothing where it is not there, or not ours."""
        try:
            with self._opened(False) as place:
                descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=place)
                with open(descriptor, "rb") as file:
                    status = os.fstat(descriptor)
                    if not stat.S_ISREG(status.st_mode) or not _is_ours(status) or status.st_size > most:
                        return b""
                    data = file.read(most + 1)
                os.utime(name, dir_fd=place, follow_symlinks=False)
                return data
        except OSError:
            return b""

    def _write(self, name: str, data: bytes) -> bool:
        try:
            with self._opened(True):
                files.replace(os.path.join(self._folder, name), data, 0o600)
        except OSError as error:
            if os.geteuid() == 0:
                self.remarks = ["the kernel's tables are not kept: %s" % (error.strerror or error)]
            return False
        for end, most in ((".tables", MOST), (".image", _MOST_IMAGES)):
            for old in self._names(end)[most:]:
                files.remove(os.path.join(self._folder, old))
        return True


def _is_ours(status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid() and not status.st_mode & 0o077


def encoded(kernel: Any) -> bytes:
    """A kernel's facts as the bytes of such a file."""
    names, orc = kernel.names, kernel.orc
    tables = [kernel.note[1] if kernel.note else b"", array("Q", names.at).tobytes(),
              "\n".join([name.replace("\n", "?") for name in names.names]).encode("utf-8", "replace"),
              array("I", orc.ips).tobytes() if orc else b"", orc.entries if orc else b""]
    told = {"release": kernel.release, "build_id": kernel.build_id, "base": kernel.base, "current": kernel.current,
            "note": kernel.note[0] if kernel.note else None, "task": kernel.task, "user": kernel.user,
            "modules": kernel.modules, "hypercall_page": kernel.hypercall_page,
            "orc": [orc.base, orc.three_bits, orc.early] if orc else None, "sizes": [len(table) for table in tables]}
    body = json.dumps(told).encode() + b"\n" + b"".join(tables)
    return _MAGIC + hashlib.sha256(body).digest() + body


def decoded(data: bytes) -> Any:
    """The facts in such bytes; BadInput where they are not whole, or not what was written."""
    begin = len(_MAGIC) + 32
    body = data[begin:]
    if data[:len(_MAGIC)] != _MAGIC or hashlib.sha256(body).digest() != data[len(_MAGIC):begin]:
        raise BadInput("these are no tables of a kernel, or they are damaged", 0)
    line, _, rest = body.partition(b"\n")
    try:
        told = json.loads(line.decode())
        return _kernel(told, *_cut(rest, told["sizes"]))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, RecursionError):
        raise BadInput("these are tables of a kernel in another form", begin)


def _cut(data: bytes, sizes: List[int]) -> List[bytes]:
    parts, at = [], 0
    for size in sizes:
        parts.append(data[at:at + size])
        at += size
    if at != len(data) or min(sizes) < 0 or len(sizes) != 5:
        raise ValueError("sizes")
    return parts


def _kernel(told: Dict[str, Any], note: bytes, at: bytes, texts: bytes, ips: bytes, entries: bytes) -> Any:
    places, lines = array("Q", at), array("I", ips)
    names = texts.decode("utf-8").split("\n") if places else []
    if len(names) != len(places):
        raise ValueError("names")
    orc = Orc(told["orc"][0], lines, entries, *told["orc"][1:]) if told["orc"] is not None else None
    modules = facts.Modules(*told["modules"]) if told["modules"] is not None else None
    kept: Tuple[int, bytes] = (told["note"], note)
    return facts.Kernel(told["release"], told["build_id"], told["base"], kept if told["note"] is not None else None,
                        Names(places, names, {}), orc, told["current"], told["task"], modules, told["user"],
                        told["hypercall_page"])
