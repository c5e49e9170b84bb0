"""Statistics pages as a hostile or broken hypervisor could write them.

Each page lies before memory that may not be touched, so a byte read beyond it ends the process. What must hold: nothing but
BadInput is raised, and only for the header; the compiled reader and Python's say the same; what they say was written; a
reading ends soon, whatever the sequence numbers do; while another process's thread writes as the protocol says, each
entry's counters are of one moment; and a sound domain beside broken ones is told what it is told without them.
"""
import ctypes
import mmap
import pathlib
import struct
import tempfile
import threading
import time
from types import SimpleNamespace

from fuzz.objects import object_of
from fuzz.target import Target
from tools.compiler import build_shared
from xenmeter.core.errors import BadInput
from xenmeter.vcpu import compiled, page
from xenmeter.vcpu.page import COUNTERS, PageReader
from xenmeter.vcpu.pages import Pages
from xenmeter.vcpu.readers import Readers
from xenmeter.xen import structs
from xenmeter.xen.roster import Member
from xenmeter.xen.systemtime import SystemTime

PAGE = 4096
FRAMES = 3
LONGEST = 2.0       # CPU seconds of one reading
WORDS = (0, 1, 7, 8, 15, 16, 24, 48, 56, 64, 127, 128, 4095, 4096, 8192, 65536, 65544, 0x7fffffff, 0xfffffff8, 0xffffffff)
VALUES = (0, 1, 2 ** 63 - 1, 2 ** 63, 2 ** 63 + 1, 2 ** 64 - 1)

#: A writer that keeps to the protocol, and one that does not.
WRITERS = """
#include <stdint.h>
void fair(volatile char *at, int64_t entries, int64_t stride, int64_t counters, volatile int *stop)
{
    for ( uint64_t n = 2; !*stop; n++ )
    {
        volatile char *entry = at + stride * (int64_t)(n % (uint64_t)entries);
        volatile uint32_t *seq = (volatile void *)entry;
        __atomic_store_n(seq, (*seq + 1) | 1, __ATOMIC_RELAXED);
        __atomic_thread_fence(__ATOMIC_RELEASE);
        for ( int64_t i = 0; i < counters; i++ )
            ((volatile uint64_t *)(entry + 8))[i] = n;
        __atomic_store_n(seq, *seq + 1, __ATOMIC_RELEASE);
    }
}
void foul(volatile char *at, int64_t size, volatile int *stop)
{
    for ( uint32_t n = 12345; !*stop; )
    {
        n = n * 1664525u + 1013904223u;
        at[(n >> 8) % (uint32_t)size] = (char)(n >> 3);
    }
}
"""


class Ground:
    """Frames in memory, with an untouchable one behind them."""

    def __init__(self):
        libc = ctypes.CDLL(None, use_errno=True)
        libc.mmap.restype = ctypes.c_void_p
        libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)
        libc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
        self.size = FRAMES * PAGE
        self.address = libc.mmap(None, self.size + PAGE, mmap.PROT_READ | mmap.PROT_WRITE,
                                 mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
        if libc.mprotect(self.address + self.size, PAGE, 0):
            raise OSError(ctypes.get_errno(), "mprotect")
        self.view = memoryview((ctypes.c_ubyte * self.size).from_address(self.address)).cast("B")

    def frames(self, number):
        """So many frames that end where no byte may be read."""
        start = self.size - number * PAGE
        return SimpleNamespace(address=self.address + start, view=self.view[start:])


def some_page(chance, size):
    """A page's bytes: a right one in most cases, damaged in some."""
    stride = chance.choice((16, 64, 72, 128, 128, 128, 8 * chance.randrange(2, 700)))
    offset = chance.choice((16, 128, 128, 128, 8 * chance.randrange(2, 600)))
    length = chance.choice((16, 24, 48, 56, stride, chance.randrange(16, stride + 1)))
    data = bytearray(chance.choice((bytes(size), chance.getrandbits(8 * size).to_bytes(size, "little"))))
    struct.pack_into("<IIII", data, 0, page.MAGIC, offset, length, stride)
    numbers, values = (0, 2, 2, 4, 3, chance.randrange(1 << 32)), VALUES + tuple(chance.randrange(1 << 50) for _ in range(6))
    for at in range(offset, size - 8, stride):
        counters = (min(at + length, size) - at - 8) // 8
        struct.pack_into("<I", data, at, chance.choice(numbers))
        struct.pack_into("<%dQ" % counters, data, at + 8, *chance.choices(values, k=counters))
    for _ in range(chance.choice((0, 0, 1, 3))):
        struct.pack_into("<I", data, 4 * chance.randrange(4), chance.choice(WORDS + (chance.randrange(1 << 32),)))
    return bytes(data)


def reader_of(mapped, vcpus):
    """A reader, or None for a header that is refused; the error must point into the header."""
    try:
        return PageReader(mapped.view, vcpus)
    except BadInput as error:
        assert 0 <= error.offset <= 16, error
        return None


def timed(read):
    began = time.thread_time()
    found = read()
    assert time.thread_time() - began < LONGEST, "a reading took %.1f s" % (time.thread_time() - began)
    return found


def still(ground, fast, chance):
    """A page that nobody writes: both readers say what was written."""
    mapped = ground.frames(chance.randrange(1, FRAMES + 1))
    data = some_page(chance, len(mapped.view))
    mapped.view[:] = data
    vcpus = chance.choice((0, 1, 4, 31, 8192, chance.randrange(8192)))
    reader = reader_of(mapped, vcpus)
    if reader is None:
        return
    said = timed(reader.read)
    plan = compiled.Plan(fast, [SimpleNamespace(mapping=mapped, reader=reader)])
    timed(plan.read)
    assert not plan.is_bad(0) and plan.said(0) == said
    offset, _, stride = reader.layout
    assert len(said) == reader.entries <= vcpus
    for number, known in enumerate(said):
        assert len(known) in (0, reader.layout.counters) and len(known) <= len(COUNTERS)
        written = struct.unpack_from("<%dQ" % len(known), data, offset + stride * number + 8)
        assert known == tuple([None if value >> 63 else value for value in written])
    reader.close()


def restless(ground, fast, library, chance):
    """A page that a writer never leaves alone; whether it is fair decides what must hold."""
    mapped = ground.frames(1)
    fair = chance.random() < 0.5
    stride, counters = 128, chance.randrange(1, len(COUNTERS) + 1)
    entries = chance.randrange(1, 31)
    mapped.view[:] = bytes(PAGE)
    struct.pack_into("<IIII", mapped.view, 0, page.MAGIC, 128, 8 + 8 * counters, stride)
    for number in range(entries):
        struct.pack_into("<I", mapped.view, 128 + stride * number, 2)
    reader = reader_of(mapped, entries)
    plan = compiled.Plan(fast, [SimpleNamespace(mapping=mapped, reader=reader)])
    stop = ctypes.c_int()
    where = ctypes.addressof(stop)
    work = (lambda: library.fair(mapped.address + 128, entries, stride, counters, where)) if fair else (
        lambda: library.foul(mapped.address + chance.choice((0, 128)), PAGE - 128, where))
    writer = threading.Thread(target=work)
    writer.start()
    try:
        for _ in range(50):
            timed(plan.read)
            found = [] if plan.is_bad(0) else [plan.said(0)]
            try:
                found.append(timed(reader.read))
            except BadInput:
                assert not fair
            for said in found:
                assert len(said) == entries
                for known in said:
                    assert not fair or len(set(known)) <= 1, known
                    assert all(value is None or value < 1 << 63 for value in known)
    finally:
        stop.value = 1
        writer.join()
    reader.close()


class Mapped:
    """Instead of a mapping: a domain's bytes; instead of what maps: all of them."""

    count = 0

    def __init__(self, pages):
        self.pages = {domid: ctypes.create_string_buffer(data, len(data)) for domid, data in pages.items()}

    def frames(self, domid, kind, number=0):
        return len(self.pages[domid]) // PAGE

    def map(self, domid, kind, number=0, frames=1):
        buffer = self.pages[domid]
        view = memoryview(buffer).cast("B")[:frames * PAGE]
        return SimpleNamespace(address=ctypes.addressof(buffer), view=view, close=view.release)

    def close(self):
        pass


def member(domid, vcpus):
    record = structs.domaininfo(112)
    info = record.unpack(record.pack(domain=domid, max_vcpu_id=vcpus - 1, nr_online_vcpus=vcpus, handle=b"%016d" % domid))
    return Member(info, domid, str(domid), str(domid), False, None)


def neighbours(fast, chance):
    """A sound page among broken ones: what they say does not change what is told of it, but for a lie that could be true."""
    up, passed = chance.randrange(10 ** 15), chance.randrange(10 ** 10)
    entered = chance.randrange(up + 1)
    sound = page.encode([(2, 100, 20, 3, 0, entered, chance.randrange(4))]).ljust(PAGE, b"\0")
    pages = {1: sound}
    pages.update({domid: some_page(chance, PAGE * chance.randrange(1, 3)) for domid in range(2, chance.randrange(3, 6))})
    now = [up]
    readers = Readers(SimpleNamespace(unique_id=lambda domid: None, vcpu=lambda domid, vcpu: None, domain_runstate=None,
                                      interface_versions=lambda: (0, 0), multicall=SimpleNamespace(ask=lambda *call: None)),
                      Pages(Mapped(pages), chance.choice((fast, None))), "resource", True,
                      SystemTime(lambda: now[0], lambda: now[0]))
    try:
        members = [member(domid, chance.choice((1, 4, 40))) for domid in sorted(pages)]
        for _ in range(3):
            found = timed(lambda: readers.read(members))
            assert found[0].domid == 1 and sum(found[0].figures[0][1:5]) <= 123 + readers._time.latest() - entered
            for vcpu in [vcpu for domain in found for vcpu in domain.figures]:
                assert all(value is None or 0 <= value < 1 << 64 for value in vcpu)
                assert vcpu.entered is None or vcpu.entered <= readers._time.latest()
            now[0] += passed
    finally:
        readers.close()


def writers():
    """The two writers, compiled."""
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "writers.c"
        source.write_text(WRITERS)
        library = ctypes.CDLL(build_shared(source, pathlib.Path(folder) / "writers.so"))
    library.fair.argtypes = (ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)
    library.foul.argtypes = (ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)
    return library


class StatsPages(Target):
    """An input is the seed of ten pages, of broken neighbours, and now and then of a page that is written meanwhile."""

    name = "pages"
    reads = "statistics pages of the hypervisor"
    compiled = True
    guided = False
    longest = 8

    def __init__(self):
        self._ground = Ground()
        self._fast = compiled.load(object_of("pages"))
        self._library = writers()

    def make(self, chance):
        return chance.getrandbits(64).to_bytes(8, "little")

    def check(self, data, chance):
        for _ in range(10):
            still(self._ground, self._fast, chance)
        neighbours(self._fast, chance)
        if chance.random() < 0.2:
            restless(self._ground, self._fast, self._library, chance)
