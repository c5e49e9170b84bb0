"""The shared file as a source: a baker whose first window has not ended is a baker, and is waited for."""
import threading

from xenmeter.xentrace import live
from xenmeter.xentrace.baker import document
from xenmeter.xentrace.engine.windowed import Baking
from xenmeter.xentrace.live import Baked
from xenmeter.xentrace.baker.shm import NothingYet
from xenmeter.xentrace.baker.writing import Writer

NOTHING = Baking(1, [10 ** 9]).now()


class Own:
    """Says when somebody wants a baker of its own; it never runs."""

    runs = False

    def __init__(self):
        self.starts = 0

    def start(self):
        self.starts += 1

    def failure(self):
        return "a baker runs already"

    def stop(self):
        pass


def first_of(writer, own, monkeypatch):
    """The first sample, and what was reported meanwhile; the baker speaks after it has been asked three times."""
    errors, asked = [], []
    stop = threading.Event()
    source = Baked(writer.path, 0.01, own)
    read = source._reader.read

    def look(histograms):
        asked.append(1)
        if len(asked) == 4:
            writer.write(document.Words().parts(NOTHING, None, None), 7)
        return read(histograms)
    monkeypatch.setattr(source._reader, "read", look)
    samples = source.samples(stop, errors.append)
    sample = next(samples)
    samples.close()
    assert len(asked) == 4
    return sample, errors


def test_no_baker_of_its_own_beside_one_that_has_just_begun(tmp_path, monkeypatch):
    monkeypatch.setattr(live, "_START", 0.01)
    writer = Writer(str(tmp_path / "baker"), 5 * 10 ** 9)
    try:
        own = Own()
        sample, errors = first_of(writer, own, monkeypatch)
        assert (sample.time_ns, own.starts, errors) == (7, 0, [])
    finally:
        writer.close()


def test_who_only_waits_says_what_for(tmp_path, monkeypatch):
    writer = Writer(str(tmp_path / "baker"), 5 * 10 ** 9)
    try:
        _, errors = first_of(writer, None, monkeypatch)
        assert errors and all(isinstance(error, NothingYet) and "nothing to show yet" in str(error) for error in errors)
    finally:
        writer.close()
