"""conf.d/victoriametrics/README.md: each way into a real VictoriaMetrics, and the names that the page says come out there."""
import re
import time

import pytest

from helpers.blocks import block
from helpers.collectd_stage import Site, module
from helpers.stage import FIXTURES, Running, TOP, readings, xenmeter
from tools import daemons
from tools.fleet import tagged
from tools.victoria import VictoriaMetrics

PAGE = TOP / "conf.d" / "victoriametrics" / "README.md"
JOINED = FIXTURES / "credit2-2pcpu-joined-b-d1-i3-fnxvr"
GUEST = "io-guest"


def rows():
    """{beginning of the way's name: (CPU time's series, received bytes', whether times are ns)}"""
    found = re.findall(r"^\| ([^|]+) \| `([^`]+)` \| `([^`]+)` \| (n?s) \|", PAGE.read_text(), re.M)
    return {way: (cpu, vif, unit == "ns") for way, cpu, vif, unit in found}


def selector(series, host="testhost"):
    """The page's series as a query for the recording's guest; a name with dots or hyphens is asked for as a label."""
    series = series.replace("web1", GUEST).replace("dom0", host)
    name, _, labels = series.partition("{")
    inside = labels.rstrip("}")
    return "{%s}" % ",".join(['__name__="%s"' % name] + ([inside] if inside else []))


def wanted():
    """(CPU time in ns, received bytes) of the guest in the recording's last reading; in xentop's text it is whole seconds."""
    (guest,) = (one for one in readings("--source", JOINED)[-1]["domains"] if one["name"] == GUEST)
    return guest["cpu_seconds"] * 10 ** 9, guest["networks"][0]["tx_bytes"]


def assert_there(victoria, way, running, at=None):
    """Both series of the page's row are there once, with the recording's figures."""
    cpu, vif, ns = rows()[way]
    want_cpu, want_bytes = wanted()

    def both():
        victoria.flush()
        found = [victoria.query("last_over_time(%s[5m])" % selector(series), at) for series in (cpu, vif)]
        return all(found) and found
    found = running.wait(both, 60, "both series of " + way)
    assert [len(vector) for vector in found] == [1, 1], found
    values = [float(vector[0]["value"][1]) for vector in found]
    assert values == pytest.approx([want_cpu if ns else want_cpu / 1e9, want_bytes]), way
    return [vector[0]["metric"] for vector in found]


def test_the_page_has_five_ways():
    assert len(rows()) == 5 and all("web1" in cpu and "web1" in vif for cpu, vif, _ in rows().values())


def test_it_scrapes_by_the_file_for_prometheus(tmp_path):
    """No Prometheus between. The recording's last reading is its third; what it says then stays the last."""
    (first, *_) = rows()
    with Running("serve", "xentop", "--source", str(JOINED), "--pace", "1", "--listen", "127.0.0.1:0") as served:
        port = served.wait_err(rb":(\d+)/metrics").group(1).decode()
        text = (TOP / "conf.d" / "prometheus" / "xenmeter.yml").read_text()
        assert '"127.0.0.1:9778"' in text and "scrape_interval: 10s" in text
        conf = tmp_path / "xenmeter.yml"
        conf.write_text(text.replace('"127.0.0.1:9778"', '"127.0.0.1:%s"' % port).replace("10s", "1s"))
        with VictoriaMetrics(tmp_path / "victoria", ["-promscrape.config=%s" % conf]) as victoria:
            (cpu, _, _) = rows()[first]
            victoria.wait(lambda: victoria.query("last_over_time(%s[5m])" % selector(cpu)), 60, "a scrape")
            labels = victoria.query("last_over_time(%s[5m])" % selector(cpu))[0]["metric"]
    assert labels["instance"] == "127.0.0.1:" + port and labels["job"] == "xenmeter"


def test_telegrafs_lines(tmp_path):
    way = next(way for way in rows() if "Telegraf" in way)
    at = int(time.time()) - 60
    ran = xenmeter("xentop", "--format", "influx", "--source", JOINED, "--start", at, "--interval", 1)
    with VictoriaMetrics(tmp_path) as victoria:
        assert victoria.write(tagged(ran.stdout.encode(), "testhost"))[0] == 204
        for labels in assert_there(victoria, way, victoria):
            assert labels["host"] == "testhost" and labels["db"] == "xen" and labels["domain"] == GUEST and labels["uuid"]


@pytest.mark.parametrize("tags", [True, False], ids=["with tags", "plain"])
def test_collectds_write_graphite(tmp_path, tags):
    way = next(way for way in rows() if "write_graphite" in way and ("tags" in way) == tags)
    port = daemons.free_port()
    text = block("victoriametrics/README.md", "collectd writes to it", host=("metrics.example.org", "127.0.0.1"),
                 port=('"2003"', '"%d"' % port)) if tags else block(
        "collectd/README.md", "write_graphite", host=("graphite.example.org", "127.0.0.1"), port=('"2003"', '"%d"' % port))
    with VictoriaMetrics(tmp_path / "victoria", ["-graphiteListenAddr=127.0.0.1:%d" % port]) as victoria:
        with Site(tmp_path, text + module(Source=JOINED, Interval=1, Start=str(int(time.time()) - 10))) as collectd:
            collectd.wait_log("the source has ended", timeout=60)
            collectd.settle()
            assert collectd.stop() == 0
        for labels in assert_there(victoria, way, victoria):
            assert not tags or labels["host"] == "testhost" and labels["plugin"] == "xentop"


def test_collectds_write_prometheus_scraped(tmp_path, xentop):
    way = next(way for way in rows() if "write_prometheus" in way)
    port = daemons.free_port()
    conf = tmp_path / "collectd.yml"
    text = (TOP / "conf.d" / "prometheus" / "collectd.yml").read_text()
    assert '"127.0.0.1:9103"' in text and "scrape_interval: 10s" in text
    text = text.replace('"127.0.0.1:9103"', '"127.0.0.1:%d"' % port)
    conf.write_text(text.replace("scrape_interval: 10s", "scrape_interval: 1s"))
    with Site(tmp_path, block("collectd/README.md", "write_prometheus", port=('"9103"', '"%d"' % port)) + module(
            Source="xentop", Interval=1), xentop) as collectd, \
            VictoriaMetrics(tmp_path / "victoria", ["-promscrape.config=%s" % conf]) as victoria:
        # the guests of the fake xentop have other names, and the first one will do
        series = [re.sub(r'xentop="[^"]*"', 'xentop=~".+"', selector(one)).replace('type="vif0"', 'type=~"vif.+"')
                  for one in rows()[way][:2]]

        def there():
            victoria.flush()
            return all(victoria.query("last_over_time(%s[5m])" % one) for one in series)
        victoria.wait(there, 60, "collectd's names")
        assert collectd.stop() == 0
