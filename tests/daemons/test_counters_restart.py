"""A vif that was plugged again, then a restart of the real collectd, and of execd: no backend sees a counter that fell."""
import json
import signal
import socket
import time
import urllib.request

import pytest

from helpers.collectd_stage import Site, module
from helpers.stage import Running, domain, iteration

pytestmark = pytest.mark.daemon

GIGA = 10 ** 9
OCTETS = "testhost/xentop-web/if_octets-vifnet0"
SUM = "testhost/xentop-web/if_octets"


def text(first, *received):
    """xentop's text of readings in which web's vif has received so much; None: there is no vif."""
    return b"".join(iteration([domain(b"Domain-0", 1000 + step), domain(b"web", 50 + step, vif=None if count is None else (
        500, 5, 0, 0, count, count // 1000, 0, 0))]) for step, count in enumerate(received, first))


BEFORE = text(0, 100 * GIGA, 100 * GIGA + 5, None, 50 * GIGA, 50 * GIGA + 10 ** 8)
AFTER = text(10, 50 * GIGA + 2 * 10 ** 8, 50 * GIGA + 3 * 10 ** 8)
TOLD = [150 * GIGA + 2 * 10 ** 8, 150 * GIGA + 3 * 10 ** 8]


def of(collectd, series):
    """In the order of time: collectd has several threads that write."""
    return [value.values[0] for value in sorted(collectd.values(series), key=lambda value: (value.time, value.values))]


def without_repeats(values):
    """The fake says its last iteration again and again."""
    return [value for place, value in enumerate(values) if not place or value != values[place - 1]]


@pytest.mark.parametrize("kept", [True, False])
def test_collectd(tmp_path, xentop, kept):
    """The csv plugin writes what each backend would be given. Where the folder cannot be made all begins anew, and the log says
    so once."""
    if not kept:
        (tmp_path / "run").write_text("")
    found = []
    for part, played in (("one", BEFORE), ("two", AFTER)):
        xentop.play(played)
        with Site(tmp_path / part, module(Source="xentop"), xentop, counters=tmp_path / "run" / "counters") as collectd:
            last = TOLD[-1] + 5 if kept else 50 * GIGA + 3 * 10 ** 8
            last = 150 * GIGA + 10 ** 8 + 5 if part == "one" else last
            collectd.wait(lambda: of(collectd, SUM)[-1:] == [last], 30, "all samples, not %r" % of(collectd, SUM))
            collectd.settle()
            found.append((without_repeats(of(collectd, OCTETS)), without_repeats(of(collectd, SUM))))
            assert len([line for line in collectd.lines() if "is not kept over a restart" in line]) == (not kept)
            assert collectd.stop() == 0
        xentop.wait_gone()
    vif = [100 * GIGA, 100 * GIGA + 5, 150 * GIGA + 5, 150 * GIGA + 10 ** 8 + 5]
    after = [value + 5 for value in TOLD] if kept else [50 * GIGA + 2 * 10 ** 8, 50 * GIGA + 3 * 10 ** 8]
    assert found == [(vif, vif), (after, after)]
    if kept:
        saved = json.loads((tmp_path / "run" / "counters" / "collectd-xentop.json").read_text())
        assert [life["key"] for life in saved["lives"]] == ["web"]


def of_lines(running, measurement):
    return without_repeats([int(line.partition(b" rx_bytes=" if b" rx_bytes=" in line else b",rx_bytes=")[2].partition(b"i")[0])
                            for line in running.out.splitlines()
                            if line.startswith(measurement + b",domain=web") and b"rx_bytes=" in line])


@pytest.mark.parametrize("end", ["stdin", "kill"])
def test_execd(tmp_path, xentop, end):
    """Also where it is killed: the file was written when the vif began again."""
    found = []
    for played, last in ((BEFORE, 150 * GIGA + 10 ** 8 + 5), (AFTER, TOLD[-1] + 5)):
        xentop.play(played)
        with Running("execd", "xentop", "--source", "xentop", "--interval", "1", "--signal", "none", path=xentop.path,
                     environment={"XENMETER_COUNTERS": str(tmp_path / "counters")}) as running:
            running.wait_for(lambda: of_lines(running, b"xen_vif")[-1:] == [last], what="all samples")
            found.append((of_lines(running, b"xen_vif"), of_lines(running, b"xen_domain")))
            if end == "stdin":
                running.process.stdin.close()
                running.process.wait(20)
            else:
                running.process.kill()
        xentop.wait_gone()
    vif = [100 * GIGA, 100 * GIGA + 5, 150 * GIGA + 5, 150 * GIGA + 10 ** 8 + 5]
    assert found == [(vif, vif), ([value + 5 for value in TOLD],) * 2]


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def scraped(port):
    """What the vif has received, as the page of now says; None while it does not."""
    with urllib.request.urlopen("http://127.0.0.1:%d/metrics" % port, timeout=60) as page:
        for line in page.read().decode().splitlines():
            if line.startswith("xen_vif_receive_bytes_total{") and 'domain="web"' in line:
                return int(line.rpartition(" ")[2])
    return None


@pytest.mark.parametrize("end, status", [(signal.SIGTERM, -signal.SIGTERM), (signal.SIGINT, 130)])
def test_serve(tmp_path, xentop, end, status):
    """The vif is plugged again once the endpoint is back: only what it wrote at its end knows what was before."""
    port = free_port()
    for played, told in ((text(0, 100 * GIGA, 100 * GIGA + 5), 100 * GIGA + 5), (text(10, None, 60 * GIGA), 160 * GIGA + 5)):
        xentop.play(played)
        with Running("serve", "xentop", "--source", "xentop", "--interval", "1", "--listen", "127.0.0.1:%d" % port,
                     path=xentop.path, environment={"XENMETER_COUNTERS": str(tmp_path / "counters")}) as running:
            running.wait_err(rb"/metrics\n")
            running.wait_for(lambda port=port, told=told: scraped(port) == told, what="the last figure, %d" % told)
            began = time.monotonic()
            running.process.send_signal(end)
            assert running.process.wait(20) == status and time.monotonic() - began < 10
        xentop.wait_gone()
    saved = json.loads((tmp_path / "counters" / ("serve-127.0.0.1-%d-xentop.json" % port)).read_text())
    assert [life["key"] for life in saved["lives"]] == ["web"]
