"""What to say in a log, and when: each thing once, and an error again after it had passed; never often.

Of one fault there is one line: what a source says on its way back (a child that cannot be started yet, a baker that has nothing
yet) is a line of its own only if it stays so.

Texts that differ only in their numbers and names are of one kind, and of each kind there is a line an hour: what a guest can
make change at each interval, or what comes and goes, does not fill a disk.
"""
import re
import time
from typing import Any, Callable, Dict, Optional, Set

from xenmeter.core.errors import told
from xenmeter.core.pipeline import Pipeline

__all__ = ("LogOnce", "Hourly", "HOUR")

#: Seconds between two lines of one kind.
HOUR = 3600.0
#: Seconds after which another error that came in the place of one is said, too.
LASTS = 60.0
_VARIES = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[0-9a-f]{4,}(?:-[0-9a-f]{4,})+|\d+""")
_KINDS = 256


def kind_of(text: str) -> str:
    """A text without what varies in it."""
    return _VARIES.sub("#", text[:2000])


class Hourly:
    """Says whether a line may be said now, and takes it as said."""

    def __init__(self) -> None:
        self._last: Dict[str, float] = {}

    def may(self, text: str) -> bool:
        kind, now = kind_of(text), time.monotonic()
        if kind in self._last and now < self._last[kind] + HOUR:
            return False
        if len(self._last) >= _KINDS:
            self._last = {said: when for said, when in self._last.items() if now < when + HOUR}
        if len(self._last) >= _KINDS:
            return False        # so many kinds within an hour are somebody's doing
        self._last[kind] = now
        return True


class LogOnce:
    """Keeps a log quiet.

    :param say: ``say(level, text)``; levels are ``E``, ``W`` and ``I``.
    """

    def __init__(self, say: Callable[[str, str], Any]) -> None:
        self._say = say
        self._said: Set[str] = set()
        self._hourly = Hourly()
        self._error = ""        # the kind of what is wrong now
        self._told = False      # whether one was said since samples came last
        self._due: Optional[float] = None   # when it is to be said, monotonic; None: it was

    def once(self, level: str, text: str) -> None:
        if text not in self._said and self._hourly.may(text):
            if len(self._said) > _KINDS:
                self._said.clear()
            self._said.add(text)
            self._say(level, text)

    def about(self, pipeline: Pipeline) -> None:
        """Say what is wrong with a pipeline now. A new error is also counted by its meter, each time that it is another."""
        error = "" if pipeline.error is None else told(pipeline.error)
        kind, now = kind_of(error), time.monotonic()
        if kind != self._error:
            self._due = now + (LASTS if self._error else 0) if error else None
            self._error = kind
            if error:
                pipeline.meter.error("source")
            elif self._told:
                self._told = False
                self._say("I", "samples come again")
        if self._due is not None and now >= self._due:
            self._due = None
            if self._hourly.may("error: " + error):
                self._told = True
                self._say("E", error)
        for remark in pipeline.remarks():
            self.once("W", remark)
        if pipeline.ended:
            self.once("I", "the source has ended")
