"""Hosts on which something is wrong: a pCPU that says nothing, clocks that disagree."""
from helpers import encoding
from helpers.simulator import KHZ, Machine
from xenmeter.xentrace.engine import records
from xenmeter.xentrace.engine.records import RUNNABLE, RUNNING

#: The simulator's steps are of microseconds: at this rate a tenth of its seconds are as long as a host's.
SLOW = KHZ // 50


def hotplug(seed, domains=4, steps=2000):
    """A host whose pCPU 1 is taken offline and comes back; without its records from then on. And how many came before."""
    machine = Machine(seed, pcpus=2, domains=domains, vcpus=2, steps=200)
    if machine.running[1] is not None:
        machine.leave(1, RUNNABLE)
        machine.change(1, 1, RUNNING)
        machine.running[1] = None
    machine.awake = [0]
    for _ in range(300):
        machine.step(False)
    cut = len(machine.events)
    machine.awake = range(2)
    for _ in range(steps):
        machine.step(False)
    machine.events[cut:] = [event for event in machine.events[cut:] if event[1] != 1]
    return machine, cut


# -- clocks that disagree ------------------------------------------------------------------------------------------
def skewed(machine, offsets, every=50):
    """The trace of a host whose pCPUs' TSCs differ by constants, as xentrace writes it."""
    told = b""
    for at in range(0, len(machine.events), every):
        for pcpu in range(machine.pcpus):
            held = b"".join(
                record[:4] + (tsc + offsets[pcpu]).to_bytes(8, "little") + record[12:] if record[3] & 0x80 else record
                for tsc, where, record in machine.events[at:at + every] if where == pcpu)
            told += records.window(pcpu, held) if held else b""
    return told


def change(at_ns, pcpu, old, new, domid=records.IDLE_DOMAIN):
    return encoding.runstate(10 ** 12 + at_ns, domid, pcpu, old, new)
