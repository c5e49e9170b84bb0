"""Costs between two readings, against a model of a host whose domains come, go and start again."""
from hypothesis import given, strategies as st

from xenmeter.bench import ledger
from xenmeter.core.reading import Reading, Who
from xenmeter.front import plugins

CATALOGUES = {name: plugins.get(name).catalogue for name in ("xentop", "xentrace")}
FIGURES = ("cpu_time_ns", "rx_bytes", "read_bytes")
#: By so much a CPU time may seem to fall where pCPUs' clocks differ.
SKEW_NS = 1000000


def reading(time_ns, domains):
    """A reading of xentop: ``domains`` are (name, uuid, domid, generation, figures by key)."""
    keys = CATALOGUES["xentop"].entities["domain"].keys()
    rows = [(Who(name, uuid, domid, generation), (), tuple(figures.get(key) for key in keys))
            for name, uuid, domid, generation, figures in domains]
    return Reading(time_ns, {"domain": rows})


def snapshot(time_ns, domains):
    return ledger.snapshot({"xentop": reading(time_ns, domains)}, CATALOGUES)


#: uuid -> (generation, figures): a host at a moment.
VALUES = st.tuples(*[st.integers(0, 1 << 62)] * len(FIGURES))
HOST = st.dictionaries(st.sampled_from("abcdef"), st.tuples(st.integers(0, 1), VALUES))


@given(HOST, HOST)
def test_a_domain_that_lived_all_the_time_has_its_difference_and_no_other_has_one(before, after):
    def listed(host, least=None):
        return [("n" + uuid, uuid, 1 + ord(uuid) + 100 * generation, generation, dict(zip(FIGURES, values)))
                for uuid, (generation, values) in host.items()]
    span = ledger.span(snapshot(0, listed(before)), snapshot(10, listed(after)))
    same = {uuid for uuid in before if uuid in after and before[uuid][0] == after[uuid][0]}
    grown = {uuid for uuid in same if all(new >= old - slack for old, new, slack in zip(
        before[uuid][1], after[uuid][1], (SKEW_NS, 0, 0)))}
    assert set(span.accounts) == grown
    for uuid in grown:
        figures = [span.accounts[uuid].costs[name] for name in ("cpu_ns", "rx_bytes", "read_bytes")]
        assert figures == [max(0, new - old) for old, new in zip(before[uuid][1], after[uuid][1])]
    assert span.came == sorted("n" + uuid for uuid in set(after) - set(before))
    assert span.went == sorted("n" + uuid for uuid in set(before) - set(after))
    assert span.reborn == sorted("n" + uuid for uuid in set(before) & set(after) - grown)


def test_two_plugins_are_joined_by_uuid_and_the_finer_time_is_xentops():
    keys = CATALOGUES["xentrace"].entities["domain"].keys()
    traced = Reading(7, {"domain": [(Who("web1", "u", 5, 0), (), tuple(
        {"running_ns": 41, "waiting_ns": 9, "executions": 3}.get(key) for key in keys))]})
    found = ledger.snapshot({"xentop": reading(5, [("web1", "u", 5, 2, {"cpu_time_ns": 40})]), "xentrace": traced}, CATALOGUES)
    assert found.accounts["u"].costs == {"cpu_ns": 40, "running_ns": 41, "waiting_ns": 9, "executions": 3}
    assert found.times == {"xentop": 5, "xentrace": 7}
    alone = ledger.snapshot({"xentrace": traced}, CATALOGUES)
    assert alone.accounts["u"].costs["cpu_ns"] == 41


def test_a_figure_that_only_one_moment_knows_is_left_out():
    span = ledger.span(snapshot(0, [("w", "u", 1, 0, {"cpu_time_ns": 5})]),
                       snapshot(9, [("w", "u", 1, 0, {"cpu_time_ns": 8, "rx_bytes": 100})]))
    assert span.accounts["u"].costs == {"cpu_ns": 3}


def test_a_generation_more_under_the_same_domid_is_the_same_life():
    """Its CPU time was read too large as it ran, then right: xentop begins a life anew, and a run's cost is no less known."""
    first, then = [("w", "u", 5, 0, {"cpu_time_ns": 5000300000})], [("w", "u", 5, 1, {"cpu_time_ns": 5000000000})]
    span = ledger.span(snapshot(0, first), snapshot(9, then))
    assert span.accounts["u"].costs["cpu_ns"] == 0 and span.reborn == []
    assert ledger.span(snapshot(0, first), snapshot(9, [("w", "u", 6, 1, {"cpu_time_ns": 6000000000})])).reborn == ["w"]
    assert ledger.span(snapshot(0, first), snapshot(9, [("w", "u", 5, 1, {"cpu_time_ns": 4000000000})])).reborn == ["w"]


def test_idle_is_taken_off_in_proportion():
    first = snapshot(0, [("w", "u", 1, 0, {"cpu_time_ns": 0})])
    idle = ledger.span(first, snapshot(10, [("w", "u", 1, 0, {"cpu_time_ns": 4})]))
    run = ledger.span(first, snapshot(30, [("w", "u", 1, 0, {"cpu_time_ns": 50})]))
    assert ledger.above(run, idle)["u"]["cpu_ns"] == 50 - 12
    assert ledger.above(run, None)["u"]["cpu_ns"] == 50
