"""The statistics page: what it says, what is left unsaid, and what hostile pages do (nothing)."""
import struct
import sys
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xenmeter.core.errors import BadInput
from xenmeter.vcpu import page
from xenmeter.vcpu.page import COUNTERS, Layout, PageReader, completed, encode, layout_of

BIT_63 = 1 << 63


def read(data, vcpus=64):
    reader = PageReader(memoryview(data), vcpus)
    found = reader.read()
    reader.close()
    return found


class TestWhatItSays:
    def test_one_counter(self):
        data = encode([(2, 500), (4, 700)])
        assert layout_of(data) == Layout(128, 16, 128) and layout_of(data).counters == 1
        assert read(data, 2) == [(500,), (700,)]
        assert data[:16] == bytes.fromhex("ddccbbaa 80000000 10000000 80000000")
        assert data[128:144] == bytes.fromhex("02000000 00000000 f401000000000000")

    def test_appended_counters(self):
        data = encode([(2, 1, 2, 3, 4, 5, 6)])
        assert read(data, 1) == [(1, 2, 3, 4, 5, 6)] and layout_of(data).counters == len(COUNTERS)

    def test_only_what_the_size_says_is_there(self):
        for size, counters in ((16, 1), (20, 1), (23, 1), (24, 2), (47, 4), (48, 5), (56, 6), (63, 6), (64, 6), (128, 6)):
            data = encode([(2, 1, 2, 3, 4, 5, 6)], size=size)
            assert read(data, 1) == [(1, 2, 3, 4, 5, 6)[:counters]], size

    def test_what_goes_on_is_added_where_all_is_known(self):
        assert completed((1, 2, 3, 4, 50, 2), 60) == (1, 2, 13, 4, 50, 2)
        for known in ((), (1,), (1, 2, 3, 4, 50), (1, 2, 3, 4, 61, 2), (1, 2, 3, 4, None, 2), (1, 2, 3, 4, 50, None),
                      (1, 2, 3, 4, 50, 4), (1, 2, None, 4, 50, 2)):
            assert completed(known, 60) == known

    def test_another_cache_line(self):
        assert read(encode([(2, 5), (2, 6), (2, 7)], offset=64, stride=64), 3) == [(5,), (6,), (7,)]
        assert read(encode([(2, 5), (2, 6)], offset=16, stride=16), 2) == [(5,), (6,)]

    def test_never_written_is_not_zero(self):
        assert read(encode([(0, 0), (2, 0)]), 2) == [(), (0,)]

    def test_bit_63(self):
        assert read(encode([(2, BIT_63 | 5, 7), (2, 7, BIT_63)]), 2) == [(None, 7), (7, None)]

    def test_entries_beyond_the_mapping_are_not_read(self):
        data = encode([(2, number) for number in range(31)])
        assert len(data) == 4096
        assert read(data, 100) == [(number,) for number in range(31)]
        assert len(read(data[:-100], 100)) == 31 and len(read(data[:-113], 100)) == 30
        assert layout_of(data).capacity(4096) == 31 and layout_of(data).capacity(143) == 0
        assert layout_of(data).needed(31) == 128 + 30 * 128 + 16 and layout_of(data).needed(0) == 16

    def test_no_vcpus(self):
        assert read(encode([(2, 1)]), 0) == []


@pytest.mark.parametrize("header, offset", [
    ((0, 128, 16, 128), 0), ((0xddccbbaa, 128, 16, 128), 0), ((page.MAGIC, 0, 16, 128), 4), ((page.MAGIC, 12, 16, 128), 4),
    ((page.MAGIC, 132, 16, 128), 4), ((page.MAGIC, 128, 0, 128), 8), ((page.MAGIC, 128, 15, 128), 8),
    ((page.MAGIC, 128, 16, 0), 12), ((page.MAGIC, 128, 24, 16), 12), ((page.MAGIC, 128, 16, 20), 12),
    ((page.MAGIC, 128, 16, 0xfffffff8), 12),
])
def test_headers_that_are_none(header, offset):
    with pytest.raises(BadInput) as caught:
        layout_of(struct.pack("<IIII", *header) + bytes(4080))
    assert caught.value.offset == offset


def test_short():
    for length in range(16):
        with pytest.raises(BadInput):
            layout_of(encode([(2, 1)])[:length])


class TestChanges:
    def test_a_reading_that_is_the_same(self):
        data = bytearray(encode([(2, 5), (2, 6)]))
        reader = PageReader(memoryview(data), 2)
        first = reader.read()
        assert reader.read() is first
        data[:] = encode([(2, 5), (4, 9)])
        assert reader.read() == [(5,), (9,)]

    def test_a_header_that_changes(self):
        data = bytearray(encode([(2, 5)]))
        reader = PageReader(memoryview(data), 1)
        data[8] = 24
        with pytest.raises(BadInput, match="changed"):
            reader.read()

    def test_an_entry_that_is_being_written(self):
        data = bytearray(encode([(2, 5), (3, 6), (2, 7)]))
        reader = PageReader(memoryview(data), 3)
        assert reader.read() == [(5,), (), (7,)] and reader.torn == 1
        data[256] = 4
        assert reader.read() == [(5,), (6,), (7,)]

    def test_the_writer_goes_on(self, monkeypatch):
        """It writes between our loads: a try fails, a later one does not."""
        data = bytearray(encode([(2, 5, 50), (2, 6, 60)]))
        loads = []

        def write():
            loads.append(1)
            if len(loads) < 6:
                data[:] = encode([(2 + 2 * len(loads), 5 + len(loads), 50 + len(loads)), (2, 6, 60)])
        monkeypatch.setattr(page, "_barrier", write)
        reader = PageReader(memoryview(data), 2)
        assert reader.read() == [(10, 55), (6, 60)] and reader.torn == 0

    def test_the_writer_never_rests(self, monkeypatch):
        data = bytearray(encode([(2, 5), (2, 6)]))
        turns = []

        def write():
            turns.append(1)
            data[:] = encode([(2 + 2 * len(turns), 5), (2, 6)])
        monkeypatch.setattr(page, "_barrier", write)
        reader = PageReader(memoryview(data), 2)
        assert reader.read() == [(), (6,)]
        assert reader.torn == 1 and len(turns) == 2 + 2 * page.TRIES

    def test_a_real_writer(self):
        """All counters of an entry are of one moment, whatever the other thread does."""
        data = bytearray(encode([(2, 1, 1, 1, 1, 1)]))
        view = memoryview(data)
        stop = threading.Event()

        def write():
            number = 2
            while not stop.is_set():
                number += 2
                struct.pack_into("<I", data, 128, number - 1 & 0xffffffff)
                for counter in range(5):
                    struct.pack_into("<Q", data, 136 + 8 * counter, number)
                struct.pack_into("<I", data, 128, number & 0xffffffff)

        thread = threading.Thread(target=write)
        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)     # the threads take turns in the middle of a write, and of a read
        thread.start()
        seen = []
        deadline = time.monotonic() + 20
        try:
            reader = PageReader(view, 1)
            while len(seen) < 500 and time.monotonic() < deadline:
                seen += filter(None, reader.read())
        finally:
            stop.set()
            thread.join()
            sys.setswitchinterval(interval)
        assert seen and all(len(set(counters)) == 1 for counters in seen)
        assert [counters[0] for counters in seen] == sorted(counters[0] for counters in seen)

    def test_the_other_barrier(self, monkeypatch):
        monkeypatch.setattr(page, "_barrier", page._lock_barrier)
        assert read(encode([(2, 5), (1, 6)]), 2) == [(5,), ()]


WORDS = st.integers(0, 0xffffffff) | st.sampled_from([0, 8, 16, 24, 48, 64, 128, 4096, 65536, 0xffffffff, page.MAGIC])
COUNTER = st.integers(0, 2 ** 64 - 1)


@settings(max_examples=300)
@given(st.integers(1, 5), st.lists(st.tuples(st.integers(0, 0xffffffff), st.lists(COUNTER, min_size=5, max_size=5)),
                                   max_size=40), st.sampled_from([16, 64, 128, 1000 * 8]), st.integers(6, 40))
def test_what_is_written_is_read(number, entries, offset, stride):
    data = encode([(seq,) + tuple(counters[:number]) for seq, counters in entries], 8 + 8 * number, offset, 8 * stride)
    known = [tuple(None if value & BIT_63 else value for value in counters[:number]) for _, counters in entries]
    expected = [() if seq % 2 or not seq or set(found) == {None} else found for (seq, _), found in zip(entries, known)]
    assert read(data, len(entries)) == expected


@settings(max_examples=500)
@given(st.tuples(WORDS, WORDS, WORDS), st.binary(max_size=600), st.integers(0, 9000))
def test_hostile_pages(words, rest, vcpus):
    """BadInput, or a bounded answer; never anything else."""
    data = struct.pack("<IIII", page.MAGIC, *words) + rest
    try:
        found = read(data, vcpus)
    except BadInput as error:
        assert 0 <= error.offset <= 16
    else:
        layout = layout_of(data)
        assert len(found) <= vcpus and layout.needed(len(found)) <= max(len(data), 16)
        for counters in found:
            assert all(value is None or 0 <= value < BIT_63 for value in counters)


@given(st.binary(max_size=300), st.integers(0, 100))
def test_any_bytes(data, vcpus):
    try:
        read(data, vcpus)
    except BadInput:
        pass
