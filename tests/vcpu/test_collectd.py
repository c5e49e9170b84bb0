"""vcpu, and xentop from Xen itself, in the real collectd, with the real libraries on a faked kernel's device."""
import contextlib
import errno
import pathlib

import pytest
from helpers.fake_xenstored import FakeXenstored, host as xenstore_of
from tools import daemons, provision
from helpers.vcpu_host import Host, dom0, guest

pytestmark = [pytest.mark.daemon, pytest.mark.usefixtures("compiler")]

PLUGINS = pathlib.Path(__file__).resolve().parents[2] / "plugins"
SNIPPET = """\
<Plugin python>
  Import "xenmeter.collectd.%(plugin)s"
  <Module %(plugin)s>
    Interval 0.2
  </Module>
</Plugin>
"""


@contextlib.contextmanager
def collectd_on(host, tmp_path, plugin="vcpu", more="", modules=()):
    """collectd on a host, until it is left; with more configuration, and folders of more Python."""
    provision.ensure("libxen-dev")
    with FakeXenstored(xenstore_of(3, vifs=False), str(tmp_path / "socket")) as store:
        env = {name: value for name, value in host.preload(XENSTORED_PATH=store.path).items()
               if name in ("LD_PRELOAD", "XENSTORED_PATH", "FAKE_HYPERVISOR")}
        with daemons.Collectd(tmp_path / "collectd", SNIPPET % {"plugin": plugin} + more, [PLUGINS, *modules], 0.2,
                              env=env) as collectd:
            yield collectd


@pytest.fixture
def host(tmp_path):
    with Host(tmp_path / "state", [dom0(), guest(1, 100, 200), guest(2, 300, 400, page=True), guest(3, 5)]) as fake:
        yield fake


def complaints(log):
    """What collectd complains of, but for a slow machine, and one whose clock was set meanwhile."""
    return [line for line in log.splitlines() if ("[error]" in line or "[warning]" in line) and not any(
            text in line for text in ("above its read interval", "next interval is", "the clock was set back"))]


def figures(collectd):
    """The last values of each series: {(plugin instance, type and its instance): values}."""
    found = {}
    for value in collectd.values():
        _, plugin, type_ = value.identifier.split("/")
        found[plugin.split("-", 1)[1] if "-" in plugin else "", type_] = value.values
    return found


LISTENER = """\
import collectd

def write(values):
    with open(%r, "a") as file:
        file.write("%%s %%s-%%s %%r\\n" %% (values.plugin_instance, values.type, values.type_instance, values.meta))

collectd.register_write(write)
"""


def test_where_a_figure_is_from_goes_beside_it(host, tmp_path):
    """collectd hands meta data on to writers; csv and most others drop it, so a writer of our own looks."""
    told = tmp_path / "told"
    (tmp_path / "listener").mkdir()
    (tmp_path / "listener" / "listener.py").write_text(LISTENER % str(told))
    more = '<Plugin python>\n  Import "listener"\n</Plugin>\n'
    with collectd_on(host, tmp_path, more=more, modules=[tmp_path / "listener"]) as collectd:
        collectd.wait(lambda: told.exists() and "guest-2 derive-vcpu1_running" in told.read_text(), 20, "what a writer gets")
        collectd.wait_values("*/derive-vcpu1_running*", 6)
        log = collectd.log_text()
    lines = set(told.read_text().splitlines())
    for line in ("guest-1 derive-vcpu0_running {'source': 'getvcpuinfo'}", "guest-2 derive-vcpu1_running {'source': 'resource'}",
                 "Domain-0 derive-vcpu0_runnable {'source': 'own_runstate'}"):
        assert line in lines, sorted(lines)
    assert complaints(log) == []


def test_values(host, tmp_path):
    with collectd_on(host, tmp_path) as collectd:
        collectd.wait_values("*/derive-vcpu1_running*", 6)
        found, log = figures(collectd), collectd.log_text()
    assert found["Domain-0", "derive-vcpu0_runnable"] == (60,) and found["Domain-0", "gauge-vcpu0_pcpu"] == (1,)
    running = {values for (_, type_), values in found.items() if type_.endswith("_running")}
    assert running == {(500,), (40,), (100,), (200,), (300,), (400,), (5,)}
    assert complaints(log) == []


def test_the_hypervisor_fails_for_a_while(host, tmp_path):
    with collectd_on(host, tmp_path) as collectd:
        collectd.wait_values("*/derive-vcpu1_running*", 3)
        host.fault(op=35, cmd=6, times=3, error=errno.EBUSY)
        collectd.wait_log("Xen does not tell the list of domains: Device or resource busy")
        before = len(collectd.values("*/derive-vcpu1_running*"))
        collectd.wait_values("*/derive-vcpu1_running*", before + 6, timeout=30)
        assert "Traceback" not in collectd.log_text()


def test_a_domain_comes_and_another_goes(host, tmp_path):
    with collectd_on(host, tmp_path) as collectd:
        collectd.wait_values("*/derive-vcpu1_running*", 6)
        host.show([dom0(), guest(2, 301, 402, page=True), guest(3, 77)])
        collectd.wait(lambda: (77,) in figures(collectd).values() and (402,) in figures(collectd).values(), 20, "new values")
        assert "Traceback" not in collectd.log_text()


class TestXentop:
    """Source auto finds the hypervisor, and takes it."""

    def test_values(self, host, tmp_path):
        with collectd_on(host, tmp_path, "xentop") as collectd:
            collectd.wait_values("*/virt_vcpu-1", 6)
            found, log = figures(collectd), collectd.log_text()
        assert {values for (_, type_), values in found.items() if type_ == "virt_cpu_total"} == {(540,), (300,), (700,), (5,)}
        assert found["host", "count-domains"] == (4,) and found["host", "count-pcpus"] == (4,)
        assert complaints(log) == []

    def test_the_hypervisor_fails_for_a_while(self, host, tmp_path):
        """Direct was taken: it is waited for, and no xentop begins."""
        with collectd_on(host, tmp_path, "xentop") as collectd:
            collectd.wait_values("*/virt_vcpu-1", 3)
            host.fault(op=35, cmd=6, times=3, error=errno.EBUSY)
            collectd.wait_log("Xen does not tell the list of domains: Device or resource busy")
            before = len(collectd.values("*/virt_vcpu-1"))
            collectd.wait_values("*/virt_vcpu-1", before + 6, timeout=30)
            assert "Traceback" not in collectd.log_text() and "xentop is not installed" not in collectd.log_text()

    def test_a_domain_dies_between_two_calls(self, host, tmp_path):
        with collectd_on(host, tmp_path, "xentop") as collectd:
            collectd.wait_values("*/virt_vcpu-1", 3)
            host.fault(op=36, cmd=14, domid=3, times=1, kill=3)
            collectd.wait(lambda: figures(collectd).get(("host", "count-domains")) == (3,), 20, "one domain less")
            assert complaints(collectd.log_text()) == [] and "Traceback" not in collectd.log_text()
