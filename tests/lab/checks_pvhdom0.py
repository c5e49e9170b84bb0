"""What a dom0 that is a PVH domain can do, and what is said where it cannot; its figures are judged with those of other boots."""
import re

import pytest

pytestmark = pytest.mark.on("pvhdom0")

#: Seconds by which xl, which rounds to tenths, and the clocks of two pCPUs may differ.
ROUNDED = 0.12


def test_dom0_is_a_pvh_domain(boot, tell):
    """By its own kernel, and by the hypervisor that built it."""
    assert boot.text("guest-type").strip() == "PVH"
    assert "(XEN) *** Building a PVH Dom0 ***" in (boot.folder / "console.log").read_text(errors="replace")
    for line in boot.text("alone-check").splitlines():
        tell(f"{boot.name}: {line}")


def test_check_says_the_same_as_of_a_paravirtual_dom0(boot):
    """All that Xen tells a dom0 it tells this one; the rings are mapped as frames of another domain's, by its p2m."""
    told = dict(re.findall(r"^(\w+) +(yes|no) ", boot.text("alone-check"), re.MULTILINE))
    assert {name for name, word in told.items() if word == "yes"} >= {
        "xenstore", "xentop", "direct", "hypervisor", "own_runstate", "getvcpuinfo", "trace_rings", "xentrace"}
    assert boot.text("alone-check", ".err") == ""


def test_running_time_is_xls(boot, tell):
    before, after = (boot.vcpus(f"alone-vcpus-{when}") for when in ("before", "after"))
    domain, = boot.samples("alone-vcpu")[-1]["domains"]
    assert domain["name"] == "Domain-0" and domain["source"] == "own_runstate"
    for vcpu in domain["vcpus"]:
        low, high = (look[0, vcpu["vcpu"]][0] for look in (before, after))
        ran = vcpu["running_ns"] / 1e9
        tell(f"{boot.name}: d0v{vcpu['vcpu']} alone: xl {low:.1f} s, vcpu {ran:.3f} s, xl {high:.1f} s")
        assert low - ROUNDED <= ran <= high + ROUNDED
        # the other states of its own vCPUs, which Xen tells each domain
        assert vcpu["blocked_ns"] > 0 and vcpu["runnable_ns"] >= 0


def test_its_baker_reads_the_rings(boot, tell):
    last = boot.samples("alone-told")[-1]
    tell(f"{boot.name}: the baker of a PVH dom0, alone: {last['trace']}")
    assert last["trace"]["records"] > 100 and last["trace"]["anomalies"] == 0
    domain, = last["domains"]
    assert domain["domain"] == "Domain-0" and domain["running_ns"] > 0
    assert "TSC of " in boot.text("alone-baker", ".err") and boot.notes["alone-baker.status"] in (0, -15)
