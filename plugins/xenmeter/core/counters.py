"""Counters that stay monotonic for as long as a domain lives, whatever its devices do.

A backend takes a counter that falls for a restart from zero. That is right for a domain that was rebooted; but a vif
that is unplugged and plugged again within one life would look like a spike of all it ever counted.
"""
from operator import add, lt
from typing import Dict, Hashable, Optional, Tuple

__all__ = ("Monotonic", "Devices")


class Monotonic:
    """A tuple of raw counters that are reset together (one device); gives a tuple that never falls.

    A fall of any of them means that the device began again at zero: what it had counted before is kept and added.
    """

    __slots__ = ("raw", "base", "total")

    def __init__(self):
        # type: () -> None
        self.raw = None     # type: Optional[Tuple[int, ...]]
        self.base = None    # type: Optional[Tuple[int, ...]]
        self.total = None   # type: Optional[Tuple[int, ...]]

    def update(self, raw):
        # type: (Tuple[int, ...]) -> Tuple[int, ...]
        if raw == self.raw:
            return self.total
        if self.raw is not None and True in map(lt, raw, self.raw):
            self.base = self.total
        self.raw = raw
        self.total = total = raw if self.base is None else tuple(map(add, raw, self.base))
        return total


class Devices:
    """The devices of one kind of one domain life, gone ones included, so that their sum never falls either."""

    __slots__ = ("known",)

    def __init__(self):
        # type: () -> None
        self.known = {}     # type: Dict[Hashable, Monotonic]

    def update(self, device, raw):
        # type: (Hashable, Tuple[int, ...]) -> Tuple[int, ...]
        counter = self.known.get(device)
        if counter is None:
            counter = self.known[device] = Monotonic()
        return counter.update(raw)

    def total(self, width):
        # type: (int) -> Tuple[int, ...]
        """The sum over all devices ever seen in this life, as a tuple of ``width`` counters."""
        if len(self.known) == 1:
            for counter in self.known.values():
                return counter.total
        totals = [counter.total for counter in self.known.values()]
        return tuple(map(sum, zip(*totals))) if totals else (0,) * width
