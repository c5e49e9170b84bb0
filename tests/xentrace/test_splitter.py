"""A running trace in passes: writers that pause anywhere, windows in parts, damaged sizes. The file's figures are the truth."""
import os
import random
import struct
import threading
import time

import pytest

from helpers import encoding
from helpers.figures import by_file, by_passes
from helpers.captures import capture
from tools.process import poll
from xenmeter.xentrace.engine import records
from xenmeter.xentrace.engine.records import CPU_CHANGE_HEADER
from xenmeter.xentrace.engine.splitter import Splitter
from xenmeter.xentrace.baker.streams import Stream

CASES = ["narrow-steady", "narrow-churn", "S1-sched", "loss-sched-churn"]


def windows_of(data):
    """[(pCPU, bytes)] of a whole trace."""
    at, found = 0, []
    while at < len(data):
        _, pcpu, size = struct.unpack_from("<III", data, at)
        found.append((pcpu, data[at + 12:at + 12 + size]))
        at += 12 + size
    return found


def passes_of(pieces, pauses=lambda: True):
    splitter, passes = Splitter(), []
    for piece in pieces:
        passes.extend(splitter.feed(piece))
        if pauses():
            splitter.pause()
    return passes + [splitter.rest()]


@pytest.mark.parametrize("case", CASES)
def test_a_writer_that_pauses_after_each_window(case):
    """In the middle of a pass as well as between two."""
    data = capture(case)
    pieces = [records.window(*window) for window in windows_of(data)]
    chance = random.Random(7)
    whole = by_file(data)
    assert by_passes(passes_of(pieces)) == whole
    assert by_passes(passes_of(pieces, lambda: chance.random() < 0.3)) == whole


def test_a_writer_that_really_pauses(tmp_path):
    """Longer than the signs of life are apart, within passes and between them: until there was one."""
    fifo = str(tmp_path / "fifo")
    os.mkfifo(fifo)
    pieces = [records.window(*window) for window in windows_of(capture("narrow-churn"))[:12]]
    passes = []

    def write():
        with open(fifo, "wb", buffering=0) as out:
            for piece in pieces:
                before = passes.count(None)
                out.write(piece)
                poll(lambda before=before: passes.count(None) > before, 60, AssertionError)

    writer = threading.Thread(target=write)
    writer.start()
    stream = Stream(fifo)
    for pass_ in stream.passes(threading.Event()):
        passes.append(pass_)        # one by one: the writer looks at it meanwhile
    writer.join()
    stream.close()
    assert passes.count(None) >= 12 and by_passes(passes) == by_file(b"".join(pieces))


def halves(data):
    """The records of a window in two parts."""
    at, borders = 0, []
    while at < len(data):
        at += 4 * records.classify(int.from_bytes(data[at:at + 4], "little"))[0]
        borders.append(at)
    middle = borders[len(borders) // 2] if borders else 0
    return [part for part in (data[:middle], data[middle:]) if part]


@pytest.mark.parametrize("case", CASES)
def test_several_windows_of_a_pcpu_in_a_pass(case):
    data = b"".join(records.window(pcpu, part) for pcpu, held in windows_of(capture(case)) for part in halves(held))
    assert by_passes(passes_of([data])) == by_file(data)


def test_a_trace_of_one_busy_pcpu_is_not_one_pass():
    window = b"".join(encoding.continue_running(number, 1, 0) for number in range(4000))
    passes = passes_of([records.window(0, window), records.window(1, window)] * 2 + [records.window(1, window)] * 100,
                       lambda: False)
    assert 5 < len(passes) < 20
    assert len(passes_of([records.window(1, window)] * 100, lambda: False)) == 100     # of a host with one


@pytest.mark.parametrize("piece", [11, 4096, 70001])
def test_a_window_whose_size_is_damaged_swallows_no_other(piece):
    """One bit: 32 MiB instead of some KiB. The windows behind it are found while they come."""
    data = bytearray(b"".join(records.window(*window) for window in windows_of(capture("S1-sched"))[:300]))
    second = 12 + struct.unpack_from("<I", data, 8)[0]
    size, = struct.unpack_from("<I", data, second + 8)
    struct.pack_into("<I", data, second + 8, size | 1 << 25)
    splitter, passes, came = Splitter(), [], []
    for at in range(0, len(data), piece):
        passes.extend(splitter.feed(bytes(data[at:at + piece])))
        came.append(len(passes))
    passes.append(splitter.rest())
    live, file = by_passes(passes), by_file(bytes(data))
    assert live["trace"]["anomaly_kinds"]["cut_windows"] == file["trace"]["anomaly_kinds"]["cut_windows"] > 0
    assert {key: live[key] for key in ("vcpus", "domains", "pcpus")} == {key: file[key] for key in ("vcpus", "domains", "pcpus")}
    assert live["trace"]["records"] == file["trace"]["records"] > 10000
    assert came[len(came) // 2] > len(passes) // 3


def test_a_header_among_a_records_words_is_none():
    inner = records.window(0, b"")
    words = struct.unpack("<3I", inner)
    held = encoding.encode(0x0FFFF123, (1,) + words) + encoding.encode(0x0FFFF123, words, 77)
    data = records.window(3, held)
    for piece in range(1, len(data) + 1):
        splitter = Splitter()
        found = [one for at in range(0, len(data), piece) for one in splitter.feed(data[at:at + piece])]
        assert found == [] and splitter.rest() == [(3, held)] and splitter.damaged == 0


def test_a_window_that_claims_a_gigabyte_costs_no_more_than_its_bytes():
    """Each block was joined to all before it: the square of what had come."""
    splitter, block = Splitter(), bytes(1 << 16)
    header = CPU_CHANGE_HEADER.to_bytes(4, "little") + (0).to_bytes(4, "little") + (1 << 30).to_bytes(4, "little")
    assert list(splitter.feed(header)) == []

    def spent(blocks):
        began = time.process_time()
        for _ in range(blocks):
            assert list(splitter.feed(block)) == []
        return time.process_time() - began
    early = spent(128)
    spent(1024)
    late = spent(128)
    assert late < 4 * early + 0.01      # behind nine times as many bytes, which cost as much again each time
