"""dom0's interface list: ``/proc/net/dev``, and the order in which libxenstat numbers a domain's vifs.

xentop prints ``Net0``, ``Net1`` ... by position. libxenstat (``xenstat_collect_networks`` in Xen's
``tools/libs/stat/xenstat_linux.c``) walks /proc/net/dev and takes each interface that sysfs says is a vif's backend
(a vif that was renamed), or whose name begins like one (``vif7.0``, and the tap ``vif7.0-emu`` of an HVM guest).
"""
import os
import re
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

from xenmeter.core.errors import BadInput, SourceError
from xenmeter.xen import compiled

__all__ = ("parse_net_dev", "NetDev", "read_net_dev", "read_nodename", "vif_order", "unlisted_vifs", "NO_VIFS")

#: libxenstat too refuses any other.
_HEADER = (
    b"Inter-|   Receive                                                |  Transmit\n"
    b" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls"
    b" carrier compressed\n")
#: Said where xenstore has vifs in dom0, and dom0's interfaces are none of them.
NO_VIFS = ("xenstore lists vifs that dom0 serves, but no interface here is one of them: does this run in a network namespace of "
           "its own (PrivateNetwork=, a container)? Networks are absent; run it in dom0's")
_VIF = re.compile(r"vif([0-9]{1,5})\.([0-9]{1,10})(.*)\Z", re.DOTALL)
_PIECE = 1 << 16
_DEVID = re.compile(r"[0-9]+")
_NODENAME = re.compile(rb"backend/vif/([0-9]{1,5})/([0-9]{1,10})")

#: Of dom0's side: (rx bytes, packets, errors, drops, tx bytes, packets, errors, drops).
Counters = Tuple[int, int, int, int, int, int, int, int]


def parse_net_dev(data: bytes) -> List[Tuple[str, Counters]]:
    """Interfaces in the file's order, each with its counters: dom0's rx is what the guest sent.

    A byte of a name that is not ASCII becomes a visible ``\\xNN``. BadInput where the text is not /proc/net/dev.
    """
    if not data.startswith(_HEADER):
        raise BadInput("/proc/net/dev begins with no header that Linux prints", 0)
    interfaces = []
    offset = len(_HEADER)
    for line in data[offset:].splitlines(True):
        name, _, figures = line.rpartition(b":")
        fields = figures.split()
        name = name.strip()
        if len(fields) != compiled.FIGURES or not b"".join(fields).isdigit() or not name or not line.endswith(b"\n"):
            raise BadInput("no line of /proc/net/dev", offset)
        interfaces.append((name.decode("ascii", "backslashreplace"), tuple(map(int, fields[0:4] + fields[8:12]))))
        offset += len(line)
    return interfaces        # type: ignore[return-value]


class NetDev:
    """The same again and again, of a file whose interfaces are mostly the same.

    :param compiled_read: what ``compiled.load`` gives; False: look for it.
    """

    def __init__(self, compiled_read: Any = False) -> None:
        self._compiled = compiled.load() if compiled_read is False else compiled_read
        self._raw: Optional[bytes] = None
        self._names: List[str] = []

    def parse(self, data: bytes) -> Tuple[List[str], List[Counters]]:
        """The names, the same object where they are as before, and the counters of each."""
        parsed = self._compiled.net_dev(data, len(_HEADER)) if self._compiled is not None and data.startswith(_HEADER) else None
        if parsed is None:
            lines = parse_net_dev(data)
            names = [name for name, _ in lines]
            self._raw, self._names = None, self._names if names == self._names else names
            return self._names, [counters for _, counters in lines]
        raw, out, number = parsed
        if raw != self._raw:
            self._raw = raw
            self._names = [name.decode("ascii", "backslashreplace") for name in raw.split(b"\n")[:-1]]
        figures = compiled.columns(out, number, compiled.FIGURES)
        return self._names, list(zip(*(figures[0:4] + figures[8:12])))


def vif_order(names: Iterable[str], nodename: Optional[Callable[[str], Optional[bytes]]] = None) -> Dict[int, List[str]]:
    """Per domid, the labels of its vifs in the order of xentop's ``NetN`` lines.

    :param names: all of dom0's interfaces, in the order of /proc/net/dev.
    :param nodename: gives what sysfs says a renamed interface is (``backend/vif/7/0``), or None.
    :returns: the devid as text, with what follows it in the name: ``0``, ``0-emu``. libxenstat leaves vifs out whose
        name holds a bridge's name (where there is no bridge: all), so a list is the domain's only where its length
        is the number of networks that xentop prints.
    """
    order: Dict[int, List[str]] = {}
    for name in names:
        match = _VIF.match(name)
        if match:
            domid, devid, rest = match.groups()
            order.setdefault(int(domid), []).append(str(int(devid)) + rest)
        elif nodename is not None:
            node = _NODENAME.match(nodename(name) or b"")
            if node:
                order.setdefault(int(node.group(1)), []).append(str(int(node.group(2))))
    return order


def unlisted_vifs(facts: Any, order: Optional[Dict[int, List[str]]]) -> List[int]:
    """Device ids of the vifs that dom0 serves by xenstore's facts (xen.domains.DomainFacts), and that none of its interfaces is.

    :param order: :func:`vif_order`; None: not known, so nothing is missing.
    """
    if order is None or not facts.vifs:
        return []
    listed = {int(_DEVID.match(label).group()) for label in order.get(facts.domid, ())}     # type: ignore[union-attr]
    return [devid for devid in facts.vifs if devid not in listed]


def read_net_dev(path: str = "/proc/net/dev") -> bytes:
    """The file's bytes; SourceError where it cannot be read."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            parts = [os.read(file, _PIECE)]
            while parts[-1]:
                parts.append(os.read(file, _PIECE))
        finally:
            os.close(file)
        return b"".join(parts)
    except OSError as error:
        raise SourceError("%s: %s; the names of vifs cannot be told" % (path, error.strerror))


def read_nodename(name: str, root: str = "/sys/class/net") -> Optional[bytes]:
    """xenbus's name of an interface, ``backend/vif/7/0``; None where it has none."""
    try:
        with open("%s/%s/device/nodename" % (root, name), "rb") as file:
            return file.read(64)
    except (OSError, ValueError):
        return None
