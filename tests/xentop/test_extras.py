"""What source direct tells beside xentop's figures, on a host that is known: by source, collector and recording."""
import json

import pytest
from helpers.direct_host import Direct, dom0
from helpers.fake_hypervisor import Domain, Vcpu
from helpers.sysfs import block, disk, process

from xenmeter.core.bases import Bases
from xenmeter.xen.storage import Volume
from xenmeter.xentop.direct import lines
from xenmeter.xentop.direct.collector import DirectCollector
from xenmeter.xentop.figures import CATALOGUE

S = 10 ** 9
TICK = 10 ** 7


def figures(reading, entity):
    """{(domid, *labels): {figure: value}} of what is told."""
    keys = CATALOGUE.entities[entity].keys()
    return {(() if who is None else (who.domid,)) + labels: {key: value for key, value in zip(keys, values) if value is not None}
            for who, labels, values in reading.tables.get(entity, ())}


@pytest.fixture
def host(tmp_path):
    sysfs = tmp_path / "devices"
    sysfs.mkdir()
    (tmp_path / "proc").mkdir()
    guest = Domain(7, [Vcpu(cpu_time=5, running=1), Vcpu(blocked=1)], weight=512, cap=50, affinity=0x6)
    with Direct(tmp_path / "xen", sysfs, [dom0(1000 * S), guest], idle=(1, 1, 1, 1)) as host:
        disk(sysfs, "vbd-7-51712", 1, 20, 30, 40, 50)
        host.xenstore.vbds[7] = {51712: "xvda"}
        host.xenstore.more = {"blocks": {51712: (7, 0)}, "storage": {51712: Volume("", "", "/srv/web.img")}, "vifs": (0,),
                              "bridges": {0: "xenbr0"}, "memory_target_kib": 4096}
        host.interfaces = ["lo", "vif7.0"]
        block(tmp_path / "block", "7:0", "loop0", 40, 1, 800, 200, 20, 2, 160, 500, 3, 100, 700)
        host.begin()
        yield host
        host.samples.close()


def counted(host, *stat):
    (host.dom0 / "block" / "7:0" / "stat").write_text(" ".join(map(str, stat)))


def told(host):
    (vbd,) = figures(host.reading(), "vbd").values()
    return tuple(vbd.get(key) for key in ("reads_completed", "read_time_ns", "writes_completed", "write_time_ns", "errors",
                                          "in_flight"))


def asked_again(host):
    """xenstore's facts are asked for as soon as a domain comes."""
    host.show(host.domains + [Domain(20 + len(host.domains))])


def test_latency_of_blkback_is_its_block_devices(host):
    assert told(host) == (40, 200 * 10 ** 6, 20, 500 * 10 ** 6, None, 3)
    assert told(host) == (40, 200 * 10 ** 6, 20, 500 * 10 ** 6, None, 3)
    counted(host, 50, 1, 800, 260, 20, 2, 160, 500, 0, 100, 700)
    assert told(host) == (50, 260 * 10 ** 6, 20, 500 * 10 ** 6, None, 0)
    counted(host, 60, 1, 800, 2 ** 32 - 5, 20, 2, 160, 500, 0, 100, 700)    # ms, in 32 bits
    told(host)
    counted(host, 61, 1, 800, 5, 20, 2, 160, 500, 0, 100, 700)
    assert told(host)[:2] == (61, (2 ** 32 + 5) * 10 ** 6) and host.collector.errors == {"counter_wrapped": 1}


def test_what_a_device_did_for_others_is_not_the_disks(host):
    assert told(host)[:4] == (40, 200 * 10 ** 6, 20, 500 * 10 ** 6)
    host.xenstore.more["blocks"] = {51712: (7, 0), 51728: (7, 0)}       # another disk on it
    asked_again(host)
    assert told(host) == (None,) * 6
    counted(host, 1000, 1, 800, 9000, 1000, 2, 160, 9000, 3, 100, 700)
    host.xenstore.more["blocks"] = {51712: (7, 0)}
    asked_again(host)
    assert told(host)[:4] == (40, 200 * 10 ** 6, 20, 500 * 10 ** 6)
    counted(host, 1002, 1, 800, 9010, 1001, 2, 160, 9005, 3, 100, 700)
    assert told(host)[:4] == (42, 210 * 10 ** 6, 21, 505 * 10 ** 6)


def test_names_memory_and_terms(host):
    reading = host.reading()
    assert figures(reading, "vbd_info") == {(7, "xvda", "", "", "/srv/web.img"): {"info": 1}}
    assert figures(reading, "vif_info") == {(7, "0", "xenbr0"): {"info": 1}}
    assert figures(reading, "domain_memory")[7,] == {"target_bytes": 4 << 20, "claimed_bytes": 0, "shared_bytes": 0,
                                                     "paged_bytes": 0}
    assert "target_bytes" not in figures(reading, "domain_memory")[0,]
    assert figures(reading, "domain_sched") == {
        (0, "credit2", "0", "all"): {"info": 1, "cpupool": 0, "weight": 256, "pcpus": 4},
        (7, "credit2", "0", "1-2"): {"info": 1, "cpupool": 0, "weight": 512, "cap_ppm": 500000, "pcpus": 2}}
    (told_of_host,) = figures(reading, "host").values()
    assert (told_of_host["domains_running"], told_of_host["vcpus_online"], told_of_host["vcpus_running"],
            told_of_host["vcpus_blocked"], told_of_host["load_ppm"]) == (2, 3, 2, 1, 500000)
    again = host.reading()
    for entity in ("vbd_info", "vif_info", "domain_memory", "domain_sched"):    # publishers are quick about the same rows
        assert all(one is other for one, other in zip(reading.tables[entity], again.tables[entity])) and again.tables[entity]
    host.domains[1].flags = 0x8     # paused
    host.show(host.domains)
    assert next(iter(figures(host.reading(), "host").values()))["domains_running"] == 1


def dom0_time(host):
    return {key: value["cpu_time_ns"] // TICK for key, value in figures(host.reading(), "domain_dom0").items()}


def test_dom0s_work_for_a_domain(host):
    proc = host.dom0 / "proc"
    (proc / "meminfo").write_text("MemTotal:        2048 kB\nMemFree: 3 kB\nMemAvailable:    1024 kB\n")
    process(proc, 50, b"vif7.0-q0-guest-rx", 30)
    process(proc, 51, b"7.xvda-0", 12)
    assert dom0_time(host) == {(7, "netback"): 30, (7, "blkback"): 12}
    assert figures(host.reading(), "dom0") == {(): {"memory_bytes": 2 << 20, "memory_available_bytes": 1 << 20}}
    (proc / "50" / "stat").write_bytes(b"")
    (proc / "50" / "stat").unlink()
    (proc / "50").rmdir()
    assert dom0_time(host) == {(7, "netback"): 30, (7, "blkback"): 12}
    process(proc, 52, b"vif7.0-q0-guest-rx", 5, start=3)
    assert dom0_time(host) == {(7, "netback"): 35, (7, "blkback"): 12}
    (proc / "meminfo").unlink()
    assert figures(host.reading(), "dom0") == {(): {}}


def test_what_has_ended_outlives_a_restart(host, tmp_path):
    """Threads that ended before our restart, and after it."""
    proc = host.dom0 / "proc"

    def end(number):
        (proc / str(number) / "stat").write_bytes(b"")
        (proc / str(number) / "stat").unlink()
        (proc / str(number)).rmdir()

    bases = Bases(str(tmp_path / "counters"), "x")
    host.collector.use(bases)
    for number, ticks in ((50, 30), (51, 2), (52, 9)):
        process(proc, number, b"vif7.0-q0-guest-rx", ticks)
    assert dom0_time(host) == {(7, "netback"): 41}
    end(50)
    assert dom0_time(host) == {(7, "netback"): 41}
    bases.after(*host.collector.kept)
    host.samples.close()
    bases._lock.release()       # killed
    host.collector = DirectCollector()
    bases = Bases(str(tmp_path / "counters"), "x")
    assert bases.remark is None
    host.collector.use(bases)
    host.begin()
    assert dom0_time(host) == {(7, "netback"): 41}
    end(51)
    assert dom0_time(host) == {(7, "netback"): 41}
    bases.close(*host.collector.kept)


def test_only_what_is_wanted_is_read(host):
    process(host.dom0 / "proc", 51, b"7.xvda-0", 12)
    host.samples.close()
    host.groups = ("cpu",)
    host.begin()
    sample = next(host.samples)
    assert sample.dom0 is None and all((one.backing, one.terms, one.spent) == ({}, None, {}) for one in sample.domains)


def test_a_recording_gives_the_same(host):
    process(host.dom0 / "proc", 51, b"7.xvda-0", 12)
    process(host.dom0 / "proc", 52, b"xenstored", 12, kernel=False)
    replayed = DirectCollector()
    for _ in range(2):
        sample = next(host.samples)
        record = json.loads(lines.to_line(sample).decode())
        live, again = host.collector.collect(sample), replayed.collect(lines.from_json(record))
        for entity in CATALOGUE.entities:
            assert figures(live, entity) == figures(again, entity), entity
        for key in ("vcpus", "dom0"):
            del record[key]     # as an earlier release wrote it
        for one in record["domains"]:
            del one["terms"]
            one.pop("backing", None), one.pop("spent", None)
            for name in ("outstanding_pages", "shr_pages", "paged_pages"):
                del one["info"][name]
        older = DirectCollector().collect(lines.from_json(record))
        assert not older.tables["domain_sched"] and not older.tables["domain_dom0"] and not older.tables["dom0"]


@pytest.mark.parametrize("key, value", [("backing", {"51712": [1, 2, 3]}), ("backing", {"x": [1] * 6}), ("terms", []),
                                        ("terms", [0, 5]), ("spent", {"qemu": [1]}), ("spent", {"qemu": [-1, 0]})])
def test_what_is_damaged_is_refused(host, key, value):
    record = json.loads(lines.to_line(next(host.samples)).decode())
    record["domains"][1][key] = value
    with pytest.raises((ValueError, KeyError, TypeError, AttributeError)):
        lines.from_json(record)
