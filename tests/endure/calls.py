"""Calls that can fail (failing.c), and the ways they do."""
import errno

SHORT = -1      # one byte of what was to be read or written
CALLS = {"read": (errno.EIO, errno.EINTR, errno.ENOMEM), "write": (errno.ENOSPC, errno.EAGAIN, errno.EINTR, errno.EIO, SHORT),
         "open": (errno.EMFILE, errno.ENOMEM, errno.EIO, errno.EINTR), "socket": (errno.EMFILE, errno.ENOMEM),
         "connect": (errno.EAGAIN, errno.ECONNREFUSED), "recv": (errno.EIO, errno.ENOMEM, errno.EINTR),
         "send": (errno.EIO, errno.ENOMEM, errno.EAGAIN, SHORT), "accept": (errno.EMFILE, errno.ENOMEM, errno.ECONNABORTED),
         "mmap": (errno.ENOMEM, errno.EAGAIN), "ioctl": (errno.EIO, errno.ENOMEM, errno.EINTR, errno.EFAULT),
         "poll": (errno.ENOMEM, errno.EINTR), "thread": (errno.EAGAIN,), "ftruncate": (errno.EIO, errno.EINTR),
         "fallocate": (errno.ENOSPC, errno.EIO, errno.EINTR), "rename": (errno.ENOSPC, errno.EIO), "unlink": (errno.EIO,),
         "fchmod": (errno.EIO,), "stat": (errno.EIO, errno.ENOMEM), "opendir": (errno.EMFILE, errno.ENOMEM)}
CASES = [(name, error) for name, errors in CALLS.items() for error in errors]
#: Of those that start children: a program, as of which source xentop is made.
CHILDS = [("fork", errno.EAGAIN), ("fork", errno.ENOMEM), ("pipe", errno.EMFILE), ("pipe", errno.ENFILE)]
#: Calls of the baker's that only a new file needs.
OF_NEW_FILES = {"fallocate", "rename", "fchmod", "mmap", "open", "ftruncate"}


def named(name, error):
    return "%s: %s" % (name, "short" if error == SHORT else errno.errorcode[error])


def cut(path, size=100):
    """A file that somebody cuts."""
    with open(str(path), "r+b") as file:
        file.truncate(size)
