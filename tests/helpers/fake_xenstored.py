"""A xenstored in a thread: the real protocol from a mapping, over a socket or any descriptor, with faults on demand.

It handles one request after another and waits while a client does not read, as the C xenstored's clients must expect.
"""
import os
import socket
import struct
import threading
import time

HEADER = struct.Struct("=IIII")
DIRECTORY, READ, WATCH, WATCH_EVENT, ERROR, DIRECTORY_PART = 1, 2, 4, 15, 16, 22
PAYLOAD_MAX = 4096


def message(kind, req_id, payload, tx_id=0):
    return HEADER.pack(kind, req_id, tx_id, len(payload)) + payload


def watch_event(path=b"@releaseDomain", token=b"token"):
    return message(WATCH_EVENT, 0, path + b"\0" + token + b"\0")


class Hangup(Exception):
    """A fault's way to end the connection after the bytes that it holds."""


class FakeXenstored:
    """Serves ``nodes`` (path -> value, both bytes; parents need not be named) while the context lasts.

    :ivar fault: ``f(kind, path, reply)`` gives the bytes to send in place of the reply; may sleep or raise Hangup.
    :ivar asked: ``[(kind, path), ...]`` of every request so far.
    :ivar generation: of all nodes; ``touch`` changes it.
    """

    def __init__(self, nodes, path=None):
        self.path = path
        self.fault = None
        self.asked = []
        self.connections = 0
        self.generation = 7
        self._open = []
        self._watches = []      # (write, path, token)
        self._stopped = False
        self.set(nodes)

    def set(self, nodes):
        children = {b"/": {}}
        values = {b"/": b""}
        for path, value in nodes.items():
            values[path] = value
            while path != b"/":
                parent, _, name = path.rpartition(b"/")
                path = parent or b"/"
                values.setdefault(path, b"")
                children.setdefault(path, {})[name] = None
        self.values, self.children = values, children
        self.generation += 1

    def __enter__(self):
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(self.path)
        self._listener.listen(1)
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._stopped = True
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()
        os.unlink(self.path)

    def hang_up(self):
        """End all connections, as a xenstored that is started anew."""
        del self._watches[:]
        while self._open:
            connection = self._open.pop()
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            connection.close()

    def broadcast(self, data):
        """Send bytes that nobody asked for."""
        for connection in self._open:
            connection.sendall(data)

    def fire(self, path=b"@releaseDomain"):
        """Tell those who watch this; gives how many there were."""
        told = [(write, token) for write, watched, token in self._watches if watched == path]
        for write, token in told:
            write(watch_event(path, token))
        return len(told)

    def _accept(self):
        while not self._stopped:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            threading.Thread(target=self._serve_socket, args=(connection,), daemon=True).start()

    def _serve_socket(self, connection):
        try:
            self.serve(connection.recv, connection.sendall)
        except OSError:
            pass
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def serve(self, read, write):
        """Answer until the other side is gone or a fault hangs up."""
        buffer = b""
        while True:
            while len(buffer) < 16 or len(buffer) < 16 + HEADER.unpack_from(buffer)[3]:
                data = read(65536)
                if not data:
                    return
                buffer += data
            kind, req_id, tx_id, length = HEADER.unpack_from(buffer)
            payload, buffer = buffer[16:16 + length], buffer[16 + length:]
            path = payload.split(b"\0")[0]
            self.asked.append((kind, path))
            reply = self.answer(kind, req_id, payload)
            if self.fault is not None:
                try:
                    reply = self.fault(kind, path, reply)
                except Hangup as hangup:
                    write(hangup.args[0])
                    return
            if kind == WATCH and reply[:4] == message(WATCH, 0, b"")[:4]:
                watch = tuple(payload.split(b"\0")[:2])
                self._watches.append((write,) + watch)
                # As xenstored does: once at the beginning. With the answer, so that who has that has this one too.
                reply += watch_event(*watch)
            write(reply)

    def answer(self, kind, req_id, payload):
        path = payload.split(b"\0")[0]
        if kind == WATCH:
            return message(WATCH, req_id, b"OK\0")
        if path not in self.values:
            return message(ERROR, req_id, b"ENOENT\0")
        if kind == READ:
            return message(READ, req_id, self.values[path])
        listing = b"".join(name + b"\0" for name in self.children.get(path, ()))
        if kind == DIRECTORY:
            if len(listing) > PAYLOAD_MAX:
                return message(ERROR, req_id, b"E2BIG\0")
            return message(DIRECTORY, req_id, listing)
        if kind == DIRECTORY_PART:
            return message(DIRECTORY_PART, req_id, self._part(listing, int(payload.split(b"\0")[1])))
        return message(ERROR, req_id, b"ENOSYS\0")

    def _part(self, listing, offset):
        """As ``send_directory_part`` in Xen's xenstored: whole names only, an empty one after the last."""
        generation = b"%d\0" % self.generation
        if offset >= len(listing):
            return generation + b"\0"
        room = PAYLOAD_MAX - len(generation) - 1
        if len(listing) - offset <= room:
            return generation + listing[offset:] + b"\0"
        end = listing.rindex(b"\0", offset, offset + room) + 1
        return generation + listing[offset:end]


def host(domains, vcpus=1, vifs=True):
    """The nodes of a host with so many guests, each with a disk and, unless the machine has no interface for them, a vif, as
    xl writes them."""
    nodes = {b"/local/domain/0/name": b"Domain-0", b"/local/domain/0/domid": b"0"}
    for domid in range(1, domains + 1):
        uuid = b"%08x-0000-4000-8000-%012x" % (domid, domid)
        base = b"/local/domain/%d/" % domid
        nodes[base + b"name"] = b"guest-%d" % domid
        nodes[base + b"vm"] = b"/vm/" + uuid
        nodes[b"/vm/" + uuid + b"/start_time"] = b"%d.%02d" % (1795192454 + domid, domid % 100)
        if vifs:
            nodes[b"/local/domain/0/backend/vif/%d/0/state" % domid] = b"4"
        nodes[b"/local/domain/0/backend/vbd/%d/51712/dev" % domid] = b"xvda"
    return nodes


def slow(seconds):
    """A fault: every answer takes so long."""
    def fault(kind, path, reply):
        time.sleep(seconds)
        return reply
    return fault


def refuse(name, *paths):
    """A fault: these nodes give this error."""
    def fault(kind, path, reply):
        if path in paths:
            return message(ERROR, HEADER.unpack_from(reply)[1], name + b"\0")
        return reply
    return fault
