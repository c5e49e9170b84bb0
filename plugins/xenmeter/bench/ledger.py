"""What each domain paid between two moments: differences of readings, by UUID and life. Integers only.

A snapshot is what all plugins' readings say at one moment; a span is what lies between two. A domain that came, went or was
started again in between has no difference: it is told, and never counted as 0 or below.
"""
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from xenmeter.core.reading import Reading

__all__ = ("COSTS", "Snapshot", "Account", "Span", "snapshot", "span", "above")

#: Costs in their order, each with the plugin and the figure of its entity ``domain`` that it is. The first that a domain has is
#: taken: running time to the ns from the trace, or from the hypervisor.
COSTS: Tuple[Tuple[str, Tuple[Tuple[str, str], ...]], ...] = (
    ("cpu_ns", (("xentop", "cpu_time_ns"), ("xentrace", "running_ns"))),
    # states of its vCPUs, which add up to the length of the trace's span; running is told again, by the same clock
    ("running_ns", (("xentrace", "running_ns"),)),
    ("waiting_ns", (("xentrace", "waiting_ns"),)),
    ("blocked_ns", (("xentrace", "blocked_ns"),)),
    ("offline_ns", (("xentrace", "offline_ns"),)),
    ("unknown_ns", (("xentrace", "unknown_ns"),)),
    ("executions", (("xentrace", "executions"),)),
    ("grant_maps", (("xentrace", "grant_maps"),)),
    ("grant_unmaps", (("xentrace", "grant_unmaps"),)),
    ("rx_bytes", (("xentop", "rx_bytes"),)),
    ("tx_bytes", (("xentop", "tx_bytes"),)),
    ("read_bytes", (("xentop", "read_bytes"),)),
    ("write_bytes", (("xentop", "write_bytes"),)),
    ("read_requests", (("xentop", "read_requests"),)),
    ("write_requests", (("xentop", "write_requests"),)),
    ("rx_packets", (("xentop", "rx_packets"),)),
    ("tx_packets", (("xentop", "tx_packets"),)),
)
#: Figures of a domain's devices that no row of the domain has: (plugin, entity, figure), summed over its rows.
_OF_DEVICES = (("xentop", "vif", "rx_packets"), ("xentop", "vif", "tx_packets"))
#: What was not observed, or was spent without a pCPU, is no cost: there is nothing above idle.
_NO_COST = ("running_ns", "blocked_ns", "offline_ns", "unknown_ns")

#: pCPUs' clocks are not quite the same, so the CPU time of a vCPU that ran on another one, read as it runs, may be too large by
#: so much; read again, when it is blocked, it is right, and less. Seen: 0.3 ms, under emulation.
_SKEW_NS = 1000000

#: Figures of the host that a span needs: (name, plugin, entity, figure), summed over the entity's rows.
_HOST = (("busy_ns", "xentop", "pcpu", "busy_ns"), ("lost_records", "xentrace", "pcpu", "lost_records"),
         ("anomalies", "xentrace", "trace", "anomalies"), ("pcpus", "xentop", "host", "pcpus"))


class Account(NamedTuple):
    """A domain at one moment. ``life`` changes when it is another one under the same key; ``costs`` holds what is known."""

    name: str
    uuid: Optional[str]
    domid: Optional[int]
    life: Tuple[Any, ...]
    costs: Dict[str, int]


class Snapshot(NamedTuple):
    """``times``: when each plugin's reading was taken, wall-clock ns. ``accounts`` by UUID, or by name where there is none."""

    times: Dict[str, int]
    accounts: Dict[str, Account]
    host: Dict[str, int]


class Span(NamedTuple):
    """What lies between two snapshots. ``accounts``: of the domains that lived all the time. ``lengths``: ns, by plugin.
    ``came``, ``went``, ``reborn``: names of the others.
    """

    lengths: Dict[str, int]
    accounts: Dict[str, Account]
    host: Dict[str, int]
    came: List[str]
    went: List[str]
    reborn: List[str]


def snapshot(readings: Dict[str, Reading], catalogues: Dict[str, Any]) -> Snapshot:
    """:param readings: the newest reading of each plugin, by its name; ``catalogues`` are theirs."""
    told: Dict[str, Dict[Tuple[str, str], Any]] = {}
    faces: Dict[str, Any] = {}
    lives: Dict[str, List[Any]] = {}
    for plugin in sorted(readings):
        keys = catalogues[plugin].entities["domain"].keys()
        for who, _, values in readings[plugin].tables.get("domain", ()):
            if who is None:
                continue
            key = who.uuid or who.name
            faces.setdefault(key, who)
            # a domid is used again only after thousands of others; a generation also changes where a counter seems to fall
            lives.setdefault(key, []).append((plugin, who.generation if who.domid is None else who.domid))
            told.setdefault(key, {}).update(((plugin, figure), value) for figure, value in zip(keys, values))
    for plugin, entity, figure in _OF_DEVICES:
        _add_devices(told, readings, catalogues, plugin, entity, figure)
    accounts = {}
    for key, figures in told.items():
        costs = {}
        for name, places in COSTS:
            value = next((figures[place] for place in places if figures.get(place) is not None), None)
            if value is not None:
                costs[name] = value
        who = faces[key]
        accounts[key] = Account(who.name, who.uuid, who.domid, tuple(lives[key]), costs)
    return Snapshot({plugin: reading.time_ns for plugin, reading in readings.items()}, accounts, _host(readings, catalogues))


def _add_devices(told: Dict[str, Dict[Tuple[str, str], Any]], readings: Dict[str, Reading], catalogues: Dict[str, Any],
                 plugin: str, entity: str, figure: str) -> None:
    """The sum of a figure over a domain's devices; one that is not known of one of them is not known."""
    rows = readings[plugin].tables.get(entity, ()) if plugin in readings else ()
    place = catalogues[plugin].entities[entity].keys().index(figure) if rows else 0
    sums: Dict[str, List[Any]] = {}
    for who, _, values in rows:
        if who is not None:
            sums.setdefault(who.uuid or who.name, []).append(values[place])
    for key, parts in sums.items():
        if key in told and None not in parts:
            told[key][plugin, figure] = sum(parts)


def _host(readings: Dict[str, Reading], catalogues: Dict[str, Any]) -> Dict[str, int]:
    found = {}
    for name, plugin, entity, figure in _HOST:
        rows = readings[plugin].tables.get(entity, ()) if plugin in readings else ()
        place = catalogues[plugin].entities[entity].keys().index(figure) if rows else 0
        values = [values[place] for _, _, values in rows if values[place] is not None]
        if values:
            found[name] = sum(values)
    return found


def span(first: Snapshot, last: Snapshot) -> Span:
    """What was counted from ``first`` to ``last``. A cost that only one of them knows is left out."""
    accounts, reborn = {}, []
    for key, now in last.accounts.items():
        then = first.accounts.get(key)
        if then is None:
            continue
        costs = {name: value - then.costs[name] for name, value in now.costs.items() if name in then.costs}
        if -_SKEW_NS <= costs.get("cpu_ns", 0) < 0:
            costs["cpu_ns"] = 0
        if then.life != now.life or any(value < 0 for value in costs.values()):
            reborn.append(now.name)
        else:
            accounts[key] = now._replace(costs=costs)
    host = {name: value if name == "pcpus" else value - first.host[name]
            for name, value in last.host.items() if name in first.host}
    return Span({plugin: time - first.times[plugin] for plugin, time in last.times.items() if plugin in first.times},
                accounts, host, _only_in(last, first), _only_in(first, last), sorted(reborn))


def _only_in(these: Snapshot, those: Snapshot) -> List[str]:
    return sorted(account.name for key, account in these.accounts.items() if key not in those.accounts)


def above(run: Span, idle: Optional[Span]) -> Dict[str, Dict[str, int]]:
    """Costs above what each domain had in the same time while nothing ran, by key; without ``idle`` what it had.

    Rounded towards what was measured: a run is never told as free because its neighbours slept. They may be negative, where a
    domain did more before than during the run. A cost that only the run knows is told as it is.
    """
    found: Dict[str, Dict[str, int]] = {}
    for key, account in run.accounts.items():
        before = {} if idle is None or key not in idle.accounts else idle.accounts[key].costs
        found[key] = {}
        for name, cost in account.costs.items():
            if name in _NO_COST:
                continue
            if idle is not None and before.get(name):
                cost -= before[name] * _length(run, name) // max(1, _length(idle, name))
            found[key][name] = cost
    return found


def _length(of: Span, cost: str) -> int:
    """The length of the reading that a cost is from."""
    for plugin, _ in dict(COSTS)[cost]:
        if plugin in of.lengths:
            return of.lengths[plugin]
    return max(of.lengths.values()) if of.lengths else 0
