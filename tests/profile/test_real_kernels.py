"""The readers of a kernel's image on Debian's own kernels, against readelf, objdump, bpftool, pahole and its own tables."""
import json
import re
import struct
import subprocess

import pytest
from helpers import kernels
from tools import provision

from xenmeter.profile.kernel import btf, elf, facts, image, kallsyms, orc

pytestmark = pytest.mark.xdist_group("kernels")
#: What a profiler asks of the kernel's structs, as it stands in each of them.
ASKED = {"task_struct": ("comm", "pid", "tgid", "mm"), "module": ("list", "name", "kallsyms", "arch"),
         "mod_kallsyms": ("symtab", "num_symtab", "strtab"), "mod_arch_specific": ("num_orcs", "orc_unwind_ip", "orc_unwind")}
#: Where the text is disassembled; each kernel has functions of file systems and memory there.
FROM, TO = 0x300000, 0x400000


class Kernel:
    def __init__(self, release, folder):
        self.release = release
        self.data = image.unpack(image.data_of(str(kernels.image(release))))
        self.path = folder / "vmlinux"
        self.path.write_bytes(self.data)
        self.elf = elf.Elf(self.data)
        self.base, _ = self.elf.section(".text")
        self.names = kallsyms.read(self.elf.section(".rodata")[1], self.base)

    def says(self, tool, program, *words):
        return subprocess.run([provision.program(tool, program), *words], env=provision.environment(tool), check=True,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace").stdout


@pytest.fixture(scope="module", params=sorted(kernels.RELEASES))
def kernel(request, tmp_path_factory):
    return Kernel(request.param, tmp_path_factory.mktemp(request.param))


def test_sections_are_readelfs(kernel):
    said = kernel.says("binutils", "usr/bin/x86_64-linux-gnu-readelf", "-SW", str(kernel.path))
    rows = re.findall(r"^ +\[ *\d+\] (\S+) +\S+ +([0-9a-f]{16}) ([0-9a-f]+) ([0-9a-f]+) ", said, re.MULTILINE)
    assert len(rows) > 30
    for name, address, offset, size in rows:
        found = kernel.elf.sections[name]
        assert (found.address, found.offset, found.size) == (int(address, 16), int(offset, 16), int(size, 16)), name


def test_the_build_id_is_readelfs(kernel):
    said = kernel.says("binutils", "usr/bin/x86_64-linux-gnu-readelf", "-nW", str(kernel.path))
    assert kernel.elf.build_id == re.search(r"Build ID: ([0-9a-f]{40})", said).group(1)


def test_the_release_is_what_the_image_is_named(kernel):
    assert b"Linux version " + kernels.image(kernel.release).name.partition("-")[2].encode() in kernel.data


def exported(kernel):
    """(name, address) of what the kernel gives its modules: a table of its own, in another section and another form."""
    texts_at, texts = kernel.elf.section("__ksymtab_strings")
    texts = bytes(texts)
    for section in ("__ksymtab", "__ksymtab_gpl"):
        at, data = kernel.elf.section(section)
        for place in range(0, len(data), 12):
            value, name, _ = struct.unpack_from("<iii", data, place)
            text = at + place + 4 + name - texts_at
            yield texts[text:texts.index(b"\0", text)].decode(), (at + place + value) % (1 << 64)


def test_names_have_the_addresses_that_modules_are_given(kernel):
    told = list(exported(kernel))
    assert len(told) > 9000
    functions = dict(zip(kernel.names.names, kernel.names.at))
    # a per-CPU variable's address has no upper half: its place in an area counts. Of several with one name the first does, and
    # ACPI has a variable of its own in one file, and one for all, that are called the same
    wrong = [name for name, address in told if kernel.names.absolute.get(name, -1) & 0xffffffff != address & 0xffffffff
             and functions.get(name) != address]
    assert wrong in ([], ["acpi_gpe_count"])


def test_functions_are_where_the_text_is(kernel):
    start, text = kernel.elf.section(".text")
    inside = [name for address, name in zip(kernel.names.at, kernel.names.names) if start <= address < start + len(text)]
    assert len(inside) > 30000 and {"schedule", "do_sys_openat2", "vfs_read"} <= set(inside)


def pahole(kernel, name):
    """Where pahole says that the members of a struct lie."""
    said = kernel.says("pahole", "usr/bin/pahole", "-F", "btf", "-C", name, str(kernel.path))
    told = {member: int(at) for member, at in re.findall(r"(\w+)(?:\[\w+\])?; +/\* +(\d+) +\d+ \*/", said)}
    told.update({member: int(at) for member, at in re.findall(r"\} (\w+)(?:\[\w+\])?; +/\* +(\d+) +\d+ \*/", said)})
    return told


def test_members_lie_where_pahole_says(kernel):
    types = btf.Btf(kernel.elf.section(".BTF")[1])
    for name, members in ASKED.items():
        told = pahole(kernel, name)
        assert types.offsets(name, members) == {member: told[member] for member in members}, name


def test_so_do_those_by_which_a_mapping_is_found(kernel):
    user = facts.of_elf(kernel.elf).user
    assert ("mm_struct.mmap" if kernel.release == "bullseye" else "mm_struct.mm_mt") in user and len(user) >= 15
    for name in {name.partition(".")[0] for name in user}:
        told = pahole(kernel, name)
        assert {one: at for one, at in user.items() if one.startswith(name + ".")} == {
            name + "." + member: told[member] for member in (one.partition(".")[2] for one in user if one.startswith(name + "."))}


@pytest.mark.parametrize("slide", [0, 38 << 20])
def test_memory_tells_what_the_file_does(kernel, slide):
    """The sections where they lie once the kernel runs, and the base of its names moved with it."""
    there = [part for part in kernel.elf.sections.values() if part.address >= kernel.base and part.kind != 8]
    image = bytearray(max(part.address + part.size for part in there) - kernel.base)
    for part in there:
        image[part.address - kernel.base:part.address - kernel.base + part.size] = kernel.elf.section(part.name)[1]
    # a kernel that is moved corrects all addresses of its own; the one that its names are told from is what is read here
    image = bytes(image).replace(struct.pack("<Q", kernel.base), struct.pack("<Q", kernel.base + slide))
    names = kernel.elf.sections[".rodata"]
    begin, end = names.address - kernel.base, names.address - kernel.base + names.size
    constant = bytes(begin) + image[begin:end]      # what is read at first; the rest is asked for by its address
    found, moved = facts.of_memory(constant, kernel.base + slide, lambda at, size: image[
        at - kernel.base - slide:at - kernel.base - slide + size])
    known = facts.of_elf(kernel.elf)
    assert moved == slide
    for name in ("release", "build_id", "base", "note", "current", "task", "modules", "user", "hypercall_page", "missing"):
        assert getattr(found, name) == getattr(known, name), name
    assert known.missing == [] and known.note[1][-20:].hex() == known.build_id
    assert found.names.at == known.names.at and found.names.names == known.names.names
    assert (found.orc.ips, found.orc.entries, found.orc.three_bits) == (known.orc.ips, known.orc.entries, known.orc.three_bits)


def test_all_structs_are_bpftools(kernel):
    types = btf.Btf(kernel.elf.section(".BTF")[1])
    said = json.loads(kernel.says("bpftool", "usr/sbin/bpftool", "-j", "btf", "dump", "file", str(kernel.path)))
    checked, seen = 0, set()
    for told in said["types"]:
        if told["kind"] == "STRUCT" and told["name"] not in seen and told["members"]:
            seen.add(told["name"])
            named = {}
            for member in told["members"]:
                named.setdefault(member["name"], member["bits_offset"] >> 3)
            named.pop("(anon)", None)
            assert types.offsets(told["name"], named) == named or told["name"] == "(anon)", told["name"]
            checked += 1
    assert checked > 5000 and len(types.structs) >= checked - 1


def test_frames_are_as_large_as_the_code_makes_them(kernel):
    """At the first call of a function the frame is what it pushed and subtracted, and where it returns to."""
    tables = orc.Orc.of_sections(*kernel.elf.section(".orc_unwind_ip"), kernel.elf.section(".orc_unwind")[1], kernel.base)
    assert tables.three_bits is (kernel.release == "trixie")
    start = kernel.base + FROM
    functions = {address for address in kernel.names.at if start <= address < kernel.base + TO}
    listing = kernel.says("binutils", "usr/bin/x86_64-linux-gnu-objdump", "-d", "--no-show-raw-insn", "-j", ".text",
                          "--start-address=%d" % start, "--stop-address=%d" % (kernel.base + TO), str(kernel.path))
    # functions begin where the names say: a call of the tracer's comes first, and is no call yet
    text, pushed, agree, differ = [], 0, 0, []
    for line in listing.splitlines():
        found = re.match(r"\s*([0-9a-f]+):\s+(\S+)\s*(.*)", line)
        if not found:
            continue
        address, word, operands = int(found[1], 16), found[2], found[3]
        if address in functions:
            pushed, text = 8, [address]
            if word.startswith("call"):
                continue
        elif not text:
            continue
        if word == "push":
            pushed += 8
        elif word == "sub" and operands.startswith("$") and operands.endswith(",%rsp"):
            pushed += int(operands[1:].split(",")[0], 16)
        elif word.startswith("call") and address != text[0]:
            known = tables.cfa(address)
            if len(text) == 1 and word.startswith("call") and address - text[0] <= 9 and pushed == 8:
                text.append(address)    # behind an endbr64: the tracer's
                continue
            if known is not None and known[0] == 5:
                agree, differ = (agree + 1, differ) if known[1:] == (pushed, 0) else (agree, differ + [hex(address)])
            text = []
        elif word[0] == "j" or word.startswith(("ret", "pop", "leave")) or operands.endswith(",%rsp"):
            text = []
    assert agree > 800 and len(differ) <= agree // 200, (agree, differ[:20])
