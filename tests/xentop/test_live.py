"""xentop as a child: what is known of it that its text does not say."""
import threading

from xenmeter.core import retry
from xenmeter.core.options import from_pairs
from xenmeter.xentop.collector import Collector
from xenmeter.xentop.encode import encode
from xenmeter.xentop.live import LiveXentop
from xenmeter.xentop.mirror import JsonMirror
from xenmeter.xentop.plugin import PLUGIN
from xenmeter.xentop.records import Iteration

from .making import row


class NoStore:
    """A host without xenstore."""

    def snapshot(self):
        return None


def samples(path, number, *iterations, interval=1):
    """The first samples of a xentop that prints these, half a second apart, and ends."""
    script = []
    for index, iteration in enumerate(iterations):
        (path / str(index)).write_bytes(encode(iteration))
        script.append("cat %s; sleep 0.5" % (path / str(index)))
    source = LiveXentop(interval, NoStore(), ["sh", "-c", "; ".join(script)])
    stop, found = threading.Event(), []
    for sample in source.samples(stop, lambda error: None):
        found.append(sample)
        if len(found) == number:
            stop.set()
    return found


def test_a_xentop_that_was_started_again_says_no_cpu_percent_at_first(monkeypatch, tmp_path):
    """Its first iteration is 0.0 % for all, though the domains are long known."""
    monkeypatch.setattr(retry, "PAUSES", (0.01,))
    found = samples(tmp_path, 4, Iteration([row(b"web", cpu_permille=0)]), Iteration([row(b"web", cpu_permille=408)]))
    assert [sample.first for sample in found] == [True, False, True, False]
    collector, mirror = Collector(), JsonMirror(from_pairs(PLUGIN.options, [])[0])
    assert [collector.collect(sample).tables["domain"][0][2][4] for sample in found] == [None, 408000, None, 408000]
    assert [mirror.domains(sample)[0]["cpu_percent"] for sample in found] == [None, 40.8, None, 40.8]
