"""Expositions: read back with prometheus_client, strict for OpenMetrics and by family for text 0.0.4."""
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from helpers.publishing import HOSTILE, ROWS, TIME, UUID, full, real, reading, thing, tiny
from xenmeter.core.reading import Reading, Who
from xenmeter.publish.numbers import bound, ratio, seconds
from xenmeter.publish.openmetrics import Exposition
from xenmeter.publish.text import bounded, telling

WEB = Who("web", UUID, 7)
HISTOGRAM = [("lat", "wait", "histogram", "ns", "cpu", "x_wait_seconds{cause}", "-", "-", "Waits.")]


class Waits:
    """What a collector's histogram offers to an exposition."""

    def __init__(self, buckets, total):
        self._buckets = buckets
        self.count = buckets[-1][1]
        self.sum = total

    def openmetrics_buckets(self):
        return self._buckets


def openmetrics(one, rows=ROWS, groups=None):
    return Exposition([tiny(rows)], groups).openmetrics([one]).decode()


def samples(data):
    return [sample for family in parse_openmetrics(data) for sample in family.samples]


def test_the_whole_text():
    assert openmetrics(thing(WEB, 5, 1500000000, 4096, 408000, True)) == """\
# TYPE x_count counter
# HELP x_count A count.
x_count_total{domain="web",uuid="UUID"} 5
# TYPE x_seconds counter
# UNIT x_seconds seconds
# HELP x_seconds A time.
x_seconds_total{domain="web",uuid="UUID"} 1.5
# TYPE x_level_bytes gauge
# UNIT x_level_bytes bytes
# HELP x_level_bytes A level.
x_level_bytes{domain="web",uuid="UUID"} 4096
# TYPE x_share_ratio gauge
# UNIT x_share_ratio ratio
# HELP x_share_ratio A share.
x_share_ratio{domain="web",uuid="UUID"} 0.408
# TYPE x_up gauge
# HELP x_up A flag.
x_up{domain="web",uuid="UUID"} 1
# EOF
""".replace("UUID", UUID)


def test_text_form():
    rows = [ROWS[1], ("thing", "info", "info", "1", "cpu", "x_info", "-", "-", 'Say "\\".')]
    one = reading(thing=[(WEB, (), (1500000000, 1))])
    assert Exposition([tiny(rows)]).text([one]).decode() == """\
# HELP x_seconds_total A time.
# TYPE x_seconds_total counter
x_seconds_total{domain="web",uuid="UUID"} 1.5
# HELP x_info Say "\\\\".
# TYPE x_info gauge
x_info{domain="web",uuid="UUID"} 1
""".replace("UUID", UUID)
    assert '# TYPE x info\n# HELP x Say \\"\\\\\\".\nx_info{' in openmetrics(one, rows)


def test_real_catalogues_read_back():
    exposition = Exposition(real())
    data = exposition.openmetrics([full(3)]).decode()
    found = {family.name: family for family in parse_openmetrics(data)}
    state = [sample for sample in found["xen_domain_state"].samples if sample.labels["domain"] == "web0"]
    assert [sample.labels["state"] for sample in state] == ["running", "blocked", "paused", "shutdown", "crashed",
                                                            "dying"]
    assert found["xen_domain"].type == "info" and found["xen_domain"].samples[0].labels["domid"] == "1"
    assert found["xen_domain_cpu_seconds"].type == "counter" and found["xen_domain_cpu_seconds"].unit == "seconds"
    assert "running: A vCPU" in found["xen_domain_state"].documentation
    named = {figure.openmetrics.name for one in real() for entity in one.entities.values()
             for figure in entity.figures if figure.openmetrics}
    assert {sample.name for family in found.values() for sample in family.samples} == named
    text = Exposition(real()).text([full(3)]).decode()
    assert {family.name + ("_total" if family.type == "counter" else "") for family in parse_text(text)} == named
    assert "# UNIT" not in text and "# EOF" not in text and exposition.duplicates == 0


def test_values_belong_to_their_series():
    one = full(1)
    values = {(sample.name, sample.labels.get("state")): sample.value
              for sample in samples(Exposition(real()).openmetrics([one]).decode())}
    scale = {"ns": 10 ** 9, "ppm": 10 ** 6}
    for figures in real():
        for entity in figures.entities.values():
            for figure, value in zip(entity.figures, one.tables[entity.name][0][2]):
                if figure.openmetrics:
                    key = (figure.openmetrics.name, dict(figure.openmetrics.constant).get("state"))
                    assert values[key] == value / scale.get(figure.unit, 1), figure.key


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_and_labels(name):
    one = Reading(TIME, {"thing": [(Who(name, UUID), (), (1, 2, 3, 4, 5))], "part": [(WEB, (name,), (1, 2))]})
    found = samples(openmetrics(one))
    assert len(found) == 7
    assert found[0].labels == dict({"uuid": UUID}, **({"domain": bounded(name)} if name else {}))
    assert found[5].labels.get("part", "") == bounded(name)
    text = Exposition([tiny()]).text([one]).decode()
    assert len(text.split("\n")) == 7 + 2 * 7 + 1
    assert len([sample for family in parse_text(text) for sample in family.samples]) == 7


@given(st.lists(st.tuples(st.one_of(st.text(), st.sampled_from(HOSTILE)), st.one_of(st.none(), st.just(UUID))),
                max_size=6))
def test_any_names_make_unique_series_and_nothing_else_is_lost(names):
    rows = [(Who(name, uuid), (), (place, None, None, None, None)) for place, (name, uuid) in enumerate(names)]
    exposition = Exposition([tiny()])
    found = samples(exposition.openmetrics([Reading(TIME, {"thing": rows})]).decode())
    first, series = {}, set()
    for place, (name, uuid) in enumerate(names):
        first.setdefault((bounded(name) if uuid else telling(name, bounded(name)), uuid), place)
        series.add((bounded(name) if uuid else name, uuid))
    assert len(first) == len(series)    # without a UUID the name alone must tell
    assert [((sample.labels.get("domain", ""), sample.labels.get("uuid")), sample.value) for sample in found] == list(
        first.items())
    assert exposition.duplicates == len(names) - len(first)


def test_absent_and_negative():
    assert openmetrics(thing(WEB)) == "# EOF\n"
    assert openmetrics(reading()) == "# EOF\n"
    assert [sample.value for sample in samples(openmetrics(thing(WEB, 0, None, 0)))] == [0, 0]
    assert [sample.name for sample in samples(openmetrics(thing(WEB, -1, -1, -1)))] == ["x_level_bytes"]


def test_counters_keep_every_digit_up_to_what_backends_hold():
    assert 'x_count_total{domain="web",uuid="%s"} 9223372036854775807\n' % UUID in openmetrics(thing(WEB, 2 ** 63 - 1))
    assert "x_count_total{" not in openmetrics(thing(WEB, 2 ** 63))     # no backend could hold it


def test_groups():
    found = samples(openmetrics(thing(WEB, 1, 2, 3, 4, 1), groups={"memory"}))
    assert [sample.name for sample in found] == ["x_level_bytes"]


def test_readings_of_several_plugins_merge():
    vcpu = [("core", "ns", "counter", "ns", "cpu", "x_seconds_total{cpu}", "-", "-", "A time.")]
    exposition = Exposition([tiny(), tiny(vcpu, "other")])
    other = Reading(TIME + 1, {"core": [(WEB, ("",), (9 * 10 ** 9,)), (WEB, ("1",), (10 ** 9,))]})
    data = exposition.openmetrics([thing(WEB, None, 5 * 10 ** 9), other]).decode()
    assert [(sample.labels.get("cpu"), sample.value) for sample in samples(data)] == [(None, 5.0), ("1", 1.0)]
    assert data.count("# TYPE x_seconds ") == 1 and exposition.duplicates == 1


def test_one_entity_in_two_readings_first_wins():
    exposition = Exposition([tiny()])
    data = exposition.openmetrics([thing(WEB, 1), thing(WEB, 2)]).decode()
    assert [sample.value for sample in samples(data)] == [1] and exposition.duplicates == 1


def test_a_label_that_only_influx_has_makes_no_second_series():
    """Two vbds of one name and two types: one series each in xen_vbd_*, whose only own label is vbd."""
    rows = [(WEB, ("xvda", "vbd"), (1, 2, 3, 4, 5) + (None,) * 6),
            (WEB, ("xvda", "tap"), (6, 7, 8, 9, 10) + (None,) * 6)]
    exposition = Exposition(real())
    assert [sample.value for sample in samples(exposition.openmetrics([reading(vbd=rows)]).decode())] == [1, 2, 3, 4, 5]
    assert exposition.duplicates == 1


def test_histogram():
    waits = Waits([(1000, 2), (10 ** 6, 5), (2 * 10 ** 15, 6), (None, 7)], 3 * 10 ** 9 + 1)
    one = reading(lat=[(WEB, ("wake",), (waits,)), (WEB, ("preemption",), (None,)), (None, ("",), (waits,))])
    data = openmetrics(one, HISTOGRAM)
    head = 'x_wait_seconds_bucket{domain="web",uuid="%s",cause="wake",le=' % UUID
    assert head + '"1e-06"} 2\n' + head + '"0.001"} 5\n' + head + '"2e+06"} 6\n' + head + '"+Inf"} 7\n' in data
    assert 'x_wait_seconds_bucket{le="+Inf"} 7\nx_wait_seconds_count 7\nx_wait_seconds_sum 3.000000001\n' in data
    family, = parse_openmetrics(data)
    assert family.type == "histogram" and family.unit == "seconds" and len(family.samples) == 12
    assert "# TYPE x_wait_seconds histogram" in Exposition([tiny(HISTOGRAM)]).text([one]).decode()


def test_histograms_of_two_entities_in_one_family_do_not_repeat():
    rows = HISTOGRAM + [("other", "wait", "histogram", "ns", "cpu", "x_wait_seconds", "-", "-", "Waits.")]
    exposition = Exposition([tiny(rows)])
    one = reading(lat=[(WEB, ("",), (Waits([(1, 1)], 1),))], other=[(WEB, (), (Waits([(2, 1)], 2),))])
    assert [sample.value for sample in samples(exposition.openmetrics([one]).decode())] == [1, 1, 1, 1e-09]
    assert exposition.duplicates == 1


@given(st.integers(-10 ** 30, 10 ** 30))
def test_seconds_are_exact(ns):
    whole, point, rest = seconds(ns).partition(".")
    assert point and 1 <= len(rest) <= 9 and (rest == "0" or not rest.endswith("0"))
    assert int(whole + rest.ljust(9, "0")) == ns


@given(st.integers(0, 10 ** 12))
def test_ratio_reads_back(ppm):
    assert float(ratio(ppm)) == ppm / 10 ** 6


@given(st.integers(1, 10 ** 24))
def test_bounds_are_canonical(ns):
    from prometheus_client.utils import floatToGoString
    value = ns / 10 ** 9
    assert float(bound(value)) == value
    if value < 10 ** 9:  # above, prometheus_client writes e+010
        assert bound(value) == floatToGoString(value)


@pytest.mark.parametrize("row, told", [
    (("t", "a", "counter", "1", "g", "x_a", "-", "-", "x"), "ending"),
    (("t", "a", "gauge", "1", "g", "x_a_total", "-", "-", "x"), "ending"),
    (("t", "a", "info", "1", "g", "x_a", "-", "-", "x"), "ending"),
    (("t", "a", "gauge", "ns", "g", "x_a", "-", "-", "x"), "seconds"),
    (("t", "a", "gauge", "ppm", "g", "x_a_percent", "-", "-", "x"), "ratio"),
    (("t", "a", "gauge", "1", "g", "x_a{uuid}", "-", "-", "x"), "implied"),
    (("t", "a", "gauge", "1", "g", "x_a{b,b=c}", "-", "-", "x"), "constant"),
])
def test_names_that_break_the_rules(row, told):
    with pytest.raises(ValueError, match=told):
        Exposition([tiny([row])])


def test_figures_that_disagree_about_a_family():
    rows = [("t", "a", "gauge", "1", "g", "x_a", "-", "-", "x"),
            ("u", "a", "gauge", "bytes", "g", "x_a", "-", "-", "x")]
    with pytest.raises(ValueError, match="x_a.*u.a"):
        Exposition([tiny(rows)])


def test_what_is_kept_per_domain_goes_with_it():
    exposition = Exposition([tiny()])
    whos = [Who("d%d" % place) for place in range(9)]
    exposition.openmetrics([Reading(TIME, {"thing": [(who, (), (1, 2, 3, 4, 5)) for who in whos]})])
    exposition.openmetrics([thing(whos[0], 1)])
    assert {who for labels in exposition._sets.values() for who, _ in labels._kept} == {whos[0]}
