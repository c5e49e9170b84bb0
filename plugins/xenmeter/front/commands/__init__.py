"""The command's sub-commands, one module each: ``add(subparsers, parent)`` declares it, ``run(arguments)`` does it. Those that
take a plugin are given what follows their name, too: ``add(subparsers, parent, words)``.

A module is imported when it is asked for: what stands in another one costs no time at the start, and its faults stop nothing.
"""
import importlib
from typing import Any, Callable, Dict, Sequence

from xenmeter.core.errors import XenmeterError

__all__ = ("MODULES", "OF_PLUGINS", "add_asked", "load")

#: Name -> module, in the order of --help; those of the plugins themselves stand before (commands/plugin.py).
MODULES: Dict[str, str] = {name: "xenmeter.front.commands." + name for name in (
    "mon", "bake", "report", "bench", "compare", "profile", "baker", "record", "execd", "serve", "metrics", "check")}
#: Those whose next word is a plugin's name.
OF_PLUGINS = ("execd", "serve")


def load(name: str) -> Any:
    """A sub-command's module; XenmeterError where it cannot be imported."""
    try:
        return importlib.import_module(MODULES[name])
    except Exception as error:      # whatever is wrong with it is wrong with this command alone
        raise XenmeterError("the command %s cannot be loaded: %s: %s" % (name, type(error).__name__, error)) from error


def add_asked(subparsers: Any, names: Sequence[str], words: Sequence[str], add: Callable[[str], None]) -> None:
    """Declare by ``add(name)`` what the command line asks for, or all where that is none of the names, as for --help.

    One of all that cannot be loaded stands there with the reason, and says it when it is run. Asked for, it raises.
    """
    if words and words[0] in names:
        add(words[0])
        return
    for name in names:
        try:
            add(name)
        except XenmeterError as error:
            subparsers.add_parser(name, help=str(error)).set_defaults(run=_raising(error), debug=False)


def _raising(error: XenmeterError) -> Callable[[Any], int]:
    def run(arguments: Any) -> int:
        raise error
    return run
