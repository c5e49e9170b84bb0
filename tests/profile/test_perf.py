"""``--pmu``: what perf script says, as perf 6.1.187 of Debian 12 said it on a machine without a PMU that was asked for cycles."""
import io
import time

import pytest

from xenmeter.core.errors import BadInput, SourceError, Unsupported
from xenmeter.front import pmu
from xenmeter.front.cli import main
from xenmeter.profile import perf
from xenmeter.profile.kernel.kallsyms import Names
from xenmeter.profile.tally import Tally

SAID = """\
python 32272/32272 [001] U      2229.967419:   10101010 cpu-clock: 
\t          197b42 dictvalues_iter (/root/.pyenv/versions/3.11.7/lib/libpython3.11.so.1.0)
\t    7f859ecd7dc0 [unknown] ([unknown])

python 31948/31948 [001] K      2229.987630:   10101010 cpu-clock: 
\tffffffff816deaa1 cp_new_stat ([kernel.kallsyms])
\tffffffff816e011c __do_sys_newfstatat ([kernel.kallsyms])

"""  # noqa: W291
#: Of a machine with vpmu, in the same form: Xen's own address, a guest's kernel and its user mode, without stacks.
OF_GUESTS = """\
swapper 0/0 [000] G 1.000001: 1000000 cycles:P: ffff82d040200010 [unknown] ([unknown])
CPU 1/KVM 12/13 [001] G 1.000002: 3000000 cycles:P: ffffffff81000010 [unknown] ([guest.kernel.kallsyms])
swapper 0/0 [000] g 1.000003: 2000000 cycles:P: 401234 [unknown] ([unknown])
"""


def lines(text):
    return list(perf.parse(io.StringIO(text)))


def test_stacks_as_perf_tells_them():
    first, second = lines(SAID)
    assert (first.process, first.cpu, first.mode, first.period, first.event) == ("python", 1, "U", 10101010, "cpu-clock")
    assert first.frames == ((0x7f859ecd7dc0, None, None), (0x197b42, "dictvalues_iter", "libpython3.11.so.1.0"))
    assert [name for _, name, _ in second.frames] == ["__do_sys_newfstatat", "cp_new_stat"] and second.mode == "K"


def test_whose_they_are():
    tally = Tally()
    xen = Names([0xffff82d040200000], ["do_sched_op"], {})
    assert perf.fill(tally, lines(OF_GUESTS), xen) == ["cycles"]
    assert {(key.domain, key.process, key.frames, seen.ns) for key, seen in tally.seen.items()} == {
        ("Xen", "[kernel]", ("do_sched_op",), 1000000),
        ("a guest or Xen", "[kernel]", ("0xffffffff81000010 [[guest.kernel.kallsyms]]",), 3000000),
        ("a guest or Xen", "[user mode]", ("0x401234",), 2000000)}


@pytest.mark.parametrize("text", ["hello\n", "\tffff x (y)\n", SAID.partition("\n")[0] + "\n\tno frame\n"])
def test_what_is_none(text):
    with pytest.raises(BadInput, match="of perf script"):
        lines(text)


@pytest.fixture
def told(monkeypatch, tmp_path):
    """A file of perf's, and what its script says of it."""
    path = tmp_path / "perf.data"
    path.write_bytes(perf.MAGIC + bytes(100))

    def set_text(text):
        monkeypatch.setattr(perf, "script", lambda name: iter(lines(text)) if name == str(path) else None)
        monkeypatch.setattr(perf, "xens_names", lambda: None)
        return str(path)
    return set_text


def test_files_that_are_called_thousands_of_blanks():
    """Anybody may map such a file: each of its frames took a fifth of a second."""
    frames = "".join("\tdeadbeef main (/tmp/%s)\n" % (" " * 4000) for _ in range(100))
    before = time.process_time()
    line, = perf.parse(("x 1/1 [000] U 1.5: 100 cycles:u:\n" + frames + "\n").splitlines(keepends=True))
    assert len(line.frames) == 100 and time.process_time() - before < 4


def test_the_event_that_was_counted_is_told(told, capsys, tmp_path):
    assert main(["profile", "--source", told(OF_GUESTS), "-o", str(tmp_path / "x.svg")]) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[0].split() == ["SAMPLES", "EVENTS", "%", "DOMAIN", "PROCESS", "SYMBOL"]
    assert "3000000  50.00" in said and said.endswith("\nperf counted cycles\n")
    assert "3000000 cycles, 50.00 %" in (tmp_path / "x.svg").read_text()


def test_a_clock_in_the_place_of_a_counter_is_said(told):
    tally = Tally()
    assert pmu.of_file(told(SAID), tally, "cycles") == (
        "perf counted cpu-clock, not cycles: it takes the kernel's clock where it has no counter, and does not say so\n")
    assert tally.unit == "ns" and tally.ns == 2 * 10101010
    assert pmu.of_file(told(SAID), Tally(), "cpu-clock") == "perf counted cpu-clock\n"


def test_no_sample_and_two_events(told):
    with pytest.raises(SourceError, match="perf took no sample"):
        pmu.of_file(told(""), Tally())
    with pytest.raises(SourceError, match="several events"):
        pmu.of_file(told(SAID + OF_GUESTS), Tally())


def test_only_where_xen_was_booted_for_it(tmp_path, monkeypatch, capsys):
    assert main(["profile", "--pmu", "--seconds", "1"]) == 1
    assert "was not booted with vpmu" in capsys.readouterr().err
    (tmp_path / "mode").write_text("all\n")
    assert perf.must_have_vpmu(str(tmp_path / "mode")) == "all"
    (tmp_path / "mode").write_text("off\n")
    with pytest.raises(Unsupported):
        perf.must_have_vpmu(str(tmp_path / "mode"))
    monkeypatch.setattr(perf, "find_program", lambda name: None)
    with pytest.raises(SourceError, match="there is no program perf here"):
        list(perf.script("x"))


def test_xens_own_names(tmp_path):
    (tmp_path / "xensyms").write_text("ffff82d040200000 T start\nffff82d040200100 t do_sched_op\nffff82d040300000 D data\n")
    names = perf.xens_names(str(tmp_path / "xensyms"))
    assert names.of(0xffff82d040200180) == "do_sched_op" and perf.xens_names(str(tmp_path / "none")) is None
