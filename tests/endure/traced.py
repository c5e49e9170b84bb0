"""The trace of the model's host, as xentrace would write it,
into a FIFO: each domain runs as long in each step as its domid says."""
import contextlib
import os
import queue
import threading

from xenmeter.xentrace.engine import records

#: One tick is a nanosecond.
KHZ = 1000000
PCPUS = 4


def quantum(domid):
    """ns that a domain runs in each step."""
    return (domid % 7 + 1) * 100000


class Traced:
    """:param path: of the FIFO. Steps that the baker has no time for are left out: the trace's time is its own."""

    def __init__(self, path):
        self.path = str(path)
        os.mkfifo(self.path)
        self.steps = 0
        self._known = set()
        self._queue = queue.Queue(2)
        threading.Thread(target=self._write, daemon=True).start()

    def _write(self):
        with open(self.path, "wb") as file:
            while True:
                data = self._queue.get()
                if data is None:
                    return
                try:
                    file.write(data)
                    file.flush()
                except OSError:
                    return

    def step(self, domids):
        if self._queue.full():
            return False
        begin = 10 ** 9 + self.steps * 10 * 10 ** 9
        held = [[] for _ in range(PCPUS)]
        for domid in sorted(self._known - domids):
            held[domid % PCPUS].append(records.encode(records.DOM0_DOM_REM, [domid], begin + 1000))
        for domid in sorted(domids - self._known):
            held[domid % PCPUS].append(records.encode(records.DOM0_DOM_ADD, [domid], begin + 1000))
        self._known = set(domids)
        times = [begin + 10 ** 6] * PCPUS
        for domid in sorted(domids):
            pcpu, now = domid % PCPUS, times[domid % PCPUS]
            length = quantum(domid)
            held[pcpu] += [records.runstate(now, domid, 0, records.BLOCKED, records.RUNNABLE),
                           records.runstate(now + 1000, domid, 0, records.RUNNABLE, records.RUNNING),
                           records.runstate(now + 1000 + length, domid, 0, records.RUNNING, records.BLOCKED)]
            times[pcpu] = now + 2000 + length
        assert max(times) < begin + 9 * 10 ** 9, "they do not fit into a step"
        self._queue.put(b"".join(records.window(pcpu, b"".join(one)) for pcpu, one in enumerate(held)))
        self.steps += 1
        return True

    def close(self):
        """After the baker has gone, which ends what is being written."""
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(None)
