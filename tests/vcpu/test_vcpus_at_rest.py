"""A domain whose vCPUs say the same again is told from what was told; a collector that looks at each vCPU says the same."""
from hypothesis import given, settings
from hypothesis import strategies as st

from xenmeter.vcpu import collector
from xenmeter.vcpu.collector import Collector
from xenmeter.vcpu.records import DomainVcpus, Sample, Vcpu

S = 10 ** 9
HOUR = 3600 * S

#: Mostly the same again, or a little more; else more than the time that has passed, less, or not known.
moves = st.sampled_from([0] * 8 + [S] * 4 + [5 * HOUR, -S, -HOUR, None])


@st.composite
def histories(draw):
    """Samples of two domains, ten seconds apart."""
    found, now, states = [], 0, {}
    for _ in range(draw(st.integers(2, 12))):
        now += draw(st.sampled_from([10 * S, 10 * S, HOUR]))
        domains = []
        for domid in (1, 2):
            if draw(st.sampled_from([True] * 9 + [False])):
                figures = []
                for number in range(draw(st.sampled_from([2, 2, 2, 1]))):
                    move = draw(moves)
                    running = max(states.get((domid, number), 10 * HOUR) + (move or 0), 0)
                    states[domid, number] = running
                    figures.append(Vcpu(number, None if move is None else running, 7, None, 0, 1,
                                        draw(st.sampled_from([0, 0, 1]))))
                domains.append(DomainVcpus(domid, "u%d" % domid, "web", False, draw(st.sampled_from(
                    ["resource", "resource", "getvcpuinfo"])), 2, 10 ** 18, None, figures))
        found.append(Sample(now, domains, {}, None))
    return found


def readings(history, rest):
    original, collector._Rest = collector._Rest, rest
    made = Collector()
    try:
        return [[[(repr(who), labels, values) for who, labels, values in rows] for rows in made.collect(sample).tables.values()]
                for sample in history], made.errors
    finally:
        collector._Rest = original


@settings(deadline=None, max_examples=60)
@given(histories())
def test_both_say_the_same(history):
    assert readings(history, collector._Rest) == readings(history, lambda *_: None)


def test_rows_that_say_the_same_are_the_same():
    made = Collector()
    told = [made.collect(Sample(number * 10 * S, [DomainVcpus(1, "u", "web", False, "getvcpuinfo", 1, S, None, [
        Vcpu(0, S, None, None, None, 1, 0)])], {}, None)).tables["vcpu"] for number in range(1, 6)]
    assert told[4][0] is told[3][0] is told[2][0]
