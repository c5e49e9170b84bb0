"""Who made whom wait, against what is known of two guests on one pCPU, the same records baked again, and xenalyze."""
import collections
import json
import re

import pytest

pytestmark = pytest.mark.on("neighbours")

RINGS = "neighbours-rings.bin"
#: The burner is named with at least so much of the waiter's completed waits.
SHARE = 0.8
#: xenalyze's record of the burner's end is at the switch, which counts for who leaves; emulated, a switch takes up to 0.3 ms.
SWITCH = 300_000


def caused(sample):
    """{domain: {by: ns}} of a reading."""
    told = collections.defaultdict(dict)
    for one in sample["causes"]:
        told[one["domain"]][one["by"]] = one["caused_ns"]
    return told


def baked(boot):
    """{domid: {by: ns}} of the trace, as `bake --causes` tells it."""
    return {one["domid"]: {cause["by"]: cause["ns"] for cause in one["causes"]}
            for one in boot.bake(RINGS, "--causes")["domains"]}


def test_they_are_as_they_should(boot):
    """The weights, and each on its pCPU."""
    weights = dict(re.findall(r"^(\S+) +\d+ +(\d+) ", boot.text("weights"), re.MULTILINE))
    assert weights["burner"] == "2560" and weights["waiter"] == "256"
    guests = set(boot.notes["guests"].values())
    assert {pcpu for (domid, _), (_, pcpu, _) in boot.vcpus("vcpus").items() if domid in guests} == {1}
    assert {pcpu for (domid, _), (_, pcpu, online) in boot.vcpus("vcpus").items() if domid == 0 and online} == {0}


def test_the_burner_is_named(boot, tell):
    causes = caused(boot.samples("neighbours-told")[-1])
    told = causes["waiter"]
    whole, share = sum(told.values()), told["burner"] / sum(told.values())
    tell(f"{boot.name}: the waiter waited {whole / 1e9:.2f} s in waits that are over, by the burner {share:.1%} of it: "
         + ", ".join(f"{by} {length / 1e9:.3f} s" for by, length in sorted(told.items(), key=lambda one: -one[1])))
    assert whole > 10 ** 9 and share >= SHARE
    assert not {"waiter", "burner"} & set(causes["Domain-0"])       # they never had a pCPU that it got


def test_causes_add_up_to_the_waiting_time(boot):
    """To the nanosecond, in each reading, of each domain."""
    samples = boot.samples("neighbours-told")
    for sample in samples:
        lasting = {one["domain"]: one["wait_lasting_ns"] for one in sample["lasting"]}
        causes = caused(sample)
        for one in sample["domains"]:
            assert sum(causes[one["domain"]].values()) + lasting.get(one["domain"], 0) == one["waiting_ns"], one["domain"]
    assert {one["domain"] for one in samples[-1]["domains"]} >= {"Domain-0", "waiter", "burner"}


def test_a_bake_of_the_same_records_says_the_same(boot, tell):
    words = {-1: "idle", -2: "unknown"}
    mine = collections.defaultdict(dict)
    for one in json.loads((boot.results / "neighbours-rings.causes.json").read_text()):
        if one["by"] >= -2:         # others that have no name there are none here, and what lasts is told by itself
            mine[one["domid"]][words.get(one["by"], one["by"])] = one["caused_ns"]
    theirs = baked(boot)
    assert dict(mine) == {domid: causes for domid, causes in theirs.items() if causes}
    waiter, burner = boot.notes["guests"]["waiter"], boot.notes["guests"]["burner"]
    longest = [one for one in boot.bake(RINGS, "--causes")["longest_waits"] if one["domid"] == waiter]
    assert all(sum(cause["ns"] for cause in one["causes"]) == one["length_ns"] for one in longest)
    assert longest and all(one["causes"][0]["by"] == burner for one in longest)
    tell(f"{boot.name}: the waiter's longest wait was {longest[0]['length_ns'] / 1e6:.1f} ms")


def test_the_burner_ran_meanwhile_by_xenalyze_too(boot, tell):
    """How long it was running while the waiter was runnable, by xenalyze's records of both."""
    records, _ = boot.xenalyze(RINGS)
    spans = {name: list(lasted(records[boot.notes["guests"][name], 0], state)) for name, state in (
        ("waiter", "runnable"), ("burner", "running"))}
    theirs = sum(max(0, min(end, until) - max(begin, since))
                 for begin, end in spans["waiter"] for since, until in spans["burner"])
    mine = baked(boot)[boot.notes["guests"]["waiter"]][boot.notes["guests"]["burner"]]
    tell(f"{boot.name}: by the burner the waiter was made wait {mine / 1e9:.4f} s; by xenalyze it ran meanwhile "
         f"{theirs / 1e9:.4f} s, in {len(spans['waiter'])} waits")
    assert len(spans["waiter"]) > 20
    assert theirs * 0.99 <= mine <= theirs * 1.01 + SWITCH * len(spans["waiter"])


def lasted(records, state):
    """(begin, end) of each time that a vCPU was in a state, from one record to the next."""
    ordered = sorted(records)
    return ((since, until) for (since, _, new), (until, _, _) in zip(ordered, ordered[1:]) if new == state)


def test_scrapers_get_it(boot):
    text = boot.text("openmetrics")
    found = dict(re.findall(r'^xen_sched_wait_caused_seconds_total\{domain="waiter",uuid="[-0-9a-f]{36}",by="([^"]+)"\} (\S+)$',
                            text, re.MULTILINE))
    assert float(found["burner"]) >= SHARE * sum(map(float, found.values())) > 0
