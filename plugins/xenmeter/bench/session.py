"""A session of runs: idle first, then the runs in an order that drift meets evenly, each between two readings of everything."""
import shlex
import subprocess
import time
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from xenmeter.bench import ledger, runs
from xenmeter.bench.outputs import Outputs
from xenmeter.bench.phases import phases_of
from xenmeter.bench.readers import Reader
from xenmeter.bench.results import Result, Unusable
from xenmeter.bench.runner import Interrupted, Ran, run
from xenmeter.bench.watch import Watch
from xenmeter.core.clock import now_ns
from xenmeter.core.errors import SourceError

__all__ = ("Plan", "order", "session", "between")

#: What a reader is given at the most; a program that prints more has no result in so much noise.
_MOST = 16 << 20
#: Seconds that a command of --a, --b or --restore may take.
_SWITCH = 120.0


class Plan(NamedTuple):
    command: Sequence[str]
    reader: Optional[Reader]
    count: int
    label: str
    interval: float
    idle: float
    timeout: Optional[float]
    switches: Dict[str, str]
    restore: str


def order(count: int, switches: Dict[str, str]) -> List[Tuple[int, str]]:
    """(number, side) of the runs: ``count`` of each side, A B B A A B B A, so that what drifts meets both alike."""
    if not switches:
        return [(number + 1, "") for number in range(count)]
    sides = "".join("ab" if number % 2 == 0 else "ba" for number in range(count))
    return [(number + 1, side) for number, side in enumerate(sides)]


def session(plan: Plan, watch: Watch, outputs: Outputs, stopped: Callable[[], bool],
            say: Callable[[str], None]) -> Iterator[Dict[str, Any]]:
    """The records of all runs, each as it is done.

    :param outputs: keeps what the program prints.
    :param say: what is being done, for progress.
    :raises Interrupted: ``stopped`` said so; the command is ended and what --a or --b changed is restored.
    """
    try:
        first = watch.after(now_ns(), _patience(plan))
        idle = _idle(plan, watch, first, stopped, say)
        for number, side in order(plan.count, plan.switches):
            if side:
                _switch(plan.switches[side])
            say("run %d" % number)
            yield _one(plan, watch, idle, number, side, outputs, stopped)
    finally:
        if plan.switches and plan.restore:
            _switch(plan.restore)


def _patience(plan: Plan) -> float:
    return 15 + 3 * plan.interval


def _idle(plan: Plan, watch: Watch, first: Any, stopped: Callable[[], bool], say: Callable[[str], None]) -> Optional[ledger.Span]:
    if not plan.idle:
        return None
    say("what the domains do without it")
    deadline = time.monotonic() + plan.idle
    while time.monotonic() < deadline:
        if stopped():
            raise Interrupted()
        watch.look(0.05)
    return ledger.span(first, watch.after(now_ns(), _patience(plan), stopped))


def _one(plan: Plan, watch: Watch, idle: Optional[ledger.Span], number: int, side: str, outputs: Outputs,
         stopped: Callable[[], bool]) -> Dict[str, Any]:
    watch.forget()
    before = watch.after(now_ns(), _patience(plan), stopped)
    with outputs.open(number, "stdout") as out, outputs.open(number, "stderr") as err:
        ran = run(plan.command, out, err, plan.timeout, stopped, watch.look)
    ended = ran.began_ns + ran.length_ns
    after = watch.after(ended, _patience(plan), stopped)
    result, unusable = _read(plan.reader, outputs, number, ran)
    label = side.upper() if side and not plan.label else plan.label + (" " + side.upper() if side else "")
    record = runs.record_of(label, number, plan.command, plan.reader.name if plan.reader else None, ran, result, unusable)
    record.update(runs.costs_of(ledger.span(before, after), idle))
    record["idle_ns"] = None if idle is None else max(idle.lengths.values())
    record["edges_ns"] = {plugin: [ran.began_ns - before.times[plugin], after.times[plugin] - ended]
                          for plugin in after.times if plugin in before.times}
    record["missing"] = dict(watch.missing)
    record["phases"] = _phases(plan, watch, ran)
    record["checks"] = runs.checks(record, int(plan.interval * 10 ** 9))
    return record


def _read(reader: Optional[Reader], outputs: Outputs, number: int, ran: Ran) -> Tuple[Optional[Result], Optional[str]]:
    """What the program says of itself, or why the run does not count. A program without a reader counts by its status."""
    if ran.why:
        return None, ran.why
    if reader is None:
        return None, None if ran.status == 0 else "it ended with status %d" % ran.status
    if max(ran.printed.values()) > _MOST:
        return None, "it printed more than %d MiB; no result is looked for in so much" % (_MOST >> 20)
    texts = [outputs.read(number, stream) for stream in ("stdout", "stderr")]
    try:
        return reader.read(texts[0], texts[1], ran.status), None
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


def between(readings: Dict[str, List[Any]], catalogues: Dict[str, Any], first_ns: Optional[int],
            last_ns: Optional[int]) -> ledger.Span:
    """The span of a recording: from each plugin's last reading at ``first_ns`` or before to its first at ``last_ns`` or later.

    :raises SourceError: it has not two readings there.
    """
    ends = []
    for late, moment in ((False, first_ns), (True, last_ns)):
        chosen = {}
        for plugin, those in readings.items():
            if late:
                chosen[plugin] = next((one for one in those if moment is not None and one.time_ns >= moment), those[-1])
            else:
                chosen[plugin] = ([one for one in those if moment is not None and one.time_ns <= moment] or those[:1])[-1]
        ends.append(ledger.snapshot(chosen, catalogues))
    found = ledger.span(ends[0], ends[1])
    if not any(length > 0 for length in found.lengths.values()):
        raise SourceError("the recording has not two readings in that time")
    return found
