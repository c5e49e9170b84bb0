"""What `xenmeter profile` says on a booted Xen, against work that is known."""
import math
import re

import pytest

pytestmark = pytest.mark.parametrize("boot", ["profile"], indirect=True)

PARTS = {"seven_parts": 0.7, "three_parts": 0.3}


def folded(boot, name):
    """{frames: ns}"""
    rows = [line.rpartition(" ") for line in boot.text(name, ".folded").splitlines()]
    return {tuple(stack.split(";")): int(ns) for stack, _, ns in rows}


def seconds_of(boot, name):
    (vcpu,) = boot.vcpus(name).values()
    return vcpu[0]


def test_it_ended_well(boot, tell):
    for name in ("split", "disk", "dying"):
        assert boot.notes[name + ".status"] == 0, boot.text(name, ".err")
        for line in boot.text(name).splitlines()[-3:]:
            tell(f"{boot.name}, {name}: {line}")


def test_known_work_has_its_shares(boot, tell):
    """Within three standard errors of what the program does."""
    samples = {}
    for line in boot.text("split").splitlines()[1:]:
        found = re.match(r" *(\d+) +[\d.]+ +[\d.]+  (?:\S+) +(\w+)$", line)
        if found and found[2] in PARTS:
            samples[found[2]] = int(found[1])
    number = sum(samples.values())
    assert number > 200, samples
    for name, part in PARTS.items():
        tell(f"{boot.name}: {name} has {100 * samples[name] / number:.1f} % of {number} samples")
        assert abs(samples[name] / number - part) <= 3 * math.sqrt(part * (1 - part) / number)


@pytest.mark.parametrize("name", ["split", "disk"])
def test_weights_are_the_domains_cpu_time(boot, name):
    """xl tells tenths of a second, and asks a moment before and after."""
    weighed = sum(folded(boot, name).values()) / 1e9
    grown = seconds_of(boot, name + "-after") - seconds_of(boot, name + "-before")
    assert 0.4 * grown <= weighed <= grown + 0.11


def test_stacks_of_a_disks_load_have_blkfronts_functions(boot):
    through = [frames for frames in folded(boot, "disk") if any("[xen_blkfront]" in frame for frame in frames)]
    assert through
    assert any(frames[1] == "work" and len(frames) > 6 for frames in folded(boot, "disk"))


def test_processes_have_names(boot):
    assert {frames[1] for frames in folded(boot, "split")} >= {"split"}


def test_a_guest_that_ends_is_told_and_let_go(boot):
    assert "dying has ended" in boot.text("dying", ".err")
    assert "(null)" not in boot.text("list")
