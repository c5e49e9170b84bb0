"""What a profile costs dom0: reading a kernel, out of its file or a guest's memory, and a sample with a whole kernel stack.

    python3 tests/bench/profile.py [--samples N] [--depth N]

The images are Debian's, downloaded where they are not there yet. Reading one is CPU time of this process and of the program that
unpacks it; again it comes out of what was kept; out of memory it is as the kernel lies there, its pages mapped by a stand-in.

The samples are of a guest made up in memory whose page tables are walked, whose stack is followed by the image's own unwind
tables through so many functions and named, or whose mappings are looked through. There is no Xen here: each hypercall is built,
made as a system call that the kernel refuses, and then answered by a stand-in; a page that is mapped anew is a mapping of a file,
such a call, and the end of it. What Xen itself takes for them is not in it, so it is told how many there are, and what the aim
leaves for each. The best of five turns; the floor is the copy of the stack's bytes alone.
"""
import argparse
import ctypes
import mmap
import os
import pathlib
import struct
import sys
import tempfile
import threading
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "tests"), str(TOP / "plugins")]

from helpers import fake_guest as fake  # noqa: E402
from helpers import kernel_image as made  # noqa: E402
from helpers import kernels  # noqa: E402
from xenmeter.profile.follow import Follower    # noqa: E402
from xenmeter.profile.guest import inmemory     # noqa: E402
from xenmeter.profile.guest.look import Guest   # noqa: E402
from xenmeter.profile.kernel import cache, facts    # noqa: E402
from xenmeter.profile.kernel.elf import Elf     # noqa: E402
from xenmeter.profile.kernel.image import data_of, unpack   # noqa: E402
from xenmeter.profile.guest.paging import Space     # noqa: E402
from xenmeter.profile.sampler import Sampler    # noqa: E402
from xenmeter.profile.stacks import Stacks  # noqa: E402
from xenmeter.profile.tally import Tally    # noqa: E402
from xenmeter.xen import calls, structs     # noqa: E402
from xenmeter.xen.foreign import Frames     # noqa: E402
from xenmeter.xen.hypervisor import Hypervisor  # noqa: E402

TURNS = 5
HVM = 2     # of a domain's flags


class StandIn(calls.DeviceCalls):
    """A domain with one vCPU that always runs, with these registers. Each call goes to a device that refuses it."""

    def __init__(self, context):
        super().__init__()
        self.registers = ctypes.create_string_buffer(structs.VCPU_CONTEXT.size)
        structs.VCPU_CONTEXT.pack_into(memoryview(self.registers).cast("B"), 0, context._asdict())
        self.cpu_ns = 0

    def call(self, number, a=0, b=0, c=0):
        try:
            super().call(number, a, b, c)
        except OSError:
            pass
        argument = memoryview((ctypes.c_ubyte * 256).from_address(a)).cast("B")
        command, = struct.unpack_from("<I", argument)
        if command == structs.DOMCTL_GETVCPUCONTEXT:
            ctypes.memmove(structs.VCPUCONTEXT.unpack(argument).ctxt, self.registers, len(self.registers))
        elif command == structs.DOMCTL_GETVCPUINFO:
            self.cpu_ns += 10 ** 7
            structs.GETVCPUINFO.pack_into(argument, 0, {"online": 1, "running": 1, "cpu_time": self.cpu_ns})
        return 0


class Pages:
    """A mapper of a guest's made-up memory. Each page is mapped from a file, asked for in vain, and given back."""

    def __init__(self, memory):
        self._memory = memory
        self._file = tempfile.TemporaryFile()
        self._file.truncate(4096)
        self._maps = {}

    def map(self, domid, frame):
        page = mmap.mmap(self._file.fileno(), 4096, mmap.MAP_SHARED, mmap.PROT_READ)
        try:
            calls.fcntl.ioctl(self._file.fileno(), 0x00205004, bytearray(32))
        except OSError:
            pass
        self._maps[frame] = page
        return frame

    def unmap(self, address):
        self._maps.pop(address).close()

    def view(self, address):
        return memoryview(self._memory.pages[address])

    def close(self):
        self._file.close()


class AsItLies:
    """A kernel's sections as 4 KiB pages of a guest, those that are constant protected."""

    def __init__(self, elf, base):
        self.pages, self.frames = {}, {}
        for part in elf.sections.values():
            if part.address >= base and part.kind != 8:
                for at in range(part.address & -4096, part.address + part.size, 4096):
                    self.frames.setdefault(at, len(self.frames))
                    page = self.pages.setdefault(self.frames[at], bytearray(4096))
                    begin, data = max(part.address, at), elf.section(part.name)[1]
                    some = data[begin - part.address:at + 4096 - part.address]
                    page[begin - at:begin - at + len(some)] = some
        self.memory = fake.Memory()
        self.root = self.memory.new()
        self.memory._next = len(self.frames) + 0x1000
        rodata, written = elf.sections[".rodata"].address, elf.sections[".data"].address
        for at, frame in self.frames.items():
            self.memory.put(self.root, at, bytes(self.pages[frame]))
            if at < written:
                self.memory.protect(self.root, at, 1, 1 << 63 if at >= rodata else 0)

    def space(self):
        return Space(Frames(5, self.memory, 256, self.memory.view), [self.root])


def chain(kernel, depth):
    """(rip, words of a stack from rsp on): so many functions of the kernel's, each called by the next."""
    words, at, found = {}, 0, []
    for address in kernel.names.at[2000:]:
        inside = address + 24
        rule = kernel.orc.cfa(inside - 1 if found else inside)
        if rule is None or rule[0] != 5 or rule[2] or not 16 <= rule[1] <= 256:
            continue
        if found:
            words[at - 8] = inside
        found.append(inside)
        at += rule[1]
        if len(found) == depth:
            break
    words[at - 8] = 0x401000        # user mode: the stack's end
    return found[0], b"".join(struct.pack("<Q", words.get(place, 0)) for place in range(0, at, 8))


def best(turns, work):
    taken = []
    for _ in range(turns):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return min(taken)


def again(path):
    """Seconds to take it out of what was kept, which is root's alone."""
    if os.geteuid():
        return "-"
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o700)
        cache.Cache(folder).of_file(path)
        return "%.2f" % best(TURNS, lambda: cache.Cache(folder).of_file(path))


def user_sample(kernel, mapped):
    """What takes and counts one sample of user mode, in the last of so many mappings."""
    late = "mm_struct.mm_mt" in kernel.user
    made_kernel = facts.of_elf(Elf(made.small_kernel(late=late, three_bits=late)))
    guest = fake.Guest()
    begins = [0x400000 + (number << 16) for number in range(mapped)]
    guest.put_mappings([(begin, begin + 0x8000, b"lib%d.so" % number, 0) for number, begin in enumerate(begins)], late)
    rip = 0x400000 + (mapped - 1 << 16) + 5
    xen = fake.Xen({5: [{"cpu_time": 0, "context": guest.context(kernel=False, rip=rip)}]})
    there = Guest(xen, xen.domains()[0], Frames(5, guest.memory, 256, guest.memory.view), made_kernel)
    follower = Follower("g", Stacks(made_kernel, 0), Tally())

    def take():
        sample = there.take(1, 0, 1000, follower.follow)
        follower.count(sample)
        return sample
    assert take().place.name == "lib%d.so" % (mapped - 1)
    return take


def sample_of(kernel, depth):
    """What takes and counts one sample, and the frames that it finds."""
    guest = fake.Guest()
    rip, stack = chain(kernel, depth)
    sp = fake.STACK + 0x4000 - len(stack) // 16 * 16 - 64
    guest.put(sp, stack)
    guest.put(*kernel.note)
    guest.put(fake.GS + kernel.current, struct.pack("<Q", fake.TASK))
    guest.put(fake.TASK + kernel.task["tgid"], struct.pack("<I", 77))
    guest.put(fake.TASK + kernel.task["comm"], b"nginx\0")
    guest.put(kernel.modules.head, struct.pack("<Q", kernel.modules.head))
    context = guest.context(rip=rip, rsp=sp)
    xen = fake.Xen({5: [{"cpu_time": 0, "context": context}]}, HVM)
    pages = Pages(guest.memory)
    hypervisor = Hypervisor(StandIn(context))
    there = Guest(hypervisor, xen.domains()[0], Frames(5, pages, 256, pages.view), kernel)
    tally = Tally()
    follower = Follower("g", Stacks(kernel, 0), tally)
    sampler = Sampler([there], 99, 1.0, follower.follow, memory=False)
    there.cpu_time = lambda: 0
    sampler.start({there: 1})

    def take():
        sampler.look(follower.count)

    def anew():
        there.forget()
        sampler.look(follower.count)

    def counted():
        """(hypercalls, questions for pages) of one sample, with all mapped and with nothing."""
        found = []
        for look in (take, anew):
            look()
            before = hypervisor.hypercalls, there.asked[0]
            look()
            found.append((hypervisor.hypercalls - before[0], there.asked[0] - before[1]))
        return found
    take()
    sampler.run(0.01, threading.Event(), follower.count)
    key = max(tally.seen, key=lambda key: len(key.frames))
    return take, anew, counted, key, len(stack)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--depth", type=int, default=12)
    options = parser.parse_args()
    print("load %.1f; CPU time, the best of %d turns" % (os.getloadavg()[0], TURNS))
    print("%-42s%10s%10s%10s%10s" % ("", "s", "again, s", "memory, s", "aim, s"))
    for release in kernels.RELEASES:
        path = str(kernels.image(release))
        before = os.times()
        kernel = facts.of_file(path)
        spent = os.times()
        once = sum(spent[:4]) - sum(before[:4])
        there = AsItLies(Elf(unpack(data_of(path))), kernel.base)
        space = there.space()
        began = time.process_time()
        found = inmemory.kernel_of(space)[0]
        memory = time.process_time() - began
        assert found.build_id == kernel.build_id and found.orc is not None
        print("%-42s%10.2f%10s%10.2f%10d   %d of %d pages" % ("reading " + os.path.basename(path), once, again(path), memory, 3,
                                                              len(there.memory.copied), len(there.frames)))
        del there, space, found
        if release == "bookworm":
            known = kernel
    calls.open_device = lambda: os.open("/dev/null", os.O_RDWR)
    take, anew, counted, key, size = sample_of(known, options.depth)
    assert key.process == "nginx" and len(key.frames) == options.depth, key
    data = bytes(size)
    floor = best(TURNS, lambda: [bytes(data) for _ in range(options.samples)]) / options.samples
    print("\n%-42s%10s%10s%22s" % ("a sample, %d functions deep" % options.depth, "us", "aim, us", "leaves for each call"))
    print("%-42s%10.2f" % ("floor: its stack's bytes copied", floor * 1e6))
    for text, look, (hypercalls, pages) in zip(("all pages mapped before", "every page mapped anew"), (take, anew), counted()):
        spent = best(TURNS, lambda: [look() for _ in range(options.samples)]) / options.samples * 1e6
        print("%-42s%10.1f%10d%22.1f   %d hypercalls, %d questions for pages" % (
            text, spent, 300, (300 - spent) / (hypercalls + pages), hypercalls, pages))
    take = user_sample(known, 8)
    spent = best(TURNS, lambda: [take() for _ in range(options.samples)]) / options.samples
    print("%-42s%10.1f%10d" % ("user mode: task, mapping, counted", spent * 1e6, 300))


if __name__ == "__main__":
    main()
