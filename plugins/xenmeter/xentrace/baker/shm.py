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
import os
import struct
import time
import zlib
from typing import Any, Optional, Tuple

from xenmeter.core import files
from xenmeter.core.boot import boot_id
from xenmeter.core.clock import steady_ns
from xenmeter.core.errors import NoPrivilege, SourceError
from xenmeter.xentrace.engine.cells import CELL

__all__ = ("Reader", "NothingYet", "MAGIC", "VERSION")

MAGIC = b"XENMETER"
VERSION = 3
HEADER = 4096
USED, MOVED, ENDED = 1, 2, 3
HEAD = struct.Struct("<8sIIIIQQQQ40sQQ")
_STAMP = struct.Struct("<QQ")
STATE = struct.Struct("<I")
_WORD = struct.Struct("<Q")
#: Places of the heartbeat in 64-bit words.
BEAT = 4
SLOT = struct.Struct("<QIIQ")
#: Bytes of the longest document that is read: ten times that of 1000 domains of 8 vCPUs.
_LONGEST = 1 << 28


class NothingYet(SourceError):
    """A baker lives, and its first window has not ended."""


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
        data = os.pread(self._file, HEAD.size, 0)
        size = os.fstat(self._file).st_size
        if size < HEADER or data[:8] != MAGIC:
            raise self._refuse(" is not a baker's file")
        head = HEAD.unpack(data)
        if head[1] != VERSION:
            raise self._refuse(" has layout version %d; this xenmeter reads %d: let the baker and its readers be of one release"
                               % (head[1], VERSION))
        if head[2] != HEADER or head[4] != 2 or head[5] % 8 or not SLOT.size <= head[5] <= _LONGEST \
                or head[11] > _LONGEST // CELL:
            raise self._refuse(" is damaged; start the baker anew")
        if size < HEADER + 2 * head[5] + CELL * head[11] or (head[11] and head[10] != HEADER + 2 * head[5]):
            raise self._refuse(" is damaged, it has been cut; start the baker anew")
        return head

    def _refuse(self, why: str) -> SourceError:
        self.close()        # a successor has another file
        return SourceError(self.path + why)

    def _newest(self, width: int) -> Optional[Tuple[int, int, bytes]]:
        places = [(SLOT.unpack(self._bytes(SLOT.size, at)), at) for at in (HEADER, HEADER + width)]
        for (sequence, length, crc, time_ns), at in sorted(places, reverse=True):
            if not sequence or length > width - SLOT.size:
                continue
            document = self._bytes(length, at + SLOT.size)
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
