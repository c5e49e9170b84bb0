"""A guest's kernel out of its memory, where dom0 has no file of it: its text and read-only data are mapped from
``__START_KERNEL_map`` on (Linux's Documentation/arch/x86/x86_64/mm.rst), and the tables of names, types and unwinding stay there
after the boot. Nothing is paused for it: what is read does not change. Hostile: as much is read as a kernel may have, no more.
"""
from typing import Any, List, Tuple

from xenmeter.core.errors import BadInput
from xenmeter.profile.guest.paging import PAGE
from xenmeter.profile.kernel import facts
from xenmeter.xen.foreign import Unmapped

__all__ = ("kernel_of", "image_in")

_FIRST, _LAST = 0xffffffff80000000, 0xffffffffc0000000
_STEP = 2 << 20         # what kernels are aligned to
#: Bytes of a kernel's text and read-only data, and of a hole in it.
_LARGEST, _HOLE = 96 << 20, 8 << 20


def kernel_of(space: Any) -> Tuple[Any, int]:
    """(``facts.Kernel``, how far it was moved); BadInput where no kernel is found, Unmapped where nothing is mapped."""
    base, image = image_in(space)
    return facts.of_memory(image, base)


def image_in(space: Any) -> Tuple[int, bytes]:
    """(address, bytes) of the first that is mapped where kernels are; a page that is not there, as Linux's own beginning that it
    gives back, is zeros."""
    base = next((address for address in range(_FIRST, _LAST, _STEP) if _is_mapped(space, address)), None)
    if base is None:
        raise Unmapped("there is nothing where Linux has its kernel")
    pages: List[bytes] = []
    last = 0
    for number in range(_LARGEST // PAGE):
        try:
            pages.append(space.read(base + number * PAGE, PAGE))
            last = number + 1
        except Unmapped:
            if (number - last) * PAGE > _HOLE:
                break
            pages.append(bytes(PAGE))
    del pages[last:]
    if len(pages) < 2:
        raise BadInput("there is no kernel of Linux there", 0)
    return base, b"".join(pages)


def _is_mapped(space: Any, address: int) -> bool:
    try:
        space.frame_of(address)
        return True
    except Unmapped:
        return False
