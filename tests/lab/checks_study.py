"""The study of 2005 in small, two weightings and two rates with and without a rate limit: which predictions hold on real Xen."""
import functools
import json
import pathlib
import re
import tempfile

import pytest

from lab.study import drive
from lab.study.plan import SMALL, WEIGHTS
from lab.study.tables import DOMAINS, configurations, figure, points, share
from xenmeter.bench.line import fit

pytestmark = pytest.mark.parametrize("boot", ["study"], indirect=True)

#: ns by which the clocks of both machines may differ.
CLOCKS = 100_000_000
LITTLE, MUCH = SMALL.weights
#: us: Xen's default, and what that is to a CPU as fast as the emulated one.
DEFAULT, SCALED = 1000, 25000


@functools.cache
def joined(folder, results):
    with tempfile.TemporaryDirectory() as place:
        target = pathlib.Path(place, "study.jsonl")
        drive.join(SMALL, folder, results, target)
        return configurations(target)


def records(boot):
    """{(limit, weight): records by rising rate}"""
    return {(limit, weight): those for (_, limit, weight), those in joined(boot.folder / "beside", boot.results).items()}


def waits(those, name):
    """Percent of the time that a domain waited, over all rates."""
    return sum(share(record, name, "waiting_ns") for record in those) / len(those)


def executions(record):
    """Of both domains, per request."""
    return sum(points([record], name)[0][0] for name in DOMAINS)


def test_every_configuration_ran_at_every_rate(boot):
    found = records(boot)
    assert set(found) == {(limit, weight) for limit in SMALL.limits for weight in SMALL.weights}
    for those in found.values():
        assert [figure(record, "asked_rate") for record in those] == pytest.approx(list(SMALL.rates), rel=0.01)
        assert not any(record["unusable"] or record["host"].get("lost_records") for record in those)


def test_xen_had_the_weights_and_the_limits(boot):
    for name, label, commands in SMALL.configurations():
        said = boot.text(f"{name}-{len(commands) - 1}")
        limit, weight = re.search(r"limit (\d+) us/dom0 x (\S+)$", label).groups()
        assert re.search(r"ratelimit=(\d+)us", said).group(1) == limit
        weights = dict(re.findall(r"^(\S+) +\d+ +(\d+) ", said, re.MULTILINE))
        assert (int(weights["Domain-0"]), int(weights["web"])) == WEIGHTS[weight]


def test_the_clocks_of_both_machines_agreed(boot, tell):
    """A run's ends are told by this machine's clock, the trace by dom0's."""
    clocks = json.loads((boot.folder / "beside" / "clocks.json").read_text())
    worst = max(abs(off) for before, _, after in clocks.values() for off in (before, after))
    tell(f"study: dom0's clock was {worst / 1e6:.1f} ms off at most")
    assert len(clocks) == len(list(SMALL.configurations())) and worst < CLOCKS


@pytest.mark.parametrize("name", DOMAINS)
def test_a_domains_shares_of_time_add_up(boot, name):
    """Each has one vCPU: it ran, waited, was blocked, and nothing of it is unknown."""
    for those in records(boot).values():
        for record in those:
            assert sum(share(record, name, state) for state in ("running_ns", "waiting_ns", "blocked_ns")) == pytest.approx(
                100, abs=2)


def test_the_pcpu_is_shared_out(boot):
    """Both together never have more than the one pCPU; who waits, waits for the other."""
    for those in records(boot).values():
        for record in those:
            assert sum(share(record, name, "running_ns") for name in DOMAINS) < 101
            for name, other in zip(DOMAINS, DOMAINS[::-1]):
                assert share(record, name, "waiting_ns") <= share(record, other, "running_ns") + 3


def test_the_reply_rate_follows_and_does_not_fall(boot, tell):
    for (limit, weight), those in records(boot).items():
        rates = [figure(record, "reply_rate") for record in those]
        tell(f"study: limit {limit} us, dom0 x {weight}: " + ", ".join(
            f"{rate:.1f} of {asked} replies a second in {figure(record, 'response_time'):.1f} ms"
            for rate, asked, record in zip(rates, SMALL.rates, those)))
        assert rates[0] > 0.9 * SMALL.rates[0] and rates[1] >= rates[0]


def test_without_a_limit_there_are_more_executions_per_request(boot, tell):
    """Not three times as many as with Xen's default, as was foretold: emulated, what a domain does at a time takes longer than
    that millisecond anyway. With the limit that is as long to this CPU there are half as many and less."""
    found = records(boot)
    for weight in SMALL.weights:
        each = {limit: executions(found[limit, weight][-1]) for limit in SMALL.limits}
        tell(f"study: dom0 x {weight}, {SMALL.rates[-1]} a second: executions per request " + ", ".join(
            f"{count:.1f} with {limit} us" for limit, count in each.items()))
        assert each[0] >= 1.3 * each[SCALED] and each[0] > each[DEFAULT] * 0.9


def test_who_has_the_larger_weight_waits_less(boot, tell):
    found = records(boot)
    for name in DOMAINS:
        tell(f"study: without a limit {name} waits {waits(found[0, LITTLE], name):.1f} % with dom0 x {LITTLE}, "
             f"{waits(found[0, MUCH], name):.1f} % with dom0 x {MUCH}")
    assert waits(found[0, MUCH], "Domain-0") < waits(found[0, LITTLE], "Domain-0") / 2
    assert waits(found[0, MUCH], "web") > waits(found[0, LITTLE], "web")


def test_with_the_limit_dom0_waits_whatever_its_weight(boot, tell):
    """The guest is not preempted before its time: the weights that decide all without a limit decide nothing."""
    found = records(boot)
    little, much = (waits(found[SCALED, weight], "Domain-0") for weight in SMALL.weights)
    tell(f"study: with {SCALED} us Domain-0 waits {little:.1f} % with dom0 x {LITTLE}, {much:.1f} % with dom0 x {MUCH}")
    assert much > 0.6 * little > 3 * waits(found[0, MUCH], "Domain-0")


@pytest.mark.parametrize("name", DOMAINS)
def test_a_request_costs_more_with_each_execution(boot, name, tell):
    """That the line explains nine tenths of it, as was foretold, takes an emulator that is as fast in each run."""
    line = fit(points([record for those in records(boot).values() for record in those], name))
    tell(f"study: a request costs {name} {line.base:.0f} us and {line.price:.0f} us for each execution, R2 {line.r2:.2f}")
    assert line.price > 0
