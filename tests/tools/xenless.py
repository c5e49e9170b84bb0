"""A PATH on which Xen's own tools are not, on a machine that has them: our packages recommend them.

What a test needs of them it has from fakes, or unpacked under build/. The product adds the usual sbin folders to a PATH that
has none (core/programs.py), so one always stays.
"""
import atexit
import os
import pathlib
import shutil
import tempfile

__all__ = ("without_xens_tools",)

#: What the product starts, or finds.
TOOLS = ("xentop", "xentrace")


def without_xens_tools(path, folder=None):
    """The same PATH; a folder of it that has Xen's tools gives way to one of links to all else that it has.

    :param folder: where those folders are made; by default one that goes when this process ends.
    """
    kept = []
    for place in path.split(os.pathsep):
        if any(os.path.lexists(os.path.join(place, tool)) for tool in TOOLS):
            folder = folder or _passing()
            kept.append(str(_mirror(pathlib.Path(place), pathlib.Path(folder))))
        else:
            kept.append(place)
    if not any(os.path.basename(place) == "sbin" for place in kept):
        kept.append("/nonexistent/sbin")
    return os.pathsep.join(kept)


def _passing():
    folder = tempfile.mkdtemp(prefix="xenmeter-path-")
    atexit.register(_remove, folder, os.getpid())
    return folder


def _remove(folder, owner):
    """Not by a child that was forked meanwhile."""
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)


def _mirror(place, folder):
    mirror = folder / str(len(list(folder.iterdir()))) / place.name
    mirror.mkdir(parents=True)
    for entry in place.iterdir():
        if entry.name not in TOOLS:
            (mirror / entry.name).symlink_to(entry)
    return mirror
