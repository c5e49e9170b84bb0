"""What dom0's kernel counts of the guests' devices: vifs in /proc/net/dev, blkback's disks in sysfs.

A vif is known by its name (``vif7.0``) or, renamed, by what sysfs calls it; no bridge is asked for, so it makes no
difference whether there is one, Open vSwitch, or a routed network. The tap of the card that QEMU emulates for an HVM guest has
the vif's name and ``-emu`` with libxl, and is ``tap7.0`` with xapi; a packet goes through one of the two.

blkback (Linux ``drivers/block/xen-blkback/xenbus.c``) keeps ``statistics`` of each disk at
``/sys/bus/xen-backend/devices/vbd-DOMID-DEV``, in sectors of 512 bytes whatever the disk's own are. A ``vbd3-DOMID-DEV`` is
tapdisk3's, whose own figures are in shared memory (xen.tapdisk). Disks that QEMU serves itself are not in sysfs; QEMU is asked
for them (xen.qdisks).
"""
import os
import re
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
_COUNT = re.compile(rb"[0-9]{1,20}\s*\Z")

#: ``counters`` are (out of requests, reads, writes, bytes read, bytes written), None where they cannot be read, and the
#: first of them None of QEMU's disks; ``served`` is what tapdisk3 and QEMU tell beside (xen.tapdisk.Served), or None.
Disk = NamedTuple("Disk", [
    ("type", str), ("dev", int), ("counters", Optional[Tuple[Optional[int], ...]]), ("served", Optional[Served])])
Disk.__new__.__defaults__ = (None,)  # type: ignore

#: (devid, whether it is the tap of the emulated device, dom0's counters of it)
Vif = Tuple[int, bool, Counters]


class Vifs:
    """The vifs of all domains; remembers what renamed interfaces are while the interfaces are the same.

    :param read: gives the bytes of /proc/net/dev.
    :param nodename: gives what sysfs says an interface is, or None.
    """

    def __init__(self, read=read_net_dev, nodename=read_nodename):
        # type: (Callable[[], bytes], Callable[[str], Optional[bytes]]) -> None
        self._read = read
        self._nodename = nodename
        self._names = []        # type: List[str]
        self._what = {}         # type: Dict[str, Tuple[int, int, bool]]

    def read(self):
        # type: () -> Dict[int, List[Vif]]
        """By domid, in the file's order; SourceError or BadInput where it cannot be read."""
        lines = parse_net_dev(self._read())
        names = [name for name, _ in lines]
        if names != self._names:
            self._names = names
            self._what = {name: what for name, what in ((name, self._identify(name)) for name in names) if what}
            self._what.update(self._taps(names))
        found = {}      # type: Dict[int, List[Vif]]
        for name, counters in lines:
            what = self._what.get(name)
            if what is not None:
                found.setdefault(what[0], []).append((what[1], what[2], counters))
        return found

    def _identify(self, name):
        # type: (str) -> Optional[Tuple[int, int, bool]]
        match = _VIF.match(name)
        if match:
            return int(match.group(1)), int(match.group(2)), match.group(3) is not None
        node = _NODENAME.match(self._nodename(name) or b"")
        return (int(node.group(1)), int(node.group(2)), False) if node else None

    def _taps(self, names):
        # type: (List[str]) -> Dict[str, Tuple[int, int, bool]]
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


def unseen_vifs(facts, vifs):
    # type: (Any, List[Vif]) -> List[int]
    """Device ids of the vifs that dom0 serves by xenstore's facts (xen.domains.DomainFacts), and that are none of those seen."""
    seen = {devid for devid, _, _ in vifs}
    return [devid for devid in facts.vifs if devid not in seen]


def read_disks(root=SYSFS, tapdisks=None):
    # type: (str, Optional[Tapdisks]) -> Dict[int, List[Disk]]
    """By domid, in the order of the device numbers; SourceError where the kernel has no such directory."""
    try:
        names = os.listdir(root)
    except FileNotFoundError:
        return {}       # no backend driver is loaded: no disk of blkback's
    except OSError as error:
        raise SourceError("%s: %s; the guests' disks cannot be told" % (root, error.strerror))
    found = {}      # type: Dict[int, List[Disk]]
    shared = None   # type: Optional[Dict[Tuple[int, int], Tuple[Tuple[int, ...], Served]]]
    for name in names:
        match = _DISK.match(name)
        if not match:
            continue
        kind, domid, dev = match.group(1), int(match.group(2)), int(match.group(3))
        if kind == "vbd3":
            if shared is None:
                shared = (tapdisks or Tapdisks()).read()
            counters, served = shared.get((domid, dev), (None, None))
            disk = Disk(_TYPES[kind], dev, _in_bytes(counters), served)
        else:
            disk = Disk(_TYPES[kind], dev, _in_bytes(_statistics("%s/%s" % (root, name))))
        found.setdefault(domid, []).append(disk)
    for disks in found.values():
        disks.sort(key=lambda disk: disk.dev)
    return found


def _in_bytes(counters):
    # type: (Optional[Tuple[int, ...]]) -> Optional[Tuple[int, ...]]
    return None if counters is None else counters[:3] + (counters[3] * SECTOR, counters[4] * SECTOR)


def _statistics(device):
    # type: (str) -> Optional[Tuple[int, ...]]
    """In sectors; None where the disk is not connected, or goes just now."""
    counters = []
    folder = device + "/statistics/"
    for name in _STATISTICS:
        try:
            file = os.open(folder + name, os.O_RDONLY | os.O_CLOEXEC)   # a third of what open() costs
            try:
                text = os.read(file, 32)
            finally:
                os.close(file)
        except OSError:
            return None
        if not _COUNT.match(text):
            return None
        counters.append(int(text))
    return tuple(counters)
