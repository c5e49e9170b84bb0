"""``xenmeter profile`` as a person calls it: on a recording that was made of a guest, and the refusals."""
import json
import os
import random
import shutil
import stat
import threading
import time
import xml.etree.ElementTree

import pytest
from helpers import fake_guest as fake
from helpers import kernel_image as made

from xenmeter.bench import ledger
from xenmeter.core import profiling
from xenmeter.core.errors import BadOption, SourceError, Unsupported
from xenmeter.front.cli import main
from xenmeter.front.commands import profile as command
from xenmeter.profile import kernels, record, recorded, session
from xenmeter.profile.kernel import facts
from xenmeter.profile.tally import Tally
from xenmeter.xen.domains import DomainFacts, Snapshot
from xenmeter.xen.foreign import Frames

#: The stacks of the guest's vCPU, one after the other.
WORK = [["vfs_read", "ksys_read", "do_syscall_64", "entry_SYSCALL_64"]] * 7 + [
    [fake.MODULE_FUNCTION, "vfs_read", "ksys_read", "do_syscall_64", "entry_SYSCALL_64"]] * 3
NAME = "web\x1b[2J1"


class Host:
    """One guest whose vCPU runs, with another stack at each look."""

    def __init__(self, monkeypatch, folder, build_id=made.BUILD_ID):
        self.guest = fake.Guest(build_id=build_id)
        self.turn = 0
        self.vcpus = [{"cpu_time": 10 ** 9, "context": None}]
        self.xen = fake.Xen({0: [], 5: self.vcpus})
        self.xen.vcpu, ask = self.vcpu, self.xen.vcpu
        self.ask = ask
        snapshot = Snapshot([DomainFacts(0, b"Domain-0", None, None, (), {}),
                             DomainFacts(5, NAME.encode(), "00000000-0000-0000-0000-000000000005", None, (), {})], None)
        monkeypatch.setattr(session.LiveNames, "snapshot", lambda self: snapshot)
        monkeypatch.setattr(session, "Hypervisor", lambda: self.xen)
        monkeypatch.setattr(session, "Frames", lambda domid, mapper: session_frames(domid, self.guest))
        monkeypatch.setattr(session, "open_mapper", lambda: None)
        monkeypatch.setattr(profiling, "PATH", os.path.join(str(folder), "lock"))

    def vcpu(self, domid, number):
        if number == 0:
            self.vcpus[0]["cpu_time"] += 10 ** 7
            self.vcpus[0]["context"] = self.guest.context(**self.guest.stack(WORK[self.turn % len(WORK)]))
            self.turn += 1
        return self.ask(domid, number)


def session_frames(domid, guest):
    return Frames(domid, guest.memory, 64, guest.memory.view)


@pytest.fixture
def kernel(tmp_path):
    path = tmp_path / "vmlinuz"
    path.write_bytes(made.small_kernel())
    return str(path)


@pytest.fixture
def recording(monkeypatch, tmp_path, kernel):
    """Raw samples of the guest, as -o FILE.samples writes them; and the profile that was shown meanwhile."""
    host = Host(monkeypatch, tmp_path)
    tally = Tally()
    path = tmp_path / "web.samples"
    made_here = session.Session(["5"], kernel, None, tally, mapper=lambda: None)
    writer = recorded.Writer(open(path, "wb"), recorded.Head(1000, 99.0, [recorded.Of(5, NAME, kernel, made.BUILD_ID.hex())]))
    stop = threading.Event()
    monkeypatch.setattr(random.SystemRandom, "uniform", lambda self, low, high: 0.01)
    made_here.run(0.3, 99, 1.0, stop, writer)
    made_here.close()
    writer.close()
    assert host.guest.memory.open == {}
    return path, tally, host


def run(capsys, *words):
    status = main(["profile", *map(str, words)])
    said = capsys.readouterr()
    return status, said.out, said.err


class TestRecording:
    def test_it_gives_the_same_stacks_again(self, recording, capsys, tmp_path):
        path, live, _ = recording
        status, out, err = run(capsys, "--source", path, "-o", tmp_path / "web.folded")
        assert (status, err) == (0, "")
        lines = (tmp_path / "web.folded").read_text().splitlines()
        assert any("vfs_read;blkif_queue_request [xen_blkfront]" in line for line in lines)
        assert sum(int(line.rpartition(" ")[2]) for line in lines) == live.ns
        stacks = [line.rpartition(" ")[0] for line in lines]
        assert [stack for stack in stacks if not stack.startswith(
            "web?[2J1;nginx;entry_SYSCALL_64;do_syscall_64;ksys_read;vfs_read")] == []
        assert "\x1b" not in out and "nginx" in out and out.splitlines()[0].split() == ["SAMPLES", "CPU(ms)", "%", "PROCESS",
                                                                                         "SYMBOL"]

    def test_shares_are_those_of_the_work(self, recording, capsys):
        path, live, _ = recording
        rows = {row[2]: row[3] for row in live.by_symbol()}
        known = {name: number for name, number in rows.items() if name.startswith(("vfs", "blkif"))}
        assert known["vfs_read"] == pytest.approx(0.7 * sum(known.values()), abs=5)

    def test_every_form(self, recording, capsys, tmp_path):
        path, _, _ = recording
        names = [tmp_path / ("web" + end) for end in (".folded", ".pb.gz", ".speedscope.json", ".svg")]
        words = [word for name in names for word in ("-o", name)]
        assert run(capsys, "--source", path, *words)[0] == 0
        assert json.loads(names[2].read_text())["profiles"][0]["name"] == "web?[2J1"
        xml.etree.ElementTree.parse(names[3])
        status, out, _ = run(capsys, "--source", path, "--compare", names[0])
        assert status == 0 and all(line.split()[2] == "+0.00" for line in out.partition("CHANGE")[2].splitlines()[1:] if line)

    def test_what_changed_as_two_flame_graphs(self, recording, capsys, tmp_path):
        path, _, _ = recording
        (tmp_path / "before.folded").write_text("%s;nginx;entry_SYSCALL_64;before 1000\n" % "web?[2J1")
        words = ("--source", path, "--compare", tmp_path / "before.folded", "-o", tmp_path / "web.diff.svg")
        assert run(capsys, *words)[0] == 0
        text = (tmp_path / "web.diff.svg").read_text()
        xml.etree.ElementTree.fromstring(text)
        assert "before: 0.000 s, 100.00 %; before 100.00 %, after 0.00 %" in text and "Before: before.folded" in text

    def test_the_kernel_may_be_elsewhere_but_must_be_the_same(self, recording, capsys, tmp_path, kernel, kept):
        path, _, _ = recording
        moved, other = tmp_path / "copy", tmp_path / "other"
        moved.write_bytes(made.small_kernel())
        other.write_bytes(made.small_kernel(build_id=b"y" * 20))
        os.unlink(kernel)
        assert run(capsys, "--source", path)[1].count("vfs_read") >= 1, "it was read before, and is kept"
        shutil.rmtree(str(kept))
        status, out, err = run(capsys, "--source", path)
        assert status == 0 and "its kernel is not here" in err and "--kernel FILE" in err and "0xffffffff81" in out
        assert run(capsys, "--source", path, "--kernel", moved)[1].count("vfs_read") >= 1
        status, _, err = run(capsys, "--source", path, "--kernel", other)
        assert status == 1 and "is build 7979" in err and "ran build 0001" in err

    @pytest.mark.parametrize("data, said", [
        (b"", "the recording is empty"), (b"{}\n", "no recording of a profile"), (b"text\n", "no line of JSON"),
        (b'{"profile": 2, "t": 1, "hz": 9, "domains": []}\n', "or of a newer xenmeter"), (b"[1]\n", "this is no record"),
        (b'{"profile": 1, "t": 1, "hz": 9, "domains": []}\n{"t": 1}\n', "no sample of a profile at byte 47")])
    def test_what_is_none(self, data, said, capsys, tmp_path):
        (tmp_path / "x.samples").write_bytes(data)
        status, out, err = run(capsys, "--source", tmp_path / "x.samples")
        assert status == 1 and said in err and "x.samples" in err and err.count("\n") == 1 and out == ""


class TestLive:
    def test_a_profile(self, monkeypatch, capsys, kernel, tmp_path):
        host = Host(monkeypatch, tmp_path)
        samples, folded = tmp_path / "web.samples", tmp_path / "web.folded"
        status, out, err = run(capsys, "5", "--seconds", "0.2", "--hz", "200", "--share", "100", "--kernel", kernel,
                               "-o", samples, "-o", folded)
        assert (status, err) == (0, "") and "pauses of one vCPU each" in out and "dom0 spent" in out
        assert stat.S_IMODE(os.stat(samples).st_mode) == 0o600
        weighed = sum(int(line.rpartition(" ")[2]) for line in folded.read_text().splitlines())
        # each question lets it run: the first, and the one when the kernel had been read, are where its profile begins
        assert weighed == host.vcpus[0]["cpu_time"] - 10 ** 9 - 2 * 10 ** 7
        assert run(capsys, "--source", samples)[0] == 0
        assert host.guest.memory.open == {} and {domid for domid, _ in host.xen.paused} == {5}

    def test_another_kernel_is_refused_not_misread(self, monkeypatch, capsys, kernel, tmp_path):
        Host(monkeypatch, tmp_path, build_id=b"x" * 20)
        status, out, err = run(capsys, NAME, "--seconds", "0.1", "--kernel", kernel)
        assert status == 0 and "vmlinuz is not its kernel: build id %s is not in the guest's memory" % made.BUILD_ID.hex() in err
        assert "vfs_read" not in out and "0xffffffff81" in out and "the innermost function alone" in out

    def test_without_a_kernel_that_is_said(self, monkeypatch, capsys, tmp_path):
        Host(monkeypatch, tmp_path)
        monkeypatch.setattr(kernels, "kernel_in_xenstore", lambda uuid: None)
        status, out, err = run(capsys, "5", "--seconds", "0.1")
        assert status == 0 and "its kernel is not in dom0" in err and "none was found in its memory" in err
        assert "0xffffffff81" in out

    def test_a_machine_without_paging_is_told_by_addresses_and_that_is_said(self, monkeypatch, capsys, tmp_path):
        host = Host(monkeypatch, tmp_path)
        host.xen.flags = 2      # HVM
        context = host.guest.context
        host.guest.context = lambda **registers: context(**dict(registers, cr0=0))
        monkeypatch.setattr(kernels, "kernel_in_xenstore", lambda uuid: None)
        status, out, err = run(capsys, "5", "--seconds", "0.1")
        assert status == 0 and err.count("\n") == 1 and "ran without page tables of 64 bits" in err
        assert "0xffffffff81" in out and "the innermost function alone" in out

    def test_without_a_file_the_guests_memory_tells_the_kernel_and_then_it_is_kept(self, monkeypatch, capsys, tmp_path, kept):
        monkeypatch.setattr(kernels, "kernel_in_xenstore", lambda uuid: None)
        Host(monkeypatch, tmp_path).guest.put_kernel()
        status, out, err = run(capsys, "5", "--seconds", "0.3", "--hz", "200", "--share", "100", "-o", tmp_path / "w.samples")
        said = "its kernel is not in dom0 (no kernel= in its configuration); it was read from its memory: 6.1.0"
        assert status == 0 and said in err
        assert "vfs_read" in out and "nginx" in out
        assert "vfs_read" in run(capsys, "--source", tmp_path / "w.samples")[1]
        if os.geteuid() == 0:
            assert os.listdir(str(kept)) == [made.BUILD_ID.hex() + ".tables"]
            Host(monkeypatch, tmp_path)
            status, out, err = run(capsys, "5", "--seconds", "0.3", "--hz", "200", "--share", "100")
            assert "it was read before, and is known by its build id: 6.1.0" in err and "vfs_read" in out

    def test_dom0_has_another_build_by_now(self, monkeypatch, capsys, tmp_path, kernel):
        """Its file was replaced since the guest was booted: the memory tells, and the file is not misread."""
        monkeypatch.setattr(kernels, "kernel_in_xenstore", lambda uuid: kernel)
        Host(monkeypatch, tmp_path, build_id=b"x" * 20).guest.put_kernel(build_id=b"x" * 20)
        status, out, err = run(capsys, "5", "--seconds", "0.3", "--hz", "200", "--share", "100")
        assert status == 0 and "vmlinuz is not its kernel any more; it was read from its memory" in err and "vfs_read" in out

    def test_the_kernel_of_the_configuration(self, monkeypatch, capsys, kernel, tmp_path):
        Host(monkeypatch, tmp_path)
        monkeypatch.setattr(kernels, "kernel_in_xenstore", lambda uuid: kernel if uuid.endswith("5") else None)
        assert "vfs_read" in run(capsys, "00000000-0000-0000-0000-000000000005", "--seconds", "0.1")[1]

    @pytest.mark.parametrize("words, said", [
        ([], "which domains?"), (["5", "--source", "x"], "which domains?"), (["0"], "Domain-0 is not profiled from itself"),
        (["Domain-0"], "perf record -e cpu-clock"), (["nobody"], "nobody is no domain of this host"),
        (["5", "--hz", "0"], "--hz 0"), (["5", "--share", "0"], "--share 0"), (["5", "--seconds", "nan"], "--seconds nan"),
        (["5", "-o", "x.txt"], "the name says the form"), (["--source", "x", "-o", "y.samples"], "--source has them already"),
        (["5", "-o", "x.diff.svg"], "with which profile? --compare"), (["5", "--pmu"], "--pmu counts on all CPUs")])
    def test_what_cannot_be(self, words, said, monkeypatch, capsys, tmp_path):
        Host(monkeypatch, tmp_path)
        status, out, err = run(capsys, *words)
        assert status == 2 and said in err and err.count("\n") == 1 and out == ""

    def test_on_other_machines_one_line(self, monkeypatch, capsys):
        monkeypatch.setattr(session.platform, "machine", lambda: "aarch64")
        status, _, err = run(capsys, "5")
        assert status == 1 and "profiles are of x86-64 hosts" in err and err.count("\n") == 1
        with pytest.raises(Unsupported):
            session.must_be_x86()


def test_the_path_of_the_kernel_is_xenstores():
    class Store:
        def read(self, path):
            return {b"/vm/u-1/image/kernel": b"/boot/guest"}.get(path)
    assert kernels.kernel_in_xenstore("u-1", Store()) == "/boot/guest"
    assert kernels.kernel_in_xenstore("u-2", Store()) is None and kernels.kernel_in_xenstore(None) is None


@pytest.mark.parametrize("said, path", [
    ('[{"domid": 5, "config": {"c_info": {"type": "pvh"}, "b_info": {"kernel": "/boot/guest"}}}]', "/boot/guest"),
    ('{"domid": 5, "config": {"b_info": {"kernel": "/boot/guest"}}}', "/boot/guest"),
    ('[{"domid": 6, "config": {"b_info": {"kernel": "/boot/guest"}}}]', None),
    ('[{"domid": 5, "config": {"b_info": {"kernel": "guest"}}}]', None),
    ('[{"domid": 5, "config": {"b_info": {"kernel": 7}}}]', None),
    ('[{"domid": 5, "config": {"b_info": {"type.hvm": {}}}}]', None),
    ("[5]", None), ('[{"domid": 5}]', None), ("", None), ("[" * 100000, None)])
def test_where_xenstore_does_not_tell_it_xl_does(said, path, monkeypatch, tmp_path):
    (tmp_path / "said").write_text(said)
    (tmp_path / "xl").write_text('#!/bin/sh\n[ "$*" = "list -l 5" ] && exec cat %s\n' % (tmp_path / "said"))
    (tmp_path / "xl").chmod(0o755)
    monkeypatch.setattr(kernels, "find_program", lambda name: str(tmp_path / name))
    assert kernels.kernel_by_xl(5) == path
    monkeypatch.setattr(kernels, "find_program", lambda name: None)
    assert kernels.kernel_by_xl(5) is None


def test_a_kernel_without_types_says_so(tmp_path):
    path = tmp_path / "bare"
    names = made.names_section(made.filled())
    path.write_bytes(made.elf([(".text", 1, made.BASE, bytes(64)), (".rodata", 1, made.RODATA, names)]))
    kernel = facts.of_file(str(path))
    assert [text.partition(":")[0] for text in kernel.missing] == ["no unwind tables (ORC)", "no types (BTF)",
                                                                   "nothing of its modules"]
    with pytest.raises(SourceError, match="no section .text"):
        path.write_bytes(made.elf([(".data", 1, 0, b"")]))
        facts.of_file(str(path))
    with pytest.raises(BadOption):
        session.wanted(fake.Xen({}), ["x"])


class TestRecord:
    def test_samples_beside_what_else_is_recorded(self, monkeypatch, tmp_path, kernel):
        host = Host(monkeypatch, tmp_path)
        monkeypatch.setattr(kernels, "kernel_in_xenstore", lambda uuid: kernel)
        part = record.ProfileRecorder(str(tmp_path), ["5"])
        while host.turn < 8:
            time.sleep(0.01)
        told = part.close()
        path = tmp_path / told["file"]
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600 and part.remarks == [] and told["start_ns"] < told["end_ns"]
        assert len(recorded.load(str(path)).samples) >= 3 and host.guest.memory.open == {} and not profiling.running()

    def test_a_recording_directory_is_a_source(self, recording, capsys, tmp_path):
        os.rename(str(recording[0]), str(tmp_path / record.FILE))
        status, out, _ = run(capsys, "--source", tmp_path)
        assert status == 0 and "vfs_read" in out

    def test_the_command(self, monkeypatch, capsys, tmp_path):
        """Where nothing else can be recorded the samples are a recording of their own; a domain that is none is refused first."""
        Host(monkeypatch, tmp_path)
        monkeypatch.setattr(kernels, "kernel_in_xenstore", lambda uuid: None)
        assert main(["record", str(tmp_path / "made"), "--seconds", "0.2", "--profile", "5"]) == 0
        said = capsys.readouterr()
        assert "raw samples of a profile" in said.out and "its kernel is not in dom0" in said.err
        manifest = json.loads((tmp_path / "made" / "manifest.json").read_text())
        assert manifest["sources"]["profile"]["file"] == record.FILE
        assert main(["record", str(tmp_path / "none"), "--seconds", "0.2", "--profile", "nobody"]) == 2
        assert "nobody is no domain of this host" in capsys.readouterr().err and not (tmp_path / "none").exists()


class Watch:
    """A watch whose readings the test gives: the first, and the last."""

    def __init__(self, *snapshots):
        self.left = list(snapshots)
        self.stopped = False

    def after(self, time_ns, patience):
        return self.left.pop(0)

    def look(self, timeout):
        time.sleep(timeout)

    def stop(self):
        self.stopped = True


def account(name, cpu_ns, **costs):
    return ledger.Account(name, None, None, (name,), dict(costs, cpu_ns=cpu_ns))


class TestAll:
    def test_shares_are_exact(self, monkeypatch, capsys):
        watch = Watch(
            ledger.Snapshot({"xentop": 1}, {"a": account("a", 10 ** 9, waiting_ns=5, executions=1), "b": account("b\x1b[2J", 7),
                                            "gone": account("gone", 1)}, {}),
            ledger.Snapshot({"xentop": 10 ** 9}, {"a": account("a", 4 * 10 ** 9, waiting_ns=10 ** 6 + 5, executions=51),
                                                  "b": account("b\x1b[2J", 10 ** 9 + 7)}, {}))
        monkeypatch.setattr(command, "watching", lambda *arguments: watch)
        status, out, err = run(capsys, "--all", "--seconds", "0.1")
        rows = [line.split() for line in out.splitlines()]
        assert (status, err, watch.stopped) == (0, "", True)
        assert rows[1] == ["a", "3000.0", "75.00", "1.0", "50"] and rows[2][1:] == ["1000.0", "25.00", "-", "-"]
        assert "\x1b" not in out and out.splitlines()[-1] == "not there all the time: gone"

    def test_not_with_samples(self, capsys):
        status, _, err = run(capsys, "--all", "web1")
        assert status == 2 and "--all takes no samples" in err


def test_an_address_behind_the_last_function_is_in_none(tmp_path, monkeypatch):
    """What a stack of a program without frame pointers holds is no function's by chance."""
    monkeypatch.setattr(command, "Elf", lambda data: type("", (), {"functions": lambda self: [
        (0x1000, 0x10, "first"), (0x1010, 0, "label"), (0x1020, 8, "short"), (0x9000, 64, "around"), (0x9010, 8, "within"),
        (0xa000, 0, "_fini")]})())
    (tmp_path / "program").write_bytes(b"")
    names = command._user(str(tmp_path / "program"))
    assert [names.of(at) for at in (0xfff, 0x1000, 0x100f, 0x1010, 0x101f, 0x1027, 0x2010, 0x9000, 0x9010, 0x9040, 0xa004, 0xb000,
                                    0x7ffd00000000)] == [
        None, "first", "first", "label", "label", "short", None, "around", "within", None, "_fini", None, None]
