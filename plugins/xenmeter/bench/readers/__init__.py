"""Readers of benchmark programs: what a program printed -> its figures and the work done, or why the run does not count.

A reader is a pure function ``(out, err, status) -> Result`` of the program's whole standard output, its standard error and its
exit status. Statuses lie (each reader says how), so it judges by what the program says, and takes nothing of a text that is cut.
"""
import os
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence

from xenmeter.bench.readers import compute, disk, network, web
from xenmeter.bench.readers.pattern import pattern_reader
from xenmeter.bench.results import Result, Unusable
from xenmeter.core.errors import BadOption

__all__ = ("Reader", "READERS", "reader_of", "reader_named", "result_of")


class Reader(NamedTuple):
    name: str
    programs: Sequence[str]    # the names under which it is started
    read: Callable[[str, str, int], Result]
    #: CPUs that it can use at the most, from what it printed: a client that uses them all measures itself. None: it is no client.
    threads: Optional[Callable[[str], int]] = None


#: Above this no figure is one.
_LARGEST = 1e300


def result_of(reader: Reader, out: str, err: str, status: int) -> Result:
    """What a reader makes of an output; Unusable also where a figure of it is no finite number, or no number at all."""
    try:
        result = reader.read(out, err, status)
    except (ValueError, OverflowError, ZeroDivisionError) as error:
        raise Unusable("%s: a figure that it printed is none: %.100s" % (reader.name, error))
    for what, value in [(figure.name, figure.value) for figure in result.figures] + (
            [("its work", result.work.amount)] if result.work else []):
        if value is not None and not -_LARGEST <= value <= _LARGEST:
            raise Unusable("%s: %s is %g, which is no figure" % (reader.name, what, value))
    return result


def _single(out: str) -> int:
    return 1


READERS: Dict[str, Reader] = {reader.name: reader for reader in (
    Reader("ab", ("ab",), web.ab, _single),
    Reader("bonnie++", ("bonnie++",), disk.bonnie),
    Reader("fio", ("fio",), disk.fio),
    Reader("httperf", ("httperf",), web.httperf, _single),
    Reader("hyperfine", ("hyperfine",), compute.hyperfine),
    Reader("iperf3", ("iperf3",), network.iperf3, _single),
    Reader("netperf", ("netperf",), network.netperf, _single),
    Reader("povray", ("povray",), compute.povray),
    Reader("stress-ng", ("stress-ng",), compute.stress_ng),
    Reader("sysbench", ("sysbench",), compute.sysbench),
    Reader("unixbench", ("Run", "unixbench"), compute.unixbench),
    Reader("wrk", ("wrk",), web.wrk, web.wrk_threads),
)}

_BY_PROGRAM = {program: reader for reader in READERS.values() for program in reader.programs}


def reader_of(command: Sequence[str]) -> Optional[Reader]:
    """The reader of the first word that is a known program's: ``ssh web1 env X=1 fio job`` is fio's; None where none is.

    A word may be a whole command line of its own, as ``ssh`` and ``sh -c`` take it.
    """
    words: List[str] = []
    for part in command:
        words.extend(part.split())
    for word in words:
        reader = _BY_PROGRAM.get(os.path.basename(word))
        if reader is not None:
            return reader
    return None


def reader_named(text: str) -> Reader:
    """What ``--reader`` takes: a reader's name, or a regular expression with a group ``value``; raises BadOption else."""
    if text in READERS:
        return READERS[text]
    if "(?P<value>" in text:
        return Reader("pattern", (), pattern_reader(text))
    raise BadOption("--reader %s is none of %s, and no regular expression with a group (?P<value>...)" % (
        text, ", ".join(sorted(READERS))))
