"""Whose the domains of a running trace are, and which of them have gone while nobody looked."""
import time
from typing import Any, Callable, Dict, Optional

from xenmeter.core.errors import SourceError
from xenmeter.xen.domains import Unreadable

__all__ = ("Directory",)

#: Seconds between two questions where no domain came or went.
_SELDOM = 10.0


class Directory:
    """:param ask: gives a snapshot of xenstore, None where there is none, or raises SourceError."""

    def __init__(self, ask: Callable[[], Any]) -> None:
        self._ask = ask
        self._known: Any = None
        self._asked_at = self._changed_at = 0.0
        self._changes = -1
        self._uuids: Dict[int, Optional[str]] = {}      # of the domains, when they could be read last

    def names(self, changes: int) -> Any:
        """Snapshot, None or Unreadable, as it was asked last: at each border for some seconds after a domain or vCPU has come or
        gone, else seldom, for it is thousands of questions where there are many domains.

        :param changes: how often one has.
        """
        now = time.monotonic()
        if changes != self._changes:
            self._changes, self._changed_at = changes, now
        if now - self._changed_at <= _SELDOM or now - self._asked_at >= _SELDOM:
            self._look(now)
        return self._known

    def _look(self, now: float) -> None:
        self._asked_at = now
        try:
            self._known = self._ask()
        except SourceError as error:
            self._known = Unreadable(str(error))

    def note_lives(self) -> None:
        """From now on nobody looks."""
        known = getattr(self._known, "domains", ())
        self._uuids = {one.domid: one.uuid or self._uuids.get(one.domid) for one in known} if known else self._uuids

    def leave_behind(self, accounts: Any, now: int) -> None:
        """Domains that are gone since ``note_lives``, or whose domid is another's, end now: their ends were not seen."""
        self._look(time.monotonic())
        if getattr(self._known, "domains", None) is None:
            return
        uuids = {one.domid: one.uuid for one in self._known.domains}
        for domid in sorted(accounts.domains.keys() & self._uuids.keys()):
            before, uuid = self._uuids[domid], uuids.get(domid)
            if domid not in uuids or None not in (before, uuid) and before != uuid:     # None: it cannot be read just now
                accounts.replaced(domid, now, domid in uuids)
