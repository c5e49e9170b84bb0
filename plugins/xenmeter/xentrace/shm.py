"""The baker's shared-memory file: the newest figures for any number of readers, whatever becomes of the writer.

Layout, all little endian; the plugin's README has it as a table, with a reader in Python and one in C:

header, 4096 bytes   0 ``XENMETER``  8 u32 version (1)  12 u32 bytes of the header  16 u32 state: 1 in use, 2 moved (a
                     larger file has taken the name), 3 ended  20 u32 number of slots (2)  24 u64 bytes of a slot
                     32 u64 heartbeat, ns of CLOCK_MONOTONIC  40 u64 longest time between two heartbeats, ns
                     48 u64 process id  56 char[40] boot id, as /proc/sys/kernel/random/boot_id has it
slot, at 4096 + number * bytes of a slot
                     0 u64 sequence number, 0: nothing  8 u32 bytes of the document  12 u32 CRC-32 of the document
                     16 u64 time, ns since 1970  24 the document, JSON in UTF-8

Each document goes into the slot that does not hold the newest one, so a reader has the time between two of them to copy
it. The sequence number is 0 while a slot is written; a reader that is overtaken sees that by the CRC and looks again.
Sequence number and heartbeat are stored and loaded as whole words, through a memoryview of 64-bit items: the struct module
goes byte by byte, and a reader would see half of a number. What else is torn or reordered, the CRC turns into a retry.
"""
import mmap
import os
import struct
import time
import zlib
from typing import Optional, Tuple

from xenmeter.core.errors import NoPrivilege, SourceError

__all__ = ("Writer", "Reader", "NothingYet", "bury", "boot_id", "give", "MAGIC", "VERSION")

MAGIC = b"XENMETER"
VERSION = 1
HEADER = 4096
USED, MOVED, ENDED = 1, 2, 3
_HEAD = struct.Struct("<8sIIIIQQQQ40s")
_STATE = struct.Struct("<I")
#: Places of the heartbeat in 64-bit words.
_BEAT = 4
_SLOT = struct.Struct("<QIIQ")
_LEAST = 1 << 16


def boot_id():
    # type: () -> bytes
    """This boot of the kernel: CLOCK_MONOTONIC means nothing across two of them."""
    try:
        with open("/proc/sys/kernel/random/boot_id", "rb") as file:
            return file.read().strip()[:40]
    except OSError:
        return b""


class NothingYet(SourceError):
    """A baker lives, and its first window has not ended."""


def give(path, gid, descriptor=None):
    # type: (str, Optional[int], Optional[int]) -> None
    """A file to a group; None: to no other than it has.

    One that it has already, as with systemd's Group=, needs no call: a sandbox may refuse even one that changes nothing.
    """
    file = path if descriptor is None else descriptor
    if gid is None or os.stat(file).st_gid == gid:
        return
    try:
        os.chown(file, -1, gid)
    except OSError as error:
        raise SourceError("%s cannot be given to the group with number %d: %s; run as root, or as a service name that group "
                          "with SupplementaryGroups= in its unit" % (path, gid, error.strerror))


class Writer:
    """:param path: the file; one that is there is replaced, and its readers move on.

    :param beat_ns: longest time between two calls of ``beat`` or ``write``.
    :param gid: the group that may read, or None: the process's own.
    """

    def __init__(self, path, beat_ns, gid=None, capacity=_LEAST):
        # type: (str, int, Optional[int], int) -> None
        self.path = path
        self._beat_ns = beat_ns
        self._gid = gid
        self._sequence = 0
        self._map = None        # type: Optional[mmap.mmap]
        self._make(capacity)

    def _make(self, capacity):
        # type: (int) -> None
        """A new file takes the name; the old one is marked last, when whoever looks again finds the new one."""
        slot = -(-(_SLOT.size + capacity) // 4096) * 4096
        new = self.path + ".new"
        try:
            if os.path.lexists(new):
                os.unlink(new)
            descriptor = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
            try:
                give(new, self._gid, descriptor)
                os.fchmod(descriptor, 0o640)
                os.ftruncate(descriptor, HEADER + 2 * slot)
                made = mmap.mmap(descriptor, HEADER + 2 * slot)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise SourceError("cannot make %s: %s" % (new, error.strerror))
        _HEAD.pack_into(made, 0, MAGIC, VERSION, HEADER, USED, 2, slot, time_monotonic_ns(), self._beat_ns, os.getpid(),
                        boot_id())
        old = self._map if self._map is not None else _map_of(self.path)
        os.rename(new, self.path)
        if self._map is not None:
            self._words.release()
        if old is not None:
            _STATE.pack_into(old, 16, MOVED)
            old.close()
        self._map = made
        self._words = memoryview(made).cast("Q")
        self._slot = slot

    def write(self, document, time_ns):
        # type: (bytes, int) -> None
        if _SLOT.size + len(document) > self._slot:
            self._make(2 * len(document))
        self._sequence += 1
        at = HEADER + (self._sequence & 1) * self._slot
        self._words[at // 8] = 0
        start = at + _SLOT.size
        self._map[start:start + len(document)] = document
        _SLOT.pack_into(self._map, at, 0, len(document), zlib.crc32(document) & 0xFFFFFFFF, time_ns)
        self._words[at // 8] = self._sequence
        self.beat()

    def beat(self):
        # type: () -> None
        self._words[_BEAT] = time_monotonic_ns()

    def close(self):
        # type: () -> None
        """An orderly end: readers are told at once, and the name is free."""
        if self._map is not None:
            _STATE.pack_into(self._map, 16, ENDED)
            self._words.release()
            self._map.close()
            self._map = None
            try:
                os.unlink(self.path)
            except OSError:
                pass


def _map_of(path):
    # type: (str) -> Optional[mmap.mmap]
    """A file that an earlier writer left behind, if it is one of ours."""
    try:
        with open(path, "r+b") as file:
            found = mmap.mmap(file.fileno(), 0)
        if found[:8] == MAGIC and len(found) >= HEADER:
            return found
        found.close()
    except (OSError, ValueError):
        pass
    return None


def bury(path):
    # type: (str) -> None
    """The file of a writer that is known to be dead: its readers are told, and the name is free."""
    found = _map_of(path)
    if found is not None:
        _STATE.pack_into(found, 16, ENDED)
        found.close()
        os.unlink(path)


class Reader:
    """Opens nothing before the first ``read``; follows the writer to larger files and to its successor."""

    def __init__(self, path):
        # type: (str) -> None
        self.path = path
        self._map = None        # type: Optional[mmap.mmap]

    def read(self):
        # type: () -> Tuple[int, int, bytes]
        """(sequence number, time, document) of the newest document; SourceError says why there is none."""
        for _ in range(100):
            if self._map is None or _STATE.unpack_from(self._map, 16)[0] != USED:
                self._open()
            found = self._newest()
            if found is not None:
                self._alive()
                return found
            if _STATE.unpack_from(self._map, 16)[0] == USED:
                self._alive()
                time.sleep(0.001)       # overtaken while it copied, or nothing is written yet
        raise NothingYet("%s: the baker has nothing to show yet" % self.path)

    def _open(self):
        # type: () -> None
        self.close()
        try:
            with open(self.path, "rb") as file:
                found = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except PermissionError:
            raise NoPrivilege("%s: permission denied; the baker's option --shared-group names the group that may read"
                              % self.path)
        except (OSError, ValueError) as error:
            raise SourceError("no baker runs here (%s: %s); start one: xenmeter baker"
                              % (self.path, getattr(error, "strerror", None) or error))
        if len(found) < HEADER or found[:8] != MAGIC:
            raise SourceError("%s is not a baker's file" % self.path)
        head = _HEAD.unpack_from(found, 0)
        if head[1] != VERSION or len(found) < head[2] + head[4] * head[5]:
            raise SourceError("%s has layout version %d; this xenmeter reads %d" % (self.path, head[1], VERSION))
        if head[3] == ENDED:
            raise SourceError("%s: the baker has ended" % self.path)
        self._map = found
        self._words = memoryview(found).cast("Q")

    def _newest(self):
        # type: () -> Optional[Tuple[int, int, bytes]]
        head = _HEAD.unpack_from(self._map, 0)
        size, slots, width = head[2], head[4], head[5]
        places = [size + number * width for number in range(slots)]
        for sequence, at in sorted([(self._words[at // 8], at) for at in places], reverse=True):
            _, length, crc, time_ns = _SLOT.unpack_from(self._map, at)
            if not sequence or length > width - _SLOT.size:
                continue
            document = self._map[at + _SLOT.size:at + _SLOT.size + length]
            if zlib.crc32(document) & 0xFFFFFFFF == crc and self._words[at // 8] == sequence:
                return sequence, time_ns, document
        return None

    def _alive(self):
        # type: () -> None
        """A writer that was killed leaves its file behind: its heart has stopped, or beat in another boot."""
        head = _HEAD.unpack_from(self._map, 0)
        if head[9].rstrip(b"\0") != boot_id():
            raise SourceError("%s was left behind before the last boot; start the baker: xenmeter baker" % self.path)
        age = time_monotonic_ns() - self._words[_BEAT]
        if age > 3 * head[7]:
            self.close()        # a successor has another file
            raise SourceError("%s: the baker (process %d) has been silent for %d s" % (self.path, head[8], age // 10 ** 9))

    def close(self):
        # type: () -> None
        if self._map is not None:
            self._words.release()
            self._map.close()
            self._map = None


def time_monotonic_ns():
    # type: () -> int
    return int(time.clock_gettime(time.CLOCK_MONOTONIC) * 10 ** 9)
