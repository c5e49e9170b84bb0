"""The guests' vifs, as dom0's kernel counts them in /proc/net/dev.

A vif is known by its name (``vif7.0``) or, renamed, by what sysfs calls it; no bridge is asked for, so it makes no
difference whether there is one, Open vSwitch, or a routed network. The tap of the card that QEMU emulates for an HVM guest has
the vif's name and ``-emu`` with libxl, and is ``tap7.0`` with xapi; a packet goes through one of the two.

A vif that is plugged again bears its old name and number, but is another interface (Linux never uses an index again soon): so its
counters are known to begin again. Of disks see xen.blkback.
"""
import re
import socket
from itertools import chain, repeat
from operator import lt
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

from xenmeter.xen.netdev import Counters, NetDev, read_net_dev, read_nodename

__all__ = ("Vif", "Vifs", "unseen_vifs", "interface_indexes")

_VIF = re.compile(r"vif([0-9]{1,5})\.([0-9]{1,10})(-emu)?\Z")
_TAP = re.compile(r"tap([0-9]{1,5})\.([0-9]{1,10})\Z")
_EMULATED = "-emu"
_NODENAME = re.compile(rb"backend/vif/([0-9]{1,5})/([0-9]{1,10})\s*\Z")
_record = tuple.__new__     # a named tuple's own constructor costs twice as much


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
    :param compiled_read: what ``compiled.load`` gives; False: look for it.
    :ivar arranged: how often the interfaces were others.
    """

    def __init__(self, read: Callable[[], bytes] = read_net_dev, nodename: Callable[[str], Optional[bytes]] = read_nodename,
                 indexes: Callable[[], Dict[str, int]] = interface_indexes, compiled_read: Any = False) -> None:
        self._read = read
        self._nodename = nodename
        self._ask_indexes = indexes
        self._net_dev = NetDev(compiled_read)
        self.arranged = 0
        self._counters: List[Counters] = []
        self._names: List[str] = []
        self._what: Dict[str, Tuple[int, int, bool]] = {}
        self._places: List[int] = []    # of the vifs among the names, domain by domain
        self._spans: List[Tuple[int, int, int]] = []    # of each domain's vifs among those
        self._labels: Tuple[List[Any], ...] = ([], [], [])  # their device ids, whether they are emulated, their indexes

    def read(self) -> Dict[int, List[Vif]]:
        """By domid, in the file's order; SourceError or BadInput where it cannot be read."""
        names, counters = self._net_dev.parse(self._read())
        if names is not self._names:
            self._arrange(names)
        elif any(map(lt, chain.from_iterable(counters), chain.from_iterable(self._counters))):
            self._ask_for_indexes()
        self._counters = counters
        devids, emulated, indexes = self._labels
        vifs = list(map(_record, repeat(Vif), zip(devids, emulated, [counters[place] for place in self._places], indexes)))
        return {domid: vifs[start:end] for domid, start, end in self._spans}

    def _arrange(self, names: List[str]) -> None:
        """The interfaces are others than in the last reading."""
        self.arranged += 1
        self._names = names
        self._what = {name: what for name, what in ((name, self._identify(name)) for name in names) if what}
        self._what.update(self._taps(names))
        places: Dict[int, List[int]] = {}
        for place, name in enumerate(names):
            if name in self._what:
                places.setdefault(self._what[name][0], []).append(place)
        self._spans, self._places = [], []
        for domid, its in places.items():
            self._spans.append((domid, len(self._places), len(self._places) + len(its)))
            self._places.extend(its)
        self._ask_for_indexes()

    def _ask_for_indexes(self) -> None:
        indexes = self._ask_indexes() if self._places else {}
        which = [self._names[place] for place in self._places]
        self._labels = ([self._what[name][1] for name in which], [self._what[name][2] for name in which],
                        [indexes.get(name) for name in which])

    def _identify(self, name: str) -> Optional[Tuple[int, int, bool]]:
        match = _VIF.match(name)
        if match:
            return int(match.group(1)), int(match.group(2)), match.group(3) is not None
        node = _NODENAME.match(self._nodename(name) or b"")
        return (int(node.group(1)), int(node.group(2)), False) if node else None

    def _taps(self, names: List[str]) -> Dict[str, Tuple[int, int, bool]]:
        """Those of emulated cards that only the vif beside them tells from anybody else's."""
        vifs = {what[:2] for what in self._what.values()}
        taps = {}
        for name in set(names).difference(self._what):
            match = _TAP.match(name)
            what = self._what.get(name[:-len(_EMULATED)]) if name.endswith(_EMULATED) else None
            if match and (int(match.group(1)), int(match.group(2))) in vifs:
                taps[name] = (int(match.group(1)), int(match.group(2)), True)
            elif what is not None and not what[2]:
                taps[name] = what[:2] + (True,)
        return taps


def unseen_vifs(facts: Any, vifs: List[Vif]) -> List[int]:
    """Device ids of the vifs that dom0 serves by xenstore's facts (xen.domains.DomainFacts), and that are none of those seen."""
    seen = {vif[0] for vif in vifs}
    return [devid for devid in facts.vifs if devid not in seen]
