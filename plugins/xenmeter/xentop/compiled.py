"""The short ways of both sources, gone for many domains at once by compiled code, if it is there (core.compiled)."""
import ctypes
import os
from typing import Any, Optional

from xenmeter.core import compiled

__all__ = ("load",)

ABI = 2


def load(way: str, path: Optional[str] = None) -> Any:
    """``planned(domains, at, told)`` of source ``text`` or ``direct``: it goes the short way of the domains in the list from
    ``at`` on, and gives the place of the first of which it can not, with nothing of that done. None where it is not there.

    :param path: of another object (tests). ``told``: see planned.c.
    """
    library = compiled.load(os.path.dirname(os.path.abspath(__file__)), "planned", ABI, path, objects=True)
    if library is None:
        return None
    planned = getattr(library, "xenmeter_planned_" + way)
    planned.restype, planned.argtypes = ctypes.c_int64, (ctypes.py_object, ctypes.c_int64, ctypes.py_object)
    return planned
