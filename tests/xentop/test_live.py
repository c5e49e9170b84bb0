"""xentop as a child: what is known of it that its text does not say."""
import threading

from xenmeter.core import retry
from xenmeter.core.child import Child
from xenmeter.core.errors import SourceError
from xenmeter.core.options import from_pairs
from xenmeter.core.stopping import Wakeable
from xenmeter.xen.domains import DomainFacts, Snapshot
from xenmeter.xentop.text.collector import Collector
from xenmeter.xentop.text.encode import encode
from xenmeter.xentop.text.live import LiveXentop
from xenmeter.xentop.mirror import JsonMirror
from xenmeter.xentop.plugin import PLUGIN
from xenmeter.xentop.text.records import Iteration

from helpers.xentop_rows import disk, row


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


def test_nothing_wakes_it_between_two_iterations_but_the_stop(monkeypatch, tmp_path):
    (tmp_path / "text").write_bytes(encode(Iteration([row(b"web")])))
    source = LiveXentop(3600, NoStore(), ["sh", "-c", "cat %s; exec sleep 1000" % (tmp_path / "text")])
    stop, waits, rest, waiting, read = Wakeable(), [], [], threading.Event(), Child.read

    def watched(child, seconds, wake=None):
        waits.append(seconds)
        if seconds > 1:
            waiting.set()
        return read(child, seconds, wake)

    monkeypatch.setattr(Child, "read", watched)
    found = source.samples(stop, rest.append)
    assert next(found).iteration.rows[0].name == b"web" and waits[1:] == [0.1]
    waiting.clear()
    reader = threading.Thread(target=lambda: rest.append(next(found, None)))
    reader.start()
    assert waiting.wait(30)
    stop.set()
    reader.join(30)
    assert not reader.is_alive() and rest == [None] and waits[2:] == [3601]


def test_a_xentop_that_worked_and_fails_has_one_text_however_often_it_is_started(monkeypatch, tmp_path):
    """Without a figure from its next start on, too: Xen is here, and the log tells one fault once."""
    monkeypatch.setattr(retry, "PAUSES", (0.01,))
    figures = tmp_path / "figures"
    figures.write_bytes(encode(Iteration([row(b"web")])))
    ends = "echo /proc/net/dev: No such file or directory >&2; echo Failed to retrieve statistics from libxenstat >&2"
    source = LiveXentop(1, NoStore(), ["sh", "-c", "cat %s 2>/dev/null; rm -f %s; %s" % (figures, figures, ends)])
    stop, errors = threading.Event(), []

    def report(error):
        errors.append(error)
        if len(errors) == 3:
            stop.set()
    assert len(list(source.samples(stop, report))) == 1
    assert [(type(error), str(error)) for error in errors] == 3 * [(SourceError, (
        "xentop ended: /proc/net/dev: No such file or directory; Failed to retrieve statistics from libxenstat"))]


def test_an_interval_that_xentop_does_not_know_is_told(tmp_path):
    assert [sample.remark for sample in samples(tmp_path, 1, Iteration([row(b"web")]))] == [None]
    for interval, seconds in ((0.5, 1), (2.5, 2)):
        (told,) = samples(tmp_path, 1, Iteration([row(b"web")]), interval=interval)
        assert told.remark == "xentop takes whole seconds: its figures come every %d s, not every %s" % (seconds, interval)


class Store:
    """xenstore's word on a domain, whose disks are asked anew only on demand."""

    def __init__(self, vifs=(), order=None):
        self.listed = {51712: "xvda", 51728: "xvdb"}
        self.known = dict(self.listed)
        self.vifs, self.order = vifs, order
        self.asked = []

    def snapshot(self):
        return Snapshot([DomainFacts(3, b"web", "00000000-0000-0000-0000-000000000003", None, self.vifs, dict(self.known))],
                        self.order)

    def again(self, domids):
        self.asked.append(list(domids))
        self.known = dict(self.listed)
        return self.snapshot()


def test_a_disk_that_is_no_longer_shown_is_asked_for_once():
    """Unplugged, or not seen by xentop: only xenstore knows."""
    store = Store()
    source = LiveXentop(1, store)
    both, one = [Iteration([row(b"web", disks=disks)]) for disks in ([disk(51712), disk(51728)], [disk(51712)])]
    assert set(source._ask_names(both).domains[0].vbds) == {51712, 51728} and store.asked == []
    del store.listed[51728]
    assert set(source._ask_names(one).domains[0].vbds) == {51712}
    assert set(source._ask_names(one).domains[0].vbds) == {51712} and store.asked == [[3]]


def test_a_vif_that_dom0_does_not_list_is_asked_for_once():
    """Unplugged, or in a network namespace that is not ours: only xenstore knows."""
    store = Store((0, 1), {3: ["0", "0-emu", "1"]})
    source = LiveXentop(1, store)
    iteration = Iteration([row(b"web", disks=[disk(51712), disk(51728)])])
    source._ask_names(iteration)
    assert store.asked == []
    store.order = {3: ["0"]}
    for _ in range(3):
        source._ask_names(iteration)
    assert store.asked == [[3]]
    store.order = {}
    source._ask_names(iteration)
    assert store.asked == [[3], [3]]
