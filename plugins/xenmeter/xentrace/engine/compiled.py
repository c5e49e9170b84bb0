"""The compiled hot loop through ctypes, if it is there.

Why ctypes and plain C: one shared object without Python's headers serves every Python from 3.6 on, collectd's embedded
one too, and a package that lacks it (no compiler, another architecture) works all the same, only slower. Per call it
costs some microseconds, but a call takes in a whole block of the stream. ``setup.py`` builds it as ``_hot.so`` beside
this file; an object of another ABI number, or with other row sizes, is not used.

``XENMETER_COMPILED``: ``0`` for the pure Python path, or the path of an object to use instead.
"""
import ctypes
import os
from typing import Any

from xenmeter.core import shipped
from xenmeter.xentrace.engine.layout import ABI, DOMAIN, ENGINE, HISTOGRAM, PCPU, VCPU

__all__ = ("available", "library", "use", "reason")

_POINTER = ctypes.c_void_p
_library: Any = None     # None: not looked for yet; False: there is none
_reason = "not looked for yet"


def available():
    """Whether the compiled loop can be used; looks for it once."""
    global _library
    if _library is None:
        path = os.environ.get("XENMETER_COMPILED", "")
        if path == "0":
            _fail("switched off by XENMETER_COMPILED")
        else:
            here = os.path.dirname(os.path.abspath(__file__))
            use(path or shipped.library(here, "_hot.so") or os.path.join(here, "_hot.so"))
    return _library is not False


def library():
    """The object, None where it is not used."""
    return _library if available() else None


def reason():
    """Why it is not used; empty where it is."""
    return "" if available() else _reason


def use(path):
    """Load the object at ``path``; False, and the pure Python path from then on, where it will not do."""
    global _library
    try:
        library = ctypes.CDLL(path)
        for name in ("abi", "sizes", "histogram", "scan", "bear_out", "drain", "cut", "free", "odd", "rings", "tell",
                     "tell_window", "flat", "measure", "copy", "book", "end_book", "tell_of", "take", "drop", "split",
                     "filled", "tell_pcpus", "put", "pack", "unread",
                     "take_rings"):
            getattr(library, "xenmeter_hot_" + name).restype = ctypes.c_int64
    except (OSError, AttributeError) as error:
        return _fail(str(error))
    sizes = ENGINE["SIZE"] << 48 | VCPU["SIZE"] << 24 | DOMAIN["SIZE"] << 12 | PCPU["SIZE"]
    if (library.xenmeter_hot_abi(), library.xenmeter_hot_sizes(), library.xenmeter_hot_histogram()) != (
            ABI, sizes, HISTOGRAM["SIZE"]):
        return _fail("%s was built for another release" % path)
    library.xenmeter_hot_scan.argtypes = [_POINTER, _POINTER, ctypes.c_int64, ctypes.c_int64]
    library.xenmeter_hot_bear_out.argtypes = [_POINTER]
    library.xenmeter_hot_bear_out.restype = None
    library.xenmeter_hot_odd.argtypes = [_POINTER, ctypes.c_int64, _POINTER, _POINTER, _POINTER]
    library.xenmeter_hot_rings.argtypes = [_POINTER, ctypes.c_int64, ctypes.c_int64, _POINTER, _POINTER, _POINTER]
    library.xenmeter_hot_split.argtypes = [_POINTER, ctypes.c_int64, ctypes.c_int64, _POINTER, _POINTER, _POINTER, ctypes.c_int64]
    library.xenmeter_hot_filled.argtypes = [_POINTER, ctypes.c_int64, _POINTER, _POINTER, _POINTER]
    library.xenmeter_hot_drain.argtypes = [_POINTER, ctypes.c_int64]
    library.xenmeter_hot_cut.argtypes = [_POINTER, ctypes.c_int64, _POINTER]
    library.xenmeter_hot_cut.restype = None
    library.xenmeter_hot_free.argtypes = library.xenmeter_hot_end_book.argtypes = library.xenmeter_hot_take.argtypes = [_POINTER]
    library.xenmeter_hot_drop.argtypes = library.xenmeter_hot_tell_of.argtypes = [_POINTER, ctypes.c_int64]
    library.xenmeter_hot_copy.argtypes = [_POINTER, _POINTER, ctypes.c_int64]
    library.xenmeter_hot_tell_pcpus.argtypes = [_POINTER, ctypes.c_int64, _POINTER]
    library.xenmeter_hot_unread.argtypes = [_POINTER, ctypes.c_int64, _POINTER]
    library.xenmeter_hot_take_rings.argtypes = [_POINTER, ctypes.c_int64, _POINTER, _POINTER, _POINTER]
    library.xenmeter_hot_pack.argtypes = [_POINTER, ctypes.c_int64, _POINTER, _POINTER]
    for name in ("free", "end_book", "drop", "tell_of", "copy", "tell_pcpus", "pack", "take_rings"):
        getattr(library, "xenmeter_hot_" + name).restype = None
    library.xenmeter_hot_book.restype = _POINTER
    library.xenmeter_hot_tell.argtypes = [_POINTER, ctypes.c_int64, _POINTER, _POINTER, _POINTER]
    library.xenmeter_hot_tell_window.argtypes = [_POINTER] * 5
    library.xenmeter_hot_flat.argtypes = [_POINTER, ctypes.c_int64, _POINTER]
    library.xenmeter_hot_put.argtypes = [_POINTER, _POINTER, ctypes.c_int64, ctypes.c_int64]
    library.xenmeter_hot_measure.argtypes = [_POINTER, ctypes.c_int64, ctypes.c_int64]
    _library = library
    return True


def _fail(why):
    global _library, _reason
    _library, _reason = False, why
    return False
