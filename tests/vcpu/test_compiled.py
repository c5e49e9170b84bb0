"""The compiled reader of pages and its Python twin: the same figures of the same bytes, whatever these are."""
import ctypes
import struct
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from helpers.pages import Memory
from tools.compiler import build_shared

from xenmeter.core.errors import BadInput
from xenmeter.vcpu import compiled, page
from xenmeter.vcpu.page import encode

BIT_63 = 1 << 63

#: A hypervisor's part of the protocol, as fast as it goes.
WRITER = """
#include <stdint.h>
void forever(volatile void *at, volatile int *stop)
{
    volatile uint32_t *seq = at;
    volatile uint64_t *counter = (void *)((char *)at + 8);
    for ( uint64_t n = 2; !*stop; n++ )
    {
        __atomic_store_n(seq, *seq | 1, __ATOMIC_RELAXED);
        __atomic_thread_fence(__ATOMIC_RELEASE);
        for ( int i = 0; i < 6; i++ )
            counter[i] = n;
        __atomic_store_n(seq, *seq + 1, __ATOMIC_RELEASE);
        for ( volatile int rest = 0; rest < 20; rest++ ) ;
    }
}
"""


@pytest.fixture(scope="module")
def writer(tmp_path_factory):
    """Path of an object with the writer."""
    folder = tmp_path_factory.mktemp("writer")
    (folder / "writer.c").write_text(WRITER)
    return build_shared(folder / "writer.c", folder / "writer.so")


def both(read, memories):
    """What each reader says of all pages; BadInput's place is None."""
    plan = compiled.Plan(read, memories)
    plan.read()
    found = [None if plan.is_bad(number) else plan.said(number) for number in range(len(memories))]
    return found, [memory.reader.read() for memory in memories]


ENTRY = st.tuples(st.sampled_from([0, 1, 2, 3, 8, 0xfffffffe, 0xffffffff]), st.lists(
    st.integers(0, 2 ** 64 - 1) | st.sampled_from([0, BIT_63 - 1, BIT_63, 2 ** 64 - 1]), min_size=7, max_size=7))


@settings(max_examples=200)
@given(pages=st.lists(st.tuples(st.lists(ENTRY, max_size=12), st.integers(1, 7), st.sampled_from([16, 24, 128]),
                                st.sampled_from([64, 72, 128]), st.integers(0, 14)), max_size=12))
def test_the_same_figures(compiled_read, pages):
    memories = [Memory(encode([(seq,) + tuple(counters[:number]) for seq, counters in entries], 8 + 8 * number, offset, stride),
                       vcpus) for entries, number, offset, stride, vcpus in pages]
    found, expected = both(compiled_read, memories)
    assert found == expected


WORDS = st.integers(0, 0xffffffff) | st.sampled_from([0, 8, 16, 24, 48, 64, 128, 4096, 65536, 0xffffffff])


@settings(max_examples=300)
@given(words=st.tuples(WORDS, WORDS, WORDS), rest=st.binary(max_size=600), vcpus=st.integers(0, 9000))
def test_hostile_pages(compiled_read, words, rest, vcpus):
    try:
        memory = Memory(struct.pack("<IIII", page.MAGIC, *words) + rest, vcpus)
    except BadInput:
        return
    found, expected = both(compiled_read, [memory])
    assert found == expected


def test_what_changed(compiled_read):
    memories = [Memory(encode([(2, 5), (2, 6)]), 2) for _ in range(3)]
    plan = compiled.Plan(compiled_read, memories)
    assert plan.read() == [0, 1, 2] and plan.read() == []
    struct.pack_into("<I4xQ", memories[1].bytes, 128, 4, 9)
    assert plan.read() == [1] and plan.said(1) == [(9,), (6,)] and plan.torn() == 0
    struct.pack_into("<I", memories[1].bytes, 128, 5)
    assert plan.read() == [1] and plan.said(1) == [(), (6,)] and plan.torn() == 1
    memories[2].bytes[8] = 24
    assert 2 in plan.read() and plan.is_bad(2) and not plan.is_bad(1)


def test_a_writer_that_never_rests(compiled_read, writer):
    """All counters of an entry are of one moment, whatever the other thread does; and a reading ends."""
    memory = Memory(encode([(2, 1, 1, 1, 1, 1)]), 1)
    stop, library = ctypes.c_int(), ctypes.CDLL(writer)
    library.forever.argtypes = (ctypes.c_void_p, ctypes.c_void_p)
    thread = threading.Thread(target=library.forever, args=(memory.mapping.address + 128, ctypes.addressof(stop)))
    thread.start()
    plan = compiled.Plan(compiled_read, [memory])
    seen, kinds, deadline = [], set(), time.monotonic() + 60
    try:
        while (len(seen) < 5000 or len(kinds) < 10) and time.monotonic() < deadline:    # the writer must have had its turn
            plan.read()
            seen += filter(None, plan.said(0))
            kinds.update(seen[-1:])
    finally:
        stop.value = 1
        thread.join()
    assert len(kinds) > 2 and all(len(set(counters)) == 1 for counters in seen)
    assert [counters[0] for counters in seen] == sorted(counters[0] for counters in seen)


class TestLoading:
    def test_it_is_not_there(self, tmp_path):
        assert compiled.load(str(tmp_path / "none.so")) is None

    def test_something_else(self, writer):
        assert compiled.load(writer) is None

    def test_another_release(self, pages_object, monkeypatch):
        monkeypatch.setattr(compiled, "ABI", 99)
        assert compiled.load(pages_object) is None

    def test_switched_off(self, monkeypatch):
        monkeypatch.setenv("XENMETER_COMPILED", "0")
        assert compiled.load() is None
