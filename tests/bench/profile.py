"""What a profile costs dom0: reading a kernel's image, and a sample with a whole kernel stack, without the hypervisor's part.

    python3 tests/bench/profile.py [--samples N] [--depth N]

The images are Debian's, downloaded where they are not there yet. Reading one is CPU time of this process and of the program that
unpacks it; again it comes out of what was kept. The samples are of a guest made up in memory whose page tables are walked, whose
stack is followed by the image's own unwind tables through so many functions and named, or whose mappings are looked through; the
mapping of pages and the hypercalls are not in it. The best of five turns; the floor is the copy of the stack's bytes alone.
"""
import argparse
import os
import pathlib
import struct
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "tests"), str(TOP / "plugins")]

from helpers import fake_guest as fake  # noqa: E402
from helpers import kernel_image as made  # noqa: E402
from helpers import kernels  # noqa: E402
from xenmeter.profile.follow import Follower    # noqa: E402
from xenmeter.profile.guest.look import Guest   # noqa: E402
from xenmeter.profile.kernel import cache, facts    # noqa: E402
from xenmeter.profile.kernel.elf import Elf     # noqa: E402
from xenmeter.profile.stacks import Stacks  # noqa: E402
from xenmeter.profile.tally import Tally    # noqa: E402
from xenmeter.xen.foreign import Frames     # noqa: E402

TURNS = 5


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
    xen = fake.Xen({5: [{"cpu_time": 0, "context": guest.context(rip=rip, rsp=sp)}]})
    there = Guest(xen, xen.domains()[0], Frames(5, guest.memory, 256, guest.memory.view), kernel)
    tally = Tally()
    follower = Follower("g", Stacks(kernel, 0), tally)

    def take():
        follower.count(there.take(1, 0, 1000, follower.follow))
    take()
    key, = tally.seen
    return take, key, len(stack)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--depth", type=int, default=12)
    options = parser.parse_args()
    print("load %.1f; CPU time, the best of %d turns" % (os.getloadavg()[0], TURNS))
    print("%-42s%10s%10s%10s" % ("", "s", "again, s", "aim, s"))
    for release in kernels.RELEASES:
        path = str(kernels.image(release))
        before = os.times()
        kernel = facts.of_file(path)
        spent = os.times()
        once = sum(spent[:4]) - sum(before[:4])
        print("%-42s%10.2f%10s%10d" % ("reading " + os.path.basename(path), once, again(path), 3))
        if release == "bookworm":
            known = kernel
    take, key, size = sample_of(known, options.depth)
    assert key.process == "nginx" and len(key.frames) == options.depth, key
    data = bytes(size)
    floor = best(TURNS, lambda: [bytes(data) for _ in range(options.samples)]) / options.samples
    spent = best(TURNS, lambda: [take() for _ in range(options.samples)]) / options.samples
    print("\n%-42s%10s%10s" % ("a sample, %d functions deep" % options.depth, "us", "aim, us"))
    print("%-42s%10.2f" % ("floor: its stack's bytes copied", floor * 1e6))
    print("%-42s%10.1f%10d" % ("task, stack, names, counted", spent * 1e6, 300))
    take = user_sample(known, 8)
    spent = best(TURNS, lambda: [take() for _ in range(options.samples)]) / options.samples
    print("%-42s%10.1f%10d" % ("user mode: task, mapping, counted", spent * 1e6, 300))


if __name__ == "__main__":
    main()
