"""Which process a vCPU runs: Linux's ``current``, by the kernel's own per-CPU pointer and the places that BTF tells."""
from typing import Any, NamedTuple, Optional

from xenmeter.core.errors import printable
from xenmeter.xen.foreign import Unmapped

__all__ = ("Task", "Found", "current")

_LONGEST = 16       # TASK_COMM_LEN
_WORD = 1 << 64


class Task(NamedTuple):
    """``process`` is the number that ``ps`` shows, of all threads of one; ``name`` is any text that the guest gave it."""

    process: int
    name: str


class Found(NamedTuple):
    """``address``: of its ``task_struct``, in the kernel's memory."""

    shown: Task
    address: int


def current(space: Any, gs_base: int, kernel: Any) -> Optional[Found]:
    """The task of a vCPU with this kernel's base of gs; None where it cannot be told.

    :param space: the kernel's addresses. :param kernel: ``kernel.facts.Kernel``.
    """
    if kernel.current is None or not kernel.task:
        return None
    try:
        task = space.word((gs_base + kernel.current) % _WORD)
        number = int.from_bytes(space.read((task + kernel.task["tgid"]) % _WORD, 4), "little")
        name = space.read((task + kernel.task["comm"]) % _WORD, _LONGEST)
    except Unmapped:
        return None
    return Found(Task(number, printable(name.split(b"\0")[0].decode("utf-8", "replace")) or "?"), task)
