"""Where an iteration of ``xentop -b`` ends: it prints no mark, only a header line, and with -r one before every row."""
from typing import List, Optional, Set, Tuple

from xenmeter.xentop.text.lineends import STAND_IN
from xenmeter.xentop.text.records import DomainRow, Iteration

__all__ = ("Boundaries",)


class Boundaries:
    """Decides, row by row, what begins an iteration; learns from the stream whether -r is on.

    :ivar headed: a header came and no row since.
    :ivar repeats: a header came inside an iteration: -r.
    :ivar plain: a row came without a header of its own: no -r, each header starts an iteration.
    """

    def __init__(self) -> None:
        self.headed = False
        self.repeats = False
        self.plain = False
        self._header_at = 0             # number of the iteration's row that had the last header
        self._seen: Optional[Set[bytes]] = None  # names of the iteration, where headers do not tell

    def must_be_asked(self) -> bool:
        """False while a row can only be one more of its iteration: nearly always."""
        return self.headed or self._seen is not None

    def ended(self) -> None:
        """The iteration is over, whatever comes."""
        self._seen = None

    def watch(self, rows: List[DomainRow]) -> None:
        """A line was lost, perhaps a header: from here on names must tell."""
        if self._seen is None:
            self._seen = {row.name.lower() for row in rows}

    def place(self, name: bytes, iteration: Optional[Iteration], after_garbage: bool) -> Tuple[int, bool]:
        """Where a row belongs.

        :param iteration: the one in hand, or None.
        :param after_garbage: lines just before the row were skipped; its header may be one of them.
        :returns: how many rows at the iteration's start now turn out to be an iteration of their own, and whether this
            row begins the next.
        """
        split = 0
        if not (self.headed or after_garbage or self.plain):
            # no -r: a header that was taken for one of -r's began an iteration
            self.plain = True
            if iteration is not None and 0 < self._header_at < len(iteration.rows):
                split = self._header_at
                self._seen = None
        begins = iteration is None or self._begins(name, iteration)
        self.repeats = self.repeats or self.headed and not begins
        if begins:
            self._seen = None if self.plain else set()
        if self.headed:
            self._header_at = 0 if begins or iteration is None else len(iteration.rows)
        self.headed = False
        if self._seen is not None:
            self._seen.add(name.lower())
        return split, begins

    def _begins(self, name: bytes, iteration: Iteration) -> bool:
        """Whether a row begins the next iteration.

        Without -r a header says so. With -r every row has one, and a lost header says nothing: then it is a name that
        was there before, or an order that goes back (rows are sorted, except a first Domain-0 under -z). Equal names
        that follow one another are two domains, unless they may as well be a host with one domain, twice; dom0 is
        in an iteration once.
        """
        if self.headed and self.plain:
            return True
        if self._seen is None or not (self.headed or iteration.skipped):
            return False
        name = name.lower()
        last = iteration.rows[-1].name.lower()
        if name in self._seen:
            again = name == b"domain-0" or len(self._seen) == 1 and not self.repeats
            return name != last or again and self.headed
        if STAND_IN in name or STAND_IN in last:
            return False        # they are not sorted as they stand here
        first_is_dom0 = len(iteration.rows) == 1 and last == b"domain-0"
        return not self.plain and name < last and b"domain-0" in self._seen and not first_is_dom0
