"""All that a profile needs to know of a kernel, out of its image."""
import re
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

from xenmeter.core.errors import BadInput, SourceError
from xenmeter.profile.kernel.btf import Btf
from xenmeter.profile.kernel.elf import Elf, build_id_note, build_id_of, notes_in
from xenmeter.profile.kernel.image import data_of, unpack
from xenmeter.profile.kernel.kallsyms import Names, read
from xenmeter.profile.kernel.orc import Orc

__all__ = ("Kernel", "Modules", "of_data", "of_file", "of_elf", "of_memory")

_VERSION = re.compile(rb"Linux version ([0-9][!-~]{0,63})")
#: Where Linux for x86-64 is built to run (CONFIG_PHYSICAL_START), before it is moved.
_BUILT = 0xffffffff81000000
_LONGEST = 96 << 20     # bytes of a kernel in memory
#: Struct -> members by which the mappings of a process are found; each is then "struct.member".
_USER = {
    "task_struct": ("mm",),
    "mm_struct": ("mmap", "mm_mt", "start_stack", "start_brk", "brk", "saved_auxv"),
    "vm_area_struct": ("vm_start", "vm_end", "vm_next", "vm_file", "vm_pgoff"),
    "file": ("f_path",), "path": ("dentry",), "dentry": ("d_name",), "qstr": ("name",),
    "maple_tree": ("ma_root",), "maple_range_64": ("pivot", "slot"), "maple_arange_64": ("pivot", "slot"),
}


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
    """:ivar build_id: hexadecimal digits, or None. :ivar base: where the image has its text. :ivar note: (address, bytes) of the
    note that tells the build, also in a guest's memory.
    :ivar names: ``Names``. :ivar orc: ``Orc``, or None: built with frame pointers, or for neither.
    :ivar current: place of the pointer to the running task in the per-CPU area, or None. :ivar task: places in task_struct.
    :ivar user: places in the structs by which an address of user mode is found, by "struct.member".
    :ivar hypercall_page: its address in kernels that have one, or None.
    """

    def __init__(self, release: str, build_id: Optional[str], base: int, note: Optional[Any], names: Names, orc: Optional[Orc],
                 current: Optional[int], task: Dict[str, int], modules: Optional[Modules], user: Dict[str, int],
                 hypercall_page: Optional[int]) -> None:
        self.release = release
        self.build_id = build_id
        self.base = base
        self.note = note
        self.names = names
        self.orc = orc
        self.current = current
        self.task = task
        self.modules = modules
        self.user = user
        self.hypercall_page = hypercall_page

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
    return of_data(data_of(path), path)


def of_data(data: bytes, path: str) -> Kernel:
    """The same of its bytes. :param path: for the error."""
    try:
        return of_elf(Elf(unpack(data)))
    except BadInput as error:
        raise SourceError("%s: %s" % (path, error))


def of_elf(elf: Elf) -> Kernel:
    """The same of the unpacked image; BadInput where it has no names."""
    text, data = elf.section(".text"), elf.section(".rodata")
    if text is None or data is None:
        raise BadInput("this is no kernel: there is no section .text or .rodata", 0)
    notes, types = elf.section(".notes"), elf.section(".BTF")
    ips, entries = elf.section(".orc_unwind_ip"), elf.section(".orc_unwind")
    orc = Orc.of_sections(ips[0], ips[1], entries[1], text[0]) if ips and entries and len(ips[1]) else None
    return _made(data[1], text[0], notes, read(data[1], text[0]), orc, Btf(types[1]) if types is not None else None)


def of_memory(image: bytes, base: int, more: Callable[[int, int], bytes]) -> Tuple[Kernel, int]:
    """(the facts of a kernel as it lies in memory, how far it was moved); BadInput where it is none, or has no names.

    What a file's sections tell the kernel's own symbols do. The facts are those of the kernel before it was moved.

    :param image: from ``base`` on, its constant data at least. :param more: so many bytes at an address, LookupError where they
        are not there.
    """
    slide = base - _BUILT
    names = read(image, base, _BUILT)

    def part(name: str) -> Optional[Tuple[int, Any]]:
        begin, end = (names.absolute.get(side + name, 0) for side in ("__start_", "__stop_"))
        if not _BUILT <= begin < end <= _BUILT + _LONGEST:
            return None
        try:
            return begin, memoryview(more(begin + slide, end - begin))
        except LookupError:
            return None
    notes, types, ips, entries = part("notes"), part("BTF"), part("orc_unwind_ip"), part("orc_unwind")
    orc = Orc.of_sections(ips[0], ips[1], entries[1], _BUILT) if ips and entries else None
    return _made(image, _BUILT, notes, names, orc, Btf(types[1]) if types else None), slide


def _made(data: Any, base: int, notes: Optional[Any], names: Names, orc: Optional[Orc], btf: Optional[Btf]) -> Kernel:
    told = _VERSION.search(data)
    release = told.group(1).decode() if told else "?"
    if orc is not None:
        orc.early = _is_before(release, (5, 12))
    note = build_id_note(*notes) if notes else None
    build_id = build_id_of(notes_in(memoryview(note[1]))) if note is not None else None
    return Kernel(release, build_id, base, note, names, orc, _current(names, btf), _task(btf),
                  _modules(names, btf), _user(btf), names.absolute.get("hypercall_page"))


def _is_before(release: str, version: Tuple[int, int]) -> bool:
    found = re.match(r"(\d+)\.(\d+)", release)
    return found is not None and (int(found.group(1)), int(found.group(2))) < version


def _user(btf: Optional[Btf]) -> Dict[str, int]:
    """Nothing where the kernel keeps its mappings in a way that is not known."""
    if btf is None:
        return {}
    found = {"%s.%s" % (struct, member): at for struct, members in _USER.items()
             for member, at in btf.offsets(struct, members).items()}
    by_tree = [name for name in found if name.startswith("maple_")]
    return found if "mm_struct.mmap" in found or "mm_struct.mm_mt" in found and len(by_tree) == 5 else {}


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
