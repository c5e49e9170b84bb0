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
from xenmeter.xentrace.engine.layout import ABI, D_SIZE, G_SIZE, H_SIZE, P_SIZE, V_SIZE

__all__ = ("available", "library", "use", "reason", "address")

_TYPES = {"n": ctypes.c_int64, "p": ctypes.c_void_p, "-": None}
#: Each function of the object: what it gives, and what it takes; n: a number of 64 bits, p: an address.
_FUNCTIONS = {
    "abi": "n:", "sizes": "n:", "histogram": "n:", "scan": "n:ppnn", "bear_out": "-:p", "odd": "n:pnppp", "rings": "n:pnnppp",
    "split": "n:pnnpppn", "filled": "n:pnppp", "drain": "n:pn", "cut": "-:pnp", "free": "-:p", "end_book": "-:p", "take": "n:p",
    "drop": "-:pn", "tell_of": "-:pn", "copy": "-:ppn", "tell_pcpus": "-:pnp", "unread": "n:pnp", "take_rings": "-:pnppp",
    "pack": "-:pnpp", "book": "p:", "tell": "n:pnppp", "tell_window": "n:ppppp", "flat": "n:pnp", "put": "n:ppnn",
    "measure": "n:pnn",
}
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


def address(row):
    """Of the first number of an array; it stays for as long as that does not grow."""
    return row.buffer_info()[0]


def reason():
    """Why it is not used; empty where it is."""
    return "" if available() else _reason


def use(path):
    """Load the object at ``path``; False, and the pure Python path from then on, where it will not do."""
    global _library
    try:
        library = ctypes.CDLL(path)
        for name, types in _FUNCTIONS.items():
            told, _, taken = types.partition(":")
            function = getattr(library, "xenmeter_hot_" + name)
            function.restype, function.argtypes = _TYPES[told], [_TYPES[one] for one in taken]
    except (OSError, AttributeError) as error:
        return _fail(str(error))
    sizes = G_SIZE << 48 | V_SIZE << 24 | D_SIZE << 12 | P_SIZE
    if (library.xenmeter_hot_abi(), library.xenmeter_hot_sizes(), library.xenmeter_hot_histogram()) != (ABI, sizes, H_SIZE):
        return _fail("%s was built for another release" % path)
    _library = library
    return True


def _fail(why):
    global _library, _reason
    _library, _reason = False, why
    return False
