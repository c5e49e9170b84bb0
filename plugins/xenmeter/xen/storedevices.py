"""Which vifs and block devices domains have, as xenstore tells: those whose backend is in dom0, by ``/local/domain/0/backend``,
and those whose backend is in another domain, a driver domain, by ``/libxl/DOMID/device``. Of what they are made
(xen.storage) is told of the former.

A guest can only read the one, and not even that the other (Xen's ``docs/misc/xenstore-paths.pandoc``): what it writes itself,
below ``/local/domain/DOMID/device``, is not asked. xenopsd writes nothing below /libxl; its driver domains are not told.
"""
import re
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from xenmeter.core.errors import NoPrivilege
from xenmeter.xen import storage

__all__ = ("Devices", "devices_of")


class Devices(NamedTuple):
    vifs: Tuple[int, ...]    # device ids, ascending; so are all the others
    vbds: Dict[int, str]    # device number -> its name (xvda), or the number as text where it has none
    qdisks: Tuple[int, ...]    # those of vbds that QEMU serves itself
    empty: Tuple[int, ...]    # those of vbds that are drives without a medium
    vifs_elsewhere: Tuple[int, ...]    # whose backend is in another domain than dom0
    vbds_elsewhere: Tuple[int, ...]
    storage: Dict[int, storage.Volume]    # by device number, what a disk is kept on, as far as it is told
    blocks: Dict[int, Tuple[int, int]]    # by device number, (major, minor) of the block device in dom0 that a disk is
    bridges: Dict[int, str]    # by device id, the bridge that a vif is connected to


_BACKEND = b"/local/domain/0/backend/%s"
#: Backends of block devices, the one that counts first where two name the same device.
_VBD_KINDS = (b"vbd", b"vbd3", b"tap", b"qdisk")
_KINDS = (b"vif",) + _VBD_KINDS
_DEVICE = b"/libxl/%d/device/%s"

_NUMBER = re.compile(rb"(?:0|[1-9][0-9]{0,9})\Z")
_NAME = re.compile(rb"[A-Za-z0-9_.:/+-]{1,64}\Z")
_ELSEWHERE = re.compile(rb"/local/domain/[1-9][0-9]{0,4}/backend/")
#: ``params`` of a drive without a medium: nothing (xapi, and xl after an eject), or a format without a path (xl, qdisk).
_NO_MEDIUM = re.compile(rb"(?:[a-z0-9]+:)?\Z")

_Disk = Tuple[bytes, int, int]      # kind, domid, device number
_Told = Tuple[Optional[str], bool, Optional[bytes]]


def devices_of(store: Any, domids: Sequence[int]) -> Dict[int, Devices]:
    """Of each of the domains; raises what the store raises.

    :param store: a ``Xenstore`` or ``DumpStore``.
    """
    devices, disks = _in_dom0(store, set(domids))
    volumes = storage.volumes(store, _BACKEND, {disk: told[2] for disk, told in disks.items()})
    bridges = storage.bridges(store, _BACKEND, {domid: listed for (kind, domid), listed in devices.items() if kind == b"vif"})
    elsewhere = _elsewhere(store, domids)
    devices_by_domid = {}
    for domid in domids:
        vbds: Dict[int, str] = {}
        qdisks, empty = [], []
        kept: Dict[int, storage.Volume] = {}
        blocks: Dict[int, Tuple[int, int]] = {}
        taken = set()   # names: two devices of one name would be one series
        for kind in _VBD_KINDS:
            for number in sorted(devices.get((kind, domid), ())):
                if number in vbds:
                    continue
                name, has_medium, _ = disks[kind, domid, number]
                vbds[number] = name if name and name not in taken else str(number)
                taken.add(vbds[number])
                if kind == b"qdisk":
                    qdisks.append(number)
                if not has_medium:
                    empty.append(number)
                volume, block = volumes[kind, domid, number]
                if volume is not None:
                    kept[number] = volume
                if block is not None:
                    blocks[number] = block
        devices_by_domid[domid] = Devices(
            tuple(sorted(devices.get((b"vif", domid), ()))), vbds, tuple(qdisks), tuple(sorted(empty)),
            elsewhere[b"vif"].get(domid, ()), elsewhere[b"vbd"].get(domid, ()), kept, blocks, bridges.get(domid, {}))
    return devices_by_domid


def _in_dom0(store: Any, wanted: Any) -> Tuple[Dict[Tuple[bytes, int], List[int]], Dict[_Disk, _Told]]:
    """Device numbers by (kind, domid), and each block device's name, whether it has a medium, and its ``params``."""
    pairs: List[Tuple[bytes, int]] = []
    for kind, listed in zip(_KINDS, store.directory_many([_BACKEND % kind for kind in _KINDS])):
        pairs.extend((kind, int(name)) for name in listed if _NUMBER.match(name) and int(name) in wanted)
    listings = store.directory_many([_BACKEND % kind + b"/%d" % domid for kind, domid in pairs])
    devices = {pair: _numbers(listed) for pair, listed in zip(pairs, listings)}
    disks = [(kind, domid, number) for (kind, domid), numbers in devices.items() if kind != b"vif" for number in numbers]
    paths = [_BACKEND % kind + b"/%d/%d/" % (domid, number) for kind, domid, number in disks]
    values = store.read_many([path + node for node in (b"dev", b"params", b"device-type") for path in paths])
    fields = zip(disks, values, values[len(disks):], values[2 * len(disks):])
    return devices, {disk: (dev.decode("ascii") if dev is not None and _NAME.match(dev) else None,
                            _has_medium(params, device_type), params) for disk, dev, params, device_type in fields}


def _has_medium(params: Optional[bytes], device_type: Optional[bytes]) -> bool:
    """xl writes no ``params`` at all for an empty drive of blkback's."""
    return device_type != b"cdrom" if params is None else not _NO_MEDIUM.match(params)


def _elsewhere(store: Any, domids: Sequence[int]) -> Dict[bytes, Dict[int, Tuple[int, ...]]]:
    """Numbers of the devices that another domain than dom0 serves, by kind and domid."""
    kinds = (b"vif", b"vbd")
    pairs = [(kind, domid) for kind in kinds for domid in domids]
    try:
        listings = store.directory_many([_DEVICE % (domid, kind) for kind, domid in pairs])
    except NoPrivilege:
        return {kind: {} for kind in kinds}
    devices = [(kind, domid, number) for (kind, domid), listed in zip(pairs, listings) for number in _numbers(listed)]
    backends = store.read_many([_DEVICE % (domid, kind) + b"/%d/backend" % number for kind, domid, number in devices])
    numbers: Dict[bytes, Dict[int, Tuple[int, ...]]] = {kind: {} for kind in kinds}
    for (kind, domid, number), backend in zip(devices, backends):
        if backend is not None and _ELSEWHERE.match(backend):
            numbers[kind][domid] = tuple(sorted(numbers[kind].get(domid, ()) + (number,)))
    return numbers


def _numbers(names: Iterable[bytes]) -> List[int]:
    return [int(name) for name in names if _NUMBER.match(name)]
