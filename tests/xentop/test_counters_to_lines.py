"""Counters from what a host says, as text and as source direct reads it, to line protocol: a model, and public cases."""
import contextlib
import io
import pathlib
import tempfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.kernel import G32, Kernel, near_its_end
from xenmeter.core.counters import VBD, VIF
from xenmeter.front.cli import main
from xenmeter.xen import structs
from xenmeter.xen.backends import Vif
from xenmeter.xen.blkback import Disk
from xenmeter.xen.domains import DomainFacts
from xenmeter.xen.roster import Member
from xenmeter.xentop.samples import DirectDomain, DirectSample
from xenmeter.xentop.direct.lines import to_line
from xenmeter.xentop.text.encode import encode
from xenmeter.xentop.text.records import Iteration, Net, Vbd

from helpers.xentop_rows import row

S = 10 ** 9
UUID = "33333333-2222-4333-8444-555555555501"
VIFS = ("rx_bytes", "rx_packets", "rx_errors", "rx_drops", "tx_bytes", "tx_packets", "tx_errors", "tx_drops")
VBDS = ("read_requests", "write_requests", "read_bytes", "write_bytes", "out_of_requests")
SUMS = {"rx_bytes": 0, "tx_bytes": 4}


def as_text(number, vif, disk, ids):
    """What xentop prints: dom0's direction, and sectors."""
    oo = disk[4]
    web = row(b"web", nets=[Net(0, *(vif[4:] + vif[:4]))],
              disks=[Vbd("BlkBack", 51712, oo, disk[0], disk[1], disk[2] // 512, disk[3] // 512)], vcpu=((0, 5 + number),),
              cpu_seconds=5 + number)
    return encode(Iteration([row(b"Domain-0"), web]))


def as_direct(number, vif, disk, ids):
    """What source direct reads, as a recording keeps it."""
    record = structs.domaininfo(112)
    info = record.unpack(record.pack(domain=5, cpu_time=(5 + number) * S, max_vcpu_id=0, tot_pages=1 << 17,
                                     max_pages=1 << 18, flags=0x10, ssidref=0, handle=bytes.fromhex(UUID.replace("-", ""))))
    facts = DomainFacts(5, b"web", UUID, None, (0,), {51712: "xvda"})
    domain = DirectDomain(Member(info, 5, UUID, "web", False, facts), [(0, (5 + number) * S)],
                          [Vif(0, False, tuple(vif[4:] + vif[:4]), ids[0])],
                          [Disk("BlkBack", 51712, (disk[4],) + tuple(disk[:4]), None, ids[1])])
    host = structs.PHYSINFO_LONG.unpack(structs.PHYSINFO_LONG.pack(total_pages=1 << 22, free_pages=5, nr_cpus=1))
    return to_line(DirectSample(10 ** 18 + number * 10 * S, (100 + number * 10) * S, [domain], host, [5], {}, None))


FORMS = {"text": as_text, "direct": as_direct}


def lines_of(data):
    """Per reading {measurement: {field: value}} of web, and the last count of each error."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "host"
        path.write_bytes(data)
        out = io.StringIO()
        raw = io.BytesIO()
        out.buffer = raw
        with contextlib.redirect_stdout(out):
            assert main(["xentop", "--source", str(path), "--format", "influx", "--start", "0"]) == 0
    found, errors = {}, {}
    for line in raw.getvalue().decode().splitlines():
        head, fields, stamp = line.split(" ")
        values = {name: int(value[:-1]) for name, _, value in (field.partition("=") for field in fields.split(","))
                  if value.endswith("i")}
        if head.startswith("xenmeter_errors"):
            errors[head.split("kind=")[1].split(",")[0]] = values["errors"]
        elif "domain=web" in head:
            found.setdefault(int(stamp), {})[head.split(",")[0]] = values
    return [found[stamp] for stamp in sorted(found)], errors


def played(form, readings):
    return lines_of(b"".join(FORMS[form](number, list(vif), list(disk), ids)
                             for number, (vif, disk, ids) in enumerate(readings)))


@pytest.mark.parametrize("form", sorted(FORMS))
class TestCases:
    def test_one_counter_that_wraps(self, form):
        disk = (5, 5, 512, 512, 0)
        found, errors = played(form, [((2000000000 + 100000 * step, 4000000 + step, 0, 7,
                                        (G32 - 3000000 + 2000000 * step) % G32, 5000000 + step, 0, 0), disk, (1, 1))
                                      for step in range(4)])
        vifs = [one["xen_vif"] for one in found]
        assert [vif["rx_bytes"] for vif in vifs] == [2000000000, 2000100000, 2000200000, 2000300000]
        assert [vif["tx_bytes"] - G32 for vif in vifs] == [-3000000, -1000000, 1000000, 3000000]
        assert [vif["rx_packets"] for vif in vifs] == [4000000, 4000001, 4000002, 4000003]
        assert [one["xen_domain"]["rx_bytes"] for one in found] == [vif["rx_bytes"] for vif in vifs]
        assert errors == {"counter_wrapped": 1}

    def test_sectors_that_are_garbage(self, form):
        vif = (1,) * 8
        sectors = [5000, 5010, 0x7ffd00000000, 3, 2 ** 64 - 2 ** 31, 5050, 5060]
        found, errors = played(form, [(vif, (10 + step, 20 + step, value * 512, 4096 * step, 0), (1, 1))
                                      for step, value in enumerate(sectors)])
        disks = [one["xen_vbd"] for one in found]
        assert [disk.get("read_bytes") for disk in disks] == [2560000, 2565120, None, None, None, 2585600, 2590720]
        assert [one["xen_domain"].get("read_bytes") for one in found] == [disk.get("read_bytes") for disk in disks]
        assert [disk["read_requests"] for disk in disks] == list(range(10, 17))
        assert [disk["write_bytes"] for disk in disks] == list(range(0, 7 * 4096, 4096))
        assert errors == {"counter_damaged": 2, "counter_impossible": 1}

    def test_a_device_plugged_again(self, form):
        disk = (5, 5, 512, 512, 0)
        found, errors = played(form, [((100 * 10 ** 9, 9, 0, 0, 9 * 10 ** 9, 9, 0, 0), disk, (1, 1)),
                                      ((5 * 10 ** 6, 3, 0, 0, 10 ** 6, 2, 0, 0), disk, (2, 1)),
                                      ((6 * 10 ** 6, 4, 0, 0, 10 ** 6, 3, 0, 0), disk, (2, 1))])
        assert [one["xen_vif"]["rx_bytes"] for one in found] == [100000000000, 100005000000, 100006000000]
        assert errors == {}


def test_a_device_plugged_again_that_has_counted_more_is_known_by_its_index():
    disk = (5, 5, 512, 512, 0)
    found, _ = played("direct", [((100,) * 8, disk, (1, 1)), ((50, 200) + (101,) * 6, disk, (2, 1))])
    assert [found[1]["xen_vif"][name] for name in VIFS] == [150, 300] + [201] * 6


STEPS = st.tuples(*[st.integers(0, 1 << 20)] * 8)
EVENTS = st.one_of(
    st.tuples(st.just("count"), STEPS), st.tuples(st.just("count"), STEPS),
    st.tuples(st.just("began again"), st.integers(0, 3)),
    st.tuples(st.just("damaged"), st.tuples(st.integers(0, 4), st.one_of(st.just(0), st.integers(1 << 46, (1 << 55) - 1),
                                                                         st.integers(1 << 55, (1 << 64) - 1)))))


@pytest.mark.parametrize("form", sorted(FORMS))
@settings(max_examples=40, deadline=None)
@given(starts=st.tuples(*[st.integers(5000, 1 << 40)] * 13), narrow=st.tuples(*[st.booleans()] * 13),
       events=st.lists(EVENTS, max_size=12))
def test_against_the_model(form, starts, narrow, events):
    """Each figure is the truth, or absent soon after something was wrong with it."""
    vif, disk = Kernel(starts[:8], narrow[:8], VIF.units), Kernel(starts[8:], narrow[8:], VBD.units)
    readings, truths, quiet, ids = [], [], [], 1
    since = 0
    for event, what in [("count", (0,) * 8)] + events + [("count", (1,) * 8)] * 3:
        if since < 3 and event != "count" or event == "damaged" and (
                any(map(near_its_end, disk.counted)) or disk.counted[what[0]] < 5000) or event == "began again" and any(
                    value <= what * unit for kernel in (vif, disk) for value, unit in zip(kernel.told(), kernel.units)):
            event, what = "count", (1,) * 8
        since = since + 1 if event == "count" else 0
        if event == "count":
            vif.count(what)
            disk.count(what[:5])
        elif event == "began again":
            ids += 1
            vif.begin((what,) * 8)
            disk.begin((what,) * 5)
        told = disk.told()
        if event == "damaged":
            told[what[0]] = what[1] // 512 * 512 * (disk.units[what[0]] if what[1] >= 1 << 55 else 1)
        readings.append((vif.told(), told, (ids, ids)))
        truths.append(dict(zip(VIFS, vif.truth), **dict(zip(VBDS, disk.truth))))
        quiet.append(since)
    found, _ = played(form, readings)
    assert len(found) == len(truths)
    for one, truth, calm in zip(found, truths, quiet):
        for measurement, names in (("xen_vif", VIFS), ("xen_vbd", VBDS), ("xen_domain", tuple(SUMS) + VBDS)):
            for name in names:
                assert name in one[measurement] or calm < 3
                assert one[measurement].get(name, truth[name]) == truth[name], (measurement, name)
