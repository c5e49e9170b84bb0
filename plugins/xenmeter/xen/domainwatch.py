"""Whether a domain has come or gone since the last question, for nothing: xenstored says so by itself.

Its watches ``@introduceDomain`` and ``@releaseDomain`` fire when a domain is introduced, and when one has shut down or has
died (Xen's VIRQ_DOM_EXC, which xenstored owns). A question here is one read of a socket, no hypercall.
"""
import time
from typing import Any, Callable, Optional

from xenmeter.core.errors import SourceError

__all__ = ("DomainWatch", "REST_S")

#: Seconds after a failure in which xenstored is not asked again.
REST_S = 30.0

_SPECIAL = (b"@introduceDomain", b"@releaseDomain")


class DomainWatch:
    """Watches domains over a connection of its own, opened at the first question and again after a failure.

    :param open_store: gives a ``xen.xenstore.Xenstore``.
    :param clock: ``float`` seconds that never run backwards.
    """

    def __init__(self, open_store: Callable[[], Any], clock: Callable[[], float] = time.monotonic) -> None:
        self._open = open_store
        self._clock = clock
        self._store: Optional[Any] = None
        self._due = clock()

    def changed(self) -> bool:
        """False only where the watches stand and none has fired since the last question: then the list is as it was."""
        if self._store is not None:
            try:
                return self._store.fired()
            except SourceError:
                self.close()    # what happened meanwhile is not known
        if self._clock() >= self._due:
            self._due = self._clock() + REST_S
            self._store = self._open()
            try:
                self._store.watch(_SPECIAL)
            except SourceError:
                self.close()
        return True

    def close(self) -> None:
        store, self._store = self._store, None
        if store is not None:
            store.close()
