"""An engine that hands over its figures at the end of each window: what every source of the baker is built on.

At a border of the shortest window all that happened before it is accounted and nothing after it, so the figures taken
there are exact: cumulative sums of domains, vCPUs and pCPUs, the windows that end there, and the latencies in them.
"""
from collections import deque
from typing import Any, Deque, Dict, Iterator, List, Sequence, Tuple

from xenmeter.xentrace.engine.distribution import EMPTY, Distribution
from xenmeter.xentrace.engine.engine import Engine
from xenmeter.xentrace.engine.figures import GRANTS, LATENCIES, MEASURED, WINDOW_STATES
from xenmeter.xentrace.engine.layout import G_NOW
from xenmeter.xentrace.engine.readout import readout
from xenmeter.xentrace.engine.windows import F_EXECUTIONS, F_GRANTS, F_SLICE_MAX, F_SLICE_MIN, F_SLICE_SUM, F_SLICES

__all__ = ("Baking", "domains_of", "window_figures")

#: Life -> state -> what its vCPUs have completed in it so far, of one moment.
Made = Dict[Any, Dict[int, Distribution]]


class Baking:
    """:param windows: lengths, ns, at least one; :param history: closed windows of each length that are kept.

    :param per_vcpu: a histogram for each vCPU too. ``core`` as in Engine.
    :ivar taken: what was taken at borders and waits to be fetched, oldest first.
    """

    def __init__(self, cpu_khz: int, windows: Sequence[int], history: int = 1, per_vcpu: bool = False, core: Any = None) -> None:
        self.engine = Engine(cpu_khz, windows, history, per_vcpu, core)
        self.engine.accounts.windows.at_border = self._take
        self._latencies = [_Latencies() for _ in windows]
        self.taken: Deque[Dict[str, Any]] = deque()
        self._last = -1

    def _take(self, border: int) -> None:
        self._last = border
        made: Made = {}
        self.taken.append(self._figures(border, self._closed_at(border, made), made))
        self.engine.accounts.forget_ended()     # they have been told now

    def _closed_at(self, border: int, made: Made) -> List[Dict[str, Any]]:
        """The windows that end here, with the latencies in them; none before the scheduler has said anything."""
        told: List[Dict[str, Any]] = []
        if not self.engine.accounts.scheduled:
            return told
        for closed, latencies in zip(self.engine.accounts.windows.closed, self._latencies):
            if closed and closed[-1].start + closed[-1].length == border:
                one = window_figures(closed[-1])
                latencies.take(closed[-1].lives, one["domains"], made)
                told.append(one)
        return told

    def _figures(self, now: int, closed: List[Dict[str, Any]], made: Made) -> Dict[str, Any]:
        """As Engine.snapshot's, histograms as Distributions, and ``windows`` as a list of those that end now."""
        accounts = self.engine.accounts
        told = readout(accounts, now, dict(self.engine.trace(), span_ns=now), whole=False)
        lives = sorted(accounts.lives, key=_place)
        for life, one in zip(lives, told["domains"]):
            one["histograms"] = _named(made[life] if life in made else _rows(life))
        if accounts.per_vcpu:
            vcpus = [vcpu for life in lives for vcpu in sorted(life.vcpus, key=lambda vcpu: vcpu.key)]
            for vcpu, one in zip(vcpus, told["vcpus"]):
                one["histograms"] = _named({state: Distribution.of(vcpu.hist[state]) for state in MEASURED})
        told["windows"] = closed
        return told

    def now(self) -> Dict[str, Any]:
        """The figures up to the last moment that is accounted, between borders; no windows end here."""
        return self._figures(self.engine.g[G_NOW], [], {})

    def finish(self) -> None:
        """The stream has ended: the rest of it is taken too."""
        self.engine.finish()
        if self.engine.g[G_NOW] > self._last:
            self.taken.append(self.now())

    def close(self) -> None:
        self.engine.close()


class _Latencies:
    """What the histograms of each life held at the last border of a length."""

    def __init__(self) -> None:
        self._before: Dict[Any, Dict[int, Distribution]] = {}

    def take(self, lives: List[Any], told: List[Dict[str, Any]], made: Made) -> None:
        """Note the present border, and put what has come since the last one into the records ``told`` of a window.

        :param lives: the window's; :param made: life -> what its histograms hold now, shared by all lengths.
        """
        before, after = self._before, {}
        for life, one in zip(sorted(lives, key=_place), told):
            if life not in made:
                made[life] = _rows(life)
            after[life] = made[life]
            old = before.get(life, {})
            parts = {state: rows.since(old.get(state, EMPTY)) for state, rows in made[life].items()}
            one["latency"] = _named(parts)
        self._before = after


def _place(life: Any) -> Tuple[int, int]:
    return life.domid, life.generation


def _named(parts: Dict[int, Distribution]) -> Dict[str, Distribution]:
    return {name: EMPTY.plus([parts[state] for state in states]) for name, states in LATENCIES}


def _rows(life: Any) -> Dict[int, Distribution]:
    """State -> what the life's vCPUs have completed in it so far."""
    if life.hist is not None:
        return {state: Distribution.of(life.hist[state]) for state in MEASURED}
    return {state: EMPTY.plus([Distribution.of(vcpu.hist[state]) for vcpu in life.vcpus]) for state in MEASURED}


def window_figures(window: Any) -> Dict[str, Any]:
    """One window of the engine's as plain records."""
    return {"start_ns": window.start, "length_ns": window.length, "domains": list(domains_of(window))}


def domains_of(window: Any) -> Iterator[Dict[str, Any]]:
    """The records of a window's domains, by domid and generation; each is made as it is asked for."""
    for life, figures in window.ordered():
        one = {"domid": life.domid, "generation": life.generation}
        one.update(zip(WINDOW_STATES, figures))
        one["executions"] = figures[F_EXECUTIONS]
        one.update(zip(GRANTS, figures[F_GRANTS:]))
        slices = figures[F_SLICES]
        one["allocation_avg_ns"] = figures[F_SLICE_SUM] // slices if slices else None
        one["allocation_min_ns"] = figures[F_SLICE_MIN] if slices else None
        one["allocation_max_ns"] = figures[F_SLICE_MAX] if slices else None
        yield one
