"""The readers of a kernel's image against images made by hand, whole and damaged."""
import bz2
import gzip
import lzma
import os
import struct
import subprocess
import time

import pytest
from helpers import kernel_image as made
from hypothesis import given
from hypothesis import strategies as st

from xenmeter.core.errors import BadInput, SourceError
from xenmeter.profile.kernel import btf, elf, facts, image, kallsyms, orc

KERNEL = made.small_kernel()
NAMES = made.names_section(made.filled(number=1000))


class TestImage:
    @pytest.mark.parametrize("packed", [
        gzip.compress(KERNEL), bz2.compress(KERNEL), lzma.compress(KERNEL), lzma.compress(KERNEL, lzma.FORMAT_ALONE)],
        ids=["gzip", "bzip2", "xz", "lzma"])
    def test_what_python_unpacks(self, packed):
        assert image.unpack(made.bzimage(packed)) == KERNEL
        assert image.unpack(packed) == KERNEL

    @pytest.mark.parametrize("words", [["zstd", "-c"], ["lz4", "-l", "-c"]], ids=["zstd", "lz4"])
    def test_what_a_program_unpacks(self, words, tmp_path):
        (tmp_path / "kernel").write_bytes(KERNEL)
        packed = subprocess.run([*words, str(tmp_path / "kernel")], stdout=subprocess.PIPE, check=True).stdout
        assert image.unpack(made.bzimage(packed)) == KERNEL

    def test_lz4_is_given_its_frame_alone(self, monkeypatch):
        """lz4 1.10 may write nothing at all where something follows that is no block."""
        monkeypatch.setattr(image, "_by_program", lambda name: lambda packed: packed)
        frame = b"\x02\x21\x4c\x18" + b"\5\0\0\0fives" + b"\3\0\0\0two"
        for behind in (b"", b"\0\0\x80\2", b"\x80\2"):
            assert image._lz4(frame + behind) == frame

    def test_without_the_program_one_line_says_so(self, monkeypatch):
        monkeypatch.setattr(image, "find_program", lambda name: None)
        with pytest.raises(SourceError, match="packed with zstd, and there is no program zstd: install it"):
            image.unpack(made.bzimage(b"\x28\xb5\x2f\xfd" + bytes(100)))

    def test_an_elf_file_is_taken_as_it_is(self, tmp_path):
        path = tmp_path / "vmlinux"
        path.write_bytes(KERNEL)
        assert image.unpack(image.data_of(str(path))) == KERNEL

    @pytest.mark.parametrize("data, said", [
        (b"", "no way that is known"), (b"hello", "no way that is known"),
        (made.bzimage(gzip.compress(b"no kernel")), "no ELF file in it"),
        (made.bzimage(gzip.compress(KERNEL))[:2000], "cut off"),
        (made.bzimage(b"\x1f\x8b" + bytes(50)), "does not unpack"),
        (gzip.compress(KERNEL)[:100], "no ELF|does not unpack")],
        ids=["empty", "text", "another file", "a part of a kernel", "damaged", "the beginning"])
    def test_what_is_no_kernel_is_refused(self, data, said):
        with pytest.raises(BadInput, match=said):
            elf.Elf(image.unpack(data))

    def test_a_file_that_unpacks_to_more_than_any_kernel(self, monkeypatch):
        monkeypatch.setattr(image, "LONGEST", 1000)
        with pytest.raises(BadInput, match="more than any kernel"):
            image.unpack(gzip.compress(KERNEL))

    @pytest.mark.parametrize("program", ["zstd", "lz4"])
    def test_a_program_is_not_believed_either(self, program, tmp_path, monkeypatch):
        """A few bytes out of a guest's disk may unpack to terabytes: as much is read as a kernel may have, and it is ended."""
        endless = tmp_path / program
        endless.write_text("#!/bin/sh\ncat >/dev/null\necho $$ >'%s'\nexec cat /dev/zero\n" % (tmp_path / "number"))
        endless.chmod(0o755)
        monkeypatch.setattr(image, "find_program", lambda name: str(endless))
        monkeypatch.setattr(image, "LONGEST", 1 << 20)
        magic = {"zstd": b"\x28\xb5\x2f\xfd", "lz4": b"\x02\x21\x4c\x18"}[program]
        with pytest.raises(BadInput, match="more than any kernel"):
            image.unpack(made.bzimage(magic + bytes(100)))
        assert not os.path.exists("/proc/%d" % int((tmp_path / "number").read_text()))

    def test_what_is_no_file_is_not_waited_for(self, tmp_path):
        """The path of a recorded kernel is as good as the recording."""
        os.mkfifo(str(tmp_path / "pipe"))
        for path in (tmp_path / "pipe", tmp_path, "/dev/zero"):
            with pytest.raises(SourceError, match="no regular file"):
                image.data_of(str(path))

    def test_the_file_is_named(self, tmp_path):
        with pytest.raises(SourceError, match="gone: No such file"):
            facts.of_file(str(tmp_path / "gone"))
        (tmp_path / "text").write_bytes(b"text")
        with pytest.raises(SourceError, match="text: it is packed in no way"):
            facts.of_file(str(tmp_path / "text"))


class TestElf:
    def test_sections_and_build_id(self):
        read = elf.Elf(KERNEL)
        assert read.section(".text") == (made.BASE, b"\xcc" * 4096)
        assert read.section(".nothing") is None
        assert read.build_id == made.BUILD_ID.hex()
        assert [(owner, kind) for owner, kind, _ in read.notes()] == [(b"Linux", 0x101), (b"GNU", 3)]

    @pytest.mark.parametrize("data", [b"", b"\x7fELF", b"\x7fELF\x01\x01" + bytes(100), KERNEL[:60], KERNEL[:-100]])
    def test_what_is_none(self, data):
        with pytest.raises(BadInput):
            elf.Elf(data)

    def test_a_section_beyond_the_file(self):
        data = bytearray(KERNEL)
        table, = struct.unpack_from("<Q", data, 40)
        struct.pack_into("<Q", data, table + 64 + 32, 1 << 40)
        with pytest.raises(BadInput, match="does not lie in the file"):
            elf.Elf(data).section(".text")

    def test_notes_that_are_cut_off_are_left(self):
        notes = made.notes_section()
        assert list(elf.notes_in(memoryview(notes[:-4]))) == [(b"Linux", 0x101, b"more")]
        assert elf.build_id_of(elf.notes_in(memoryview(struct.pack("<III", 4, 1 << 31, 3)))) is None


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("long_lengths", [False, True])
class TestNames:
    def test_all_of_them(self, late, absolute, long_lengths):
        symbols = [one for one in made.filled() if absolute or one[0] >= made.BASE]
        symbols[0] = (symbols[0][0], "T", "x" * 200)
        data = made.names_section(symbols, late=late, long_lengths=long_lengths, absolute=absolute)
        names = kallsyms.read(data, made.BASE)
        assert names.absolute == {name: address for address, _, name in symbols}
        assert list(zip(names.at, names.names)) == [(address, name) for address, kind, name in symbols if kind in "tT"]

    def test_what_an_address_is_in(self, late, absolute, long_lengths):
        symbols = [one for one in made.filled() if absolute or one[0] >= made.BASE]
        names = kallsyms.read(made.names_section(symbols, late=late, long_lengths=long_lengths, absolute=absolute), made.BASE)
        assert names.of(made.AT["schedule"]) == names.of(made.AT["schedule"] + 7) == "schedule"
        assert names.of(made.AT["schedule"] - 1) == "startup_64" and names.of(made.BASE - 1) is None


def test_tables_of_another_form_are_refused():
    data = made.names_section(made.filled())
    with pytest.raises(BadInput, match="of a form that is not known"):
        kallsyms.read(data, made.BASE + 4096)
    with pytest.raises(BadInput, match="no table of names"):
        kallsyms.read(data.replace(b"0\x001\x002\0", b"0\x001\x003\0"), made.BASE)


@given(st.integers(0, 1 << 16), st.binary(min_size=1, max_size=8))
def test_damaged_names_are_told_or_are_names(place, patch):
    data = bytearray(NAMES)
    place %= len(data) - len(patch)
    data[place:place + len(patch)] = patch
    try:
        names = kallsyms.read(data, made.BASE)
    except BadInput:
        return
    assert list(names.at) == sorted(names.at) and len(names.at) == len(names.names) <= len(data)


class TestNamesThatAreLies:
    """A guest's image may look like a kernel in a thousand places: only so many are tried."""

    @staticmethod
    def counted(monkeypatch, name):
        tried, real = [], getattr(kallsyms, name)
        monkeypatch.setattr(kallsyms, name, lambda *given: tried.append(given) or real(*given))
        return tried

    def test_names_that_unpack_to_gigabytes(self, monkeypatch):
        monkeypatch.setattr(kallsyms, "_ALL", 20000)
        kallsyms.read(NAMES, made.BASE)
        monkeypatch.setattr(kallsyms, "_ALL", 10000)
        with pytest.raises(BadInput, match="longer than any kernel's"):
            kallsyms.read(NAMES, made.BASE)

    def test_a_name_longer_than_any(self):
        symbols = made.filled()
        symbols[0] = (symbols[0][0], "T", "x" * 510)
        assert "x" * 510 in kallsyms.read(made.names_section(symbols), made.BASE).absolute
        symbols[0] = (symbols[0][0], "T", "x" * 600)
        with pytest.raises(BadInput, match="of a form that is not known"):
            kallsyms.read(made.names_section(symbols), made.BASE)

    def test_a_base_everywhere(self, monkeypatch):
        """For each of them a number, behind which as many names are: any of these is read to its end, and is none."""
        tried = self.counted(monkeypatch, "_places")
        tokens = kallsyms.tokens_in(NAMES)
        texts, bases, least = NAMES[tokens.begin:tokens.end], 200, 2000
        lures = b"".join(b"\x0c" + struct.pack("<Q", least + 2 * base) + b"\3aaa" for base in range(bases))
        data = lures + b"\1a" * (least + 2 * bases) + bytes(8)
        data += bytes(-len(data) % 8) + texts + bytes(-len(texts) % 8) + bytes(4 * least) + struct.pack("<Q", made.BASE) * bases
        with pytest.raises(BadInput, match="of a form that is not known"):
            kallsyms.read(data, made.BASE)
        assert len(tried) == 2 * kallsyms._NAMES_TRIED and {given[2] for given in tried} >= {least, least + 2}

    def test_digits_everywhere(self, monkeypatch):
        tried = self.counted(monkeypatch, "_tokens_around")
        with pytest.raises(BadInput, match="no table of names"):
            kallsyms.read(b"".join(b"%d\0" % digit for digit in range(10)) * 1000, made.BASE)
        assert len(tried) == kallsyms._TOKENS_TRIED


class TestBtf:
    def test_members(self):
        types = btf.Btf(made.btf_section())
        assert types.offsets("task_struct", ["comm", "tgid", "absent"]) == {"comm": 2976, "tgid": 2420}
        assert types.offsets("nobody", ["comm"]) == {} and sorted(types.structs) == sorted(made.STRUCTS)

    @pytest.mark.parametrize("data", [b"", bytes(24), made.btf_section()[:-1], made.btf_section()[:40],
                                      made.btf_section().replace(struct.pack("<I", 4 << 24 | 5), struct.pack("<I", 30 << 24))])
    def test_what_is_none(self, data):
        with pytest.raises(BadInput):
            btf.Btf(data)

    def test_structs_in_each_other_without_end(self):
        """A struct that holds itself without a name is looked into only so deep."""
        types = struct.pack("<IIIIII", 1, 4 << 24 | 1, 8, 0, 1, 0)
        data = struct.pack("<HBBIIIII", 0xeb9f, 1, 0, 24, 0, len(types), len(types), 3) + types + b"\0s\0"
        assert btf.Btf(data).offsets("s", ["x"]) == {}

    def test_many_of_them_in_each_other(self):
        """Eight, each with 60000 members without a name that are the next one: 60000 to the eighth would be looked at."""
        members, types = 60000, b""
        for number in range(1, 9):
            types += struct.pack("<III", 1 if number == 1 else 0, 4 << 24 | members, 8)
            types += struct.pack("<III", 0, number + 1, 0) * members
        data = struct.pack("<HBBIIIII", 0xeb9f, 1, 0, 24, 0, len(types), len(types), 3) + types + b"\0s\0"
        before = time.process_time()
        assert btf.Btf(data).offsets("s", ["x"]) == {} and time.process_time() - before < 10

    def test_more_types_than_any_kernel(self, monkeypatch):
        monkeypatch.setattr(btf, "_MOST", 3)
        with pytest.raises(BadInput, match="more types than any kernel"):
            btf.Btf(made.btf_section())


class TestOrc:
    @pytest.mark.parametrize("three_bits", [False, True])
    def test_a_stack_to_its_end(self, three_bits):
        ips, entries = made.orc_sections(made.ORC_ROWS, three_bits)
        tables = orc.Orc.of_sections(made.ORC_IP, ips, entries, made.BASE)
        assert tables.three_bits is three_bits
        memory = {}
        # work_loop, called by vfs_read, which was called by ksys_read, do_syscall_64 and the entry, which ends the stack
        for number, caller in enumerate(("vfs_read", "ksys_read", "do_syscall_64", "entry_SYSCALL_64")):
            memory[1000 + 24 * number + 16] = made.AT[caller] + 8
            memory[1000 + 24 * number + 8] = 77 + number
        frames, whole = orc.walk(lambda ip: tables, orc.Frame(made.AT["work_loop"] + 3, 1000, 5, False, {}), memory.__getitem__)
        assert [frame.ip - 8 for frame in frames[1:]] == [made.AT[name] for name in (
            "vfs_read", "ksys_read", "do_syscall_64", "entry_SYSCALL_64")]
        assert whole and frames[2].bp == 78 and frames[-1].sp == 1096

    def test_registers_of_a_fault(self):
        tables = orc.Orc.of_sections(made.ORC_IP, *made.orc_sections(made.ORC_ROWS), made.BASE)
        memory = {1000 + 8 * number: 0 for number in range(21)}
        memory.update({1128: made.AT["entry_SYSCALL_64"], 1152: 2000, 1032: 9, 1016: 13})
        frames, whole = orc.walk(lambda ip: tables, orc.Frame(made.AT["asm_exc_page_fault"], 1000, 0, False, {}),
                                 memory.__getitem__)
        assert whole and frames[1][:4] == (made.AT["entry_SYSCALL_64"], 2000, 9, False) and frames[1].more["r13"] == 13

    def test_the_registers_that_lead_on(self):
        rows = [(made.BASE, 8, 0, made.SP_INDIRECT, 0, made.CALL), (made.BASE + 16, 16, 0, made.BP_INDIRECT, 0, made.CALL),
                (made.BASE + 32, 8, 0, 6, 0, made.CALL), (made.BASE + 48, 0, 0, made.SP, 0, made.PARTIAL),
                (made.BASE + 64, 16, -24, made.BP, made.BP, made.CALL)]
        tables = orc.Orc.of_sections(made.ORC_IP, *made.orc_sections(rows), made.BASE)
        to = made.BASE + 100
        assert tables.step(orc.Frame(made.BASE, 100, 0, False, {}), {100: 500, 500: to}.__getitem__)[:2] == (to, 508)
        before = orc.Orc(tables.base, tables.ips, tables.entries, tables.three_bits, early=True)      # until 5.11
        assert before.step(orc.Frame(made.BASE, 100, 0, False, {}), {108: 500, 492: to}.__getitem__)[:2] == (to, 500)
        assert tables.step(orc.Frame(made.BASE + 16, 1, 100, False, {}), {116: 500, 492: to}.__getitem__)[:2] == (to, 500)
        assert tables.step(orc.Frame(made.BASE + 32, 1, 1, False, {"r10": 40}), {40: to}.__getitem__)[:2] == (to, 48)
        assert tables.step(orc.Frame(made.BASE + 32, 1, 1, False, {}), {}.__getitem__) is None
        assert tables.step(orc.Frame(made.BASE + 48, 200, 3, False, {}), {200: to, 224: 9}.__getitem__)[:4] == (to, 9, 3, False)
        assert tables.step(orc.Frame(made.BASE + 64, 1, 100, False, {}), {108: to, 76: 4}.__getitem__)[:3] == (to, 116, 4)

    def test_what_was_not_read_ends_it(self):
        tables = orc.Orc.of_sections(made.ORC_IP, *made.orc_sections(made.ORC_ROWS), made.BASE)
        frames, whole = orc.walk(lambda ip: tables, orc.Frame(made.AT["work_loop"], 1000, 0, False, {}), {}.__getitem__)
        assert len(frames) == 1 and not whole

    def test_a_stack_that_leads_back_ends(self):
        """Words that a guest made up: each return address is its own function's."""
        tables = orc.Orc.of_sections(made.ORC_IP, *made.orc_sections(made.ORC_ROWS), made.BASE)
        frames, whole = orc.walk(lambda ip: tables, orc.Frame(made.AT["work_loop"], 1000, 0, False, {}),
                                 lambda at: made.AT["work_loop"] + 1)
        assert len(frames) == orc.TOO_DEEP and not whole

    @pytest.mark.parametrize("ips, entries, said", [
        (b"123", b"", "cut off"), (bytes(8), bytes(6), "2 addresses and 6 bytes"),
        (struct.pack("<i", -0x700001), bytes(6), "not the kernel's")])
    def test_what_is_none(self, ips, entries, said):
        with pytest.raises(BadInput, match=said):
            orc.Orc.of_sections(made.ORC_IP, ips, entries, made.BASE)

    @given(st.binary(max_size=60), st.integers(0, (1 << 64) - 1), st.integers(0, (1 << 64) - 1))
    def test_any_entries_and_any_words(self, entries, sp, word):
        number = len(entries) // 6
        tables = orc.Orc(made.BASE, [16 * row for row in range(number)], entries[:6 * number])
        frames, _ = orc.walk(lambda ip: tables, orc.Frame(made.BASE + 20, sp, word, False, {}),
                             lambda at: (at * 3 + word) % (1 << 64))
        assert 1 <= len(frames) <= orc.TOO_DEEP
