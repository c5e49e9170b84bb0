"""The small sections of a picture that both loops make of plain records."""
from typing import Any, Dict

from xenmeter.xentrace.engine.columns import ANOMALIES, KIND_MUTE, KIND_TEXT, KIND_TRACE, TRACE
from xenmeter.xentrace.engine.picture import Section, made

__all__ = ("trace_section", "mute_section", "text_section")


def trace_section(trace: Dict[str, Any], observed: Any = None) -> Section:
    kinds = trace["anomaly_kinds"]
    given = dict(trace, observed_ns=observed[0] if observed else -1, elapsed_ns=observed[1] if observed else -1)
    row = [given[name] for name in TRACE[:12]] + [kinds[name] for name in ANOMALIES]
    return made(KIND_TRACE, [[-1 if value is None else value for value in row]])


def mute_section(trace: Dict[str, Any]) -> Section:
    return made(KIND_MUTE, [[pcpu] for pcpu in trace["mute"]])


def text_section(text: Any) -> Section:
    return Section(KIND_TEXT, 1, len(text), text)
