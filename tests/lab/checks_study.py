"""The study of 2005 in small, two weightings and two rates with and without a rate limit: which predictions hold on real Xen."""
import functools
import json
import re
import tempfile

import pytest

from lab.study import drive
from lab.study.plan import SMALL, WEIGHTS
from xenmeter.bench.line import fit
from xenmeter.front.report.ratespage import costs_and_executions

pytestmark = pytest.mark.parametrize("boot", ["study"], indirect=True)

DOMAINS = ("Domain-0", "web")
#: ns by which the clocks of both machines may differ.
CLOCKS = 100_000_000


@functools.cache
def records_of(folder, results):
    with tempfile.NamedTemporaryFile("r", suffix=".jsonl") as file:
        drive.join(SMALL, folder, results, file.name)
        return [json.loads(line) for line in file]


def records(boot):
    """{(limit, weight): records by rising rate}"""
    found = {}
    for record in records_of(boot.folder / "beside", boot.results):
        limit, weight = re.search(r"limit (\d+) us/dom0 x (\S+)$", record["label"]).groups()
        found.setdefault((int(limit), weight), []).append(record)
    return found


def figure(record, name):
    return next(one["value"] for one in record["figures"] if one["name"] == name)


def costs(record, name):
    return next(one["costs"] for one in record["domains"] if one["name"] == name)


def share(record, name, state):
    return 100 * costs(record, name)[state] / record["lengths_ns"]["xentrace"]


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
def test_a_domain_s_shares_of_time_add_up(boot, name):
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
        assert rates[0] > 0.95 * SMALL.rates[0] and rates[1] >= rates[0]


def of_each(record, name):
    executions, cost = costs_and_executions(record, name)
    return executions, cost


def test_without_a_limit_there_are_more_executions_per_request(boot, tell):
    found = records(boot)
    for weight in SMALL.weights:
        each = {limit: sum(of_each(found[limit, weight][-1], name)[0] for name in DOMAINS) for limit in SMALL.limits}
        tell(f"study: dom0 x {weight}, {SMALL.rates[-1]} a second: executions per request " + ", ".join(
            f"{count:.1f} with {limit} us" for limit, count in each.items()))
        assert each[0] >= 3 * each[1000]


def test_who_has_the_larger_weight_waits_less(boot, tell):
    found = records(boot)
    little, much = found[0, "0.5"][-1], found[0, "10"][-1]
    for name in DOMAINS:
        tell(f"study: without a limit {name} waits {share(little, name, 'waiting_ns'):.1f} % with dom0 x 0.5, "
             f"{share(much, name, 'waiting_ns'):.1f} % with dom0 x 10")
    assert share(much, "Domain-0", "waiting_ns") < share(little, "Domain-0", "waiting_ns")
    assert share(much, "web", "waiting_ns") > share(little, "web", "waiting_ns")


@pytest.mark.parametrize("name", DOMAINS)
def test_what_a_request_costs_is_a_line_over_its_executions(boot, name, tell):
    line = fit([of_each(record, name) for those in records(boot).values() for record in those])
    tell(f"study: a request costs {name} {line.base:.0f} us and {line.price:.1f} us for each execution, R2 {line.r2:.3f}")
    assert line.price > 0 and line.r2 > 0.9
