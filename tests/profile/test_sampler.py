"""When vCPUs are looked at and what a look weighs: on a clock that the test keeps, with guests that run, rest and end."""
import random
import threading

import pytest
from helpers import fake_guest as fake
from hypothesis import given
from hypothesis import strategies as st

from xenmeter.profile.guest.look import Guest
from xenmeter.profile.sample import NOT_SEEN
from xenmeter.profile.sampler import Sampler
from xenmeter.xen.foreign import Frames

SECOND = 10 ** 9


class Clock:
    """Time goes on while somebody waits, and ``each`` is what happens meanwhile."""

    def __init__(self, each, spends=0.0):
        self.at = 0.0
        self.used = 0.0
        self.spends = spends
        self.each = each
        self.waits = []

    def now(self):
        return self.at

    def time_ns(self):
        return int(self.at * SECOND)

    def spent(self):
        return self.used

    def wait(self, seconds):
        self.waits.append(seconds)
        self.at += seconds
        self.used += self.spends
        self.each(seconds)
        return False


class Host:
    def __init__(self, running, spends=0.0):
        """:param running: for each vCPU what part of the time it runs."""
        self.guest = fake.Guest()
        self.vcpus = [{"cpu_time": 5000 + number, "context": self.guest.context(**self.guest.stack(["schedule"]))}
                      for number in range(len(running))]
        self.xen = fake.Xen({5: self.vcpus})
        self.running = running
        self.clock = Clock(self.run, spends)
        self.look = Guest(self.xen, self.xen.domains()[0], Frames(5, self.guest.memory, 32, self.guest.memory.view))
        self.taken = []

    def run(self, seconds):
        for vcpu, part in zip(self.vcpus, self.running):
            vcpu["cpu_time"] += int(seconds * part * SECOND)

    def sampler(self, hz=100, share=1.0, seed=1):
        made = Sampler([self.look], hz, share, lambda sample, word: None, self.clock, random.Random(seed))
        made.start({self.look: len(self.vcpus)})
        return made

    def go(self, seconds=3, **options):
        sampler = self.sampler(**options)
        self.run_all(sampler, seconds)
        return sampler

    def run_all(self, sampler, seconds):
        """Its looks in so many seconds of this clock."""
        stop = threading.Event()
        stop.wait = self.clock.wait
        sampler.run(seconds, stop, self.taken.append)


def test_weights_add_up_to_the_cpu_time_exactly():
    host = Host([0.7, 0.013, 1.0])
    host.go()
    for number, vcpu in enumerate(host.vcpus):
        assert sum(sample.weight_ns for sample in host.taken if sample.vcpu == number) == vcpu["cpu_time"] - 5000 - number


@given(st.lists(st.floats(0, 1), min_size=1, max_size=4), st.floats(0.5, 500), st.integers(0, 1000))
def test_they_do_whatever_runs_and_however_often_it_is_looked_at(running, hz, seed):
    host = Host(running)
    host.go(2, hz=hz, seed=seed)
    assert sum(sample.weight_ns for sample in host.taken) == sum(vcpu["cpu_time"] for vcpu in host.vcpus) - sum(
        5000 + number for number in range(len(running)))
    assert abs(host.clock.at - 2) < 1e-9


def test_a_vcpu_that_does_not_run_is_never_paused():
    host = Host([0, 0.5, 0])
    host.go()
    assert set(host.xen.paused) == {(5, 1)} and host.look.pauses == len(host.taken) > 100
    assert host.xen.asked > 3 * len(host.taken)


def test_a_blocked_vcpu_is_never_paused_and_what_it_ran_counts_all_the_same():
    host = Host([0.5])
    host.vcpus[0]["blocked"] = 1
    host.go()
    assert host.xen.paused == [] and [sample.mode for sample in host.taken] == [NOT_SEEN]
    assert host.taken[0].weight_ns == host.vcpus[0]["cpu_time"] - 5000


def test_one_that_was_woken_and_waits_for_a_pcpu_is_left_alone_until_it_has_run():
    host = Host([0])
    steps = iter([(1000, 1, 0), (1000, 0, 0), (1500, 0, 0), (1600, 0, 1)])

    def run(seconds):
        grown, blocked, running = next(steps, (1600, 1, 0))
        host.vcpus[0].update(cpu_time=5000 + grown, blocked=blocked, running=running)
    host.clock.each = run
    host.go(0.1)
    assert sum(sample.weight_ns for sample in host.taken) == 1600 and len(host.taken) == len(host.xen.paused) == 2


def test_short_bursts_have_their_shares():
    """Three ms of one function, one of another, then it blocks for 50: a look comes mostly when it has blocked again, and where
    it blocked is not what it ran. Within three standard errors, of samples and of weights, which vary as much again."""
    host = Host([0])
    whole, parts = 0.054, (("schedule", 0.003), ("vfs_read", 0.001))
    contexts = {name: host.guest.context(**host.guest.stack([name])) for name, _ in parts}

    def run(seconds):
        rounds, at = divmod(host.clock.at, whole)
        running = min(at, 0.004)
        host.vcpus[0].update(cpu_time=5000 + int((rounds * 0.004 + running) * SECOND), blocked=int(at >= 0.004),
                             context=contexts["schedule" if at < 0.003 else "vfs_read"])
    host.clock.each = run
    host.go(200, hz=100)
    seen = [sample for sample in host.taken if sample.mode != NOT_SEEN]
    first = [sample for sample in seen if sample.registers["rip"] == contexts["schedule"].rip]
    error = (0.75 * 0.25 / len(seen)) ** 0.5
    assert 1000 < len(seen) == len(host.xen.paused) < 2000 and abs(len(first) / len(seen) - 0.75) < 3 * error
    weights = [sum(sample.weight_ns for sample in some) for some in (first, seen)]
    assert abs(weights[0] / weights[1] - 0.75) < 3 * 2 ** 0.5 * error
    assert sum(sample.weight_ns for sample in host.taken) == host.vcpus[0]["cpu_time"] - 5000


def test_ticks_are_uneven_and_as_many_as_asked():
    host = Host([1])
    sampler = host.go(30)
    waits = host.clock.waits[:-1]
    assert 0.005 <= min(waits) < 0.0055 and 0.0145 < max(waits) <= 0.015
    assert 2800 < sampler.cost.ticks < 3200 and sampler.cost.late == 0 and sampler.cost.seconds == pytest.approx(30)


def test_the_bound_on_its_own_cost_makes_looks_rarer():
    host = Host([1], spends=0.001)
    sampler = host.go(10, share=0.02)
    assert host.clock.used / host.clock.at < 0.02 + 0.0011 / 10 and sampler.cost.ticks == pytest.approx(200, abs=3)
    assert sampler.cost.late > 150 and sampler.cost.own_s == host.clock.used
    assert sum(sample.weight_ns for sample in host.taken) == host.vcpus[0]["cpu_time"] - 5000


def test_a_guest_that_ends_is_let_go():
    host = Host([1])
    host.go(1)
    assert host.guest.memory.open, "its pages are mapped while it lives"

    def end(seconds):
        host.xen.guests.clear()
    host.clock.each = end
    sampler = host.go(100)
    assert sampler.gone == [host.look] and host.clock.at < 3 and host.guest.memory.open == {}
    host.look.close()


def test_a_guest_that_is_dying_is_let_go():
    """Its vCPUs answer as long as it is there, and it is there as long as its pages are mapped here."""
    host = Host([1])
    host.go(1)
    assert host.guest.memory.open

    def end(seconds):
        host.xen.flags = 1
    host.clock.each = end
    sampler = host.go(100)
    assert sampler.gone == [host.look] and host.guest.memory.open == {} and host.clock.at < 3


def test_xens_count_of_the_domain_is_told_beside_the_weights():
    host = Host([0.5, 0.25])
    cost = host.go(2).cost
    assert cost.weighed_ns == cost.counted_ns == sum(sample.weight_ns for sample in host.taken) > SECOND


def test_what_it_ran_while_its_kernel_was_read_is_in_no_weight():
    host = Host([1])
    turn = []

    def follow(sample, word):
        if not turn:
            turn.append(1)
            host.run(5)
            sampler.restart(host.look)
    sampler = Sampler([host.look], 100, 1.0, follow, host.clock, random.Random(1))
    sampler.start({host.look: 1})
    host.run_all(sampler, 2)
    weighed = sum(sample.weight_ns for sample in host.taken)
    assert sampler.cost.weighed_ns == sampler.cost.counted_ns == weighed == pytest.approx(2 * SECOND, abs=1000)


def test_reading_a_kernel_is_no_part_of_the_time_nor_of_the_bound():
    """Five seconds of it, on one CPU: two seconds of samples follow all the same, as often as the bound allows."""
    host = Host([1], spends=0.0001)
    turn = []

    def read():
        host.run(5)
        host.clock.at += 5
        host.clock.used += 5

    def follow(sample, word):
        if not turn:
            turn.append(1)
            sampler.aside(read)
            sampler.restart(host.look)
    sampler = Sampler([host.look], 100, 0.05, follow, host.clock, random.Random(1))
    sampler.start({host.look: 1})
    host.run_all(sampler, 2)
    cost = sampler.cost
    assert host.clock.at == pytest.approx(7, abs=0.02) and cost.seconds == pytest.approx(2, abs=0.02)
    assert cost.ticks > 150 and cost.late < 5 and cost.aside_s == 5 and cost.own_s < 0.1


def test_a_guest_that_ends_while_it_is_looked_at():
    host = Host([1])
    ask = host.xen.context

    def context(domid, number):
        host.xen.guests.clear()
        return ask(domid, number)
    host.xen.context = context
    sampler = host.go(100)
    assert sampler.gone == [host.look] and [sample.mode for sample in host.taken] == [NOT_SEEN]


def test_a_guest_that_is_gone_before_it_begins():
    host = Host([1])
    host.xen.guests.clear()
    sampler = host.go(100)
    assert sampler.gone == [host.look] and sampler.cost.ticks == 0


def test_a_vcpu_whose_registers_are_not_to_be_had_keeps_its_weight():
    host = Host([1])
    host.vcpus[0]["context"] = None
    host.go(1)
    assert {sample.mode for sample in host.taken} == {NOT_SEEN}
    assert sum(sample.weight_ns for sample in host.taken) == host.vcpus[0]["cpu_time"] - 5000


def test_a_cpu_time_that_falls_by_a_moment_is_made_up_for():
    """Another pCPU's clock may lag: nothing is negative, and nothing is counted twice."""
    host = Host([1])
    turn = []

    def run(seconds):
        turn.append(1)
        host.vcpus[0]["cpu_time"] += -200 if len(turn) % 5 == 3 else int(seconds * SECOND)
    host.clock.each = run
    host.go(1)
    assert all(sample.weight_ns > 0 for sample in host.taken)
    assert sum(sample.weight_ns for sample in host.taken) <= max(host.vcpus[0]["cpu_time"] + 200 - 5000, 0)


def test_it_ends_when_it_is_told_to():
    host = Host([1])
    sampler = host.sampler()
    stop = threading.Event()
    stop.set()
    sampler.run(1000, stop, host.taken.append)
    assert sampler.cost.ticks == 1
