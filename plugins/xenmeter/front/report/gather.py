"""A trace to all that a report shows, in one pass and bounded memory."""
from typing import Any, BinaryIO, Dict, List, NamedTuple, Optional, Tuple

from xenmeter.core.errors import BadOption, SourceError
from xenmeter.front.report.elastic import AdaptiveWindows
from xenmeter.front.report.entries import EntryTap
from xenmeter.front.report.moment import LongestWait, ExactSpan
from xenmeter.front.report.timeline import Grid, Slices, Timeline
from xenmeter.xentrace.engine.doubts import NO_EVENTS
from xenmeter.xentrace.engine.engine import Engine
from xenmeter.xentrace.tracefile import TraceFile

__all__ = ("Gathered", "gather")


class Gathered(NamedTuple):
    """``figures``: as Engine.snapshot. ``lives``: (domid, generation, start_ns, end_ns or None), in the order of ``who``.
    ``latency``: per window, life's place -> Distribution. ``exact``: (from, to, pCPU -> Slices). ``waits``: as
    CausedAccounts.longest_waits.
    """

    figures: Dict[str, Any]
    note: Optional[str]
    lives: List[Tuple[int, int, int, Optional[int]]]
    latency: List[Dict[int, Any]]
    timeline: Timeline
    grid: Grid
    exact: Tuple[int, int, Dict[int, Slices]]
    intervals: int
    longest: Optional[LongestWait]
    compiled: bool
    waits: List[Dict[str, Any]]


def gather(stream: BinaryIO, name: str, cpu_khz: Optional[int] = None, span: Optional[Tuple[int, int]] = None,
           core: Optional[str] = None) -> Gathered:
    """:param name: of the trace, for complaints; :param span: (from, to) in ns that is to be shown exactly.

    Raises BadOption where ``cpu_khz`` is needed, SourceError where this is no trace.
    """
    trace = TraceFile(stream, name, cpu_khz)
    shown = _Shown()
    engine = Engine(trace.cpu_khz, core=core, make_windows=AdaptiveWindows, tap=lambda core, g: EntryTap(core, g, shown.look),
                    causes=True)
    try:
        shown.begin(engine.accounts, span)
        return _gather(engine, shown, trace, name, span)
    finally:
        engine.close()


class _Shown:
    """What is kept of the entries themselves, as they are accounted."""

    timeline: Timeline
    exact: ExactSpan

    def __init__(self) -> None:
        self.grid = Grid()

    def begin(self, accounts: Any, span: Optional[Tuple[int, int]]) -> None:
        self.timeline = Timeline(accounts.lives)
        self.exact = ExactSpan(accounts, span)

    def look(self, batch: Dict[int, Any]) -> None:
        slices = self.timeline.take(batch)
        self.add(slices)
        self.exact.take(batch, slices)

    def add(self, slices: Dict[int, Slices]) -> None:
        for pcpu, ended in slices.items():
            self.grid.add(pcpu, ended)


def _gather(engine: Engine, shown: _Shown, trace: TraceFile, name: str, span: Optional[Tuple[int, int]]) -> Gathered:
    accounts, windows = engine.accounts, engine.accounts.windows
    for _ in trace.feed(engine):
        pass
    figures = engine.finish()
    trace.check(engine)
    if not accounts.scheduled:
        raise SourceError("%s: %s" % (name, NO_EVENTS))     # there is nobody to draw
    end_ns = figures["trace"]["span_ns"]
    if span is not None and span[0] >= end_ns:
        raise BadOption("--exact %g-%g: this trace ends after %.3f s" % (span[0] / 1e9, span[1] / 1e9, end_ns / 1e9))
    last = shown.timeline.finish(end_ns, sorted(accounts.pcpus))
    shown.add(last)
    places = {life: place for place, life in enumerate(accounts.lives)}
    latency = windows.latency + [windows.waits()]
    exact = shown.exact.result(last, end_ns)
    note = "found from %d of the trace's own run times" % trace.run_times if trace.run_times else None
    return Gathered(figures, note, [(life.domid, life.generation, life.start, life.end) for life in accounts.lives],
                    [{places[life]: one for life, one in part.items()} for part in latency], shown.timeline,
                    shown.grid, exact, shown.exact.all, shown.exact.longest, engine.compiled, accounts.longest_waits())
