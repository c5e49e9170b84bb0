"""Windows of fixed length, cut exactly at their borders: XenMon's table per domain.

A window's figures are the differences of a domain's cumulative sums between its borders, so the hot loop does
nothing for them. A later record may tell what a closed window could not know (``amend``).
"""
from collections import defaultdict, deque
from operator import add, sub as minus
from typing import Any, Deque, Dict, List

from xenmeter.xentrace.engine.layout import (D_GRANTS, D_SLICE_LIMITS, D_SLICE_SUM, F_SIZE, G_BORDER, MAX_WINDOWS, NEVER,
                                             S_PENDING, STATES, V_EXECUTIONS, V_SINCE, V_STATE, V_SUMS)
from xenmeter.core.errors import BadOption
from xenmeter.xentrace.engine.window import Window

__all__ = ("Windows", "Cut")

#: Figures of all windows that are kept where none may be dropped: 600 MB.
MOST = 72 * 10 ** 6
#: So many domains' figures take no less room when they are packed.
_FEW = 16
#: What a window takes besides its figures, as if it were so many.
_FRAME = 40

#: A silence that is longer is crossed in one leap even when somebody wants to see each border, ns.
_DAY = 86400 * 10 ** 9


class Cut:
    """Takes the figures of all domains at a border, in pure Python; ``store.Cut`` is the same compiled.

    :ivar lives: the domains, those that have ended in the window first (``gone`` of them).
    :param bases: the cumulative figures of each at the last border; set anew by ``take``.
    """

    def __init__(self, which, lives, gone, bases):
        self.lives = lives
        self._place = D_SLICE_LIMITS + 2 + 2 * which
        self._gone = gone
        self._bases = bases

    def take(self, border: int) -> List[int]:
        flat: List[int] = []
        place = self._place
        for number, (domain, base) in enumerate(zip(self.lives, self._bases)):
            if number >= self._gone:
                for vcpu in domain.vcpus:
                    row = vcpu.row
                    if row[V_STATE] != S_PENDING:
                        row[V_SUMS + row[V_STATE]] += border - row[V_SINCE]
                        row[V_SINCE] = border
            now = sums(domain)
            flat.extend(map(minus, now, base))
            base[:] = now
            flat[-2:] = domain.row[place:place + 2]
            domain.row[place] = domain.row[place + 1] = -1
        return flat


def sums(domain):
    """Cumulative figures of a domain over its vCPUs, as far as they are credited; no limits of slices yet."""
    running = waiting = blocked = offline = unknown = executions = 0
    for vcpu in domain.vcpus:
        one, other, two, three, lost, wake, preempt, _, entries = vcpu.row[V_SUMS:V_EXECUTIONS + 1]
        running += one
        waiting += other + wake + preempt
        blocked += two
        offline += three
        unknown += lost
        executions += entries
    told = [running, waiting, blocked, offline, unknown, executions]
    told.extend(domain.row[D_GRANTS:D_SLICE_SUM + 1])
    told += [0, 0]
    return told


class Windows:
    """:ivar closed: per length, the closed windows, oldest first, at most ``history`` of them.

    :param history: None keeps all of them, up to ``MOST`` figures; BadOption says so where there would be more.
    :ivar at_border: None, or called with each border (ns) when its windows have been closed and nothing later is accounted.
    """

    def __init__(self, accounts, lengths, history):
        if len(lengths) > MAX_WINDOWS:
            raise ValueError("at most %d window lengths" % MAX_WINDOWS)
        if any(length <= 0 for length in lengths):
            raise ValueError("a window's length must be more than 0 ns")
        self.accounts = accounts
        self.at_border = None
        self.offset = 0         # of windows that close from now on
        self.changes = 0        # how often a domain or vCPU has come or gone
        self.lengths = tuple(lengths)
        self.history = history
        self._kept = 0
        self.closed: List[Deque[Any]] = [deque(maxlen=history) for _ in lengths]
        self.starts = [0 for _ in lengths]
        # Domain -> cumulative figures at the last border
        self._bases: List[Dict[Any, List[int]]] = [defaultdict(lambda: accounts.store.row(F_SIZE)) for _ in lengths]
        self._gone: List[List[Any]] = [[] for _ in lengths]     # lives that ended in the open window
        self._cuts: List[Any] = [None for _ in lengths]     # None: other domains or vCPUs than at the last border
        accounts.g[G_BORDER] = min(lengths) if lengths else NEVER

    def cross(self, ns):
        """Close every window that ends at or before ``ns``; nothing is to come that is earlier."""
        g = self.accounts.g
        if self.history is None:
            self._room(ns)
        lengths, starts = self.lengths, self.starts
        border = g[G_BORDER]
        while border <= ns:
            ended = [which for which, length in enumerate(lengths) if starts[which] + length == border]
            for which in ended:
                self.closed[which].append(self._close(which, border))
                starts[which] = border
            if self.at_border is not None:
                self.at_border(border)
            for which in ended:
                window = self.closed[which][-1]
                if self.history != 1 and len(window.lives) > _FEW:
                    window.pack(self.accounts.store)
                if self.history is not None and ns - border > (lengths[which] if self.at_border is None else _DAY):
                    self._leap(which, ns)
            border = g[G_BORDER] = min(map(add, starts, lengths))

    def _room(self, ns):
        """Whether all windows up to ``ns`` can be kept; asked before they are made, for a silence may be long."""
        for which, length in enumerate(self.lengths):
            each = _FRAME + F_SIZE * (len(self._gone[which]) + len(self.accounts.domains))
            self._kept += (ns - self.starts[which]) // length * each
        if self._kept > MOST:
            raise BadOption("window: %s of %g s up to second %d of the trace are more than can be kept; take longer "
                            "ones, or a form that tells each as it closes (--format influx, csv)" % (
                                "those" if len(self.lengths) > 1 else "all windows", self.lengths[0] / 1e9, ns // 10 ** 9))

    def _leap(self, which, ns):
        """A silence longer than the history: its oldest windows need not be made, only to be dropped again."""
        length = self.lengths[which]
        over = (ns - self.starts[which]) // length - self.history
        if over > 1:
            self.starts[which] += over * length
            self._close(which, self.starts[which])

    def changed(self):
        """A domain or vCPU has come or gone."""
        self._cuts = [None] * len(self.lengths)
        self.changes += 1

    def _close(self, which, border):
        cut = self._cuts[which]
        bases = self._bases[which]
        gone = self._gone[which]
        if cut is None:
            lives = gone + list(self.accounts.domains.values())
            cut = self.accounts.store.cut(which, lives, len(gone), [bases[domain] for domain in lives])
            self._cuts[which] = cut if not gone else None
        window = Window(self.starts[which], border - self.starts[which], cut.lives, cut.take(border), self.offset)
        for domain in gone:
            del bases[domain]
        self._gone[which] = []
        return window

    def restart(self, ns):
        """What was counted since the last borders is in no window, the next ones begin at ``ns``. The windows that are none."""
        left = [self._close(which, ns) for which in range(len(self.lengths))]
        self.starts = [ns for _ in self.lengths]
        self.accounts.g[G_BORDER] = ns + min(self.lengths) if self.lengths else NEVER
        return left

    def opened(self, which, ns):
        """The window that is still open, as it stands at ``ns``; None where it has no length yet."""
        start = self.starts[which]
        if ns <= start:
            return None
        lives = self._gone[which] + list(self.accounts.domains.values())
        flat: List[int] = []
        for domain in lives:
            flat.extend(map(minus, sums(domain), self._bases[which][domain]))
            place = D_SLICE_LIMITS + 2 + 2 * which
            flat[-2:] = domain.row[place:place + 2]
        window = Window(start, ns - start, lives, flat)
        numbers = {life: number for number, life in enumerate(lives)}
        for vcpu in self.accounts.vcpus.values():
            if vcpu.domain is not None and vcpu.row[V_STATE] != S_PENDING:
                window.add(numbers[vcpu.domain], STATES[vcpu.row[V_STATE]], ns - vcpu.row[V_SINCE])
        return window

    def told(self, which, ns):
        """The closed windows of a length, then the open one; none without a record of the scheduler."""
        opened = self.opened(which, ns)
        return [*self.closed[which], *([] if opened is None else [opened])] if self.accounts.scheduled else []

    def records(self, ns):
        """All of them as plain records, by their lengths."""
        return [{"length_ns": length, "windows": [{"start_ns": one.start, "length_ns": one.length, "domains": list(one.records())}
                                                  for one in self.told(which, ns)]}
                for which, length in enumerate(self.lengths)]

    def parted(self):
        """The lives that have ended in a window that is open."""
        return {life for gone in self._gone for life in gone}

    def ended(self, domain):
        for gone in self._gone:
            gone.append(domain)
        self.changed()

    def amend(self, domain, state, begin, end, sign=1):
        """``domain`` was (``sign`` 1), or was not (-1), in ``state`` from ``begin`` to ``end``, as we know only now.

        The sums have been corrected already; here the closed windows get their parts, and the open one loses them.
        """
        place = STATES[state]
        for which in range(len(self.lengths)):
            border = self.starts[which]
            if begin >= border or end <= begin:
                continue
            self._bases[which][domain][place] += sign * (min(end, border) - begin)
            lives = wider = number = None       # windows that follow each other mostly have the same domains
            for window in reversed(self.closed[which]):
                if window.start + window.length <= begin:
                    break
                overlap = min(end, window.start + window.length) - max(begin, window.start)
                if overlap <= 0:
                    continue
                if window.lives is not lives:
                    lives = window.lives
                    number = lives.index(domain) if domain in lives else len(lives)
                    wider = None if number < len(lives) else lives + [domain]
                if wider is not None:
                    window.widen(wider)
                window.add(number, place, sign * overlap)

