"""The accounts as plain records: dictionaries of integers, in the order of domid, generation and number."""
from xenmeter.core import histogram
from xenmeter.xentrace.engine.figures import COUNTERS, COUNTS, DOMAIN_STATES, GRANTS, LATENCIES, STATES, WAITS, WINDOW_STATES
from xenmeter.xentrace.engine.layout import (D_CURRENT, D_GRANTS, D_MASK, D_SINCE, D_SLICE_LIMITS, D_SLICE_SUM, D_SLICES, F_SIZE,
                                             F_SLICES, P_CCOUNT, P_CSINCE, P_CSTATE, P_CTIME, P_FREQ_CHANGES, P_LOST,
                                             P_LOST_BEFORE, P_MHZ, P_RAN, S_PENDING, S_UNKNOWN, V_LASTCPU, V_SINCE, V_STATE,
                                             V_SUMS, C_STATES)
from xenmeter.xentrace.engine.records import IDLE_DOMAIN

__all__ = ("readout", "pcpus_of", "trace_of", "windows_of")

#: Set of states (1 running, 2 runnable, 4 blocked or offline) -> one of the six.
_SETS = {1: 0, 2: 1, 3: 2, 7: 2, 4: 3, 5: 4, 6: 5}
_TIMES = STATES + WAITS
_HISTOGRAMS = tuple((name + "_ns", states) for name, states in LATENCIES)
#: A domain in a window: its life, and the figures by their places.
_WINDOW = ("domid", "generation") + WINDOW_STATES + ("executions",) + GRANTS + (
    "allocations", "allocation_sum_ns", "allocation_min_ns", "allocation_max_ns")
assert len(_WINDOW) == 2 + F_SIZE


def readout(accounts, now, trace, whole=True, windows=True):
    """All figures at ``now`` (ns); nothing is changed. ``"histograms"`` hold rows of ``core.histogram``.

    :param whole: False leaves out histograms, and the windows with all of their history; :param windows: those alone.
    """
    domains, vcpus = [], []
    for life in accounts.in_order():
        end = now if life.end is None else life.end
        told = {"domid": life.domid, "generation": life.generation, "start_ns": life.start, "end_ns": life.end}
        mine = [_vcpu(whole and accounts.per_vcpu, vcpu, life, end) for vcpu in life.in_order()]
        for name in _TIMES + COUNTS:
            told[name] = sum(one[name] for one in mine)
        for place, name in enumerate(GRANTS):
            told[name] = life.row[D_GRANTS + place]
        told["runstate"] = _runstate(life, end)
        told["allocation"] = _allocation(life.row)
        if whole:
            told["histograms"] = _histograms(life)
        domains.append(told)
        vcpus.extend(mine)
    return {"trace": trace_of(accounts, trace), "pcpus": pcpus_of(accounts, now), "vcpus": vcpus, "domains": domains,
            "windows": _windows(accounts, now) if whole and windows and accounts.scheduled else []}


def pcpus_of(accounts, now):
    """``pcpus`` of the figures."""
    return [_pcpu(accounts, number, now) for number in sorted(accounts.pcpus)]


def trace_of(accounts, trace):
    """``trace`` of the figures."""
    return dict(trace, pcpus=len(accounts.pcpus), lost_records=sum([row[P_LOST] for row in accounts.pcpus.values()]),
                lost_before=sum([row[P_LOST_BEFORE] for row in accounts.pcpus.values()]))


def _times(row, end, ended):
    sums = list(row[V_SUMS:V_SUMS + 8])
    if not ended:
        state = row[V_STATE]
        sums[S_UNKNOWN if state == S_PENDING else state] += end - row[V_SINCE]
    return (sums[0], sums[1] + sums[5] + sums[6], sums[2], sums[3], sums[4], sums[5], sums[6])


def _vcpu(histograms, vcpu, life, end):
    told = {"domid": life.domid, "vcpu": vcpu.key & 0xFFFF, "generation": life.generation}
    told.update(zip(_TIMES, _times(vcpu.row, end, life.end is not None)))
    for name, place in COUNTERS:
        told[name] = vcpu.row[place]
    told["pcpu"] = vcpu.row[V_LASTCPU] if vcpu.row[V_LASTCPU] >= 0 else None
    if histograms:
        told["histograms"] = {name: _merged([vcpu.hist], states) for name, states in _HISTOGRAMS}
    return told


def _merged(hists, states):
    rows = [hist[state].flat() for hist in hists for state in states]
    rows = [row for row in rows if row[0] or any(row)]
    if len(rows) == 1:
        return list(rows[0])
    return histogram.merge(histogram.new(), rows)


def _histograms(life):
    hists = life.histograms()
    return {name: _merged(hists, states) for name, states in _HISTOGRAMS}


def _runstate(life, end):
    """The domain's own states; time in which some vCPU's state was unknown is in none of them."""
    row = life.row
    times = list(row[D_CURRENT:D_CURRENT + 16])
    if life.end is None:
        times[row[D_MASK]] += end - row[D_SINCE]
    pending = life.end is None and any(vcpu.row[V_STATE] == S_PENDING for vcpu in life.vcpus)
    told = dict.fromkeys(DOMAIN_STATES, 0)
    for mask, which in _SETS.items():
        told[DOMAIN_STATES[which]] += life.past[mask] + (0 if pending else times[mask])
    return told


def _allocation(row):
    """Granted slices of SWITCH_INFNEXT; None where the trace has none."""
    if not row[D_SLICES]:
        return None
    return {"count": row[D_SLICES], "sum_ns": row[D_SLICE_SUM], "min_ns": row[D_SLICE_LIMITS],
            "max_ns": row[D_SLICE_LIMITS + 1]}


def _pcpu(accounts, number, now):
    row = accounts.pcpus[number]
    lost = accounts.lost_for(number, now)
    idle = accounts.vcpus.get(IDLE_DOMAIN << 16 | number)
    if idle is not None:
        times = _times(idle.row, now, False)
        idle_ns, unknown = times[0], times[4]
    else:
        # No idle vCPU in the trace: something ran all the time, or nothing is known.
        idle_ns, unknown = 0, lost if row[P_RAN] else now
    told = {"pcpu": number, "busy_ns": now - idle_ns - unknown, "idle_ns": idle_ns, "unknown_ns": unknown,
            "lost_records": row[P_LOST], "lost_ns": lost}
    times = list(row[P_CTIME:P_CTIME + C_STATES])
    if row[P_CSTATE] >= 0:
        times[row[P_CSTATE]] += now - row[P_CSINCE]
    counts = list(row[P_CCOUNT:P_CCOUNT + C_STATES])
    told["cstates"] = {state: {"ns": times[state], "entries": counts[state]} for state in range(C_STATES)
                       if counts[state]}
    told["mhz"] = row[P_MHZ] or None
    told["frequency_changes"] = row[P_FREQ_CHANGES]
    return told


def _windows(accounts, now):
    return [{"length_ns": length, "windows": list(windows_of(accounts, now, which))}
            for which, length in enumerate(accounts.windows.lengths)]


def windows_of(accounts, now, which):
    """Closed windows of a length, then the open one; each is made as it is asked for. None without scheduler events."""
    if not accounts.scheduled:
        return
    for window in accounts.windows.closed[which]:
        yield _window(window)
    opened = accounts.windows.opened(which, now)
    if opened is not None:
        yield _window(opened)


def _window(window):
    domains = []
    for life, figures in window.ordered():
        one = dict(zip(_WINDOW, (life.domid, life.generation, *figures)))
        if not figures[F_SLICES]:
            one["allocation_min_ns"] = one["allocation_max_ns"] = None
        domains.append(one)
    return {"start_ns": window.start, "length_ns": window.length, "domains": domains}
