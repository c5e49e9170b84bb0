"""What to say in a log, and when: each thing once, and an error again after it had passed; never often.

Texts that differ only in their numbers and names are of one kind, and of each kind there is a line an hour: what a guest can
make change at each interval, or what comes and goes, does not fill a disk.
"""
import re
import time
from typing import Any, Callable, Dict, Set

from xenmeter.core.errors import told
from xenmeter.core.pipeline import Pipeline

__all__ = ("LogOnce", "Hourly", "HOUR")

#: Seconds between two lines of one kind.
HOUR = 3600.0
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
        self._told = False      # whether it was said

    def once(self, level: str, text: str) -> None:
        if text not in self._said and self._hourly.may(text):
            if len(self._said) > _KINDS:
                self._said.clear()
            self._said.add(text)
            self._say(level, text)

    def about(self, pipeline: Pipeline) -> None:
        """Say what is wrong with a pipeline now. A new error is also counted by its meter."""
        error = "" if pipeline.error is None else told(pipeline.error)
        kind = kind_of(error)
        if kind != self._error:
            self._error = kind
            if error:
                pipeline.meter.error("source")
                self._told = self._hourly.may("error: " + error)
                if self._told:
                    self._say("E", error)
            elif self._told:
                self._say("I", "samples come again")
        for remark in pipeline.remarks():
            self.once("W", remark)
        if pipeline.ended:
            self.once("I", "the source has ended")
