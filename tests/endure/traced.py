"""The trace of the model's host, as xentrace would write it, into a FIFO: a domain runs as long in a step as its domid says."""
import contextlib
import os
import queue
import struct
import threading

from helpers import encoding
from xenmeter.xentrace.engine import records

#: One tick is a nanosecond.
KHZ = 1000000
PCPUS = 4
#: A domain is woken, runs and blocks: each time a header, a TSC and the vCPU.
CHANGES = (records.BLOCKED, records.RUNNABLE), (records.RUNNABLE, records.RUNNING), (records.RUNNING, records.BLOCKED)
_HEADERS = [struct.unpack_from("<I", encoding.runstate(0, 0, 0, before, after))[0] for before, after in CHANGES]
_ALL = struct.Struct("<" + "IQI" * len(CHANGES))


def quantum(domid):
    """ns that a domain runs in each step."""
    return (domid % 7 + 1) * 100000


class Trace:
    """What is recorded in each step. :param step_s: seconds of the trace that it stands for. :ivar steps: how many there were."""

    def __init__(self, step_s):
        self._length = step_s * 10 ** 9
        self.steps = 0
        self._known = set()

    def _records(self, domids):
        """Of each pCPU (time, record, or some in one), of the step that is next."""
        begin = 10 ** 9 + self.steps * self._length
        held = [[] for _ in range(PCPUS)]
        changes = [(records.DOM0_DOM_REM, domid) for domid in sorted(self._known - domids)]
        changes += [(records.DOM0_DOM_ADD, domid) for domid in sorted(domids - self._known)]
        for place, (event, domid) in enumerate(changes, 1):     # no two at one time, as on one pCPU none are
            held[domid % PCPUS].append((begin + place * 1000, encoding.encode(event, [domid], begin + place * 1000)))
        times = [begin + 10 ** 8] * PCPUS
        apart = self._length * 8 // 10 // (len(domids) // PCPUS + 1)    # a host is never silent for seconds
        assert max(map(quantum, domids), default=0) + 2000 < apart, "they do not fit into a step"
        for domid in sorted(domids):
            pcpu, now = domid % PCPUS, times[domid % PCPUS]
            self._ran(held[pcpu], domid << 16, now, now + 1000, now + 1000 + quantum(domid))
            times[pcpu] = now + apart
        return held

    @staticmethod
    def _ran(held, vcpu, *times):
        """It is woken, runs and blocks: for a stream in one piece, which is a third of the work."""
        woken, ran, blocked = _HEADERS
        held.append((times[0], _ALL.pack(woken, times[0], vcpu, ran, times[1], vcpu, blocked, times[2], vcpu)))

    def _done(self, domids):
        self._known = set(domids)
        self.steps += 1


class Traced(Trace):
    """As a stream, whose reader sets the pace. :param path: of the FIFO."""

    def __init__(self, path, step_s):
        super().__init__(step_s)
        self.path = str(path)
        os.mkfifo(self.path)
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
        held = [b"".join([record for _, record in one]) for one in self._records(domids)]
        try:
            self._queue.put(b"".join(records.window(pcpu, one) for pcpu, one in enumerate(held)), timeout=patience)
        except queue.Full:
            return False
        self._done(domids)
        return True

    def close(self, patience=0.0):
        """After the baker has gone, which ends what is being written; or with patience for one that reads on."""
        with contextlib.suppress(queue.Full):
            self._queue.put(None, timeout=patience or 0.001)
