"""collectd and execd live in dom0, kill -9 and restart, resources, and what measuring cost."""
import json
import re

import pytest

MAIN = pytest.mark.on("credit2", "short", "pvhdom0")
#: Seconds without a system call that part two readings, half their interval: between two of them 7 to 10 s were seen without one,
#: within one 0.2 s at most.
SILENCE = 5


@MAIN
@pytest.mark.parametrize("kind", ["xentop", "xenvcpu", "xentrace"])
def test_collectd_stored_values_of_every_plugin(boot, kind):
    """Of dom0 and of a guest; and of the plugin's own meter."""
    folders = {folder.name for folder in (boot.results / "csv" / "dom0lab").glob(kind + "*")}
    assert f"{kind}-Domain-0" in folders and f"{kind}-burner" in folders, folders
    values = sum(len(file.read_text().splitlines()) - 1 for folder in (boot.results / "csv" / "dom0lab").glob(kind + "-*")
                 for file in folder.iterdir())
    assert values > 20


def test_collectd_stayed_up_and_said_nothing_bad(boot):
    assert boot.notes["collectd_alive_before_kills"] is True and boot.notes["collectd_alive_at_the_end"] is True
    text = boot.text("collectd", ".log")
    assert not re.search(r"\bfault\b", text) and "Traceback" not in text and "Segmentation" not in boot.text("collectd", ".err")
    assert text.count("Initialization complete") == 2      # the second after the kill -9


def test_collectds_counters_are_vcpus_of_xen(boot, tell):
    """csv keeps counters in ns: those of dom0's vCPU 0 never fall within a life of collectd, and grow. Its threads write them
    in an order of their own, each with its time."""
    folder = boot.results / "csv" / "dom0lab" / "xenvcpu-burner"
    lines = [line.split(",") for file in sorted(folder.glob("*running*")) for line in file.read_text().splitlines()[1:]]
    values = [value for _, value in sorted([(float(at), float(value)) for at, value in lines])]
    tell(f"{boot.name}: collectd stored {len(values)} values of the burner's running time, {values[0]:.0f} to {values[-1]:.0f}")
    assert values == sorted(values) and values[-1] > values[0]


@pytest.mark.parametrize("what", ["xentop_child", "baker", "collectd xentop-", "collectd xenvcpu-", "collectd xentrace-"])
def test_figures_return_after_kill_9(boot, what, tell):
    tell(f"{boot.name}: figures were back {boot.notes['back.' + what]} s after kill -9: {what}")
    assert boot.notes["back." + what] < 480      # the job waits twice for 240 s


def test_a_killed_bakers_trace_is_stopped_and_its_mask_put_back(boot):
    assert "event mask put back" in boot.text("restore", ".err")
    befores = re.findall(r"event mask 0x00161000 \(before: (0x[0-9a-f]{8})\)", boot.text("baker", ".err"))
    assert len(befores) == 2 and befores[0] == befores[1]


@pytest.mark.parametrize("what", ["collectd", "execd"])
def test_no_xentop_outlives_its_killed_parent(boot, what, tell):
    """It ends when it writes next; its intervals here are 5 and 2 s, and all is slow. One that does not is waited for longer."""
    tell(f"{boot.name}: the xentop of a killed {what} ended {boot.notes['orphan_seconds.' + what]} s later")
    assert boot.notes["orphan_seconds." + what] < 300       # the job waits for 240 s, and notes nothing if it is there then


def test_execd_writes_line_protocol(boot):
    measurements = {"cost-execd-xentop-source-xentop": "xen_domain", "cost-execd-xentop-source-direct": "xen_domain",
                    "cost-execd-vcpu": "xen_vcpu", "cost-execd-xentrace": "xen_sched"}
    for name, measurement in measurements.items():
        lines = boot.text(name).splitlines()
        assert any(line.startswith(measurement) and "burner" in line for line in lines), name
        assert all(re.fullmatch(r"[a-z_]+(,\S| |\S)* \d{19}", line) for line in lines), name
        assert "E! " not in boot.text(name, ".err"), name


@MAIN
def test_the_grant_table_maps_and_the_statistics_table_does_not(boot):
    told = json.loads(boot.text("resources"))
    for way in told.values():
        # before 4.15 no size is told; the guest's configuration says how many it may have
        assert way["grant_frames"] == 24 if boot.release.sized else way["grant_frames"] is None
        # the device's grants are dom0's, and its console's and xenstore's
        assert way["grants"]["used"] >= 2 and 0 in way["grants"]["to"]
        assert way["too_many"]["error"] and way["dom0"]["error"] == "NoPrivilege"
        assert way["nobody"]["error"] == "DomainGone" and way["stats"]["error"] == "Unsupported"
        # this Xen's size query succeeds with nonsense for a type that it does not know
        assert way["stats_frames"] is None or "error" in way["stats_frames"]


def test_what_measuring_cost(boot, tell):
    """Each form at its default interval, CPU time of its processes in dom0, in the same 60 seconds; emulated: ratios."""
    costs = boot.notes["cost_cpu_seconds_per_hour"]
    floor = costs["xentop -b -d 10"]
    assert all(cost > 0 for cost in costs.values())
    for name, cost in sorted(costs.items(), key=lambda item: item[1]):
        tell(f"{boot.name}: cost: {name}: {cost:.1f} CPU seconds per hour, {cost / floor:.1f} times xentop -b -d 10 (emulated)")


@pytest.mark.parametrize("form", ["vcpu", "xentop-source-direct", "xentop-source-xentop", "xentrace"])
def test_between_two_readings_it_makes_no_system_call(boot, form, tell):
    """strace of all its threads for 35 s at an interval of 10: what is no reading is silence."""
    calls = [line.split(None, 2)[1:] for line in boot.text(f"rest-execd-{form}", ".strace").splitlines()]
    times = [float(time) for time, call in calls if not call.startswith(("+++", "---"))]
    readings = [[times[0]]]
    for before, time in zip(times, times[1:]):
        if time - before > SILENCE:
            readings.append([])
        readings[-1].append(time)
    whole = readings[1:-1]      # of the first and the last a part may be missing
    tell(f"{boot.name}: rest: {form}: {', '.join(str(len(each)) for each in whole)} system calls a reading, each in "
         f"{max(each[-1] - each[0] for each in whole):.1f} s, and none between (emulated, under strace)")
    assert len(whole) >= 1 and all(10 - SILENCE < after[0] - each[0] < 10 + SILENCE for each, after in zip(whole, whole[1:]))
    assert len(readings) <= (times[-1] - times[0]) / 10 + 2     # by its own times: strace does not end at once


def test_what_xen_says_that_measuring_cost(boot, tell):
    """dom0's vCPUs by Xen's own account: the baker alone, and with the five forms beside it."""
    def rate(name, span="seconds"):
        """By the seconds between the looks at processes, or by the outer ones, which are no fewer than those between Xen's."""
        before, after = (sum(seconds for seconds, _, _ in boot.vcpus(f"cost-{name}-{when}").values())
                         for when in ("before", "after"))
        return (after - before) / boot.notes[f"cost-{name}-{span}"] * 3600

    alone, together = rate("alone"), rate("with-all")
    costs = boot.notes["cost_cpu_seconds_per_hour"]
    theirs = sum(cost for name, cost in costs.items() if name != "baker")
    tell(f"{boot.name}: cost: dom0 by Xen's own account: {alone:.0f} CPU seconds per hour with the baker alone, "
         f"{together:.0f} with all others, whose processes say {theirs:.0f} for themselves (emulated)")
    assert 0 < sum(costs.values()) <= together * 1.5        # the kernel's account of processes goes by ticks
    assert alone > 0 and max(rate(name, "outer-seconds") for name in ("alone", "with-all")) <= 2 * 3600 * 1.05
