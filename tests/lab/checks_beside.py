"""What source direct tells beside xentop's figures, against dom0's kernel, xenstore and xl before and after it."""
import json
import re

import pytest

#: Where a block device's stat has reads that ended and their ms, the same of writes, and what is under way.
READS, READ_MS, WRITES, WRITE_MS, IN_FLIGHT = 0, 3, 4, 7, 8
NS = 10 ** 6


@pytest.fixture
def beside(boot):
    return json.loads(boot.text("beside"))


def domains(one):
    return {domain["domid"]: domain for domain in one["sample"]["domains"]}


def under(boot, path):
    """{node: value} of xenstore below a path."""
    return dict(re.findall(r'^%s/(\S+) = "(.*)"$' % re.escape(path), boot.text("credit2-xenstore"), re.MULTILINE))


def test_latency_is_that_of_the_block_device(boot, beside, tell):
    """Each count lies between what the kernel said before and after; the guest's load is seen in it."""
    domid = boot.notes["guests"]["io-guest"]
    major, minor = under(boot, "/local/domain/0/backend/vbd/%d/51712" % domid)["physical-device"].split(":")
    number = "%d:%d" % (int(major, 16), int(minor, 16))
    told = []
    for one in beside["rounds"]:
        before, after = one["before"]["stat"][number], one["after"]["stat"][number]
        reads, read_ns, writes, write_ns, in_flight, _ = domains(one)[domid]["backing"]["51712"]
        assert before[READS] <= reads <= after[READS] and before[WRITES] <= writes <= after[WRITES]
        assert before[READ_MS] * NS <= read_ns <= after[READ_MS] * NS
        assert before[WRITE_MS] * NS <= write_ns <= after[WRITE_MS] * NS
        assert in_flight >= 0
        told.append((reads, read_ns, writes, write_ns))
    reads, read_ns, writes, write_ns = [last - first for first, last in zip(told[0], told[-1])]
    assert reads + writes > 10
    tell(f"{boot.name}: " "io-guest's disk in %d readings: %d reads of %.2f ms, %d writes of %.2f ms by its block device %s" % (
        len(told), reads, read_ns / NS / max(reads, 1), writes, write_ns / NS / max(writes, 1), number))


def test_names_and_targets_are_xenstores(boot, beside):
    domid = boot.notes["guests"]["io-guest"]
    facts = domains(beside["rounds"][-1])[domid]["facts"]
    disk, vif = (under(boot, "/local/domain/0/backend/%s/%d/%s" % (kind, domid, device))
                 for kind, device in (("vbd", "51712"), ("vif", "0")))
    assert facts["storage"] == {"51712": ["", "", disk["params"]]} and disk["params"]
    assert facts.get("bridges", {}).get("0") == vif.get("bridge")
    for number, domain in domains(beside["rounds"][-1]).items():
        assert domain["facts"]["memory_target_kib"] == int(under(boot, "/local/domain/%d/memory" % number)["target"])
        assert domain["info"]["paged_pages"] == domain["info"]["shr_pages"] == 0


def test_memory_targets_are_those_of_xl(boot, beside):
    told = {number: domain["facts"]["memory_target_kib"] for number, domain in domains(beside["rounds"][-1]).items()}
    for listed in json.loads(boot.text("credit2-list-l")):
        if listed["domid"]:
            assert told[listed["domid"]] == listed["config"]["b_info"]["target_memkb"]


def test_terms_are_those_of_xl(boot, tell):
    """One guest has a weight, a cap and a pCPU of its own then."""
    told = {number: domain["terms"] for number, domain in domains(json.loads(boot.text("beside-terms"))["rounds"][-1]).items()}
    listed = {int(domid): (int(weight), int(cap)) for domid, weight, cap in re.findall(
        r"^.*?\s(\d+)\s+(\d+)\s+(\d+)\s*$", boot.text("terms-sched"), re.MULTILINE)}
    assert {number: (terms[2], terms[3]) for number, terms in told.items()} == listed
    burner = boot.notes["guests"]["burner"]
    assert listed[burner] == (77, 50)
    affinity = dict(re.findall(r"^.*?\s(\d+)\s+0\s+\S+\s+\S+\s+\d+\.\d+\s+(\S+) / \S+$", boot.text("terms-vcpus"), re.MULTILINE))
    assert {str(number): terms[4] for number, terms in told.items()} == affinity
    assert affinity[str(burner)] == "1" and told[burner][5] == 1 and told[0][5] == 2
    assert {tuple(terms[:2]) for terms in told.values()} == {(0, "credit2")}
    tell(f"{boot.name}: " "weight, cap and hard affinity of %d domains are those of xl" % len(told))


def test_dom0s_work_is_that_of_its_threads(boot, beside, tell):
    """Every thread of the kernel that bears a guest's vif or disk in its name, by a list of processes of our own."""
    tick, seen = beside["tick_ns"], {}
    for one in beside["rounds"]:
        spent = {(number, who): sum(times) // tick for number, domain in domains(one).items()
                 for who, times in domain.get("spent", {}).items()}
        spent.update({(None, who): sum(times) // tick for who, times in one["sample"]["dom0"]["spent"].items()})
        looks = []
        for look in (one["before"], one["after"]):
            sums = {}
            for name, is_kernels, ticks in look["processes"].values():
                vif, disk = re.match(r"vif(\d+)\.\d+-", name), re.match(r"(\d+)\.xvd", name)
                if is_kernels and (vif or disk):
                    owner = int((vif or disk).group(1)), "netback" if vif else "blkback"
                elif name in ("xenstored", "oxenstored"):
                    owner = None, "xenstored"
                else:
                    continue
                sums[owner] = sums.get(owner, 0) + ticks
            looks.append(sums)
        told = {owner: ticks for owner, ticks in spent.items() if owner[1] != "qemu"}
        assert set(looks[0]) & set(looks[1]) <= set(told)
        for owner, ticks in told.items():
            assert looks[0].get(owner, 0) <= ticks <= looks[1][owner], owner
        seen.update(told)
    io = boot.notes["guests"]["io-guest"]
    assert {(io, "netback"), (io, "blkback"), (None, "xenstored")} <= set(seen) and seen[io, "blkback"] > 0
    tell(f"{boot.name}: " "dom0 has spent for io-guest: " + ", ".join(
        "%s %.2f s" % (owner[1], ticks * tick / 1e9) for owner, ticks in sorted(seen.items(), key=str) if owner[0] == io))


def test_dom0s_memory(beside):
    for one in beside["rounds"]:
        total, available = one["sample"]["dom0"]["memory"]
        looks = [{name: int(kib) << 10 for name, kib in re.findall(r"^(\w+): +(\d+) kB$", one[when]["meminfo"], re.MULTILINE)}
                 for when in ("before", "after")]
        assert total in {look["MemTotal"] for look in looks}
        low, high = sorted(look["MemAvailable"] for look in looks)
        assert low - (32 << 20) <= available <= high + (32 << 20)


def test_vcpus_are_counted(boot, beside):
    listed = boot.vcpus("credit2-vcpus-after")
    online = sum(one[2] for one in listed.values())
    for one in beside["rounds"]:
        told, running, blocked = one["sample"]["vcpus"]
        assert told == online and 1 <= running <= 2 and running + blocked <= told


def test_check_tells_it(boot):
    """The row's cells are wrapped, side by side."""
    row = re.search(r"^direct_more +yes(?:.*\n {16,})*.*$", boot.text("check"), re.MULTILINE).group()
    assert re.search(r"times of requests of 1 of 1 disks", row) and re.search(r"dom0's CPU for [1-9]", " ".join(row.split()))
