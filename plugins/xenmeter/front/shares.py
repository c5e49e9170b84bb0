"""Which domains had the CPU, exactly: what ``xenmeter profile --all`` shows. No sample is taken, and no vCPU paused."""
import threading
import time
from typing import Any, List, Optional, Tuple

from xenmeter.bench.ledger import Span, span
from xenmeter.core.clock import now_ns
from xenmeter.publish.text import display_width, for_terminal

__all__ = ("measured", "render")

_PATIENCE_S = 30.0
_NAME = 28


def measured(watch: Any, seconds: float, stop: threading.Event) -> Span:
    """What each domain had from now on, for so long or until ``stop``. :param watch: a bench.watch.Watch at work."""
    first = watch.after(now_ns(), _PATIENCE_S)
    end = time.monotonic() + seconds
    while not stop.is_set() and time.monotonic() < end:
        watch.look(min(0.2, max(0.0, end - time.monotonic())))
    return span(first, watch.after(now_ns(), _PATIENCE_S))


def render(told: Span) -> str:
    """CPU ms, share of all domains' time, and of a trace waiting ms and executions; who came or went meanwhile is named."""
    accounts = sorted(told.accounts.values(), key=lambda one: (-one.costs.get("cpu_ns", 0), one.name))
    whole = max(sum([one.costs.get("cpu_ns", 0) for one in accounts]), 1)
    lines = ["%s%10s %6s %11s %10s" % ("DOMAIN".ljust(_NAME), "CPU(ms)", "%", "WAITING(ms)", "EXECUTIONS")]
    for one in accounts:
        shown, cpu = for_terminal(one.name, _NAME - 2), one.costs.get("cpu_ns")
        lines.append("%s%10s %6s %11s %10s" % (
            shown + " " * (_NAME - display_width(shown)), _ms(cpu), "-" if cpu is None else "%.2f" % (100.0 * cpu / whole),
            _ms(one.costs.get("waiting_ns")), one.costs.get("executions", "-")))
    for text, names in _others(told):
        lines.append("%s: %s" % (text, ", ".join([for_terminal(name, 40) for name in names])))
    return "\n".join(lines) + "\n"


def _ms(ns: Optional[int]) -> str:
    return "-" if ns is None else "%.1f" % (ns / 1e6)


def _others(told: Span) -> List[Tuple[str, List[str]]]:
    return [(text, names) for text, names in (
        ("not there all the time", sorted(told.came + told.went)), ("started again meanwhile", told.reborn)) if names]
