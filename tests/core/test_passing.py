"""A fault that passes is said once, is tried again, and is not for ever; and no log is filled by what comes and goes."""
import errno
import os
import threading
from types import SimpleNamespace

import pytest

from helpers.captures import KHZ, capture
from xenmeter.core import feed, retry
from xenmeter.core import log
from xenmeter.core.errors import BadOption, SourceError, XenmeterError
from xenmeter.core.feed import Feed
from xenmeter.core.passing import passing
from xenmeter.core.pipeline import Pipeline
from xenmeter.core.log import HOUR, Hourly, LogOnce
from xenmeter.front import plugins
from xenmeter.xentrace.engine.picture import Picture
from xenmeter.xentrace.engine.windowed import Baking

FAULTS = [OSError(number, os.strerror(number)) for number in (
    errno.ENOSPC, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EIO)]
FAULTS += [MemoryError(), RuntimeError("can't start new thread")]
IDS = [str(getattr(fault, "strerror", None) or type(fault).__name__) for fault in FAULTS]


def wrapped(fault):
    try:
        try:
            raise fault
        except type(fault):
            raise SourceError("xenstore does not answer")
    except SourceError as error:
        return error


@pytest.mark.parametrize("fault", FAULTS, ids=IDS)
def test_what_passes(fault):
    assert passing(fault) and passing(wrapped(fault)) and not passing(SourceError("no Xen"))
    assert not passing(PermissionError(errno.EACCES, "x")) and not passing(RuntimeError("x")) and not passing(KeyError("x"))


@pytest.mark.parametrize("form", [lambda fault: fault, wrapped], ids=["raw", "wrapped"])
@pytest.mark.parametrize("fault", FAULTS, ids=IDS)
def test_a_source_is_back_within_two_intervals_after_a_long_fault(monkeypatch, fault, form):
    """It lasts 500 s: without that, the pause would be a minute by then."""
    now = [0.0]
    monkeypatch.setattr(retry.time, "monotonic", lambda: now[0])
    stop = SimpleNamespace(is_set=lambda: False, wait=lambda seconds: now.__setitem__(0, now[0] + seconds))
    told = []

    def run(stop):
        if now[0] < 500:
            raise form(fault)
        yield now[0]
    assert next(retry.persistent(run, stop, told.append, 10)) < 520
    assert told and all(isinstance(error, SourceError) for error in told)
    assert len({str(error) for error in told}) == 1


def test_a_mistake_of_ours_is_not_taken_for_one():
    def run(stop):
        raise BadOption("no")
        yield
    with pytest.raises(BadOption):
        next(retry.persistent(run, threading.Event(), None))


def test_a_fault_in_the_readers_thread_is_tried_again(monkeypatch):
    monkeypatch.setattr(feed, "_LEAST_PAUSE", 0.001)
    left = [3]

    def samples(stop, report):
        if left[0]:
            left[0] -= 1
            raise KeyError("a fault")
        yield "well"
        stop.wait()
    one = Feed(samples, again=0.001)
    one.start()
    assert next(filter(None, iter(lambda: one.take(10), "end"))) == "well" and one.error is None and not one.ended
    one.stop()
    assert one.ended


def test_a_recording_is_not_played_twice_for_that():
    calls = []

    def samples(stop, report):
        calls.append(1)
        yield 1
        raise KeyError("a fault")
    one = Feed(samples, keep=5)
    one.start()
    one._thread.join(10)
    assert one.ended and calls == [1] and "fault in the reader: KeyError" in str(one.error)


def test_a_thread_that_cannot_be_had_is_asked_for_again(monkeypatch):
    one = Feed(lambda stop, report: iter(["well"]))
    with monkeypatch.context() as now:
        now.setattr(threading.Thread, "start", lambda self: (_ for _ in ()).throw(RuntimeError("can't start new thread")))
        one.start()
        assert one.take() is None and "can't start new thread" in str(one.error) and not one.ended
    assert next(filter(None, iter(lambda: one.take(10), "end"))) == "well"


def test_figures_that_cannot_be_used_are_absent_and_the_next_come():
    """By a pipeline whose collector fails for a sample, as for a file of the baker's that somebody made by hand."""
    options = plugins.get("xentrace").options
    pipeline = Pipeline(plugins.get("xentrace"), SimpleNamespace(
        **{option.name: option.default for option in options}))
    baking = Baking(KHZ, [10 ** 9], newest=True)
    baking.engine.feed(capture("narrow-steady"))
    baking.finish()
    baking.close()
    whole = next(picture for picture in baking.taken if picture.window_rows())
    wrong = Picture([section._replace(length_ns=0) for section in whole.sections], whole.cells)
    good, bad = [SimpleNamespace(time_ns=time_ns, figures=picture, names=None, remark=None)
                 for time_ns, picture in ((5, whole), (6, wrong))]
    assert pipeline.collect(good).tables["trace"] and pipeline.error is None
    assert pipeline.collect(bad).tables == {} and "cannot be used" in str(pipeline.error) and not pipeline.meter.up
    assert pipeline.collect(good).tables["trace"] and pipeline.error is None and pipeline.meter.up


class TestTheLogIsQuiet:
    @pytest.fixture(name="log")
    def _log(self, monkeypatch):
        now, said = [0.0], []
        monkeypatch.setattr(log.time, "monotonic", lambda: now[0])
        pipeline = SimpleNamespace(error=None, ended=False, remarks=list, meter=SimpleNamespace(error=lambda kind: None))
        one = LogOnce(lambda level, text: said.append((level, text)))

        def after(seconds, error=None, remarks=()):
            now[0] += seconds
            pipeline.error = error and XenmeterError(error)
            pipeline.remarks = lambda: list(remarks)
            one.about(pipeline)
            return said
        return after

    def test_a_number_that_changes_makes_no_new_line(self, log):
        for second in range(100):
            said = log(10, "the baker has been silent for %d s" % second)
        assert len(said) == 1

    def test_what_comes_and_goes_is_said_once_an_hour(self, log):
        for _ in range(720):
            log(5, "no answer")
            said = log(5)
        assert said[:2] == [("E", "no answer"), ("I", "samples come again")] and len(said) <= 4

    def test_what_follows_on_the_way_back_makes_no_line(self, log):
        for text in ("it was killed", "it has nothing yet", "it was killed", "it cannot be started"):
            log(10, text)
        assert log(10) == [("E", "it was killed"), ("I", "samples come again")]

    def test_another_error_that_stays_is_said_too(self, log):
        log(1, "no answer")
        for _ in range(10):
            log(10, "no Xen")
        assert [text for _, text in log(1)] == ["no answer", "no Xen", "samples come again"]

    def test_names_that_a_guest_changes_make_no_lines(self, log):
        for number in range(500):
            said = log(10, remarks=["domain 'a%s' has no UUID" % ("x" * (number % 50)), "%d left out" % number])
        assert len(said) <= 2 * (1 + 5000 / HOUR)

    def test_many_kinds_within_an_hour_are_bounded(self):
        hourly = Hourly()
        assert sum(hourly.may("kind " + "x" * number) for number in range(5000)) <= 256
