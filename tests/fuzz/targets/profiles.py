"""What a profiler reads: a kernel's image, a guest's memory, recordings of samples."""
import gzip
import hashlib
import io
import os
import struct
import tempfile
import xml.etree.ElementTree

from fuzz.target import Target, allowed
from helpers import fake_guest as fake
from helpers import kernel_image as made
from xenmeter.core.errors import BadInput, SourceError
from xenmeter.profile import perf, recorded
from xenmeter.profile.follow import Follower, replay
from xenmeter.profile.guest.look import Guest
from xenmeter.profile.kernel import facts
from xenmeter.profile.kernel import btf, cache, elf, image, kallsyms, orc
from xenmeter.profile.sample import as_record, of_record
from xenmeter.profile.stacks import Stacks
from xenmeter.profile.tally import Tally
from xenmeter.publish import flamesvg, folded, pprof, speedscope
from xenmeter.xen.foreign import Frames


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


_KERNEL = facts.of_elf(elf.Elf(made.small_kernel()))
_STACK = ["vfs_read", "ksys_read", "do_syscall_64", "entry_SYSCALL_64"]
MOST = 64
#: Bytes before the tables: a first line, and the digest.
_HEAD = len(cache._MAGIC) + 32


class GuestMemory(Target):
    """A guest that writes where it likes: patches of (frame, place, bytes) over a right one, then a look at it. Nothing escapes,
    nothing takes long, and no more pages are mapped than were allowed."""

    name = "guest-memory"
    reads = "a guest's registers, page tables, stacks, tasks, mappings, modules and kernel"
    longest = 400
    words = (b"\xff" * 8, bytes(8), struct.pack("<Q", 0x101067), struct.pack("<Q", 0x1010e7), struct.pack("<Q", made.BASE + 9))

    def seeds(self):
        chance = [struct.pack("<HH", number, 8 * number) + struct.pack("<Q", 0x101067 + (number << 12)) for number in range(20)]
        return [b"".join(chance), b"", bytes(24)]

    def check(self, data, chance):
        guest = fake.Guest()
        registers = guest.stack(_STACK)
        guest.put_mappings([(0x401000, 0x403000, b"nginx", 0), (0x500000, 0x600000, None, 0)])
        alone = chance.random() < 0.05
        if alone:
            guest.put_kernel()
        elif chance.random() < 0.3:
            registers = {"kernel": False, "rip": 0x401234}
        frames = sorted(guest.memory.pages)
        for at in range(0, len(data) - 11, 12):
            frame, place = struct.unpack_from("<HH", data, at)
            guest.memory.pages[frames[frame % len(frames)]][place % 4089:place % 4089 + 8] = data[at + 4:at + 12]
        if chance.random() < 0.3:
            registers = {name: chance.getrandbits(64) for name in ("rip", "rsp", "rbp", "cr3", "gs_base_kernel")}
        xen = fake.Xen({5: [{"cpu_time": 0, "context": guest.context(**registers)}]}, chance.choice((0, 2)))
        there = Guest(xen, xen.domains()[0], Frames(5, guest.memory, MOST, guest.memory.view), None if alone else _KERNEL)
        tally = Tally()
        follower = Follower("g", Stacks(_KERNEL), tally)

        def follow(sample, word):
            if alone:
                there.read_kernel([])
            elif there.slide is not None:
                follower.stacks = Stacks(_KERNEL, there.slide, there.modules())
            follower.follow(sample, word)
        sample = there.take(1, 0, 1000, follow)
        follower.count(sample)
        assert len(guest.memory.open) <= MOST and tally.ns == 1000 and tally.samples == 1
        assert of_record(as_record(sample)) == sample._replace(memory=list(sample.memory))
        folded.encode(tally.stacks()).decode()
        there.close()


class KernelTables(Target):
    """What was kept of a kernel, its digest made right again: refused in one line, or tables that hold together."""

    name = "kernel-tables"
    reads = "kernels' tables that were kept"
    longest = 60000
    words = (b'"sizes": [', b'"orc": null', b'"modules": [1]', b"null", b"-1", b"1e999", b"\n", bytes(8), b"\xff" * 8)

    def seeds(self):
        return [cache.encoded(_KERNEL)[_HEAD:]]

    def check(self, data, chance):
        kernel = allowed(BadInput, cache.decoded, cache.encoded(_KERNEL)[:_HEAD - 32] + hashlib.sha256(data).digest() + data)
        if kernel is not None:
            assert len(kernel.names.at) == len(kernel.names.names)
            assert kernel.orc is None or 6 * len(kernel.orc.ips) == len(kernel.orc.entries)


class PerfScript(Target):
    """The text of perf script: refused in one line, or samples."""

    name = "perf-script"
    reads = "what `perf script` says"
    longest = 3000
    words = (b"\n", b"\t", b" 0/0 ", b"[000] ", b"cycles:P: ", b"(/lib/x)", b"\x1b[2J", b"99999999999999999999999")

    def seeds(self):
        return [b"swapper 0/0 [000] K 12.345678: 10101010 cpu-clock:pppH:\n\tffffffff81e3b9d6 halt ([kernel.kallsyms])\n\n"]

    def check(self, data, chance):
        lines = allowed(BadInput, lambda: list(perf.parse(io.StringIO(data.decode("utf-8", "replace")))))
        if lines is not None:
            tally = Tally()
            events = perf.fill(tally, lines, None)
            assert tally.samples == len(lines) and all(event.isprintable() for event in events)
            assert b"\x1b" not in folded.encode(tally.stacks())


class FoldedStacks(Target):
    """A profile as folded stacks, which may be of another program's: refused in one line, or two flame graphs that are XML."""

    name = "folded-stacks"
    reads = "profiles as folded stacks (--compare, report)"
    longest = 3000
    words = (b";", b" 1\n", b" 0\n", b"\x1b[2J", b"\xc2\xb2", b" \xd9\xa1", b"9" * 20, b"]]>", b"<&\"'", b"\0", b"\xff")

    def seeds(self):
        return [b"web1;nginx;entry_SYSCALL_64;vfs_read 7000\nweb1;nginx;[libc.so.6];0x28f10 [libc.so.6] 3000\n", b"a;b 1\n\n"]

    def check(self, data, chance):
        rows = allowed(BadInput, lambda: list(folded.decode(io.BytesIO(data))))
        if rows is None:
            return
        assert all(frames and 0 <= weight < 10 ** 19 for frames, weight in rows)
        made_of = flamesvg.whole_file(flamesvg.difference(rows, rows[:len(rows) // 2], ("Before: x", "After: y")))
        assert b"\x1b" not in made_of
        xml.etree.ElementTree.fromstring(made_of)


class ProfileSamples(Target):
    """A recording of samples: refused in one line, or a profile in every form."""

    name = "profile-samples"
    reads = "recordings of raw samples"
    longest = 6000
    words = (b'"memory": [[', b"18446744073709551615", b"-1", b"null", b'"mode": "user"', b'"modules": 5',
             b'"\\u001b[2J"', b"1e999", b'{"profile": 1', b"[]", b"{}")

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="xenmeter-fuzz-")
        self._file = os.path.join(self._folder.name, "x.samples")

    def seeds(self):
        guest = fake.Guest()
        xen = fake.Xen({5: [{"cpu_time": 0, "context": guest.context(**guest.stack(_STACK))}]})
        there = Guest(xen, xen.domains()[0], Frames(5, guest.memory, MOST, guest.memory.view), _KERNEL)
        sample = there.take(1, 0, 1000, lambda sample, word: Stacks(_KERNEL).of(sample, word))
        writer = recorded.Writer(open(self._file, "wb"), recorded.Head(1, 99.0, [recorded.Of(5, "g", "/boot/g", "ab")]))
        writer.sample(sample._replace(memory=[(begin, piece[:256]) for begin, piece in sample.memory]))
        writer.modules(5, 0, there.modules())
        writer.close()
        there.close()
        with open(self._file, "rb") as file:
            return [file.read()]

    def check(self, data, chance):
        with open(self._file, "wb") as file:
            file.write(data)
        recording = allowed(SourceError, recorded.load, self._file)
        if recording is None:
            return
        tally = Tally()
        replay(recording.samples, {one.domid: Follower(one.name, Stacks(
            _KERNEL, recording.slides.get(one.domid, 0), recording.modules.get(one.domid, ())), tally)
            for one in recording.head.domains})
        assert tally.samples == len(recording.samples)
        speedscope.encode(tally.stacks(), "x")
        pprof.encode(tally.stacks(), 1, 1, 1)
        assert b"\x1b" not in folded.encode(tally.stacks()) + flamesvg.encode(tally.stacks(), "x")

    def close(self):
        self._folder.cleanup()
