"""Who writes the baker's shared file, whose layout is in shm.py."""
import mmap
import os
import zlib
from typing import Any, Optional, Sequence

from xenmeter.core import files
from xenmeter.core.boot import boot_id
from xenmeter.core.clock import steady_ns
from xenmeter.core.errors import SourceError
from xenmeter.xentrace.baker.shm import BEAT, ENDED, HEAD, HEADER, MAGIC, MOVED, SLOT, STATE, USED, VERSION
from xenmeter.xentrace.engine import compiled
from xenmeter.xentrace.engine.cells import CELL, Cells
from xenmeter.xentrace.engine.passes import address_of

__all__ = ("Writer", "bury", "give")

_LEAST = 1 << 16
#: Bytes from which on a call of compiled code is worth its own cost.
_WORTH = 1024
#: Bytes of a document up to which its pieces are put together first.
_SMALL = 1 << 17


def give(path: str, gid: Optional[int], descriptor: Optional[int] = None) -> None:
    """A file to a group; None: to no other than it has.

    One that it has already, as with systemd's Group=, needs no call: a sandbox may refuse even one that changes nothing.
    """
    found = os.lstat(path) if descriptor is None else os.fstat(descriptor)
    if gid is None or found.st_gid == gid:
        return
    try:
        if descriptor is None:
            os.chown(path, -1, gid, follow_symlinks=False)
        else:
            os.chown(descriptor, -1, gid)
    except OSError as error:
        raise SourceError("%s cannot be given to the group with number %d: %s; run as root, or as a service name that group "
                          "with SupplementaryGroups= in its unit" % (path, gid, error.strerror))


class Writer:
    """:param path: the file; one that is there is replaced, and its readers move on.

    :param beat_ns: longest time between two calls of ``beat`` or ``write``.
    :param gid: the group that may read, or None: the process's own.
    """

    def __init__(self, path: str, beat_ns: int, gid: Optional[int] = None, capacity: int = _LEAST) -> None:
        self.path = path
        self._beat_ns = beat_ns
        self._gid = gid
        self._sequence = 0
        self._map: Any = None   # an mmap
        self._room = 0          # cells
        self._cells: Any = None     # those that are in the file
        self._held = -1         # a descriptor of the mapped file
        self._beaten = 0        # when its heart did last
        self._size = 0
        self._library = compiled.library()
        self._make(capacity)

    def _make(self, capacity: int) -> None:
        """A new file takes the name; the old one is marked last, when whoever looks again finds the new one."""
        slot = -(-(SLOT.size + capacity) // 4096) * 4096
        size = HEADER + 2 * slot + CELL * self._room
        old = self._held if self._map is not None else _left_behind(self.path)
        held = None
        try:
            with files.replacing(self.path, 0o640, buffering=0) as file:
                give(self.path, self._gid, file.fileno())
                files.reserve(file.fileno(), size)
                made = mmap.mmap(file.fileno(), size)
                self._beaten = steady_ns()
                HEAD.pack_into(made, 0, MAGIC, VERSION, HEADER, USED, 2, slot, self._beaten, self._beat_ns,
                               os.getpid(), boot_id(), HEADER + 2 * slot, self._room)
                held = os.dup(file.fileno())
        except (OSError, SourceError) as error:
            for one in (held, old if self._map is None else None):
                if one is not None:
                    os.close(one)
            if isinstance(error, SourceError):
                raise
            raise SourceError("cannot make %s: %s" % (self.path, error.strerror or error))
        self._let_go()
        if old is not None:
            _mark(old, MOVED)
            os.close(old)
        self._map, self._held, self._size = made, held, size
        self._words = memoryview(made).cast("Q")
        self._address = address_of(made)
        self._slot = slot
        self._cells = None

    def _let_go(self) -> None:
        if self._map is not None:
            self._words.release()
            self._map.close()
            self._map = None

    def _keep_whole(self) -> None:
        """Somebody may have cut the file: to touch what is gone would end us. Or have taken it away, and nobody who comes now
        would find it. A new one takes its place."""
        try:
            held = os.fstat(self._held)
            whole = held.st_size >= self._size and os.path.samestat(held, os.lstat(self.path))
        except FileNotFoundError:
            whole = False
        except OSError as error:
            raise SourceError("cannot look at %s: %s" % (self.path, error.strerror or error))
        if not whole:
            self._make(self._slot - SLOT.size)

    def write(self, parts: Sequence[Any], time_ns: int, cells: Optional[Cells] = None) -> None:
        """A document in pieces, and its histograms. SourceError where there is no room for it: what was written before stays to
        be read."""
        size = sum(map(len, parts))
        if size < _SMALL:
            parts = [memoryview(bytearray().join(parts))]
        if SLOT.size + size > self._slot or (cells is not None and cells.room > self._room):
            wanted = cells.room if cells is not None else 0
            room, self._room = self._room, self._room if wanted <= self._room else wanted + wanted // 2
            try:
                self._make(max(self._slot - SLOT.size, size + size // 2 if SLOT.size + size > self._slot else 0))
            except SourceError:
                self._room = room
                raise
        self._keep_whole()
        self._sequence += 1
        first = (HEADER + 2 * self._slot) // 8
        if self._room:
            self._words[first] = 0
        if cells is not None:
            with memoryview(self._map)[8 * first:] as target:
                cells.copy_to(target, cells is not self._cells)
            self._words[first + 1] = cells.used
        self._cells = cells
        at = HEADER + (self._sequence & 1) * self._slot
        self._words[at // 8] = 0
        start, crc = at + SLOT.size, 0
        for part in parts:
            crc = self._put(start, part, crc)
            start += len(part)
        SLOT.pack_into(self._map, at, 0, size, crc, time_ns)
        self._words[at // 8] = self._sequence
        if self._room:
            self._words[first] = self._sequence
        self._words[BEAT] = self._beaten = steady_ns()

    def _put(self, at: int, part: Any, crc: int) -> int:
        """Writes a piece there; the CRC of all up to it. The compiled one does both in a tenth of the time."""
        if self._library is not None and len(part) >= _WORTH and isinstance(part, memoryview) and not part.readonly:
            told: int = self._library.xenmeter_hot_put(self._address + at, address_of(part), len(part), crc)
            if told >= 0:
                return told & 0xFFFFFFFF
        self._map[at:at + len(part)] = part
        return zlib.crc32(part, crc)

    def beat(self) -> None:
        """A sign of life, where the last one is no longer new."""
        now = steady_ns()
        if now - self._beaten >= self._beat_ns // 4:
            self._keep_whole()
            self._words[BEAT] = self._beaten = now

    def close(self) -> None:
        """An orderly end: readers are told at once, and the name is free."""
        if self._map is not None:
            self._let_go()
            _mark(self._held, ENDED)
            os.close(self._held)
            files.remove(self.path)


def _left_behind(path: str) -> Optional[int]:
    """A descriptor of a file that an earlier writer left behind, if it is one of ours."""
    try:
        found = files.own(path, os.O_RDWR)
    except OSError:
        return None
    if os.pread(found, HEADER, 0)[:8] == MAGIC and os.fstat(found).st_size >= HEADER:
        return found
    os.close(found)
    return None


def _mark(descriptor: int, state: int) -> None:
    """Told to those who read the file; a disk that is full, or gone, does not hinder what comes next."""
    try:
        os.pwrite(descriptor, STATE.pack(state), 16)
    except OSError:
        pass


def bury(path: str) -> None:
    """The file of a writer that is known to be dead: its readers are told, and the name is free."""
    found = _left_behind(path)
    if found is not None:
        _mark(found, ENDED)
        os.close(found)
        files.remove(path)
