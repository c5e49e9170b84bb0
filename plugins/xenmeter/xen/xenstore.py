"""xenstore over its wire protocol: reads and watches on a socket or device, without a library and without a child process.

Messages are those of Xen's ``xen/include/public/io/xs_wire.h``: a header of four u32 (type, req_id, tx_id, length of
the payload) in the host's byte order, then at most 4096 bytes. A reply bears its request's req_id; an error is a reply
of a type of its own that holds the errno's name. Nothing is opened before the first question.

After a fork the child opens a connection of its own: two processes on one would read each other's answers.
Not for two threads at once: each collector has its own.
"""
import os
import re
import struct
import time
from typing import List, Optional, Sequence, Tuple, Union

from xenmeter.core.errors import NoPrivilege, SourceError
from xenmeter.xen.storelink import Link, connect

__all__ = ("Xenstore",)

Path = Union[str, bytes]
#: (errno's name, None) or (None, payload); None while it is awaited.
Answer = Optional[Tuple[Optional[bytes], Optional[bytes]]]

_HEADER = struct.Struct("=IIII")
_DIRECTORY, _READ, _WATCH, _WATCH_EVENT, _ERROR = 1, 2, 4, 15, 16
_DIRECTORY_PART = 22        # since Xen 4.9; 20 was RESTRICT, 21 is RESET_WATCHES
_EVENT_BEGINS = struct.pack("=I", _WATCH_EVENT)
_PAYLOAD_MAX = 4096
_PATH_MAX = 3072            # XENSTORE_ABS_PATH_MAX
_PART_TRIES = 5             # readings of a listing that changes while it is read
_ERRNO = re.compile(rb"(E[A-Z0-9]{1,30})\0\Z")


class Xenstore:
    """A connection that opens at the first question, and again at the next one after an error.

    :param path: socket or device; None for the usual places.
    :param timeout: ``float`` seconds that one call may take in all.
    :raises NotXen, NoPrivilege, SourceError: all methods but close. What xenstored cannot have meant closes the
        connection: there is no wrong answer, only none.
    """

    def __init__(self, path: Optional[str] = None, timeout: float = 1.0) -> None:
        self._path = path
        self._timeout = timeout
        self._link: Optional[Link] = None
        self._next = 1          # the next req_id; 0 is a watch event's
        self._fired = False     # a watch event came
        self._buffer = b""      # what came after the last reply: the beginning of a watch event, or nothing

    def read(self, path: Path) -> Optional[bytes]:
        """The value of a node; None where there is no such node, NoPrivilege where this process may not read it."""
        error, value = self._ask(_READ, [_payload(path)])[0]
        if error not in (None, b"ENOENT"):
            raise _refused(error, path)
        return value

    def read_many(self, paths: Sequence[Path]) -> List[Optional[bytes]]:
        """The values of many nodes in one pass; None for one that is not there or that this process may not read.

        It tells no missing right from a missing node, because one domain's node must not cost all others theirs.
        """
        answers = self._ask(_READ, [_payload(path) for path in paths])
        for path, (error, _) in zip(paths, answers):
            if error not in (None, b"ENOENT", b"EACCES"):
                raise _refused(error, path)
        return [value for _, value in answers]

    def directory(self, path: Path) -> List[bytes]:
        """The names of a node's children; none where there is no such node, NoPrivilege where it may not be read."""
        return self.directory_many([path])[0]

    def directory_many(self, paths: Sequence[Path]) -> List[List[bytes]]:
        """The children of many nodes in one pass."""
        listings = []
        for path, (error, listing) in zip(paths, self._ask(_DIRECTORY, [_payload(path) for path in paths])):
            if error == b"E2BIG":
                listings.append(self._in_parts(path))
            elif error not in (None, b"ENOENT"):
                raise _refused(error, path)
            else:
                listings.append(self._names(listing or b""))
        return listings

    def watch(self, names: Sequence[bytes]) -> None:
        """Have this connection told of changes; each watch fires once at the beginning.

        :param names: paths, or xenstored's own ``@introduceDomain`` and ``@releaseDomain``.
        """
        for name, (error, _) in zip(names, self._ask(_WATCH, [name + b"\0xenmeter\0" for name in names])):
            if error is not None:
                raise _refused(error, name)

    def fired(self) -> bool:
        """Whether a watch has fired since the last question; SourceError where the connection that had them is gone."""
        if self._link is None or not self._heard():
            self.close()
            raise SourceError("xenstore: the connection that watched is gone")
        fired, self._fired = self._fired, False
        return fired

    def close(self) -> None:
        """Close the connection, if one is open; the next question opens another."""
        link, self._link, self._buffer, self._fired = self._link, None, b"", False
        if link is not None:
            link.close()

    def __enter__(self) -> "Xenstore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _in_parts(self, path: Path) -> List[bytes]:
        """A listing longer than a message: parts by byte offset, all of one generation of the node, or anew."""
        deadline = time.monotonic() + self._timeout
        tries, generation, listing = _PART_TRIES, b"", b""
        while tries and time.monotonic() < deadline:
            error, reply = self._ask(_DIRECTORY_PART, [_payload(path) + b"%d\0" % len(listing)])[0]
            if error == b"ENOENT":
                return []
            if reply is None:
                raise _refused(error, path)
            seen, _, part = reply.partition(b"\0")
            if not seen.isdigit() or not part:
                raise self._broken("part of a listing without generation or names")
            if listing and seen != generation:
                tries, listing = tries - 1, b""
                continue
            generation = seen
            listing += part
            if listing == b"\0" or listing.endswith(b"\0\0"):       # an empty name ends the last part
                return self._names(listing[:-1])
        raise SourceError("xenstore: the listing of %s changes faster than it can be read; the next reading tries again"
                          % _text(path))

    def _names(self, listing: bytes) -> List[bytes]:
        names = listing.split(b"\0")
        if names.pop() or b"" in names:
            raise self._broken("listing with an empty or an open-ended name")
        return names

    def _ask(self, kind: int, payloads: List[bytes]) -> List[Tuple[Optional[bytes], Optional[bytes]]]:
        """Send requests of one kind and await all their answers, in the order of the requests."""
        if not payloads:
            return []
        deadline = time.monotonic() + self._timeout
        link = self._ready(deadline)
        total = len(payloads)
        if self._next + total > 0xffffffff:
            self._next = 1
        first = self._next
        self._next += total
        answers: List[Answer] = [None] * total
        sent = done = 0
        queue = b""
        try:
            while done < total:
                if not queue and sent < total and sent - done <= link.window // 2:
                    upto = min(total, done + link.window)
                    queue = b"".join([_HEADER.pack(kind, first + i, 0, len(payloads[i])) + payloads[i]
                                      for i in range(sent, upto)])
                    sent = upto
                queue, received = link.exchange(queue, deadline)
                self._buffer += received
                done += self._replies(kind, first, sent, answers)
        except BaseException:       # an interrupt too: the answers that are still to come would meet other questions
            self.close()
            raise
        self._unasked()
        return answers      # type: ignore[return-value]

    def _ready(self, deadline: float) -> Link:
        """A connection of this process, without unread bytes that could be taken for an answer."""
        if self._link is None or not self._heard():
            self.close()
            self._link = connect(self._path, deadline)
        return self._link

    def _heard(self) -> bool:
        """Take what came unasked; False where the connection is gone, or is another process's."""
        link = self._link
        received = link.idle() if link is not None and link.pid == os.getpid() else None
        if received is None:
            return False
        if received or self._buffer:
            self._buffer += received
            self._replies(_WATCH_EVENT, 0, 0, [])
            self._unasked()
        return True

    def _replies(self, kind: int, first: int, sent: int, answers: List[Answer]) -> int:
        """Take all whole messages from the buffer; gives how many answers there were among them."""
        buffer, at, done = self._buffer, 0, 0
        device = self._link is not None and self._link.is_device
        while len(buffer) - at >= 16:
            type_, req_id, tx_id, length = _HEADER.unpack_from(buffer, at)
            event = type_ == _WATCH_EVENT and (req_id == 0 or device)
            # the kernel's own answer to a watch has no id; one request at a time is under way there
            index = sent - 1 if device and type_ == _WATCH and not req_id else req_id - first
            if length > _PAYLOAD_MAX:
                raise self._broken("message of %d bytes" % length)
            if not event and (type_ not in (kind, _ERROR) or tx_id or not 0 <= index < sent or answers[index]):
                raise self._broken("message of type %d with id %d that answers no question" % (type_, req_id))
            start, end = at + 16, at + 16 + length
            if end > len(buffer):
                break
            at = end
            if event:
                self._fired = True
                continue
            if type_ == kind:
                answers[index] = (None, buffer[start:end])
            else:
                name = _ERRNO.match(buffer, start, end)
                if not name:
                    raise self._broken("error without a name")
                answers[index] = (name.group(1), None)
            done += 1
        self._buffer = buffer[at:]
        return done

    def _unasked(self) -> None:
        """While nothing is asked, only a watch event may have begun."""
        if not self._buffer[:4] == _EVENT_BEGINS[:len(self._buffer)]:
            raise self._broken("bytes that answer no question")

    def _broken(self, what: str) -> SourceError:
        where = self._link.where if self._link is not None else "xenstore"
        self.close()
        return SourceError("xenstore: %s sent what it cannot mean ('%s'); the connection was closed, the next reading opens "
                           "another" % (where, what))


def _payload(path: Path) -> bytes:
    raw = path.encode("utf-8") if isinstance(path, str) else path
    if not raw.startswith(b"/") or b"\0" in raw or len(raw) > _PATH_MAX:
        raise ValueError("no xenstore path: %r" % (path,))
    return raw + b"\0"


def _text(path: Path) -> str:
    return path if isinstance(path, str) else path.decode("utf-8", "backslashreplace")


def _refused(error: Optional[bytes], path: Path) -> SourceError:
    name = (error or b"?").decode("ascii")
    if name in ("EACCES", "EPERM"):
        return NoPrivilege("xenstore: this domain may not read %s; run in dom0" % _text(path))
    if name in ("ENOSYS", "E2BIG"):
        return SourceError("xenstore: the listing of %s is longer than a message, and this xenstored (before Xen 4.9) "
                           "cannot send it in parts" % _text(path))
    return SourceError("xenstore: %s: %s" % (_text(path), name))
