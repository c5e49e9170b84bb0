"""A pCPU that was offline and came back: its ring is silent, work goes on there, and the baker must not call that idleness."""
import collections

import pytest

from lab.checks_figures import CLOCKS

pytestmark = pytest.mark.on("hotplug")


def test_its_ring_is_silent_though_it_is_at_work(boot):
    """So Xen is: where this fails, Xen has changed."""
    assert boot.notes["offline.status"] == 0 and boot.notes["online.status"] == 0
    assert set(boot.pcpus("narrow.bin")) == {0}
    places = {vcpu["pcpu"] for sample in boot.samples("vcpu")[-10:] for domain in sample["domains"] for vcpu in domain["vcpus"]}
    assert places == {0, 1}


def test_what_ran_there_is_unknown_and_not_idle(boot, tell):
    last = boot.samples("told")[-1]
    pcpu, = (one for one in last["pcpus"] if one["pcpu"] == "1")
    tell(f"{boot.name}: of {last['trace']['observed_ns'] / 1e9:.0f} s pCPU 1 was busy {pcpu['busy_ns'] / 1e9:.1f} s, "
         f"idle {pcpu['idle_ns'] / 1e9:.1f} s, unknown {pcpu['unknown_ns'] / 1e9:.1f} s")
    assert pcpu["unknown_ns"] > 5 * 10 ** 9
    assert pcpu["busy_ns"] + pcpu["idle_ns"] + pcpu["unknown_ns"] == last["trace"]["observed_ns"]


def test_the_bakers_log_says_so_once(boot):
    """Whoever finds it first: here that is the records, which contradict each other as soon as a vCPU has been on that pCPU."""
    said = boot.text("baker", ".err")
    assert said.count("pCPU 1 is at work, as Xen counts, and writes no trace records") == 1, said


def test_vcpus_keep_counting(boot):
    series = collections.defaultdict(list)
    for sample in boot.samples("vcpu"):
        for domain in sample["domains"]:
            for vcpu in domain["vcpus"]:
                series[domain["domid"], vcpu["vcpu"]].append(vcpu["running_ns"])
    assert len(series) == 5
    for values in series.values():
        assert all(before - CLOCKS <= after for before, after in zip(values, values[1:])) and values[-1] > values[0]
