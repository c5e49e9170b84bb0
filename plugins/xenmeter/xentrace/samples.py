"""What xentrace's sources hand over: the baker's figures, live or of a recording, and what must be said about them."""
from typing import Any, NamedTuple, Optional

from xenmeter.xentrace.engine.columns import DOMAIN
from xenmeter.xentrace.engine.picture import Picture

__all__ = ("Sample", "NO_SLICES", "about_slices", "window_name")

#: Said where allocation was asked for.
NO_SLICES = ("there are no time slices in this trace so far; `xenmeter baker --allocation` and `xentrace -e 0x00169000` "
             "trace them")
#: The column of how many there are.
_SLICES = DOMAIN.index("allocations")


class Sample(NamedTuple):
    """What a source hands over. ``figures`` are those of ``Baking``; ``names`` a snapshot of xenstore, None where there is
    no xenstore, or Unreadable; ``remark`` what must be said about all of it, or None.
    """

    time_ns: int
    figures: Picture
    names: Any
    remark: Optional[str]


def window_name(length_ns: int) -> str:
    """``1s``, ``10s``, ``0.25s``: the tag ``window``."""
    return ("%d.%09d" % divmod(length_ns, 10 ** 9)).rstrip("0").rstrip(".") + "s"


def about_slices(figures: Picture) -> Optional[str]:
    """Why there is no allocation, for who has asked for it; None where there is."""
    return None if any(row[_SLICES] for row in figures.domain_rows()) else NO_SLICES
