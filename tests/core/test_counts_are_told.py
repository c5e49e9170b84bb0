"""What is counted anywhere stands in xenmeter_errors_total: samples that gave way, rows that a publisher left out."""
import re
import threading
from collections import namedtuple

import pytest

from xenmeter.core import source
from xenmeter.core.identity import Who
from xenmeter.core.options import defaults
from xenmeter.core.pipeline import Pipeline
from xenmeter.core.reading import Reading
from xenmeter.front.daemons.exposed import OPENMETRICS, Exposed
from xenmeter.front.output import make_format
from xenmeter.vcpu.plugin import PLUGIN


Sample = namedtuple("Sample", "time_ns remark")


class Ten(source.Source):
    def samples(self, stop, report):
        return iter([Sample(second * 10 ** 9, None) for second in range(1, 11)])


class Collector(source.Collector):
    """Each reading has one row twice."""

    def __init__(self):
        super().__init__()
        self.errors["own"] = 4

    def collect(self, sample):
        figures = len(PLUGIN.catalogue.entities["domain"].figures)
        row = (Who("a", "u", False), ("getvcpuinfo",), (1, 2) + (None,) * (figures - 2))
        return Reading(sample.time_ns, {"domain": [row, row], "vcpu": []})


@pytest.fixture()
def pipeline():
    plugin = PLUGIN._replace(open_source=lambda options: Ten(), make_collector=lambda options: Collector())
    made = Pipeline(plugin, defaults(PLUGIN.options))
    yield made
    made.stop()


def errors(reading):
    return {labels[1]: values[0] for _, labels, values in reading.tables["meter_error"]}


def run(pipeline, keep):
    done = threading.Event()
    pipeline.start(keep=keep, notify=lambda: pipeline._feed.ended and done.set())
    assert done.wait(60)


def test_samples_that_gave_way(pipeline):
    run(pipeline, 3)
    assert errors(pipeline.own(1)) == {"own": 4, "overrun": 7} == errors(pipeline.own(2))


def test_who_wants_the_newest_alone_has_lost_nothing(pipeline):
    run(pipeline, 1)
    assert errors(pipeline.own(1)) == {"own": 4}


@pytest.mark.parametrize("form", ["prometheus", "openmetrics", "textfile", "collectd"])
def test_rows_that_a_publisher_left_out(pipeline, form):
    format_ = make_format(form, pipeline)
    format_.sample(Sample(1, None))
    again = format_.sample(Sample(2, None)).decode()
    assert re.search(r'xenmeter_errors_total{plugin="vcpu",kind="duplicate"} [12]\n', again) or (
        'derive-vcpu_duplicate" interval=10 0.000:1\n' in again)
    assert errors(pipeline.own(3))["duplicate"] >= 2


def test_rows_that_an_endpoint_left_out(pipeline):
    exposed = Exposed([pipeline])
    run(pipeline, 16)
    exposed.page(OPENMETRICS)
    assert b'xenmeter_errors_total{plugin="vcpu",kind="duplicate"} ' in exposed.page(OPENMETRICS)
