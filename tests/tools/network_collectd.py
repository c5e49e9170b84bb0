"""A real collectd whose network plugin sends what it is given, and sockets that count what comes."""
import re
import socket
import threading
import time

from . import process
from .collectd_daemon import Collectd

CONFIG = """\
LoadPlugin unixsock
<Plugin unixsock>
  SocketFile "{socket}"
</Plugin>
LoadPlugin network
<Plugin network>
  Server "{address}" "{port}"
</Plugin>
"""


class Sink:
    """A UDP port that counts."""

    def __init__(self):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 25)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.2)
        self.port = self._socket.getsockname()[1]
        self.bytes = self.packets = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while True:
            try:
                size = len(self._socket.recv(65536))
            except socket.timeout:
                if self._stop.is_set():
                    return
                continue
            self.bytes += size
            self.packets += 1

    def drain(self):
        """Until nothing has come for a while."""
        self._stop.set()
        self._thread.join()

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.drain()
        self._socket.close()


class Sender(Collectd):
    """collectd with nothing of its own to send but what ``put`` gives it."""

    def __init__(self, workdir, server, interval=10):
        self._path = str(workdir) + ".sock"
        super().__init__(workdir, CONFIG.format(socket=self._path, address=server[0], port=server[1]), interval=interval,
                         load_python=False, host="dom0-0001.example.org")
        # A file per value list would be most of the work.
        self.conf.write_text(re.sub(r"LoadPlugin csv\n<Plugin csv>.*?</Plugin>\n", "", self.conf.read_text(), flags=re.S))

    def put(self, plugin, lists, interval=10):
        """Dispatch value lists: [(plugin instance, type, type instance, values)]."""
        now = time.time()
        lines = ['PUTVAL "dom0-0001.example.org/%s-%s/%s%s" interval=%s %.3f:%s\n' % (
            plugin, instance, type_, "-" + type_instance if type_instance else "", interval, now,
            ":".join(repr(value) for value in values)) for instance, type_, type_instance, values in lists]
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(120)
            # collectd's plugins start one after the other, this one's thread when it gets to it
            process.poll(lambda: not client.connect_ex(self._path), 60, AssertionError)
            writer = threading.Thread(target=client.sendall, args=("".join(lines).encode(),))
            writer.start()
            with client.makefile("r") as answers:
                for _, line in zip(lines, answers):
                    assert line.startswith("0 Success"), line
            writer.join()
