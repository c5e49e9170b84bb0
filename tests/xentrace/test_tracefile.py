"""A trace from its beginning to its end: the rate, the blocks, and what is no trace."""
import io

import pytest

from helpers.captures import KHZ, capture
from xenmeter.core.errors import BadOption, SourceError
from xenmeter.xentrace.engine.engine import Engine
from xenmeter.xentrace.tracefile import TraceFile


class Takes:
    """An engine that keeps what it is given."""

    def __init__(self):
        self.blocks = []

    def feed(self, data):
        self.blocks.append(data)


@pytest.mark.parametrize("khz", [None, KHZ])
def test_every_byte_comes_once_and_in_order(khz):
    data = capture("alloc-steady")
    trace = TraceFile(io.BytesIO(data), "t", khz, 4096)
    engine = Takes()
    turns = sum(1 for _ in trace.feed(engine))
    assert b"".join(engine.blocks) == data
    assert turns == len(engine.blocks) == -(-len(data) // 4096)


def test_the_rate_is_found_where_it_is_not_told():
    data = capture("alloc-steady")
    found, told = TraceFile(io.BytesIO(data), "t"), TraceFile(io.BytesIO(data), "t", 5)
    assert abs(found.cpu_khz - KHZ) < KHZ / 1000 and found.run_times > 16
    assert (told.cpu_khz, told.run_times) == (5, 0)


def test_a_trace_that_does_not_tell_it_asks_for_it():
    with pytest.raises(BadOption, match="--cpu-khz is needed"):
        TraceFile(io.BytesIO(capture("narrow-steady")[:4096]), "t")


@pytest.mark.parametrize("data, word", [(b"", "empty"), (b"what is this?" * 100, "no window of a pCPU found")])
@pytest.mark.parametrize("khz", [None, KHZ])
def test_what_is_no_trace_is_said(data, word, khz):
    with pytest.raises(SourceError, match=word):
        trace = TraceFile(io.BytesIO(data), "t", khz)
        engine = Engine(trace.cpu_khz)
        for _ in trace.feed(engine):
            pass
        trace.check(engine)


class Broken(io.RawIOBase):
    """A stream that ends in an error."""

    def __init__(self, good):
        super().__init__()
        self._good = io.BytesIO(good)

    def read(self, size=-1):
        data = self._good.read(size)
        if not data:
            raise OSError(5, "Input/output error")
        return data


@pytest.mark.parametrize("khz", [None, KHZ])
def test_a_stream_that_breaks_off_is_said_with_its_name(khz):
    with pytest.raises(SourceError, match="^disk cannot be read on: Input/output error"):
        for _ in TraceFile(Broken(capture("alloc-steady")[:9999]), "disk", khz).feed(Takes()):
            pass
