"""A run as people read it: the program's figures, then what each domain paid, per unit of the work."""
from typing import Any, Dict, List, Optional, Sequence, Tuple

from xenmeter.publish.text import display_width

__all__ = ("lines", "unit_of", "per_unit", "net")

#: Domains that are shown; the others are added up in one line.
_SHOWN = 12
_HEAD = ("domain", "CPU ms", "of all", "waited ms", "executions", "us/execution", "received", "sent", "packets",
         "read", "written", "requests")


def unit_of(record: Dict[str, Any]) -> Tuple[float, str]:
    """The amount of work and its unit as costs are told by: bytes by the million; of a program that tells none, the seconds over
    which its costs were taken."""
    work = record["work"]
    if not work:
        return max(record["lengths_ns"].values(), default=0) / 1e9, "second"
    if work["amount"] <= 0:
        return 0.0, ""
    if work["unit"].startswith("byte"):
        return work["amount"] / 1e6, "MB"
    return work["amount"], work["unit"]


def per_unit(cost: Optional[int], amount: float) -> Optional[float]:
    """CPU microseconds for each unit of work, or None."""
    return None if cost is None or not amount else cost / 1000 / amount


def lines(record: Dict[str, Any], clean: Any) -> List[str]:
    """:param clean: makes other people's text safe for where it is shown."""
    label = " (%s)" % clean(record["label"]) if record["label"] else ""
    head = "run %d%s: %.2f s" % (record["run"], label, record["length_ns"] / 1e9)
    if record["unusable"]:
        text = ["%s: it does not count: %s" % (head, clean(record["unusable"]))]
    else:
        figures = ["%s %s" % (clean(figure["name"]), _figure(figure, clean)) for figure in record["figures"][:3]]
        text = ["%s  %s" % (head, ", ".join(figures)) if figures else head]
    text += ["  note: " + clean(note) for note in record["notes"]]
    if "domains" in record:
        if record["domains"]:
            text += _costs(record, clean)
        for phase in record.get("phases", ()):
            paid = ", ".join("%s %.1f ms" % (clean(name), cost / 1e6) for name, cost in _largest(phase["cpu_ns"]))
            text.append("  phase %s, %.2f s: CPU %s" % (clean(phase["name"]), phase["length_ns"] / 1e9, paid or "not known"))
        text += ["  check: " + clean(check) for check in record["checks"]]
        if record.get("watching_ns") is not None:
            text.append("  watching took %.1f ms of CPU in dom0, %.1f %% of one" % (
                record["watching_ns"] / 1e6, 100 * record["watching_ns"] / max(1, record["length_ns"])))
    return text


def _figure(figure: Dict[str, Any], clean: Any) -> str:
    return clean(figure["unit"]) if figure["value"] is None else "%.6g %s" % (figure["value"], clean(figure["unit"]))


def _largest(costs: Dict[str, int]) -> Sequence[Tuple[str, int]]:
    return sorted(costs.items(), key=lambda item: -item[1])[:4]


def _costs(record: Dict[str, Any], clean: Any) -> List[str]:
    amount, unit = unit_of(record)
    total = sum(max(0, net(domain) or 0) for domain in record["domains"]) or 1
    rows: List[Tuple[str, ...]] = [_HEAD[:3] + ("us/" + (clean(unit) or "-"),) + _HEAD[3:]]
    rows += [_row(domain, amount, total, clean) for domain in record["domains"][:_SHOWN]]
    known = [place for place in range(len(rows[0])) if place < 3 or any(row[place] != "-" for row in rows[1:])]
    rows = [tuple(row[place] for place in known) for row in rows]
    widths = [max(display_width(row[place]) for row in rows) for place in range(len(rows[0]))]
    text = []
    for row in rows:
        cells = "".join("  " + cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))
        text.append("  " + row[0] + " " * (widths[0] - display_width(row[0])) + cells)
    rest = record["domains"][_SHOWN:]
    if rest:
        text.append("  and %d domains more, %.1f ms together" % (len(rest), sum(net(domain) or 0 for domain in rest) / 1e6))
    return text


def _row(domain: Dict[str, Any], amount: float, total: int, clean: Any) -> Tuple[str, ...]:
    costs, own = dict(domain["costs"], **domain["above_idle"]), net(domain)
    executions, each = costs.get("executions"), per_unit(own, amount)
    return (clean(domain["name"])[:40], _number(own, 1e6), "-" if own is None else "%.0f %%" % (100 * max(0, own) / total),
            "-" if each is None else "%.4g" % each, _number(costs.get("waiting_ns"), 1e6),
            "-" if executions is None else str(executions),
            "-" if not executions or "cpu_ns" not in costs else "%.0f" % (costs["cpu_ns"] / 1e3 / executions),
            _amount(costs.get("rx_bytes")), _amount(costs.get("tx_bytes")), _both(costs, "rx_packets", "tx_packets"),
            _amount(costs.get("read_bytes")), _amount(costs.get("write_bytes")), _both(costs, "read_requests", "write_requests"))


def net(domain: Dict[str, Any]) -> Optional[int]:
    """CPU time above idle where that is known, else all of it."""
    return domain["above_idle"].get("cpu_ns", domain["costs"].get("cpu_ns"))


def _both(costs: Dict[str, int], one: str, other: str) -> str:
    return "%d" % (costs[one] + costs[other]) if one in costs and other in costs else "-"


def _number(value: Optional[int], divisor: float) -> str:
    return "-" if value is None else "%.1f" % (value / divisor)


def _amount(value: Optional[int]) -> str:
    return "-" if value is None else "%.2f MB" % (value / 1e6) if value >= 10000 else "%d B" % value
