"""The file that node_exporter's textfile collector reads, replaced in one step."""
import os

from xenmeter.core import files
from xenmeter.core.errors import XenmeterError

__all__ = ("check", "write", "remove")


def check(path: str) -> None:
    """XenmeterError where no file can be written there now: no such directory, or not for this user, or it is one."""
    directory = os.path.dirname(path) or "."
    if not os.path.isdir(directory) or not os.access(directory, os.W_OK | os.X_OK):
        raise XenmeterError("cannot write %s: %s" % (path, _advice(directory)))
    if os.path.isdir(path):
        raise XenmeterError("cannot write %s: it is a directory; name a file in it" % path)


def write(path: str, data: bytes) -> None:
    """Replace the file at ``path`` by ``data``, mode 0644: a reader sees the old content or the new, never a part.

    The data goes first to a temporary file beside it, whose name does not end in ``.prom`` (node_exporter would
    read it). On failure that file is removed, the old one stays, and XenmeterError says what to do.
    """
    try:
        files.replace(path, data)
    except OSError as error:
        raise XenmeterError("cannot write %s: %s; %s" % (path, error.strerror or error,
                                                         _advice(os.path.dirname(path) or ".")))


def remove(path: str) -> None:
    """Take the file away, if it is there and that is possible."""
    files.remove(path)


def _advice(directory: str) -> str:
    if not os.path.isdir(directory):
        return "create the directory %s first" % directory
    if not os.access(directory, os.W_OK | os.X_OK):
        return "the directory %s must be writable for this user" % directory
    return "check the directory %s" % directory
