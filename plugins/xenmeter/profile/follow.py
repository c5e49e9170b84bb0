"""Samples to a tally, live or out of a recording: the one way for both."""
from typing import Any, Dict, Sequence, Tuple

from xenmeter.profile.sample import Remembered, Sample
from xenmeter.profile.stacks import Stack, Stacks
from xenmeter.profile.tally import Key, Tally

__all__ = ("Follower", "replay")


class Follower:
    """Makes stacks of one domain's samples.

    :param name: the domain's. :param stacks: what its frames are called by; another one may be put in its place.
    """

    def __init__(self, name: str, stacks: Stacks, tally: Tally) -> None:
        self.name = name
        self.stacks = stacks
        self._tally = tally
        #: (vCPU, time) of a sample -> its stack, until it is counted.
        self._followed: Dict[Tuple[int, int], Stack] = {}

    def follow(self, sample: Sample, word: Any) -> None:
        """While the sample's memory can be read."""
        self._followed[sample.vcpu, sample.time_ns] = self.stacks.of(sample, word)

    def count(self, sample: Sample) -> None:
        """Once it is whole, and its weight is known."""
        stack = self._followed.pop((sample.vcpu, sample.time_ns), None) or self.stacks.of(sample, Remembered(()).word)
        process = sample.task.name if sample.task is not None else "?"
        self._tally.add(Key(self.name, sample.vcpu, process, tuple(stack.frames)), sample.weight_ns, 1, stack.followed)


def replay(samples: Sequence[Sample], followers: Dict[int, Follower]) -> None:
    """Samples of a recording, by domid."""
    for sample in samples:
        follower = followers[sample.domid]
        follower.follow(sample, Remembered(sample.memory).word)
        follower.count(sample)
