"""CPU time in dom0 by domain: threads of the kernel, tapdisk, QEMU; hostile names, ends, numbers that are used again."""
import os
import shutil

import pytest
from helpers.sysfs import process

from xenmeter.core import descriptors
from xenmeter.xen import servants
from xenmeter.xen.servants import ALL, Servants, Spent

TICK = 10 ** 7
LIVES = {0: b"0", 7: b"a", 12: b"b"}


class Host:
    def __init__(self, proc):
        self.proc = proc
        proc.mkdir()
        self.servants = Servants(str(proc), TICK)
        self.lives, self.qemus, self.tapdisks = dict(LIVES), {}, {}

    def read(self):
        """In ticks: those who live, those who have ended."""
        return {owner: (spent.living / TICK, spent.ended / TICK)
                for owner, spent in self.servants.read(self.lives, self.qemus, self.tapdisks).items()}

    def end(self, number):
        """Its file answers as the kernel's does: with nothing that can be read."""
        (self.proc / str(number) / "stat").write_bytes(b"")
        shutil.rmtree(str(self.proc / str(number)))


@pytest.fixture(params=["kept open", "by path"])
def host(request, tmp_path, monkeypatch):
    if request.param == "by path":
        monkeypatch.setattr(descriptors, "least_of_ours", lambda: 1 << 30)
    host = Host(tmp_path / "proc")
    yield host
    host.servants.close()


def test_who_serves_whom(host):
    for number, (name, ticks) in enumerate([
            (b"vif7.0-q0-guest-rx", 30), (b"vif7.0-q0-dealloc", 4), (b"vif7.1-q0-gues", 1), (b"vif12.0-q1-deal", 5),
            (b"7.xvda-0", 40), (b"blkback.12.xvda", 6), (b"12.xvdaaaaa", 7), (b"kworker/7.0", 99),
            (b"vif99.0-q0-guest", 99), (b"7.0-x", 99)], 50):
        process(host.proc, number, name, ticks)
    process(host.proc, 90, b"qemu-system-i38", 1000, kernel=False)
    process(host.proc, 91, b"tapdisk", 200, kernel=False)
    process(host.proc, 92, b"oxenstored", 70, kernel=False)
    (host.proc / "self").mkdir()
    host.qemus, host.tapdisks = {90: 12, 50: 7, 1234: 7}, {91: 7}
    expected = {(7, "netback"): (35, 0), (12, "netback"): (5, 0), (7, "blkback"): (40, 0), (12, "blkback"): (13, 0),
                (12, "qemu"): (1000, 0), (7, "tapdisk"): (200, 0), (ALL, "xenstored"): (70, 0)}
    if os.geteuid():
        del expected[ALL, "xenstored"]      # anybody may have a process of that name
    assert host.read() == expected
    process(host.proc, 50, b"vif7.0-q0-guest-rx", 33)
    assert host.read() == {**expected, (7, "netback"): (38, 0)}


@pytest.mark.parametrize("name", [b"vif7.0-q0-guest", b"7.xvda-0", b"x) S 2 0 0 0 0 2129984 0 (7.xvda-0", b"vif7.0-q0)\n(",
                                  b"qemu-system", b"tapdisk", b""])
def test_a_process_may_call_itself_what_it_likes(host, name):
    process(host.proc, 60, name, 99, kernel=False)
    assert host.read() == {}


@pytest.mark.parametrize("text", [b"60 (7.xvda-0", b"60 (7.xvda-0) S 2", b"\xff" * 99, b"60 (7.xvda-0) " + b"x " * 50])
def test_a_line_that_is_none(host, text):
    process(host.proc, 60, b"7.xvda-0", 1)
    (host.proc / "60" / "stat").write_bytes(text)
    assert host.read() == {}


def test_an_end_takes_nothing_away(host):
    process(host.proc, 60, b"vif7.0-q0-guest-rx", 30)
    process(host.proc, 61, b"vif7.0-q0-dealloc", 2)
    assert host.read() == {(7, "netback"): (32, 0)}
    process(host.proc, 60, b"vif7.0-q0-guest-rx", 35)
    host.read()
    host.end(60)
    assert host.read() == {(7, "netback"): (2, 35)}
    process(host.proc, 70, b"vif7.0-q0-guest-rx", 1, start=9)      # the guest's driver connected anew
    assert host.read() == {(7, "netback"): (3, 35)}


def test_a_number_that_is_used_again(host):
    """By something else at once, and by something that serves, among those that served nobody."""
    process(host.proc, 60, b"7.xvda-0", 30)
    for number in range(100, 150):
        process(host.proc, number, b"kworker", 1)
    assert host.read() == {(7, "blkback"): (30, 0)}
    host.end(60)
    process(host.proc, 60, b"12.xvda-0", 4, start=5)
    assert host.read() == {(7, "blkback"): (0, 30), (12, "blkback"): (4, 0)}
    (host.proc / "149").rename(host.proc / "was149")      # still there, so that the new directory is another one
    process(host.proc, 149, b"vif12.0-q0-deal", 9, start=7)
    assert host.read()[12, "netback"] == (9, 0)


def test_who_serves_nobody_is_looked_at_in_turns(host, monkeypatch):
    """Of those that are known and serve nobody a few are looked at, and whoever is new."""
    for number in range(50, 60):
        process(host.proc, number, b"kworker/%d" % number, 1)
    process(host.proc, 70, b"vif7.0-q0-guest-rx", 3)
    for _ in range(3):
        assert host.read() == {(7, "netback"): (3, 0)}
    looked = []
    monkeypatch.setattr(host.servants, "_look", lambda number, *_: looked.append(number))
    host.read()
    assert len(looked) == 2 and 70 not in looked
    process(host.proc, 71, b"vif7.0-q0-dealloc", 4)
    host.read()
    assert 71 in looked


def test_one_that_ends_and_stays_listed_is_another_at_the_next_reading(host):
    """A zombie, or a number that was given again between the listing and the look: nothing is taken for known."""
    process(host.proc, 70, b"vif7.0-q0-guest-rx", 3)
    host.read()
    stat = host.proc / "70" / "stat"
    stat.write_bytes(b"")
    assert host.read() == {(7, "netback"): (0, 3)}
    process(host.proc, 70, b"vif7.0-q0-guest-rx", 5)
    for _ in range(2):
        told = host.read()
    assert told == {(7, "netback"): (5, 3)}


def test_a_name_that_comes_later(host):
    """At the next reading, and in turns whenever it is."""
    for number in range(100, 110):
        process(host.proc, number, b"kthreadd", 1)
    assert host.read() == {}
    process(host.proc, 100, b"vif12.0-q0-deal", 9)
    assert host.read() == {(12, "netback"): (9, 0)}
    process(host.proc, 109, b"7.xvda-0", 4)
    seen = [host.read().get((7, "blkback")) for _ in range(10)]
    assert seen[-1] == (4, 0)


def test_who_is_known_is_not_read_again(host, monkeypatch):
    """A host has hundreds of processes that serve nobody: a reading looks at few of them."""
    for number in range(100, 200):
        process(host.proc, number, b"kworker", 1)
    process(host.proc, 60, b"7.xvda-0", 30)
    host.read(), host.read()
    looked = []
    monkeypatch.setattr(host.servants, "_look", lambda number, *_: looked.append(number))
    assert host.read() == {(7, "blkback"): (30, 0)}
    assert len(looked) == servants._IN_TURNS


def test_another_life_begins_at_nothing(host):
    """The same domid with another handle, and one that is gone: what was done for the one before is no more."""
    process(host.proc, 60, b"7.xvda-0", 30)
    host.read()
    host.end(60)
    assert host.read() == {(7, "blkback"): (0, 30)}
    host.lives[7] = b"another"
    assert host.read() == {}
    process(host.proc, 61, b"7.xvda-0", 3)
    assert host.read() == {(7, "blkback"): (3, 0)}
    del host.lives[7]
    assert host.read() == {}


def test_what_serves_is_told_later(host):
    """QEMU is there before xenstore says whose it is; a thread before its domain is listed."""
    process(host.proc, 60, b"qemu-system-x86", 30, kernel=False)
    process(host.proc, 61, b"vif30.0-q0-deal", 4)
    assert host.read() == {}
    host.qemus[60] = 7
    host.lives[30] = b"c"
    assert host.read()[7, "qemu"] == (30, 0)
    assert host.read().get((30, "netback")) == (4, 0)


def test_a_closed_one_goes_on(host):
    process(host.proc, 60, b"7.xvda-0", 30)
    assert host.read() == {(7, "blkback"): (30, 0)}
    host.servants.close()
    process(host.proc, 60, b"7.xvda-0", 31)
    assert host.read() == {(7, "blkback"): (31, 0)}
    host.servants.close()
    host.end(60)
    assert host.read() == {(7, "blkback"): (0, 31)}


def test_no_more_than_so_many_are_looked_at(host, monkeypatch):
    for number in range(100, 110):
        process(host.proc, number, b"7.xvda-0", 1)
    monkeypatch.setattr(servants, "_NEW", 4)
    assert [host.read()[7, "blkback"][0] for _ in range(3)] == [4, 8, 10]


def test_no_proc(tmp_path):
    assert Servants(str(tmp_path / "none")).read(LIVES, {}, {}) == {}


def test_this_machines_own():
    """The real /proc: kernel threads that are nobody's, and processes that are no servants."""
    reader = Servants()
    found = reader.read(LIVES, {os.getpid(): 7}, {})
    assert all(owner[0] == ALL for owner in found) and all(isinstance(spent, Spent) for spent in found.values())
    status = reader._status(os.getpid())
    assert not status.is_kernels and status.spent_ns >= 0 and status.start > 0
    reader.close()
