"""The statistics monitor of a QEMU in a thread: one client at a time, as QEMU serves them, with faults on demand."""
import json
import os
import socket
import threading

GREETING = b'{"QMP": {"version": {"qemu": {"micro": 22, "minor": %d, "major": %d}, "package": ""}, "capabilities": ["oob"]}}\r\n'
EVENT = b'{"timestamp": {"seconds": 1795192454, "microseconds": 3}, "event": "RTC_CHANGE", "data": {"offset": 1}}\r\n'
ZEROES = {name: 0 for name in (
    "rd_operations", "wr_operations", "flush_operations", "unmap_operations", "rd_bytes", "wr_bytes", "unmap_bytes",
    "rd_total_time_ns", "wr_total_time_ns", "flush_total_time_ns", "unmap_total_time_ns", "rd_merged", "wr_merged",
    "unmap_merged", "wr_highest_offset", "failed_rd_operations", "failed_wr_operations", "failed_flush_operations",
    "failed_unmap_operations", "invalid_rd_operations", "invalid_wr_operations", "invalid_flush_operations",
    "invalid_unmap_operations")}


def stats(**counters):
    return dict(ZEROES, account_failed=True, account_invalid=True, timed_stats=[], **counters)


def disk(node, device="", **counters):
    """An entry of query-blockstats as QEMU 7.2 has it; Xen's disks are those without a device."""
    parent = {"stats": stats(), "node-name": "#block020", "driver-specific": {"driver": "file"}}
    return {"device": device, "parent": parent, "stats": dict(stats(), **counters), "node-name": node,
            "qdev": "/machine/unattached/device[18]"}


def line(message):
    return json.dumps(message).encode() + b"\r\n"


class Hangup(Exception):
    """A fault's way to end the connection after the bytes that it holds."""


class FakeQemu:
    """Serves while the context lasts.

    :param disks: entries of query-blockstats.
    :ivar fault: ``f(command, reply)`` gives the bytes to send in place of the reply, or raises Hangup; the greeting's
        command is "".
    :ivar asked: the commands so far; :ivar connections: how many were served.
    """

    def __init__(self, path, disks=(), version=(7, 2)):
        self.path = str(path)
        self.disks = list(disks)
        self.version = version
        self.fault = None
        self.asked = []
        self.connections = 0
        self._open = None
        self._stopped = False

    def __enter__(self):
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(self.path)
        self._listener.listen(1)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stopped = True
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        if self._open is not None:
            self.hang_up()
        self._thread.join(30)
        os.unlink(self.path)

    def hang_up(self):
        try:
            self._open.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def _accept(self):
        while not self._stopped:
            try:
                self._open, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            with self._open:
                try:
                    self._serve(self._open)
                except Hangup as hangup:
                    self._open.sendall(hangup.args[0])
                except OSError:
                    pass

    def _serve(self, connection):
        self._send("", GREETING % self.version[::-1])
        with connection.makefile("rb") as questions:
            for question in questions:
                asked = json.loads(question.decode())
                self.asked.append(asked["execute"])
                answer = self.disks if asked["execute"] == "query-blockstats" else {}
                self._send(asked["execute"], line({"return": answer, "id": asked["id"]}))

    def _send(self, command, reply):
        self._open.sendall(reply if self.fault is None else self.fault(command, reply))
