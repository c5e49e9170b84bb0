"""What each sample of a vCPU weighs: all of them together its CPU time exactly, and each as if any moment that it ran had been
met with the same chance.

The CPU time since the sample before would add up, too, but it is more the later a look comes after the vCPU woke: of a guest that
runs in bursts, what stands at a burst's end would weigh too much (of 15 ms in 75, the first tenth 6 % and not 10). So a sample
counts by how fast the vCPU ran around it: its CPU time in the two spans from look to look beside it, over their length. A span at
whose other end it was blocked does not tell, for it stopped or began somewhere within; where both do not, it ran for what it ran
in both, and one look falls on half of their length. The samples of some seconds share the CPU time of those seconds by that.
Where bursts and rests are both as long as the time between looks, some of the error stays (of 10 ms in 20: 8.5 %).
"""
from typing import Any, List, NamedTuple, Optional, Tuple

__all__ = ("Weights",)

#: Parts of a whole: rates are integers from here on, so that sums are exact.
_WHOLE = 1 << 20


class _Look(NamedTuple):
    at: float           # seconds
    cpu_ns: int
    awake: bool


class Weights:
    """Of one vCPU. :param at: seconds of any clock. :param cpu_ns: its CPU time then, ns, from which on it is weighed."""

    def __init__(self, at: float, cpu_ns: int) -> None:
        self._first = self._told = cpu_ns           # until where it was given to samples
        self._looks: List[_Look] = [_Look(at, cpu_ns, False)]
        self._samples: List[Tuple[Any, int]] = []   # and the number of the look that each was taken at
        self._left_out = 0, 0.0
        self._sampled = cpu_ns

    def look(self, at: float, cpu_ns: Optional[int], awake: bool) -> bool:
        """Whether it has run since its last sample. :param cpu_ns: None where nobody says; a moment that another pCPU's clock
        lags by is made up for."""
        ns, seconds = self._left_out
        last = self._looks[-1]
        self._looks.append(_Look(at - seconds, last.cpu_ns if cpu_ns is None else max(cpu_ns - ns, last.cpu_ns), awake))
        return self._looks[-1].cpu_ns > self._sampled

    def add(self, sample: Any) -> None:
        """One that was taken at the look before."""
        self._samples.append((sample, len(self._looks) - 1))
        self._sampled = self._looks[-1].cpu_ns

    def leave_out(self, at: float, cpu_ns: int) -> None:
        """All between the last look and now is not of the profile."""
        ns, seconds = self._left_out
        last = self._looks[-1]
        self._left_out = max(cpu_ns - last.cpu_ns, ns), max(at - last.at, seconds)

    @property
    def seen_ns(self) -> int:
        """CPU time until the last look, of that which is weighed."""
        return self._looks[-1].cpu_ns - self._first

    def settled(self, ended: bool = False) -> List[Any]:
        """The samples whose weight is known, with it; before the end not that of the last look, for which the next one counts."""
        most = len(self._looks) - (0 if ended else 1)
        ready = [(sample, number) for sample, number in self._samples if number < most]
        weights: List[int] = []
        if ready:
            end = self._looks[-1].cpu_ns
            weights, self._told = _shares(end - self._told, [self._rate(number) for _, number in ready]), end
        self._samples = [(sample, 1) for sample, number in self._samples if number >= most]
        # the last look is the next span's begin; where its sample is still held, so is the look before it
        self._looks = self._looks[-2:] if self._samples else self._looks[-1:]
        return [sample._replace(weight_ns=weight) for (sample, _), weight in zip(ready, weights)]

    def rest(self) -> int:
        """ns that no sample was there for; they are given away with this question."""
        left, self._told = self._looks[-1].cpu_ns - self._told, self._looks[-1].cpu_ns
        return left

    def _rate(self, number: int) -> int:
        """How fast it ran around a look, of ``_WHOLE``."""
        look = self._looks[number]
        beside = self._looks[max(number - 1, 0):number] + self._looks[number + 1:number + 2]
        spans = [(abs(one.cpu_ns - look.cpu_ns), abs(one.at - look.at), one.awake) for one in beside]
        both = [span for span in spans if span[2]]
        ran, long = (sum(span[place] for span in both or spans) for place in (0, 1))
        if not both:
            long /= 2
        return max(1, min(_WHOLE, int(_WHOLE * ran / (1e9 * long)) if long > 0 else _WHOLE))


def _shares(whole: int, rates: List[int]) -> List[int]:
    """``whole`` in parts as the rates are, which add up to it."""
    parts: List[int] = []
    total, so_far = sum(rates), 0
    for rate in rates:
        before = whole * so_far // total
        so_far += rate
        parts.append(whole * so_far // total - before)
    return parts
