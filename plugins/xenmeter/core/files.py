"""Files that root writes where others may write too: made anew and whole, and no link of somebody else's is followed.

A link in a place like /tmp can be anybody's: whoever guesses the name of a file that root is going to write could choose
another file to be written. The kernel's own protection (fs.protected_symlinks) is a setting, and knows sticky directories
alone. So each directory on the way is opened by itself; the name at the end is never followed, or never there before.
"""
import contextlib
import errno
import os
import stat
from collections import deque
from typing import BinaryIO, Callable, Iterator, Optional, Tuple

__all__ = ("folder", "replacing", "replace", "create", "own", "regular", "reserve", "remove", "remove_folder",
           "keep_whole_lines")

#: What the kernel follows on the way to a file, too.
_LINKS = 40
_STEP = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


def _trusted(owner: int) -> bool:
    """Root follows root's links; others, who can hurt nobody but themselves, are left to the kernel's rules."""
    return owner == 0 or os.geteuid() != 0


class _Walk:
    """One way through the tree, a directory at a time."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._left = deque(path.split("/"))
        self._links = 0
        self.at = os.open("/" if path.startswith("/") else ".", _STEP)

    def _stand(self, descriptor: int) -> None:
        os.close(self.at)
        self.at = descriptor

    def go(self, make: bool, mode: Optional[int]) -> None:
        while self._left:
            name = self._left.popleft()
            if name not in ("", "."):
                self._step(name, make, mode)

    def _step(self, name: str, make: bool, mode: Optional[int]) -> None:
        try:
            descriptor = os.open(name, _STEP, dir_fd=self.at)
        except FileNotFoundError:
            if not make:
                raise
            self._make(name, mode)
            descriptor = os.open(name, _STEP, dir_fd=self.at)
        seen = os.fstat(descriptor)
        if stat.S_ISDIR(seen.st_mode):
            return self._stand(descriptor)
        try:
            if not stat.S_ISLNK(seen.st_mode):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), self._path)
            self._follow(descriptor, seen.st_uid, name)
        finally:
            os.close(descriptor)

    def _make(self, name: str, mode: Optional[int]) -> None:
        try:
            os.mkdir(name, dir_fd=self.at)
        except FileExistsError:
            return      # somebody was quicker
        if mode is not None:
            made = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self.at)
            try:
                os.fchmod(made, mode)
            finally:
                os.close(made)

    def _follow(self, link: int, owner: int, name: str) -> None:
        self._links += 1
        if not _trusted(owner):
            raise PermissionError(errno.EACCES, "%s is a link that belongs to user %d; root does not follow it"
                                  % (name, owner), self._path)
        if self._links > _LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), self._path)
        target = os.readlink("", dir_fd=link)
        if target.startswith("/"):
            self._stand(os.open("/", _STEP))
        self._left.extendleft(reversed(target.split("/")))


@contextlib.contextmanager
def folder(path: str, make: bool = False, mode: Optional[int] = None) -> Iterator[int]:
    """A directory as a descriptor for ``dir_fd``; OSError where it cannot be had, or lies behind a link of somebody else's.

    :param make: make it, and those above it, where they are missing.
    :param mode: exactly what a made one has, whatever the umask; None: what the umask leaves.
    """
    walk = _Walk(path or ".")
    try:
        walk.go(make, mode)
        yield walk.at
    finally:
        os.close(walk.at)


def _split(path: str) -> Tuple[str, str]:
    above, name = os.path.split(path)
    if not name:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    return above, name


@contextlib.contextmanager
def replacing(path: str, mode: int = 0o644, buffering: int = -1) -> Iterator[BinaryIO]:
    """A file to write, that takes the name when all is written: a reader sees the old content or the new, never a part.

    It has exactly this mode, whatever the umask. Where anything fails the old file stays and nothing else is left.
    """
    above, name = _split(path)
    # Not to be foreseen; not ending as the name does: node_exporter and others read all files that end so.
    new = ".%s.%s.tmp" % (name[:200], os.urandom(8).hex())
    with folder(above) as place:
        descriptor = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=place)
        try:
            with open(descriptor, "r+b" if buffering == 0 else "wb", buffering) as file:
                yield file
                file.flush()
                os.fchmod(file.fileno(), mode)
            os.rename(new, name, src_dir_fd=place, dst_dir_fd=place)
        except BaseException:
            try:
                os.unlink(new, dir_fd=place)
            except OSError:
                pass
            raise


def replace(path: str, data: bytes, mode: int = 0o644) -> None:
    """Write a file whole, as ``replacing`` does; OSError where that cannot be."""
    with replacing(path, mode) as file:
        file.write(data)


def create(path: str, mode: int = 0o666) -> BinaryIO:
    """A new, empty file of this name, for writing as it comes. What has the name goes first: a file, or a link, not what it
    leads to. OSError where that is anything else, or may not go."""
    above, name = _split(path)
    with folder(above) as place:
        while True:
            try:
                descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode, dir_fd=place)
                return _named(path, descriptor)
            except FileExistsError:
                status = os.stat(name, dir_fd=place, follow_symlinks=False)
                if not (stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode)):
                    raise OSError(errno.EEXIST, "it is there, and no regular file", path)
                os.unlink(name, dir_fd=place)


def _named(path: str, descriptor: int) -> BinaryIO:
    """A file for writing that knows its name."""
    return open(path, "wb", opener=lambda path, flags: descriptor)


def own(path: str, flags: int, mode: int = 0o600) -> int:
    """A descriptor of a regular file that nobody else has made, nor given a second name; OSError where it is another.

    :param flags: of open(2), ``O_CREAT`` among them where it may be missing.
    """
    above, name = _split(path)
    with folder(above) as place:
        descriptor = os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, mode, dir_fd=place)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or not _trusted(status.st_uid) or status.st_nlink > 1:
        os.close(descriptor)
        raise PermissionError(errno.EACCES, "it is no file of ours alone", path)
    return descriptor


def regular(path: str) -> int:
    """A descriptor of a regular file, for reading, on which nothing waits; OSError where it is another, or a link of somebody
    else's leads to it."""
    for _ in range(_LINKS):
        above, name = _split(path)
        with folder(above) as place:
            status = os.stat(name, dir_fd=place, follow_symlinks=False)
            if not stat.S_ISLNK(status.st_mode) or not _trusted(status.st_uid):
                descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC,
                                     dir_fd=place)
                if stat.S_ISREG(os.fstat(descriptor).st_mode):
                    return descriptor
                os.close(descriptor)
                raise OSError(errno.EINVAL, "it is no regular file", path)
            path = os.path.join(above, os.readlink(name, dir_fd=place))
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)


def reserve(descriptor: int, size: int) -> None:
    """Make a file so long, with its space: a mapped hole on a full disk ends whoever touches it (SIGBUS)."""
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
            raise
        done = 0        # musl does not make up for a file system that cannot
        while done < size:
            done += os.pwrite(descriptor, bytes(min(size - done, 1 << 20)), done)


def remove(path: str) -> None:
    """Take a file away, if it is there and that is possible."""
    _taken_away(path, os.unlink)


def remove_folder(path: str) -> None:
    """Take a directory away, if it is there, is empty, and that is possible."""
    _taken_away(path, os.rmdir)


def _taken_away(path: str, take: Callable[..., None]) -> None:
    try:
        above, name = _split(path)
        with folder(above) as place:
            take(name, dir_fd=place)
    except OSError:
        pass


def keep_whole_lines(path: str) -> None:
    """Cut off what a full disk has left of a file's last line; a file without a whole line goes."""
    try:
        with open(own(path, os.O_RDWR), "r+b") as file:
            end = size = file.seek(0, os.SEEK_END)
            while end:
                begin = max(0, end - 65536)
                file.seek(begin)
                line_end = file.read(end - begin).rfind(b"\n")
                if line_end >= 0:
                    end = begin + line_end + 1
                    break
                end = begin
            if end != size:
                file.truncate(end)
        if not end:
            remove(path)
    except OSError:
        pass        # as far as it can be done
