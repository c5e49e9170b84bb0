"""Compiled parts through ctypes, where they are there: ``setup.py`` builds ``NAME.c`` of a room as ``_NAME.so`` beside it.

Each has a twin in Python that gives the same, only slower: without a compiler when it was installed, or on another
architecture, nothing is missing. ``XENMETER_COMPILED=0`` switches them off.
"""
import ctypes
import os
import sys
from typing import Any, Callable, Optional, Sequence

from xenmeter.core import shipped

__all__ = ("load", "in_turns")


def load(room: str, name: str, abi: int, path: Optional[str] = None, objects: bool = False) -> Any:
    """The library of a room, whose functions give 64 bits, or None: not there, switched off, or of another ABI.

    :param room: its directory; :param abi: what ``xenmeter_NAME_abi()`` must say; :param path: of another object (tests).
    :param objects: it works on Python's objects (objects.h): called with the interpreter's lock held, may raise.
    """
    if path is None:
        if os.environ.get("XENMETER_COMPILED") == "0" or sys.byteorder != "little":
            return None
        path = shipped.library(room, "_%s.so" % name)
        if path is None:
            return None
    try:
        library: Any = (ctypes.PyDLL if objects else ctypes.CDLL)(path)
        said = getattr(library, "xenmeter_%s_abi" % name)
    except (OSError, AttributeError):
        return None
    said.restype = ctypes.c_int64
    return library if said() == abi else None


def in_turns(quick: Any, items: Sequence[Any], told: Any, one: Callable[[Any], None]) -> None:
    """All items: ``quick(items, at, told)``, where it is not None, takes as many as it can from ``at`` on and gives the place of
    the next one, which is for ``one``."""
    at = 0
    while at < len(items):
        if quick is not None:
            at = quick(items, at, told)
        if at < len(items):
            one(items[at])
            at += 1
