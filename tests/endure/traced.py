"""The trace of the model's host, as xentrace would write it, into a FIFO: a domain runs as long in a step as its domid says."""
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
    """:param path: of the FIFO; :param step_s: seconds of the trace that a step stands for."""

    def __init__(self, path, step_s):
        self.path = str(path)
        self._length = step_s * 10 ** 9
        os.mkfifo(self.path)
        self.steps = 0
        self._known = set()
        self._queue = queue.Queue(2)
        threading.Thread(target=self._write, daemon=True).start()

    def _write(self):
        with contextlib.suppress(OSError), open(self.path, "wb", buffering=0) as file:     # until the baker ends
            while True:
                data = self._queue.get()
                if data is None:
                    return
                while data:
                    data = data[file.write(data):]

    def step(self, domids, patience):
        """False where the baker has not read on for so many seconds: then it misses this step."""
        begin = 10 ** 9 + self.steps * self._length
        held = [[] for _ in range(PCPUS)]
        changes = [(records.DOM0_DOM_REM, domid) for domid in sorted(self._known - domids)]
        changes += [(records.DOM0_DOM_ADD, domid) for domid in sorted(domids - self._known)]
        for place, (event, domid) in enumerate(changes, 1):     # no two at one time, as on one pCPU none are
            held[domid % PCPUS].append(records.encode(event, [domid], begin + place * 1000))
        times = [begin + 10 ** 8] * PCPUS
        apart = self._length * 8 // 10 // (len(domids) // PCPUS + 1)    # a host is never silent for seconds
        for domid in sorted(domids):
            pcpu, now = domid % PCPUS, times[domid % PCPUS]
            length = quantum(domid)
            held[pcpu] += [records.runstate(now, domid, 0, records.BLOCKED, records.RUNNABLE),
                           records.runstate(now + 1000, domid, 0, records.RUNNABLE, records.RUNNING),
                           records.runstate(now + 1000 + length, domid, 0, records.RUNNING, records.BLOCKED)]
            assert length + 2000 < apart, "they do not fit into a step"
            times[pcpu] = now + apart
        try:
            self._queue.put(b"".join(records.window(pcpu, b"".join(one)) for pcpu, one in enumerate(held)), timeout=patience)
        except queue.Full:
            return False
        self._known = set(domids)
        self.steps += 1
        return True

    def close(self, patience=0.0):
        """After the baker has gone, which ends what is being written; or with patience for one that reads on."""
        with contextlib.suppress(queue.Full):
            self._queue.put(None, timeout=patience or 0.001)
