"""Lost records: what is unknown because of them, and from when on something is known again.

A marker on pCPU p says: records of p from ``first_tsc`` to the marker's own TSC are missing. In that time any vCPU may
have been scheduled in on p, and woken or paused from p. Only a vCPU that runs on a pCPU without a loss cannot have
changed. So every other vCPU is UNKNOWN while a loss lasts, and PENDING after it: nothing is missing any more, so
the old state of its next record has held since the end of the loss. Idle vCPUs never leave their pCPU; a loss
elsewhere is nothing to them.
"""
from typing import Any, Callable, Dict, List, Set

from xenmeter.xentrace.engine.damage import Damage
from xenmeter.xentrace.engine.domains import Domain
from xenmeter.xentrace.engine.layout import (D_CURRENT, G_OPEN_GAPS, P_CSINCE, P_CSTATE, P_CTIME, P_OCCUPANT, P_RAN, RESTED,
                                             S_PENDING, S_RUNNING, S_UNKNOWN, S_WAIT_OTHER, V_BEGAN, V_IDLE, V_LASTCPU, V_SEEN,
                                             V_SINCE, V_STATE)
from xenmeter.xentrace.engine.records import IDLE_DOMAIN

__all__ = ("Losses", "ELSEWHERE")

#: A pCPU of which there is no record at all.
ELSEWHERE = -1
#: An idle vCPU that has run for so long may be one of a pCPU that is mute.
QUIET_NS = 200 * 10 ** 6
#: More contradictions than so many in so long a time, none of which the one before explains, are no accident.
DOUBTS, DOUBT_NS = 4, 10 ** 9
#: After so long the records are believed again, until they contradict each other as before.
TRIAL_NS = 60 * 10 ** 9


class Losses:
    """The part of ``Accounts`` that deals with losses; all times in ns."""

    # what it takes of Accounts
    damage: Damage
    disorder: int
    domains: Dict[int, Domain]
    g: Any
    pcpus: Dict[int, Any]
    vcpus: Dict[int, Any]
    bring: Callable[..., None]
    create: Callable[..., Any]
    domain: Callable[..., Domain]
    resolve: Callable[..., None]
    starts: Callable[..., int]
    turn: Callable[..., None]

    def __init__(self) -> None:
        self.gaps: Dict[int, int] = {}      # pCPU -> beginning of the loss that lasts
        self.lost_ns: Dict[int, int] = {}   # pCPU -> time lost
        self.gap_end: Dict[int, int] = {}   # pCPU -> end of its last loss
        self.last_end = 0       # end of the last loss anywhere
        self.began = 0          # since when there are records: the beginning, or the end of the last rest
        self.mute: Set[int] = set()     # pCPUs that are at work and write no records; ELSEWHERE where it is not known which
        self._trial = 0         # when those of ELSEWHERE are believed again
        self._doubted: List[int] = []   # moments of the last contradictions that nothing explains, not even each other

    def lost_for(self, pcpu, now):
        """How long its records are missing, ns."""
        return self.lost_ns.get(pcpu, 0) + (now - self.gaps[pcpu] if pcpu in self.gaps else 0)

    def blind(self, vcpu):
        """Whether a state other than running can be trusted to last."""
        if vcpu.row[V_IDLE]:
            return vcpu.key & 0xFFFF in self.gaps
        return bool(self.gaps)

    def known_since(self, start, ns, pcpu, key, old):
        """From when on the old state of a vCPU's first record is sure. ``pcpu`` wrote the record."""
        if key >> 16 == IDLE_DOMAIN:
            number = key & 0xFFFF
            return ns if number in self.gaps else max(start, self.gap_end.get(number, 0))
        if old == 0 and pcpu not in self.gaps:
            # It ran where nothing has been lost since, and its entry there was not seen: it has been there all that time.
            return max(start, self.gap_end.get(pcpu, 0))
        if self.gaps:
            return ns
        return max(start, self.last_end)

    def _gap_begin(self, ns, pcpu, a, b):
        self.gaps[pcpu] = ns
        self.g[G_OPEN_GAPS] += 1
        for vcpu in list(self.vcpus.values()):
            row = vcpu.row
            state = row[V_STATE]
            if row[V_IDLE]:
                if vcpu.key & 0xFFFF != pcpu:
                    continue
            elif state == S_RUNNING and row[V_LASTCPU] != pcpu:
                continue
            if state == S_PENDING:
                self.resolve(vcpu, S_UNKNOWN, row[V_SINCE], ns)
            elif state != S_UNKNOWN:
                self.turn(vcpu, S_UNKNOWN, ns, 0)
        if pcpu in self.pcpus:
            self.pcpus[pcpu][P_OCCUPANT] = -1
            self.pcpus[pcpu][P_CSTATE] = -1

    def _gap_end(self, ns, pcpu, key, b):
        """The marker: ``key`` was running on ``pcpu`` when it was written."""
        self._gap_over(ns, pcpu)
        idle = self.vcpus.get(IDLE_DOMAIN << 16 | pcpu)
        if idle is not None and key != idle.key:
            self.turn(idle, S_WAIT_OTHER, ns, 0)
        self._reseed(ns, pcpu, key)

    def silence(self, ns, pcpu):
        """The pCPU is at work and writes nothing: from now until it speaks, whatever may run there is unknown."""
        if pcpu not in self.mute and pcpu not in self.gaps:
            self.mute.add(pcpu)
            self._trial = ns + TRIAL_NS
            self._gap_begin(ns, pcpu, 0, 0)

    def listen(self, ns, pcpu):
        """A record of ``pcpu`` has come: it is mute no longer. What contradicted itself once is given another trial."""
        for number in [pcpu] + [ELSEWHERE] * (ns >= self._trial):
            if number in self.mute:
                self.mute.discard(number)
                self._gap_over(ns, number)

    def doubt(self, ns, pcpu, began):
        """A vCPU's record, written on ``pcpu``, contradicts its last one, of ``began``. Where neither a loss nor a damaged
        place explains it, it was somewhere that writes nothing.

        That is a pCPU whose idle vCPU seems to run for long; where there is none, and contradictions do not end, one that
        has no record in all of the trace. Or the pCPUs' TSCs disagree: then a vCPU runs on one before another woke it, and
        no time of which the two ends come from two pCPUs is known.

        """
        if self.gaps or self.damage.explains(ns, began):
            return
        idle = [vcpu for vcpu in self.vcpus.values() if vcpu.row[V_IDLE] and vcpu.row[V_STATE] == S_RUNNING]
        quiet = [vcpu.key & 0xFFFF for vcpu in idle if ns - vcpu.row[V_BEGAN] >= QUIET_NS and vcpu.key & 0xFFFF != pcpu]
        self._doubted = [then for then in self._doubted if ns - then < DOUBT_NS]
        if not self._doubted or self._anew(self._doubted[-1], pcpu, began):
            self._doubted.append(ns)
        if not quiet and len(self._doubted) > DOUBTS:
            quiet = [ELSEWHERE]
        for number in quiet:
            self.silence(ns, number)

    def _anew(self, before, pcpu, began):
        """Whether a contradiction has another cause than that of the moment ``before``: whole windows may be missing, and
        nothing tells it. That makes contradictions until each pCPU has spoken again, and each vCPU's next record be one.
        """
        rows = [vcpu.row for vcpu in self.vcpus.values()]
        heard = {row[V_LASTCPU] for row in rows if row[V_STATE] == S_RUNNING and row[V_BEGAN] > before}
        return began > before and {row[V_LASTCPU] for row in rows} <= heard | {pcpu, -1}

    def presume(self, ns, pcpu, ends):
        """A loss that nothing has told, and that may have been, begins or ``ends``; who runs there then is not known."""
        if ends:
            self._gap_over(ns, pcpu)
        else:
            self._gap_begin(ns, pcpu, 0, 0)

    def _gap_over(self, ns, pcpu):
        self.lost_ns[pcpu] = self.lost_ns.get(pcpu, 0) + ns - self.gaps.pop(pcpu, ns)
        self.g[G_OPEN_GAPS] -= 1
        self.gap_end[pcpu] = ns
        if not self.gaps:
            self.last_end = ns
            self._all_over(ns)

    def _all_over(self, ns):
        """No loss lasts: await records."""
        self._fold(ns)
        for vcpu in self.vcpus.values():
            if vcpu.row[V_STATE] == S_UNKNOWN:
                self.turn(vcpu, S_PENDING, ns, 0)

    def _fold(self, ns):
        """The domains' times, so that those since now can still be completed."""
        for domain in self.domains.values():
            self.bring(domain, ns)
            for mask in range(16):
                domain.past[mask] += domain.row[D_CURRENT + mask]
                domain.row[D_CURRENT + mask] = 0

    def rest(self, ns):
        """Nothing is recorded from now on, and time stands still until it is again: then each vCPU's next record tells what it
        has been since that moment, as its first one does, and one that has none is not told."""
        for pcpu in list(self.gaps):
            self._gap_over(ns, pcpu)
        self.mute.clear()
        self.gap_end.clear()
        self.last_end = self.began = ns
        for vcpu in list(self.vcpus.values()):
            row = vcpu.row
            if row[V_STATE] != S_PENDING:
                self.turn(vcpu, S_PENDING, ns, RESTED)
            elif row[V_SEEN] != RESTED:
                self.resolve(vcpu, S_UNKNOWN, row[V_SINCE], ns)
                self.turn(vcpu, S_PENDING, ns, RESTED)
            row[V_SINCE], row[V_LASTCPU] = ns, -1
        self._fold(ns)
        for row in self.pcpus.values():
            if row[P_CSTATE] >= 0:
                row[P_CTIME + row[P_CSTATE]] += ns - row[P_CSINCE]
            row[P_OCCUPANT] = row[P_CSTATE] = -1

    def _reseed(self, ns, pcpu, key):
        vcpu = self.vcpus.get(key)
        if vcpu is None:
            domain = None if key >> 16 == IDLE_DOMAIN else self.domain(key >> 16, ns)
            self.create(key, domain, self.starts(domain), ns, ns, S_RUNNING, pcpu)
            return
        row = vcpu.row
        if row[V_STATE] in (S_UNKNOWN, S_PENDING):
            self.turn(vcpu, S_RUNNING, ns, 0)
        elif row[V_STATE] != S_RUNNING or row[V_LASTCPU] != pcpu:
            # It runs elsewhere, and nothing was lost there: the marker names a vCPU that had just left.
            self.disorder += 1
            return
        row[V_LASTCPU] = pcpu
        there = self.pcpus[pcpu]
        there[P_OCCUPANT] = key
        if not row[V_IDLE]:
            there[P_RAN] = 1
