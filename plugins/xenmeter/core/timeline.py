"""The one rule for stamps while the wall clock is set: which samples may be told.

A backend divides what was counted by the difference of two stamps. Every sample has the wall clock's time, right or wrong as
that is. Set back by a little, the clock comes to times that were told already; samples are held back then, until as much
time was told since as makes a rate nearly right. Set back by more, nobody wants to wait for that: samples go on at once with
the new time. What was told for the time to come stays in the backend, so that is said.
"""
from typing import Optional

__all__ = ("Timeline", "PATIENCE_NS")

#: Set back by so much or less, the clock is waited for (for three times as long), ns.
PATIENCE_NS = 300 * 10 ** 9
#: Two readings are not nearer to each other, ns: the shortest interval is 0.1 s.
_NEAREST_NS = 10 ** 7
#: Of what the clock moves it is not said, ns: NTP slews, and two clocks are not read at once.
_UNSAID_NS = 10 ** 9


class Timeline:
    """Of one source's samples, or of whatever else is told with stamps.

    :ivar steps: how often the clock was set so that it matters.
    :ivar remark: what there is to say of the newest time, in one line; or None.
    """

    def __init__(self) -> None:
        self.steps = 0
        self.remark: Optional[str] = None
        self._time: Optional[int] = None   # of what was told last
        self._steady = 0
        self._holds = False

    def takes(self, time_ns: int, steady_ns: int, gaps: bool = False) -> bool:
        """Whether a sample is to be told.

        :param steady_ns: its time by a clock that nobody sets.
        :param gaps: that clock does not tell how long nothing was sampled (a recording's does not).
        """
        if self._time is None:
            self.tell(time_ns, steady_ns)
            return True
        passed, real = time_ns - self._time, max(0, steady_ns - self._steady)
        back = max(real - passed, -passed)
        if passed >= _NEAREST_NS and 3 * passed >= 2 * real:
            if not gaps and passed - real > max(_UNSAID_NS, real // 2):
                self._say("the clock was set forward by %s: rates from before to after it are too low" % _rounded(passed - real))
            self.tell(time_ns, steady_ns)
            return True
        if back > PATIENCE_NS and (passed <= -_NEAREST_NS or passed >= PATIENCE_NS):
            self._say("the clock was set back by %s: figures go on with the new time; those that were told with a time which is "
                      "still to come should be deleted where they are kept" % _rounded(back))
            self.tell(time_ns, steady_ns)
            return True
        if not self._holds:
            self._holds = True
            self._say("the clock was set back by %s: no figures for some time, until rates can be right again" % _rounded(back))
        return False

    def tell(self, time_ns: int, steady_ns: int) -> None:
        """It was told, whatever the rule says."""
        self._time, self._steady, self._holds = time_ns, steady_ns, False

    def _say(self, text: str) -> None:
        self.steps += 1
        self.remark = text


def _rounded(ns: int) -> str:
    return "%d s" % max(1, (ns + 5 * 10 ** 8) // 10 ** 9)
