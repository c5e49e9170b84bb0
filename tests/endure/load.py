"""Load on the endpoint, over loopback alone: many connections, slow readers and writers, pipelining, large headers.

A scrape beside each of them: how many were answered, how long they took, what the endpoint held meanwhile.
"""
import contextlib
import http.client
import math
import os
import random
import resource
import select
import socket
import statistics
import threading
import time

from endure.held import Held
from endure.model import Host
from endure.programs import Program, page, port_of
from xenmeter.core.serving import GRACE

SIZE = 1000
CONNECTIONS = 10000
#: MiB of the endpoint at 1000 domains, whoever connects.
MEMORY = 64
#: Seconds that a scrape may be late for one slow client; or as long as a scrape takes here without one, where that is more.
DELAY = 0.1
#: Connections of so many that come through at the least, and seconds for which they are waited for.
ENOUGH, PATIENCE = 100, 25
#: What is said where the machine has so much other work that a scrape alone needs a third of the second that each is sure of.
BUSY = ", were the machine not busy"
#: Turns with it, and as many without; parts of the time that they have, and all of it.
TURNS, SHARE, PARTS = 8, 3, 10
_REQUEST = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"


class Load:
    def __init__(self, program, seconds, results):
        self._program = program
        self._port = port_of(program)
        self._seconds = seconds
        self._results = results
        self._held = Held(program.name, program.pid)
        self._busy = False

    def connect(self, timeout=5):
        return socket.create_connection(("127.0.0.1", self._port), timeout=timeout)

    def scrapes(self, seconds):
        """(times of the answered ones, why others were not)."""
        times, failed, until = [], [], time.monotonic() + seconds
        while time.monotonic() < until:
            began = time.monotonic()
            try:
                assert page(self._port).endswith(b"# EOF\n")
                times.append(time.monotonic() - began)
            except (OSError, AssertionError, http.client.HTTPException) as error:
                failed.append("%s: %s" % (type(error).__name__, error))
                time.sleep(0.02)
        return times, failed

    def beside(self, what, seconds, work):
        """Scrape while ``work(stop)`` is done in threads; the figures of it."""
        stop = threading.Event()
        threads = [threading.Thread(target=one, args=(stop,), daemon=True) for one in work]
        for thread in threads:
            thread.start()
        looking = threading.Thread(target=self._look, args=(stop,), daemon=True)
        looking.start()
        time.sleep(0.5)
        times, failed = self.scrapes(seconds)
        stop.set()
        for thread in threads + [looking]:
            thread.join(30)
        most = max(one[1] for one in self._held.readings) / 1048576
        files, threads_ = max(one[2] for one in self._held.readings), max(one[3] for one in self._held.readings)
        self._held.readings.clear()
        told = "%d of %d" % (len(times), len(times) + len(failed))
        if not work or (failed and not self._busy):     # it may have got other work meanwhile
            alone = times if not work else self.scrapes(seconds)[0]
            self._busy |= not alone or max(alone) > GRACE / 3
        self._results.figure("%s: scrapes answered%s" % (what, "; " + failed[0] if failed else ""), told,
                             "all" + BUSY * self._busy, times and (self._busy or not failed))
        if times:
            self._results.figure("%s: scrapes per second, median and longest ms" % what, "%.1f, %.0f, %.0f" % (
                len(times) / seconds, 1000 * statistics.median(times), 1000 * max(times)))
        self._results.figure("%s: memory, MiB" % what, "%.0f" % most, "at most %d" % MEMORY, most <= MEMORY)
        self._results.figure("%s: descriptors, threads" % what, "%d, %d" % (files, threads_), "at most 200, 100",
                             files <= 200 and threads_ <= 100)
        assert self._program.alive(), self._program.errors[-3:]

    def _look(self, stop):
        while not stop.wait(0.05):
            self._held.look(0)
        self._held.look(0)

    # -- the unkind ----------------------------------------------------------------------------------------------------
    def many(self, stop):
        """As many connections as may be open; where they come through, half a request goes over each."""
        waiting = select.poll()
        clients = {}
        for _ in range(CONNECTIONS):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", self._port))
            clients[client.fileno()] = client
            waiting.register(client, select.POLLOUT)
        self.tried, self.through, until = len(clients), 0, time.monotonic() + PATIENCE
        while not stop.is_set() or (self.through <= ENOUGH and time.monotonic() < until):
            for file, event in waiting.poll(200):
                waiting.unregister(file)
                with contextlib.suppress(OSError):
                    clients[file].send(_REQUEST[:20])
                    self.through += 1
        for client in clients.values():
            client.close()

    def slow_reader(self, stop):
        while not stop.is_set():
            with contextlib.suppress(OSError), self.connect() as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                client.sendall(_REQUEST)
                while not stop.wait(0.5) and client.recv(1):
                    pass
            stop.wait(0.1)

    def slow_writer(self, stop):
        while not stop.is_set():
            with contextlib.suppress(OSError), self.connect() as client:
                for byte in _REQUEST[:-2] + b"X: " + b"y" * 4000:
                    client.sendall(bytes([byte]))
                    if stop.wait(0.5):
                        return
            stop.wait(0.1)

    def pipeliner(self, stop):
        while not stop.is_set():
            with contextlib.suppress(OSError), self.connect() as client:
                client.sendall(_REQUEST * 500)
                while not stop.is_set() and client.recv(1 << 16):
                    pass

    def large_headers(self, stop):
        line = b"X: " + b"y" * 65000 + b"\r\n"
        while not stop.is_set():
            with contextlib.suppress(OSError), self.connect() as client:
                client.sendall(_REQUEST[:-2])
                for _ in range(98):
                    client.sendall(line)
                client.sendall(b"\r\n")
                client.recv(4096)
            stop.wait(0.05)

    def one_slow_client(self):
        """In turns with it and without, because the machine has other work; in no order, and no turn as long as another: the host
        is read, and the page made anew, in a rhythm."""
        beside, without, longest = self._turns()
        if beside - without > DELAY:    # what other work has done does not come twice
            beside, without, longest = min((beside, without, longest), self._turns(), key=lambda one: one[0] - one[1])
        self._busy, most = longest > GRACE / 3, max(DELAY, without)
        self._results.figure(
            "one slow reader and writer: ms later, of three in four scrapes (without and beside it; the longest without)",
            "%.0f (%.0f and %.0f; %.0f)" % tuple(1000 * one for one in (beside - without, without, beside, longest)),
            "at most %.0f%s" % (1000 * most, BUSY * self._busy), self._busy or beside - without <= most)

    def _turns(self):
        """Seconds of three in four scrapes, beside it and without; of the longest without."""
        turns, chance = {True: [], False: []}, random.Random(7)
        for slow in chance.sample([True, False] * TURNS, 2 * TURNS):
            stop = threading.Event()
            threads = [threading.Thread(target=one, args=(stop,), daemon=True)
                       for one in (self.slow_writer, self.slow_reader) if slow]
            for thread in threads:
                thread.start()
            turns[slow].append(self.scrapes(SHARE * self._seconds / TURNS / 2 * chance.uniform(0.7, 1.3))[0])
            stop.set()
            for thread in threads:
                thread.join(10)
        beside, without = [_most(sum(turns[slow], [])) for slow in (True, False)]
        return beside, without, max(sum(turns[False], []), default=math.inf)


def _most(times):
    """What three of four do not exceed: the others met a reading of the host, or the machine's other work."""
    return sorted(times)[len(times) * 3 // 4] if times else math.inf


def run(folder, seconds, seed, results):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, CONNECTIONS + 500) if hard > 0 else CONNECTIONS + 500, hard))
    host = Host(folder, SIZE, SIZE, seed, 0)
    environment = host.xen.preload(XENSTORED_PATH=os.path.join(str(folder), "store"))
    with host.store:
        program = Program("serve xentop", ["serve", "xentop", "--source", "direct", "--interval", "2", "--listen", "127.0.0.1:0"],
                          environment)
        try:
            load = Load(program, seconds / PARTS, results)
            until = time.monotonic() + 60
            while time.monotonic() < until and page(load._port).count(b"\nxen_domain_cpu_seconds_total{") < SIZE:
                time.sleep(0.2)
            part = seconds / PARTS
            load.one_slow_client()
            load.beside("nobody else", part, [])
            load.beside("32 slow readers", part, [load.slow_reader] * 32)
            load.beside("64 slow writers", part, [load.slow_writer] * 64)
            load.beside("4 that pipeline 500 requests", part, [load.pipeliner] * 4)
            load.beside("16 with headers of 6 MB", part, [load.large_headers] * 16)
            load.beside("%d connections" % CONNECTIONS, max(2 * part, 6), [load.many])
            results.figure("connections tried at once, and that came through", "%d, %d" % (load.tried, load.through), "all, some",
                           load.tried == CONNECTIONS and load.through > ENOUGH)
            results.figure("lines in its log", len(program.errors), "at most 20", len(program.errors) <= 20)
        finally:
            program.end()
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
