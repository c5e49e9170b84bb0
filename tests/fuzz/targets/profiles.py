"""What a profiler reads: a kernel's image."""
import gzip
import struct

from fuzz.target import Target, allowed
from helpers import kernel_image as made
from xenmeter.core.errors import BadInput, SourceError
from xenmeter.profile.kernel import btf, elf, image, kallsyms, orc


class KernelImages(Target):
    """A packed kernel or an ELF file: refused in one line, or tables that hold together."""

    name = "kernel-images"
    reads = "kernels: bzImage, ELF, kallsyms, BTF, ORC"
    longest = 60000
    words = (b"\x7fELF\x02\x01", b"HdrS", b"\x9f\xeb\x01", struct.pack("<Q", made.BASE), b"\xff\xff\xff\xff", bytes(8),
             struct.pack("<I", 4 << 24 | 0xffff), b"0\x001\x002\x003\0", b"\x80\x80\x80")

    def seeds(self):
        whole = made.small_kernel()
        return [whole, made.small_kernel(late=True, three_bits=True), made.bzimage(gzip.compress(whole)), made.btf_section()]

    def check(self, data, chance):
        found = allowed((BadInput, SourceError), image.unpack, data)
        if found is None:
            allowed(BadInput, btf.Btf, data)
            return
        file = allowed(BadInput, elf.Elf, found)
        if file is None:
            return
        parts = {name: allowed(BadInput, file.section, name) for name in (".text", ".rodata", ".BTF", ".orc_unwind_ip",
                                                                          ".orc_unwind")}
        build_id = allowed(BadInput, lambda: file.build_id or "none")
        assert build_id is None or len(build_id) < 200
        allowed(BadInput, file.functions)
        if parts[".text"] and parts[".rodata"]:
            names = allowed(BadInput, kallsyms.read, parts[".rodata"][1], parts[".text"][0])
            assert names is None or len(names.at) == len(names.names) <= len(data)
        if parts[".BTF"]:
            types = allowed(BadInput, btf.Btf, parts[".BTF"][1])
            if types is not None:
                assert all(0 <= at < 1 << 30 for at in types.offsets("task_struct", ("comm", "pid")).values())
        if parts[".orc_unwind_ip"] and parts[".orc_unwind"]:
            tables = allowed(BadInput, orc.Orc.of_sections, *parts[".orc_unwind_ip"], parts[".orc_unwind"][1], made.BASE)
            if tables is not None:
                start = orc.Frame(made.BASE + chance.randrange(1 << 16), chance.randrange(1 << 64), chance.randrange(1 << 64),
                                  False, {})
                frames, _ = orc.walk(lambda ip: tables, start, lambda at: chance.randrange(1 << 64) | 0xffffffff81000000)
                assert 1 <= len(frames) <= orc.TOO_DEEP
