"""Samples of source direct, made: two domains whose counters mostly go on, and whatever else can happen to them."""
from types import SimpleNamespace

from hypothesis import strategies as st

from xenmeter.xen.backends import Vif
from xenmeter.xen.blkback import Disk
from xenmeter.xen.domains import DomainFacts
from xenmeter.xen.roster import Member
from xenmeter.xen.tapdisk import RequestTimes
from xenmeter.xentop.samples import DirectDomain, DirectSample

__all__ = ("histories", "sample_of")

S = 10 ** 9
HOST = SimpleNamespace(total_pages=1 << 20, free_pages=1 << 10, nr_cpus=4)

#: What of a record mostly stays.
UNSHARED = {"outstanding_pages": 0, "shr_pages": 0, "paged_pages": 0}
counts = st.integers(0, 5).map(lambda number: number * 10 ** 6)
usual = st.sampled_from([True] * 6 + [False])


@st.composite
def domains(draw, domid, step):
    """One domain at one step; its counters mostly go on."""
    def count():
        return step * 10 ** 5 if draw(usual) else draw(counts)
    vifs = [Vif(devid, draw(usual) is False, tuple(count() for _ in range(8)), draw(st.sampled_from([None, 5, 5, 5, 6])))
            for devid in range(draw(st.sampled_from([1, 1, 1, 0, 2])))]
    disks = [Disk(draw(st.sampled_from(["BlkBack"] * 5 + ["Tapdisk3"])), dev,
                  tuple(count() for _ in range(5)) if draw(usual) else draw(st.sampled_from([None, (None, 1, 2, 3, 4)])),
                  None if draw(usual) else RequestTimes(1, 2, 3, 4, 5), draw(st.sampled_from([None, 9, 9, 9, 8])))
             for dev in (51712, 51728)[:draw(st.sampled_from([1, 1, 1, 0, 2]))]]
    facts = None
    if draw(usual):
        facts = DomainFacts(domid, b"web", "u%d" % domid, 5, (0,), {51712: "xvda"} if draw(usual) else {},
                            None if draw(usual) else "u9", (), () if draw(usual) else (51712,), () if draw(usual) else (7,),
                            () if draw(usual) else (8,))
    cpu_time = count()
    info = SimpleNamespace(domain=domid, flags=draw(st.sampled_from([16, 16, 32, 4, None])), tot_pages=100, ssidref=0,
                           **(UNSHARED if draw(usual) else dict(UNSHARED, shr_pages=step)),
                           max_pages=draw(st.sampled_from([100, 0xffffffff, None])),
                           cpu_time=cpu_time if draw(usual) else draw(st.sampled_from([cpu_time, None])),
                           max_vcpu_id=draw(st.sampled_from([1, 1, 1, 2, None])), handle=bytes(16))
    member = Member(info, domid, "u%d" % domid if draw(usual) else None, "web" if draw(usual) else "db", not draw(usual), facts)
    return DirectDomain(member, [(vcpu, count()) for vcpu in range(draw(st.sampled_from([2, 2, 2, 1])))],
                        vifs if draw(usual) else None, disks if draw(usual) else None)


@st.composite
def histories(draw):
    found = []
    for step in range(1, draw(st.integers(2, 9))):
        again = found and draw(st.sampled_from([True, False, False]))
        told = found[-1].domains if again else [draw(domains(domid, step)) for domid in (0, 3) if draw(usual)]
        found.append(DirectSample(step * 10 * S, step * 10 * S, told, HOST, [1], {} if draw(usual) else {"no_names": 1}, None))
    return found


def sample_of(step):
    """Two domains; the second's figures go on up to the second step."""
    found = []
    for domid in (1, 2):
        count = 10 ** 6 * (step if domid == 1 else min(step, 2))
        info = SimpleNamespace(domain=domid, flags=16, tot_pages=1, max_pages=1, cpu_time=count, max_vcpu_id=0, ssidref=0,
                               handle=bytes(16), **UNSHARED)
        facts = DomainFacts(domid, b"web", "u%d" % domid, 5, (0,), {51712: "xvda"})
        found.append(DirectDomain(Member(info, domid, "u%d" % domid, "web%d" % domid, False, facts), [(0, count)],
                                  [Vif(0, False, (count,) * 8, 4)], [Disk("BlkBack", 51712, (count,) * 5, None, 9)]))
    return DirectSample(step * 10 * S, step * 10 * S, found, HOST, [1], {}, None)
