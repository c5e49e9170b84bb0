"""A plugin at work, whatever its source: what is said of options, and which samples come through."""
import pytest

from xenmeter.core.errors import BadOption
from xenmeter.core.options import from_pairs
from xenmeter.core.pipeline import Pipeline
from xenmeter.xentop.plugin import PLUGIN


class Source:
    """A live source, or a recording, that has nothing to say."""

    stepwise, skipped, cpu_ns = False, None, 0

    def __init__(self, recorded):
        self.recorded = recorded

    def samples(self, stop, report):
        return iter(())


def pipeline(recorded=False, **options):
    made = Pipeline(PLUGIN._replace(open_source=lambda options: Source(recorded)), from_pairs(
        PLUGIN.options, [(key, (value,)) for key, value in options.items()])[0])
    made.start()
    made.stop()
    return made


def test_what_is_for_recordings_is_told_of_a_live_source():
    assert pipeline(source="direct", start="2026-01-01", pace=1).remarks() == [
        "start is for recordings: source direct is live, its figures have the time of now",
        "pace is for recordings: source direct is live, its figures have the time of now"]
    assert pipeline().remarks() == [] == pipeline(recorded=True, start="2026-01-01", pace=1).remarks()


def test_a_start_that_cannot_be_read_is_told_whatever_the_source():
    for recorded in (False, True):
        with pytest.raises(BadOption, match="'yesterday' is no time that can be read"):
            pipeline(recorded, start="yesterday")
