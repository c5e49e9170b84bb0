"""What Xen tells beside xentop's figures: from the hypervisor to the figures, and through a recording."""
import json

import pytest
from helpers.direct_host import Direct, dom0
from helpers.fake_hypervisor import Domain, Vcpu
from helpers.sysfs import net_dev

from xenmeter.core.errors import Unsupported
from xenmeter.core.options import from_pairs
from xenmeter.xen.backends import Vifs
from xenmeter.xen.blkback import Disks
from xenmeter.xen.power import PcpuPower, State
from xenmeter.xen.topology import Place
from xenmeter.xentop import probes
from xenmeter.xentop.direct.insiderows import InsideRows
from xenmeter.xentop.direct.lines import from_json, to_line
from xenmeter.xentop.direct.live import LiveDirect
from xenmeter.xentop.plugin import PLUGIN
from xenmeter.xentop.samples import Inside

S = 10 ** 9
ALL = ("grants", "numa", "power")


@pytest.fixture
def host(tmp_path):
    (tmp_path / "sys").mkdir()
    with Direct(tmp_path / "state", tmp_path / "sys", [dom0(S), Domain(7, [Vcpu(cpu_time=5)], grants=(26, 32))],
                px=((2000, S, 1), (1000, S, 2)), cx=((3, 4), (5, 6)), msrs=(100 << 16, 1 << 31 | 40 << 16, 30 << 16)) as fake:
        yield fake


def source(host, groups):
    return LiveDirect(0.001, host.xenstore, host.connect, Vifs(lambda: net_dev(), lambda name: None), Disks(str(host.sysfs)),
                      host.qdisks, groups)


def test_what_is_asked_is_in_the_reading_and_in_a_recording(host):
    sample = source(host, ALL).once()[0]
    assert from_json(json.loads(to_line(sample).decode())).inside == sample.inside
    tables = host.collector.collect(sample).tables
    assert [(who.domid, values) for who, _, values in tables["domain_grants"]] == [(0, (1, 64)), (7, (26, 32))]
    assert tables["node"] == [(None, ("0",), (1 << 32, 1 << 30))]
    assert tables["pcpu_place"] == [(None, (str(pcpu),), (0,)) for pcpu in range(4)]
    assert tables["pcpu_power"] == [(None, (str(pcpu),), (None, 60)) for pcpu in range(4)]
    assert tables["package"] == [(None, ("0",), (70,))]
    assert tables["pstate"][:2] == [(None, ("0", "0"), (S, 1)), (None, ("0", "1"), (S, 2))] and len(tables["cstate"]) == 8


@pytest.mark.parametrize("groups, tables", [((), set()), (("grants",), {"domain_grants"}), (("numa",), {"node", "pcpu_place"})])
def test_only_what_is_wanted_is_asked(host, groups, tables):
    every, sample = [source(host, chosen).once() for chosen in (("grants", "numa"), groups)]
    found = set(host.collector.collect(sample[0]).tables)
    assert found & {"domain_grants", "node", "pcpu_place", "pcpu_power"} == tables
    assert every[1] - sample[1] == 2 - len(groups)      # of its hypercalls


def test_power_alone_tells_packages_too(host):
    tables = host.collector.collect(source(host, ("power",)).once()[0]).tables
    assert tables["package"] == [(None, ("0",), (70,))] and "node" not in tables and "domain_grants" not in tables


def test_a_xen_that_refuses_the_nodes_is_asked_once(host):
    host.fault(op=35, cmd=17, error=1)
    sample, hypercalls, _ = source(host, ("numa",)).once()
    assert sample.inside == Inside({}, [], [], []) and hypercalls == source(host, ()).once()[1]


def test_power_is_off_unless_it_is_named():
    chosen = from_pairs(PLUGIN.options, [])[0].group
    assert "power" not in chosen and {"grants", "numa"} <= set(chosen)
    assert from_pairs(PLUGIN.options, [("group", ["power"])])[0].group == ["power"]


def test_the_clock_and_counters_that_begin_again():
    """8 s at 2000 MHz and 2 s at 1000 MHz are 1800 MHz. A pCPU that was offline counts from 0 again."""
    made, told = InsideRows(), []
    for fast, slow, entries in ((S, 5 * S, 1), (9 * S, 7 * S, 2), (9 * S, 7 * S, 2), (2 * S, S, 1), (4 * S, S, 2)):
        tables = {"domain": []}
        made.add(Inside({}, [], [], [PcpuPower([State(2000, fast, entries), State(1000, slow, 1)], None, None, None)]), tables)
        told.append((tables.get("pcpu_power", [(None, None, (None,))])[0][2][0], tables["pstate"][0][2]))
    assert told == [(None, (S, 1)), (1800 * 10 ** 6, (9 * S, 2)), (None, (9 * S, 2)), (None, (11 * S, 2)),
                    (2000 * 10 ** 6, (13 * S, 2))]


def test_packages_have_the_hottest_of_their_sensors():
    tables = {"domain": []}
    InsideRows().add(Inside({}, [], [Place(0, 0, 0), Place(1, 1, None), None, Place(0, 0, 0)], [
        PcpuPower(None, None, None, celsius) for celsius in (50, 60, 99, 51)]), tables)
    assert tables["package"] == [(None, ("0",), (51,)), (None, ("1",), (60,))]
    assert tables["pcpu_place"] == [(None, ("0",), (0,)), (None, ("3",), (0,))] and "pcpu_power" not in tables


@pytest.mark.parametrize("line", [
    {"grants": {"x": [1, 2]}}, {"grants": {"1": [1]}}, {"grants": {"1": [-1, 2]}}, {"nodes": [[1, None]]}, {"nodes": [7]},
    {"places": [[0, None, 0]]}, {"power": [[None, None, True, None]]}, {"power": [[[[1, 2]], None, None, None]]},
    {"power": [[None, None, 10 ** 6, None]]}])
def test_lines_that_are_none(line):
    with pytest.raises((ValueError, KeyError, TypeError)):
        from_json(dict({"time_ns": 1, "domains": []}, **line))


def test_check(host):
    told, cost = probes.grants(host.connect)
    assert told == "how full the grant table of 2 domains, the fullest domain 7's with 26 of 32 frames" and "1024 domains" in cost
    assert probes.numa(host.connect)[0] == "free memory of 1 nodes, and on which each of 4 pCPUs is"
    told, cost = probes.power(host.connect)
    assert told.startswith("P-states and clock, C-states, temperature, temperature of packages of 4 pCPUs; group power")
    host.set(px=(), msrs=())
    assert "; not P-states: Xen answers: No such device; temperature: Xen lets" in probes.power(host.connect)[0]
    host.set(cx=())
    with pytest.raises(Unsupported, match="C-states: Xen has been told of none; P-states"):
        probes.power(host.connect)
    host.fault(op=20, error=38)
    with pytest.raises(Unsupported, match="no grant table"):
        probes.grants(host.connect)
