"""Readings of vCPUs: labels, lives, and counters that never fall within one."""
from hypothesis import given
from hypothesis import strategies as st

from xenmeter.core.select import domain_filter
from xenmeter.vcpu.collector import CATALOGUE, Collector
from xenmeter.vcpu.records import DomainVcpus, Sample, Vcpu
from xenmeter.vcpu.times import Times

UUID = "00000000-0000-0000-0000-%012d"


def domain(domid, *vcpus, uuid=None, source="getvcpuinfo", cpu_time=None, configured=None, name=None, runstates=None,
           means=None, missed=None):
    vcpus = [vcpu if isinstance(vcpu, Vcpu) else Vcpu(number, vcpu, None, None, None, 1, 0)
             for number, vcpu in enumerate(vcpus)]
    return DomainVcpus(domid, UUID % (uuid or domid), name or "guest-%d" % domid, False, source,
                       len(vcpus) if configured is None else configured,
                       sum(vcpu.running for vcpu in vcpus) if cpu_time is None else cpu_time, runstates, vcpus, means, missed)


class Host:
    def __init__(self, wanted=None):
        self.collector = Collector(wanted)
        self.time_ns = 0

    def see(self, *domains, left_out=None, trouble=None):
        self.time_ns += 10 ** 10
        return self.collector.collect(Sample(self.time_ns, list(domains), left_out or {}, trouble))


def figures(reading, entity="vcpu"):
    keys = CATALOGUE.entities[entity].keys()
    found = {}
    for who, labels, values in reading.tables[entity]:
        assert (who.name, labels) not in found
        found[(who.name,) + labels[:1]] = dict(zip(keys, values))
    return found


def running(reading):
    return {key: values["running_ns"] for key, values in figures(reading).items()}


def test_all_that_is_known():
    reading = Host().see(domain(3, Vcpu(0, 1, 2, 3, 4, 1, 7, 9), Vcpu(1, 5, None, None, None, 0, 0), configured=4))
    assert figures(reading)[("guest-3", "0")] == dict(running_ns=1, runnable_ns=2, blocked_ns=3, offline_ns=4, online=1,
                                                      pcpu=7, state_entry_time_ns=9)
    assert figures(reading)[("guest-3", "1")]["runnable_ns"] is None
    assert reading.tables["vcpu"][0][1] == ("0", "getvcpuinfo") and CATALOGUE.entities["vcpu"].labels == ("vcpu", "source")
    who, labels, values = reading.tables["domain"][0]
    assert (who.uuid, who.domid, labels, values) == (UUID % 3, 3, ("getvcpuinfo",), (1, 4) + (None,) * 10)
    assert reading.time_ns == 10 ** 10


def test_runstates_of_a_domain():
    host = Host()
    host.see(domain(3, 1, source="runstate_domctl", runstates=(1, 2, 3, 4, 5, 6)))
    reading = host.see(domain(3, 2, source="runstate_domctl", runstates=(2, 1, 3, 4, 5, 7)))
    assert reading.tables["domain"][0][2] == (1, 1, 2, 2, 3, 4, 5, 7) + (None,) * 4


def test_mean_times_of_a_domain():
    """They rise as the six do; a host that is migrated to one that has six only has none any more, and none is forgotten."""
    host = Host()
    told = dict(source="runstate_domctl", runstates=(1, 2, 3, 4, 5, 6))
    for means, missed, expected in (((7, 8, 1), 3, (7, 8, 1, 3)), ((9, 7, 1), 2, (9, 8, 1, 3)), (None, 4, (None, None, None, 4)),
                                    ((8, 9, 1), None, (9, 9, 1, None))):
        reading = host.see(domain(3, 1, means=means, missed=missed, **told))
        assert reading.tables["domain"][0][2][-4:] == expected


def test_a_time_that_was_unknown_meanwhile():
    """A page, then hypercalls, then the page again, told to an earlier moment than before."""
    host = Host()
    for times, told in (((100, 50, 9, 1), (100, 50, 9, 1)), ((120, None, None, None), (120, None, None, None)),
                        ((110, 45, 9, 1), (120, 50, 9, 1)), ((130, 60, 10, 1), (130, 60, 10, 1))):
        found = figures(host.see(domain(3, Vcpu(0, *times + (1, 0)), cpu_time=200)))[("guest-3", "0")]
        assert tuple(found[key + "_ns"] for key in ("running", "runnable", "blocked", "offline")) == told


class TestLives:
    def test_one_life(self):
        host = Host()
        first = host.see(domain(3, 10, 20)).tables["vcpu"][0][0]
        again = host.see(domain(3, 11, 20)).tables["vcpu"][0][0]
        assert first is again and first.generation == 0

    def test_a_reboot_is_another_life(self):
        host = Host()
        host.see(domain(3, 100))
        reading = host.see(domain(4, 5, uuid=3))
        who = reading.tables["vcpu"][0][0]
        assert (who.generation, who.domid, running(reading)) == (1, 4, {("guest-4", "0"): 5})

    def test_the_same_domid_with_less_time(self):
        host = Host()
        host.see(domain(3, 100))
        reading = host.see(domain(3, 5))
        assert running(reading) == {("guest-3", "0"): 5} and reading.tables["vcpu"][0][0].generation == 1

    def test_another_source_lags_and_nothing_falls(self):
        host = Host()
        host.see(domain(3, 100, 50, cpu_time=150))
        page = domain(3, 90, 60, source="resource", cpu_time=160)
        assert running(host.see(page)) == {("guest-3", "0"): 100, ("guest-3", "1"): 60}
        assert running(host.see(page._replace(cpu_time=170))) == {("guest-3", "0"): 100, ("guest-3", "1"): 60}
        later = domain(3, 120, 60, source="resource", cpu_time=180)
        assert running(host.see(later)) == {("guest-3", "0"): 120, ("guest-3", "1"): 60}

    def test_what_is_not_known_is_not_remembered_as_zero(self):
        host = Host()
        host.see(domain(3, Vcpu(0, 10, 20, None, None, 1, 0)))
        reading = host.see(domain(3, Vcpu(0, 11, None, 5, None, 1, 0), cpu_time=12))
        assert figures(reading)[("guest-3", "0")]["runnable_ns"] is None
        assert figures(reading)[("guest-3", "0")]["blocked_ns"] == 5

    def test_domains_without_a_uuid(self):
        host = Host()
        for _ in range(2):
            reading = host.see(domain(3, 1)._replace(uuid=None), domain(4, 2)._replace(uuid=None))
        assert running(reading) == {("guest-3", "0"): 1, ("guest-4", "0"): 2}

    def test_a_domain_that_could_not_be_read_goes_on(self):
        host = Host()
        host.see(domain(3, 100), domain(4, 1))
        host.see(domain(4, 1), left_out={"bad_page": 1})
        assert host.see(domain(3, 101), domain(4, 1)).tables["vcpu"][0][0].generation == 0
        host.see(domain(4, 1))
        assert host.see(domain(3, 101), domain(4, 1)).tables["vcpu"][0][0].generation == 1


def test_what_is_wanted():
    host = Host(domain_filter(["guest-4", UUID % 5], [], True))
    assert {who.domid for who, _, _ in host.see(domain(3, 1), domain(4, 1), domain(5, 1)).tables["domain"]} == {4, 5}


def test_errors_and_trouble():
    host = Host()
    host.see(left_out={"no_page": 2, "unnamed": 1}, trouble="xenstore: overloaded")
    assert host.collector.trouble == "xenstore: overloaded"
    host.see(left_out={"no_page": 1})
    assert host.collector.errors == {"no_page": 3, "unnamed": 1} and host.collector.trouble is None


SECOND = 10 ** 9


def shown(*figures, source="getvcpuinfo"):
    """What is told of a vCPU's running time, every 10 s; and the errors. A figure may be (figure, source)."""
    host, told = Host(), []
    for step, figure in enumerate(figures):
        figure, where = figure if isinstance(figure, tuple) else (figure, source)
        told.append(running(host.see(domain(3, figure, source=where, cpu_time=step)))["guest-3", "0"])
    return told, host.collector.errors


def test_a_time_that_falls_is_counted_and_what_was_told_stands():
    assert shown(10 * SECOND, 20 * SECOND, 5 * SECOND, 6 * SECOND, 21 * SECOND) == (
        [10 * SECOND, 20 * SECOND, 20 * SECOND, 20 * SECOND, 21 * SECOND], {"counter_damaged": 1})


def test_the_clocks_of_two_pcpus_are_no_damage():
    assert shown(SECOND, SECOND - 500, SECOND + 7) == ([SECOND, SECOND, SECOND + 7], {})


def test_a_source_that_lags_is_no_damage():
    assert shown((10 * SECOND, "getvcpuinfo"), (8 * SECOND, "resource"), (12 * SECOND, "getvcpuinfo"))[1] == {}


def test_a_peak_that_no_time_can_have_risen_to_is_absent_and_blocks_nothing():
    """It was told for ever, once: until the true time had come to it, a year later."""
    assert shown(10 * SECOND, 10 ** 16, 11 * SECOND, 12 * SECOND) == (
        [10 * SECOND, None, 11 * SECOND, 12 * SECOND], {"counter_damaged": 1})
    assert shown(10 * SECOND, 10 ** 16, 10 ** 17, 11 * SECOND)[0] == [10 * SECOND, None, None, 11 * SECOND]


def test_what_goes_on_from_there_is_believed_in_the_end():
    high = 10 ** 16
    assert shown(10 * SECOND, high, high + SECOND, high + 2 * SECOND, high + 3 * SECOND) == (
        [10 * SECOND, None, None, high + 2 * SECOND, high + 3 * SECOND], {"counter_damaged": 1})


def test_a_clock_that_is_set_makes_no_damage():
    for step in (-3600 * SECOND, 3600 * SECOND):
        host = Host()
        host.see(domain(3, SECOND))
        host.time_ns += step + 10 ** 13
        assert running(host.see(domain(3, 11 * SECOND))) == {("guest-3", "0"): 11 * SECOND} and host.collector.errors == {}


def test_runstates_of_a_domain_that_are_damaged():
    host, found = Host(), []
    for first in (SECOND, 10 ** 17, 2 * SECOND, SECOND):
        reading = host.see(domain(3, 1, source="runstate_domctl", runstates=(first, 2, 3, 4, 5, 6)))
        found.append(reading.tables["domain"][0][2][2])
    assert found == [SECOND, None, 2 * SECOND, 2 * SECOND] and host.collector.errors == {"counter_damaged": 2}


FIGURE = st.one_of(st.none(), st.integers(0, 40).map(lambda number: number * 100 * SECOND))


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.lists(FIGURE, min_size=2, max_size=2)), max_size=12))
def test_what_is_told_never_falls_and_is_known_only_where_it_was_given(steps):
    times, highest, errors = Times(), [0, 0], {}
    for number, (source, figures) in enumerate(steps):
        for place, told in enumerate(times.update(tuple(figures), source, number * 10 * SECOND, errors)):
            assert told is None or figures[place] is not None and told >= max(figures[place], highest[place])
            highest[place] = max(highest[place], told or 0)


@given(st.lists(st.integers(0, 10 * SECOND), max_size=12))
def test_what_rises_with_the_clock_is_told_as_it_is(steps):
    times, now, errors = Times(), 0, {}
    for number, step in enumerate(steps):
        now += step
        assert times.update((now, None), "a", number * 10 * SECOND, errors) == (now, None) and errors == {}
