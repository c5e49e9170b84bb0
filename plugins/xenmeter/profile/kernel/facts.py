"""All that a profile needs to know of a kernel, out of its image."""
import re
from typing import Any, Dict, List, NamedTuple, Optional

from xenmeter.core.errors import BadInput, SourceError
from xenmeter.profile.kernel.btf import Btf
from xenmeter.profile.kernel.elf import Elf
from xenmeter.profile.kernel.image import unpack_file
from xenmeter.profile.kernel.kallsyms import Names, read
from xenmeter.profile.kernel.orc import Orc

__all__ = ("Kernel", "Modules", "of_file", "of_elf")

_VERSION = re.compile(rb"Linux version ([!-~]{1,64})")


class Modules(NamedTuple):
    """Where Linux keeps what it knows of its modules: the list's head, and places in its structs. ``text`` and ``size`` are of
    the module's code: in ``core_layout`` until Linux 6.3, in ``mem[MOD_TEXT]`` since."""

    head: int
    list: int
    name: int
    text: int
    size: int
    kallsyms: int
    symtab: int
    num_symtab: int
    strtab: int
    num_orcs: int
    orc_unwind_ip: int
    orc_unwind: int


class Kernel:
    """:ivar build_id: hexadecimal digits, or None. :ivar base: where the image has its text. :ivar notes: (address, bytes) of the
    notes, which tell the build also in a guest's memory.
    :ivar names: ``Names``. :ivar orc: ``Orc``, or None: built with frame pointers, or for neither.
    :ivar current: place of the pointer to the running task in the per-CPU area, or None. :ivar task: places in task_struct.
    """

    def __init__(self, release: str, build_id: Optional[str], base: int, notes: Optional[Any], names: Names, orc: Optional[Orc],
                 current: Optional[int], task: Dict[str, int], modules: Optional[Modules]) -> None:
        self.release = release
        self.build_id = build_id
        self.base = base
        self.notes = notes
        self.names = names
        self.orc = orc
        self.current = current
        self.task = task
        self.modules = modules

    @property
    def missing(self) -> List[str]:
        """What this kernel does not tell, in words."""
        lacks = []
        if self.orc is None:
            lacks.append("no unwind tables (ORC): stacks by frame pointers where these hold, else the innermost function alone")
        if self.current is None or not self.task:
            lacks.append("no types (BTF): processes have no names")
        if self.modules is None:
            lacks.append("nothing of its modules")
        return lacks


def of_file(path: str) -> Kernel:
    """The facts of a kernel's file; SourceError names the file and says what is wrong with it."""
    data = unpack_file(path)
    try:
        return of_elf(Elf(data))
    except BadInput as error:
        raise SourceError("%s: %s" % (path, error))


def of_elf(elf: Elf) -> Kernel:
    """The same of the unpacked image; BadInput where it has no names."""
    text, data = elf.section(".text"), elf.section(".rodata")
    if text is None or data is None:
        raise BadInput("this is no kernel: there is no section .text or .rodata", 0)
    names = read(data[1], text[0])
    told = _VERSION.search(data[1])
    types = elf.section(".BTF")
    btf = Btf(types[1]) if types is not None else None
    notes = elf.section(".notes")
    ips, entries = elf.section(".orc_unwind_ip"), elf.section(".orc_unwind")
    orc = Orc.of_sections(ips[0], ips[1], entries[1], text[0]) if ips and entries and len(ips[1]) else None
    return Kernel(told.group(1).decode() if told else "?", elf.build_id, text[0], (notes[0], bytes(notes[1])) if notes else None,
                  names, orc, _current(names, btf), _task(btf), _modules(names, btf))


def _current(names: Names, btf: Optional[Btf]) -> Optional[int]:
    """``current_task`` is a per-CPU variable of its own, but from Linux 6.2 to 6.14, where it is the first in ``pcpu_hot``."""
    if "current_task" in names.absolute:
        return names.absolute["current_task"]
    inside = btf.offsets("pcpu_hot", ("current_task",)) if btf is not None else {}
    if "pcpu_hot" in names.absolute and inside:
        return names.absolute["pcpu_hot"] + inside["current_task"]
    return None


def _task(btf: Optional[Btf]) -> Dict[str, int]:
    found = btf.offsets("task_struct", ("comm", "tgid")) if btf is not None else {}
    return found if len(found) == 2 else {}


def _modules(names: Names, btf: Optional[Btf]) -> Optional[Modules]:
    if btf is None or "modules" not in names.absolute:
        return None
    module = btf.offsets("module", ("list", "name", "kallsyms", "arch", "core_layout", "mem"))
    inner = btf.offsets("module_memory" if "mem" in module else "module_layout", ("base", "size"))
    tables, arch = btf.offsets("mod_kallsyms", ("symtab", "num_symtab", "strtab")), btf.offsets(
        "mod_arch_specific", ("num_orcs", "orc_unwind_ip", "orc_unwind"))
    where = module.get("mem", module.get("core_layout"))
    if where is None or len(module) < 5 or len(inner) + len(tables) + len(arch) < 8:
        return None
    return Modules(names.absolute["modules"], module["list"], module["name"], where + inner["base"], where + inner["size"],
                   module["kallsyms"], tables["symtab"], tables["num_symtab"], tables["strtab"],
                   module["arch"] + arch["num_orcs"], module["arch"] + arch["orc_unwind_ip"], module["arch"] + arch["orc_unwind"])
