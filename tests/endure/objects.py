"""What is compiled for an endurance run, once for all of its parts."""
import functools
import pathlib
import tempfile

from endure.clocks import build_clock
from fuzz.objects import build_objects
from tools.compiler import build_shared

HERE = pathlib.Path(__file__).resolve().parent


@functools.lru_cache(maxsize=None)
def _built():
    held = tempfile.TemporaryDirectory(prefix="endure-")    # it goes with this process
    build_objects(held.name)
    build_clock(held.name)
    build_shared(HERE / "failing.c", pathlib.Path(held.name) / "failing.so", "-w", "-ldl")
    return held


def objects():
    """A folder with ``hot.so`` (and our other compiled parts beside it), ``simclock.so`` and ``failing.so``."""
    return pathlib.Path(_built().name)
