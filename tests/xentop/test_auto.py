"""Source auto: the direct one where a reading of it works, else xentop's text, and never a change between the two."""
import threading

import pytest

from xenmeter.core import retry
from xenmeter.core.errors import NoPrivilege, NotXen, SourceError, VersionMismatch
from xenmeter.core.source import Source
from xenmeter.xentop.auto import LiveAuto


class Steps(Source):
    """What each step gives: a sample, or an error."""

    cpu_ns = 5
    hypercalls = 7

    def __init__(self, name, *steps):
        self.name, self.steps, self.begun = name, list(steps), 0

    def samples(self, stop, report):
        def run(stop):
            self.begun += 1
            while self.steps:
                step = self.steps.pop(0)
                if isinstance(step, Exception):
                    raise step
                yield self.name, step
        return retry.persistent(run, stop, report)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(retry, "PAUSES", (0.001,))


def played(direct, text, number=100):
    errors, stop = [], threading.Event()
    auto = LiveAuto(lambda: direct, lambda: text)
    found = []
    for sample in auto.samples(stop, lambda error: errors.append(error) or (len(errors) > 5 and stop.set())):
        found.append(sample)
        if len(found) == number:
            stop.set()
    return found, errors, auto


def test_direct_works():
    text = Steps("text", 1)
    found, errors, auto = played(Steps("direct", 1, 2, 3), text)
    assert found == [("direct", 1), ("direct", 2), ("direct", 3)] and not errors and not text.begun
    assert (auto.cpu_ns, auto.hypercalls, auto.skipped) == (5, 7, None)


@pytest.mark.parametrize("reason", [NotXen("no device"), NoPrivilege("not root"), VersionMismatch("too new"),
                                    SourceError("busy")])
def test_the_text_takes_over(reason):
    found, errors, _ = played(Steps("direct", reason, 9), Steps("text", 1, 2))
    assert found == [("text", 1), ("text", 2)] and not errors


@pytest.mark.parametrize("direct, text, name", [
    (("x", SourceError("busy"), "y"), (1,), "direct"), ((NotXen("no"), 1), ("x", SourceError("ended"), "y"), "text")])
def test_what_was_chosen_is_kept(direct, text, name):
    """A failure later is waited for: to change over would make counters fall."""
    found, errors, _ = played(Steps("direct", *direct), Steps("text", *text))
    assert found == [(name, "x"), (name, "y")] and len(errors) == 1


def test_nothing_works_yet():
    direct = Steps("direct", NotXen("a"), NotXen("b"), 1)
    found, errors, _ = played(direct, Steps("text", NotXen("c"), NotXen("d"), 2))
    assert found == [("direct", 1)] and [str(error) for error in errors] == ["a", "b"]     # ours, not those of xentop's wrapper


def test_both_reasons_are_said():
    _, errors, auto = played(Steps("direct", VersionMismatch("too new"), 1), Steps("text", NotXen("not installed"), 2))
    assert [str(error) for error in errors] == ["not installed; and source direct: too new"]
    assert isinstance(errors[0], NotXen) and auto.hypercalls == 7


def test_what_only_the_text_knows_is_not_lost():
    _, errors, _ = played(Steps("direct", NotXen("no device"), 1), Steps("text", NoPrivilege("may not"), 2))
    assert [str(error) for error in errors] == ["may not; and source direct: no device"]


def test_nothing_was_chosen():
    auto = LiveAuto(None, None)
    assert (auto.cpu_ns, auto.hypercalls, auto.skipped) == (0, None, None)
