"""A guest's kernel out of its memory, where dom0 has no file of it: its text and read-only data are mapped from
``__START_KERNEL_map`` on (Linux's Documentation/arch/x86/x86_64/mm.rst), and the tables of names, types and unwinding stay there
after the boot. Nothing is paused for it: what is read does not change. Hostile: as much is read as a kernel may have, no more.

The names lie where nothing is written and nothing is run, a quarter of the whole, and they tell where the rest lies; so that
part is read first, and more only where they are not in it, as in a kernel that does not protect its data.
"""
from typing import Any, Callable, List, Optional, Sequence, Tuple

from xenmeter.core.errors import BadInput
from xenmeter.profile.guest.paging import PAGE, Page
from xenmeter.profile.kernel import facts
from xenmeter.xen.foreign import BATCH, Unmapped

__all__ = ("kernel_of", "image_in", "pages_in")

_FIRST, _LAST = 0xffffffff80000000, 0xffffffffc0000000
_STEP = 2 << 20         # what kernels are aligned to
#: Bytes of a kernel's text and read-only data, and of a hole in it.
_LARGEST, _HOLE = 96 << 20, 8 << 20
#: What is read of it, at first and then.
_PARTS: Sequence[Callable[[Page], bool]] = (lambda page: page.constant and not page.code, lambda page: not page.code,
                                            lambda page: True)


def kernel_of(space: Any) -> Tuple[Any, int]:
    """(``facts.Kernel``, how far it was moved); BadInput where no kernel is found, Unmapped where nothing is mapped."""
    base, pages = pages_in(space)
    before, why = -1, BadInput("there is no kernel of Linux there", 0)
    for wanted in _PARTS:
        chosen = [page if page is not None and wanted(page) else None for page in pages]
        number = len(chosen) - chosen.count(None)
        if number in (0, before):
            continue
        before = number
        try:
            return facts.of_memory(image_in(space, chosen), base, space.much)
        except BadInput as error:
            why = error
    raise why


def pages_in(space: Any) -> Tuple[int, List[Optional[Page]]]:
    """(address, pages from there on) of the first that is mapped where kernels are, until nothing is for some MiB."""
    base = next((address for address in range(_FIRST, _LAST, _STEP) if _is_mapped(space, address)), None)
    if base is None:
        raise Unmapped("there is nothing where Linux has its kernel")
    pages = space.pages(base, _LARGEST // PAGE)
    last = 0
    for number, page in enumerate(pages):
        if page is not None:
            last = number + 1
        elif (number - last) * PAGE > _HOLE:
            break
    if last < 2:
        raise BadInput("there is no kernel of Linux there", 0)
    return base, pages[:last]


def image_in(space: Any, pages: Sequence[Optional[Page]]) -> bytes:
    """Their bytes; a page that is not there, or is not wanted, is zeros."""
    image = bytearray(PAGE * len(pages))
    for begin in range(0, len(pages), BATCH):
        for number, data in enumerate(space.copied(pages[begin:begin + BATCH]), begin):
            if data is not None:
                image[PAGE * number:PAGE * (number + 1)] = data
    return bytes(image)


def _is_mapped(space: Any, address: int) -> bool:
    try:
        space.frame_of(address)
        return True
    except Unmapped:
        return False
