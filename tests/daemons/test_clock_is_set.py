"""dom0's clock is set back and forward under the real daemons: what they store, and the rates that come of it.

libfaketime shifts the wall clock of the processes under test, as a file says, and leaves the steady one alone.
"""
import time

import pytest

from helpers.collectd_stage import Site, module
from helpers.lineprotocol import parse
from helpers.stage import Running, domain, iteration
from tools import daemons, provision

pytestmark = pytest.mark.daemon

RATE = 62500
SECONDS = 120


def text():
    """An iteration per second, in each of which web receives as much."""
    return b"".join(iteration([domain(b"Domain-0", 1000 + step, 10.0, state=b"-----r"), domain(
        b"web", 500 + step, 95.0, vif=(1024000, 10, 0, 0, 10 ** 9 + RATE * step, 10, 0, 0))]) for step in range(SECONDS))


class Clock:
    """The wall clock of processes with its environment."""

    def __init__(self, folder):
        self._file = folder / "clock"
        self.set(0)
        library = next(provision.root_of("faketime").glob("usr/lib/*/faketime/libfaketime.so.1"))
        self.environment = {"LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(self._file), "FAKETIME_NO_CACHE": "1",
                            "FAKETIME_DONT_FAKE_MONOTONIC": "1"}

    def set(self, ahead):
        self.ahead = ahead
        part = self._file.with_suffix(".new")
        part.write_text("%+d\n" % ahead)
        part.replace(self._file)


@pytest.fixture
def clock(tmp_path):
    provision.ensure("faketime")
    return Clock(tmp_path)


def run(clock, xentop, aheads, *arguments, count=6):
    """The lines of a command for whom the clock is set so, one setting after the other; (lines, what it said)."""
    xentop.play(text(), speedup=1)
    with Running("xentop", "--source", "xentop", "--interval", "1", "--format", "influx", *arguments, path=xentop.path,
                 environment=clock.environment) as running:
        for ahead in aheads:
            clock.set(ahead)
            before = running.out.count(b"xen_host")
            running.wait_for(lambda: running.out.count(b"xen_host") >= before + count, 120, "samples")
        running.process.terminate()
        running.wait_end()
        out = running.out[:running.out.rfind(b"\n") + 1]
        return out, running.err.decode()


def received(out):
    """(stamp in s, bytes) of web in the order in which they came."""
    return [(stamp / 1e9, fields["rx_bytes"]) for measurement, tags, fields, stamp in parse(out)
            if measurement == "xen_domain" and tags["domain"] == "web"]


def rates(points):
    return [(later - earlier, (more - less) / (later - earlier)) for (earlier, less), (later, more) in zip(points, points[1:])]


def near(rate):
    """A reading that comes late on a busy machine makes one rate lower and the next higher; a step of the clock does more."""
    return RATE * 0.2 < rate < RATE * 5


def steady(points):
    """Each rate is near, and over all of them a late reading makes up for itself."""
    return all(passed >= 0.2 and near(rate) for passed, rate in rates(points)) and all(
        RATE * 0.6 < rate < RATE * 1.55 for _, rate in rates([points[0], points[-1]]))


def test_set_back_by_an_hour_figures_go_on_with_the_new_time(tmp_path, clock, xentop):
    began = time.time()
    out, said = run(clock, xentop, [3600, 0])
    points = received(out)
    ahead = [point for point in points if point[0] > began + 1800]
    assert 6 <= len(ahead) <= len(points) - 5 and points[:len(ahead)] == ahead
    assert all(began <= stamp <= time.time() for stamp, _ in points[len(ahead):])      # none is in the future any more
    assert steady(ahead) and steady(points[len(ahead):])
    assert said.count("the clock was set back by 3600 s: figures go on with the new time") == 1 == said.count("\n")
    with daemons.Influxd(tmp_path / "influx") as influx:
        influx.create("clock")
        assert influx.write("clock", out) == (204, b"")
        found = influx.query("clock", "SELECT non_negative_derivative(rx_bytes, 1s) FROM xen_domain WHERE \"domain\" = 'web'")
        stored = [value for _, value in found["results"][0]["series"][0]["values"]]
    assert len(stored) >= len(points) - 3 and all(near(rate) for rate in stored)


def test_set_back_by_a_little_there_is_a_gap(tmp_path, clock, xentop):
    out, said = run(clock, xentop, [0, -2])
    points = received(out)
    assert steady(points)
    assert said.count("the clock was set back by 2 s: no figures for some time") == 1 == said.count("\n")
    assert max(more - less for (_, less), (_, more) in zip(points, points[1:])) >= 4 * RATE     # the gap


def test_set_forward_and_back_again(clock, xentop):
    """No rate is too high; the one across the hour that never was is too low, and that is said."""
    out, said = run(clock, xentop, [0, 3600, 0])
    points = received(out)
    for passed, rate in rates(points):
        assert passed > 3000 and rate < 100 or passed < -3000 or near(rate), (passed, rate)
    assert [round(passed / 3600) for passed, _ in rates(points) if abs(passed) > 60] == [1, -1]
    assert "the clock was set forward by 3600 s" in said and "the clock was set back by 3600 s" in said


def test_cpu_percent_is_absent_around_a_step(clock, xentop):
    """xentop divides by its wall clock: what it prints then is no rate (here the fake's text is the same all the time)."""
    out, _ = run(clock, xentop, [0, 3600], count=8)
    shown = [(fields.get("cpu_percent"), stamp) for measurement, tags, fields, stamp in parse(out)
             if measurement == "xen_domain" and tags["domain"] == "web"]
    step = next(number for number, ((_, one), (_, other)) in enumerate(zip(shown, shown[1:])) if other - one > 10 ** 12) + 1
    assert {number for number, (percent, _) in enumerate(shown) if percent is None} == {0, step, step + 1}


@pytest.mark.parametrize("ahead", [-2, 3600, -3600])
def test_collectds_rates_stay_true_or_there_are_none(tmp_path, clock, xentop, ahead):
    """collectd itself waits for the clock where that is set back: other plugins' values tell what is its own doing."""
    xentop.play(text(), speedup=1)
    with Site(tmp_path, module(Interval=1, Source="xentop"), xentop, environment=clock.environment, store_rates=True) as collectd:
        series = "testhost/xentop-web/if_octets-vifnet0"
        collectd.wait_values(series, count=5)
        clock.set(ahead)
        heard = len(collectd.values(series))
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline and len(collectd.values(series)) < heard + 5:
            time.sleep(0.2)
        assert collectd.stop() == 0
        found = [value.values[0] for value in collectd.values(series)]
        assert "Unhandled python exception" not in collectd.log_text()
    wrong = [rate for rate in found if rate == rate and not near(rate)]
    assert len(wrong) <= (ahead > 0) and all(rate < 100 for rate in wrong), found
