"""The plugins with their compiled parts, as an installed copy has them, in a folder of their own."""
import pathlib
import shutil
import sys

from tools.compiler import build_shared

PLUGINS = pathlib.Path(__file__).resolve().parents[2] / "plugins"


def stage(folder):
    """Import xenmeter from a copy in the folder from now on."""
    copy = pathlib.Path(folder) / "plugins"
    shutil.copytree(str(PLUGINS), str(copy), ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    for source in copy.rglob("*.c"):
        build_shared(source, source.with_name("_%s.so" % source.stem))      # hot.c becomes _hot.so
    sys.path[:] = [str(copy)] + [path for path in sys.path if path != str(PLUGINS)]
