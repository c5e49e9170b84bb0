"""Asks the QEMUs that serve disks themselves (qdisk) for what they counted, all at once and for no longer than a moment.

A connection is made for a question and closed after the answer. QEMU serves one client of a monitor at a time, and the
other client of this one is xentop (libxenstat, ``tools/libs/stat/xenstat_qmp.c``), which waits no more than 10 ms for an
answer: a connection that we kept would take its figures away for good. Where xentop is first, we wait for our turn.
"""
import errno
import os
import select
import socket
import stat
import time
from typing import Any, Callable, Dict, Iterable, List, Optional, Set, Tuple

from xenmeter.core.errors import SourceError
from xenmeter.core.retry import pause_after
from xenmeter.core.waiting import polled
from xenmeter.xen.blkback import QDISK, Disk
from xenmeter.xen.qmp import Talk, DiskCounters

__all__ = ("Qdisks", "merged", "unlike", "FOLDER", "PATIENCE_S")

FOLDER = "/var/run/xen"
#: Seconds for all QEMUs together in one reading; they are asked side by side.
PATIENCE_S = 0.5
_AT_ONCE = 64           # connections: a process may have 1024 open files
#: Bytes of all QEMUs together in one reading: three thousand disks.
_MOST = 16 << 20


class Qdisks:
    """The QEMUs of this host.

    One that does not answer, or not as QEMU does, rests before it is asked again, the longer the more often it failed.

    :param folder: where the sockets are; :ivar patience: seconds for a reading.
    :param clock: ``float`` seconds that never run backwards.
    :ivar failures: domid -> why it was not told in the last reading, in one line.
    :ivar failed: how many of them failed in it; the others rest.
    """

    def __init__(self, folder: str = FOLDER, patience: float = PATIENCE_S, clock: Callable[[], float] = time.monotonic) -> None:
        self.failures: Dict[int, str] = {}
        self.failed = 0
        self._folder = folder
        self.patience = patience
        self._clock = clock
        self._resting: Dict[int, Tuple[int, float, str]] = {}  # domid -> (failures in a row, until, why)

    def read(self, domids: Iterable[int]) -> Dict[int, Dict[str, DiskCounters]]:
        """domid -> device name -> DiskCounters, of those that answered."""
        wanted = sorted(domids)
        now = self._clock()
        self._resting = {domid: self._resting[domid] for domid in wanted if domid in self._resting}
        resting = {domid: why for domid, (_, until, why) in self._resting.items() if until > now}
        asking = _Asking(self._folder, now + self.patience, self._clock)
        answers = asking.ask([domid for domid in wanted if domid not in resting]) if len(resting) < len(wanted) else {}
        self.failures = dict(resting)
        self.failed = 0
        now = self._clock()
        for domid, (why, asked) in asking.failures.items():
            self.failures[domid] = "%s; the counters of its disks are not told" % why
            self.failed += 1
            if asked:
                before = self._resting.get(domid, (0,))[0]
                self._resting[domid] = (before + 1, now + pause_after(before), self.failures[domid])
        for domid in answers:
            self._resting.pop(domid, None)
        return answers


class _Asking:
    """One round.

    :ivar failures: domid -> (why, whether it was asked at all).
    """

    def __init__(self, folder: str, end: float, clock: Callable[[], float]) -> None:
        self.failures: Dict[int, Tuple[str, bool]] = {}
        self._folder = folder
        self._end = end
        self._clock = clock
        self._found: Dict[int, Dict[str, DiskCounters]] = {}
        self._open: Dict[int, Tuple[int, socket.socket, Talk]] = {}  # by file descriptor
        self._poll = select.poll()
        self._taken = 0         # bytes

    def ask(self, domids: List[int]) -> Dict[int, Dict[str, DiskCounters]]:
        waiting = domids[::-1]
        try:
            while waiting or self._open:
                while waiting and len(self._open) < _AT_ONCE:
                    self._connect(waiting.pop())
                if not self._open:
                    break       # none was there to wait for
                left = self._end - self._clock()
                if left <= 0:
                    break
                for file, _ in polled(self._poll, left):
                    if self._clock() >= self._end or self._taken > _MOST:
                        break       # what one QEMU sends takes time to read, and there may be many
                    self._readable(file)
                if self._taken > _MOST:
                    break
            for domid, _, _ in list(self._open.values()):
                self._fail(domid, "QEMU does not answer in time")
            for domid in waiting:
                self._fail(domid, "there was no time left to ask QEMU", asked=False)
        finally:
            for _, connection, _ in self._open.values():
                connection.close()
        return self._found

    def _path(self, domid: int) -> str:
        return "%s/qmp-libxenstat-%d" % (self._folder, domid)

    def _connect(self, domid: int) -> None:
        path = self._path(domid)
        connection = None
        try:
            status = os.lstat(path)
            if not stat.S_ISSOCK(status.st_mode) or status.st_uid not in (0, os.geteuid()):
                self._fail(domid, "is no socket of root's")
                return
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.setblocking(False)
            connection.connect(path)
        except OSError as error:
            if connection is not None:
                connection.close()
            busy = error.errno == errno.EAGAIN
            self._fail(domid, "others wait for QEMU, too" if busy else error.strerror or str(error))
            return
        self._open[connection.fileno()] = (domid, connection, Talk())
        self._poll.register(connection, select.POLLIN)

    def _readable(self, file: int) -> None:
        domid, connection, talk = self._open[file]
        try:
            data = connection.recv(65536)
            self._taken += len(data)
            if not data:
                raise SourceError("QEMU hung up before its answer was whole")
            reply = talk.feed(data)
            if reply and connection.send(reply) < len(reply):
                raise SourceError("QEMU does not take a question")
        except SourceError as error:
            self._fail(domid, str(error))
        except OSError as error:
            self._fail(domid, error.strerror or str(error))
        else:
            if talk.disks is None:
                return
            self._found[domid] = talk.disks
        self._poll.unregister(file)
        del self._open[file]
        connection.close()

    def _fail(self, domid: int, why: str, asked: bool = True) -> None:
        self.failures[domid] = ("%s: %s" % (self._path(domid), why), asked)


def merged(disks: List[Disk], facts: Any, answer: Optional[Dict[str, DiskCounters]]) -> List[Disk]:
    """A domain's disks whoever serves them, by device number; those of QEMU's that it did not tell have no counters.

    :param disks: those in sysfs; :param facts: its xen.domains.DomainFacts, or None; :param answer: QEMU's, or None.
    """
    if facts is None or not facts.qdisks:
        return disks
    known = {disk.dev for disk in disks}
    qdisks = [Disk(QDISK, dev, *(answer or {}).get(facts.vbds[dev], (None, None))) for dev in facts.qdisks if dev not in known]
    return sorted(disks + qdisks, key=lambda disk: disk.dev)


def unlike(facts: Any, answer: Dict[str, DiskCounters]) -> Set[str]:
    """Names of disks that only one of xenstore's facts and QEMU's answer has: one was plugged in or out since."""
    return {facts.vbds[dev] for dev in facts.qdisks}.symmetric_difference(answer)
