"""Libraries that only a few tests use: pinned, each in a folder of its own beside build/venv (tools.pythons.EXTRA)."""
import importlib
import sys

from tools import provision, pythons


def borrowed(library, module):
    """A module, after the library is fetched where it is missing and put behind all else that can be imported."""
    folder = pythons.extra_library(provision.BUILD, library, lambda text: print(text, file=sys.stderr))
    if folder not in sys.path:
        sys.path.append(folder)
    return importlib.import_module(module)
