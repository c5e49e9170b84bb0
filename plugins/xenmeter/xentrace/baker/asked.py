"""What a baker at work answers when it is asked, on its socket: the newest figures, closed windows, and what it is at."""
import math
import os
import time
from typing import Any, Dict, Iterator, List

from xenmeter.xentrace.baker.document import to_json
from xenmeter.xentrace.samples import window_name

__all__ = ("Asked",)


class Asked:
    """The part of a ``Bakery`` that other threads call."""

    _awake_at: float
    _baking: Any
    _finished: bool
    _governor: Any
    _lock: Any
    _remark: Any
    _resting_s: int
    _source: Any
    _told: Any

    def figures(self) -> bytes:
        """The newest ones as JSON; b"" before the first window has ended."""
        with self._lock:
            if self._told is None:
                return b""
            picture, time_ns, names = self._told
            picture = picture.frozen()
        return to_json(time_ns, picture, names, self._remark)

    def windows(self, name: str, last: int) -> Iterator[Dict[str, Any]]:
        """The last closed windows of a length (``1s``), oldest first, with all that was learnt of them since.

        ``domains`` of each are an iterator too: records are made while they are read, and the baker goes on meanwhile.
        """
        windows = self._baking.engine.accounts.windows
        for length, closed in zip(windows.lengths, windows.closed):
            if window_name(length) == name:
                with self._lock:
                    return self._records(list(closed)[-last:])
        raise KeyError(name)

    def _records(self, closed: List[Any]) -> Iterator[Dict[str, Any]]:
        for window in closed:
            with self._lock:
                copy = window.copied()
            yield {"start_ns": copy.start + copy.offset, "length_ns": copy.length, "domains": copy.records()}

    def status(self) -> Dict[str, Any]:
        with self._lock:
            told = dict(self._told[0]["trace"] if self._told else self._baking.engine.trace())
            told["windows"] = [window_name(length) for length in self._baking.engine.accounts.windows.lengths]
            told["compiled"] = self._baking.engine.compiled
            told["source_ended"] = self._finished
            told["source"] = self._source.about()
            told["remark"] = self._remark
            told["resting_s"] = self._resting_s
            told["elapsed_ns"] = self._governor.elapsed_ns() if self._governor is not None else None
            told["rest_left_s"] = math.ceil(max(0.0, self._awake_at - time.monotonic()))
            told["process"] = os.getpid()
        return told
