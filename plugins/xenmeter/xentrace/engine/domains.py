"""The lives of domids: when they begin and end, and for how long their vCPUs were in which set of states together."""
from typing import Any, Callable, Dict, List, MutableSequence, Optional

from xenmeter.xentrace.engine.layout import (D_COUNTS, D_CURRENT, D_MASK, D_SINCE, D_SIZE, D_SLICE_LIMITS, MAX_WINDOWS,
                                             S_PENDING, S_UNKNOWN, V_SINCE, V_STATE)

__all__ = ("Domain", "Lives", "overlay")

#: Numbers of ``layout``, in a row that the compiled loop knows by its address.
Row = MutableSequence[int]


class Domain:
    """One life of a domid. :ivar past: ns per set of states, up to the end of the last loss; :ivar place: what lives are told
    in the order of."""

    __slots__ = ("domid", "generation", "place", "start", "end", "row", "past", "vcpus", "hist")

    def __init__(self, domid: int, generation: int, start: int, row: Row, past: Row) -> None:
        self.domid = domid
        self.generation = generation
        self.place = domid, generation
        self.start = start
        self.end: Optional[int] = None
        self.row: Any = row
        self.past: Any = past
        self.vcpus: List[Any] = []
        self.hist: Optional[Dict[int, Any]] = None

    def in_order(self) -> List[Any]:
        return sorted(self.vcpus, key=lambda vcpu: vcpu.key)

    def histograms(self) -> List[Dict[int, Any]]:
        """State -> histogram, of all its vCPUs in one or of each in their order."""
        return [vcpu.hist for vcpu in self.in_order()] if self.hist is None else [self.hist]

    def forget(self):
        """Nobody asks for its figures any longer; windows that are kept know it by its numbers. Its vCPUs know it too, a
        circle that the collector of such would come to late: it does not see how large their rows are."""
        self.vcpus, self.hist, self.row, self.past = [], None, None, None


class Lives:
    """The part of ``Accounts`` that deals with domains; all times in ns."""

    # what it takes of Accounts
    began: int
    disorder: int
    store: Any
    vcpus: Dict[int, Any]
    windows: Any
    credit: Callable[..., None]
    leave: Callable[..., None]
    resolve: Callable[..., None]

    def __init__(self) -> None:
        self.domains: Dict[int, Domain] = {}    # domid -> its present life
        self.lives: List[Domain] = []           # every life, in the order of their beginnings
        self._born_times: Dict[int, int] = {}   # domid -> how many lives it has had
        self._parting: List[Domain] = []        # lives that ended, were told, and are part of a window that is open

    def domain(self, domid, ns):
        """The domid's present life. One that no record began has existed since the start, or since the life before."""
        found = self.domains.get(domid)
        if found is None:
            before = domid in self._born_times
            if before:
                self.disorder += 1      # somebody lives under a domid whose life has ended, and nothing announced it
            found = self._born(domid, ns if before else self.began)
        return found

    def starts(self, domain):
        """Since when a vCPU of which there was no record is accounted; None: an idle one."""
        return max(domain.start, self.began) if domain is not None else self.began

    def replaced(self, domid, ns, another):
        """The domid's life has ended while nothing was recorded; ``another``: and is another domain's now."""
        self._dom_rem(ns, None, domid, None)
        if another:
            self._born(domid, ns)

    scheduled: bool     # whether any record told a vCPU's state

    def in_order(self) -> List[Domain]:
        """All lives; none without a single record of the scheduler, which tells nothing of any domain: absent, not 0 ns."""
        return sorted(self.lives, key=lambda life: life.place) if self.scheduled else []

    def forget_ended(self):
        """Drop the lives that have ended: a host that makes and ends domains for years must not grow."""
        ended = [life for life in self.lives if life.end is not None]
        if ended:
            self.lives[:] = [life for life in self.lives if life.end is None]
            self.windows.changed()
        if ended or self._parting:
            parting, needed = self._parting + ended, self.windows.parted()
            self._parting = [life for life in parting if life in needed]
            for life in parting:
                if life not in needed:
                    life.forget()

    def _born(self, domid, ns):
        row = self.store.row(D_SIZE)
        row[D_SINCE] = ns
        for place in range(D_SLICE_LIMITS, D_SLICE_LIMITS + 2 * (MAX_WINDOWS + 1)):
            row[place] = -1
        generation = self._born_times.get(domid, 0)
        self._born_times[domid] = generation + 1
        life = Domain(domid, generation, ns, row, self.store.row(16))
        self.domains[domid] = life
        self.lives.append(life)
        self.store.index_domain(domid, life)
        self.windows.changed()
        return life

    def _dom_add(self, ns, pcpu, a, b):
        """DOM0_DOM_ADD: from here on it is another domain, whatever became of the one before."""
        domid = a & 0xFFFF
        if domid in self.domains:
            self.disorder += 1
            self._dom_rem(ns, pcpu, a, b)
        self._born(domid, ns)

    def _sched_add(self, ns, pcpu, a, b):
        """SCHED DOM_ADD also comes when a domain changes its pool: news only for a domid that has no life."""
        if a & 0xFFFF not in self.domains:
            self._born(a & 0xFFFF, ns)

    def _dom_rem(self, ns, pcpu, a, b):
        """DOM0_DOM_REM, or the scheduler's own, whichever comes first: the life and its vCPUs end here."""
        domid = a & 0xFFFF
        if domid not in self._born_times:
            self._born(domid, self.began)       # its end is the first that is heard of it
        life = self.domains.pop(domid, None)
        if life is None:
            return
        self.bring(life, ns)
        for vcpu in life.vcpus:
            if vcpu.row[V_STATE] == S_PENDING:
                self.resolve(vcpu, S_UNKNOWN, vcpu.row[V_SINCE], ns)
            self.credit(vcpu.row, ns)
            self.leave(vcpu.row, vcpu.key)
            del self.vcpus[vcpu.key]
            self.store.index(vcpu.key, None)
        life.end = ns
        self.store.index_domain(domid, None)
        self.windows.ended(life)

    @staticmethod
    def bring(domain, ns):
        row = domain.row
        row[D_CURRENT + row[D_MASK]] += ns - row[D_SINCE]
        row[D_SINCE] = ns

    def shift(self, domain, old, new, ns):
        """One of the domain's vCPUs leaves the set ``old`` for ``new`` (bits; 0: it has none)."""
        if old == new:
            return
        self.bring(domain, ns)
        row = domain.row
        mask = row[D_MASK]
        if old:
            row[D_COUNTS + old] -= 1
            if not row[D_COUNTS + old]:
                mask &= ~old
        if new:
            row[D_COUNTS + new] += 1
            mask |= new
        row[D_MASK] = mask


def overlay(times, first, bit):
    """One more vCPU was in ``bit`` all that time: every set of states becomes the set with ``bit``."""
    if not bit:
        return
    for mask in range(16):
        if not mask & bit and times[first + mask]:
            times[first + (mask | bit)] += times[first + mask]
            times[first + mask] = 0
