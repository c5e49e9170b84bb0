"""What source direct asks the hypervisor beside xentop's figures, each only where somebody wants it: grants, nodes, power."""
from typing import Any, Collection, Dict, List, Optional, Sequence, Tuple

from xenmeter.core.errors import SourceError
from xenmeter.xen.grants import GrantFrames
from xenmeter.xen.power import Power
from xenmeter.xen.topology import Place, nodes, places
from xenmeter.xentop.samples import Inside

__all__ = ("Asked", "INSIDE")

#: Groups of the catalogue that are asked for where nobody says otherwise.
INSIDE = ("grants", "numa")


class Asked:
    """Of one connection to the hypervisor. What it refuses is not asked for again.

    :param wanted: groups of the catalogue: grants, numa, power.
    """

    def __init__(self, xen: Any, wanted: Collection[str]) -> None:
        self._xen = xen
        self._wanted = set(wanted)
        self._places_too = bool(self._wanted & {"numa", "power"})   # a package's temperature is told by its pCPUs
        self._grants = GrantFrames(xen)
        self._power = Power(xen)
        self._domids: List[int] = []
        self._there: Tuple[int, int] = (0, 0)   # pCPUs online and ids, when their places were asked for
        self._places: Sequence[Optional[Place]] = ()

    def read(self, infos: Sequence[Any], host: Any) -> Inside:
        """:param infos: the list of domains; :param host: Xen's word on the host."""
        grants: Dict[int, Tuple[int, int]] = {}
        if "grants" in self._wanted:
            self._domids = [info.domain for info in infos]
            grants = self._grants.ask(self._domids)
        pcpus = host.max_cpu_id + 1
        memory: Sequence[Optional[Tuple[int, int]]] = ()
        try:
            if "numa" in self._wanted:
                memory = nodes(self._xen)
            if self._places_too and self._there != (host.nr_cpus, pcpus):
                self._places, self._there = places(self._xen, pcpus), (host.nr_cpus, pcpus)
        except SourceError:
            self._wanted.discard("numa")
            self._places_too = False
        return Inside(grants, list(memory), list(self._places), self._power.ask(pcpus) if "power" in self._wanted else [])

    def close(self) -> None:
        self._power.close()
