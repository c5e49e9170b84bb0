"""How long the block devices that blkback's disks are kept on take for their requests: the kernel's ``stat`` of them.

blkback itself tells no times. The block device that it gives the requests to does (``/sys/dev/block/MAJOR:MINOR/stat``, Linux
``Documentation/block/stat.rst``): requests that ended and the ms that they took together, of reads and writes, and how many
are under way. That is a vbd's latency where the vbd has the device for itself: where no other vbd is on the same device, on a
partition of it or on the whole of which it is one, and dom0 has neither mounted it nor made another device of it. Requests are
counted as the device got them: blkback and the kernel may make one of several, or several of one. Time that a request waits in
the ring is not in it.
"""
import os
import time
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Set, Tuple

from xenmeter.core.descriptors import to_upper_half

__all__ = ("Backing", "Backings", "SYSFS", "MOUNTS")

SYSFS = "/sys/dev/block"
MOUNTS = "/proc/self/mountinfo"
#: Seconds after which it is looked again who else has the devices; others are looked at as soon as they come.
_REST_S = 300.0
_LONGEST = 512
_MS = 10 ** 6
_READS, _READ_MS, _WRITES, _WRITE_MS, _IN_FLIGHT = 0, 3, 4, 7, 8    # in stat

Vbd = Tuple[int, int]       # domid, device number
Block = Tuple[int, int]     # major, minor


class Backing(NamedTuple):
    """Since dom0 has the device: requests that ended, and the time that they took, ns; then how many are under way, and a number
    that another device in its place would not have.
    """

    reads: int
    read_ns: int
    writes: int
    write_ns: int
    in_flight: int
    identity: int


class Backings:
    """Keeps the files open until :meth:`close`, as xen.blkback does.

    :param root: where sysfs has the devices by their numbers; :param mounts: what dom0 has mounted.
    :param clock: ``float`` seconds that never run backwards.
    """

    def __init__(self, root: str = SYSFS, mounts: str = MOUNTS, clock: Callable[[], float] = time.monotonic) -> None:
        self._root = root
        self._mounts = mounts
        self._clock = clock
        self._wanted: Dict[Vbd, Block] = {}
        self._due = clock()
        self._alone: List[Vbd] = []
        self._files: Dict[Vbd, Tuple[int, int]] = {}    # descriptor and node's number

    def read(self, wanted: Dict[Vbd, Block], told: Iterable[Vbd]) -> Dict[int, Dict[int, Backing]]:
        """By domid and device number; of a device that cannot be read, or is not one vbd's alone, nothing.

        :param wanted: the devices that vbds are on, whoever serves them; :param told: those vbds that are asked for.
        """
        if wanted != self._wanted or self._clock() >= self._due:
            self._arrange(wanted, set(told))
        found: Dict[int, Dict[int, Backing]] = {}
        for vbd in self._alone:
            backing = self._read(vbd)
            if backing is not None:
                found.setdefault(vbd[0], {})[vbd[1]] = backing
        return found

    def close(self) -> None:
        for file, _ in self._files.values():
            os.close(file)
        self._files, self._wanted, self._alone = {}, {}, []

    def _arrange(self, wanted: Dict[Vbd, Block], told: Set[Vbd]) -> None:
        """Open what is alone, close what is not any more."""
        for vbd in [vbd for vbd in self._files if wanted.get(vbd) != self._wanted.get(vbd)]:
            self._close(vbd)
        self._wanted, self._due = dict(wanted), self._clock() + _REST_S
        self._alone = [vbd for vbd in self._owned(wanted) if vbd in told]
        for vbd in self._files.keys() - set(self._alone):
            self._close(vbd)

    def _owned(self, wanted: Dict[Vbd, Block]) -> List[Vbd]:
        """The vbds that have their device for themselves."""
        places: Dict[Vbd, str] = {}
        for vbd, block in wanted.items():
            place = os.path.realpath("%s/%d:%d" % (self._root, block[0], block[1]))
            if os.path.isdir(place):
                places[vbd] = place
        taken: Dict[str, int] = {}
        for place in places.values():
            taken[place] = taken.get(place, 0) + 1
        mounted = self._mounted()
        alone = []
        for vbd, place in places.items():
            whole = os.path.dirname(place) if os.path.exists(place + "/partition") else None
            parts = _partitions(place)
            if (taken[place] == 1 and whole not in taken and not taken.keys() & set(parts)
                    and not any(_in_use(one, mounted) for one in [place] + parts)):
                alone.append(vbd)
        return alone

    def _mounted(self) -> Set[str]:
        """MAJOR:MINOR of each mounted file system, by the third field of a line."""
        try:
            with open(self._mounts, "rb") as file:
                return {line.split(b" ", 3)[2].decode("ascii", "replace") for line in file if line.count(b" ") > 3}
        except OSError:
            return set()

    def _read(self, vbd: Vbd) -> Optional[Backing]:
        try:
            file, identity = self._files.get(vbd) or self._open(vbd)
            text = os.pread(file, _LONGEST, 0)
        except OSError:     # it is gone: whatever is there under its number now is another device
            self._close(vbd)
            self._wanted = {}       # look again
            return None
        if vbd not in self._files:
            os.close(file)      # there was no room for it
        return _parsed(text, identity)

    def _open(self, vbd: Vbd) -> Tuple[int, int]:
        low = os.open("%s/%d:%d/stat" % ((self._root,) + self._wanted[vbd]), os.O_RDONLY | os.O_CLOEXEC)
        identity = os.fstat(low).st_ino
        kept = to_upper_half(low)
        if kept is None:
            return low, identity
        self._files[vbd] = kept, identity
        return self._files[vbd]

    def _close(self, vbd: Vbd) -> None:
        kept = self._files.pop(vbd, None)
        if kept is not None:
            os.close(kept[0])


def _parsed(text: bytes, identity: int) -> Optional[Backing]:
    fields: List[Any] = text.split()
    if len(fields) <= _IN_FLIGHT or not all([field.isdigit() for field in fields]):
        return None
    return Backing(int(fields[_READS]), int(fields[_READ_MS]) * _MS, int(fields[_WRITES]), int(fields[_WRITE_MS]) * _MS,
                   int(fields[_IN_FLIGHT]), identity)


def _partitions(place: str) -> List[str]:
    """sysfs' folders of a disk's partitions, which are in its own."""
    name = os.path.basename(place)
    try:
        inside = os.listdir(place)
    except OSError:
        return []
    return [place + "/" + one for one in inside if one.startswith(name) and os.path.exists("%s/%s/partition" % (place, one))]


def _in_use(place: str, mounted: Set[str]) -> bool:
    """Whether dom0 itself uses a device: mounted, or as a part of another device (device mapper, RAID)."""
    try:
        with open(place + "/dev") as file:
            return file.read(32).strip() in mounted or bool(os.listdir(place + "/holders"))
    except OSError:
        return False
