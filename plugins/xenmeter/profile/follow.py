"""Samples to a tally, live or out of a recording: the one way for both."""
from typing import Any, Dict, Optional, Sequence

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
        self._stack: Optional[Stack] = None

    def follow(self, sample: Sample, word: Any) -> None:
        """While the sample's memory can be read."""
        self._stack = self.stacks.of(sample, word)

    def count(self, sample: Sample) -> None:
        """Once it is whole."""
        stack, self._stack = self._stack or self.stacks.of(sample, Remembered(()).word), None
        process = sample.task.name if sample.task is not None else "?"
        self._tally.add(Key(self.name, sample.vcpu, process, tuple(stack.frames)), sample.weight_ns, 1, stack.followed)


def replay(samples: Sequence[Sample], followers: Dict[int, Follower]) -> None:
    """Samples of a recording, by domid."""
    for sample in samples:
        follower = followers[sample.domid]
        follower.follow(sample, Remembered(sample.memory).word)
        follower.count(sample)
