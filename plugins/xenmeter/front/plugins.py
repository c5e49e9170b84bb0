"""The list of plugins: the one place that knows which there are."""
import importlib
from typing import Dict, Tuple

from xenmeter.core.plugin import Plugin

__all__ = ("NAMES", "PORTS", "get")

NAMES: Tuple[str, ...] = ("xentop", "xentrace", "vcpu")
#: Where each one's endpoint for Prometheus answers unless told otherwise.
PORTS: Dict[str, int] = {"xentop": 9779, "xentrace": 9780, "vcpu": 9781}


def get(name: str) -> Plugin:
    """A plugin by its name; imported only when it is asked for."""
    if name not in NAMES:
        raise KeyError(name)
    return importlib.import_module("xenmeter.%s.plugin" % name).PLUGIN  # type: ignore
