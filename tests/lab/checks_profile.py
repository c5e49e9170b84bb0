"""What `xenmeter profile` says on a booted Xen, against work that is known."""
import math
import re

import pytest

pytestmark = pytest.mark.on("profile")

PARTS = {"seven_parts": 0.7, "three_parts": 0.3}


def folded(boot, name):
    """{frames: ns}"""
    rows = [line.rpartition(" ") for line in boot.text(name, ".folded").splitlines()]
    return {tuple(stack.split(";")): int(ns) for stack, _, ns in rows}


def seconds_of(boot, name):
    (vcpu,) = boot.vcpus(name).values()
    return vcpu[0]


def test_it_ended_well(boot, tell):
    for name in ("split", "memory", "again", "disk", "dying"):
        assert boot.notes[name + ".status"] == 0, boot.text(name, ".err")
        for line in boot.text(name).splitlines()[-3:]:
            tell(f"{boot.name}, {name}: {line}")


def test_known_work_has_its_shares(boot, tell):
    """Within three standard errors of what the program does, by its loops' numbers and by its own clock."""
    said = (boot.results / "guest-split.log").read_text(errors="replace")
    took = {name: int(re.search(rf"SPLIT.*\b{name} (\d+) ns", said)[1]) for name in PARTS}
    samples, weights = dict.fromkeys(PARTS, 0), dict.fromkeys(PARTS, 0.0)
    for line in boot.text("split").splitlines()[1:]:
        found = re.match(r" *(\d+) +([\d.]+) +[\d.]+  \S+ +(\w+)$", line)
        if found and found[3] in PARTS:
            samples[found[3]] += int(found[1])
            weights[found[3]] += float(found[2])
    number = sum(samples.values())
    assert number > 100, samples
    for name, part in PARTS.items():
        true = took[name] / sum(took.values())
        share, weight = (some[name] / sum(some.values()) for some in (samples, weights))
        error = math.sqrt(part * (1 - part) / number)
        tell(f"{boot.name}: {name} takes {100 * true:.1f} % by its own clock; it has {100 * share:.1f} % of {number} samples and "
             f"{100 * weight:.1f} % of their weight; a standard error is {100 * error:.1f} %")
        assert abs(true - part) < 0.05
        assert abs(share - part) <= 3 * error and abs(weight - part) <= 3 * 2 ** 0.5 * error


@pytest.mark.parametrize("name", ["split", "memory", "again", "disk"])
def test_weights_are_the_domains_cpu_time(boot, name, tell):
    """By Xen's own count of the domain, which xentop shows, to the moments between the questions; and below xl's tenths of a
    second, that are asked for a moment before and after."""
    found = re.search(r"the samples weigh ([\d.]+) s; CPU time of their domains by Xen's own count: ([\d.]+) s", boot.text(name))
    weighed, counted = float(found[1]), float(found[2])
    tell(f"{boot.name}, {name}: samples {weighed} s, Xen {counted} s")
    assert weighed > 0.1 and -0.01 <= counted - weighed <= 0.3
    assert sum(folded(boot, name).values()) / 1e9 == pytest.approx(weighed, abs=0.3)
    assert weighed <= seconds_of(boot, name + "-after") - seconds_of(boot, name + "-before") + 0.11


def test_stacks_of_a_disks_load_have_blkfronts_functions(boot):
    through = [frames for frames in folded(boot, "disk") if any("[xen_blkfront]" in frame for frame in frames)]
    assert through
    assert any(frames[1] == "work" and len(frames) > 6 for frames in folded(boot, "disk"))


def test_processes_have_names(boot):
    assert {frames[1] for frames in folded(boot, "split")} >= {"split"}


def test_a_kernel_that_dom0_has_no_file_of_is_read_from_the_guests_memory(boot):
    """Names, stacks and the mapping of user mode; and then it is kept, for root alone, and known again."""
    assert "/gone cannot be read; it was read from its memory: " in boot.text("memory", ".err")
    assert "/gone cannot be read; it was read before, and is known by its build id: " in boot.text("again", ".err")
    assert not any("_fini" in frames for frames in folded(boot, "split")), "a frame that no function's end bears out"
    for name in ("memory", "again"):
        stacks = folded(boot, name)
        assert any(frames[1:3] == ("split", "[split]") for frames in stacks)
    assert any(len(frames) > 4 and not frames[2].startswith(("0x", "[")) for frames in folded(boot, "memory"))
    kept = [line.split()[1:] for line in boot.text("kept").splitlines()]
    assert kept[0] == ["700", "0"] and kept[1:] == [["600", "0"]]


def test_who_asks_for_the_trace_meanwhile_is_told(boot):
    remarks = [sample["remark"] or "" for sample in boot.samples("told")]
    assert any("guests are being profiled" in remark for remark in remarks)


def test_a_guest_that_ends_is_told_and_let_go(boot):
    """It was looked at, so pages of it were mapped, and it goes all the same."""
    assert "dying has ended" in boot.text("dying", ".err")
    assert int(re.search(r"(\d+) pauses of one vCPU each", boot.text("dying"))[1]) > 0
    assert "(null)" not in boot.text("list") and "dying" not in boot.text("list")
