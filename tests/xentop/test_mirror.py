"""xentop's mirror: which rows it keeps, and what it says."""
import json

import pytest

from xenmeter.core.options import from_pairs
from xenmeter.front.commands import plugin as command
from xenmeter.xen.domains import DomainFacts, Snapshot, Unreadable
from xenmeter.xentop.mirror import CsvMirror, JsonMirror
from xenmeter.xentop.plugin import PLUGIN
from xenmeter.xentop.samples import Sample
from xenmeter.xentop.text.records import Iteration

from helpers.xentop_rows import row

UUID = "be4f0000-0000-0000-0000-000000000003"
KNOWN = Snapshot([DomainFacts(3, b"web", UUID, None, (), {})], None)
ROWS = [row(b"Domain-0"), row(b"web")]


def names(mirror, told):
    return [domain["name"] for domain in json.loads(mirror.sample(Sample(10 ** 9, Iteration(ROWS), told)).decode())["domains"]]


@pytest.mark.parametrize("pattern", [UUID, "be4f*", "????????-0000-0000-0000-00000000000[3-5]", "/^be4f/"])
def test_what_is_excluded_by_uuid_does_not_come_while_no_uuid_can_be_read(pattern):
    mirror = JsonMirror(from_pairs(PLUGIN.options, [("Exclude", [pattern])])[0])
    assert "web" not in names(mirror, KNOWN)
    assert names(mirror, Unreadable("xenstore: did not answer")) == []
    assert "web" not in names(mirror, Snapshot([], None))       # it is not known yet, or no longer
    assert names(mirror, None) == ["Domain-0", "web"]           # there are no UUIDs on this host


def test_what_a_name_decides_comes_as_ever():
    mirror = JsonMirror(from_pairs(PLUGIN.options, [("Exclude", ["web*"])])[0])
    assert names(mirror, Unreadable("xenstore: did not answer")) == names(mirror, KNOWN) == ["Domain-0"]


def test_a_sample_without_uuids_is_told(capsysbinary):
    """Once, while it lasts."""
    options = from_pairs(PLUGIN.options, [])[0]
    mirror = CsvMirror(options)
    told = [Unreadable("xenstore: did not answer")] * 2 + [KNOWN]

    class Pipeline:
        ended, error, meter = False, None, None

        def take(self, timeout):
            self.ended = len(told) == 1
            return [Sample(10 ** 9, Iteration(ROWS), told.pop(0))]

        def hangs(self):
            return False

        def remarks(self):
            return []

    class Out:
        told_to_end = patient = False
        failure = None
        trouble = command._Stdout.trouble
        _format = mirror
        silent = flush = lambda self: None

        def sample(self, sample):
            mirror.sample(sample)

    command._run(Pipeline(), Out(), 0)
    assert capsysbinary.readouterr().err == b"xenmeter: xenstore: did not answer\n" and mirror.trouble is None
