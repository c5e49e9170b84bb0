"""Samples of a host for the screen, with domains of any names."""
from helpers.captures import SECOND
from xenmeter.xen.domains import DomainFacts, Snapshot
from xenmeter.xentrace.collector import Sample
from xenmeter.xentrace.engine.distribution import Distribution

WAITS = Distribution(3000000, 2000000, (300, 400), (5, 1))


def sums(span, number, scale=1):
    """A vCPU's sums after ``span`` ns: it ran, waited and was blocked for a third each."""
    third = span // 3
    return {"running_ns": third, "runnable_ns": third, "blocked_ns": span - 2 * third, "offline_ns": 0, "unknown_ns": 0,
            "wait_wake_ns": 0, "wait_preempt_ns": 0, "executions": scale * span // 1000000, "preemptions": 0, "wakes": 0,
            "migrations": 0, "domid": number, "generation": 0}


def sample_of(step, names, lost=0, rest=1000000):
    """The sample at the end of second ``step`` of a host whose domains have these names (str or bytes)."""
    span = step * SECOND
    domains, vcpus, window = [], [], []
    for domid in range(len(names)):
        domains.append(dict(sums(span, domid), start_ns=0, end_ns=None, grant_maps=step, grant_unmaps=0, grant_transfers=0,
                            allocation=None, histograms={}))
        vcpus.append(dict(sums(span, domid), vcpu=0, pcpu=domid % 2))
        window.append({"domid": domid, "generation": 0, "running_ns": SECOND // 3, "waiting_ns": SECOND // 3,
                       "blocked_ns": SECOND - 2 * (SECOND // 3), "offline_ns": 0, "unknown_ns": 0, "executions": 1000,
                       "grant_maps": 1, "grant_unmaps": 0, "grant_transfers": 0, "allocation_avg_ns": None,
                       "allocation_min_ns": None, "allocation_max_ns": None, "latency": {"wait": WAITS}})
    figures = {"trace": {"span_ns": span}, "domains": domains, "vcpus": vcpus, "observed": [rest * SECOND, 1000000 * SECOND],
               "windows": [{"start_ns": span - SECOND, "length_ns": SECOND, "domains": window}],
               "pcpus": [{"pcpu": number, "busy_ns": span // 2, "idle_ns": span - span // 2, "unknown_ns": 0,
                          "lost_records": lost * step, "lost_ns": 0} for number in (0, 1)]}
    facts = [DomainFacts(domid, name if isinstance(name, bytes) else name.encode("utf-8", "surrogatepass"),
                         "00000000-0000-0000-0000-%012d" % domid, None, (), {}) for domid, name in enumerate(names)]
    return Sample(1795192500 * SECOND + span, figures, Snapshot(facts, None), None)
