"""What the screen asks of a running baker beside its figures: the minute before, and whether it rests just now."""
import math
import threading
import time
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from xenmeter.core.errors import SourceError
from xenmeter.xentrace.baker.control import ask
from xenmeter.xentrace.samples import window_name

__all__ = ("Live", "Rest")


class Rest(NamedTuple):
    """Seconds until it observes again; and ns that it has observed, of how many."""

    left_s: int
    observed_ns: int
    elapsed_ns: int


#: Windows of the past that are asked for, and domains in all of them together.
_PAST, _MOST = 61, 12000


class Live:
    """:param source: a ``Baked``; :param shared: the baker's shared file, beside which its socket is.

    :param ignored: options that were given for a baker of our own, as they were written; or nothing.
    """

    def __init__(self, source: Any, shared: str, ignored: str = "") -> None:
        self._source = source
        self._socket = shared + ".sock"
        self._ignored = ignored
        self._next = 0.0
        self._asking: Optional[threading.Thread] = None
        self._answer: Tuple[float, Optional[Rest]] = (0.0, None)

    @property
    def note(self) -> str:
        """What to know about whose baker it is, or nothing."""
        return "a baker runs here already: %s would be for one of our own" % self._ignored if (
            self._ignored and self._source.others) else ""

    def past(self, first: Any) -> List[Dict[str, Any]]:
        """Its windows of the last minute; none where it does not answer. Fewer of a large host."""
        try:
            windows = ask(self._socket, get="windows", window=window_name(first.length),
                        last=max(2, min(_PAST, _MOST // (1 + len(first.domains)))))
        except SourceError:
            return []
        return windows if isinstance(windows, list) else []

    def rest(self, wait: float = 0.0) -> Optional[Rest]:
        """Whether it rests, as its last answer tells; None where it does not, or has not said.

        It is asked in a thread, and at most once a second: a baker that hangs must not hang the screen.

        :param wait: seconds for an answer.
        """
        now = time.monotonic()
        if now >= self._next and (self._asking is None or not self._asking.is_alive()):
            self._next = now + 1
            self._asking = threading.Thread(target=self._ask, name="xenmeter-ask", daemon=True)
            self._asking.start()
        if wait and self._asking is not None:
            self._asking.join(wait)
        asked, rest = self._answer
        since = time.monotonic() - asked
        if rest is None or since >= rest.left_s:
            return None
        return Rest(math.ceil(rest.left_s - since), rest.observed_ns, rest.elapsed_ns + int(since * 1e9))

    def _ask(self) -> None:
        asked = time.monotonic()
        try:
            status = ask(self._socket, get="status")
            self._answer = asked, Rest(*[int(status[name]) for name in ("rest_left_s", "span_ns", "elapsed_ns")])
        except (SourceError, LookupError, TypeError, ValueError, ArithmeticError):     # none, or of another version
            self._answer = asked, None
