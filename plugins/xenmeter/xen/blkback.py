"""What dom0's kernel counts of the guests' disks: blkback's ``statistics`` in sysfs, and tapdisk3's own (xen.tapdisk).

blkback (Linux ``drivers/block/xen-blkback/xenbus.c``) keeps a file per counter below
``/sys/bus/xen-backend/devices/vbd-DOMID-DEV``, in sectors of 512 bytes whatever the disk's own are. A ``vbd3-DOMID-DEV`` is
tapdisk3's. Disks that QEMU serves itself are not in sysfs; QEMU is asked for them (xen.qdisks).

Opening a file by its path costs ten times what reading it costs, so the files stay open, and are read from their beginnings
again. sysfs answers ENODEV for a file whose disk was unplugged, whatever is there under its name now: then they are opened
anew, and the new file's node is another disk. The descriptors are those that are ours to take (core.descriptors), and what finds
no room there is opened by its path each time.
"""
import fcntl
import os
import re
from array import array
from itertools import repeat
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from xenmeter.core.descriptors import least_of_ours
from xenmeter.core.errors import SourceError
from xenmeter.xen import compiled
from xenmeter.xen.tapdisk import RequestTimes, Tapdisks

__all__ = ("Disk", "Disks", "QDISK", "SYSFS", "SECTOR")

SYSFS = "/sys/bus/xen-backend/devices"
SECTOR = 512
QDISK = "Qdisk"     # type of a disk that QEMU serves; xentop has no name for it (Unidentified)

_DISK = re.compile(r"(vbd|vbd3|tap)-([0-9]{1,5})-([0-9]{1,10})\Z")
_TYPES = {"vbd": "BlkBack", "tap": "BlkTap", "vbd3": "Tapdisk3"}     # as xentop names them
_STATISTICS = ("oo_req", "rd_req", "wr_req", "rd_sect", "wr_sect")
_WIDTH = len(_STATISTICS)
_COUNT = re.compile(rb"-?[0-9]{1,20}\s*\Z")
_LONGEST = 32
_record = tuple.__new__     # a named tuple's own constructor costs twice as much

Counters = Optional[Tuple[int, ...]]


class Disk(NamedTuple):
    """``counters`` are (out of requests, reads, writes, bytes read, bytes written), None where they cannot be read, and the
    first of them None of QEMU's disks; ``served`` is what tapdisk3 and QEMU tell beside (xen.tapdisk.RequestTimes), or None.
    """

    type: str
    dev: int
    counters: Optional[Tuple[Optional[int], ...]]
    served: Optional[RequestTimes] = None
    identity: Optional[int] = None


class _Node:
    """A disk in sysfs.

    :ivar files: its open files, none where they are read by their paths; :ivar identity: the first one's node.
    """

    __slots__ = ("domid", "kind", "dev", "folder", "files", "identity")

    def __init__(self, domid: int, kind: str, dev: int, folder: str) -> None:
        self.domid = domid
        self.kind = kind
        self.dev = dev
        self.folder = folder
        self.files: List[int] = []
        self.identity: Optional[int] = None

    def open(self, least: int) -> bool:
        """Open all files, as descriptors from ``least`` on; False where there was no room for them."""
        try:
            for name in _STATISTICS:
                low = os.open(self.folder + name, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    self.files.append(fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, least))
                    self.identity = os.fstat(low).st_ino if len(self.files) == 1 else self.identity
                finally:
                    os.close(low)
        except FileNotFoundError:
            self.close()        # it is not connected, or goes just now
        except OSError:
            self.close()
            return False
        return True

    def close(self) -> None:
        for file in self.files:
            os.close(file)
        self.files = []

    def read(self) -> Tuple[Counters, Optional[int]]:
        """The counters, in sectors, and the number of the first one's node, by path; None where the disk is not connected."""
        counters = []
        identity = None
        for name in _STATISTICS:
            try:
                file = os.open(self.folder + name, os.O_RDONLY | os.O_CLOEXEC)   # a third of what open() costs
                try:
                    text = os.read(file, _LONGEST)
                    if identity is None:
                        identity = os.fstat(file).st_ino
                finally:
                    os.close(file)
            except OSError:
                return None, None
            number = _number(text)
            if number is None:
                return None, None
            counters.append(number)
        return tuple(counters), identity


class Disks:
    """The disks of all domains; keeps their files open until :meth:`close`.

    :param root: sysfs' directory of them. :param compiled_read: what ``compiled.load`` gives; False: look for it.
    :ivar arranged: how often the disks were others.
    """

    def __init__(self, root: str = SYSFS, tapdisks: Optional[Tapdisks] = None, compiled_read: Any = False) -> None:
        self._root = root
        self._tapdisks = tapdisks if tapdisks is not None else Tapdisks()
        self._compiled = compiled.load() if compiled_read is False else compiled_read
        self._names: List[str] = []
        self._nodes: Dict[str, _Node] = {}
        self._order: List[_Node] = []       # by domid and device number
        self._spans: List[Tuple[int, int, int]] = []    # of each domain's in it
        self._kept: List[_Node] = []        # those of it whose files are open
        self._files = array("i")            # theirs
        self._has_room = True
        self.arranged = 0
        self._labels: Tuple[List[Any], ...] = ([], [], [])      # types, device numbers and identities of the order

    def read(self) -> Dict[int, List[Disk]]:
        """By domid, in the order of the device numbers; SourceError where the kernel has no such directory."""
        try:
            names = os.listdir(self._root)
        except FileNotFoundError:
            names = []      # no backend driver is loaded: no disk of blkback's
        except OSError as error:
            raise SourceError("%s: %s; the guests' disks cannot be told" % (self._root, error.strerror))
        if names != self._names:
            self._arrange(names)
        counters = self._read_kept()
        if None not in counters and len(counters) == len(self._order):
            types, devs, identities = self._labels
            disks = list(map(_record, repeat(Disk), zip(types, devs, counters, repeat(None), identities)))
        else:
            disks = self._read_each(counters)
        return {domid: disks[start:end] for domid, start, end in self._spans}

    @property
    def tapdisks(self) -> Dict[int, int]:
        """Domids by process: whom the tapdisks served in the last reading (xen.tapdisk)."""
        return self._tapdisks.serving

    def close(self) -> None:
        for node in self._nodes.values():
            node.close()
        self._names, self._nodes = [], {}
        self._arrange([])

    def _arrange(self, names: List[str]) -> None:
        """The disks are others than in the last reading."""
        self.arranged += 1
        nodes: Dict[str, _Node] = {}
        for name in names:
            match = self._nodes.get(name) or _DISK.match(name)
            if isinstance(match, _Node):
                nodes[name] = match
            elif match:
                nodes[name] = _Node(int(match.group(2)), match.group(1), int(match.group(3)),
                                    "%s/%s/statistics/" % (self._root, name))
        for name in self._nodes.keys() - nodes.keys():
            self._nodes[name].close()
        self._names, self._nodes = names, nodes
        self._order = sorted(nodes.values(), key=lambda node: (node.domid, node.dev, node.kind))
        self._spans = []
        for place, node in enumerate(self._order):
            if not place or node.domid != self._spans[-1][0]:
                self._spans.append((node.domid, place, place))
            self._spans[-1] = self._spans[-1][:2] + (place + 1,)
        self._keep()

    def _keep(self) -> None:
        """Open the files of those disks that have none open, as long as there are descriptors for them."""
        least = least_of_ours()
        self._has_room = all(node.files or node.kind == "vbd3" or node.open(least) for node in self._order)
        self._kept = [node for node in self._order if node.files]
        self._files = array("i", [file for node in self._kept for file in node.files])
        self._labels = ([_TYPES[node.kind] for node in self._order], [node.dev for node in self._order],
                        [node.identity for node in self._order])

    def _read_kept(self) -> List[Counters]:
        """Counters of the disks whose files are open, in bytes; None where one of them says no number."""
        if self._compiled is None:
            numbers, bad = _read_files(self._files)
        else:
            numbers, bad = self._compiled.files(self._files)
        oo, reads, writes, read_sectors, written_sectors = compiled.columns(numbers, len(self._kept), _WIDTH)
        counters: List[Counters] = list(zip(oo, reads, writes, [sectors * SECTOR for sectors in read_sectors],
                                            [sectors * SECTOR for sectors in written_sectors]))
        if 1 in bad:
            for place in {place // _WIDTH for place, wrong in enumerate(bad) if wrong}:
                counters[place] = None
        return counters

    def _read_each(self, counters: List[Counters]) -> List[Disk]:
        """All disks, some of which are not open, or were unplugged meanwhile."""
        kept = dict(zip(map(id, self._kept), counters))
        shared: Any = None
        disks = []
        changed = False
        for node in self._order:
            figures, served, identity = kept.get(id(node)), None, node.identity
            if node.kind == "vbd3":
                if shared is None:
                    shared = self._tapdisks.read()
                figures, served, identity = shared.get((node.domid, node.dev), (None, None, None))
                figures = _in_bytes(figures)
            elif figures is None:
                figures, identity = node.read()
                figures = _in_bytes(figures)
                if node.files or figures is not None and self._has_room:   # plugged again, or connected since
                    node.close()
                    changed = True
            disks.append(Disk(_TYPES[node.kind], node.dev, figures, served, identity))
        if changed:
            self._keep()
        return disks


def _in_bytes(counters: Counters) -> Counters:
    return None if counters is None else counters[:3] + (counters[3] * SECTOR, counters[4] * SECTOR)


def _number(text: bytes) -> Optional[int]:
    """A negative figure (blkback's were ints up to Linux 3.7) is what it would be without a sign, as libxenstat reads it."""
    return int(text) % (1 << 64) if _COUNT.match(text) else None


def _read_files(files: Any) -> Tuple[List[int], bytearray]:
    """As ``compiled.Counts.files``."""
    numbers, bad = [], bytearray(len(files))
    for place, file in enumerate(files):
        try:
            number = _number(os.pread(file, _LONGEST, 0))
        except OSError:
            number = None
        if number is None:
            bad[place] = 1
        numbers.append(number or 0)
    return numbers, bad
