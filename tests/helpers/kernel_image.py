"""A small kernel's image with all that a profiler reads of one, made by hand: the tables' other side, for tests and fuzzing.

The forms are those of Linux's scripts/kallsyms.c, include/uapi/linux/btf.h and arch/x86/include/asm/orc_types.h.
"""
import struct

BASE = 0xffffffff81000000
RODATA, NOTES, BTF, ORC_IP, ORC = BASE + 0x400000, BASE + 0x600000, BASE + 0x610000, BASE + 0x700000, BASE + 0x720000
BUILD_ID = bytes(range(20))
CALL, REGS, PARTIAL = range(3)
PREV_SP, BP, SP, BP_INDIRECT, SP_INDIRECT = 1, 4, 5, 8, 9
LONG_TOKENS = {200: b"sys_", 201: b"__x64_", 202: b"blkif_", 203: b"Txen_"}

FUNCTIONS = ("startup_64", "schedule", "do_syscall_64", "entry_SYSCALL_64", "ksys_read", "vfs_read", "work_loop",
             "asm_exc_page_fault", "xen_hypercall_sched_op")
STEP = 0x1000
AT = {name: BASE + STEP * number for number, name in enumerate(FUNCTIONS)}
CURRENT = 0x1fb80
HYPERCALLS = BASE + 0x300000
MODULES = BASE + 0x800000
#: As Linux keeps the mappings of a process until 6.0, and since 6.1.
LISTED, TREE = {"mm_struct": [("mmap", 0)]}, {
    "mm_struct": [("mm_mt", 64)], "maple_tree": [("ma_lock", 0), ("ma_root", 8)],
    "maple_range_64": [("parent", 0), ("pivot", 8), ("slot", 128)],
    "maple_arange_64": [("parent", 0), ("pivot", 8), ("slot", 80)]}
MORE_OF_MM = [("start_brk", 200), ("brk", 208), ("start_stack", 216), ("saved_auxv", 232)]
STRUCTS = {
    "task_struct": [("stack", 32), ("mm", 2272), ("pid", 2416), ("tgid", 2420), ("comm", 2976)],
    "module": [("list", 8), ("name", 24), ("core_layout", 320), ("arch", 480), ("kallsyms", 544)],
    "module_layout": [("base", 0), ("size", 8)],
    "mod_kallsyms": [("symtab", 0), ("num_symtab", 8), ("strtab", 16)],
    "mod_arch_specific": [("num_orcs", 0), ("orc_unwind_ip", 8), ("orc_unwind", 16)],
    "vm_area_struct": [("vm_start", 0), ("vm_end", 8), ("vm_next", 16), ("vm_pgoff", 152), ("vm_file", 160)],
    "file": [("f_path", 16)], "path": [("mnt", 0), ("dentry", 8)], "dentry": [("d_name", 32)],
    "qstr": [("hash_len", 0), ("name", 8)],
}


def filled(functions=FUNCTIONS, number=1100, late=False):
    """(address, kind, name) of symbols enough for a kernel."""
    symbols = [(AT[name], "T", name) for name in functions]
    symbols += [(BASE + STEP * len(functions) + 16 * row, "t", "helper_%d" % row) for row in range(number)]
    symbols += [(MODULES, "d", "modules"), (CURRENT, "A", "current_task"), (HYPERCALLS, "T", "hypercall_page")]
    for name, (begin, data) in parts(late).items():
        symbols += [(begin, "R", "__start_" + name), (begin + len(data), "R", "__stop_" + name)]
    return symbols


def parts(late=False, three_bits=False, build_id=BUILD_ID):
    """What lies beside a kernel's text and names: (address, bytes) by the name that its symbols give it."""
    ips, entries = orc_sections(ORC_ROWS, three_bits)
    return {"notes": (NOTES, notes_section(build_id)), "BTF": (BTF, btf_section(structs(late))), "orc_unwind_ip": (ORC_IP, ips),
            "orc_unwind": (ORC, entries)}


def structs(late):
    mappings = TREE if late else LISTED
    return dict(STRUCTS, **dict(mappings, mm_struct=mappings["mm_struct"] + MORE_OF_MM))


def _align(data, size):
    return data + bytes(-len(data) % size)


def names_section(symbols, base=BASE, late=False, long_lengths=True, absolute=True):
    """The tables of names. :param late: the order since Linux 6.4; :param absolute: per-CPU symbols are no distances."""
    tokens = [LONG_TOKENS.get(number, bytes([number]) if 33 <= number < 127 else b"\x7f") for number in range(256)]
    texts, index = b"", b""
    for token in tokens:
        index += struct.pack("<H", len(texts))
        texts += token + b"\0"
    names, starts = b"", []
    for address, kind, name in symbols:
        starts.append(len(names))
        packed = _packed(kind.encode() + name.encode())
        assert len(packed) < (1 << 14 if long_lengths else 256)
        head = bytes([len(packed)]) if len(packed) < (128 if long_lengths else 256) else bytes(
            [len(packed) & 127 | 128, len(packed) >> 7])
        names += head + packed
    markers = struct.pack("<%dI" % len(starts[::256]), *starts[::256])
    if absolute:
        offsets = b"".join(struct.pack("<i", address if address < 1 << 31 else base - 1 - address) for address, _, _ in symbols)
    else:
        offsets = b"".join(struct.pack("<i", address - base) for address, _, _ in symbols)
    number, based = struct.pack("<Q", len(symbols)), struct.pack("<Q", base)
    tables = [texts, index] if late else [offsets, based, number]
    parts = [number, names, markers] + tables + [offsets, based] if late else tables + [names, markers, texts, index]
    out = b"some text\0".ljust(64, b"x")
    for part in parts:
        out = _align(out, 8) + part
    return out + bytes(64)


def _packed(text):
    out = bytearray()
    while text:
        for number, token in LONG_TOKENS.items():
            if text.startswith(token):
                out.append(number)
                text = text[len(token):]
                break
        else:
            out.append(text[0])
            text = text[1:]
    return bytes(out)


def btf_section(structs=None):
    texts, types = b"\0", struct.pack("<IIII", 0, 1 << 24, 8, 64)      # type 1: an integer without a name
    places = {}

    def text(name):
        nonlocal texts
        if name not in places:
            places[name] = len(texts)
            texts += name.encode() + b"\0"
        return places[name]
    for name, members in (STRUCTS if structs is None else structs).items():
        types += struct.pack("<III", text(name), 4 << 24 | len(members), 8192)
        for member, offset in members:
            types += struct.pack("<III", text(member), 1, offset * 8)
    return struct.pack("<HBBIIIII", 0xeb9f, 1, 0, 24, 0, len(types), len(types), len(texts)) + types + texts


def orc_sections(rows, three_bits=False, at=ORC_IP):
    """(addresses, entries) of rows (ip, sp_offset, bp_offset, sp_reg, bp_reg, type); a type of None: undefined."""
    ips = b"".join(struct.pack("<i", row[0] - (at + 4 * number)) for number, row in enumerate(rows))
    entries = b""
    for _, sp_offset, bp_offset, sp_register, bp_register, kind in rows:
        told = 0 if kind is None else kind + (2 if three_bits else 0)
        entries += struct.pack("<hhH", sp_offset, bp_offset, sp_register | bp_register << 4 | told << 8)
    return ips, entries


#: Each function's frame: 16 bytes of its own below where it returns to; the entries end the stack, a fault's frame is registers.
ORC_ROWS = [(AT[name], 24, -16, SP, PREV_SP if name == "vfs_read" else 0, CALL) for name in FUNCTIONS[:3]] + [
    (AT["entry_SYSCALL_64"], 0, 0, 0, 0, None)] + [
    (AT[name], 24, -16, SP, PREV_SP if name == "vfs_read" else 0, CALL) for name in FUNCTIONS[4:7]] + [
    (AT["asm_exc_page_fault"], 0, 0, SP, 0, REGS), (AT["xen_hypercall_sched_op"], 8, 0, SP, 0, CALL),
    (BASE + STEP * len(FUNCTIONS), 8, 0, SP, 0, CALL)]


def note(owner, kind, content):
    return struct.pack("<III", len(owner) + 1, len(content), kind) + _align(owner + b"\0", 4) + _align(content, 4)


def notes_section(build_id=BUILD_ID):
    return note(b"Linux", 0x101, b"more") + note(b"GNU", 3, build_id)


def elf(sections):
    """An ELF file of (name, type, address, bytes)."""
    names, heads, body = b"\0", [bytes(64)], b""
    for name, kind, address, data in list(sections) + [(".shstrtab", 3, 0, None)]:
        place = len(names)
        names += name.encode() + b"\0"
        if data is None:
            data = names
        body = _align(body, 16)
        heads.append(struct.pack("<IIQQQQIIQQ", place, kind, 0, address, 64 + len(body), len(data), 0, 0, 16, 0))
        body += data
    table = 64 + len(_align(body, 16))
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 2, 62, 1, BASE, 0, table, 0, 64, 56, 0, 64, len(heads),
                         len(heads) - 1)
    return header + _align(body, 16) + b"".join(heads)


def small_kernel(late=False, three_bits=False, long_lengths=True, build_id=BUILD_ID):
    """The ELF file of a small kernel."""
    there = parts(late, three_bits, build_id)
    return elf([(".text", 1, BASE, b"\xcc" * 4096),
                (".rodata", 1, RODATA, rodata(late, long_lengths)), (".notes", 7, *there["notes"]), (".BTF", 1, *there["BTF"]),
                (".orc_unwind_ip", 1, *there["orc_unwind_ip"]), (".orc_unwind", 1, *there["orc_unwind"])])


def rodata(late=False, long_lengths=True, slide=0):
    """:param slide: how far the kernel was moved, of one that runs: the base that its names are told from goes with it."""
    version = b"Linux version 6.%d.0-made (a@b) #1\n\0" % (12 if late else 1)
    symbols = [(address + slide if address >= BASE else address, kind, name) for address, kind, name in filled(late=late)]
    return _align(version, 64) + names_section(symbols, BASE + slide, late, long_lengths)


def in_memory(late=False, slide=0, build_id=BUILD_ID):
    """(address, bytes) of the same kernel as it lies in a guest's memory."""
    yield BASE + slide, b"\xcc" * 4096
    yield RODATA + slide, rodata(late, slide=slide)
    for begin, data in parts(late, late, build_id).values():
        yield begin + slide, data
    if slide:
        yield NOTES + slide + 20, b"MORE"       # a note of an address moves with the kernel


def bzimage(payload):
    """A bzImage around a packed kernel, as Documentation/arch/x86/boot.rst lays it out."""
    head = bytearray(1024)
    head[0x1f1] = 1
    head[0x202:0x208] = b"HdrS\x0f\x02"
    struct.pack_into("<II", head, 0x248, 64, len(payload) + 4)
    return bytes(head) + bytes(64) + payload + struct.pack("<I", len(payload)) + bytes(32)
