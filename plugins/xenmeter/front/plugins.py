"""The list of plugins: the one place that knows which there are."""
import importlib
from typing import Dict, Tuple

from xenmeter.core.errors import XenmeterError
from xenmeter.core.plugin import Plugin

__all__ = ("NAMES", "PORTS", "PORT_OF_ALL", "get")

#: A line for each: its name, which is that of its folder, and where its endpoint for Prometheus answers unless told otherwise.
_LIST = (
    ("xentop", 9779),
    ("vcpu", 9781),
    ("xentrace", 9780),
)
NAMES: Tuple[str, ...] = tuple([name for name, _ in _LIST])
PORTS: Dict[str, int] = dict(_LIST)
#: Where the endpoint of several answers.
PORT_OF_ALL = 9778


def get(name: str) -> Plugin:
    """A plugin by its name; imported only when it is asked for. XenmeterError where it cannot be: others then go on without."""
    if name not in NAMES:
        raise KeyError(name)
    try:
        plugin: Plugin = importlib.import_module("xenmeter.%s.plugin" % name).PLUGIN
    except Exception as error:      # whatever is wrong with it is wrong with this one alone
        raise XenmeterError("the plugin %s cannot be loaded: %s: %s" % (name, type(error).__name__, error)) from error
    return plugin
