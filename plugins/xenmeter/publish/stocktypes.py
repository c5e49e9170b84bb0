"""The collectd types that may be used: in types.db of every collectd from 5.8 to 5.12 with the same data sources.

Types of our own would need a file on every server that receives the stream, and a TypesDB line that switches the
default file off, so there are none.
"""
from typing import Dict, NamedTuple, Optional, Tuple

__all__ = ("StockType", "STOCK_TYPES")


class StockType(NamedTuple):
    """``low`` and ``high`` bound a GAUGE's value; of a DERIVE they bound the rate, which is collectd's to judge."""

    sources: Tuple[str, ...]    # in the order in which values are passed
    kind: str    # DERIVE or GAUGE, the same for all sources
    low: Optional[float]
    high: Optional[float]


def _types() -> Dict[str, StockType]:
    types = {}
    for name in ("contextswitch", "derive", "total_events", "total_operations", "total_requests",
                 "virt_cpu_total", "virt_vcpu"):
        types[name] = StockType(("value",), "DERIVE", 0, None)
    for name in ("count", "latency", "queue_length", "vcpu"):
        types[name] = StockType(("value",), "GAUGE", 0, None)
    for name in ("if_dropped", "if_errors", "if_octets", "if_packets"):
        types[name] = StockType(("rx", "tx"), "DERIVE", 0, None)
    for name in ("disk_octets", "disk_ops"):
        types[name] = StockType(("read", "write"), "DERIVE", 0, None)
    types["domain_state"] = StockType(("state", "reason"), "GAUGE", 0, None)
    types["duration"] = StockType(("seconds",), "GAUGE", 0, None)
    types["gauge"] = StockType(("value",), "GAUGE", None, None)
    types["memory"] = StockType(("value",), "GAUGE", 0, 281474976710656)
    types["percent"] = StockType(("value",), "GAUGE", 0, 100.1)
    types["uptime"] = StockType(("value",), "GAUGE", 0, 4294967295)
    return types


STOCK_TYPES = _types()
