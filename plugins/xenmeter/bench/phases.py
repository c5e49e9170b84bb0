"""Phases of a run, where the program names them while it works: from the lines that it prints to the moments they begin."""
import re
from typing import List, NamedTuple, Optional, Sequence, Tuple

__all__ = ("Phase", "phases_of", "PHASES")


class Phase(NamedTuple):
    """A part of a run, ns since it began."""

    name: str
    began_ns: int
    ended_ns: int


#: By reader: lines that begin a phase, with the group ``name``. A program writes some of them when the phase has ended
#: (``Rewriting...done``); its line comes in one piece then, so the phase began where the one before had ended.
PHASES: dict = {
    "bonnie++": (re.compile(r"(?P<name>(?:Writing|Reading|Rewriting|Create|Stat|Delete|start)[a-z' -]*?)\.\.\..*done"), True),
    "unixbench": (re.compile(r"\d+ x (?P<name>\S.*?)  +1\b"), True),
    "sysbench": (re.compile(r"Threads (?P<name>started)!"), False),
}


def phases_of(reader: Optional[str], lines: Sequence[Tuple[str, int, str]], length_ns: int) -> List[Phase]:
    """The phases of a run; none where its program names none.

    :param lines: (stream, ns since the run began, text), as the runner keeps them.
    """
    if reader not in PHASES:
        return []
    pattern, at_end = PHASES[reader]
    found = [(match.group("name").strip(), time) for match, time in (
        (pattern.search(text), time) for _, time, text in lines) if match is not None]
    phases = []
    for number, (name, time) in enumerate(found):
        if at_end:
            phases.append(Phase(name, found[number - 1][1] if number else 0, time))
        else:
            phases.append(Phase(name, time, found[number + 1][1] if number + 1 < len(found) else length_ns))
    return [phase for phase in phases if phase.ended_ns > phase.began_ns]
