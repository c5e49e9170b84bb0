"""The accounts as rows of a picture (columns.py) and as plain records, in the order of domid, generation and number."""
from xenmeter.core import histogram
from xenmeter.xentrace.engine.columns import domain_record, pcpu_record, vcpu_record, window_record
from xenmeter.xentrace.engine.figures import COUNTERS, LATENCIES
from xenmeter.xentrace.engine.layout import (C_STATES, D_CURRENT, D_GRANTS, D_MASK, D_SINCE, D_SLICE_LIMITS, D_SLICES, P_CCOUNT,
                                             P_CSINCE, P_CSTATE, P_CTIME, P_FREQ_CHANGES, P_LOST, P_LOST_BEFORE, P_MHZ, P_RAN,
                                             RESTED, S_PENDING, S_UNKNOWN, V_LASTCPU, V_SEEN, V_SINCE, V_STATE, V_SUMS)
from xenmeter.xentrace.engine.records import IDLE_DOMAIN

__all__ = ("readout", "domain_row", "vcpu_rows", "pcpu_rows", "trace_of", "windows_of")

#: Set of states (1 running, 2 runnable, 4 blocked or offline) -> one of the six.
_SETS = {1: 0, 2: 1, 3: 2, 7: 2, 4: 3, 5: 4, 6: 5}
_HISTOGRAMS = tuple((name + "_ns", states) for name, states in LATENCIES)


def readout(accounts, now, trace, windows=True):
    """All figures at ``now`` (ns); nothing is changed. ``"histograms"`` hold rows of ``core.histogram``.

    :param windows: False leaves out the windows, with all of their history.
    """
    domains, vcpus = [], []
    for life in accounts.in_order():
        theirs = vcpu_rows(life, now)
        domains.append(dict(domain_record(domain_row(life, now, theirs)), histograms=_histograms(life.histograms())))
        for vcpu, row in zip(life.in_order(), theirs):
            vcpus.append(vcpu_record(row))
            if accounts.per_vcpu:
                vcpus[-1]["histograms"] = _histograms([vcpu.hist])
    return {"trace": trace_of(accounts, trace), "pcpus": list(map(pcpu_record, pcpu_rows(accounts, now))), "vcpus": vcpus,
            "domains": domains, "windows": _windows(accounts, now) if windows and accounts.scheduled else []}


def trace_of(accounts, trace):
    """``trace`` of the figures."""
    return dict(trace, pcpus=len(accounts.pcpus), lost_records=sum([row[P_LOST] for row in accounts.pcpus.values()]),
                lost_before=sum([row[P_LOST_BEFORE] for row in accounts.pcpus.values()]))


def rests(row):
    """Whether a vCPU is not told before it has a record."""
    return row[V_STATE] == S_PENDING and row[V_SEEN] == RESTED


def _times(row, end, ended):
    sums = list(row[V_SUMS:V_SUMS + 8])
    if not ended and not rests(row):
        state = row[V_STATE]
        sums[S_UNKNOWN if state == S_PENDING else state] += end - row[V_SINCE]
    return [sums[0], sums[1] + sums[5] + sums[6], sums[2], sums[3], sums[4], sums[5], sums[6]]


def vcpu_rows(life, now):
    """Of each vCPU of a life the columns of VCPU, without its cells."""
    return [_times(vcpu.row, now, life.end is not None) + [vcpu.row[place] for _, place in COUNTERS]
            + [life.domid, vcpu.key & 0xFFFF, life.generation, vcpu.row[V_LASTCPU]] for vcpu in life.in_order()]


def domain_row(life, now, theirs):
    """The columns of DOMAIN, without cells. :param theirs: rows of its vCPUs."""
    row = life.row
    sums = [sum(column) for column in zip(*theirs)][:7 + len(COUNTERS)] or [0] * (7 + len(COUNTERS))
    end = -1 if life.end is None else life.end
    return ([life.domid] + sums + _runstate(life, now) + list(row[D_GRANTS:D_GRANTS + 3]) + [life.generation, life.start, end]
            + list(row[D_SLICES:D_SLICES + 2]) + list(row[D_SLICE_LIMITS:D_SLICE_LIMITS + 2]))


def _runstate(life, now):
    """The domain's own states; time in which some vCPU's state was unknown is in none of them."""
    row = life.row
    times = list(row[D_CURRENT:D_CURRENT + 16])
    if life.end is None:
        times[row[D_MASK]] += now - row[D_SINCE]
    pending = life.end is None and any(vcpu.row[V_STATE] == S_PENDING and not rests(vcpu.row) for vcpu in life.vcpus)
    told = [0] * 6
    for mask, which in _SETS.items():
        told[which] += life.past[mask] + (0 if pending else times[mask])
    return told


def _histograms(hists):
    return {name: _merged([hist[state].flat() for hist in hists for state in states]) for name, states in _HISTOGRAMS}


def _merged(rows):
    rows = [row for row in rows if row[0] or any(row)]
    return list(rows[0]) if len(rows) == 1 else histogram.merge(histogram.new(), rows)


def pcpu_rows(accounts, now):
    """Columns PCPU."""
    return [_pcpu(accounts, number, now) for number in sorted(accounts.pcpus)]


def _pcpu(accounts, number, now):
    row = accounts.pcpus[number]
    lost = accounts.lost_for(number, now)
    idle = accounts.vcpus.get(IDLE_DOMAIN << 16 | number)
    if idle is not None:
        times = _times(idle.row, now, False)
        idle_ns, unknown = times[0], times[4] + (now - idle.row[V_SINCE] if rests(idle.row) else 0)
    else:
        # No idle vCPU in the trace: something ran all the time, or nothing is known.
        idle_ns, unknown = 0, lost if row[P_RAN] else now
    told = [number, now - idle_ns - unknown, idle_ns, unknown, row[P_LOST], lost, row[P_MHZ], row[P_FREQ_CHANGES]]
    for state in range(C_STATES):
        entries = row[P_CCOUNT + state]
        told += [row[P_CTIME + state] + (now - row[P_CSINCE] if row[P_CSTATE] == state else 0) if entries else 0, entries]
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
        domains.append(window_record([life.domid, life.generation, *figures]))
        del domains[-1]["allocation_avg_ns"]
    return {"start_ns": window.start, "length_ns": window.length, "domains": domains}
