"""What a guest's disks and vifs are called in dom0: storage repository and VDI, backing path, block device, bridge.

All of it stands below ``/local/domain/0/backend``, which only dom0 writes (Xen's ``docs/misc/xenstore-paths.pandoc``). ``params``
is what the toolstack attached: ``/dev/sm/backend/SR/VDI`` by xapi's storage manager, else a path or a block device, with a
format before it where QEMU or tapdisk opens it (``qcow2:/srv/web.qcow2``). xapi also writes ``sm-data/mem-pool``, the SR, and
``sm-data/vdi-uuid``. The hotplug script of libxl (``tools/hotplug/Linux/block``) and xapi write ``physical-device``, two
hexadecimal numbers.
"""
import re
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

__all__ = ("Volume", "volumes", "bridges")


class Volume(NamedTuple):
    """Each part is empty where it is not told."""

    sr: str
    vdi: str
    path: str


_UUID = rb"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
_ONE_UUID = re.compile(_UUID + rb"\Z")
_OF_SM = re.compile(rb"/dev/sm/backend/(" + _UUID + rb")/(" + _UUID + rb")\Z")
_FORMAT = re.compile(rb"[a-z0-9]{1,16}:(?=.)")
_BLOCK = re.compile(rb"([0-9A-Fa-f]{1,5}):([0-9A-Fa-f]{1,6})\Z")
#: Bytes of a path that are told; Linux takes no longer one.
_LONGEST = 4096
_NODES = (b"physical-device", b"sm-data/mem-pool", b"sm-data/vdi-uuid")

Disk = Tuple[bytes, int, int]       # kind, domid, device number
Block = Tuple[int, int]             # major, minor
Told = Tuple[Optional[Volume], Optional[Block]]


def volumes(store: Any, backend: bytes, params: Dict[Disk, Optional[bytes]]) -> Dict[Disk, Told]:
    """What each disk is kept on, and its block device in dom0; None where that is not told.

    :param store: a ``Xenstore`` or ``DumpStore``; :param backend: path of a kind of backends, with a ``%s`` for it.
    :param params: of each disk, as xenstore has them.
    """
    disks = list(params)
    paths = [backend % kind + b"/%d/%d/" % (domid, number) for kind, domid, number in disks]
    values = store.read_many([path + node for node in _NODES for path in paths])
    number = len(disks)
    told = zip(disks, values, values[number:], values[2 * number:])
    return {disk: (_volume(params[disk], sr, vdi), _block(device)) for disk, device, sr, vdi in told}


def bridges(store: Any, backend: bytes, vifs: Dict[int, List[int]]) -> Dict[int, Dict[int, str]]:
    """By domid and device id, the bridge (of Linux or Open vSwitch) that dom0 connects a vif to.

    :param vifs: device ids by domid.
    """
    each = [(domid, devid) for domid, devids in vifs.items() for devid in devids]
    names = store.read_many([backend % b"vif" + b"/%d/%d/bridge" % pair for pair in each])
    found: Dict[int, Dict[int, str]] = {}
    for (domid, devid), name in zip(each, names):
        if name:
            found.setdefault(domid, {})[devid] = _text(name)
    return found


def _volume(params: Optional[bytes], sr: Optional[bytes], vdi: Optional[bytes]) -> Optional[Volume]:
    path = _FORMAT.sub(b"", params or b"", 1)
    of_sm = _OF_SM.match(path)
    if of_sm:
        sr, vdi = of_sm.groups()
    uuids = [uuid.decode("ascii").lower() if uuid and _ONE_UUID.match(uuid) else "" for uuid in (sr, vdi)]
    volume = Volume(uuids[0], uuids[1], _text(path) if len(path) <= _LONGEST else "")
    return volume if any(volume) else None


def _block(text: Optional[bytes]) -> Optional[Block]:
    match = _BLOCK.match(text or b"")
    return (int(match.group(1), 16), int(match.group(2), 16)) if match else None


def _text(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")
