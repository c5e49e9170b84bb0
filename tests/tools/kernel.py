"""What dom0's kernel does to a device's counters: a model with wraps and new beginnings, and the truth beside it."""

__all__ = ("G32", "Kernel", "near_its_end")

G32 = 1 << 32


def near_its_end(counted):
    return counted % G32 > G32 - (1 << 23)


class Kernel:
    """A device: what it has counted, and how it tells it.

    :param narrow: which of its counters have 32 bits; :param units: what one step of each is told as.
    :ivar truth: what was counted in the domain's life, since it was first seen.
    """

    def __init__(self, start, narrow, units):
        self.narrow = narrow
        self.units = units
        self.counted = [value % G32 if slim else value for value, slim in zip(start, narrow)]
        self.identity = 1
        self.truth = self.told()

    def told(self):
        return [(value % G32 if narrow else value) * unit
                for value, narrow, unit in zip(self.counted, self.narrow, self.units)]

    def count(self, steps):
        self.counted = [value + step for value, step in zip(self.counted, steps)]
        self.truth = [value + step * unit for value, step, unit in zip(self.truth, steps, self.units)]

    def begin(self, start):
        self.counted = [value % G32 if narrow else value for value, narrow in zip(start, self.narrow)]
        self.truth = [value + more for value, more in zip(self.truth, self.told())]
