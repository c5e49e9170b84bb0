"""The command's sub-commands, one module each: ``add(subparsers, parent)`` declares it, ``run(arguments)`` does it."""
from xenmeter.front.commands import bake, baker, bench, check, compare, execd, metrics, mon, plugin, record, report, serve

__all__ = ("bake", "baker", "bench", "check", "compare", "execd", "metrics", "mon", "plugin", "record", "report", "serve")
