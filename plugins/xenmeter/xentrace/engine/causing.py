"""Accounts that also keep who made whom wait: what is out of the ordinary is told to ``Causes`` here, once for both loops."""
from typing import Any

from xenmeter.xentrace.engine.accounts import Accounts
from xenmeter.xentrace.engine.causes import Causes
from xenmeter.xentrace.engine.figures import NOBODY
from xenmeter.xentrace.engine.layout import CLASS, S_PENDING, S_RUNNING, V_BEGAN, V_LASTCPU, V_SINCE, V_STATE

__all__ = ("CausedAccounts", "lasting")


def lasting(life: Any, now: int) -> int:
    """ns for which the waits of a life's vCPUs have gone on that are not over at ``now``."""
    return 0 if life.end is not None else sum(now - vcpu.row[V_BEGAN] for vcpu in life.vcpus if CLASS[vcpu.row[V_STATE]] == 1)


class CausedAccounts(Accounts):
    """:ivar naming: what tells the causes by name (``naming.Naming``); None: each is told, and no life is forgotten."""

    def __init__(self, g: Any, store: Any, make_windows: Any, per_vcpu: bool = True) -> None:
        super().__init__(g, store, make_windows, per_vcpu)
        self.causes = Causes(store)
        self.naming: Any = None

    def add_pcpu(self, number, row):
        super().add_pcpu(number, row)
        self.causes.add_pcpu(number, row)

    # -- waits -----------------------------------------------------------------------------------------------------
    def turn(self, vcpu, state, ns, seen):
        row = vcpu.row
        if CLASS[row[V_STATE]] == 1 and vcpu.domain is not None and row[V_BEGAN] < ns:
            if state == S_RUNNING:
                self.causes.entered(vcpu.key, row[V_LASTCPU], ns, row[V_BEGAN])
            else:
                self.causes.unexplained(vcpu.key, ns - row[V_BEGAN])
        super().turn(vcpu, state, ns, seen)

    def disown(self, vcpu, ns):
        row = vcpu.row
        if row[V_STATE] == S_RUNNING:
            self.causes.doubted(row[V_LASTCPU], vcpu.key, row[V_BEGAN])
        super().disown(vcpu, ns)
        row[V_BEGAN] = ns       # nothing is left of a wait

    def _dom_rem(self, ns, pcpu, a, b):
        life = self.domains.get(a & 0xFFFF)
        for vcpu in life.vcpus if life is not None else ():
            row = vcpu.row
            if CLASS[row[V_STATE]] == 1:
                self.causes.unexplained(vcpu.key, ns - row[V_BEGAN])
            elif row[V_STATE] == S_RUNNING:
                self.causes.lost(row[V_LASTCPU], ns)
        super()._dom_rem(ns, pcpu, a, b)

    # -- who has the pCPUs -----------------------------------------------------------------------------------------
    def agree(self, ns, pcpu, key, old):
        before = self.vcpus.get(key)
        state, last, since = (None, None, ns) if before is None else [before.row[place] for place in (
            V_STATE, V_LASTCPU, V_SINCE)]
        vcpu = super().agree(ns, pcpu, key, old)
        if old == 0 and before is not None and (state != S_RUNNING or last != pcpu):
            self.causes.found(pcpu, key, since if state == S_PENDING else ns, ns)
        return vcpu

    def enter(self, vcpu, ns, pcpu):
        """The wait that ends here is still to be told: the walk back begins at this moment."""
        super().enter(vcpu, ns, pcpu)
        self.causes.entered(vcpu.key, pcpu, ns, ns)

    def create(self, key, domain, start, known, ns, state, pcpu):
        vcpu = super().create(key, domain, start, known, ns, state, pcpu)
        if state == S_RUNNING:
            self.causes.found(pcpu, key, known, ns)
        return vcpu

    def _gap_begin(self, ns, pcpu, a, b):
        super()._gap_begin(ns, pcpu, a, b)
        self.causes.lost(pcpu, ns)

    def rest(self, ns):
        super().rest(ns)
        for pcpu in self.pcpus:
            self.causes.lost(pcpu, ns)

    def _reseed(self, ns, pcpu, key):
        super()._reseed(ns, pcpu, key)
        row = self.vcpus[key].row
        if row[V_STATE] == S_RUNNING and row[V_LASTCPU] == pcpu:
            self.causes.entered(key, pcpu, ns, ns)

    # -- lives -----------------------------------------------------------------------------------------------------
    def _born(self, domid, ns):
        life = super()._born(domid, ns)
        self.causes.born(life)
        return life

    def forget_ended(self):
        ended = [life for life in self.lives if life.end is not None]
        super().forget_ended()
        for life in ended:
            self.naming.forget(life, self.causes.forget(life, self.naming.named))

    def tell(self, figures, now):
        """Add to the engine's figures what each domain's waits were caused by."""
        for one, life in zip(figures["domains"], self.in_order()):
            one.update(self.told(life, now))

    def longest_waits(self):
        """Plain records, the longest first."""
        return [{"length_ns": wait.length_ns, "began_ns": wait.began_ns, "pcpu": wait.pcpu, "vcpu": wait.key & 0xFFFF,
                 "domid": wait.key >> 16, "generation": self.causes.generation(wait.cell),
                 "causes": [dict(self._by(index), ns=length) for index, length in wait.causes]
                 } for wait in self.causes.longest()]

    def told(self, life, now):
        """Plain records of what a life's waits were caused by, each cause exactly, the heaviest first: ``by`` a word or a
        domid with its ``generation``; and for how long its waits go on that are not over."""
        cells = self.causes.cells[life]
        told = [dict(self._by(index), ns=cells[index]) for index in range(self.causes.used) if cells[index]]
        return {"causes": sorted(told, key=lambda one: -one["ns"]), "lasting_ns": lasting(life, now)}

    def _by(self, index):
        by = self.causes.lives[index]
        return {"by": NOBODY[index]} if by is None else {"by": by.domid, "generation": by.generation}
