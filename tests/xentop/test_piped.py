"""xentop's text that comes through a pipe: real pipes and FIFOs, and the time of each iteration."""
import os
import threading
import time

import pytest

from xenmeter.core import clock as core_clock
from xenmeter.core.errors import SourceError
from xenmeter.core.options import from_pairs
from xenmeter.xentop.text import arrivals
from xenmeter.xentop.text.encode import encode
from xenmeter.xentop.text.piped import PipedXentop, is_pipe
from xenmeter.xentop.playback import Playback
from xenmeter.xentop.plugin import PLUGIN
from xenmeter.xentop.text.records import Iteration

from helpers.stage import PATIENCE, wait_for
from helpers.xentop_rows import net, row

S = 10 ** 9


def text(step, percent=50):
    return encode(Iteration([row(b"Domain-0", cpu_permille=percent), row(b"web", cpu_seconds=step, cpu_permille=percent,
                                                                         nets=[net(tx=125000 * step)])]))


class Reader(threading.Thread):
    """Takes the samples of a source as a front does, with the time at which each is there."""

    def __init__(self, path, interval=1):
        super().__init__(daemon=True)
        self.source = PipedXentop(str(path), interval)
        self.found, self.errors, self.failure = [], [], None
        self.halt = threading.Event()
        self.start()

    def run(self):
        try:
            for sample in self.source.samples(self.halt, self.errors.append):
                self.found.append((sample, time.time()))
        except SourceError as error:
            self.failure = error

    def wait(self, number):
        wait_for(lambda: len(self.found) >= number, PATIENCE, "%d samples" % number)

    def end(self):
        self.halt.set()
        self.ended()

    def ended(self):
        """Wait until it has ended, by itself or because it was told to."""
        self.join(PATIENCE)
        assert not self.is_alive()

    @property
    def stamps(self):
        return [sample.time_ns / S for sample, _ in self.found]

    @property
    def seconds(self):
        return [sample.iteration.rows[-1].columns.cpu_seconds for sample, _ in self.found]


@pytest.fixture
def fifo(tmp_path):
    os.mkfifo(str(tmp_path / "fifo"))
    return tmp_path / "fifo"


def test_each_iteration_when_it_has_come_with_that_time(fifo):
    reader = Reader(fifo)
    with open(str(fifo), "wb", buffering=0) as writer:
        for step in range(3):
            written = time.time()
            writer.write(text(step))
            reader.wait(step + 1)
            sample, there = reader.found[-1]
            assert written - 0.01 <= sample.time_ns / S <= there
            time.sleep(0.6)
    reader.end()
    assert reader.seconds == [0, 1, 2] and not reader.failure
    assert {sample.names for sample, _ in reader.found} == {None}


def test_a_writer_that_goes_away_is_waited_for(fifo):
    """Nothing of what the next one writes is lost, not even what it writes before we are back."""
    reader = Reader(fifo)
    for step in range(0, 6, 2):
        with open(str(fifo), "wb", buffering=0) as writer:
            writer.write(text(step, percent=0))
            reader.wait(step + 1)
            time.sleep(0.3)
            writer.write(text(step + 1))
        reader.wait(step + 2)
    reader.end()
    assert reader.seconds == list(range(6)) and not reader.failure
    assert [sample.first for sample, _ in reader.found] == [True, False] * 3       # each xentop's first has no rates
    assert {str(error) for error in reader.errors} == {"%s: xentop has ended; another is waited for" % fifo}
    assert reader.source.skipped is None


def test_a_fifo_that_is_made_anew_is_found(fifo):
    reader = Reader(fifo)
    with open(str(fifo), "wb", buffering=0) as writer:
        writer.write(text(1))
        reader.wait(1)
    fifo.unlink()
    os.mkfifo(str(fifo))
    with open(str(fifo), "wb", buffering=0) as writer:
        writer.write(text(2))
        reader.wait(2)
    reader.end()
    assert reader.seconds == [1, 2]


def test_an_iteration_that_is_cut_off_is_none(fifo):
    reader = Reader(fifo)
    whole = text(1)
    with open(str(fifo), "wb", buffering=0) as writer:
        writer.write(whole[:len(whole) - 100])
    time.sleep(0.5)     # or the next one's text goes on in the same line
    with open(str(fifo), "wb", buffering=0) as writer:
        writer.write(text(2))
        reader.wait(1)
    reader.end()
    assert reader.seconds == [2]


def test_what_waited_in_the_pipe_was_printed_an_interval_apart(fifo):
    """This process stood still: three iterations are there at once, of which two are older."""
    reader = Reader(fifo)
    with open(str(fifo), "wb", buffering=0) as writer:
        writer.write(text(0))
        reader.wait(1)
        time.sleep(1.6)
        before = time.time()
        writer.write(text(1) + text(2) + text(3))
        reader.wait(4)
        after = time.time()
    reader.end()
    stamps = reader.stamps
    apart = min(1, (stamps[3] - stamps[0]) / 3)     # an interval, if there is room for that: this test may stand still as well
    assert before - 0.01 <= stamps[3] <= after and apart > 0.5
    assert [stamps[3] - stamp for stamp in stamps[1:]] == pytest.approx([2 * apart, apart, 0], abs=0.01)


def test_a_recording_in_a_pipe_is_told_from_a_xentop_that_runs(fifo):
    """Its iterations do not get times a microsecond apart: the newest is kept, and it is said how to read it."""
    reader = Reader(fifo)
    began = time.monotonic()
    with open(str(fifo), "wb", buffering=0) as writer:
        for step in range(0, 3000, 10):
            writer.write(b"".join(text(step + more) for more in range(10)))
        reader.wait(1)
    wait_for(lambda: reader.errors, PATIENCE, "the end of the recording")
    took = time.monotonic() - began
    reader.end()
    assert "a recording in a pipe is read with --start" in reader.source.note
    # the nearest that iterations can be is 50 ms, and two of them fit into that
    assert len(reader.found) < 10 + 2 * took / 0.05 < 3000, took
    assert min(later - earlier for earlier, later in zip(reader.stamps, reader.stamps[1:])) >= 0.01


def test_another_interval_than_the_one_that_was_told_is_said(fifo):
    reader = Reader(fifo, interval=100)
    with open(str(fifo), "wb", buffering=0) as writer:
        for step in range(3):
            writer.write(text(step))
            reader.wait(step + 1)
            time.sleep(1.0)
    reader.end()
    pace = reader.stamps[1] - reader.stamps[0]      # 1 s and what this test stood still
    assert reader.source.note == "%s: iterations come every %d s: give that as the interval, which is 100 s" % (fifo, round(pace))
    assert pace >= 0.99 and reader.source.pace_s == pytest.approx(pace, abs=0.01)


def test_readings_of_source_direct_are_no_text(fifo):
    reader = Reader(fifo)
    with open(str(fifo), "wb", buffering=0) as writer:
        writer.write(b'{"time_ns": 5, "xen_ns": 7}\n')
    reader.ended()
    assert "readings of source direct" in str(reader.failure) and not reader.found


def test_text_of_something_else_is_told(tmp_path):
    read, write = os.pipe()
    os.write(write, b"bash: xentop: command not found\n")
    os.close(write)
    reader = Reader("/dev/fd/%d" % read)
    reader.ended()
    os.close(read)
    assert "no iteration of xentop -b came" in str(reader.failure) and "command not found" in str(reader.failure)


def test_a_pipe_without_a_name_ends_with_its_writer(tmp_path):
    read, write = os.pipe()
    reader = Reader("/dev/fd/%d" % read)
    os.write(write, text(1))
    reader.wait(1)
    os.close(write)
    reader.ended()
    os.close(read)
    assert reader.failure is None and reader.seconds == [1] and not reader.errors


def test_what_is_a_pipe_and_what_is_a_recording(tmp_path, fifo, monkeypatch):
    (tmp_path / "file").write_bytes(text(1))

    def source(**options):
        return type(PLUGIN.open_source(from_pairs(PLUGIN.options, [(key, (value,)) for key, value in options.items()])[0]))
    assert is_pipe(str(fifo)) and not is_pipe(str(tmp_path / "file")) and not is_pipe(str(tmp_path / "none"))
    assert source(source=str(fifo)) is PipedXentop and source(source=str(tmp_path / "file")) is Playback
    assert source(source=str(fifo), start="0") is Playback is source(source=str(fifo), pace=1)
    assert source(source=str(fifo), interval=1) is PipedXentop


def test_the_time_of_an_iteration_is_that_of_its_first_byte(monkeypatch):
    """However late it is seen to be whole; and xentop's clock being set makes its CPU(%) no rate."""
    clock = {"steady": 0, "ahead": 1000 * S}
    for module in (arrivals, core_clock):
        monkeypatch.setattr(module, "steady_ns", lambda: clock["steady"])
    monkeypatch.setattr(core_clock, "now_ns", lambda: clock["steady"] + clock["ahead"])
    source = arrivals.Arrivals(10, "nxv")

    def step(seconds, data=b""):
        clock["steady"] += int(seconds * S)
        return [(arrived.time_ns / S - 1000, arrived.rated) for arrived in source.take(data, True)]
    whole = text(1)
    assert step(10, whole[:200]) == [] and step(0.5, whole[200:]) == [] and step(0.1) == [(10, True)]
    assert step(9.4, whole) == [] and step(0.1) == [(20, True)]
    clock["ahead"] -= 3600 * S
    assert step(9.9, whole) == [] and step(0.1) == [(30 - 3600, False)]
    assert step(9.9, whole) == [] and step(0.1) == [(40 - 3600, False)]
    assert step(9.9, whole) == [] and step(0.1) == [(50 - 3600, True)]
    assert step(20, whole * 2) == []
    assert [round(at) for at, _ in step(0.1)] == [60 - 3600, 70 - 3600]


def test_an_iteration_is_stamped_when_it_came_however_long_we_stood_still_then(monkeypatch):
    """Five seconds pass after any of our looks at a clock: a stamp that is late by them would make the next one go back."""
    whole = text(1)
    for stopped_after in range(1, 8):
        looks = []

        def steady():
            looks.append(1)
            return len(looks) * 1000 + (5 * S if len(looks) > stopped_after else 0)
        for module in (arrivals, core_clock):
            monkeypatch.setattr(module, "steady_ns", steady)
        monkeypatch.setattr(core_clock, "now_ns", lambda: 1000 * S + steady())
        source = arrivals.Arrivals(10, "nxv", ours=False)
        source.take(whole, True)
        came = source._came
        (arrived,) = source.take(b"", True)
        assert abs(arrived.time_ns - 1000 * S - came) < S // 1000, stopped_after
