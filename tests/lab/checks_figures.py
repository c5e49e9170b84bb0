"""The plugins' figures against what Xen's own tools said before and after them: a counter must lie in between."""
import json
import re

import pytest

from lab.arches import ARM64

BOOTS = pytest.mark.on("credit2", "credit", "short", "pvhdom0", "ringless")
MAIN = pytest.mark.on("credit2", "short", "pvhdom0")
#: Also with guests that are not paravirtual.
KINDS = pytest.mark.on("credit2", "credit", "short", "pvhdom0", "kinds", "ringless")
#: With a guest that has a vif and a disk.
DEVICES = pytest.mark.on("credit2", "short", "pvhdom0", "ringless")
#: xl prints tenths, rounded.
ROUNDED = 0.1
#: ns by which the clocks of two pCPUs may differ. Emulated, and beside other work, a vCPU's time fell by up to 3.7 ms from one
#: single call to the next; figures of another vCPU would be seconds off. Where single calls show more, that is allowed, too.
CLOCKS = 20 * 10 ** 6


def fell(rounds):
    """ns by which a vCPU's time fell at most from one single call to a later one: how far the pCPUs' clocks are apart here."""
    most, worst = {}, 0
    for look in (one[when] for one in rounds for when in ("first", "second")):
        for who, (spent, *_) in enumerate(look):
            worst, most[who] = max(worst, most.get(who, spent) - spent), max(most.get(who, spent), spent)
    return worst


def by_domid(boot, form):
    """Domains of one of our forms' newest sample in which all guests have a UUID: xenstore is slow here now and then, and takes
    longer than we wait for it."""
    named = [sample["domains"] for sample in boot.samples(f"{boot.job}-{form}")
             if all(domain["uuid"] for domain in sample["domains"] if domain["domid"])]
    assert named, f"no sample of {form} has all UUIDs"
    return {domain["domid"]: domain for domain in named[-1]}


def between(boot):
    before, after = (boot.vcpus(f"{boot.job}-vcpus-{when}") for when in ("before", "after"))
    assert set(before) == set(after)
    return before, after


@KINDS
@pytest.mark.parametrize("form", ["xentop", "direct", "vcpu"])
def test_every_domain_is_there_with_its_name(boot, form):
    told = {domid: domain["name"] for domid, domain in by_domid(boot, form).items()}
    assert told == {0: "Domain-0", **{domid: name for name, domid in boot.notes["guests"].items()}}


@KINDS
@pytest.mark.parametrize("form", ["xentop", "direct", "vcpu"])
def test_uuids_are_xenstores(boot, form):
    stored = dict(re.findall(r'^/local/domain/(\d+)/vm = "/vm/([0-9a-f-]{36})"', boot.text(f"{boot.job}-xenstore"),
                             re.MULTILINE))
    told = {str(domid): domain["uuid"] for domid, domain in by_domid(boot, form).items() if domid}
    assert told == {domid: uuid for domid, uuid in stored.items() if domid != "0"} and len(told) > 1


@KINDS
def test_running_time_of_vcpu_agrees_with_getvcpuinfo(boot, tell):
    before, after = between(boot)
    told = by_domid(boot, "vcpu")
    seen = 0
    for (domid, number), (since, _, _) in before.items():
        vcpus = {vcpu["vcpu"]: vcpu for vcpu in told[domid]["vcpus"]}
        seconds = vcpus[number]["running_ns"] / 1e9
        until = after[domid, number][0]
        tell(f"{boot.name}: d{domid}v{number} running: xl {since} s, vcpu plugin {seconds:.3f} s, xl {until} s")
        assert since - ROUNDED <= seconds <= until + ROUNDED, (domid, number)
        seen += 1
    assert seen == sum(len(domain["vcpus"]) for domain in told.values())


@KINDS
def test_many_vcpus_in_one_trap_say_what_each_says_by_itself(boot, tell):
    """Xen's multicall, through the library and through the device alone: what it says of a vCPU lies between what that said
    before and after, and is the same to the nanosecond where it did not run between and the pCPUs' clocks agree. Of its own vCPUs
    arm64's Xen tells a domain no runstates, in a multicall or not."""
    own_traps = 2 if boot.release.arch is ARM64 else 1
    ways = json.loads(boot.text(f"{boot.job}-multicalls"))
    assert [way.get("way") for way in ways] == ["libxencall", "/dev/xen/privcmd"], ways
    for way in ways:
        same, apart = 0, CLOCKS + fell(way["rounds"])
        assert way["refused"] is None and set(way["traps"]) == {1 + own_traps} and len(way["rounds"]) == 20
        for one in way["rounds"]:
            assert len(one["told"]) == len(way["vcpus"]) > 3 and not one["gone"]
            for who, first, told, second in zip(way["vcpus"], one["first"], one["told"], one["second"]):
                assert first[0] - apart <= told[0] <= second[0] + apart, who
                # the pCPU may be another one for a moment; and a vCPU that began to run by a clock that is ahead has run for
                # nothing yet by another pCPU's, before and after
                same += first == second and told[:2] == first[:2]
            if boot.release.arch is ARM64:
                assert one["own"] == [None] * 3
                continue
            before, own, after = one["own"]
            # running, runnable, blocked, offline, each up to the moment of its call
            assert own[2] > 0 and all(low - apart <= value <= high + apart
                                      for low, value, high in zip(before[2:], own[2:], after[2:]))
        tell(f"{boot.name}: {len(way['vcpus'])} vCPUs by multicall through {way['way']}: all between two of their own calls, "
             f"{same} times equal to both")
        assert same > 20


@KINDS
@pytest.mark.parametrize("form", ["xentop", "direct"])
def test_cpu_seconds_of_xentop_agree_with_xl(boot, form, tell):
    """Both are whole seconds of the domain, and of each online vCPU."""
    before, after = between(boot)
    for domid, domain in by_domid(boot, form).items():
        mine = [who for who in before if who[0] == domid]
        low, high = (sum(look[who][0] for who in mine) for look in (before, after))
        tell(f"{boot.name}: d{domid} xl {low:.1f} s, {form} {domain['cpu_seconds']} s, xl {high:.1f} s")
        assert low - 1 - ROUNDED * len(mine) <= domain["cpu_seconds"] <= high + ROUNDED * len(mine)
        for number, seconds in domain["vcpu_seconds"].items():
            who = domid, int(number)
            assert before[who][0] - 1 - ROUNDED <= seconds <= after[who][0] + ROUNDED, who


@BOOTS
@pytest.mark.parametrize("form", ["xentop", "direct"])
def test_memory_vcpus_and_state_agree_with_xl_list(boot, form):
    listed = boot.domains(f"{boot.job}-list")
    for domid, domain in by_domid(boot, form).items():
        name, mebibytes, _, state, _ = listed[domid]
        # of a translated domain, as each guest of arm64's, Xen has some pages more than the mebibytes that xl tells
        translated = boot.release.arch is ARM64 if domid else boot.job == "pvhdom0"
        more = domain["mem_bytes"] - (mebibytes << 20)
        assert (0 <= more < 1 << 20 if translated else more == 0) and domain["name"] == name
        assert (domain["state"][4] == "p") == (state[2] == "p")
    configured = {domid: max(number for one, number in boot.vcpus(f"{boot.job}-vcpus-after") if one == domid) + 1
                  for domid in listed}
    assert {domid: domain["vcpus"] for domid, domain in by_domid(boot, form).items()} == configured


@BOOTS
def test_text_and_direct_agree_with_each_other(boot):
    """What does not change between them is equal; counters differ by what happened in the seconds between."""
    text, direct = by_domid(boot, "xentop"), by_domid(boot, "direct")
    before, after = between(boot)
    assert set(text) == set(direct)
    for domid, one in text.items():
        other = direct[domid]
        for key in ("name", "uuid", "mem_bytes", "max_mem_bytes", "vcpus", "nets", "vbds", "ssid"):
            assert one[key] == other[key], (domid, key)
        assert set(one["vcpu_seconds"]) == set(other["vcpu_seconds"])
        assert [vif["index"] for vif in one["networks"]] == [vif["index"] for vif in other["networks"]]
        assert [(disk["type"], disk["dev"]) for disk in one["vbd_devices"]] == [
            (disk["type"], disk["dev"]) for disk in other["vbd_devices"]]
        low, high = (sum(seconds for (who, _), (seconds, _, _) in look.items() if who == domid) for look in (before, after))
        assert abs(one["cpu_seconds"] - other["cpu_seconds"]) <= high - low + 2


@DEVICES
@pytest.mark.parametrize("form", ["xentop", "direct"])
def test_network_bytes_agree_with_dom0s_kernel(boot, form, tell):
    domid = boot.notes["guests"]["io-guest"]
    before, after = (boot.net_dev(f"{boot.job}-{when}")[f"vif{domid}.0"] for when in ("before", "after"))
    vif, = by_domid(boot, form)[domid]["networks"]
    tell(f"{boot.name}: vif{domid}.0 received by dom0: kernel {before[0]}, {form} {vif['rx_bytes']}, kernel {after[0]}")
    assert before[0] <= vif["rx_bytes"] <= after[0] and after[0] > 0
    assert before[1] <= vif["tx_bytes"] <= after[1] and after[1] > 0


@DEVICES
@pytest.mark.parametrize("form", ["xentop", "direct"])
def test_disk_requests_agree_with_blkback(boot, form, tell):
    domid = boot.notes["guests"]["io-guest"]
    before, after = (boot.disk(f"{boot.job}-{when}", f"vbd-{domid}-51712") for when in ("before", "after"))
    disk, = by_domid(boot, form)[domid]["vbd_devices"]
    tell(f"{boot.name}: xvda read: blkback {before['rd_req']}, {form} {disk['rd']}, blkback {after['rd_req']}")
    for ours, theirs in (("rd", "rd_req"), ("wr", "wr_req"), ("rsect", "rd_sect"), ("wsect", "wr_sect"), ("oo", "oo_req")):
        assert before[theirs] <= disk[ours] <= after[theirs], ours
    assert after["rd_req"] > 0 and after["wr_sect"] > 0


@KINDS
def test_the_raw_text_of_xentop_is_what_we_mirror(boot):
    """Names as xentop printed them, in its order."""
    rows = re.findall(r"^ *(.*?) [-d][-s][-b][-c][-p][-r] +\d+ ", boot.text(f"{boot.job}-xentop-raw"), re.MULTILINE)
    told = [domain["name"] for domain in boot.samples(f"{boot.job}-xentop")[-1]["domains"]]
    assert told == rows


@MAIN
def test_what_check_says_of_a_dom0(boot):
    told = dict(re.findall(r"^(\w+) +(yes|no) ", boot.text("check"), re.MULTILINE))
    # an xentrace before 4.18 writes to files only
    usable = {"xenstore", "xentop", "direct", "direct_more", "grants", "numa", "power", "hypervisor", "own_runstate",
              "getvcpuinfo", "trace_rings", "profile",
              *["xentrace"] * boot.release.stdout}
    assert "Xen {} by ".format(boot.release.version) in boot.text("check")
    assert "0x{:x} and 0x{:x}, those of ".format(*boot.release.versions) in boot.text("check")
    assert {name for name, word in told.items() if word == "yes"} == usable
    # a baker is not running yet; the others this release does not have
    assert {name for name, word in told.items() if word == "no"} == {
        "runstate_domctl", "vcpu_runstates", "resource", "baker", "xentrace"} - usable
    assert boot.text("check", ".err") == ""


def test_guests_come_and_go_in_every_form(boot):
    """The new guest is in the figures while it lives, under both names, and gone when it is destroyed."""
    domid = boot.notes["churn_domid"]
    for form in ("vcpu", "xentop-xentop", "xentop-direct"):
        samples = boot.samples(f"churn-{form}")
        names = [next((one["name"] for one in sample["domains"] if one.get("domid") == domid), None) for sample in samples]
        assert {"short-lived", None} <= set(names), form
        assert names[0] is None and names[-1] is None, form
        for who in boot.notes["guests"].values():
            series = [one.get("cpu_seconds", one.get("cpu_time_ns")) for sample in samples for one in sample["domains"]
                      if one.get("domid") == who]
            back = CLOCKS if form == "vcpu" else 0      # the others tell whole seconds
            assert len(series) > 5 and all(before - back <= after for before, after in zip(series, series[1:])), (form, who)
    paused = [one["state"][4] for sample in boot.samples("churn-xentop-direct") for one in sample["domains"]
              if one["name"] == "burner"]
    assert {"-", "p"} == set(paused)


@pytest.mark.on("credit")
def test_disk_of_qemu(boot, tell):
    """The guest writes 4 KiB at a time and QEMU counts each: 8 sectors per request. Emulated, on a busy machine, it may not
    answer within our half second; then that sample has no counters of its disk."""
    samples = [one for sample in boot.samples("qdisk-direct") for one in sample["domains"] if one["name"] == "qdisk-guest"]
    assert samples and all(one["vbds"] == 1 for one in samples)
    samples = [one for one in samples if one["vbd_wr"] is not None]
    disks = [disk for one in samples for disk in one["vbd_devices"]]
    assert [(disk["type"], disk["dev"]) for disk in disks] == [("Qdisk", 51712)] * len(samples) and len(samples) > 1
    first, last = disks[0], disks[-1]
    tell("{}: xvda of QEMU: direct {rd} reads, {wr} writes of {wsect} sectors, then {}, {} of {}".format(
        boot.name, last["rd"], last["wr"], last["wsect"], **first))
    assert all(disk["wsect"] == 8 * disk["wr"] and disk["rsect"] >= disk["rd"] for disk in disks)
    assert first["rd"] <= last["rd"] and first["wr"] < last["wr"]
    assert samples[-1]["vbd_wr"] == last["wr"]
