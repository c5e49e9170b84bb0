"""Which file an address of user mode is of: Linux's mappings of a process (``mm_struct``), out of the guest's memory. Hostile:
every walk is bounded, whatever the guest writes.

Until Linux 6.0 the mappings are a list by ascending address (``mm->mmap``, ``vm_next``); since 6.1 they are a maple tree
(``mm->mm_mt``, include/linux/maple_tree.h): nodes of 256 bytes, whose kind is in the low bits of the pointers to them. A node has
pivots, each the last address of its slot; the one that holds the address leads on, and a leaf's slots are the mappings.
"""
from typing import Any, Dict, NamedTuple, Optional

from xenmeter.core.errors import printable
from xenmeter.xen.foreign import Unmapped

__all__ = ("Place", "place_of")

_NEEDED = ("task_struct.mm", "vm_area_struct.vm_start", "vm_area_struct.vm_end", "vm_area_struct.vm_file",
           "vm_area_struct.vm_pgoff", "file.f_path", "path.dentry", "dentry.d_name", "qstr.name")
_MOST, _DEEPEST, _LONGEST = 1 << 12, 12, 255
_NODE = 0xff            # bits of a pointer to a node that are not its address
#: enum maple_type: leaves of ranges, inner nodes of ranges, and those that know their gaps.
_LEAF, _RANGE, _ARANGE = 1, 2, 3
_WORD = 1 << 64
_PAGE = 4096
_VDSO = 33              # AT_SYSINFO_EHDR: where the kernel's own page of code for user mode lies


class Place(NamedTuple):
    """``name``: a file's, without its folders, or ``anon``, ``heap``, ``stack``, ``vdso``; ``offset`` is that in the file, of
    others that in the mapping, in bytes."""

    name: str
    offset: int


def place_of(space: Any, task: int, address: int, places: Dict[str, int]) -> Optional[Place]:
    """What an address of a task's user mode is mapped from; None where that is not known.

    :param space: the kernel's addresses. :param task: address of its ``task_struct``. :param places: a kernel's ``user``.
    """
    if not all(name in places for name in _NEEDED):
        return None
    try:
        mm = space.word(task + places["task_struct.mm"])
        if not mm:
            return None         # a thread of the kernel's
        area = _in_tree(space, mm, address, places) if "mm_struct.mm_mt" in places else _in_list(space, mm, address, places)
        if not area:
            return None
        begin, end = (space.word(area + places["vm_area_struct." + name]) for name in ("vm_start", "vm_end"))
        if not begin <= address < end:
            return None
        file = space.word(area + places["vm_area_struct.vm_file"])
        if not file:
            return Place(_without_file(space, mm, begin, end, places), address - begin)
        first = space.word(area + places["vm_area_struct.vm_pgoff"]) * _PAGE
        return Place(_name(space, file, places), (address - begin + first) % _WORD)
    except Unmapped:
        return None


def _in_list(space: Any, mm: int, address: int, places: Dict[str, int]) -> int:
    """The mapping with the address in it, 0 where there is none."""
    if "mm_struct.mmap" not in places or "vm_area_struct.vm_next" not in places:
        return 0
    area = space.word(mm + places["mm_struct.mmap"])
    for _ in range(_MOST):
        if not area or address < space.word(area + places["vm_area_struct.vm_end"]):
            return int(area)
        area = space.word(area + places["vm_area_struct.vm_next"])
    return 0


def _in_tree(space: Any, mm: int, address: int, places: Dict[str, int]) -> int:
    entry = int(space.word(mm + places["mm_struct.mm_mt"] + places["maple_tree.ma_root"]))
    if not _is_node(entry):
        return 0        # of one mapping, or none: no process has so few
    for _ in range(_DEEPEST):
        kind, node = entry >> 3 & 15, entry & ~_NODE
        if kind not in (_LEAF, _RANGE, _ARANGE):
            return 0
        struct = "maple_arange_64" if kind == _ARANGE else "maple_range_64"
        pivots, slots = places[struct + ".pivot"], places[struct + ".slot"]
        number = min((slots - pivots) // 8, 32)
        data = space.read(node + pivots, 8 * number)
        slot = 0
        while slot < number:
            pivot = int.from_bytes(data[8 * slot:8 * slot + 8], "little")
            if address <= pivot or slot and not pivot:      # one of 0 is unused: its slot is the last
                break
            slot += 1
        entry = int(space.word(node + slots + 8 * slot))
        if kind == _LEAF:
            return entry if entry > _PAGE else 0
    return 0


def _is_node(entry: int) -> bool:
    """Of the values that an XArray keeps for itself the nodes' (``xa_is_node``)."""
    return entry & 3 == 2 and entry > _PAGE


def _without_file(space: Any, mm: int, begin: int, end: int, places: Dict[str, int]) -> str:
    def number(name: str) -> int:
        return int(space.word(mm + places["mm_struct." + name])) if "mm_struct." + name in places else 0
    if begin <= number("start_stack") < end:
        return "stack"
    if begin < number("brk") and end > number("start_brk") > 0:
        return "heap"
    if "mm_struct.saved_auxv" in places:
        words = space.some(mm + places["mm_struct.saved_auxv"], 16 * 24)
        for at in range(0, len(words) - 15, 16):
            if words[at:at + 16] == _VDSO.to_bytes(8, "little") + begin.to_bytes(8, "little"):
                return "vdso"
    return "anon"


def _name(space: Any, file: int, places: Dict[str, int]) -> str:
    dentry = space.word(file + places["file.f_path"] + places["path.dentry"])
    text = space.some(space.word(dentry + places["dentry.d_name"] + places["qstr.name"]), _LONGEST).split(b"\0")[0]
    return printable(text.decode("utf-8", "replace")) or "?"
