"""Domains' names that hold line ends, in xentop's text.

xentop prints names as they are. A name may look like a row of another domain's, with line ends around it; but xenstore tells
the names, so that those which hold line ends are found in the text before it is taken apart.
"""
import re
from typing import FrozenSet, Iterable, Optional, Pattern

__all__ = ("LineEnds", "STAND_IN", "with_line_ends")

#: No name in xenstore holds it.
STAND_IN = b"\0"
#: Of a name without xentop's -f, bytes.
_CUT = 10
#: What is kept back, bytes: a name (4096 at the most in xenstore) with what comes before and after it is shorter.
_KEPT = 8192


def with_line_ends(names: Iterable[bytes]) -> FrozenSet[bytes]:
    return frozenset([name for name in names if b"\n" in name])


class LineEnds:
    """Puts ``STAND_IN`` in the place of each line end in a known name.

    :ivar names: the known ones; :ivar stand_ins: these names as they are then, without leading blanks.
    """

    def __init__(self) -> None:
        self.names: FrozenSet[bytes] = frozenset()
        self.stand_ins: FrozenSet[bytes] = frozenset()
        self._pattern: Optional[Pattern[bytes]] = None
        self._held = b""                # begins at a line's beginning

    def __bool__(self) -> bool:
        return self._pattern is not None or bool(self._held)

    def know(self, names: FrozenSet[bytes]) -> None:
        if names == self.names:
            return
        self.names = names
        printed = with_line_ends([name.lstrip(b" ") for name in names] + [name[:_CUT].lstrip(b" ") for name in names])
        self.stand_ins = frozenset([name.replace(b"\n", STAND_IN) for name in printed])
        self._pattern = re.compile(rb"^ *(?:%s)(?=(?:--incoming|--migratedaway)? [d-][s-][b-][c-][p-][r-] +\d)" % b"|".join(
            [re.escape(name) for name in sorted(printed, key=len, reverse=True)]), re.MULTILINE) if printed else None

    def take(self, data: bytes) -> bytes:
        """What of it, and of what was held, can be taken apart: a name that has begun is waited for."""
        text = self._replaced(self._held + data)
        end = text.rfind(b"\n", 0, max(0, len(text) - _KEPT)) + 1 if self._pattern is not None else len(text)
        self._held = text[end:]
        return text[:end]

    def rest(self) -> bytes:
        """What is held: nothing more comes for now."""
        text, self._held = self._replaced(self._held), b""
        return text

    @property
    def holds(self) -> bool:
        return bool(self._held)

    def _replaced(self, text: bytes) -> bytes:
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda match: match.group().replace(b"\n", STAND_IN), text)
