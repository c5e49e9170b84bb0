"""The domains of a host, from captures, from a fake xenstored, and while they change."""
import json
import os

import pytest
from helpers.fake_xenstored import DIRECTORY, FakeXenstored, host, message, refuse
from hypothesis import given
from hypothesis import strategies as st

from xenmeter.core.errors import NoPrivilege, SourceError
from xenmeter.xen.domains import DOM0_UUID, DomainDirectory, DomainFacts
from xenmeter.xen.storage import Volume
from xenmeter.xen.storedump import DumpStore, parse_dump
from xenmeter.xen.xenstore import Xenstore

CASES = os.path.join(os.path.dirname(__file__), "..", "..", "fixtures", "xenstore")
CAPTURES = sorted(case for case in os.listdir(CASES) if os.path.isdir(os.path.join(CASES, case)))
LISTED = [case for case in CAPTURES if os.path.exists(os.path.join(CASES, case, "xl-list-l.json"))]
UUID = "4bd5779f-e218-4c02-89ab-253b8fa3e3dc"


class Clock:
    """Seconds that pass when told."""
    now = 100.0

    def __call__(self):
        return self.now


def facts(nodes, **options):
    return DomainDirectory(DumpStore(nodes), **options).snapshot().domains


def guest(**changes):
    """The nodes of one domain; ``None`` leaves a node out."""
    nodes = {"/local/domain/5/name": b"g", "/local/domain/5/vm": b"/vm/" + UUID.encode(),
             "/vm/%s/start_time" % UUID: b"1795192454.58"}
    nodes.update(changes)
    return {path.encode(): value for path, value in nodes.items() if value is not None}


def load(case, name):
    with open(os.path.join(CASES, case, name), "rb") as file:
        return file.read()


@pytest.mark.parametrize("case", CAPTURES)
def test_captures(case, tmp_path):
    nodes = parse_dump(load(case, "xenstore-ls.txt"))
    expected = [DomainFacts(row["domid"], row["name"].encode("utf-8"), row["uuid"], row["start_time_ns"],
                            tuple(row["vifs"]), {int(dev): name for dev, name in row["vbds"].items()},
                            storage={int(dev): Volume(*volume) for dev, volume in row["storage"].items()},
                            blocks={int(dev): tuple(block) for dev, block in row["blocks"].items()},
                            bridges={int(devid): name for devid, name in row["bridges"].items()},
                            memory_target_kib=row["memory_target_kib"])
                for row in json.loads(load(case, "expected.json").decode("utf-8"))]
    assert facts(nodes) == expected
    with FakeXenstored(nodes, str(tmp_path / "s")) as server, Xenstore(server.path, timeout=5.0) as store:
        assert DomainDirectory(store).snapshot().domains == expected


@pytest.mark.parametrize("case", LISTED)
def test_captures_against_xl_list(case):
    found = {domain.domid: domain for domain in facts(parse_dump(load(case, "xenstore-ls.txt")))}
    listed = json.loads(load(case, "xl-list-l.json").decode("utf-8"))
    assert sorted(found) == sorted(row["domid"] for row in listed)
    for row in listed:
        domain, config = found[row["domid"]], row["config"]
        assert domain.name.decode("utf-8") == config["c_info"]["name"]
        assert domain.uuid == config["c_info"].get("uuid", DOM0_UUID)
        assert sorted(domain.vbds.values()) == sorted(disk["vdev"] for disk in config.get("disks", ()))
        assert list(domain.vifs) == [nic["devid"] for nic in config.get("nics", ())]
        assert domain.bridges == {nic["devid"]: nic.get("bridge", "xenbr0") for nic in config.get("nics", ())}
        assert [volume.path for volume in domain.storage.values()] == [disk["pdev_path"] for disk in config.get("disks", ())]
        assert domain.memory_target_kib == config["b_info"]["target_memkb"] or not domain.domid


def test_many_domains(server, store):
    server.set(host(1500))
    found = DomainDirectory(store).snapshot().domains
    assert [domain.domid for domain in found] == list(range(1501))
    assert found[1234] == DomainFacts(1234, b"guest-1234", "000004d2-0000-4000-8000-0000000004d2",
                                      (1795192454 + 1234) * 10 ** 9 + 340000000, (0,), {51712: "xvda"})


def test_later_snapshots_ask_little(server, store):
    clock = Clock()
    directory = DomainDirectory(store, clock=clock)
    first = directory.snapshot()
    server.asked.clear()
    assert directory.snapshot() == first
    assert len(server.asked) == 1 + 2 * 4
    server.values[b"/local/domain/2/name"] = b"renamed"
    assert [domain.name for domain in directory.snapshot().domains] == [b"Domain-0", b"guest-1", b"renamed", b"guest-3"]


def test_kept_facts_are_asked_again_ever_more_rarely():
    clock = Clock()
    asked = []

    class Store(DumpStore):
        def directory_many(self, paths):
            asked.append(clock.now - 100)
            return DumpStore.directory_many(self, paths)
    directory = DomainDirectory(Store(guest()), clock=clock)
    for _ in range(3000):
        directory.snapshot()
        clock.now += 1
    asked = asked[::3]      # each time the kinds of backends, then the backends, then devices whose backend may be elsewhere
    assert asked[:9] == [0, 1, 2, 4, 8, 16, 32, 64, 128]
    assert [later - earlier for earlier, later in zip(asked, asked[1:])][-2:] == [600, 600]


def test_a_domain_that_is_still_being_built():
    clock = Clock()
    store = DumpStore({b"/local/domain/5/name": b"g"})
    directory = DomainDirectory(store, clock=clock)
    assert directory.snapshot().domains == [DomainFacts(5, b"g", None, None, (), {})]
    store.replace(guest(**{"/vm/%s/start_time" % UUID: None}))
    assert directory.snapshot().domains == [DomainFacts(5, b"g", UUID, None, (), {})]
    store.replace(guest(**{"/local/domain/0/backend/vif/5/1/state": b"4"}))
    clock.now += 1
    assert directory.snapshot().domains == [DomainFacts(5, b"g", UUID, 1795192454580000000, (1,), {})]


def test_a_stub_domain():
    """Whose device model it is, by the guest's own record: a stub domain cannot say that it is another's."""
    store = DumpStore(guest(**{"/local/domain/5/image/device-model-domid": b"6", "/local/domain/6/name": b"g-dm",
                               "/local/domain/6/target": b"99"}))
    assert [facts.device_model_of for facts in DomainDirectory(store, clock=Clock()).snapshot().domains] == [None, UUID]
    for value in (b"0", b"", b"-1", b"6x", b"7"):
        store.replace(guest(**{"/local/domain/5/image/device-model-domid": value, "/local/domain/6/name": b"g-dm"}))
        found = DomainDirectory(store, clock=Clock()).snapshot().domains
        assert [facts.device_model_of for facts in found] == [None, None], value


def test_refresh():
    clock = Clock()
    store = DumpStore(guest())
    directory = DomainDirectory(store, clock=clock)
    directory.snapshot()
    store.replace(guest(**{"/local/domain/0/backend/vbd/5/51728/dev": b"xvdb"}))
    assert directory.snapshot().domains[0].vbds == {}
    directory.refresh(5)
    directory.refresh(77)
    assert directory.snapshot().domains[0].vbds == {51728: "xvdb"}


def test_a_domid_that_is_used_again():
    other = "25bbf48a-9521-4b21-a36f-5f9576562409"
    store = DumpStore(guest(**{"/local/domain/0/backend/vif/5/0/state": b"4"}))
    directory = DomainDirectory(store, clock=Clock())
    assert directory.snapshot().domains[0].vifs == (0,)
    store.replace(guest(**{"/local/domain/5/vm": b"/vm/" + other.encode()}))
    assert directory.snapshot().domains == [DomainFacts(5, b"g", other, None, (), {})]
    store.replace({})
    assert directory.snapshot().domains == []
    store.replace(guest())
    assert directory.snapshot().domains[0].start_time_ns == 1795192454580000000


def test_a_domain_that_ends_between_two_questions(server, store):
    def end(kind, path, reply):
        if path == b"/local/domain/1/vm":
            server.fault = None
            server.set({path: value for path, value in host(3).items()
                        if b"/2/" not in path and b"00000002" not in path})
        return reply
    server.fault = end
    found = DomainDirectory(store).snapshot().domains
    assert [(domain.domid, domain.uuid is None, domain.vifs) for domain in found] == [
        (0, False, ()), (1, False, (0,)), (2, True, ()), (3, False, (0,))]


def test_a_vm_node_that_may_not_be_read(server, store):
    server.fault = refuse(b"EACCES", b"/local/domain/0/vm", b"/local/domain/2/vm")
    assert [domain.uuid is None for domain in DomainDirectory(store).snapshot().domains] == [True, False, True, False]


def test_no_right_to_list_domains(server, store):
    server.fault = refuse(b"EACCES", b"/local/domain")
    with pytest.raises(NoPrivilege):
        DomainDirectory(store).snapshot()


def test_an_error_in_the_middle_is_made_good_by_the_next_snapshot(server, store):
    clock = Clock()
    directory = DomainDirectory(store, clock=clock)
    expected = directory.snapshot().domains
    clock.now += 1000
    for at in (b"/vm/00000002-0000-4000-8000-000000000002/start_time", b"/local/domain/0/backend/vbd/3",
               b"/local/domain/0/backend/vbd/1/51712/dev", b"/local/domain/3/name", b"/local/domain"):
        server.fault = refuse(b"EIO", at)
        with pytest.raises(SourceError):
            directory.snapshot()
    server.fault = None
    assert directory.snapshot().domains == expected


@pytest.mark.parametrize("vm, uuid", [
    (b"/vm/" + UUID.encode(), UUID), (b"/vm/" + UUID.upper().encode(), UUID), (None, None), (b"", None),
    (b"/vm/", None),
    (UUID.encode(), None), (b"/vm/" + UUID.encode() + b"\n", None), (b"/vm/" + UUID.encode() + b"/x", None),
    (b"/vm/" + UUID.encode()[:-1], None), (b"/vm/" + b"g" * 36, None), (b"/vm/../../local/domain/1", None),
    (b"/vm/4bd5779fe2184c0289ab253b8fa3e3dc", None), (b"/vm/a\0b", None), (b"\xff" * 4096, None),
])
def test_uuids(vm, uuid, tmp_path):
    nodes = guest(**{"/local/domain/5/vm": vm})
    assert facts(nodes)[0].uuid == uuid
    with FakeXenstored(nodes, str(tmp_path / "s")) as server, Xenstore(server.path) as store:
        assert DomainDirectory(store).snapshot().domains[0].uuid == uuid


@pytest.mark.parametrize("end, node", [("000000000000", "origin-uuid"), ("000000000001", "final-uuid")])
def test_the_temporary_uuids_of_xenopsds_migrations(end, node):
    """What xenopsd told stays: it removes final-uuid a moment before it renames the domain."""
    temporary = UUID[:24] + end
    nodes = guest(**{"/local/domain/5/vm": b"/vm/" + temporary.encode(), "/vm/%s/%s" % (temporary, node): UUID.upper().encode()})
    assert facts(nodes)[0].uuid == UUID
    store, clock = DumpStore(nodes), Clock()
    directory = DomainDirectory(store, clock=clock)
    assert directory.snapshot().domains[0].uuid == UUID
    store.replace(guest(**{"/local/domain/5/vm": b"/vm/" + temporary.encode()}))
    clock.now += 1000
    assert directory.snapshot().domains[0].uuid == UUID
    for other in (None, b"", b"nonsense", temporary.encode()):
        assert facts(guest(**{"/local/domain/5/vm": b"/vm/" + temporary.encode(),
                              "/vm/%s/%s" % (temporary, node): other}))[0].uuid == temporary
    assert facts(guest(**{"/vm/%s/%s" % (UUID, node): temporary.encode()}))[0].uuid == UUID


def test_dom0():
    nodes = {b"/local/domain/0/name": b"Domain-0"}
    assert facts(nodes)[0].uuid == DOM0_UUID
    assert facts(nodes)[0].start_time_ns is None
    nodes[b"/local/domain/0/vm"] = b"/vm/" + UUID.encode()
    assert facts(nodes)[0].uuid == UUID
    nodes[b"/local/domain/0/vm"] = b"nonsense"
    assert facts(nodes)[0].uuid is None


@pytest.mark.parametrize("text, nanoseconds", [
    (b"1795192454.58", 1795192454580000000), (b"1795192454.05", 1795192454050000000),
    (b"1795192454", 1795192454000000000),
    (b"1795192454.123456789", 1795192454123456789), (b"1795192454.1234567891", 1795192454123456789), (b"0.0", 0),
    (b"", None), (b"-1", None), (b"1.", None), (b"1e9", None), (b"nan", None),
    (b"1795192454.58\n", None), (b"9" * 30, None),
])
def test_start_times(text, nanoseconds):
    assert facts(guest(**{"/vm/%s/start_time" % UUID: text}))[0].start_time_ns == nanoseconds


def test_names(server, store):
    server.set({b"/local/domain/1/name": b" a/b\n\xff\x1b[2J ", b"/local/domain/2/name": b"",
                b"/local/domain/3/domid": b"3", b"/local/domain/x/name": b"x", b"/local/domain/99999999999/name": b"x"})
    assert [(domain.domid, domain.name) for domain in DomainDirectory(store).snapshot().domains] == [
        (1, b" a/b\n\xff\x1b[2J ")]


def test_what_the_guest_writes_is_not_asked():
    written = {"/local/domain/5/device/vif/9/mac": b"x", "/local/domain/5/device/vbd/51712/dev": b"xvda"}
    assert facts(guest(**written)) == [
        DomainFacts(5, b"g", UUID, 1795192454580000000, (), {})]


def test_backends_of_every_kind():
    base = "/local/domain/0/backend/"
    found = facts(guest(**{
        base + "vif/5/10/state": b"4", base + "vif/5/2/state": b"4", base + "vif/5/bad/state": b"4",
        base + "vif/6/0/state": b"4",
        base + "vbd/5/51712/dev": b"xvda", base + "vbd3/5/51728/dev": b"xvdb", base + "tap/5/51744/dev": b"sda1",
        base + "qdisk/5/5632/dev": b"hdc:cdrom", base + "qdisk/5/51712/dev": b"other",
        base + "vbd/5/51760/state": b"4", base + "vbd/5/51776/dev": b"\x1b[2J", base + "vbd/5/51792/dev": b"xvda",
        base + "vbd/5/51808/dev": b"x" * 65}))
    assert found[0].vifs == (2, 10)
    assert found[0].vbds == {51712: "xvda", 51728: "xvdb", 51744: "sda1", 5632: "hdc:cdrom", 51760: "51760",
                             51776: "51776", 51792: "51792", 51808: "51808"}
    assert found[0].qdisks == (5632,)


def test_devices_whose_backend_is_in_another_domain():
    """Qubes: /libxl tells, which only dom0 writes; what the guest writes of it is not asked."""
    libxl = "/libxl/5/device/"
    found = facts(guest(**{
        "/local/domain/0/backend/vif/5/1/state": b"4", "/local/domain/0/backend/vbd/5/51712/dev": b"xvda",
        libxl + "vif/0/backend": b"/local/domain/2/backend/vif/5/0", libxl + "vif/1/backend": b"/local/domain/0/backend/vif/5/1",
        libxl + "vif/7/backend": b"/local/domain/31/backend/vif/5/7", libxl + "vif/x/backend": b"/local/domain/2/backend/vif/5/x",
        libxl + "vif/8/backend": b"nonsense", libxl + "vif/9/frontend": b"/local/domain/5/device/vif/9",
        libxl + "vbd/51712/backend": b"/local/domain/0/backend/vbd/5/51712",
        libxl + "vbd/51728/backend": b"/local/domain/4/backend/vbd/5/51728",
        "/libxl/6/device/vif/0/backend": b"/local/domain/2/backend/vif/6/0",
        "/local/domain/5/device/vif/3/backend": b"/local/domain/2/backend/vif/5/3"}))[0]
    assert (found.vifs, found.vifs_elsewhere, found.vbds, found.vbds_elsewhere) == ((1,), (0, 7), {51712: "xvda"}, (51728,))


def test_no_right_to_libxls_nodes_costs_nothing_else(server, store):
    server.fault = refuse(b"EACCES", b"/libxl/1/device/vif")
    assert [domain.vifs for domain in DomainDirectory(store).snapshot().domains] == [(), (0,), (0,), (0,)]


@pytest.mark.parametrize("nodes, empty", [
    ({"params": b""}, True),                                        # xapi; xl after an eject
    ({"params": b"aio:", "device-type": b"cdrom"}, True),           # xl, qdisk
    ({"device-type": b"cdrom"}, True),                              # xl, blkback
    ({"params": b"aio:/iso/debian.iso", "device-type": b"cdrom"}, False),
    ({"params": b"/dev/sm/backend/a/b"}, False), ({"params": b"phy:/dev/vg/web"}, False), ({"device-type": b"disk"}, False),
    ({"state": b"4"}, False), ({"params": b"\xff:", "device-type": b"cdrom"}, False)])
def test_drives_without_a_medium(nodes, empty):
    path = "/local/domain/0/backend/qdisk/5/5632/"
    found = facts(guest(**{path + node: value for node, value in nodes.items()}))[0]
    assert found.empty == ((5632,) if empty else ()) and list(found.vbds) == [5632]


def test_vif_order():
    header = (
        b"Inter-|   Receive                                                |  Transmit\n"
        b" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls"
        b" carrier compressed\n")
    figures = b": 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
    store = DumpStore(guest())
    assert DomainDirectory(store).snapshot().vif_order is None
    text = header + b"vif5.1" + figures + b"web" + figures
    assert DomainDirectory(store, lambda: text).snapshot().vif_order == {5: ["1"]}
    assert DomainDirectory(store, lambda: text, {"web": b"backend/vif/5/0"}.get).snapshot().vif_order == {5: ["1", "0"]}
    for unreadable in (lambda: b"no such thing", lambda: open("/nowhere/net", "rb").read()):
        assert DomainDirectory(store, unreadable).snapshot().vif_order is None


def test_a_listing_of_nonsense_is_an_error_not_a_host_without_domains(server, store):
    server.fault = lambda kind, path, reply: message(DIRECTORY, 1, b"\0\0")
    with pytest.raises(SourceError):
        DomainDirectory(store).snapshot()


nodes_of_a_host = st.dictionaries(
    st.sampled_from([b"/local/domain/%s/%s" % (domid, node) for domid in (b"0", b"5", b"07", b"x")
                     for node in (b"name", b"vm")] +
                    [b"/vm/" + UUID.encode() + b"/start_time", b"/local/domain/0/backend/vif/5/0",
                     b"/local/domain/0/backend/vbd/5/51712/dev", b"/local/domain/0/backend/vbd/05/1/dev"]),
    st.one_of(st.binary(max_size=12), st.just(b"/vm/" + UUID.encode()), st.just(b"1.5")))


@given(nodes_of_a_host)
def test_whatever_is_in_the_store(nodes):
    for domain in facts(nodes):
        assert domain.name and (domain.uuid is None or len(domain.uuid) == 36)
        assert domain.start_time_ns is None or domain.start_time_ns >= 0
        assert all(name.isprintable() for name in domain.vbds.values())
