"""Many QEMUs at once, and those among them that hang, lie or are gone."""
import os
import socket
import threading
import time
from types import SimpleNamespace

import pytest
from helpers.fake_qmp import EVENT, FakeQemu, Hangup, disk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xenmeter.xen import qdisks
from xenmeter.xen.blkback import Disk
from xenmeter.xen.domains import DomainFacts
from xenmeter.xen.qdisks import Qdisks, merged, unlike

XVDA = disk("xvda-raw", rd_operations=3, rd_bytes=1536)
LONG = 30.0     # seconds that a slow machine may take to answer


def socket_of(folder, domid):
    return folder / ("qmp-libxenstat-%d" % domid)


@pytest.fixture
def qemu(tmp_path):
    with FakeQemu(socket_of(tmp_path, 7), [XVDA]) as fake:
        yield fake


class Clock:
    """The real one, of which a test may leave out a part; or one that stands still but for that."""

    def __init__(self, real=time.monotonic):
        self.real = real
        self.ahead = 0.0

    def __call__(self):
        return self.real() + self.ahead


def reads(found):
    return {domid: {name: told.counters[1] for name, told in disks.items()} for domid, disks in found.items()}


def test_two_qemus(qemu, tmp_path):
    with FakeQemu(socket_of(tmp_path, 8), [disk("xvda-raw"), disk("xvdb-qcow2", rd_operations=9)]):
        qdisks = Qdisks(str(tmp_path), LONG)
        for _ in range(3):
            assert reads(qdisks.read([8, 7])) == {7: {"xvda": 3}, 8: {"xvda": 0, "xvdb": 9}}
    assert qdisks.failures == {} and qdisks.failed == 0
    assert qemu.connections == 3 and qemu.asked == ["qmp_capabilities", "query-blockstats"] * 3


def test_nobody_to_ask(tmp_path):
    assert Qdisks(str(tmp_path / "none")).read([]) == {}


def test_more_than_may_be_open_at_once(tmp_path):
    """Every one is asked, one batch after the other, and no file stays open."""
    before = len(os.listdir("/proc/self/fd"))
    fakes = [FakeQemu(socket_of(tmp_path, domid), [disk("xvda-raw", rd_operations=domid)]) for domid in range(1, 151)]
    for fake in fakes:
        fake.__enter__()
    found = Qdisks(str(tmp_path), LONG).read(range(1, 151))
    for fake in fakes:
        fake.__exit__()
    assert len(os.listdir("/proc/self/fd")) <= before
    assert reads(found) == {domid: {"xvda": domid} for domid in range(1, 151)}


def test_xentop_goes_first(qemu, tmp_path):
    """QEMU serves one client at a time: we wait for our turn, and leave the socket to others afterwards."""
    with socket.socket(socket.AF_UNIX) as other:
        other.connect(qemu.path)
        assert other.recv(4096).startswith(b'{"QMP"')
        timer = threading.Timer(0.05, other.shutdown, [socket.SHUT_RDWR])
        timer.start()
        assert reads(Qdisks(str(tmp_path), LONG).read([7])) == {7: {"xvda": 3}}
        timer.join()
    with socket.socket(socket.AF_UNIX) as other:
        other.settimeout(LONG)
        other.connect(qemu.path)
        assert other.recv(4096).startswith(b'{"QMP"')


def test_a_qemu_that_hangs_costs_a_moment_and_rests(qemu, tmp_path):
    """Its time is over when the other one has answered and been left: by a clock of ours, so however long that takes."""
    answering, clock = threading.Event(), Clock(lambda: 0.0)
    qdisks = Qdisks(str(tmp_path), LONG, clock)
    with FakeQemu(socket_of(tmp_path, 8), [XVDA]) as well:
        def hang(command, reply):
            if command == "query-blockstats":
                until = time.monotonic() + LONG
                while (not well.connections or well._open.fileno() >= 0) and time.monotonic() < until:
                    time.sleep(0.01)
                clock.ahead += 2 * LONG
                qemu._open.sendall(EVENT)       # so that who waits looks at the clock
                answering.wait(LONG)
            return reply
        qemu.fault = hang
        assert reads(qdisks.read([7, 8])) == {8: {"xvda": 3}}
        assert clock.ahead == 2 * LONG
        assert qdisks.failed == 1 and qdisks.failures == {
            7: "%s: QEMU does not answer in time; the counters of its disks are not told" % qemu.path}
        assert reads(qdisks.read([7, 8])) == {8: {"xvda": 3}}
        assert qdisks.failed == 0 and set(qdisks.failures) == {7} and qemu.connections == 1 and well.connections == 2
    qemu.fault = None
    answering.set()
    clock.ahead += 2.0
    assert reads(qdisks.read([7])) == {7: {"xvda": 3}} and qdisks.failures == {}


def test_rests_grow_and_end_with_the_domain(tmp_path):
    clock = Clock(lambda: 0.0)
    qdisks = Qdisks(str(tmp_path), LONG, clock)
    rests = []
    qdisks.read([7])
    assert qdisks.failed == 1
    for _ in range(8):
        for tenth in range(1, 10000):
            clock.ahead += 0.1
            qdisks.read([7])
            if qdisks.failed:
                break
        rests.append(round(tenth / 10))
    assert rests == [1, 2, 5, 10, 30, 60, 60, 60]
    qdisks.read([7])
    assert qdisks.failed == 0 and "No such file or directory" in qdisks.failures[7]
    qdisks.read([])
    assert qdisks.failures == {}
    qdisks.read([7])
    assert qdisks.failed == 1


def failure(tmp_path, patience=LONG):
    qdisks = Qdisks(str(tmp_path), patience)
    assert qdisks.read([7]) == {}
    assert qdisks.failed == 1
    return qdisks.failures[7]


def test_sockets_that_are_not_believed(tmp_path):
    path = socket_of(tmp_path, 7)
    assert "No such file or directory" in failure(tmp_path)
    path.write_bytes(b"")
    assert "no socket of root's" in failure(tmp_path)
    path.unlink()
    with FakeQemu(tmp_path / "elsewhere", [XVDA]) as fake:
        path.symlink_to(tmp_path / "elsewhere")
        assert "no socket of root's" in failure(tmp_path)
        assert fake.connections == 0
    path.unlink()
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    assert "Connection refused" in failure(tmp_path)
    assert "too long" in failure(tmp_path / ("x" * 200)) or "No such file" in failure(tmp_path / ("x" * 200))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_somebody_elses(qemu, tmp_path):
    os.chown(qemu.path, 1000, 1000)
    assert "no socket of root's" in failure(tmp_path)
    assert qemu.connections == 0


def test_others_wait_already(tmp_path):
    """A queue that is full is an answer at once, not a wait."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(socket_of(tmp_path, 7)))
        listener.listen(0)
        with socket.socket(socket.AF_UNIX) as first:
            first.connect(str(socket_of(tmp_path, 7)))
            assert "others wait for QEMU" in failure(tmp_path)


@pytest.mark.parametrize("stage", ["", "qmp_capabilities", "query-blockstats"])
@pytest.mark.parametrize("part", [0, 1, 0.5, -1])
def test_it_hangs_up(qemu, tmp_path, stage, part):
    def fault(command, reply):
        if command == stage:
            raise Hangup(reply[:int(part * len(reply)) if isinstance(part, float) else part])
        return reply
    qemu.fault = fault
    why = failure(tmp_path)
    assert "hung up" in why or "Broken pipe" in why or "reset" in why


def test_it_answers_too_much(qemu, tmp_path):
    qemu.fault = lambda command, reply: reply if command != "query-blockstats" else EVENT * 40000
    assert "more than 2097152 bytes" in failure(tmp_path)


def test_events_do_not_keep_it_waiting_for_ever(qemu, tmp_path):
    """A QEMU that only ever sends events is out of time or out of bytes, whichever is first."""
    def fault(command, reply):
        if command == "query-blockstats":
            while True:
                qemu._open.sendall(EVENT)      # until the other side has had enough
        return reply
    qemu.fault = fault
    assert "QEMU" in failure(tmp_path, 0.3)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["", "qmp_capabilities", "query-blockstats"]), st.binary(max_size=200))
def test_any_bytes(qemu, tmp_path, stage, data):
    def fault(command, reply):
        if command == stage:
            raise Hangup(data)
        return reply
    qemu.fault = fault
    assert failure(tmp_path)


def facts(**vbds):
    numbers = {"xvda": 51712, "xvdb": 51728, "xvdc": 51744}
    return DomainFacts(7, b"g", None, None, (), {numbers[name]: name for name in vbds},
                       qdisks=tuple(sorted(numbers[name] for name, kind in vbds.items() if kind == "qdisk")))


def test_disks_of_both_kinds(qemu, tmp_path):
    told = Qdisks(str(tmp_path), LONG).read([7])[7]
    kernels = [Disk("BlkBack", 51728, (1, 2, 3, 4, 5))]
    assert merged(kernels, facts(xvda="qdisk", xvdb="vbd", xvdc="qdisk"), told) == [
        Disk("Qdisk", 51712, (None, 3, 0, 1536, 0), told["xvda"].served), kernels[0], Disk("Qdisk", 51744, None)]
    assert merged(kernels, facts(xvda="qdisk", xvdb="qdisk"), None) == [Disk("Qdisk", 51712, None), kernels[0]]
    assert merged(kernels, facts(xvdb="vbd"), told) == kernels and merged(kernels, None, told) == kernels


def test_disks_that_come_and_go():
    assert unlike(facts(xvda="qdisk", xvdb="vbd"), {"xvda": None}) == set()
    assert unlike(facts(xvda="qdisk"), {"xvda": None, "xvdb": None}) == {"xvdb"}
    assert unlike(facts(xvda="qdisk", xvdb="qdisk"), {"xvda": None}) == {"xvdb"}


def test_many_that_send_much_cost_no_more_than_the_patience_and_one_answer(monkeypatch):
    """On a clock of its own: reading what one of them sent takes 0.3 s, and a hundred have sent."""
    now = [0.0]
    asking = qdisks._Asking("/nowhere", 0.5, lambda: now[0])
    closed, read = [], []
    asking._open = {number: (number, SimpleNamespace(close=lambda: closed.append(1)), None) for number in range(100)}
    asking._poll = SimpleNamespace(poll=lambda ms: [(number, 1) for number in list(asking._open)])

    def readable(file):
        read.append(file)
        now[0] += 0.3
        del asking._open[file]
    monkeypatch.setattr(asking, "_readable", readable)
    asking.ask([])
    assert len(read) == 2 and len(asking.failures) == 98 and len(closed) == 98


def test_all_together_send_no_more_than_so_much(monkeypatch):
    asking = qdisks._Asking("/nowhere", 1e9, lambda: 0.0)
    asking._open = {1: (1, SimpleNamespace(close=lambda: None), None)}
    asking._poll = SimpleNamespace(poll=lambda ms: [(1, 1)])
    monkeypatch.setattr(asking, "_readable", lambda file: setattr(asking, "_taken", asking._taken + 65536))
    asking.ask([])
    assert asking._taken <= qdisks._MOST + 65536 and list(asking.failures) == [1]
