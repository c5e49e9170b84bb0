"""What can be told of one counter that does not rise as it did: whether it wrapped around, and by how much it has then risen.

What is seen in the field: counters of 32 bits in kernels of 64 (netback's before Linux 4.11, which are added up over a
vif's queues, so that the sum falls by 2^32 wherever it stands; blkback's before 3.8, negative from 2^31 on); sectors read
that are nothing but what lay on the stack (libxenstat of Xen 4.13.0 to .3, 4.14.0 to .2, 4.15.0); halves of a figure on
hosts of 32 bits.
"""
from typing import Any, Tuple

__all__ = ("room_for", "wrapped", "is_exception")

#: How far counters count, and how many of them, added up, may wrap in one reading (a vif has a queue per vCPU).
_WRAPS = ((1 << 32, 16), (1 << 64, 1))
_SMALL = 1 << 20        # a step that any counter may take, whatever its pace was


def room_for(elapsed_ns: int, more: int) -> int:
    """What no device counts in this time: 4 TiB, and 64 GiB for each second; stamps of one burst are no measure of time.

    :param more: of times, which many requests take at once, so many times that.
    """
    return ((1 << 42) + (max(elapsed_ns, 0) // 1000000000 << 36)) * more


def is_exception(device: Any, place: int, value: int) -> bool:
    """Whether the last figure was a peak that this one takes back. (A counter of 32 bits that wraps in each second reading
    falls no less, but not to where it was before the last one.)"""
    before, good = (None if device.before is None else device.before[place]), device.raw[place]
    if before is None or not before <= value < good:
        return False
    return (value - before) * 4 <= good - before or not wrapped(device, place, value, False)[0]


def wrapped(device: Any, place: int, value: int, beyond: bool) -> Tuple[int, bool]:
    """By how much a counter that fell has risen if it wrapped around, else 0; and whether that is sure: it is about what the
    last step was, or little.

    :param beyond: it was impossible meanwhile, as one with a sign is from 2^31 on.
    """
    good, before = device.raw[place], (None if device.before is None else device.before[place])
    pace = 0 if before is None else 4 * max(good - before, 0)
    unsure = 0
    for modulus, most in _WRAPS:
        for unit in sorted({1, device.shape.units[place]}):
            size = modulus * unit
            turns = -(-(good - value) // size)
            rise = value + turns * size - good
            if turns <= most and rise <= max(pace, _SMALL * unit):
                return rise, True
            if turns == 1 and good < size and not unsure and (beyond or rise <= size // 4):
                unsure = rise
    return unsure, False
