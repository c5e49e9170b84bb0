"""A guest's registers and memory: page tables of every form, tasks, modules, stacks; and a guest that lies."""
import struct

import pytest
from helpers import fake_guest as fake
from helpers import kernel_image as made
from hypothesis import given
from hypothesis import strategies as st

from xenmeter.core.errors import DomainGone, NoPrivilege, Unsupported
from xenmeter.profile.guest import mappings, modules, tasks
from xenmeter.profile.guest.look import Guest
from xenmeter.profile.guest.paging import Space, spaces_of
from xenmeter.profile.kernel import facts
from xenmeter.profile.kernel.elf import Elf
from xenmeter.profile.sample import KERNEL, NOT_SEEN, USER, Remembered, as_record, of_record
from xenmeter.profile.stacks import CUT, LEAF, WHOLE, Stacks
from xenmeter.profile.tally import shown
from xenmeter.xen import structs
from xenmeter.xen.foreign import Frames, Unmapped

KNOWN = facts.of_elf(Elf(made.small_kernel()))
LATE = facts.of_elf(Elf(made.small_kernel(late=True, three_bits=True)))
HVM = 2


def frames_of(guest, most=64):
    return Frames(5, guest.memory, most, guest.memory.view)


def looked(guest, vcpus=None, kernel=KNOWN, flags=0):
    xen = fake.Xen({5: vcpus or [{"cpu_time": 0, "context": guest.context()}]}, flags)
    return Guest(xen, xen.domains()[0], frames_of(guest), kernel)


class TestPaging:
    @pytest.mark.parametrize("levels", [4, 5])
    @pytest.mark.parametrize("large", [0, 21, 30])
    def test_what_was_put_there_is_read(self, levels, large):
        memory = fake.Memory(levels)
        root = memory.new()
        data = bytes(range(256)) * 40
        memory.put(root, 0x12345678000 + 100, data, large)
        space = Space(Frames(1, memory, 8, memory.view), [root], levels)
        assert space.read(0x12345678000 + 100, len(data)) == data
        assert space.word(0x12345678000 + 4096 - 3) == int.from_bytes(data[3993:4001], "little")
        with pytest.raises(Unmapped):
            space.read(0x22345678000, 1)
        assert space.some(0x12345678000 + 100, 1 << 22)[:len(data)] == data

    @pytest.mark.parametrize("levels", [4, 5])
    @pytest.mark.parametrize("large", [0, 21, 30])
    def test_many_pages_at_once_are_those_of_each(self, levels, large):
        memory = fake.Memory(levels)
        roots = [memory.new(), memory.new()]
        begin = 0xffffffff81000000 + 510 * 4096
        for root, page in ((roots[0], 0), (roots[0], 3), (roots[1], 1), (roots[1], 3), (roots[1], 700)):
            memory.put(root, begin + page * 4096, b"%d" % page, large)
        if not large:
            memory.protect(roots[1], begin + 700 * 4096, 8, 1 << 63)
        space = Space(Frames(1, memory, 64, memory.view), roots, levels)

        def frame_of(address):
            try:
                return space.frame_of(address)
            except Unmapped:
                return None
        found = space.pages(begin, 900)
        assert [page and page.frame for page in found] == [frame_of(begin + 4096 * number) for number in range(900)]
        assert (found[700].constant, found[700].code) == ((True, False) if not large else (False, True))
        memory.put(roots[0], begin + 4096 * 800 - 6, b"over the edge", large)
        assert space.much(begin + 4096 * 800 - 6, 13) == b"over the edge"
        with pytest.raises(Unmapped):
            space.much(begin - (1 << 40), 8)
        with pytest.raises(Unmapped):
            space.much(begin, 1 << 40)

    def test_pages_are_bounded_and_given_back(self):
        memory = fake.Memory()
        root = memory.new()
        memory.put(root, 0x1000, bytes(40 * 4096))
        frames = Frames(1, memory, 8, memory.view)
        Space(frames, [root]).read(0x1000, 40 * 4096)
        assert len(memory.open) == 8 and frames.mapped > 40
        frames.close()
        assert memory.open == {}

    def test_a_table_that_leads_to_itself_ends(self):
        memory = fake.Memory()
        root = memory.new()
        memory.pages[root][:] = struct.pack("<Q", root << 12 | 1) * 512
        frames = Frames(1, memory, 8, memory.view)
        assert Space(frames, [root]).word(0x7000) == root << 12 | 1

    def test_frames_that_no_machine_has(self):
        memory = fake.Memory()
        root = memory.new()
        memory.pages[root][:] = b"\xff" * 4096
        with pytest.raises(Unmapped):
            Space(Frames(1, memory, 8, memory.view), [root]).word(0)

    def test_questions_without_measure(self):
        memory = fake.Memory()
        with pytest.raises(Unmapped, match="more than anything"):
            Space(Frames(1, memory, 8, memory.view), [memory.new()]).read(0, 1 << 40)

    def test_no_privilege_is_told(self):
        memory = fake.Memory()
        memory.refuse = OSError(1, "Operation not permitted")
        with pytest.raises(NoPrivilege, match="memory of domain 3 may not be mapped: run as root"):
            Frames(3, memory, 8, memory.view).page(5)

    def test_a_device_that_a_guests_tables_name_is_no_end(self):
        """Once the guest has let us in, what may not be mapped is not there."""
        memory = fake.Memory()
        frames = Frames(3, memory, 8, memory.view)
        frames.page(memory.new())
        memory.refuse = OSError(1, "Operation not permitted")
        with pytest.raises(Unmapped):
            frames.page(0xfee00)

    def test_both_tables_of_a_pv_guest(self):
        guest = fake.Guest()
        guest.memory.put(guest.user_root, 0x401000, b"users...")
        guest.put(0x401000, b"kernels.")
        kernel, user = spaces_of(frames_of(guest), guest.context(kernel=False), True)
        assert (kernel.read(0x401000, 8), user.read(0x401000, 8)) == (b"kernels.", b"users...")

    def test_page_table_isolation(self):
        """The user's table knows no kernel: the other one of the pair does."""
        memory = fake.Memory()
        memory._next = 0x201
        root, user = memory.new(), memory.new()     # 0x202, 0x203: a pair, of which the second is the user's
        memory.put(root, 0xffffffff81000000, b"kernels.")
        memory.put(user, 0x401000, b"users...")
        guest = fake.Guest()
        context = guest.context(kernel=False, cr3=user << 12 | 5)
        kernel, own = spaces_of(Frames(1, memory, 8, memory.view), context, False)
        assert kernel.read(0xffffffff81000000, 8) == b"kernels." and own.read(0x401000, 8) == b"users..."

    @pytest.mark.parametrize("registers", [{"cr0": 0}, {"cr4": 0}])
    def test_a_vcpu_without_paging_has_no_spaces(self, registers):
        guest = fake.Guest()
        assert spaces_of(frames_of(guest), guest.context(**registers), False) is None

    @given(st.binary(min_size=8, max_size=64), st.integers(0, (1 << 64) - 1))
    def test_any_tables(self, words, address):
        memory = fake.Memory()
        root = memory.new()
        for _ in range(3):
            memory.new()
        for number, page in enumerate(memory.pages.values()):
            page[:] = (words[number:] + words)[:8] * 512
        try:
            Space(Frames(1, memory, 4, memory.view), [root]).word(address)
        except Unmapped:
            pass
        assert len(memory.open) <= 4


class TestTasks:
    def test_the_one_that_runs(self):
        guest = fake.Guest()
        space = spaces_of(frames_of(guest), guest.context(), True)[0]
        assert tasks.current(space, fake.GS, KNOWN) == ((77, "nginx"), fake.TASK)

    @pytest.mark.parametrize("name, shown", [(b"\x1b[2J;", "?[2J;"), (b"", "?"), (b"\xff\xfe", "\ufffd\ufffd"),
                                             (b"x" * 16, "x" * 16)])
    def test_names_that_a_guest_makes_up(self, name, shown):
        guest = fake.Guest()
        guest.task(1, name)
        space = spaces_of(frames_of(guest), guest.context(), True)[0]
        assert tasks.current(space, fake.GS, KNOWN).shown.name == shown

    def test_a_pointer_to_nowhere(self):
        guest = fake.Guest()
        guest.put(fake.GS + made.CURRENT, b"\xff" * 8)
        space = spaces_of(frames_of(guest), guest.context(), True)[0]
        assert tasks.current(space, fake.GS, KNOWN) is None


MAPPED = [(0x400000, 0x402000, b"nginx", 0x3000), (fake.HEAP, fake.HEAP + 0x3000, None, 0),
          (0x7f0000000000, 0x7f0000200000, b"libc.so.6", 0x28000), (0x7f0000300000, 0x7f0000301000, None, 0),
          (0x7f0000400000, 0x7f0000401000, b"\x1b[2J", 0), (0x7f0000500000, 0x7f0000502000, b"vdso", 0),
          (fake.USER_STACK - 0x1000, fake.USER_STACK + 0x1000, None, 0)]


class TestMappings:
    @pytest.mark.parametrize("late", [False, True], ids=["a list", "a maple tree"])
    @pytest.mark.parametrize("address, place", [
        (0x401234, ("nginx", 0x4234)), (fake.HEAP + 5, ("heap", 5)), (0x7f00001fffff, ("libc.so.6", 0x227fff)),
        (0x7f0000300010, ("anon", 16)), (0x7f0000400000, ("?[2J", 0)), (0x7f0000500700, ("vdso", 0x700)),
        (fake.USER_STACK, ("stack", 0x1000)), (0x402000, None), (0x3fffff, None), (0x7f0000200000, None), (1 << 46, None)])
    def test_what_an_address_is_mapped_from(self, late, address, place):
        kernel = facts.of_elf(Elf(made.small_kernel(late=late, three_bits=late)))
        guest = fake.Guest()
        guest.put_mappings(MAPPED, late)
        space = spaces_of(frames_of(guest), guest.context(), True)[0]
        assert mappings.place_of(space, fake.TASK, address, kernel.user) == place

    def test_a_thread_of_the_kernels_has_none(self):
        guest = fake.Guest()
        space = spaces_of(frames_of(guest), guest.context(), True)[0]
        guest.put(fake.TASK + 2272, bytes(8))
        assert mappings.place_of(space, fake.TASK, 0x401000, KNOWN.user) is None
        assert mappings.place_of(space, fake.TASK, 0x401000, {}) is None

    @given(st.lists(st.tuples(st.integers(0, 0x1500), st.binary(min_size=8, max_size=8)), max_size=8), st.booleans(),
           st.integers(0, (1 << 47) - 1))
    def test_mappings_that_lie(self, patches, late, address):
        """Whatever is written over them, the walk ends, and a name is one that can be shown."""
        kernel = LATE if late else KNOWN
        guest = fake.Guest()
        guest.put_mappings(MAPPED, late)
        for at, data in patches:
            for base in (fake.MM, fake.AREAS, fake.TREE):
                guest.put(base + at, data)
        place = mappings.place_of(spaces_of(frames_of(guest, 16), guest.context(), True)[0], fake.TASK, address, kernel.user)
        assert place is None or place.name.isprintable()

    def test_a_list_without_end(self):
        guest = fake.Guest()
        guest.put_mappings(MAPPED)
        guest.put(fake.AREAS + 16, struct.pack("<Q", fake.AREAS))
        space = spaces_of(frames_of(guest), guest.context(), True)[0]
        assert mappings.place_of(space, fake.TASK, 1 << 46, KNOWN.user) is None

    def test_it_is_in_the_sample_and_names_the_frame(self):
        guest = fake.Guest()
        guest.put_mappings(MAPPED)
        there = looked(guest, [{"cpu_time": 0, "context": guest.context(kernel=False, rip=0x401234)}])
        sample = there.take(9, 0, 1000, lambda sample, word: None)
        assert sample.place == ("nginx", 0x4234) and of_record(as_record(sample)) == sample._replace(memory=[])
        stack = Stacks(None).of(sample, None)
        assert list(stack.frames) == ["[nginx]", "0x4234 [nginx]"] and stack.followed == LEAF and shown(stack.frames) == "[nginx]"
        assert of_record({name: value for name, value in as_record(sample).items() if name != "place"}).place is None
        there.close()


class TestKernelInMemory:
    @pytest.mark.parametrize("late, slide, flags", [(False, 0, 0), (True, 0, 0), (False, 6 << 20, HVM), (True, 510 << 20, HVM)])
    def test_it_tells_what_its_file_does(self, late, slide, flags):
        guest = fake.Guest(slide=slide)
        guest.put_kernel(late, slide)
        known = facts.of_elf(Elf(made.small_kernel(late=late, three_bits=late)))
        there = looked(guest, [{"cpu_time": 0, "context": guest.context(**guest.stack(["schedule"]))}], None, flags)
        assert there.read_kernel([]) is None, "no vCPU was looked at yet"
        there.take(9, 0, 1000, lambda sample, word: None)
        assert there.read_kernel([]) == "was read from its memory" and there.slide == slide
        found = there.kernel
        for name in ("release", "build_id", "base", "note", "current", "task", "modules", "user", "hypercall_page"):
            assert getattr(found, name) == getattr(known, name), name
        assert list(found.names.at) == list(known.names.at) and found.names.names == known.names.names
        assert (found.orc.base, list(found.orc.ips), found.orc.entries, found.orc.three_bits) == (
            known.orc.base, list(known.orc.ips), known.orc.entries, late)
        assert there.take(9, 0, 1000, lambda sample, word: None).task == (77, "nginx")
        there.close()

    def test_one_that_was_read_before_is_known_by_its_notes(self):
        guest = fake.Guest()
        other = facts.of_elf(Elf(made.small_kernel(build_id=b"x" * 20)))
        there = looked(guest, [{"cpu_time": 0, "context": guest.context(**guest.stack(["schedule"]))}], None)
        there.take(9, 0, 1000, lambda sample, word: None)
        assert there.read_kernel([other]) is None and there.kernel is None and there.slide is None
        assert there.read_kernel([other, KNOWN]) == "was read before, and is known by its build id" and there.kernel is KNOWN
        there.close()

    def test_what_a_kernel_protects_is_read_first_and_of_the_rest_what_is_needed(self):
        """Its text, and data of which nothing is told, is left where it is; and what is read is mapped with few questions."""
        guest = fake.Guest()
        guest.put_kernel()
        guest.put(made.BASE + 0x1000, b"\x90" * 300 * 4096)
        guest.memory.protect(guest.root, made.BASE, 301 * 4096, 0)
        frames = frames_of(guest)
        code = {Space(frames, [guest.root]).frame_of(made.BASE + 4096 * page) for page in range(301)}
        frames.forget()
        for begin, data in made.in_memory():
            if begin not in (made.BASE, made.parts(False, False, made.BUILD_ID)["orc_unwind"][0]):
                guest.memory.protect(guest.root, begin, len(data), 1 << 63)
        there = looked(guest, [{"cpu_time": 0, "context": guest.context(**guest.stack(["schedule"]))}], None)
        there.take(9, 0, 1000, lambda sample, word: None)
        assert there.read_kernel([]) == "was read from its memory" and there.kernel.orc is not None
        assert guest.memory.copied and not code & set(guest.memory.copied)
        assert there._frames.questions < 100
        there.close()

    @pytest.mark.parametrize("pieces", [
        [], [(made.BASE, b"x" * 9000)], [(made.BASE, b"\0" * 4096), (made.RODATA, b"0\0001\0002\0")]])
    def test_where_there_is_none(self, pieces):
        guest = fake.Guest()
        guest.memory.pages[guest.root][:] = bytes(4096)
        for address, data in pieces:
            guest.put(address, data)
        there = looked(guest, None, None)
        there.take(9, 0, 1000, lambda sample, word: None)
        assert there.read_kernel([]) is None and there.kernel is None
        there.close()


class TestModules:
    def test_names_and_tables(self):
        guest = fake.Guest()
        module, = modules.loaded(spaces_of(frames_of(guest), guest.context(), True)[0], KNOWN)
        assert (module.name, module.begin, module.end) == ("xen_blkfront", fake.MODULE_TEXT, fake.MODULE_TEXT + 0x1000)
        assert module.names.of(fake.MODULE_TEXT + fake.MODULE_AT + 5) == fake.MODULE_FUNCTION
        assert module.orc.cfa(fake.MODULE_TEXT + fake.MODULE_AT) == (5, 24, 0)

    @pytest.mark.parametrize("at, data", [
        (fake.MODULE + 8, b"\xff" * 8), (fake.MODULE + 328, b"\xff" * 4), (fake.MODULE + 480, b"\xff" * 4),
        (fake.TABLES + 8, b"\xff" * 4), (fake.TABLES, b"\xff" * 8), (fake.TABLES + 16, b"\xff" * 8), (fake.MODULE + 24, bytes(8)),
        (fake.MODULE + 8, struct.pack("<Q", fake.MODULE + 8)), (made.MODULES, bytes(8))])
    def test_lengths_and_pointers_that_lie(self, at, data):
        guest = fake.Guest()
        guest.put(at, data)
        found = modules.loaded(spaces_of(frames_of(guest, 16), guest.context(), True)[0], KNOWN)
        assert len(found) <= modules.MOST and len(guest.memory.open) <= 16

    def test_many_large_ones_of_the_same_memory(self, monkeypatch):
        """The tables of 512 modules may be the same pages, each as large as a module's may be: there is a bound to all."""
        guest = fake.Guest()
        ring = [fake.MODULE] + [0xffffffffc8000000 + 0x1000 * number for number in range(20)]
        for number, module in enumerate(ring):
            following = ring[number + 1] if number + 1 < len(ring) else None
            guest.put(module + 8, struct.pack("<Q", following + 8 if following else made.MODULES))
            if number:
                guest.put(module + 24, b"more%d\0" % number)
                guest.put(module + 320, struct.pack("<QI", fake.MODULE_TEXT, 0x1000))
                guest.put(module + 544, struct.pack("<Q", fake.TABLES))
                guest.put(module + 480, struct.pack("<IIQQ", 2, 0, fake.TABLES + 0x400, fake.TABLES + 0x500))
        space = spaces_of(frames_of(guest), guest.context(), True)[0]
        assert [len(module.names.at) for module in modules.loaded(space, KNOWN)] == [1] * len(ring)
        monkeypatch.setattr(modules, "_ALL_SYMBOLS", 3 * 5)
        monkeypatch.setattr(modules, "_ALL_ORCS", 2 * 4)
        found = modules.loaded(space, KNOWN)
        assert len(found) == len(ring)
        assert sum(len(module.names.at) for module in found) == 5 and sum(module.orc is not None for module in found) == 4
        again = modules.loaded(space, KNOWN, before=found[:3])
        assert sum(len(module.names.at) for module in again) <= 15 and sum(module.orc is not None for module in again) <= 4


class TestLook:
    def take(self, guest, stacks=None, **registers):
        kernel = registers.pop("kernel", True)
        there = looked(guest, [{"cpu_time": 0, "context": guest.context(kernel=kernel, **registers)}])
        told = []

        def follow(sample, word):
            told.append((stacks or Stacks(KNOWN, there.slide or 0, there.modules())).of(sample, word))
        sample = there.take(9, 0, 1000, follow)
        there.close()
        return sample, told[0], there

    def test_a_stack_of_kernel_and_module(self):
        guest = fake.Guest()
        names = [fake.MODULE_FUNCTION, "vfs_read", "ksys_read", "do_syscall_64", "entry_SYSCALL_64"]
        sample, stack, there = self.take(guest, **guest.stack(names))
        assert list(stack.frames) == ["entry_SYSCALL_64", "do_syscall_64", "ksys_read", "vfs_read",
                                      "blkif_queue_request [xen_blkfront]"]
        assert stack.followed == WHOLE and sample.mode == KERNEL and sample.task == (77, "nginx")
        assert there.pauses == 1 and there.paused_ns > 0
        again = Stacks(KNOWN, 0, []).of(sample, Remembered(sample.memory).word)
        assert len(again.frames) == 1 and again.followed == LEAF, "without the module nobody knows how far its frame reaches"

    def test_a_stack_that_ends_on_another_page_is_in_the_sample(self):
        """From the stack of interrupts to the task's: what was read there is kept."""
        guest = fake.Guest()
        registers = guest.stack(["asm_exc_page_fault"], sp=fake.STACK + 0x7f00)
        guest.put(fake.STACK + 0x7f00, bytes(128) + struct.pack("<QQQQ", made.AT["work_loop"], 0, 0, fake.STACK + 0x3e00))
        guest.stack(["work_loop", "do_syscall_64", "entry_SYSCALL_64"])
        sample, stack, _ = self.take(guest, rip=made.AT["asm_exc_page_fault"], rsp=registers["rsp"])
        assert list(stack.frames) == ["entry_SYSCALL_64", "do_syscall_64", "work_loop", "asm_exc_page_fault"]
        assert Stacks(KNOWN).of(sample, Remembered(sample.memory).word) == stack

    @pytest.mark.parametrize("slide", [0, 2 << 20, 510 << 20])
    def test_a_kernel_that_was_moved_is_found(self, slide):
        guest = fake.Guest(slide=slide)
        there = looked(guest, [{"cpu_time": 0, "context": guest.context(**guest.stack(["schedule"]))}], flags=HVM)
        there.take(9, 0, 1000, lambda sample, word: None)
        assert there.slide == slide and there.refused == ""
        assert Stacks(KNOWN, slide).name(made.AT["schedule"] + slide) == "schedule"
        there.close()

    @pytest.mark.parametrize("flags", [0, HVM])
    def test_another_build_is_refused(self, flags):
        guest = fake.Guest(build_id=b"x" * 20)
        there = looked(guest, [{"cpu_time": 0, "context": guest.context(**guest.stack(["schedule"]))}], flags=flags)
        sample = there.take(9, 0, 1000, lambda sample, word: None)
        assert there.slide is None and sample.task is None and there.modules() == []
        assert there.refused == "build id %s is not in the guest's memory where this kernel has it" % made.BUILD_ID.hex()
        there.close()

    def test_user_mode_by_frame_pointers_that_symbols_bear_out(self):
        guest = fake.Guest()
        guest.memory.put(guest.user_root, fake.USER_STACK, struct.pack("<QQ", 0, fake.USER_TEXT + 0x105))
        names = facts.Names([fake.USER_TEXT, fake.USER_TEXT + 0x100], ["burn_f", "main"], {})
        _, stack, _ = self.take(guest, Stacks(None, user=names), kernel=False, rip=fake.USER_TEXT + 7, rsp=fake.USER_STACK - 16,
                                rbp=fake.USER_STACK)
        assert list(stack.frames) == ["main", "burn_f"]
        _, stack, _ = self.take(guest, Stacks(None), kernel=False, rip=fake.USER_TEXT + 7, rsp=fake.USER_STACK - 16,
                                rbp=fake.USER_STACK)
        assert list(stack.frames) == ["0x401007"] and stack.followed == LEAF

    @pytest.mark.parametrize("at, pushed", [(0, 0), (1, 8), (3, 16), (8, 16), (10, 16), (12, 8), (13, 0)])
    def test_in_the_hypercall_page_what_it_pushed_is_no_part_of_the_kernels_frame(self, at, pushed):
        """Push rcx, push r11 ... syscall: Xen's own code, of which the kernel's tables know nothing."""
        guest = fake.Guest()
        sp = fake.STACK + 0x3c00
        guest.stack(["schedule", "do_syscall_64", "entry_SYSCALL_64"], sp + pushed + 8)
        guest.put(sp, bytes([9]) * pushed + struct.pack("<Q", made.AT["schedule"] + 8))
        sample, stack, _ = self.take(guest, rip=made.HYPERCALLS + 29 * 32 + at, rsp=sp)
        assert list(stack.frames) == ["entry_SYSCALL_64", "do_syscall_64", "schedule", "hypercall_page"]
        assert sample.registers["rsp"] == sp + pushed and stack.followed == WHOLE

    def test_a_dying_domain_is_gone(self):
        guest = fake.Guest()
        there = looked(guest, [{"cpu_time": 7, "context": guest.context()}])
        assert there.cpu_time() == 7
        there._xen.flags = structs.DYING
        with pytest.raises(DomainGone, match="is dying"):
            there.cpu_time()
        there.close()

    def test_a_vcpu_that_was_taken_away(self):
        guest = fake.Guest()
        there = looked(guest, [{"cpu_time": 0, "context": None}])
        sample = there.take(9, 0, 1000, lambda sample, word: None)
        assert sample.mode == NOT_SEEN and Stacks(KNOWN).of(sample, None).frames == ("[not seen]",)

    def test_user_mode_reads_the_task_through_the_kernels_table(self):
        sample, _, _ = self.take(fake.Guest(), Stacks(None), kernel=False, rip=0x401000)
        assert sample.mode == USER and sample.task == (77, "nginx")

    def test_a_guest_of_32_bits_is_refused(self):
        xen = fake.Xen({5: [None]})
        xen.width = 32
        with pytest.raises(Unsupported, match="PV guest of 32 bits"):
            Guest(xen, xen.domains()[0], None)

    def test_without_unwind_tables_frame_pointers(self):
        kernel = facts.of_elf(Elf(made.small_kernel()))
        kernel.orc = None
        guest = fake.Guest()
        sp = fake.STACK + 0x3e00
        guest.put(sp, struct.pack("<QQQQ", sp + 16, made.AT["vfs_read"] + 5, 0, 3))
        _, stack, _ = self.take(guest, Stacks(kernel), rip=made.AT["work_loop"], rsp=sp, rbp=sp)
        assert list(stack.frames) == ["vfs_read", "work_loop"] and stack.followed == CUT
