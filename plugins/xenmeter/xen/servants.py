"""CPU time that dom0 spends for its guests, by who spends it: the kernel's threads of their backends, tapdisk and QEMU.

The kernel has a thread per queue of a vif (``vif7.0-q0-guest-rx``, ``vif7.0-q0-dealloc``; Linux ``drivers/net/xen-netback``) and
per ring of a disk (``7.xvda-0``, before Linux 4.4 ``7.xvda``; ``drivers/block/xen-blkback``). Anybody may give a process such a
name, so only a thread of the kernel's own (PF_KTHREAD) is believed; of a process only what root's files say: xenstore which one
is a domain's QEMU, tapdisk's files in /dev/shm which it serves (xen.tapdisk). What the kernel does for a guest in interrupts is
nobody's own: it is not in it.

/proc is listed once per reading. A process that is new is looked at then and at the next reading, for it may get its name late;
the inode of its directory tells it from another one that has its number later (the listing gives it, Linux
``fs/proc/base.c`` proc_fill_cache). What serves a domain stays open and is read from its beginning again, which fails for good
when it has ended, whatever has its number then. What it used up to its last reading stays in the sum.
"""
import os
import re
from collections import deque
from itertools import compress
from operator import attrgetter
from typing import Any, Deque, Dict, List, NamedTuple, Optional, Set, Tuple

from xenmeter.core.clock import now_ns
from xenmeter.core.descriptors import to_upper_half

__all__ = ("Spent", "Servants", "PROC", "NETBACK", "BLKBACK", "TAPDISK", "QEMU", "XENSTORED")

PROC = "/proc"
NETBACK, BLKBACK, TAPDISK, QEMU, XENSTORED = "netback", "blkback", "tapdisk", "qemu", "xenstored"

#: Processes that are looked at in one reading because they are new, because they may be somebody by now, and in turns all others.
_NEW, _YOUNG, _IN_TURNS = 1024, 256, 2
_LONGEST = 1024
_PF_KTHREAD = 0x00200000        # Linux include/linux/sched.h
_VIF = re.compile(rb"vif([0-9]{1,5})\.[0-9]{1,10}-")
_DISK = re.compile(rb"(?:blkback\.)?([0-9]{1,5})\.[a-z][0-9a-z/-]*\Z")
_STORES = (b"xenstored", b"oxenstored")
#: After the name in parentheses (proc(5), which counts from the process's number on).
_FLAGS, _UTIME, _STIME, _START = 6, 11, 12, 19
_NAME = attrgetter("name")
#: Whose domain: that of no domain but of all.
ALL = -1

Owner = Tuple[int, str]     # domid or ALL, who


class Spent(NamedTuple):
    """CPU time, ns: of those who live now, since they began, and of those who have ended since we began to read."""

    living: int
    ended: int


class _Status(NamedTuple):
    name: bytes
    is_kernels: bool
    spent_ns: int
    start: int


class _Open:
    """A process that serves."""

    __slots__ = ("owner", "file", "start", "spent_ns")

    def __init__(self, owner: Owner, file: Optional[int], status: _Status) -> None:
        self.owner = owner
        self.file = file        # None: there was no room, and it is opened each time
        self.start = status.start
        self.spent_ns = status.spent_ns


class Servants:
    """Keeps the files open until :meth:`close`.

    :param proc: the directory; :param tick_ns: what a tick of its times is.
    :ivar since: when it began, which tells its sums of those who have ended from those of another one.
    """

    def __init__(self, proc: str = PROC, tick_ns: Optional[int] = None) -> None:
        self.since = now_ns()
        self._proc = proc
        self._tick_ns = tick_ns or 10 ** 9 // os.sysconf("SC_CLK_TCK")
        self._others: Dict[int, int] = {}       # which serve nobody that we know, and the inodes of their directories
        self._young: Set[int] = set()   # those of them that may serve somebody at the next reading
        self._round: Deque[int] = deque()
        self._open: Dict[int, _Open] = {}
        self._ended: Dict[Owner, int] = {}
        self._domains: Dict[int, Any] = {}

    def read(self, domains: Dict[int, Any], qemus: Dict[int, int], tapdisks: Dict[int, int]) -> Dict[Owner, Spent]:
        """By (domid, who); of xenstored by (ALL, XENSTORED). None where there is nobody.

        :param domains: those that live: domid -> what its successor under that domid would not have.
        :param qemus: domid by process, as xenstore has it; :param tapdisks: by process, as their files have it.
        """
        here = self._listed()
        self._forget(domains)
        self._go_on()
        others, young = self._others, sorted(self._young)[:_YOUNG]
        self._young.clear()
        new = sorted([number for number, _ in here.items() - others.items() if number not in self._open])[:_NEW]
        claimed = [number for number in list(qemus) + list(tapdisks) if number in here and number in others]
        for number in new:
            self._look(number, qemus, tapdisks)
            if number not in self._open:
                others[number] = here[number]
                self._young.add(number)
        for number in claimed + young + self._in_turns():
            if number in here and number not in self._open:
                self._look(number, qemus, tapdisks)
        for number in others.keys() - here.keys():
            del others[number]
        spent: Dict[Owner, List[int]] = {owner: [0, ended] for owner, ended in self._ended.items()}
        for one in self._open.values():
            spent.setdefault(one.owner, [0, 0])[0] += one.spent_ns
        return {owner: Spent(*both) for owner, both in spent.items()}

    def close(self) -> None:
        """Close the files; who they are of stays known, and is read by path."""
        for one in self._open.values():
            if one.file is not None:
                os.close(one.file)
                one.file = None

    def _listed(self) -> Dict[int, int]:
        """The inode of each process's directory, by its number: without a step of Python for each of them."""
        try:
            with os.scandir(self._proc) as found:
                entries = list(found)
        except OSError:
            return {}
        names = list(map(_NAME, entries))
        inodes = compress(map(os.DirEntry.inode, entries), map(str.isdigit, names))
        return dict(zip(map(int, filter(str.isdigit, names)), inodes))

    def _forget(self, domains: Dict[int, Any]) -> None:
        """What was done for domains that are no more."""
        for domid in [domid for domid, life in self._domains.items() if domains.get(domid) != life]:
            self._ended = {owner: ended for owner, ended in self._ended.items() if owner[0] != domid}
            for number in [number for number, one in self._open.items() if one.owner[0] == domid]:
                self._close(number)     # a thread of another life's, or one that goes just now
        self._domains = dict(domains)

    def _go_on(self) -> None:
        """Read those who are known."""
        for number, one in list(self._open.items()):
            status = self._status(number) if one.file is None else self._of(one.file)
            if status is None or status.start != one.start:
                self._ended[one.owner] = self._ended.get(one.owner, 0) + one.spent_ns
                self._close(number)
            else:
                one.spent_ns = max(one.spent_ns, status.spent_ns)

    def _in_turns(self) -> List[int]:
        """A few of those who served nobody: one may have got another name."""
        if not self._round:
            self._round.extend(self._others)
        return [self._round.popleft() for _ in range(min(_IN_TURNS, len(self._round)))]

    def _look(self, number: int, qemus: Dict[int, int], tapdisks: Dict[int, int]) -> None:
        """Whether it serves somebody; then it is open, and none of the others."""
        try:
            file = os.open("%s/%d/stat" % (self._proc, number), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return
        kept: Optional[int] = file
        try:
            status = self._of(file)
            owner = None if status is None else self._owner(number, status, os.fstat(file).st_uid, qemus, tapdisks)
            if status is None or owner is None:
                return
            if owner[0] != ALL and owner[0] not in self._domains:
                self._young.add(number)     # its domain is not listed yet, or no more
                return
            moved = to_upper_half(file)
            kept = None if moved is not None else file
            self._open[number] = _Open(owner, moved, status)
            self._others.pop(number, None)
        finally:
            if kept is not None:
                os.close(kept)

    @staticmethod
    def _owner(number: int, status: _Status, user: int, qemus: Dict[int, int], tapdisks: Dict[int, int]) -> Optional[Owner]:
        if status.is_kernels:
            for pattern, who in ((_VIF, NETBACK), (_DISK, BLKBACK)):
                match = pattern.match(status.name)
                if match:
                    return int(match.group(1)), who
            return None
        if number in qemus and status.name.startswith(b"qemu"):
            return qemus[number], QEMU
        if number in tapdisks and status.name.startswith(b"tapdisk"):
            return tapdisks[number], TAPDISK
        return (ALL, XENSTORED) if status.name in _STORES and user == 0 else None

    def _status(self, number: int) -> Optional[_Status]:
        try:
            file = os.open("%s/%d/stat" % (self._proc, number), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            return self._of(file)
        finally:
            os.close(file)

    def _of(self, file: int) -> Optional[_Status]:
        """None of a process that has ended, or whose line is none."""
        try:
            text = os.pread(file, _LONGEST, 0)
            name, _, rest = text.partition(b"(")[2].rpartition(b")")    # a name may have anything in it
            fields = rest.split()
            return _Status(name, bool(int(fields[_FLAGS]) & _PF_KTHREAD),
                           (int(fields[_UTIME]) + int(fields[_STIME])) * self._tick_ns, int(fields[_START]))
        except (OSError, ValueError, IndexError):
            return None

    def _close(self, number: int) -> None:
        file = self._open.pop(number).file
        if file is not None:
            os.close(file)
