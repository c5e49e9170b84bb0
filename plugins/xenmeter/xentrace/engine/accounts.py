"""Who was in which state for how long: vCPUs, domains, pCPUs. Integer nanoseconds since the first time stamp.

The rows live in ``layout``. The common transitions are done by the hot loops (``hot.py``, ``hot.c``); everything out
of the ordinary comes here: first sights and contradictions; ``domains.py`` adds the domains, ``loss.py`` the losses.

Rules (what ``bake`` prints rests on them): a vCPU's first record credits its old state from the beginning of its domain's
life; a record whose old state is not the one we had is an anomaly, and the time since the last sure moment becomes
unknown; only intervals whose beginning a record showed enter a histogram.
"""
from typing import Any

from xenmeter.xentrace.engine.damage import Damage
from xenmeter.xentrace.engine.layout import (BIT, CLASS, D_CURRENT, D_GRANTS, P_OCCUPANT, P_RAN, S_PENDING, S_RUNNING, S_UNKNOWN,
                                             TARGET, V_BEGAN, V_EXECUTIONS, V_IDLE, V_LASTCPU, V_MIGRATIONS, V_PREEMPTIONS,
                                             V_SEEN, V_SINCE, V_SIZE, V_STATE, V_SUMS, V_WAKES)
from xenmeter.xentrace.engine.domains import Lives, overlay
from xenmeter.xentrace.engine.loss import Losses
from xenmeter.xentrace.engine.records import IDLE_DOMAIN, KIND_GAP_BEGIN, KIND_GRANT_MAP, KIND_GRANT_TRANSFER
from xenmeter.xentrace.engine.rare import RARE, Rare

__all__ = ("Accounts", "Vcpu")


class Vcpu:
    """:ivar hist: state -> histogram row; shared by the domain's vCPUs unless each has its own."""

    __slots__ = ("key", "domain", "row", "hist")

    def __init__(self, key, domain, row, hist):
        self.key = key
        self.domain = domain
        self.row = row
        self.hist = hist


class Accounts(Lives, Losses, Rare):
    """:param g: the engine's row; :param store: makes rows and keeps the hot loop's index of vCPUs and domains.

    :param make_windows: gives the ``Windows`` of these accounts; :param per_vcpu: a histogram for each vCPU instead of one per
        domain.
    """

    #: Who made whom wait, where somebody keeps it (``causing.CausedAccounts``).
    causes: Any = None
    naming: Any = None

    def __init__(self, g, store, make_windows, per_vcpu=True):
        Lives.__init__(self)
        Losses.__init__(self)
        self.g = g
        self.damage = Damage(g)
        self.store = store
        self.per_vcpu = per_vcpu
        self.vcpus = {}         # domid << 16 | vcpu -> Vcpu of a present life, idle ones too
        self.pcpus = {}         # number -> row
        self.disorder = 0       # records that contradict what went before
        self.scheduled = False  # whether any record told a vCPU's state
        self.windows = make_windows(self)

    def handle(self, ns, pcpu, kind, a, b):
        """Any entry at all, by the full rules."""
        if self.mute and (kind < 16 or kind == KIND_GAP_BEGIN):     # others need not come here from either loop
            self.listen(ns, pcpu)
        if kind < 16:
            self.change(ns, pcpu, a, kind >> 2, kind & 3)
        elif KIND_GRANT_MAP <= kind <= KIND_GRANT_TRANSFER:
            if a != IDLE_DOMAIN:
                self.domain(a & 0xFFFF, ns).row[D_GRANTS + kind - KIND_GRANT_MAP] += 1
        else:
            getattr(self, RARE[kind])(ns, pcpu, a, b)

    def add_pcpu(self, number, row):
        self.pcpus[number] = row

    def tell(self, figures, now):
        """Add to the engine's figures what only some accounts know."""

    def longest_waits(self):
        """Those that are over, with who had the pCPU meanwhile; none where nobody keeps it."""
        return []

    # -- vCPUs ---------------------------------------------------------------------------------------------------
    def change(self, ns, pcpu, key, old, new):
        """RUNSTATE_CHANGE of vCPU ``key`` (domid << 16 | vcpu), written on ``pcpu``."""
        vcpu = self.agree(ns, pcpu, key, old)
        row = vcpu.row
        state = row[V_STATE]
        if row[V_SEEN]:
            length = ns - row[V_BEGAN]
            if state in vcpu.hist and (CLASS[state] != 1 or new == 0):
                vcpu.hist[state].add(length)
        if old == 0:
            self.leave(row, key)
        if new == 0:
            self.enter(vcpu, ns, pcpu)
            row[V_EXECUTIONS] += 1
            if row[V_LASTCPU] not in (-1, pcpu):
                row[V_MIGRATIONS] += 1
            row[V_LASTCPU] = pcpu
        elif new == 1:
            row[V_PREEMPTIONS] += old == 0
            row[V_WAKES] += old == 2
        unsure = new != 0 and self.blind(vcpu)
        self.turn(vcpu, S_UNKNOWN if unsure else TARGET[old << 2 | new], ns, 0 if unsure else 1)

    def agree(self, ns, pcpu, key, old):
        """Bring the vCPU to ``ns`` so that it is in the state the record says it was in; the vCPU."""
        vcpu = self.vcpus.get(key)
        if vcpu is None:
            return self.first_seen(ns, pcpu, key, old)
        row = vcpu.row
        state, began, before = row[V_STATE], row[V_BEGAN], self.disorder
        if state == S_PENDING:
            since = row[V_SINCE]
            self.resolve(vcpu, old, since, ns)
            row[V_BEGAN] = since
            row[V_SEEN] = 0
        elif state == S_UNKNOWN:
            self.turn(vcpu, old, ns, 0)
        elif CLASS[state] != old:
            self.disorder += 1
            self.disown(vcpu, ns)
            self.leave(row, key)
            self.turn(vcpu, old, ns, 0)
        elif old == 0 and row[V_LASTCPU] != pcpu:
            self.disorder += 1
            self.leave(row, key)
        if old == 0 and (state != S_RUNNING or row[V_LASTCPU] != pcpu):
            row[V_LASTCPU] = pcpu       # it came here unseen
            self.pcpus[pcpu][P_OCCUPANT] = key
            if not row[V_IDLE]:
                self.pcpus[pcpu][P_RAN] = 1
        self.credit(row, ns)
        if self.disorder > before:
            self.doubt(ns, pcpu, began)
        return vcpu

    def turn(self, vcpu, state, ns, seen):
        """Credit the open state up to ``ns``; from then on the vCPU is in ``state``."""
        row = vcpu.row
        self.credit(row, ns)
        if vcpu.domain is not None:
            self.shift(vcpu.domain, BIT[row[V_STATE]], BIT[state], ns)
        row[V_STATE] = state
        row[V_SINCE] = row[V_BEGAN] = ns
        row[V_SEEN] = seen

    @staticmethod
    def credit(row, ns):
        if row[V_STATE] != S_PENDING:
            row[V_SUMS + row[V_STATE]] += ns - row[V_SINCE]
            row[V_SINCE] = ns

    def resolve(self, vcpu, state, since, ns):
        """A pending vCPU was in ``state`` from ``since`` on: credit it, in closed windows and domain states too."""
        row = vcpu.row
        row[V_SUMS + state] += ns - since
        row[V_SINCE] = ns
        row[V_STATE] = state
        if vcpu.domain is not None:
            self.windows.amend(vcpu.domain, state, since, ns)
            self.bring(vcpu.domain, ns)
            overlay(vcpu.domain.row, D_CURRENT, BIT[state])
            self.shift(vcpu.domain, 0, BIT[state], ns)

    def disown(self, vcpu, ns):
        """What we took its state for since it began turned out wrong: all of that time is unknown."""
        row = vcpu.row
        state, began, since = row[V_STATE], row[V_BEGAN], row[V_SINCE]
        row[V_SUMS + state] -= since - began
        row[V_SUMS + S_UNKNOWN] += ns - began
        row[V_SINCE] = ns
        if vcpu.domain is not None:
            self.windows.amend(vcpu.domain, state, began, since, -1)
            self.windows.amend(vcpu.domain, S_UNKNOWN, began, ns)

    def enter(self, vcpu, ns, pcpu):
        """A pCPU runs one vCPU: whoever we thought was there has left unseen."""
        there = self.pcpus[pcpu]
        key = there[P_OCCUPANT]
        if key not in (-1, vcpu.key) and key in self.vcpus:
            self.disorder += 1
            other = self.vcpus[key]
            self.disown(other, ns)
            self.turn(other, S_UNKNOWN, ns, 0)
        there[P_OCCUPANT] = vcpu.key
        if not vcpu.row[V_IDLE]:
            there[P_RAN] = 1

    def leave(self, row, key):
        """If the vCPU runs, its pCPU is free from now on."""
        if row[V_STATE] == S_RUNNING:
            there = self.pcpus[row[V_LASTCPU]]
            if there[P_OCCUPANT] == key:
                there[P_OCCUPANT] = -1

    def first_seen(self, ns, pcpu, key, old):
        """A vCPU's first record: its old state has held since its domain's life began, or the last loss ended."""
        domid = key >> 16
        domain = None if domid == IDLE_DOMAIN else self.domain(domid, ns)
        start = self.starts(domain)
        return self.create(key, domain, start, self.known_since(start, ns, pcpu, key, old), ns, old, pcpu)

    def create(self, key, domain, start, known, ns, state, pcpu):
        """A vCPU that was in an unknown state from ``start`` to ``known`` and in ``state`` from there to ``ns``."""
        row = self.store.row(V_SIZE)
        row[V_STATE], row[V_SINCE], row[V_BEGAN] = state, ns, known
        row[V_LASTCPU] = pcpu if state == 0 else -1
        row[V_IDLE] = int(domain is None)
        row[V_SUMS + S_UNKNOWN] += known - start
        row[V_SUMS + state] += ns - known
        self.scheduled = True
        vcpu = Vcpu(key, domain, row, self._histograms(domain))
        self.vcpus[key] = vcpu
        if domain is not None:
            domain.vcpus.append(vcpu)
            self.windows.amend(domain, S_UNKNOWN, start, known)
            self.windows.amend(domain, state, known, ns)
            self.bring(domain, ns)
            if start == domain.start:
                overlay(domain.past, 0, BIT[state if known == start else S_UNKNOWN])
            overlay(domain.row, D_CURRENT, BIT[state if known < ns or known == start else S_UNKNOWN])
            self.shift(domain, 0, BIT[state], ns)
        if state == S_RUNNING:
            self.pcpus[pcpu][P_OCCUPANT] = key
            if domain is not None:
                self.pcpus[pcpu][P_RAN] = 1
        self.store.index(key, vcpu)
        self.windows.changed()
        return vcpu

    def _histograms(self, domain):
        if domain is None:
            return {}
        if self.per_vcpu:
            return self.store.histograms()
        if domain.hist is None:
            domain.hist = self.store.histograms()
        return domain.hist
