"""A running guest: what a vCPU does now, by its registers and its memory. Never dom0, never more than the one vCPU."""
import time
from typing import Any, Dict, List, Optional, Tuple

from xenmeter.core.errors import BadInput, DomainGone, Unsupported
from xenmeter.profile.guest import inmemory, mappings, modules, tasks
from xenmeter.profile.guest.paging import Space, spaces_of
from xenmeter.profile.sample import KERNEL, NOT_SEEN, REGISTERS, USER, Sample
from xenmeter.xen import structs
from xenmeter.xen.foreign import Unmapped

__all__ = ("Guest",)

_HVM = 1 << structs.FLAGS.index("hvm")
#: Linux's THREAD_SIZE and IRQ_STACK_SIZE on x86-64, which stacks are aligned to; and how much of one is copied.
_STACK, _COPIED = 1 << 14, 1 << 13
_ALIGNED = 2 << 20      # what a kernel is moved by (CONFIG_PHYSICAL_ALIGN)
_FARTHEST = 1 << 30
#: A place in a PV guest's hypercall page, of 32 bytes each (Xen's ``hypercall_page_initialise_ring3_kernel``: push rcx; push r11;
#: mov; syscall; pop r11; pop rcx; ret) -> what has been pushed there, of which the kernel's own tables know nothing.
_PUSHED = {1: 8, 2: 8, 3: 16, 8: 16, 10: 16, 12: 8}


class Guest:
    """One domain.

    :param xen: a ``Hypervisor``. :param info: its ``xen_domctl_getdomaininfo``. :param frames: its memory, closed with it.
    :param kernel: what is known of its kernel, or None.
    :ivar pauses: how often a vCPU was paused. :ivar paused_ns: how long these calls took; no pause is longer.
    :raises Unsupported: a guest of 32 bits.
    """

    def __init__(self, xen: Any, info: Any, frames: Any, kernel: Any = None) -> None:
        self.domid = info.domain
        self.pv = not info.flags & _HVM
        self.kernel = kernel
        self.slide: Optional[int] = None    # not known yet
        self.refused = ""                   # why the kernel is not taken for this guest's
        self.pauses = 0
        self.paused_ns = 0
        self._xen = xen
        self._frames = frames
        self._last: Optional[Tuple[Any, Space]] = None
        self._unpaged = False
        self._modules: List[modules.Module] = []
        if self.pv and xen.address_size(self.domid) != 64:
            raise Unsupported("domain %d is a PV guest of 32 bits, and only those of 64 can be profiled" % self.domid)

    @property
    def unpaged(self) -> bool:
        """Whether it ran, and never with page tables of 64 bits: firmware, or a system of 16 or 32 bits."""
        return self._unpaged and self._last is None

    def vcpu(self, number: int) -> Any:
        """``xen_domctl_getvcpuinfo`` of a vCPU, which nothing is paused for."""
        return self._xen.vcpu(self.domid, number)

    def cpu_time(self) -> int:
        """Of the whole domain, ns, as xentop has it. DomainGone also where it is dying: its vCPUs still answer, and as long as
        pages of it are mapped here, it does not go."""
        info = self._xen.domain(self.domid)
        if info.flags & structs.DYING:
            raise DomainGone("domain %d is dying" % self.domid)
        return int(info.cpu_time)

    def take(self, time_ns: int, number: int, weight_ns: int, follow: Any) -> Sample:
        """A sample of a vCPU that has run: its registers, for which it is paused, its task and its stack.

        :param follow: ``follow(sample, word)`` makes of a sample what is wanted; words that it reads beyond the copied part of
            the stack are in the sample, too.
        """
        began = time.perf_counter()
        context = self._xen.context(self.domid, number)
        self.pauses += 1
        self.paused_ns += int((time.perf_counter() - began) * 1e9)
        if context is None:
            return Sample(time_ns, self.domid, number, weight_ns, NOT_SEEN, {}, None, ())
        spaces = spaces_of(self._frames, context, self.pv)
        is_kernel = bool(context.flags & structs.IN_KERNEL) if self.pv else not context.cs & 3
        registers = {name: getattr(context, name) for name in REGISTERS}
        sample = Sample(time_ns, self.domid, number, weight_ns, KERNEL if is_kernel else USER, registers, None, ())
        if spaces is None:
            self._unpaged = True
            return sample
        self._last = context, spaces[0]
        reader = _Reader(spaces[0] if is_kernel else spaces[1], context.rsp if is_kernel else None)
        known = self._is_known()
        if known:
            sample = self._told(sample, context, spaces[0])
        follow(sample, reader.word)
        if not known and self._is_known():      # its kernel was found meanwhile
            sample = self._told(sample, context, spaces[0])
        return sample._replace(memory=reader.memory)

    def _told(self, sample: Sample, context: Any, space: Space) -> Sample:
        """What only a known kernel tells: the task, in user mode the mapping, and how far its hypercall page has come."""
        task, place = tasks.current(space, context.gs_base_kernel, self.kernel), None
        if sample.mode == USER and task is not None:
            place = mappings.place_of(space, task.address, context.rip, self.kernel.user)
        page = self.kernel.hypercall_page
        if self.pv and sample.mode == KERNEL and page is not None and 0 <= context.rip - page < 4096:
            pushed = _PUSHED.get((context.rip - page) % 32, 0)
            sample = sample._replace(registers=dict(sample.registers, rsp=(context.rsp + pushed) % (1 << 64)))
        return sample._replace(task=task.shown if task is not None else None, place=place)

    def read_kernel(self, known: Any) -> Optional[str]:
        """Find the kernel by the guest's memory alone; what was found, in words. None where nothing was, or no vCPU has run yet.

        :param known: kernels that were seen before, from which the one that runs is chosen by its build id.
        """
        if self._last is None:
            return None
        for kernel in known:
            self.kernel, self.refused = kernel, ""
            if self._is_known():
                return "was read before, and is known by its build id"
        self.kernel, self.refused = None, ""
        try:
            self.kernel, self.slide = inmemory.kernel_of(self._last[1])
        except (BadInput, Unmapped):
            return None
        return "was read from its memory"

    def _is_known(self) -> bool:
        """Whether the kernel's image is the one that runs: the note with its build id is in the guest's memory."""
        if self.kernel is None or self.refused or self.slide is not None or self._last is None:
            return self.slide is not None
        if self.kernel.note is None:
            self.refused = "it has no build id, by which it would be known"
            return False
        address, note = self.kernel.note
        space = self._last[1]
        seen = 0
        for slide in range(0, 1 if self.pv else _FARTHEST, _ALIGNED):
            try:
                found = space.read(address + slide, len(note))
            except Unmapped:
                continue
            seen += 1
            if found == note:
                self.slide = slide
                return True
        self.refused = "build id %s is not in the guest's memory where this kernel has it%s" % (
            self.kernel.build_id, "" if seen else ", and nothing else is")
        return False

    @property
    def asked(self) -> Tuple[int, int]:
        """(questions for pages of its memory, pages) so far."""
        return self._frames.questions, self._frames.mapped

    def modules(self) -> List[modules.Module]:
        """Those that the kernel has loaded, of a guest that has ended those that it had; nothing while the kernel is not known to
        be the one."""
        if self._last is None or self.slide is None:
            return self._modules
        self._modules = modules.loaded(self._last[1], self.kernel, self.slide, self._modules)
        return self._modules

    def forget(self) -> None:
        """Let go of its memory: a domain that has ended is not kept by us."""
        self._last = None
        self._frames.forget()

    def close(self) -> None:
        self._last = None
        self._frames.close()


class _Reader:
    """Words of a stack, most of it copied at once, for the vCPU runs on meanwhile; what else is read is noted."""

    def __init__(self, space: Space, sp: Optional[int]) -> None:
        self._space = space
        self._begin = sp if sp is not None else 0
        self._copy = b"" if sp is None else space.some(sp, min(_COPIED, _STACK - sp % _STACK))
        self._more: Dict[int, int] = {}

    def word(self, address: int) -> int:
        at = address - self._begin
        if 0 <= at <= len(self._copy) - 8:
            return int.from_bytes(self._copy[at:at + 8], "little")
        if address not in self._more:
            self._more[address] = self._space.word(address)
        return self._more[address]

    @property
    def memory(self) -> List[Tuple[int, bytes]]:
        pieces = [(self._begin, self._copy)] if self._copy else []
        return pieces + [(address, value.to_bytes(8, "little")) for address, value in sorted(self._more.items())]
