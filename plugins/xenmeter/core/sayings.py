"""What to say in a log, and when: each thing once, and an error again after it had passed."""
from typing import Callable, Set

from xenmeter.core.errors import told
from xenmeter.core.pipeline import Pipeline

__all__ = ("Sayings",)


class Sayings:
    """Keeps a log quiet.

    :param say: ``say(level, text)``; levels are ``E``, ``W`` and ``I``.
    """

    def __init__(self, say):
        # type: (Callable[[str, str], None]) -> None
        self._say = say
        self._said = set()      # type: Set[str]
        self._error = ""

    def once(self, level, text):
        # type: (str, str) -> None
        if text not in self._said:
            if len(self._said) > 256:
                self._said.clear()
            self._said.add(text)
            self._say(level, text)

    def about(self, pipeline):
        # type: (Pipeline) -> None
        """Say what is wrong with a pipeline now. A new error is also counted by its meter."""
        error = "" if pipeline.error is None else told(pipeline.error)
        if error != self._error:
            self._error = error
            if error:
                pipeline.meter.error("source")
                self._say("E", error)
            else:
                self._say("I", "samples come again")
        for remark in pipeline.remarks():
            self.once("W", remark)
        if pipeline.ended:
            self.once("I", "the source has ended")
