"""What passes between the baker and its readers: the shared file, questions on the socket, answers on it."""
import functools
import json
import lzma
import os
import socket
import struct
import tempfile
import threading
import zlib
from types import SimpleNamespace
from unittest import mock

from fuzz.target import FIXTURES, Target, allowed
from xenmeter.core.errors import SourceError
from xenmeter.core.options import defaults
from xenmeter.core.pipeline import Pipeline
from xenmeter.front.output import make_format
from xenmeter.front.screen.live import Live
from xenmeter.xen.domains import DomainFacts, Snapshot
from xenmeter.xentrace.baker import document, shm, writing
from xenmeter.xentrace.baker.control import answer
from xenmeter.xentrace.baker.bakery import Bakery
from xenmeter.xentrace.engine.cells import CELL
from xenmeter.xentrace.engine.windowed import Baking
from xenmeter.xentrace.plugin import PLUGIN

from helpers.simulator import KHZ

_HEAD = 4096


@functools.lru_cache(maxsize=None)
def trace():
    """The beginning of a real one."""
    with lzma.open(str(FIXTURES / "xentrace" / "narrow-churn" / "trace.bin.xz")) as file:
        return file.read()[:20000]


@functools.lru_cache(maxsize=None)
def documents():
    """(document, its cells) of what a baker writes of it: with per-vCPU figures and without, with names, and with none."""
    told = []
    named = Snapshot([DomainFacts(domid, b"guest-\xff%d" % domid, "%08x-0000-4000-8000-000000000000" % domid, None, (), {})
                      for domid in range(8)], None)
    for per_vcpu, names in ((False, None), (True, named)):
        baking = Baking(KHZ, [10 ** 7, 10 ** 8], 3, per_vcpu)
        baking.engine.feed(trace())
        baking.finish()
        picture = baking.taken[-1]
        told.append((b"".join(document.Words().parts(picture, names, None)), picture.cells))
    return told


def publish(sample):
    """What a document becomes: a sample that cannot be used is told by the pipeline, and is no figure."""
    for form in ("influx", "openmetrics", "collectd", "table", "json"):
        make_format(form, Pipeline(PLUGIN, defaults(PLUGIN.options))).sample(sample)


class SharedFile(Target):
    """No figures in one clear line, or figures that every form of output takes.

    An input's first byte says whether the writer's check sum and heart are set right: damage that only the check sum
    finds would never reach the document's reader.
    """

    name = "shared-file"
    reads = "the baker's shared file: its picture and its cells"
    longest = 1 << 16
    words = (b"null", b"{}", b"[]", b'"domains":', b"1e999", b"[[[[", b'"unreadable":1', b"XENMETER", b"\xff" * 8, bytes(8),
             b"\3\0\0\0\xe8\0\0\0", b"\7\0\0\0\x08\0\0\0")

    def __init__(self):
        folder = tempfile.mkdtemp(prefix="fuzz-")
        self._path = os.path.join(folder, "baker")

    def seeds(self):
        found = []
        for told, cells in documents():
            writer = writing.Writer(self._path, 10 ** 9)
            used = len(cells) // CELL
            writer.write([told], 10 ** 18, SimpleNamespace(room=used, used=used, copy_to=lambda target, anew: target.__setitem__(
                slice(CELL, used * CELL), cells[CELL:])))
            with open(self._path, "rb") as file:
                data = file.read()
            writer.close()
            width, small = struct.unpack_from("<Q", data, 24)[0], 8 * (len(told) // 8 + 8)
            at = _HEAD + width
            slot = data[at:at + 24 + len(told)].ljust(small, b"\0")    # as narrow as it can be
            head = bytearray(data[:_HEAD])
            struct.pack_into("<Q", head, 24, small)
            struct.pack_into("<QQ", head, 96, _HEAD + 2 * small, used)
            found.append(b"\1" + head + bytes(small) + slot + data[_HEAD + 2 * width:])
            found.append(b"\0" + data[:9000])
        return found

    def check(self, data, chance):
        content = bytearray(data[1:])
        if data[:1] and data[0] & 1 and len(content) >= _HEAD:
            self._mend(content)
        with open(self._path, "wb") as file:
            file.write(content)
        reader = shm.Reader(self._path)
        with mock.patch("time.sleep", lambda seconds: None):
            found = allowed(SourceError, reader.read, chance.random() < 0.9)
        reader.close()
        if found is None:
            return
        sample = allowed(SourceError, document.to_sample, *found[1:], reader.cells)
        if sample is not None:
            publish(sample)

    def _mend(self, content):
        struct.pack_into("<QQ", content, 32, shm.steady_ns(), 10 ** 12)
        content[56:96] = shm.boot_id().ljust(40, b"\0")
        slots, width = struct.unpack_from("<IQ", content, 20)
        for at in [_HEAD + number * width for number in range(min(slots, 8))]:
            if at + 24 <= len(content):
                length = struct.unpack_from("<I", content, at + 8)[0]
                struct.pack_into("<I", content, at + 12, zlib.crc32(bytes(content[at + 24:at + 24 + length])) & 0xffffffff)


class SocketQuestions(Target):
    """Each line has one line of JSON as its answer, and never a fault."""

    name = "socket-questions"
    reads = "questions on the baker's socket"
    longest = 4096
    words = (b'{"get":"figures"}', b'{"get":"windows","window":"0.01s","last":1}', b'"status"', b'"last":', b'"window":', b"null",
             b"[",
             b"1e400", b"NaN", b"-1", b"1" * 5000)

    def __init__(self):
        source = SimpleNamespace(passes=lambda stop: iter([[(0, trace()[12:12000])]]), splitter=None, full=None,
                                 about=lambda: "x", close=lambda: None)
        self._bakery = Bakery(source, KHZ, [10 ** 6, 10 ** 7], None, lambda: None)
        self._bakery.run(threading.Event())

    def seeds(self):
        return [b'{"get":"figures"}', b'{"get":"windows","window":"0.01s","last":60}', b'{"get":"status"}',
                b'{"get":1,"last":[]}', b"[" * 3000, b'{"get":"windows","window":{},"last":"5"}']

    def check(self, data, chance):
        told = b"".join(answer(self._bakery, data[:4096]))
        assert told.index(b"\n") == len(told) - 1 and isinstance(json.loads(told.decode("utf-8")), (dict, list))


class SocketAnswers(Target):
    """Who asks has what it knows how to use, or nothing."""

    name = "socket-answers"
    reads = "answers on the baker's socket (mon)"
    longest = 4096
    words = (b"\n", b'{"rest_left_s":', b'"span_ns":', b'"elapsed_ns":', b"1e999", b"NaN", b"null", b"[", b"{}", b'"x"')

    def __init__(self):
        self._path = os.path.join(tempfile.mkdtemp(prefix="fuzz-"), "baker.sock")
        self._data = b""
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self._path)
        self._listener.listen(4)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            client, _ = self._listener.accept()
            with client:
                client.recv(4096)
                try:
                    client.sendall(self._data)
                except OSError:
                    pass

    def seeds(self):
        return [b'{"rest_left_s":3,"span_ns":1000,"elapsed_ns":4000}\n', b'[{"start_ns":0,"domains":[]}]\n', b"[" * 2000 + b"\n",
                b'{"error":"x"}\n']

    def check(self, data, chance):
        self._data = data
        live = Live(SimpleNamespace(others=False), self._path[:-len(".sock")])
        live._ask()
        assert isinstance(live.past(SimpleNamespace(length=10 ** 9, domains=[])), list)
        assert live.rest() is None or live.rest().left_s >= 0


