"""`xenmeter baker` on a host whose hypervisor is fake: its options, its word in the log, and how it leaves the host."""
import os
import pathlib
import signal
import threading
import time
import types

import pytest

from helpers import encoding
from helpers import fake_rings
from helpers.simulator import KHZ, Machine
from helpers.played_rings import opened
from xenmeter.core.errors import SourceError
from xenmeter.xentrace.baker import sources
from xenmeter.front.cli import main
from xenmeter.xen import tracebuf
from xenmeter.xen.tracemap import Frames, TraceEvents
from xenmeter.xentrace.engine import records
from xenmeter.xentrace.baker.control import ask
from xenmeter.xentrace.baker.document import to_sample
from xenmeter.xentrace.baker.shm import Reader

#: Seconds for each thing that is waited for.
PATIENCE = 120


@pytest.fixture
def host(monkeypatch):
    """The command on a host whose rings are fake, in this process; the signals' handlers are put back."""
    xen = fake_rings.Xen(pcpus=2)
    hypervisor = types.SimpleNamespace(
        interface_versions=lambda: (fake_rings.VERSION, 0), close=lambda: None,
        host=lambda: types.SimpleNamespace(max_cpu_id=1, cpu_khz=KHZ), idle_ns=lambda host: [0, 0])
    monkeypatch.setattr(sources, "open_calls", lambda: xen)
    monkeypatch.setattr(sources, "Hypervisor", lambda calls=None: hypervisor)
    monkeypatch.setattr(sources, "open_events", lambda: TraceEvents(xen.evtchn()))
    monkeypatch.setattr(sources, "open_frames", lambda: Frames(xen.foreignmemory()))
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    yield xen
    for number, handler in before.items():
        signal.signal(number, handler)


def wait_until(seen, ended):
    """Wait for what is seen, but not when the command has ended; what was seen."""
    deadline = time.monotonic() + PATIENCE
    while not seen() and not ended.is_set() and time.monotonic() < deadline:
        time.sleep(0.01)
    return seen()


def end():
    """SIGTERM to the command; where it has no handler, it would be pytest that ends."""
    if callable(signal.getsignal(signal.SIGTERM)):
        os.kill(os.getpid(), signal.SIGTERM)


def live(xen, path, found, ended, look=lambda: None):
    """What happens on the host while the command runs: events, a reader, a look at it, and SIGTERM."""
    def read():
        try:
            reader = Reader(path)
            found.append(to_sample(*reader.read(True)[1:], reader.cells))
        except SourceError:
            pass
        return found

    try:
        # rings of before are enabled already: that the command has enabled them is what counts
        if not wait_until(lambda: tracebuf.ENABLE in xen.log and xen.enabled, ended):
            return
        write(xen, ended)
        wait_until(read, ended)
        look()
    finally:
        end()


def write(xen, ended):
    """A machine's events into the rings, no faster than they are read; none while none are selected, as Xen does it."""
    machine = Machine(5, pcpus=2, steps=40000, start=10 ** 9)
    traced = [xen.producers[pcpu] for pcpu in xen.cpus]
    for number, (tsc, pcpu, record) in enumerate(machine.events):
        if xen.mask:
            xen.producers[pcpu].write(tsc, record, records.IDLE_DOMAIN << 16 | pcpu)
        if number % 200 == 0:
            wait_until(lambda: not xen.mask or all(ring._unread() <= ring.size // 2 for ring in traced), ended)
            xen.interrupt()
            time.sleep(0.01)


def command(host, tmp_path, *words, look=lambda: None):
    """(exit status, the sample that its reader saw)"""
    found, ended = [], threading.Event()
    path = str(tmp_path / "baker")
    thread = threading.Thread(target=live, args=(host, path, found, ended, look))
    thread.start()
    try:
        status = main(["baker", "--shared", path, "--window", "0.5"] + list(words))
    finally:
        ended.set()
        thread.join()
    assert found, "nothing to read, and the command ended with %s" % status
    return status, found[0]


def test_the_command_from_rings_to_a_reader(host, tmp_path, capsys):
    status, sample = command(host, tmp_path)
    assert status == 0 and (host.mask, host.enabled, host.virq_taken) == (0x0FFFFFFF, False, False)
    assert sample.figures["trace"]["records"] > 1000 and len(sample.figures["domains"]) == 3
    assert sample.figures["windows"][0]["length_ns"] == 500000000
    assert os.listdir(str(tmp_path)) == [] and host.cpus == [0, 1] and sample.remark is None
    begin, into, end = capsys.readouterr().err.splitlines()
    assert "rings of 32 pages for each of 2 pCPUs; event mask 0x00161000 (before: 0x0fffffff); traced pCPUs: all" in begin
    assert "at most 2 % of one pCPU" in begin and "TSC of %d kHz" % KHZ in begin
    assert "baking into" in into and "ended: " in end and " 0 lost" in end


def test_rings_of_this_boot_stay_as_they_are_and_that_is_said(host, tmp_path, capsys):
    host.make(3)
    command(host, tmp_path, "--buffer-pages", "64", "--allocation", "--share", "0")
    begin = capsys.readouterr().err.splitlines()[0]
    assert "rings of 3 pages" in begin and "64 pages were asked for" in begin and "no bound" in begin
    assert "event mask 0x00169000" in begin


def test_some_pcpus_only(host, tmp_path, capsys):
    status, sample = command(host, tmp_path, "--cpus", "1")
    assert status == 0 and host.cpus == [1]
    assert sample.remark == "only pCPUs 1 are traced; what happens on others is in no figure"
    assert "traced pCPUs: 1; others are not" in capsys.readouterr().err
    assert main(["baker", "--shared", str(tmp_path / "baker"), "--cpus", "0-2"]) == 2
    assert "there is no pCPU 2" in capsys.readouterr().err and not host.virq_taken


def test_status(host, tmp_path, capsys):
    told = []

    def look():
        told.append(ask(str(tmp_path / "baker.sock"), get="status"))
        told.append(main(["baker", "--shared", str(tmp_path / "baker"), "--status"]))
    command(host, tmp_path, look=look)
    status, code = told
    assert status["process"] == os.getpid() and status["windows"] == ["0.5s"] and status["lost_records"] == 0
    out = capsys.readouterr().out
    assert code == 0 and "lost_records     0\n" in out and "windows          0.5s\n" in out and "remark           -\n" in out
    assert main(["baker", "--shared", str(tmp_path / "baker"), "--status"]) == 1
    assert "no baker answers" in capsys.readouterr().err


def test_losses_are_said_once_in_a_while(host, tmp_path, capsys):
    host.make(1)
    slow = {pcpu: host.producers[pcpu].write for pcpu in host.producers}
    command(host, tmp_path, look=lambda: flood(slow))
    said = capsys.readouterr().err
    assert said.count("its rings were full") == 1 and "--buffer-pages" in said


def flood(writers):
    """More than a ring holds, faster than anybody reads; then time goes on, so that the marker and a window come."""
    for write in writers.values():
        for step in range(3000):
            write(10 ** 12 + step, encoding.runstate(10 ** 12 + step, 1, 0, 1, 0), 0)
    for second in range(1, 40):
        time.sleep(0.02)
        for write in writers.values():
            write(10 ** 12 + second * KHZ * 100, encoding.runstate(10 ** 12 + second * KHZ * 100, 1, 0, 1, 0), 0)
    time.sleep(0.3)


XENTRACE = """#!/bin/sh
trap 'exit 0' TERM
echo "$@" > {0}.new && mv {0}.new {0}
while :; do sleep 0.05; done
"""


@pytest.fixture
def child(host, tmp_path, monkeypatch):
    """An xentrace that does nothing but note how it was called, first in the PATH."""
    program = pathlib.Path(str(tmp_path / "bin")) / "xentrace"
    program.parent.mkdir()
    program.write_text(XENTRACE.format(tmp_path / "called"))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    (tmp_path / "run").mkdir()
    return host


def with_child(tmp_path, *words, before=lambda: None):
    ended = threading.Event()

    def wait():
        wait_until((tmp_path / "called").exists, ended)
        before()
        end()
    thread = threading.Thread(target=wait)
    thread.start()
    try:
        return main(["baker", "--shared", str(tmp_path / "run" / "baker"), "--source", "xentrace"] + list(words))
    finally:
        ended.set()
        thread.join()


@pytest.mark.parametrize("words, called", [
    ([], "-D -e 0x00161000 -c all -S 32\n"),
    (["--cpus", "1,0,5-7", "--allocation", "--buffer-pages", "4"], "-D -e 0x00169000 -c 0-1,5-7 -S 4\n")])
def test_a_child_has_both_masks_and_leaves_the_event_mask_as_it_was(child, tmp_path, words, called):
    child.make(1)
    child.mask = 0x0002F000
    assert with_child(tmp_path, *words, before=lambda: setattr(child, "mask", 0x00161000)) == 0
    assert (tmp_path / "called").read_text() == called
    assert child.mask == 0x0002F000 and child.enabled       # it ended by itself, so what is enabled is not ours
    assert os.listdir(str(tmp_path / "run")) == []


def test_no_child_where_another_one_reads(child, tmp_path, capsys):
    child.virq_taken = True
    assert main(["baker", "--shared", str(tmp_path / "run" / "baker"), "--source", "xentrace"]) == 1
    assert "something else reads" in capsys.readouterr().err and not (tmp_path / "called").exists()


def test_who_writes_a_stream_chooses_what_it_holds(tmp_path, capsys):
    for words in (["--cpus", "1"], ["--allocation"]):
        assert main(["baker", "--shared", str(tmp_path / "baker"), "--source", "/dev/null", "--cpu-khz", "1"] + words) == 2
        assert "%s: who writes /dev/null" % words[0] in capsys.readouterr().err


def test_where_none_left_anything_restoring_needs_no_xen(tmp_path, capsys, monkeypatch):
    """A baker of a file or a FIFO, which a service stops as any other."""
    monkeypatch.setattr(sources, "open_calls", lambda: pytest.fail("Xen is asked"))
    assert main(["baker", "--shared", str(tmp_path / "baker"), "--source", "/dev/null", "--restore"]) == 0
    assert capsys.readouterr().err == ""


def test_the_command_restores_what_a_killed_one_left(host, tmp_path, capsys):
    opened(host, tmp_path / "baker.state")
    assert main(["baker", "--shared", str(tmp_path / "baker"), "--restore"]) == 1     # it lives
    assert "something else reads" in capsys.readouterr().err and host.enabled
    host.virq_taken = False
    assert main(["baker", "--shared", str(tmp_path / "baker"), "--restore"]) == 0
    assert (host.mask, host.enabled) == (0x0FFFFFFF, False) and "put back" in capsys.readouterr().err
