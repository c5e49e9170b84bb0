"""Records of runs as readings, for whatever publishes readings: entity ``bench`` and what belongs to it."""
import os
from typing import Any, Dict, List, Optional, Tuple

from xenmeter.bench.table import net, per_unit, unit_of
from xenmeter.core import catalogue
from xenmeter.core.reading import IMPOSSIBLE, Reading, Row, Who

__all__ = ("CATALOGUE", "GROUPS", "Readings")

CATALOGUE = catalogue.load("bench", os.path.dirname(os.path.abspath(__file__)))
GROUPS = ("bench",)
CATALOGUE.expect("bench", ("start_time_ns", "length_ns", "usable", "work", "watching_ns"))
CATALOGUE.expect("bench_figure", ("value",))
CATALOGUE.expect("bench_domain", ("cpu_ns", "waiting_ns", "executions", "rx_bytes", "tx_bytes", "read_bytes", "write_bytes",
                                  "requests", "packets"))
CATALOGUE.expect("bench_cost", ("cpu_per_unit_ns",))


class Readings:
    """:meth:`of` gives a record's reading, with the time at which the run began. A domain is one ``Who`` in all of them."""

    def __init__(self) -> None:
        self._whos: Dict[Tuple[str, Optional[str]], Who] = {}

    def of(self, record: Dict[str, Any]) -> Reading:
        label, reader = record["label"] or "none", record["reader"] or "none"
        work = record["work"]
        rows: Dict[str, List[Row]] = {"bench": [(None, (label, reader), (
            record["began_ns"], record["length_ns"], int(not record["unusable"]),
            _parts(work["amount"], 1000) if work else None, record.get("watching_ns")))]}
        rows["bench_figure"] = [(None, (label, reader, figure["name"], figure["unit"]), (_parts(figure["value"], 1000000),))
                                for figure in record["figures"] if figure["value"] is not None]
        rows["bench_domain"], rows["bench_cost"] = [], []
        amount, unit = unit_of(record)
        for domain in record["domains"]:
            who = self._whos.setdefault((domain["name"], domain["uuid"]), Who(domain["name"], domain["uuid"], domain["domid"]))
            costs = domain["above_idle"]
            rows["bench_domain"].append((who, (label,), tuple(costs.get(name) for name in (
                "cpu_ns", "waiting_ns", "executions", "rx_bytes", "tx_bytes", "read_bytes", "write_bytes")) + (
                    _sum(costs, "read_requests", "write_requests"), _sum(costs, "rx_packets", "tx_packets"))))
            each = per_unit(net(domain), amount)
            if each is not None:
                rows["bench_cost"].append((who, (label, unit), (_parts(each, 1000),)))
        return Reading(record["began_ns"], rows)


def _parts(value: float, parts: int) -> Optional[int]:
    """A number as whole parts of one; None where that is more than anybody can hold."""
    found = value * parts
    return int(round(found)) if abs(found) < IMPOSSIBLE else None


def _sum(costs: Dict[str, int], *names: str) -> Optional[int]:
    return sum(costs[name] for name in names) if all(name in costs for name in names) else None
