"""Records that are no changes of state: a vCPU that goes on running, time slices, clocks and C-states of pCPUs."""
from typing import Any, Callable, Dict

from xenmeter.xentrace.engine.layout import (C_STATES, D_SLICE_LIMITS, D_SLICE_SUM, D_SLICES, P_CCOUNT, P_CSINCE, P_CSTATE,
                                             P_CTIME, P_FREQ_CHANGES, P_MHZ, S_RUNNING, V_STATE)
from xenmeter.xentrace.engine.records import (IDLE_DOMAIN, KIND_CONTINUE, KIND_DOM_ADD, KIND_DOM_REM, KIND_FREQUENCY,
                                              KIND_GAP_BEGIN, KIND_GAP_END, KIND_IDLE_ENTRY, KIND_IDLE_EXIT, KIND_SCHED_ADD,
                                              KIND_SCHED_REM, KIND_SLICE)

__all__ = ("RARE", "Rare")

#: Kind -> the method of ``Accounts`` that takes it.
RARE = {KIND_CONTINUE: "_continue", KIND_SLICE: "_slice", KIND_GAP_BEGIN: "_gap_begin", KIND_GAP_END: "_gap_end",
        KIND_DOM_ADD: "_dom_add", KIND_DOM_REM: "_dom_rem", KIND_SCHED_ADD: "_sched_add", KIND_SCHED_REM: "_dom_rem",
        KIND_FREQUENCY: "_frequency", KIND_IDLE_ENTRY: "_idle_entry", KIND_IDLE_EXIT: "_idle_exit"}


class Rare:
    """The part of ``Accounts`` that takes them; all times in ns."""

    # what it takes of Accounts
    pcpus: Dict[int, Any]
    windows: Any
    agree: Callable[..., Any]
    domain: Callable[..., Any]
    enter: Callable[..., None]

    def _continue(self, ns, pcpu, a, b):
        """CONTINUE_RUNNING: the vCPU runs on that pCPU, and did before."""
        vcpu = self.agree(ns, pcpu, a, 0)
        if vcpu.row[V_STATE] == S_RUNNING:
            self.enter(vcpu, ns, pcpu)

    def _slice(self, ns, pcpu, a, b):
        """SWITCH_INFNEXT: the time that the scheduler grants; negative (int32_t) is "until somebody else wants"."""
        if a == IDLE_DOMAIN or b & 0x80000000:
            return
        row = self.domain(a & 0xFFFF, ns).row
        row[D_SLICES] += 1
        row[D_SLICE_SUM] += b
        for place in range(D_SLICE_LIMITS, D_SLICE_LIMITS + 2 * (1 + len(self.windows.lengths)), 2):
            if row[place] < 0 or b < row[place]:
                row[place] = b
            if b > row[place + 1]:
                row[place + 1] = b

    def _frequency(self, ns, pcpu, a, b):
        row = self.pcpus[pcpu]
        row[P_MHZ] = b
        row[P_FREQ_CHANGES] += 1

    def _idle_entry(self, ns, pcpu, a, b):
        row = self.pcpus[pcpu]
        row[P_CSTATE] = min(a, C_STATES - 1)
        row[P_CSINCE] = ns
        row[P_CCOUNT + row[P_CSTATE]] += 1

    def _idle_exit(self, ns, pcpu, a, b):
        """The state it leaves is the one it entered, as far as that was seen."""
        row = self.pcpus[pcpu]
        if row[P_CSTATE] >= 0:
            row[P_CTIME + row[P_CSTATE]] += ns - row[P_CSINCE]
            row[P_CSTATE] = -1
