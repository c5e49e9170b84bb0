"""What tapdisk3 counts of each disk that it serves, with the time that requests took: XenServer's and XCP-ng's backend.

Each tapdisk3 process keeps a file ``/dev/shm/td3-PID/vbd-DOMID-DEV`` per disk (blktap, ``drivers/tapdisk-metrics-stats.h``,
version 1), all little endian::

    u32 version, u32 pad, u64 out of requests,
    u64 reads begun, reads completed, sectors read, time of the completed reads in us, then the same four of writes,
    u64 errors, flags

/dev/shm is open to every user of dom0, so nothing in it is believed but regular files of root's (or of our own) in
directories of root's. What a tapdisk left behind that is no more is not read.
"""
import os
import re
import stat
import struct
from typing import Dict, NamedTuple, Optional, Set, Tuple

__all__ = ("RequestTimes", "Tapdisks", "encode")


class RequestTimes(NamedTuple):
    """Of a disk so far: requests completed and the time that they took, ns; requests that failed."""

    reads: int
    read_ns: int
    writes: int
    write_ns: int
    errors: int


_STATS = struct.Struct("<II11Q")
_VERSION = 1
_PROCESS = re.compile(r"[0-9]{1,10}\Z")
_FILE = re.compile(r"vbd-([0-9]{1,5})-([0-9]{1,10})\Z")
_NEVER = 1 << 62        # of a counter: what is larger was never counted
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

#: What a file says: (out of requests, reads, writes, sectors read, sectors written), RequestTimes, and the file's own number,
#: which another one in its place would not have.
File = Tuple[Tuple[int, ...], RequestTimes, int]
#: By (domid, device number).
Disks = Dict[Tuple[int, int], File]


class Tapdisks:
    """:param shm: where the processes keep their files; :param proc: where it is seen whether they live.

    :ivar serving: of the last reading, the domid by process, of those that serve disks of one domain alone.
    """

    def __init__(self, shm: str = "/dev/shm", proc: str = "/proc") -> None:
        self._shm = shm
        self._proc = proc
        self.serving: Dict[int, int] = {}

    def read(self) -> Disks:
        """All disks that can be read now; none where there is no tapdisk3.

        Who may write there can make any number of names; so it is the processes that are gone through.
        """
        disks: Disks = {}
        self.serving = {}
        try:
            processes = [int(name) for name in os.listdir(self._proc) if _PROCESS.match(name)]
        except OSError:
            return disks
        for number in sorted(processes):
            domids = self._read_process("%s/td3-%d" % (self._shm, number), disks)
            if len(domids) == 1:
                self.serving[number] = domids.pop()
        return disks

    def _read_process(self, path: str, disks: Disks) -> Set[int]:
        """The domains whose disks it serves."""
        domids: Set[int] = set()
        try:
            folder = os.open(path, _FLAGS | os.O_DIRECTORY)
        except OSError:
            return domids
        try:
            if not _trusted(os.fstat(folder)):
                return domids
            for name in os.listdir(folder):
                match = _FILE.match(name)
                disk = _read_file(folder, name) if match else None
                if disk is not None:
                    domids.add(int(match.group(1)))     # type: ignore[union-attr]
                    disks[int(match.group(1)), int(match.group(2))] = disk  # type: ignore[union-attr]
        except OSError:
            pass        # it ended just now
        finally:
            os.close(folder)
        return domids


def _trusted(status: os.stat_result) -> bool:
    return status.st_uid in (0, os.geteuid()) and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _read_file(folder: int, name: str) -> Optional[File]:
    try:
        file = os.open(name, _FLAGS, dir_fd=folder)
    except OSError:
        return None
    try:
        status = os.fstat(file)
        data = os.read(file, _STATS.size) if stat.S_ISREG(status.st_mode) and _trusted(status) else b""
    except OSError:
        return None
    finally:
        os.close(file)
    if len(data) < _STATS.size:
        return None
    version, _, oo, reads, reads_done, read_sectors, read_us, writes, writes_done, written_sectors, write_us, errors, _ = \
        _STATS.unpack(data)
    counters = (oo, reads, writes, read_sectors, written_sectors)
    served = RequestTimes(reads_done, read_us * 1000, writes_done, write_us * 1000, errors)
    if version != _VERSION or max(counters + served) >= _NEVER:
        return None
    return counters, served, status.st_ino


def encode(oo: int, reads: Tuple[int, int, int, int], writes: Tuple[int, int, int, int], errors: int = 0,
           version: int = _VERSION) -> bytes:
    """A file's bytes; ``reads`` and ``writes`` are (begun, completed, sectors, microseconds)."""
    return _STATS.pack(*((version, 0, oo) + tuple(reads) + tuple(writes) + (errors, 0)))
