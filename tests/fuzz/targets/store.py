"""xenstore: what xenstored answers on its socket, and dumps of ``xenstore-ls -f``."""
import os
from unittest import mock

from fuzz.target import FIXTURES, Target, allowed
from xenmeter.core.errors import BadInput, SourceError, XenmeterError
from xenmeter.xen import xenstore
from xenmeter.xen.domains import DomainDirectory
from xenmeter.xen.storedump import DumpStore, encode_dump, parse_dump

from helpers.fake_xenstored import HEADER, FakeXenstored, host, watch_event


class Script:
    """In place of the socket: a xenstored that does to each answer what the input says.

    A byte below 200 leaves an answer as it is; the others take bytes, or numbers, from what follows.
    """

    where, pid, window = "here", None, 16

    def __init__(self, data, nodes):
        self.pid = os.getpid()
        self.is_device = bool(data[:1]) and data[0] & 1 == 1
        self._data = data
        self._at = 1
        self._server = FakeXenstored(nodes)
        self._waiting = b""
        self._quiet = 0

    def _take(self, number):
        taken = self._data[self._at:self._at + number]
        self._at += number
        return taken

    def exchange(self, queue, deadline):
        while len(queue) >= 16:
            kind, request, _, length = HEADER.unpack_from(queue)
            self._waiting += self._altered(self._server.answer(kind, request, queue[16:16 + length]))
            queue = queue[16 + length:]
        if not self._waiting:
            raise SourceError("xenstore: nothing more comes")
        size = 1 + (self._take(1) or b"\xff")[0] * 17
        told, self._waiting = self._waiting[:size], self._waiting[size:]
        return queue, told

    def _altered(self, reply):
        how = (self._take(1) or b"\0")[0]
        if how < 200:
            return reply
        if how < 210:
            return self._take(how - 199)
        if how < 220:
            field = 4 * (how & 3)
            return reply[:field] + self._take(4).ljust(4, b"\0") + reply[field + 4:]
        if how < 235:
            payload = self._take((self._take(1) or b"\0")[0])
            kind, request, tx, _ = HEADER.unpack_from(reply)
            return HEADER.pack(kind, request, tx, len(payload)) + payload
        if how < 240:
            kind, request, tx, _ = HEADER.unpack_from(reply)
            name = (b"EACCES\0", b"E2BIG\0", b"ENOENT\0", b"EINVAL\0", b"no name")[how - 235]
            return HEADER.pack(16, request, tx, len(name)) + name
        if how < 245:
            return watch_event() + reply
        if how < 250:
            return reply + reply
        return reply[:how - 250]

    def idle(self):
        self._quiet += 1
        told, self._waiting = self._waiting, b""
        return None if self._quiet % 7 == 6 else told

    def close(self):
        pass


class XenstoreAnswers(Target):
    """Refused, or facts of the right kinds; and the next whole answer is believed again."""

    name = "xenstore"
    reads = "what xenstored answers"
    longest = 1000

    def __init__(self):
        self._nodes = host(3)
        self._truth = DomainDirectory(DumpStore(self._nodes)).snapshot()

    def seeds(self):
        return [b"\0", b"\1", b"\0" * 40 + b"\xe0\x05hello", b"\0\0\xff\xec\0\xff\xff", b"\0" + b"\xd2\xff\xff\xff\x7f" * 9]

    def check(self, data, chance):
        link = Script(data, self._nodes)
        with mock.patch.object(xenstore, "connect", lambda path, deadline: link):
            store = xenstore.Xenstore(timeout=5.0)
            directory = DomainDirectory(store)
            for _ in range(3):
                found = allowed(XenmeterError, directory.snapshot)
                for facts in found.domains if found else ():
                    assert isinstance(facts.name, bytes) and 0 <= facts.domid < 10 ** 10
                    assert facts.uuid is None or len(facts.uuid) == 36
                    assert all(isinstance(name, str) for name in facts.vbds.values())
            allowed(XenmeterError, store.watch, [b"@releaseDomain"])
            allowed(XenmeterError, store.fired)
            store.close()
        whole = Script(b"", self._nodes)
        with mock.patch.object(xenstore, "connect", lambda path, deadline: whole):
            assert DomainDirectory(xenstore.Xenstore()).snapshot() == self._truth


class XenstoreDump(Target):
    """BadInput, or nodes that are the same when they are written and read again."""

    name = "xenstore-dump"
    reads = "dumps of xenstore-ls -f"
    words = (b"\n", b' = "', b'"\n', b"\\x", b"\\", b"\\377", b"/local/domain/", b"   (n0,r7)", b":\n", b"/vm/", b"/backend/vbd/")

    def seeds(self):
        return [path.read_bytes()[:12000] for path in sorted((FIXTURES / "xentop").glob("*/xenstore-ls.txt"))] + [
            encode_dump(host(2)), encode_dump({b"/local/domain/1/name": bytes(range(256))}, b"n0")]

    def check(self, data, chance):
        nodes = allowed(BadInput, parse_dump, data)
        if nodes is None:
            return
        assert parse_dump(encode_dump(nodes)) == nodes
        assert parse_dump(encode_dump(nodes, b"n0,r1")) == nodes
        for facts in DomainDirectory(DumpStore(nodes)).snapshot().domains:
            assert isinstance(facts.name, bytes) and b"\0" not in facts.name or b"\0" in data or b"\\" in data
