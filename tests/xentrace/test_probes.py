"""What ``xenmeter check`` is told of the trace rings."""
import errno
import types

import pytest

from helpers import fake_rings
from helpers.simulator import KHZ
from helpers.captures import SECOND, capture
from xenmeter.core.errors import NoPrivilege, SourceError, Unsupported, XenmeterError
from xenmeter.front.cli import main
from xenmeter.xen.tracemap import Frames, TraceEvents
from xenmeter.xentrace import probes
from xenmeter.xentrace.engine.windowed import Baking
from xenmeter.xentrace.baker.document import Words
from xenmeter.xentrace.baker.writing import Writer


def probe(xen, shared="/nowhere/baker"):
    hypervisor = types.SimpleNamespace(interface_versions=lambda: (fake_rings.VERSION, 0), close=lambda: None,
                                       host=lambda: types.SimpleNamespace(max_cpu_id=xen.pcpus - 1))
    return probes.trace_rings(lambda: xen, lambda calls: hypervisor, lambda: Frames(xen.foreignmemory()),
                              lambda: TraceEvents(xen.evtchn()), shared)


def baker(path, causes=0):
    """A shared file as a baker writes it, with a trace's figures in it."""
    baking = Baking(KHZ, [SECOND], causes=causes)
    baking.engine.feed(capture("narrow-steady"))
    baking.finish()
    writer = Writer(str(path), 10 ** 12)
    writer.write(Words().parts(baking.now(), None, None), 1)
    baking.close()
    return writer


def test_before_the_first_trace_and_after():
    xen = fake_rings.Xen(pcpus=4, absent=(2,))
    assert "no rings yet" in probe(xen) and "until the host reboots" in probe(xen) and "0x0fffffff" in probe(xen)
    xen.make(3)
    xen.mask = 0x0002F000
    assert probe(xen).startswith("rings of 12 KiB for 3 of 4 pCPUs") and "now 0x0002f000" in probe(xen)
    assert (xen.mask, xen.cpus, xen.virq_taken) == (0x0002F000, None, False) and not xen._kept


def test_somebody_else_reads(tmp_path):
    xen = fake_rings.Xen()
    xen.virq_taken = True
    with pytest.raises(SourceError, match="something else reads"):
        probe(xen)
    writer = baker(tmp_path / "baker")
    with pytest.raises(SourceError, match="the baker that runs here"):
        probe(xen, str(tmp_path / "baker"))
    said = probes.baker(str(tmp_path / "baker"))
    assert "5 domains" in said and "not who made whom wait (its option --causes)" in said
    writer.close()
    writer = baker(tmp_path / "more", 8)
    assert "; who made whom wait; 5 domains" in probes.baker(str(tmp_path / "more"))
    writer.close()


@pytest.mark.parametrize("code, error", [(errno.EPERM, NoPrivilege), (errno.ENOSYS, Unsupported)])
def test_why_not(code, error):
    xen = fake_rings.Xen()
    xen.fail[0] = code
    with pytest.raises(error):
        probe(xen)


@pytest.mark.parametrize("versions, says", [
    ((0x13, 0x12), "Xen 4.14 and writes into files only"), ((0x15, 0x15), "Xen 4.17 and writes into files only"),
    ((0x15, 0x16), None), ((0x15, 0x17), None), ((0x99, 0x99), None)])
def test_xentrace_is_offered_where_it_writes_to_a_pipe(monkeypatch, versions, says):
    monkeypatch.setattr(probes, "find_xentrace", lambda: "/usr/sbin/xentrace")
    closed = []
    hypervisor = types.SimpleNamespace(interface_versions=lambda: versions, close=lambda: closed.append(1))
    if says is None:
        assert probes.xentrace(lambda: hypervisor).startswith("/usr/sbin/xentrace; `xenmeter baker --source xentrace`, where")
    else:
        with pytest.raises(Unsupported, match=says + ".*4.18 and later.*FIFO"):
            probes.xentrace(lambda: hypervisor)
    assert closed == [1]


def test_where_xen_cannot_be_asked_the_release_is_left_open(monkeypatch):
    monkeypatch.setattr(probes, "find_xentrace", lambda: "/usr/sbin/xentrace")

    def none():
        raise NoPrivilege("not for you")
    assert "where it is of Xen 4.18 or later" in probes.xentrace(none)


def test_this_machine(capsys):
    for _, one in probes.PROBES:
        try:
            assert isinstance(one(), str)
        except XenmeterError as error:
            assert "\n" not in str(error)
    assert main(["check"]) in (0, 3)
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line.strip()}
    assert {"baker", "trace_rings", "xentrace"} <= set(lines)
