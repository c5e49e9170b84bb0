"""The hot loop in pure Python: merges the pCPUs' queues by TSC and applies the common records to the rows.

``hot.c`` is the same loop compiled. What either does not handle itself goes to ``Accounts.handle``, so both give the
same figures to the last nanosecond.
"""
from bisect import bisect_left
from operator import itemgetter

from xenmeter.xentrace.engine.fullrings import filled
from xenmeter.xentrace.engine.layout import (BIT, CLASS, D_COUNTS, D_CURRENT, D_MASK, D_SINCE, G_BASE, G_BORDER, G_DMAX, G_KHZ,
                                             G_CUR, G_LATE, G_LEFT, G_MAXT, G_NOW, G_NOWT, G_OPEN_GAPS, G_PENDING, G_QUIET,
                                             G_SKIP, G_START, G_WILD, HURT, MEASURED, OLDER, P_LAST, P_OCCUPANT, P_RAN,
                                             S_RUNNING, TARGET, V_BEGAN, V_EXECUTIONS, V_LASTCPU, V_MIGRATIONS, V_OTHER,
                                             V_PREEMPTIONS, V_SEEN, V_SINCE, V_STATE, V_SUMS, V_WAKES)
from xenmeter.xentrace.engine.records import KIND_CONTINUE, KIND_GAP_BEGIN
from xenmeter.xentrace.engine.scan import Scanner, begin_window

__all__ = ("PythonCore",)


class PythonCore(Scanner):
    """Scanner and hot loop over one set of queues."""

    def __init__(self, g, store):
        super().__init__(g)
        self.store = store

    def close(self):
        pass

    def forget(self):
        """What waits is not to be accounted."""
        for queue in self.queues.values():
            queue.clear()

    @staticmethod
    def windows(pass_):
        return pass_ if isinstance(pass_, list) else list(pass_)

    @staticmethod
    def numbers(windows):
        return [pcpu for pcpu, _ in windows]

    def filled(self, windows):
        return filled(self.g, self.rows, windows)

    def odd(self, windows):
        """Whether the first stamp of one is out of the ordinary: older than its pCPU's last one, or long after all there was."""
        most = self.g[G_MAXT]
        for pcpu, data in windows:
            if len(data) >= 12 and data[3] & 0x80 and most >= 0:
                tsc = int.from_bytes(data[4:12], "little")
                if tsc - most > self.g[G_QUIET] or (pcpu in self.rows and tsc < self.rows[pcpu][P_LAST] - OLDER):
                    return True
        return False

    def scan_rings(self, windows, start):
        """``scan`` of a pass's windows from ``start`` on, up to the first that has something wrong; its number, or how many
        there are."""
        g = self.g
        for number in range(start, len(windows)):
            pcpu, data = windows[number]
            g[G_CUR] = pcpu
            g[G_LEFT] = len(data) & ~3
            begin_window(g, self.rows[pcpu], len(data))
            if self.scan(data, 0, len(data) & ~3) == HURT or g[G_LEFT] or g[G_SKIP]:
                return number
        return len(windows)

    def drain(self, limit, accounts):
        """Account every queued entry with a TSC <= ``limit``, in the order of (TSC, pCPU, place in its queue)."""
        batch = []
        for number in sorted(self.queues):
            queue = self.queues[number]
            if not queue or queue[0][0] > limit:
                continue
            end = len(queue) if queue[-1][0] <= limit else bisect_left(queue, (limit + 1,))
            batch += queue[:end]
            del queue[:end]
        self.g[G_PENDING] -= len(batch)
        batch.sort(key=itemgetter(0))        # stable, and made of ascending runs: cheap
        self._apply(batch, accounts)

    def _apply(self, batch, accounts):
        """What ``drain`` of hot.c does to each entry: a runstate change as it should be here, anything else by
        ``Accounts.handle``. One long loop, and no calls in it: they would cost as much as what they do.
        """
        g = self.g
        base, khz, reach = g[G_BASE], g[G_KHZ], g[G_BASE] + g[G_DMAX]
        now_tsc, ns = g[G_NOWT], g[G_NOW]
        found = self.store.found
        rows = self.rows
        stop = min(base - (-g[G_BORDER] * khz // 1000000), reach + 1)     # first TSC at which a window ends
        moves = _MOVES
        simple = 0 if g[G_OPEN_GAPS] else 16
        handle = accounts.handle
        causes = accounts.causes
        for tsc, pcpu, kind, a, b in batch:
            if now_tsc <= tsc < stop:
                now_tsc = tsc
                ns = (tsc - base) * 1000000 // khz
            elif tsc > reach:
                g[G_WILD] += 1
                continue
            elif tsc >= now_tsc:
                now_tsc = tsc
                ns = (tsc - base) * 1000000 // khz
                accounts.windows.cross(ns)
                stop = min(base - (-g[G_BORDER] * khz // 1000000), reach + 1)
            elif kind != KIND_GAP_BEGIN or tsc > g[G_START]:      # a loss may be older than the trace
                g[G_LATE] += 1
            if kind < simple:
                if a in found:
                    row, domain, hists = found[a]
                    state = row[V_STATE]
                    move = moves[state << 4 | kind]
                    if move is not None:
                        target, enters, leaves, counter, measured, before, after = move
                        if leaves:
                            if row[V_LASTCPU] != pcpu:
                                handle(ns, pcpu, kind, a, b)
                                continue
                            there = rows[pcpu]
                            if there[P_OCCUPANT] == a:
                                there[P_OCCUPANT] = -1
                        elif enters:
                            there = rows[pcpu]
                            if there[P_OCCUPANT] != -1:
                                handle(ns, pcpu, kind, a, b)
                                continue
                            there[P_OCCUPANT] = a
                            if causes is not None:
                                causes.entered(a, pcpu, ns, row[V_BEGAN] if CLASS[state] == 1 else ns)
                            last = row[V_LASTCPU]
                            if last != pcpu:
                                if last != -1:
                                    row[V_MIGRATIONS] += 1
                                row[V_LASTCPU] = pcpu
                        elif causes is not None and CLASS[state] == 1 and domain is not None:
                            causes.unexplained(a, ns - row[V_BEGAN])
                        row[counter] += 1
                        row[V_SUMS + state] += ns - row[V_SINCE]
                        began = row[V_BEGAN]
                        row[V_STATE] = target
                        row[V_SINCE] = row[V_BEGAN] = ns
                        if not row[V_SEEN]:
                            row[V_SEEN] = 1
                            measured = False
                        if domain is None:
                            continue
                        if enters:
                            there[P_RAN] = 1
                        if measured:
                            hist = hists[state]
                            length = ns - began
                            hist[0] += length
                            if length > hist[1]:
                                hist[1] = length
                            if length < 32:
                                hist[2 + length] += 1
                            else:
                                shift = length.bit_length() - 6
                                hist[2 + (shift << 5) + (length >> shift) if shift < 54 else -1] += 1
                        if before != after:
                            mask = domain[D_MASK]
                            domain[D_CURRENT + mask] += ns - domain[D_SINCE]
                            domain[D_SINCE] = ns
                            left = domain[before] - 1
                            domain[before] = left
                            domain[after] += 1
                            domain[D_MASK] = (mask if left else mask & ~(before - D_COUNTS)) | after - D_COUNTS
                        continue
            elif kind == KIND_CONTINUE:
                if a in found and found[a][0][V_STATE] == S_RUNNING and found[a][0][V_LASTCPU] == pcpu:
                    continue
            handle(ns, pcpu, kind, a, b)
            simple = 0 if g[G_OPEN_GAPS] else 16
        g[G_NOWT], g[G_NOW] = now_tsc, ns


def _move(state, kind):
    """What a runstate change does to a vCPU in a state; None: it cannot be.

    The state after, whether it enters or leaves a pCPU, the place of its counter in the row, whether the time in the old
    state is measured, and the places of the domain's counts before and after.
    """
    old, new = kind >> 2, kind & 3
    if CLASS[state] != old or old == new:
        return None
    counter = V_EXECUTIONS if new == 0 else {1: V_PREEMPTIONS, 9: V_WAKES}.get(kind, V_OTHER)
    measured = state in MEASURED and (old != 1 or new == 0)
    target = TARGET[kind]
    return target, new == 0, old == 0, counter, measured, D_COUNTS + BIT[state], D_COUNTS + BIT[target]


_MOVES = [_move(state, kind) for state in range(8) for kind in range(16)]
