"""Guests that are not paravirtual: a PVH kernel, and an HVM machine with its emulated devices."""
import re

import pytest

from lab.reading import STATES, sums_of

pytestmark = pytest.mark.on("kinds")

TOLERANCE, IDLE = 1000, 32767


def newest(boot, form):
    return {domain["name"]: domain for domain in boot.samples(f"kinds-{form}")[-1]["domains"]}


def test_both_came_up(boot, tell):
    assert boot.outcome["complaint"] is None and (boot.results / "finished").exists()
    text = (boot.results / "guest-pvh-guest.log").read_text(errors="replace")
    assert "GUEST up" in text and "Kernel panic" not in text
    assert "Triple fault" not in (boot.folder / "console.log").read_text(errors="replace")
    tell(f"{boot.name}: {boot.outcome['seconds']} seconds")


def test_memory_is_xls_but_for_what_the_hypervisor_keeps_of_it(boot, tell):
    """xl counts what the toolstack set aside, some pages more than the domain has."""
    listed = boot.domains("kinds-list")
    for name in ("pvh-guest", "hvm-guest"):
        for form in ("xentop", "direct"):
            domain = newest(boot, form)[name]
            mebibytes = listed[boot.notes["guests"][name]][1]
            tell(f"{boot.name}: {name} has {domain['mem_bytes'] / 2 ** 20:.2f} MiB by {form}, {mebibytes} by xl")
            assert (mebibytes - 1) << 20 <= domain["mem_bytes"] <= (mebibytes + 1) << 20
        assert newest(boot, "xentop")[name]["mem_bytes"] == newest(boot, "direct")[name]["mem_bytes"]


def test_an_emulated_card_and_its_vif_are_one_device(boot, tell):
    """Two interfaces in dom0, of which the guest sees one at a time: direct counts them as one vif."""
    domid = boot.notes["guests"]["hvm-guest"]
    assert {f"vif{domid}.0", f"vif{domid}.0-emu"} <= set(re.findall(r"^\d+: ([\w.-]+)[@:]", boot.text("links"), re.MULTILINE))
    vif, = newest(boot, "direct")["hvm-guest"]["networks"]
    before, after = (boot.net_dev(f"kinds-{when}") for when in ("before", "after"))
    low, high = ([look[f"vif{domid}.0"][way] + look[f"vif{domid}.0-emu"][way] for way in (0, 1)] for look in (before, after))
    tell(f"{boot.name}: the HVM guest's card: direct {vif['rx_bytes']} and {vif['tx_bytes']} bytes, by dom0's kernel {high}")
    assert low[0] <= vif["rx_bytes"] <= high[0] and low[1] <= vif["tx_bytes"] <= high[1]


def test_a_pvh_guests_vif_agrees_with_the_kernel(boot):
    domid = boot.notes["guests"]["pvh-guest"]
    before, after = (boot.net_dev(f"kinds-{when}")[f"vif{domid}.0"] for when in ("before", "after"))
    vif, = newest(boot, "direct")["pvh-guest"]["networks"]
    assert before[0] <= vif["rx_bytes"] <= after[0] > 0 and before[1] <= vif["tx_bytes"] <= after[1]


def test_both_run_by_every_account(boot, tell):
    """From one look to a later one each has run, by the vcpu plugin and by xl."""
    for name, domid in boot.notes["guests"].items():
        first, last = ({domain["name"]: domain for domain in boot.samples(f"{look}-vcpu")[-1]["domains"]}[name]["vcpus"][0]
                       for look in ("kinds", "later"))
        ran = (last["running_ns"] - first["running_ns"]) / 1e9
        low = boot.vcpus("later-vcpus-before")[domid, 0][0] - boot.vcpus("kinds-vcpus-after")[domid, 0][0]
        high = boot.vcpus("later-vcpus-after")[domid, 0][0] - boot.vcpus("kinds-vcpus-before")[domid, 0][0]
        tell(f"{boot.name}: {name} ran {ran:.3f} s between two looks; by xl {low:.1f} to {high:.1f} s")
        assert 0 < ran and low - 0.2 <= ran <= high + 0.2


@pytest.mark.parametrize("name", ["kinds-rings.bin", "kinds-all.bin"])
def test_sums_are_xenalyzes_beside_vm_exits(boot, name, tell):
    records, end = boot.xenalyze(name)
    document = boot.bake(name)
    # the largest time may stand in a line of an event of HVM, whose form is another
    span = document["trace"]["span_ns"]
    assert 0 <= span - end < 10 ** 8 and document["trace"]["lost_records"] == 0
    assert {(one["domid"], one["vcpu"]) for one in document["vcpus"]} == {who for who in records if who[0] != IDLE}
    for one in document["vcpus"]:
        theirs = sums_of(records[one["domid"], one["vcpu"]], span)
        for state in STATES:
            assert abs(one[state + "_ns"] - theirs[state]) <= TOLERANCE, (one["domid"], state)
    tell(f"{boot.name}: {name}: {document['trace']['records']} records, {document['trace']['anomalies']} anomalies")


def test_there_are_vm_exits_in_a_whole_trace(boot, tell):
    counts = boot.events("kinds-all.bin")
    exits = sum(counts[event] for event in boot.release.svm)
    tell(f"{boot.name}: {exits} VM exits, {counts[0x81001]} entries in 3 s")
    assert exits > 100 and abs(exits - counts[0x81001]) <= 0.1 * exits


def test_a_pvh_guest_is_profiled(boot, tell):
    """Its kernel's file, its page tables, its processes and stacks: by the guest's own frames."""
    assert boot.notes["profile-pvh.status"] == 0 and boot.text("profile-pvh", ".err") == ""
    for line in boot.text("profile-pvh").splitlines()[-4:]:
        tell(f"{boot.name}, pvh: {line}")
    stacks = [line.rpartition(" ")[0].split(";") for line in boot.text("profile-pvh", ".folded").splitlines()]
    named = [frames for frames in stacks if len(frames) > 4 and not frames[2].startswith(("0x", "["))]
    assert len(named) > len(stacks) // 3 and any(frames[1] not in ("?", "swapper/0") for frames in named)


def test_a_machine_without_paging_is_profiled_by_its_addresses(boot, tell):
    """16-bit code of a boot sector: where it is, and no more."""
    assert boot.notes["profile-hvm.status"] == 0
    stacks = [line.rpartition(" ")[0].split(";") for line in boot.text("profile-hvm", ".folded").splitlines()]
    tell(f"{boot.name}, hvm: {stacks[:3]}")
    assert any(re.match("0x7c[0-9a-f]{2}$", frames[-1]) for frames in stacks)


@pytest.mark.parametrize("name", ["pvh", "hvm"])
def test_weights_are_the_domains_cpu_time(boot, name, tell):
    found = re.search(r"the samples weigh ([\d.]+) s; CPU time of their domains by Xen's own count: ([\d.]+) s",
                      boot.text(f"profile-{name}"))
    weighed, counted = float(found[1]), float(found[2])
    tell(f"{boot.name}, {name}: samples {weighed} s, Xen {counted} s")
    assert weighed > 0.1 and -0.01 <= counted - weighed <= 0.3


def test_what_cannot_be_unwound_is_said(boot):
    assert "hvm-guest ran without page tables of 64 bits" in boot.text("profile-hvm", ".err")
    followed = boot.text("profile-hvm").splitlines()[-1]
    assert re.match(r"followed: \d+ the innermost function alone$", followed), followed


@pytest.mark.parametrize("name, domain", [("pvh", "pvh-guest"), ("hvm", "hvm-guest")])
def test_one_that_is_destroyed_meanwhile_is_told_and_let_go(boot, name, domain):
    assert boot.notes[f"ended-{name}.status"] == 0
    assert f"{domain} has ended" in boot.text(f"ended-{name}", ".err")
    assert int(re.search(r"(\d+) pauses of one vCPU each", boot.text(f"ended-{name}"))[1]) > 0
    assert domain not in boot.text("ended-list") and "(null)" not in boot.text("ended-list")
