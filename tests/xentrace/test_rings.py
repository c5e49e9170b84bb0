"""Live rings, over fake memory that a producer after xen/common/trace.c fills: wraps, overflow, 2X pointers, and manners."""
import ctypes
import errno
import json
import random
import threading

import pytest

from helpers import encoding
from helpers import fake_rings
from helpers.played_rings import MASK, as_file, opened, played
from helpers.simulator import KHZ, Machine
from helpers.figures import by_file, by_passes
from xenmeter.core.errors import NoPrivilege, SourceError, Unsupported, VersionMismatch
from xenmeter.xen import tracebuf
from xenmeter.xen.tracebuf import Ring, TraceControl, geometry, t_info_frames
from xenmeter.xen.tracemap import TraceEvents
from xenmeter.xentrace.baker import rings
from xenmeter.xentrace.engine import records
from xenmeter.xentrace.baker.rings import restore


@pytest.mark.parametrize("seed", range(8))
def test_rings_equal_the_file_to_the_nanosecond(tmp_path, seed):
    """Many times around rings of one page: every wrap, and both halves of the 2X that the pointers run through."""
    xen = fake_rings.Xen(pcpus=3)
    source = opened(xen, tmp_path / "state")
    machine = Machine(seed, pcpus=3, domains=4, steps=9000, churn=True)
    passes = played(machine, xen, source, seed, every=[12])
    assert all(one.dropped == 0 and one.stored * 16 > 4 * one.size for one in xen.producers.values())
    live, file = by_passes(passes), by_file(as_file(passes))
    assert live == file and live["trace"]["anomalies"] == 0
    assert live["trace"]["records"] >= len(machine.events)      # and the fillers


@pytest.mark.parametrize("seed", range(8))
def test_overflow_is_told_and_counted(tmp_path, seed):
    xen = fake_rings.Xen(pcpus=2)
    source = opened(xen, tmp_path / "state")
    machine = Machine(seed, pcpus=2, steps=9000)
    passes = played(machine, xen, source, seed, every=[900])
    live, file = by_passes(passes), by_file(as_file(passes))
    dropped = sum(one.dropped - one.lost for one in xen.producers.values())
    assert live["trace"]["lost_records"] == file["trace"]["lost_records"] == dropped > 100
    assert live == file


def test_a_ring_that_fills_while_it_is_read_is_seen_to_have_been_full(tmp_path):
    """Records that come between a reader's look and its thanks: neither pass has a full ring, and records are lost."""
    xen = fake_rings.Xen(pcpus=2)
    source = opened(xen, tmp_path / "state")
    ring = source.rings[0]

    def write(pcpu, tsc, domid, old, new):
        xen.producers[pcpu].write(tsc, encoding.runstate(tsc, domid, 0, old, new), domid << 16)
    for step in range(100):
        write(0, step + 1, 1, step & 1, 1 - (step & 1))
    cons, unread = ring.pointers()
    data = bytes(ring._data[cons:cons + unread])
    for step in range(100, 300):                # 155 of them fill the ring, the rest is lost
        write(0, step + 1, 1, step & 1, 1 - (step & 1))
    ring._cons.value = cons + unread
    write(1, 1000000, 2, 2, 1)
    passes = [[(0, data), (1, source.rings[1].take())], source._scan()]
    for tsc in range(2000000, 9000000, 1000000):
        write(1, tsc, 2, 1, 0)
        write(1, tsc + 1, 2, 0, 1)
        passes.append(source._scan())
    write(0, 9000000, 1, 0, 2)
    passes.append(source._scan())
    live, file = by_passes(passes), by_file(as_file(passes))
    assert live == file and live["trace"]["lost_records"] > 0 and live["trace"]["anomaly_kinds"]["late"] == 0


@pytest.mark.parametrize("seed", range(20))
def test_every_byte_comes_once_and_in_order(seed):
    memory = (ctypes.c_ubyte * 4096)()
    producer, ring, chance = fake_rings.Producer(memory), Ring(0, memory), random.Random(seed)
    written = read = b""
    for number in range(3000):
        record = encoding.encode(chance.randrange(1 << 28), range(chance.randrange(8)), chance.choice([None, number]))
        before = producer.stored
        producer.write(number, record, 0)
        written += record if producer.stored > before else b""
        if chance.random() < 0.05:
            read += ring.take()
    read += ring.take()
    kept = without_fillers(read)
    assert kept == written and len(read) > 10 * ring.size
    assert ring.take() == b"" and ring.pointers()[1] == 0


def without_fillers(data):
    kept, at = b"", 0
    while at < len(data):
        header = int.from_bytes(data[at:at + 4], "little")
        length = 4 * (1 + 2 * (header >> 31) + (header >> 28 & 7))
        if header & 0x0FFFFFFF not in (records.WRAP_BUFFER, records.LOST_RECORDS):
            kept += data[at:at + length]
        at += length
    return kept


@pytest.mark.parametrize("cons, prod", [(2, 0), (0, 6), (8176, 0), (0, 8176), (0, 4092), (4088, 0x80000000)])
def test_damaged_pointers_are_refused(cons, prod):
    memory = (ctypes.c_uint32 * 1024)(cons, prod)
    with pytest.raises(SourceError, match="pCPU 3's trace ring is damaged"):
        Ring(3, memory).take()
    assert (memory[0], memory[1]) == (cons, prod)


def test_a_full_ring_is_not_an_empty_one():
    memory = (ctypes.c_uint32 * 1024)(4088, 0)
    assert len(Ring(0, memory).take()) == 4088 and memory[0] == 0


def test_geometry_of_absent_pcpus_and_of_damage():
    xen = fake_rings.Xen(pcpus=4, absent=(1, 2))
    xen.make(3)
    info = bytes(xen.memory[fake_rings.T_INFO_MFN])
    assert geometry(info, 4) == {0: [5000, 5001, 5002], 3: [5300, 5301, 5302]}
    assert geometry(info, 1) == {0: [5000, 5001, 5002]}
    with pytest.raises(VersionMismatch):
        geometry(info[:1204], 4)
    assert t_info_frames(7, 4097) == [7, 8]
    with pytest.raises(VersionMismatch):
        t_info_frames(7, 1 << 30)


def test_it_leaves_the_host_as_it_found_it(tmp_path):
    xen = fake_rings.Xen(pcpus=70)
    xen.mask = 0x0002F000
    source = opened(xen, tmp_path / "state", pages=2)
    assert (xen.mask, xen.enabled, xen.pages, xen.cpus) == (MASK, True, 2, list(range(70)))
    assert xen.log.index(tracebuf.SET_EVT_MASK) < xen.log.index(tracebuf.SET_SIZE)
    assert json.loads((tmp_path / "state").read_text())["evt_mask"] == 0x0002F000
    source.close()
    assert (xen.mask, xen.enabled, xen.virq_taken) == (0x0002F000, False, False)
    assert xen.unmapped == 71 and not (tmp_path / "state").exists()


def test_existing_rings_are_used_as_they_are_and_old_records_left_out(tmp_path):
    xen = fake_rings.Xen()
    xen.make(2)
    xen.producers[0].write(5, encoding.runstate(5, 1, 0, 1, 0), 0)
    source = opened(xen, tmp_path / "state", pages=64)
    assert xen.pages == 2 and xen.enabled and source._scan() == []
    source.close()


def test_losses_of_before_are_not_ours(tmp_path):
    """Seen on a real Xen: an xentrace died with tracing on, and the next baker told of 84472 lost records."""
    xen = fake_rings.Xen()
    xen.make(1)
    while not xen.producers[0].lost:
        xen.producers[0].write(5, encoding.runstate(5, 1, 0, 1, 0), 0)
    source = opened(xen, tmp_path / "state")
    xen.producers[0].write(9, encoding.runstate(9, 1, 0, 1, 0), 0)
    (pcpu, data), = source._scan()
    assert pcpu == 0 and data.endswith(encoding.runstate(9, 1, 0, 1, 0))
    assert encoding.lost(9, 1, 0, 0, 5)[:4] not in data
    source.close()


def test_somebody_else_traces(tmp_path):
    xen = fake_rings.Xen()
    first = TraceEvents(xen.evtchn())
    with pytest.raises(SourceError, match="something else reads Xen's trace rings"):
        opened(xen, tmp_path / "state")
    assert xen.log == [] and not (tmp_path / "state").exists()
    first.close()


def test_after_a_kill_the_next_start_puts_the_first_mask_back(tmp_path):
    xen = fake_rings.Xen()
    xen.mask = 0x0FFFF000
    opened(xen, tmp_path / "state")         # and it is killed: nothing of it is undone but the lock
    assert xen.mask == MASK and xen.enabled
    xen.virq_taken = False
    source = opened(xen, tmp_path / "state", mask=0x00169000)
    assert xen.mask == 0x00169000
    source.close()
    assert (xen.mask, xen.enabled) == (0x0FFFF000, False)


def test_restore_after_a_kill(tmp_path):
    xen = fake_rings.Xen()
    opened(xen, tmp_path / "state")
    control = TraceControl(xen, fake_rings.VERSION)
    assert restore(control, str(tmp_path / "state")) and (xen.mask, xen.enabled) == (0x0FFFFFFF, False)
    assert not restore(control, str(tmp_path / "state"))


@pytest.mark.parametrize("text, mask", [("{", rings.EVERYTHING), ("[]", rings.EVERYTHING), (
    '{"boot_id": "another", "evt_mask": 5}', None)])
def test_state_files_that_say_nothing(tmp_path, text, mask):
    (tmp_path / "state").write_text(text)
    assert rings._read_state(str(tmp_path / "state")) == mask


@pytest.mark.parametrize("operation", [tracebuf.SET_SIZE, tracebuf.ENABLE, tracebuf.SET_CPU_MASK])
def test_a_start_that_fails_undoes_what_it_did(tmp_path, operation):
    xen = fake_rings.Xen()
    xen.mask = 5
    xen.fail[operation] = errno.ENOMEM
    with pytest.raises(SourceError, match="no memory"):
        opened(xen, tmp_path / "state")
    assert (xen.mask, xen.virq_taken) == (5, False) and not (tmp_path / "state").exists()


@pytest.mark.parametrize("code, error", [(errno.EPERM, NoPrivilege), (errno.ENOSYS, Unsupported), (errno.EIO, SourceError)])
def test_errors_have_types(code, error):
    xen = fake_rings.Xen()
    xen.fail[tracebuf.GET_INFO] = code
    with pytest.raises(error):
        TraceControl(xen, fake_rings.VERSION).info()
    with pytest.raises(VersionMismatch):
        TraceControl(xen, 0x99).info()


def test_passes_come_by_time_and_by_interrupt_and_the_last_after_the_end(tmp_path):
    xen = fake_rings.Xen()
    source = opened(xen, tmp_path / "state")
    stop = threading.Event()
    passes = source.passes(stop)
    assert next(passes) == []                           # the time-out alone
    record = encoding.runstate(1000, 1, 0, 1, 0)
    xen.producers[1].write(1000, record, 0)
    xen.interrupt()
    assert next(passes) == [(1, record)] and "unmask" in xen.log
    xen.producers[0].write(2000, record, 0)
    stop.set()
    assert list(passes) == [[(0, record)]] and not xen.enabled
    source.close()


def test_only_where_memory_is_ordered(monkeypatch, tmp_path):
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    with pytest.raises(Unsupported, match="use `xenmeter baker --source xentrace`"):
        opened(fake_rings.Xen(), tmp_path / "state")


def test_the_figures_are_true(tmp_path):
    """What the rings tell of each vCPU is what the machine did."""
    xen = fake_rings.Xen(pcpus=2)
    source = opened(xen, tmp_path / "state")
    machine = Machine(3, pcpus=2, steps=3000)
    live = by_passes(played(machine, xen, source, 3, every=[20]))
    first, last = machine.events[0][0], machine.events[-1][0]
    compared = 0
    for one in live["vcpus"]:
        truth = machine.truth((one["domid"], one["generation"], one["vcpu"]), first, last, KHZ)
        told = [one["running_ns"], one["runnable_ns"], one["blocked_ns"], one["offline_ns"]]
        assert all(abs(mine - theirs) <= 5 * len(machine.events) for mine, theirs in zip(told, truth))
        compared += 1
    assert compared > 2
