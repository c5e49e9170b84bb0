"""What QEMU counts of the disks that its own backend (qdisk) serves, asked over its monitor (QMP).

libxl gives each device model a second monitor for statistics, ``/var/run/xen/qmp-libxenstat-DOMID`` (Xen 4.6 and later,
``tools/libs/light/libxl_dm.c``); the backend that it starts for dom0's own disks has none. QEMU greets with its version,
wants ``qmp_capabilities`` once, then answers; events may come between. A message is a line of JSON.

``query-blockstats`` (QEMU ``qapi/block-core.json``, ``block/qapi.c``) lists block backends. That of a Xen disk has no name
of its own and is on a node called ``DEV-DRIVER``, DEV being what xenstore has in ``backend/qdisk/DOMID/NUMBER/dev``
(``xvda-qcow2``: ``hw/block/xen-block.c``, the same from QEMU 4.0 to 10). An emulated disk's backend has a name
(``ide0-hd0``), also where both are the same image: two paths, each with counters of its own, and only Xen's is told here.
QEMU before 4.0, whose disks were those of ``hw/block/xen_disk.c``, is not asked: a question about block backends can end
it, and the guest with it (assertion ``!blk->legacy_dev``, seen with Xen 4.12 when xentop ran; xen-devel, August 2019).
"""
import json
import re
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from xenmeter.core.errors import SourceError, Unsupported
from xenmeter.xen.tapdisk import RequestTimes

__all__ = ("Talk", "DiskCounters")


class DiskCounters(NamedTuple):
    """Of a disk: (None, reads, writes, bytes read, bytes written), as ``xen.backends.Disk`` has them: QEMU does not count how
    often its backend was out of requests; and what it tells of their time.
    """

    counters: Tuple[Optional[int], ...]
    served: RequestTimes


#: Bytes that one QEMU may answer; a disk takes some 2000, and each layer under its image 1000 more.
LIMIT = 2 << 20
OLDEST = 4      # QEMU's major version

_QUESTIONS = b'{"execute":"qmp_capabilities","id":1}\n{"execute":"query-blockstats","id":2}\n'
#: The device names that xen-block takes (Xen's xen-vbd-interface(7)).
_NODE = re.compile(r"((?:xvd|hd|sd)[a-z]{1,5}[0-9]{0,3}|d[0-9]{1,7}(?:p[0-9]{1,3})?)-.")
_NEVER = 1 << 62        # of a counter: what is larger was never counted


class Talk:
    """One conversation, without the socket: bytes in, bytes out.

    :ivar disks: device name (``xvda``) -> DiskCounters; None until QEMU has answered.
    """

    def __init__(self) -> None:
        self.disks: Optional[Dict[str, DiskCounters]] = None
        self._greeted = False
        self._able = False
        self._received = 0
        self._rest: List[bytes] = []  # of a line whose end is not here yet

    def feed(self, data: bytes) -> bytes:
        """What QEMU sent; gives what to send now. SourceError where it is no answer, Unsupported of too old a QEMU."""
        self._received += len(data)
        if self._received > LIMIT:
            raise SourceError("QEMU answers with more than %d bytes" % LIMIT)
        lines = data.split(b"\n")
        if len(lines) == 1:
            self._rest.append(data)
            return b""
        lines[0] = b"".join(self._rest) + lines[0]
        self._rest = [lines.pop()]
        reply = b""
        for line in lines:
            if self.disks is None and line.strip():
                reply += self._message(_parsed(line))
        return reply

    def _message(self, message: Dict[str, Any]) -> bytes:
        if not self._greeted:
            self._greeted = True
            return _welcome(message)
        if "event" in message:
            return b""
        if "error" in message:
            error = message["error"] if isinstance(message["error"], dict) else {}
            raise SourceError("QEMU refuses: %.100s" % ascii(error.get("desc")))
        if "return" not in message or message.get("id") != (2 if self._able else 1):
            raise SourceError("QEMU's answer is to no question of ours")
        if self._able:
            self.disks = _disks(message["return"])
        self._able = True
        return b""


def _parsed(line: bytes) -> Dict[str, Any]:
    try:
        message = json.loads(line.decode("utf-8"), parse_int=_integer)
    except (ValueError, RecursionError):
        message = None
    if not isinstance(message, dict):
        raise SourceError("QEMU's answer is no QMP: %.40s" % ascii(line[:40].decode("latin-1")))
    return message


def _integer(text: str) -> int:
    if len(text) > 20:      # a long one takes the square of its length to read
        raise ValueError(text[:20])
    return int(text)


def _welcome(message: Dict[str, Any]) -> bytes:
    """What to answer a greeting."""
    try:
        version = message["QMP"]["version"]["qemu"]
        major, minor = version["major"], version["minor"]
    except (KeyError, TypeError):
        raise SourceError("QEMU's greeting is no QMP") from None
    if type(major) is not int or type(minor) is not int:
        raise SourceError("QEMU's greeting has no version")
    if major < OLDEST:
        raise Unsupported("QEMU %d.%d is not asked: before %d.0 the question can end it" % (major, minor, OLDEST))
    return _QUESTIONS


def _disks(entries: Any) -> Dict[str, DiskCounters]:
    disks: Dict[str, DiskCounters] = {}
    try:
        for entry in entries:
            match = None if entry.get("device") else _NODE.match(entry.get("node-name", ""))
            if match and match.group(1) in disks:
                raise SourceError("QEMU tells a disk twice: %s" % match.group(1))
            if match:
                disks[match.group(1)] = _told(entry["stats"])
    except (AttributeError, KeyError, TypeError):
        raise SourceError("QEMU's block statistics are not what QEMU %d and later send" % OLDEST) from None
    return disks


def _told(stats: Dict[str, Any]) -> DiskCounters:
    """KeyError or TypeError where something lacks. The time of a request that failed is in the times, if QEMU says so."""
    reads, writes, read_bytes, written_bytes, read_ns, write_ns, failed_reads, failed_writes = counts = [
        stats[name] for name in ("rd_operations", "wr_operations", "rd_bytes", "wr_bytes", "rd_total_time_ns",
                                 "wr_total_time_ns", "failed_rd_operations", "failed_wr_operations")]
    errors = [stats["%s_%s_operations" % (how, what)] for how in ("failed", "invalid") for what in ("rd", "wr", "flush")]
    for count in counts + errors:
        if type(count) is not int or not 0 <= count < _NEVER:
            raise TypeError(count)
    if stats["account_failed"] is not True:
        failed_reads = failed_writes = 0
    return DiskCounters((None, reads, writes, read_bytes, written_bytes),
                RequestTimes(reads + failed_reads, read_ns, writes + failed_writes, write_ns, sum(errors)))
