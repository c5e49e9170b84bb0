"""Runs beside a recording: what each domain paid in a span of it, for a program that ran meanwhile, here or elsewhere."""
from typing import Any, Dict, Iterator, List, Optional, Sequence

from xenmeter.bench import ledger, runs
from xenmeter.bench.ranks import median
from xenmeter.bench.runner import Ran
from xenmeter.bench.results import Result
from xenmeter.core.errors import SourceError
from xenmeter.core.reading import Reading

__all__ = ("Played", "span_record", "again")


class Played:
    """All readings of a recording.

    :param readings: of each plugin by its name, at least one each, in the order of their times; ``catalogues`` are theirs.
    """

    def __init__(self, readings: Dict[str, List[Reading]], catalogues: Dict[str, Any]) -> None:
        self._readings = readings
        self._catalogues = catalogues

    @property
    def interval_ns(self) -> int:
        """Between two readings of the plugin that has the fewest, the median; 0 where none has two."""
        return max(int(median([last.time_ns - first.time_ns for first, last in zip(those, those[1:])])) if len(those) > 1 else 0
                   for those in self._readings.values())

    def at(self, moment_ns: Optional[int], late: bool) -> ledger.Snapshot:
        """Each plugin's last reading at this moment or before, or its first one then or later; the outermost where there is
        none, or where the moment is None."""
        chosen = {}
        for plugin, those in self._readings.items():
            if late:
                chosen[plugin] = next((one for one in those if moment_ns is not None and one.time_ns >= moment_ns), those[-1])
            else:
                before = [one for one in those if moment_ns is not None and one.time_ns <= moment_ns]
                chosen[plugin] = before[-1] if before else those[0]
        return ledger.snapshot(chosen, self._catalogues)

    def covers(self, first_ns: int, last_ns: int) -> bool:
        """Whether every plugin has a reading at the beginning or before, and one at the end or later."""
        return all(those[0].time_ns <= first_ns and those[-1].time_ns >= last_ns for those in self._readings.values())

    def between(self, first_ns: Optional[int], last_ns: Optional[int]) -> ledger.Span:
        """The span that holds all of this time.

        :raises SourceError: the recording has not two readings there.
        """
        found = ledger.span(self.at(first_ns, False), self.at(last_ns, True))
        if not any(length > 0 for length in found.lengths.values()):
            raise SourceError("the recording has not two readings in that time")
        return found


def span_record(played: Played, first_ns: Optional[int], last_ns: Optional[int], label: str, reader: Optional[str],
                result: Optional[Result], unusable: Optional[str]) -> Dict[str, Any]:
    """A record of a span, and of what a program printed that ran in it."""
    span = played.between(first_ns, last_ns)
    began = max(played.at(first_ns, False).times.values()) if first_ns is None else first_ns
    length = (last_ns if last_ns is not None else max(played.at(None, True).times.values())) - began
    record = runs.unwatched(runs.record_of(label, 1, [], reader, Ran(0, began, max(0, length), [], {}, ""), result, unusable))
    record.update(runs.costs_of(span, None))
    record["checks"] = runs.checks(record, 0)
    return record


def again(records: Sequence[Dict[str, Any]], played: Played, idle_s: float) -> Iterator[Dict[str, Any]]:
    """The same runs with what each domain paid for them by the recording.

    :param idle_s: seconds before the first of them over which the domains are taken to have been idle.
    """
    idle: Optional[ledger.Span] = None
    if records and idle_s:
        began = min(record["began_ns"] for record in records)
        before = ledger.span(played.at(began - int(idle_s * 10 ** 9), False), played.at(began, False))
        idle = before if any(length > 0 for length in before.lengths.values()) else None
    for record in records:
        found = runs.unwatched(dict(record))
        first, last = record["began_ns"], record["began_ns"] + record["length_ns"]
        if played.covers(first, last):
            span = played.between(first, last)
            found.update(runs.costs_of(span, idle))
            found["idle_ns"] = None if idle is None else max(idle.lengths.values())
            starts, ends = played.at(first, False).times, played.at(last, True).times
            found["edges_ns"] = {plugin: [first - starts[plugin], ends[plugin] - last] for plugin in starts}
            found["checks"] = runs.checks(found, played.interval_ns)
        else:
            found["checks"] = ["the recording does not hold all of this run: no costs"]
        yield found
