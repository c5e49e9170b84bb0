"""Files that come with our modules, wherever these are imported from: a folder, or the one file ``xenmeter.pyz``.

Python imports from a zip archive, but neither ``open`` nor the loader of libraries looks into one. Text is read through
whatever has imported us. A compiled part (core.compiled) is a file of its own first: root keeps it under ``/var/cache/xenmeter``
(``XENMETER_CACHE``: another directory), and whoever wants it takes it only from where nobody but root can write, and only where
it is the same, byte for byte, as in the archive. Else there is none, and Python's twin does the work.
"""
import atexit
import os
import stat
from typing import Any, Dict, Optional

import xenmeter
from xenmeter.core import files

__all__ = ("CACHE", "data", "text", "folder", "library")

CACHE = "/var/cache/xenmeter"

_unpacked: Dict[str, Any] = {}      # folder -> the TemporaryDirectory with its files, which goes with this process


def data(directory: str, name: str) -> bytes:
    """What a file beside a module holds; OSError where there is none. :param directory: of the module's ``__file__``."""
    loader: Any = xenmeter.__spec__.loader
    return bytes(loader.get_data(os.path.join(directory, name)))


def text(directory: str, name: str) -> str:
    return data(directory, name).decode("utf-8")


def folder(directory: str) -> str:
    """A folder of ours as one that can be opened: itself, or a copy of it that lasts as long as this process."""
    archive = getattr(xenmeter.__spec__.loader, "archive", None)
    if archive is None or os.path.isdir(directory):
        return directory
    if directory not in _unpacked:
        import tempfile     # here: whoever starts as a tree never needs them
        import zipfile
        made = tempfile.TemporaryDirectory(prefix="xenmeter-")
        atexit.register(made.cleanup)
        inside = os.path.relpath(directory, archive).replace(os.sep, "/") + "/"
        with zipfile.ZipFile(archive) as opened:
            for name in opened.namelist():
                if name.startswith(inside) and "/" not in name[len(inside):]:
                    with open(os.path.join(made.name, name[len(inside):]), "wb") as file:
                        file.write(opened.read(name))
        _unpacked[directory] = made
    return str(_unpacked[directory].name)


def library(directory: str, name: str) -> Optional[str]:
    """The path of a shared object beside a module, as the loader of libraries takes it; None where there is none to be had."""
    path = os.path.join(directory, name)
    if os.path.exists(path):
        return path
    try:
        return _kept(data(directory, name), name)
    except OSError:
        return None


def _kept(content: bytes, name: str) -> Optional[str]:
    """The file in the cache that holds this; root makes it where it is missing or another."""
    cache = os.path.realpath(os.environ.get("XENMETER_CACHE") or CACHE)
    path = os.path.join(cache, name)
    if os.geteuid() == 0 and not _holds(path, content):
        if not _roots_alone(os.path.dirname(cache)):
            return None
        with files.folder(cache, make=True, mode=0o755):
            pass
        if _roots_alone(cache):
            files.replace(path, content)
    return path if _holds(path, content) else None


def _holds(path: str, content: bytes) -> bool:
    """Whether this file is root's, cannot be anybody else's, and holds just this."""
    try:
        seen = os.lstat(path)
        if not stat.S_ISREG(seen.st_mode) or not _belongs_to_root(seen) or not _roots_alone(os.path.dirname(path)):
            return False
        with open(path, "rb") as file:
            return file.read() == content
    except OSError:
        return False


def _roots_alone(directory: str) -> bool:
    """Whether nobody but root can put something there: neither into it nor into any directory above."""
    while True:
        seen = os.lstat(directory)
        if not stat.S_ISDIR(seen.st_mode) or not _belongs_to_root(seen):
            return False
        if directory == "/":
            return True
        directory = os.path.dirname(directory)


def _belongs_to_root(seen: os.stat_result) -> bool:
    return seen.st_uid == 0 and not seen.st_mode & 0o022
