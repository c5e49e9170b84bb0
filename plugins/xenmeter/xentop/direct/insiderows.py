"""Rows of what the hypervisor tells beside xentop's figures: grant tables of domains, nodes, power of pCPUs."""
from typing import Any, Dict, List, Optional, Sequence, Tuple

from xenmeter.core.reading import Row
from xenmeter.xen.power import PcpuPower, State
from xenmeter.xentop.samples import Inside

__all__ = ("InsideRows",)

#: ns by which a time may fall and nothing has begun again: the clocks that it is made of are not quite one.
_SKEW = 10 ** 9


class _Rising:
    """A counter that goes on where Xen's begins again, as that of a pCPU does which was offline."""

    __slots__ = ("_raw", "_before", "_told")

    def __init__(self) -> None:
        self._raw = self._before = self._told = 0

    def update(self, raw: int, slack: int) -> int:
        if raw < self._raw - slack:
            self._before += self._raw
        self._raw = raw
        self._told = max(self._told, self._before + raw)
        return self._told


class InsideRows:
    """Keeps what lasts between readings."""

    def __init__(self) -> None:
        self._rows: Dict[Any, Row] = {}     # of domains, by what they are of: the same objects where nothing has changed
        self._counters: Dict[Tuple[str, int, int], Tuple[_Rising, _Rising]] = {}
        self._last: Dict[int, List[State]] = {}     # P-states of each pCPU in the reading before

    def add(self, inside: Inside, tables: Dict[str, List[Row]]) -> None:
        """Add to the tables of a reading; domains are those that it has."""
        if inside.grants:
            tables["domain_grants"] = self._grants(inside.grants, tables["domain"])
        if inside.nodes:
            tables["node"] = [(None, (str(node),), told) for node, told in enumerate(inside.nodes) if told is not None]
        if inside.places:
            tables["pcpu_place"] = [(None, (str(pcpu),), (place.node,)) for pcpu, place in enumerate(inside.places)
                                    if place is not None and place.node is not None]
        if inside.power:
            self._power(inside.power, inside.places, tables)

    def _grants(self, grants: Dict[int, Tuple[int, int]], domains: Sequence[Row]) -> List[Row]:
        last, self._rows = self._rows, {}
        rows = []
        for who, _, _ in domains:
            told = None if who is None or who.domid is None else grants.get(who.domid)
            if told is not None:
                row = last.get(who)
                if row is None or row[0] is not who or row[2] != told:
                    row = (who, (), told)
                self._rows[who] = row
                rows.append(row)
        return rows

    def _power(self, power: Sequence[PcpuPower], places: Sequence[Any], tables: Dict[str, List[Row]]) -> None:
        rows: Dict[str, List[Row]] = {"pcpu_power": [], "pstate": [], "cstate": [], "package": []}
        packages: Dict[int, int] = {}
        for pcpu, told in enumerate(power):
            hertz = self._hertz(pcpu, told.pstates)
            if hertz is not None or told.celsius is not None:
                rows["pcpu_power"].append((None, (str(pcpu),), (hertz, told.celsius)))
            for kind, states in (("pstate", told.pstates), ("cstate", told.cstates)):
                rows[kind].extend(self._states(kind, pcpu, states or ()))
            place = places[pcpu] if pcpu < len(places) else None
            if place is not None and told.package_celsius is not None:
                packages[place.socket] = max(told.package_celsius, packages.get(place.socket, told.package_celsius))
        rows["package"] = [(None, (str(socket),), (celsius,)) for socket, celsius in sorted(packages.items())]
        tables.update({entity: found for entity, found in rows.items() if found})

    def _states(self, kind: str, pcpu: int, states: Sequence[State]) -> List[Row]:
        rows: List[Row] = []
        for number, state in enumerate(states):
            counters = self._counters.get((kind, pcpu, number))
            if counters is None:
                counters = self._counters[kind, pcpu, number] = (_Rising(), _Rising())
            rows.append((None, (str(pcpu), str(number)), (counters[0].update(state.time_ns, _SKEW),
                                                          counters[1].update(state.entries, 1))))
        return rows

    def _hertz(self, pcpu: int, states: Optional[List[State]]) -> Optional[int]:
        """The mean clock since the last reading, by the time in each P-state. Xen brings the present one's up to now."""
        last = self._last.pop(pcpu, None)
        if states is None:
            return None
        self._last[pcpu] = states
        if last is None or len(last) != len(states):
            return None
        passed = [now.time_ns - before.time_ns for now, before in zip(states, last)]
        if min(passed) < 0 or not sum(passed):
            return None
        return sum([time * (state.mhz or 0) for time, state in zip(passed, states)]) * 10 ** 6 // sum(passed)
