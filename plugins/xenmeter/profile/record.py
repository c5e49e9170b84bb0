"""Raw samples of guests beside what else is recorded, for ``xenmeter record --profile``: they hold bytes of the guests' stacks,
so their file has mode 0600.
"""
import os
import threading
from typing import Any, Callable, Dict, List, Optional

from xenmeter.core import files
from xenmeter.core.clock import now_ns
from xenmeter.core.errors import SourceError, XenmeterError
from xenmeter.profile import recorded
from xenmeter.profile.session import Session
from xenmeter.profile.tally import Tally

__all__ = ("ProfileRecorder", "FILE", "of_session")

FILE = "profile.samples"
_HZ, _SHARE = 49.0, 0.05
_LONGEST_S = 366 * 86400.0


def of_session(session: Session, path: str, hz: float) -> recorded.Writer:
    """A new file for a session's samples; SourceError where it cannot be written."""
    domains = [recorded.Of(guest.domid, session.names[guest.domid], session.kernels.paths[guest.domid],
                           guest.kernel.build_id if guest.kernel is not None else None) for guest in session.guests]
    try:
        return recorded.Writer(files.create(path, 0o600), recorded.Head(now_ns(), hz, domains))
    except OSError as error:
        raise SourceError("%s cannot be written: %s" % (path, error.strerror))


class ProfileRecorder:
    """Writes in a thread of its own until it is closed, or no guest is left.

    :param names: domains. :ivar remarks: what to know about it, a line each.
    :raises XenmeterError: where there is nothing to profile.
    """

    def __init__(self, directory: str, names: List[str], open_session: Callable[..., Any] = Session) -> None:
        self._session = open_session(names, None, None, Tally())
        self.remarks: List[str] = []
        self._stop = threading.Event()
        self._start_ns = now_ns()
        try:
            self._writer = of_session(self._session, os.path.join(directory, FILE), _HZ)
        except BaseException:
            self._session.close()
            raise
        self._thread = threading.Thread(target=self._run, name="xenmeter-profile", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._session.run(_LONGEST_S, _HZ, _SHARE, self._stop, self._writer)
        except (XenmeterError, OSError) as error:
            self.remarks.append("the profile ends early: %s" % error)

    def close(self) -> Optional[Dict[str, Any]]:
        """End it; what the manifest says of it."""
        self._stop.set()
        self._thread.join()
        try:
            self.remarks += self._session.notes
            self._session.close()
        finally:
            try:
                self._writer.close()
            except OSError as error:
                self.remarks.append("the profile ends early: %s" % error.strerror)
        return {"file": FILE, "start_ns": self._start_ns, "end_ns": now_ns()}
