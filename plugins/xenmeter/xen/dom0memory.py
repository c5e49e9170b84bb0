"""What dom0's own kernel says of its memory: dom0 starves before its guests do, and they with it.

``/proc/meminfo`` (proc(5)): MemTotal is what the kernel manages, the balloon's pages left out; MemAvailable an estimate of what
can be had without swapping (since Linux 3.14).
"""
import re
from typing import NamedTuple, Optional

__all__ = ("Memory", "read_memory", "MEMINFO")

MEMINFO = "/proc/meminfo"
_LINE = re.compile(rb"(MemTotal|MemAvailable):\s+([0-9]{1,15}) kB$", re.MULTILINE)


class Memory(NamedTuple):
    """Bytes; None where the kernel does not say."""

    total: Optional[int]
    available: Optional[int]


def read_memory(path: str = MEMINFO) -> Memory:
    try:
        with open(path, "rb") as file:
            told = {name: int(kib) << 10 for name, kib in _LINE.findall(file.read(4096))}
    except OSError:
        told = {}
    return Memory(told.get(b"MemTotal"), told.get(b"MemAvailable"))
