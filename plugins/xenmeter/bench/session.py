"""A session of runs: idle first, then the runs in an order that drift meets evenly, each between two readings of everything."""
import os
import shlex
import subprocess
import time
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from xenmeter.bench import ledger, runs
from xenmeter.bench.outputs import Outputs
from xenmeter.bench.phases import phases_of
from xenmeter.bench.readers import Reader, result_of
from xenmeter.bench.results import Figure, LESS, Result, Unusable
from xenmeter.bench.runner import Interrupted, Ran, run
from xenmeter.bench.watch import Watch
from xenmeter.core.clock import now_ns
from xenmeter.core.errors import SourceError

__all__ = ("Plan", "order", "session", "MOST")

#: What a reader is given at the most; a program that prints more has no result in so much noise.
MOST = 16 << 20
#: Seconds that a command of --a, --b or --restore may take.
_SWITCH = 120.0


class Plan(NamedTuple):
    """``switches``: the commands that make side ``a`` and ``b``; none: there are no sides. ``blind``: the sides whose runs nobody
    watches, for what watching itself costs; ``""`` is the side of runs without sides.
    """

    command: Sequence[str]
    reader: Optional[Reader]
    runs: int
    label: str
    interval: float
    idle: float
    timeout: Optional[float]
    switches: Dict[str, str]
    restore: str
    blind: Sequence[str] = ()
    names: Sequence[str] = ("A", "B")


def order(count: int, sides: bool) -> List[Tuple[int, str]]:
    """(number, side) of the runs: ``count`` of each side, A B B A A B B A, so that what drifts meets both alike."""
    if not sides:
        return [(number + 1, "") for number in range(count)]
    return [(number + 1, side) for number, side in enumerate("".join("ab" if each % 2 == 0 else "ba" for each in range(count)))]


def session(plan: Plan, begin: Callable[[], Watch], outputs: Outputs, stopped: Callable[[], bool],
            say: Callable[[str], None]) -> Iterator[Dict[str, Any]]:
    """The records of all runs, each as it is done.

    :param begin: gives a watch at work; called when the first run is to be watched, and again after one that was not.
    :param outputs: keeps what the program prints.
    :param say: what is being done, for progress.
    :raises Interrupted: ``stopped`` said so; the command is ended and what --a or --b changed is restored.
    """
    watch: Optional[Watch] = None
    idle: Optional[ledger.Span] = None
    switched = False
    try:
        for number, side in order(plan.runs, bool(plan.switches)):
            if side in plan.blind and watch is not None:
                watch.stop()
                watch = None
            elif side not in plan.blind and watch is None:
                watch = begin()
                idle = idle or _idle(plan, watch, stopped, say)
            if side and plan.switches[side]:
                switched = True
                _switch(plan.switches[side])
            say("run %d" % number)
            yield _one(plan, watch, idle, number, side, outputs, stopped)
    finally:
        if watch is not None:
            watch.stop()
        if switched and plan.restore:
            _switch(plan.restore)


def _patience(plan: Plan) -> float:
    return 15 + 3 * plan.interval


def _idle(plan: Plan, watch: Watch, stopped: Callable[[], bool], say: Callable[[str], None]) -> Optional[ledger.Span]:
    if not plan.idle:
        return None
    say("what the domains do without it")
    first = watch.after(now_ns(), _patience(plan), stopped)
    deadline = time.monotonic() + plan.idle
    while time.monotonic() < deadline:
        if stopped():
            raise Interrupted
        watch.look(0.05)
    return ledger.span(first, watch.after(now_ns(), _patience(plan), stopped))


def _one(plan: Plan, watch: Optional[Watch], idle: Optional[ledger.Span], number: int, side: str, outputs: Outputs,
         stopped: Callable[[], bool]) -> Dict[str, Any]:
    if watch is not None:
        watch.forget()
        before, spent = watch.after(now_ns(), _patience(plan), stopped), watch.cost_ns()
    with outputs.open(number, "stdout") as out, outputs.open(number, "stderr") as err:
        ran = run(plan.command, out, err, plan.timeout, stopped, (lambda: None) if watch is None else watch.look)
    result, unusable = _read(plan.reader, outputs, number, ran)
    name = plan.names["ab".index(side)] if side else ""
    label = " ".join(part for part in (plan.label, name) if part)
    record = runs.record_of(label, number, plan.command, plan.reader.name if plan.reader else None, ran, result, unusable)
    record["notes"] += _limits(plan.reader, outputs, number, ran, record["notes"])
    if watch is None:
        return runs.unwatched(record)
    spent = watch.cost_ns() - spent
    ended = ran.began_ns + ran.length_ns
    after = watch.after(ended, _patience(plan), stopped)
    record.update(runs.costs_of(ledger.span(before, after), idle))
    record["watching_ns"] = spent
    record["idle_ns"] = None if idle is None else max(idle.lengths.values())
    record["kernel"] = os.uname().release
    record["edges_ns"] = {plugin: [ran.began_ns - before.times[plugin], after.times[plugin] - ended]
                          for plugin in after.times if plugin in before.times}
    record["missing"] = dict(watch.missing)
    record["phases"] = _phases(plan, watch, ran)
    record["checks"] = runs.checks(record, int(plan.interval * 10 ** 9))
    return record


def _limits(reader: Optional[Reader], outputs: Outputs, number: int, ran: Ran, notes: Sequence[str]) -> List[str]:
    """Whether a client used all of the CPUs that it can: then it measured itself. Only where it runs here, not over ssh."""
    if reader is None or reader.threads is None or any(note.startswith("limited by") for note in notes):
        return []
    most = reader.threads(outputs.read(number, "stdout") if ran.printed["stdout"] <= MOST else "")
    if ran.cpu_ns <= runs.FULL * most * ran.length_ns:
        return []
    took = ran.cpu_ns / ran.length_ns
    return ["limited by the client: %s took %.2f CPUs of the %d that it can use" % (reader.name, took, most)]


def _read(reader: Optional[Reader], outputs: Outputs, number: int, ran: Ran) -> Tuple[Optional[Result], Optional[str]]:
    """What the program says of itself, or why the run does not count. A program without a reader counts by its status."""
    if ran.why:
        return None, ran.why
    if reader is None:
        took = Figure("duration", ran.length_ns / 1e9, "s", LESS)
        return Result((took,), None, ()), None if ran.status == 0 else "it ended with status %d" % ran.status
    if max(ran.printed.values()) > MOST:
        return None, "it printed more than %d MiB; no result is looked for in so much" % (MOST >> 20)
    texts = [outputs.read(number, stream) for stream in ("stdout", "stderr")]
    try:
        return result_of(reader, texts[0], texts[1], ran.status), None
    except Unusable as error:
        return None, str(error)


def _phases(plan: Plan, watch: Watch, ran: Ran) -> List[Dict[str, Any]]:
    """CPU time of each domain in each phase that the program named, as far as there were readings in between."""
    found = []
    for phase in phases_of(plan.reader.name if plan.reader else None, ran.lines, ran.length_ns):
        ends = watch.between(ran.began_ns + phase.began_ns, ran.began_ns + phase.ended_ns)
        costs: Dict[str, int] = {}
        if ends is not None:
            costs = {account.name: account.costs["cpu_ns"] for account in ledger.span(*ends).accounts.values()
                     if account.costs.get("cpu_ns")}
        found.append({"name": phase.name, "began_ns": phase.began_ns, "length_ns": phase.ended_ns - phase.began_ns,
                      "cpu_ns": costs})
    return found


def _switch(command: str) -> None:
    """Runs a command of --a, --b or --restore; raises SourceError where it fails."""
    try:
        ran = subprocess.run(shlex.split(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             timeout=_SWITCH)
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise SourceError("cannot run %s: %s" % (command, getattr(error, "strerror", None) or error))
    if ran.returncode:
        said = ran.stdout.decode("utf-8", "replace").strip().splitlines()
        raise SourceError("%s ended with status %d%s" % (command, ran.returncode, ": " + said[-1] if said else ""))
