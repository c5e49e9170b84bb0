"""A lock that dies with its holder, however that ends: flock(2) on a file of its own."""
import fcntl
import os

from xenmeter.core import files
from xenmeter.core.errors import SourceError

__all__ = ("LockFile",)


class LockFile:
    """:param path: made where it is missing, with the folders above it.

    :param busy: what to say where another process holds it.
    """

    def __init__(self, path: str, busy: str) -> None:
        self._path = path
        try:
            # What lies beside the lock may be for others, whatever the umask; a folder that is there stays as it is.
            with files.folder(os.path.dirname(path), make=True, mode=0o755):
                self._fd = self._take()
        except BlockingIOError:
            raise SourceError(busy)
        except OSError as error:
            raise SourceError("cannot lock %s: %s" % (path, error.strerror))

    def _take(self) -> int:
        """Again where the holder before us has just removed the file that we have opened."""
        while True:
            descriptor = files.own(self._path, os.O_RDWR | os.O_CREAT)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.fstat(descriptor), os.lstat(self._path)):
                    return descriptor
            except FileNotFoundError:
                pass
            except Exception:
                os.close(descriptor)
                raise
            os.close(descriptor)

    def release(self) -> None:
        """The file goes first: nobody may lock one that is about to go."""
        try:
            os.unlink(self._path)
        except OSError:
            pass
        os.close(self._fd)
