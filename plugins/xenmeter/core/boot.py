"""Which boot of the kernel this is: what was written in another one, with its clock and its domains, means nothing here."""
import functools

__all__ = ("boot_id",)

_PATH = "/proc/sys/kernel/random/boot_id"


@functools.lru_cache(maxsize=None)
def boot_id() -> bytes:
    """The boot's id as text, the same for as long as we live; empty where there is none to be read (another kernel, a sandbox).

    OSError where it cannot be read now: whoever took nothing for the id would write a file that is of another boot for ever.
    """
    try:
        with open(_PATH, "rb") as file:
            return file.read(64).strip()[:40]
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return b""
