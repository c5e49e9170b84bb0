"""The pauses between runs of a source that fails, on a clock of the test's own."""
import pytest

from xenmeter.core import retry
from xenmeter.core.errors import SourceError


class World:
    """Runs that fail: each says so many samples and lasts so many seconds."""

    def __init__(self, monkeypatch, *runs):
        self.now, self.runs, self.begun, self.reported = 1000.0, list(runs), [], 0
        monkeypatch.setattr(retry.time, "monotonic", lambda: self.now)

    def is_set(self):
        return not self.runs

    def wait(self, seconds):
        self.now += seconds

    def run(self, stop):
        self.begun.append(self.now - 1000)
        samples, lasts = self.runs.pop(0)
        for number in range(samples):
            yield number
        self.now += lasts
        raise SourceError("it ended")

    def starts(self, interval=0):
        """When each run began, in seconds."""
        def report(error):
            self.reported += 1
        list(retry.persistent(self.run, self, report, interval))
        assert self.reported == len(self.begun)
        return self.begun


@pytest.fixture
def world(monkeypatch):
    return lambda *runs: World(monkeypatch, *runs)


def test_pauses_grow_and_the_last_one_repeats(world):
    assert world(*[(0, 0)] * 9).starts() == [0, 1, 3, 8, 18, 48, 108, 168, 228]


def test_a_first_sample_and_an_end_are_no_recovery(world):
    """An xentop that prints once and dies: the pauses grow, and none is shorter than the interval."""
    starts = world(*[(1, 0.1)] * 8).starts(interval=10)
    gaps = [round(later - earlier, 3) for earlier, later in zip(starts, starts[1:])]
    assert gaps == [10, 10, 10, 10.1, 30.1, 60.1, 60.1]


def test_a_run_that_lasted_begins_the_pauses_anew(world):
    assert world((0, 0), (0, 0), (3, 100), (0, 0), (0, 0)).starts(interval=10) == [0, 1, 3, 104, 106]


def test_long_silence_is_no_recovery(world):
    assert world((0, 100), (0, 100), (0, 100)).starts(interval=10) == [0, 101, 203]


def test_a_run_that_said_nothing_is_tried_again_within_the_interval(world):
    assert world((0, 0), (0, 0), (0, 0)).starts(interval=300) == [0, 1, 3]


def test_pauses_grow_and_the_last_one_stays():
    assert [retry.pause_after(failures) for failures in range(8)] == [1, 2, 5, 10, 30, 60, 60, 60]
