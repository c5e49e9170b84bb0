"""The baker's shared-memory file: the newest figures for any number of readers, whatever becomes of the writer.

Layout, all little endian; the plugin's README has it as a table, with a reader in Python and one in C:

header, 4096 bytes   0 ``XENMETER``  8 u32 version (3)  12 u32 bytes of the header  16 u32 state: 1 in use, 2 moved (a
                     larger file has taken the name), 3 ended  20 u32 number of slots (2)  24 u64 bytes of a slot
                     32 u64 heartbeat, ns of CLOCK_MONOTONIC  40 u64 longest time between two heartbeats, ns
                     48 u64 process id  56 char[40] boot id, as /proc/sys/kernel/random/boot_id has it
                     96 u64 where the cells begin  104 u64 how many there may be
slot, at 4096 + number * bytes of a slot
                     0 u64 sequence number, 0: nothing  8 u32 bytes of the document  12 u32 CRC-32 of the document
                     16 u64 time, ns since 1970  24 the document: a picture of the accounts (engine/picture.py)
cells, of 256 bytes  histograms (engine/cells.py); in the first 0 u64 sequence number of the document that they belong to, 0:
                     being written  8 u64 how many there are

Each document goes into the slot that does not hold the newest one, so a reader has the time between two of them to copy
it. The sequence number is 0 while a slot is written; a reader that is overtaken sees that by the CRC and looks again.
The cells are there once, and only those are written that have changed: whoever wants them copies them between two looks at
their sequence number. Sequence numbers and heartbeat are stored as whole words, through a memoryview of 64-bit items: the
struct module goes byte by byte, and a reader would see half of a number. What else is torn or reordered, the CRC turns into a
retry; a cell that was damaged does not agree with its histogram's sums.

The file has its space from the start, or is not made. Our reader does not map it but reads it (pread): whatever somebody
does to the file, all that comes of it is an error.
"""
import errno
import mmap
import os
import struct
import time
import zlib
from typing import Any, Optional, Sequence, Tuple

from xenmeter.core import files
from xenmeter.core.boot import boot_id
from xenmeter.core.clock import steady_ns
from xenmeter.core.errors import NoPrivilege, SourceError
from xenmeter.xentrace.engine import compiled
from xenmeter.xentrace.engine.cells import CELL, Cells
from xenmeter.xentrace.engine.passes import address_of

__all__ = ("Writer", "Reader", "NothingYet", "bury", "give", "MAGIC", "VERSION")

MAGIC = b"XENMETER"
VERSION = 3
HEADER = 4096
USED, MOVED, ENDED = 1, 2, 3
_HEAD = struct.Struct("<8sIIIIQQQQ40sQQ")
_STAMP = struct.Struct("<QQ")
_STATE = struct.Struct("<I")
_WORD = struct.Struct("<Q")
#: Places of the heartbeat in 64-bit words.
_BEAT = 4
_SLOT = struct.Struct("<QIIQ")
_LEAST = 1 << 16
#: Bytes from which on a call of compiled code is worth its own cost.
_WORTH = 1024
#: Bytes of a document up to which its pieces are put together first.
_SMALL = 1 << 17
#: Bytes of the longest document that is read: ten times that of 1000 domains of 8 vCPUs.
_LONGEST = 1 << 28


class NothingYet(SourceError):
    """A baker lives, and its first window has not ended."""


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
        slot = -(-(_SLOT.size + capacity) // 4096) * 4096
        size = HEADER + 2 * slot + CELL * self._room
        old = self._held if self._map is not None else _left_behind(self.path)
        held = None
        try:
            with files.replacing(self.path, 0o640, buffering=0) as file:
                give(self.path, self._gid, file.fileno())
                files.reserve(file.fileno(), size)
                made = mmap.mmap(file.fileno(), size)
                self._beaten = steady_ns()
                _HEAD.pack_into(made, 0, MAGIC, VERSION, HEADER, USED, 2, slot, self._beaten, self._beat_ns,
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
        """Somebody may have cut the file: to touch what is gone would end us. A new one takes its place."""
        try:
            whole = os.fstat(self._held).st_size >= self._size
        except OSError as error:
            raise SourceError("cannot look at %s: %s" % (self.path, error.strerror or error))
        if not whole:
            self._make(self._slot - _SLOT.size)

    def write(self, parts: Sequence[Any], time_ns: int, cells: Optional[Cells] = None) -> None:
        """A document in pieces, and its histograms. SourceError where there is no room for it: what was written before stays to
        be read."""
        size = sum(map(len, parts))
        if size < _SMALL:
            parts = [memoryview(bytearray().join(parts))]
        if _SLOT.size + size > self._slot or (cells is not None and cells.room > self._room):
            wanted = cells.room if cells is not None else 0
            room, self._room = self._room, self._room if wanted <= self._room else wanted + wanted // 2
            try:
                self._make(max(self._slot - _SLOT.size, size + size // 2 if _SLOT.size + size > self._slot else 0))
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
        start, crc = at + _SLOT.size, 0
        for part in parts:
            crc = self._put(start, part, crc)
            start += len(part)
        _SLOT.pack_into(self._map, at, 0, size, crc, time_ns)
        self._words[at // 8] = self._sequence
        if self._room:
            self._words[first] = self._sequence
        self._words[_BEAT] = self._beaten = steady_ns()

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
            self._words[_BEAT] = self._beaten = now

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
        os.pwrite(descriptor, _STATE.pack(state), 16)
    except OSError:
        pass


def bury(path: str) -> None:
    """The file of a writer that is known to be dead: its readers are told, and the name is free."""
    found = _left_behind(path)
    if found is not None:
        _mark(found, ENDED)
        os.close(found)
        files.remove(path)


class Reader:
    """Opens nothing before the first ``read``; follows the writer to larger files and to its successor."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._file = -1         # its descriptor; -1: none is open
        self.cells = b""        # of the document that was read last, with its histograms

    def read(self, histograms: bool = False) -> Tuple[int, int, bytes]:
        """(sequence number, time, document) of the newest document; SourceError says why there is none."""
        try:
            for _ in range(100):
                found = self._look(histograms)
                if found is not None:
                    return found
        except OSError as error:
            self.close()
            raise SourceError("%s cannot be read: %s" % (self.path, error.strerror or error))
        raise NothingYet("%s: the baker has nothing to show yet" % self.path)

    def _look(self, histograms: bool) -> Optional[Tuple[int, int, bytes]]:
        head = None
        if self._file >= 0:
            try:
                head = self._head()
            except SourceError:
                pass        # it was damaged; under its name there may be a good one by now
        if head is None or head[3] != USED:
            head = self._open()
        found = self._newest(head[5])
        if found is not None and histograms and not self._read_cells(found[0], head[10], head[11]):
            found = None
        head = self._head()
        if head[3] == USED:
            self._alive(head)
            if found is None:
                time.sleep(0.001)       # overtaken while it copied, or nothing is written yet
        return found

    def _open(self) -> Tuple[Any, ...]:
        self.close()
        try:
            self._file = files.regular(self.path)
        except PermissionError as error:
            raise NoPrivilege("%s: %s; the baker's option --shared-group names the group that may read"
                              % (self.path, (error.strerror or "").lower()))
        except OSError as error:
            if error.errno == errno.EINVAL:
                raise SourceError("%s is not a baker's file: it is no regular file" % self.path)
            raise SourceError("no baker runs here (%s: %s); start one: xenmeter baker" % (self.path, error.strerror or error))
        head = self._head()
        if head[3] == ENDED:
            raise self._refuse(" is of a baker that has ended")
        return head

    def _head(self) -> Tuple[Any, ...]:
        """The header, if it is one that this class reads."""
        data = os.pread(self._file, _HEAD.size, 0)
        size = os.fstat(self._file).st_size
        if size < HEADER or data[:8] != MAGIC:
            raise self._refuse(" is not a baker's file")
        head = _HEAD.unpack(data)
        if head[1] != VERSION:
            raise self._refuse(" has layout version %d; this xenmeter reads %d: let the baker and its readers be of one release"
                               % (head[1], VERSION))
        if head[2] != HEADER or head[4] != 2 or head[5] % 8 or not _SLOT.size <= head[5] <= _LONGEST \
                or head[11] > _LONGEST // CELL:
            raise self._refuse(" is damaged; start the baker anew")
        if size < HEADER + 2 * head[5] + CELL * head[11] or (head[11] and head[10] != HEADER + 2 * head[5]):
            raise self._refuse(" is damaged, it has been cut; start the baker anew")
        return head

    def _refuse(self, why: str) -> SourceError:
        self.close()        # a successor has another file
        return SourceError(self.path + why)

    def _newest(self, width: int) -> Optional[Tuple[int, int, bytes]]:
        places = [(_SLOT.unpack(self._bytes(_SLOT.size, at)), at) for at in (HEADER, HEADER + width)]
        for (sequence, length, crc, time_ns), at in sorted(places, reverse=True):
            if not sequence or length > width - _SLOT.size:
                continue
            document = self._bytes(length, at + _SLOT.size)
            if zlib.crc32(document) & 0xFFFFFFFF == crc and self._bytes(8, at) == _WORD.pack(sequence):
                return sequence, time_ns, document
        return None

    def _read_cells(self, sequence: int, at: int, room: int) -> bool:
        """Copy them; False where they do not belong to that document, or no longer."""
        self.cells = b""
        if not room:
            return True
        stamp, used = _STAMP.unpack(self._bytes(_STAMP.size, at))
        if stamp != sequence or not 0 < used <= room:
            return False
        self.cells = self._bytes(used * CELL, at)
        return self._bytes(8, at) == _WORD.pack(sequence)

    def _bytes(self, length: int, at: int) -> bytes:
        data = os.pread(self._file, length, at)
        if len(data) < length:
            raise self._refuse(" is damaged, it has been cut; start the baker anew")
        return data

    def _alive(self, head: Tuple[Any, ...]) -> None:
        """A writer that was killed leaves its file behind: its heart has stopped, or beat in another boot."""
        if head[9].rstrip(b"\0") != boot_id():
            raise self._refuse(" was left behind before the last boot; start the baker: xenmeter baker")
        if steady_ns() - head[6] > 3 * head[7]:
            raise self._refuse(": the baker (process %d) has been silent for too long: it was killed, or hangs" % head[8])

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
