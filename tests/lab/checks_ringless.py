"""arm64: what is said of what is not there, a recording, and collectd. Its figures are judged with those of other boots."""
import re

import pytest

from lab.checks_figures import CLOCKS

pytestmark = pytest.mark.on("ringless")


def test_check_says_what_is_not_there(boot, tell):
    text = boot.text("check")
    for line in text.splitlines():
        tell(f"{boot.name}: {line}")
    told = dict(re.findall(r"^(\w+) +(yes|no) ", text, re.MULTILINE))
    assert {name for name, word in told.items() if word == "yes"} == {
        "xenstore", "xentop", "direct", "direct_more", "grants", "numa", "hypervisor", "getvcpuinfo", "xentrace"}
    assert {name for name, word in told.items() if word == "no"} == {
        "power", "own_runstate", "runstate_domctl", "vcpu_runstates", "resource", "baker", "trace_rings", "profile"}
    assert boot.text("check", ".err") == "" and "0x{:x} and 0x{:x}, those of ".format(*boot.release.versions) in text


def test_the_baker_says_in_one_line_why_not(boot, tell):
    said = boot.text("ringless-baker", ".err")
    tell(f"{boot.name}: {said.strip()}")
    assert boot.notes["ringless-baker.status"] == 1 and said.count("\n") == 1 and "aarch64" in said


def test_a_recording_has_what_was_seen(boot):
    names = {"Domain-0", *boot.notes["guests"]}
    for plugin in ("xentop", "vcpu"):
        samples = boot.samples(f"replayed-{plugin}")
        assert len(samples) > 2 and {domain["name"] for domain in samples[-1]["domains"]} == names
    series = [[vcpu["running_ns"] for domain in sample["domains"] if domain["name"] == "burner" for vcpu in domain["vcpus"]]
              for sample in boot.samples("replayed-vcpu")]
    assert all(before - CLOCKS <= after for (before,), (after,) in zip(series, series[1:])) and series[-1] > series[0]


@pytest.mark.parametrize("kind", ["xentop", "xenvcpu", "xentrace"])
def test_collectd_stored_values(boot, kind):
    folders = {folder.name for folder in (boot.results / "csv" / "dom0lab").glob(kind + "*")}
    assert {f"{kind}-Domain-0", f"{kind}-burner"} <= folders and boot.notes["collectd_alive_at_the_end"] is True
