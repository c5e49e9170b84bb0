"""Rings that the baker reads, while a simulated host writes into them."""
import random

from helpers import fake_rings
from xenmeter.xen.tracebuf import TraceControl
from xenmeter.xen.tracemap import Frames, TraceEvents
from xenmeter.xentrace.baker.rings import Rings
from xenmeter.xentrace.engine import records

MASK = 0x00161000


def opened(xen, state, pages=1, mask=MASK):
    return Rings(TraceControl(xen, fake_rings.VERSION), Frames(xen.foreignmemory()), TraceEvents(xen.evtchn()), xen.pcpus,
                 mask, pages, str(state))


def as_file(passes):
    return b"".join(records.window(pcpu, data) for pass_ in passes for pcpu, data in pass_)


def played(machine, xen, source, seed, every, full=None):
    """The passes that a reader takes while the machine's events are written; all rings are read at the end.

    :param every: events between two passes on the average, any of these; :param full: a list that gets what the source
        says of each pass.
    """
    chance = random.Random(seed)
    pause = 0
    running = [records.IDLE_DOMAIN << 16 | pcpu for pcpu in range(xen.pcpus)]
    passes = []

    def read():
        passes.append(source._scan())
        if full is not None:
            full.append(source.full)

    for tsc, pcpu, record in machine.events:
        header = int.from_bytes(record[:4], "little")
        if header & 0x0FFFFCFF | 0x300 == records.RUNSTATE_CHANGE | 0x300:      # into running
            running[pcpu] = int.from_bytes(record[12:16], "little")
        xen.producers[pcpu].write(tsc, record, running[pcpu])
        pause -= 1
        if pause < 0:
            read()
            pause = chance.randrange(2 * chance.choice(every))
    read()
    return passes
