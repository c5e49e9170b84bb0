"""A domain's vifs and disks of which nothing but the figures has changed: what both sources' short ways have in common."""
from operator import itemgetter, mul
from typing import Any, List, Optional, Sequence, Tuple

from xenmeter.core.counters import Devices
from xenmeter.core.identity import Life
from xenmeter.core.reading import Row

__all__ = ("Device", "Kind", "shown")

Values = Tuple[Optional[int], ...]


class Kind:
    """What a source says of a device, which is a tuple, and what of it is counted, in the order of core.counters. (planned.c has
    the same.)

    :param places: of the counters among the figures; :param units: what each counts in, None: ones.
    :param figures: the place of a tuple with the figures; None: they stand in the line itself.
    :param identity: the place of what the device is known by, where there is one.
    :param unknown: what a row has behind the counters.
    """

    __slots__ = ("pick", "units", "figures", "identity", "unknown")

    def __init__(self, places: Tuple[int, ...], units: Optional[Tuple[int, ...]] = None, figures: Optional[int] = None,
                 identity: Optional[int] = None, unknown: Values = ()) -> None:
        self.pick = itemgetter(*places)
        self.units = units
        self.figures = figures
        self.identity = identity
        self.unknown = unknown

    def counted(self, line: Any) -> Tuple[int, ...]:
        raw: Tuple[int, ...] = self.pick(line if self.figures is None else line[self.figures])
        return raw if self.units is None else tuple(map(mul, raw, self.units))


class Device:
    """A vif or disk: its counter, its newest row, what the counter gave for it, and the line that this is of, if it is known."""

    __slots__ = ("counter", "line", "row", "shown")

    def __init__(self, devices: Devices, row: Row) -> None:
        self.counter = devices.known[row[1][0]]
        self.line: Any = None
        self.row = row
        self.shown = self.counter.shown


def shown(life: Life, devices: List[Device], lines: Sequence[Any], kind: Kind, now_ns: int, table: List[Row]) -> Optional[Values]:
    """The devices' rows; what the counter of the last one gives, None where each gives what it gave.

    Rows whose figures have not changed are the same objects again: publishers are quick about them.
    """
    changed, values = False, None
    for device, line in zip(devices, lines):
        if line == device.line and device.counter.doubts is None:     # nothing to judge: it is as it was
            device.counter.at = now_ns
            table.append(device.row)
            continue
        device.line = line
        values = device.counter.update(kind.counted(line), now_ns, None if kind.identity is None else line[kind.identity])
        if values is not device.shown:
            changed = True
            device.shown = values
            device.row = (life.who, device.row[1], values + kind.unknown)
        table.append(device.row)
    return values if changed else None
