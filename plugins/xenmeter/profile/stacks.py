"""A sample to the names of its frames, the outermost first."""
from typing import Any, List, NamedTuple, Optional, Sequence

from xenmeter.profile.kernel.orc import TOO_DEEP, Frame, Orc, is_kernel, walk
from xenmeter.profile.sample import KERNEL, NOT_SEEN, Sample

__all__ = ("Stacks", "Stack", "WHOLE", "CUT", "LEAF")

#: How far a kernel's stack was followed: to its end; until something could not be read or is not known; its innermost alone.
WHOLE, CUT, LEAF = "whole", "cut", "leaf"
#: Bytes that a function's frame may have.
_FRAME = 1 << 16
_WORD = 1 << 64


class Stack(NamedTuple):
    frames: Sequence[str]
    followed: str


class Stacks:
    """Knows a guest's kernel, its modules, and the symbols of one program.

    :param kernel: ``kernel.facts.Kernel``, or None. :param slide: how far it was moved. :param modules: of ``guest.modules``.
    :param user: ``Names`` of a program, or None.
    """

    def __init__(self, kernel: Any, slide: int = 0, modules: Sequence[Any] = (), user: Any = None) -> None:
        self._kernel = kernel
        self._slide = slide
        self._modules = list(modules)
        self._user = user
        own = kernel.orc if kernel is not None else None
        self._orc = Orc(own.base + slide, own.ips, own.entries, own.three_bits, own.early) if own is not None else None
        first = (kernel.base + slide) if kernel is not None else 0
        #: The kernel's text ends where modules may begin: 1 GiB behind its earliest place (Documentation/x86/x86_64/mm.rst).
        self._text = range(first, (first & -(1 << 30)) + (1 << 30)) if kernel is not None else range(0)
        #: Addresses of code that no module known here has.
        self.unknown = 0

    def of(self, sample: Sample, word: Any) -> Stack:
        """:param word: reads the 8 bytes at an address of the sample's; LookupError where it cannot."""
        if sample.mode == NOT_SEEN:
            return Stack(("[not seen]",), LEAF)
        registers = sample.registers
        if sample.mode != KERNEL:
            return Stack(self._of_user(sample, word), LEAF)
        frame = Frame(registers["rip"], registers["rsp"], registers["rbp"], False, registers)
        if self._orc is not None:
            frames, whole = walk(self._tables, frame, word)
            followed = WHOLE if whole else CUT if len(frames) > 1 else LEAF
        else:
            frames = _by_pointers(frame, word, self._is_text)
            followed = CUT if len(frames) > 1 else LEAF
        return Stack([self.name(one.ip, one.after_call) for one in reversed(frames)], followed)

    def name(self, address: int, after_call: bool = False) -> str:
        """What an address is in; the address itself where that is not known."""
        place = address - after_call
        if not is_kernel(address):
            known = self._user.of(place) if self._user is not None else None
            return known if known is not None else "0x%x" % address
        if place in self._text:
            known = self._kernel.names.of(place - self._slide)
            return known if known is not None else "0x%x" % address
        module = self._module(place)
        if module is None:
            self.unknown += 1
            return "0x%x" % address
        return "%s [%s]" % (module.names.of(place) or "0x%x" % address, module.name)

    def _tables(self, address: int) -> Optional[Orc]:
        if address in self._text:
            return self._orc
        module = self._module(address)
        return module.orc if module is not None else None

    def _module(self, address: int) -> Any:
        for module in self._modules:
            if module.begin <= address < module.end:
                return module
        return None

    def _is_text(self, address: int) -> bool:
        return address in self._text or self._module(address) is not None

    def _of_user(self, sample: Sample, word: Any) -> List[str]:
        """By frame pointers, where the program's symbols bear them out; else where it is alone: the file that this is mapped
        from, and the place in it."""
        registers = sample.registers
        frame = Frame(registers["rip"], registers["rsp"], registers["rbp"], False, {})
        known = self._user.of if self._user is not None else lambda address: None
        if known(frame.ip) is None:
            place = sample.place
            return ["[%s]" % place.name, "0x%x [%s]" % (place.offset, place.name)] if place is not None else [self.name(frame.ip)]
        frames = _by_pointers(frame, word, lambda address: known(address) is not None)
        return [self.name(one.ip, one.after_call) for one in reversed(frames)]


def _by_pointers(frame: Frame, word: Any, is_text: Any) -> List[Frame]:
    """The frames that rbp leads to, while each lies above the one before and returns into text."""
    frames = [frame]
    while len(frames) < TOO_DEEP:
        bp = frame.bp
        if bp % 8 or not frame.sp <= bp < frame.sp + _FRAME:
            break
        try:
            caller, back = word(bp), word((bp + 8) % _WORD)
        except LookupError:
            break
        if not is_text(back):
            break
        frame = Frame(back, bp + 16, caller, True, {})
        frames.append(frame)
    return frames
