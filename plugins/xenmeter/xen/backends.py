"""What dom0's kernel counts of the guests' devices: vifs in /proc/net/dev, blkback's disks in sysfs.

A vif is known by its name (``vif7.0``) or, renamed, by what sysfs calls it; no bridge is asked for, so it makes no
difference whether there is one, Open vSwitch, or a routed network. The tap of the card that QEMU emulates for an HVM guest has
the vif's name and ``-emu`` with libxl, and is ``tap7.0`` with xapi; a packet goes through one of the two.

blkback (Linux ``drivers/block/xen-blkback/xenbus.c``) keeps ``statistics`` of each disk at
``/sys/bus/xen-backend/devices/vbd-DOMID-DEV``, in sectors of 512 bytes whatever the disk's own are. A ``vbd3-DOMID-DEV`` is
tapdisk3's, whose own figures are in shared memory (xen.tapdisk). Disks that QEMU serves itself are not in sysfs; QEMU is asked
for them (xen.qdisks).

A device that is plugged again bears its old name and number, but is another interface (Linux never uses an index again soon)
or another node of sysfs, or a file that was made anew: so its counters are known to begin again.
"""
import os
import re
import socket
from operator import lt
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

from xenmeter.core.errors import SourceError
from xenmeter.xen.netdev import Counters, parse_net_dev, read_net_dev, read_nodename
from xenmeter.xen.tapdisk import Served, Tapdisks

__all__ = ("Disk", "Vifs", "read_disks", "unseen_vifs", "QDISK", "SYSFS", "SECTOR")

SYSFS = "/sys/bus/xen-backend/devices"
SECTOR = 512
QDISK = "Qdisk"     # type of a disk that QEMU serves; xentop has no name for it (Unidentified)

_VIF = re.compile(r"vif([0-9]{1,5})\.([0-9]{1,10})(-emu)?\Z")
_TAP = re.compile(r"tap([0-9]{1,5})\.([0-9]{1,10})\Z")
_EMULATED = "-emu"
_NODENAME = re.compile(rb"backend/vif/([0-9]{1,5})/([0-9]{1,10})\s*\Z")
_DISK = re.compile(r"(vbd|vbd3|tap)-([0-9]{1,5})-([0-9]{1,10})\Z")
_TYPES = {"vbd": "BlkBack", "tap": "BlkTap", "vbd3": "Tapdisk3"}     # as xentop names them
_STATISTICS = ("oo_req", "rd_req", "wr_req", "rd_sect", "wr_sect")
_COUNT = re.compile(rb"-?[0-9]{1,20}\s*\Z")


class Disk(NamedTuple):
    """``counters`` are (out of requests, reads, writes, bytes read, bytes written), None where they cannot be read, and the
    first of them None of QEMU's disks; ``served`` is what tapdisk3 and QEMU tell beside (xen.tapdisk.Served), or None.
    """

    type: str
    dev: int
    counters: Optional[Tuple[Optional[int], ...]]
    served: Optional[Served] = None
    identity: Optional[int] = None


class Vif(NamedTuple):
    """``emulated``: it is the tap of the emulated device; ``counters`` are dom0's; ``ifindex`` the interface's index, None where
    it is not known.
    """

    devid: int
    emulated: bool
    counters: Counters
    ifindex: Optional[int] = None


def interface_indexes() -> Dict[str, int]:
    """By name, those of all interfaces that this process sees; none where the kernel does not say."""
    try:
        return {name: index for index, name in socket.if_nameindex()}
    except OSError:
        return {}


class Vifs:
    """The vifs of all domains; remembers what renamed interfaces are while the interfaces are the same.

    :param read: gives the bytes of /proc/net/dev.
    :param nodename: gives what sysfs says an interface is, or None.
    :param indexes: gives the interfaces' indexes. They are asked for when the interfaces are others, or a counter fell.
    """

    def __init__(self, read: Callable[[], bytes] = read_net_dev, nodename: Callable[[str], Optional[bytes]] = read_nodename,
                 indexes: Callable[[], Dict[str, int]] = interface_indexes) -> None:
        self._read = read
        self._nodename = nodename
        self._ask_indexes = indexes
        self._indexes: Dict[str, int] = {}
        self._counters: List[Counters] = []
        self._names: List[str] = []
        self._what: Dict[str, Tuple[int, int, bool]] = {}

    def read(self) -> Dict[int, List[Vif]]:
        """By domid, in the file's order; SourceError or BadInput where it cannot be read."""
        lines = parse_net_dev(self._read())
        names = [name for name, _ in lines]
        if names != self._names:
            self._names = names
            self._what = {name: what for name, what in ((name, self._identify(name)) for name in names) if what}
            self._what.update(self._taps(names))
            self._indexes = self._ask_indexes() if self._what else {}
        elif any([now != then and True in map(lt, now, then) for (_, now), then in zip(lines, self._counters)]):
            self._indexes = self._ask_indexes()
        self._counters = [counters for _, counters in lines]
        found: Dict[int, List[Vif]] = {}
        for name, counters in lines:
            what = self._what.get(name)
            if what is not None:
                found.setdefault(what[0], []).append(Vif(what[1], what[2], counters, self._indexes.get(name)))
        return found

    def _identify(self, name: str) -> Optional[Tuple[int, int, bool]]:
        match = _VIF.match(name)
        if match:
            return int(match.group(1)), int(match.group(2)), match.group(3) is not None
        node = _NODENAME.match(self._nodename(name) or b"")
        return (int(node.group(1)), int(node.group(2)), False) if node else None

    def _taps(self, names: List[str]) -> Dict[str, Tuple[int, int, bool]]:
        """Those of emulated cards that only the vif beside them tells from anybody else's."""
        vifs = {what[:2] for what in self._what.values()}
        found = {}
        for name in set(names).difference(self._what):
            match = _TAP.match(name)
            what = self._what.get(name[:-len(_EMULATED)]) if name.endswith(_EMULATED) else None
            if match and (int(match.group(1)), int(match.group(2))) in vifs:
                found[name] = (int(match.group(1)), int(match.group(2)), True)
            elif what is not None and not what[2]:
                found[name] = what[:2] + (True,)
        return found


def unseen_vifs(facts: Any, vifs: List[Vif]) -> List[int]:
    """Device ids of the vifs that dom0 serves by xenstore's facts (xen.domains.DomainFacts), and that are none of those seen."""
    seen = {vif[0] for vif in vifs}
    return [devid for devid in facts.vifs if devid not in seen]


def read_disks(root: str = SYSFS, tapdisks: Optional[Tapdisks] = None) -> Dict[int, List[Disk]]:
    """By domid, in the order of the device numbers; SourceError where the kernel has no such directory."""
    try:
        names = os.listdir(root)
    except FileNotFoundError:
        return {}       # no backend driver is loaded: no disk of blkback's
    except OSError as error:
        raise SourceError("%s: %s; the guests' disks cannot be told" % (root, error.strerror))
    found: Dict[int, List[Disk]] = {}
    shared: Any = None
    for name in names:
        match = _DISK.match(name)
        if not match:
            continue
        kind, domid, dev = match.group(1), int(match.group(2)), int(match.group(3))
        if kind == "vbd3":
            if shared is None:
                shared = (tapdisks or Tapdisks()).read()
            counters, served, identity = shared.get((domid, dev), (None, None, None))
            disk = Disk(_TYPES[kind], dev, _in_bytes(counters), served, identity)
        else:
            counters, identity = _statistics("%s/%s" % (root, name))
            disk = Disk(_TYPES[kind], dev, _in_bytes(counters), None, identity)
        found.setdefault(domid, []).append(disk)
    for disks in found.values():
        disks.sort(key=lambda disk: disk.dev)
    return found


def _in_bytes(counters: Optional[Tuple[int, ...]]) -> Optional[Tuple[int, ...]]:
    return None if counters is None else counters[:3] + (counters[3] * SECTOR, counters[4] * SECTOR)


def _statistics(device: str) -> Tuple[Optional[Tuple[int, ...]], Optional[int]]:
    """The counters, in sectors, and the number of the first one's node; None where the disk is not connected, or goes just
    now. A negative figure (blkback's were ints up to Linux 3.7) is what it would be without a sign, as libxenstat reads it."""
    counters = []
    identity = None
    folder = device + "/statistics/"
    for name in _STATISTICS:
        try:
            file = os.open(folder + name, os.O_RDONLY | os.O_CLOEXEC)   # a third of what open() costs
            try:
                text = os.read(file, 32)
                if identity is None:
                    identity = os.fstat(file).st_ino
            finally:
                os.close(file)
        except OSError:
            return None, None
        if not _COUNT.match(text):
            return None, None
        counters.append(int(text) % (1 << 64))
    return tuple(counters), identity
