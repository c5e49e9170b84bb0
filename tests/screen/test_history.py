"""The slices that the screen adds up: bake's figures exactly, whatever samples are missed on the way."""
import threading

import pytest

from helpers.terminal_stage import KHZ, START, unpacked
from xenmeter.core.times import parse_time
from xenmeter.front.screen.history import History
from xenmeter.front.screen.parts import TIMES, Part
from xenmeter.xentrace.summary import run_bake
from xenmeter.xentrace.engine.distribution import EMPTY, Distribution
from xenmeter.xentrace.engine.figures import STATES
from xenmeter.xentrace.engine.picture import Picture
from xenmeter.xentrace.playback import Playback

SECOND = 10 ** 9


def samples_of(path):
    source = Playback(str(path), [SECOND, 10 * SECOND], int(KHZ), parse_time(START), per_vcpu=True)
    return list(source.samples(threading.Event(), None))


class Given:
    """Arguments of bake."""

    cpu_khz = int(KHZ)
    window = 1.0

    def __init__(self, path):
        self.file = str(path)


@pytest.mark.parametrize("case", ["narrow-steady", "narrow-churn", "alloc-steady", "S1-sched", "loss-sched-churn"])
def test_every_slice_is_bakes_window(tmp_path, case):
    path = unpacked(tmp_path, case)
    document = run_bake(Given(path))
    history, slices = History(), []
    for sample in samples_of(path):
        made = history.add(sample)
        slices.append(made)
        for life in {life for life, _ in made.vcpus}:
            vcpus = [part for (other, _), part in made.vcpus.items() if other == life]
            if len(vcpus) == sum(1 for other, _ in history.homes if other == life) and life in made.domains:
                assert Part.total(vcpus).running == made.domains[life].running
        for part in made.pcpus.values():
            assert part.busy + part.idle + part.unknown == part.length == made.length
    windows = [window for window in document["windows"] if window["length_ns"] == SECOND]
    assert len(slices) >= len(windows) > 2
    compared = 0
    for window, made in zip(windows, slices):
        for one in window["domains"]:
            part = made.domains.get((one["domid"], one["generation"]))
            if part is None:
                assert one["running_ns"] == 0       # it was first heard of later
                continue
            compared += 1
            assert (part.running, part.executions) == (one["running_ns"], one["executions"])
            assert part.ios == one["grant_maps"] + one["grant_unmaps"] + one["grant_transfers"]
            assert (part.allocation, part.slice_min) == (one["allocation_avg_ns"], one["allocation_min_ns"])
            assert part.wait.sum <= part.waiting + one["waiting_ns"] + 10 * SECOND
    assert compared > 10
    assert sum(made.lost for made in slices) == document["trace"]["lost_records"]


@pytest.mark.parametrize("missed", [2, 3])
def test_samples_that_were_missed_are_in_the_sums(tmp_path, missed):
    samples = samples_of(unpacked(tmp_path, "narrow-steady"))
    whole, holes = History(), History()
    for place, sample in enumerate(samples):
        whole.add(sample)
        if place % missed == 0 or sample is samples[-1]:
            holes.add(sample)
    for kind in ("domains", "vcpus", "pcpus"):
        one, other = whole.totals(kind, 60 * SECOND), holes.totals(kind, 60 * SECOND)
        assert set(one) == set(other) and one
        for key in one:
            names = TIMES + ("executions",) if kind != "pcpus" else ("busy", "idle", "unknown")
            assert [getattr(one[key], name) for name in names] == [getattr(other[key], name) for name in names], (kind, key)
    assert [slice_.length for slice_ in holes.slices][1] == missed * SECOND


def test_a_reader_that_comes_late_shows_no_time_of_before(tmp_path):
    samples = samples_of(unpacked(tmp_path, "narrow-steady"))
    history = History()
    first = history.add(samples[3])
    assert first.vcpus == {} and first.pcpus == {} and first.lost == 0 and first.length == SECOND
    assert all(sum(getattr(part, name) for name in TIMES) <= 2 * SECOND for part in first.domains.values())
    assert history.add(samples[3]) is None          # the same again
    later = history.add(samples[4])
    assert len(later.pcpus) == 2 and len(later.vcpus) == 6
    restarted = history.add(samples[0])             # another baker: its sums begin anew
    assert restarted.vcpus and all(part.length == SECOND for part in restarted.pcpus.values())


def vcpu(**times):
    told = dict.fromkeys(("running_ns", "runnable_ns", "blocked_ns", "offline_ns", "unknown_ns", "executions"), 0)
    return dict(told, vcpu=0, **times)


def test_what_a_record_reveals_later_is_in_no_slice():
    before, after = vcpu(unknown_ns=5 * SECOND), vcpu(blocked_ns=5 * SECOND + 1000, running_ns=SECOND - 1000)
    assert Part.between(before, after, SECOND) is None
    assert Part.between(None, vcpu(blocked_ns=7 * SECOND), SECOND) is None
    part = Part.between(before, vcpu(unknown_ns=5 * SECOND, running_ns=SECOND), SECOND)
    assert part.running == SECOND and part.wait is None and part.quantiles()["p99"] is None and part.ios is None


def test_what_one_part_does_not_know_the_sum_does_not_know():
    one = Part(SECOND, (1, 2, 3, 4, 5), 2, 3, Distribution(10, 10, (12,), (1,)))
    two = Part(SECOND, (1, 2, 3, 4, 5), 0, None, None)
    total = Part.total([one, two])
    assert (total.length, total.running, total.unknown, total.executions) == (2 * SECOND, 2, 10, 2)
    assert total.ios is None and total.wait is None and total.allocation is None
    assert Part.total([one, one]).ios == 6 and Part.total([one, one]).wait.count == 2
    assert two.per_execution("running") is None and two.blocked_per_io is None and Part.total([]) is None
    two.slices, two.slice_sum, two.slice_min, two.slice_max = 2, 30, 10, 20
    assert Part.total([one, two]).allocation == 15 and Part.total([one, two]).slice_max == 20
    assert EMPTY.count == 0


def test_a_minute_is_kept(tmp_path):
    samples = samples_of(unpacked(tmp_path, "narrow-churn"))
    history = History(keep=4 * SECOND)
    for sample in samples:
        history.add(sample)
    assert 4 * SECOND <= history.covered(60 * SECOND) < 5 * SECOND
    assert [one.length for one in history.last(SECOND)] == [history.slices[-1].length]
    frozen = history.frozen()
    last = frozen.slices[-1]
    history.slices.clear()
    assert frozen.slices[-1] is last


def test_the_minute_before_comes_from_the_baker(tmp_path):
    path = unpacked(tmp_path, "narrow-steady")
    samples = samples_of(path)
    windows = [window for window in run_bake(Given(path))["windows"] if window["length_ns"] == SECOND]
    for window in windows:
        for one in window["domains"]:
            one.pop("latency", None)
    whole, late = History(), History()
    for sample in samples[:7]:
        whole.add(sample)
    late.add(samples[6])
    late.put_before(windows)
    assert len(late.slices) == 7
    for life, part in late.totals("domains", 60 * SECOND).items():
        other = whole.totals("domains", 60 * SECOND)[life]
        assert (part.running, part.executions) == (other.running, other.executions)
        assert part.wait is None and late.totals("domains", SECOND)[life].wait is not None
    late.put_before(windows[3:])        # the first slice's own window is not among them
    assert len(late.slices) == 7


def test_figures_that_are_a_moment_behind_are_no_rest(tmp_path):
    sample = samples_of(unpacked(tmp_path, "narrow-steady"))[3]
    for observed, elapsed, shown in ((4, 6, 1000000), (4, 9, 1000000), (5, 100, 50000), (0, 0, 1000000)):
        history = History()
        figures = Picture(sample.figures.sections, sample.figures.cells)
        figures["observed"] = [observed * SECOND, elapsed * SECOND]
        history.add(sample._replace(figures=figures))
        assert history.observed == shown


@pytest.mark.parametrize("case, life", [("narrow-churn", (5, 0)), ("loss-sched-churn", (4, 0))])
def test_an_only_vcpu_that_is_seen_late_has_what_its_domain_has(tmp_path, case, life):
    """It was built some seconds before it ran: its sums begin then, its domain's windows tell what of them is of this one."""
    history, late, before = History(), 0, None
    for sample in samples_of(unpacked(tmp_path, case)):
        made = history.add(sample)
        numbers = [one["vcpu"] for one in sample.figures["vcpus"] if (one["domid"], one["generation"]) == life]
        if numbers and before is not None and not [one for one in before["vcpus"] if one["domid"] == life[0]]:
            part, domain = made.vcpus[life, numbers[0]], made.domains[life]
            assert [getattr(part, name) for name in TIMES] == [getattr(domain, name) for name in TIMES]
            assert (part.length, part.executions, part.ios) == (domain.length, domain.executions, None)
            assert part.length == sum(getattr(part, name) for name in TIMES) and numbers == [0]
            late += 1
        before = sample.figures
    assert late == 1


def late(**times):
    return dict(dict(dict.fromkeys(STATES, 0), executions=3), **times)


def whole(**times):
    return Part(SECOND, [times.get(name, 0) for name in TIMES], 9, 1, None)


@pytest.mark.parametrize("sums, domain, told", [
    (late(running_ns=SECOND // 2, offline_ns=4 * SECOND), whole(running=SECOND, offline=SECOND), (SECOND // 2, SECOND // 2)),
    (late(running_ns=SECOND // 2, offline_ns=SECOND // 4), whole(running=SECOND, offline=SECOND), (SECOND // 2, SECOND // 4)),
    (late(running_ns=4 * SECOND, offline_ns=4 * SECOND), whole(running=SECOND, offline=SECOND), None),      # which was it?
    (late(running_ns=SECOND // 2, offline_ns=4 * SECOND), whole(running=SECOND // 4, offline=SECOND), None)])
def test_one_of_several_that_is_seen_late_is_told_where_one_state_explains_it(sums, domain, told):
    part = Part.first(sums, SECOND, domain, alone=False)
    assert (part and (part.running, part.offline)) == told and (part is None or part.executions == 3)
