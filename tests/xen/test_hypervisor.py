"""Hypercalls through ctypes and through the device, against a fake hypervisor that is as strict as Xen."""
import errno
import json
import mmap
import os
import pathlib
import subprocess
import sys

import pytest
from helpers.fake_hypervisor import Domain, FakeHypervisor, Vcpu
from helpers.paths import TOP
from tools import provision

from xenmeter.core.errors import DomainGone, NoPrivilege, NotXen, SourceError, Unsupported, VersionMismatch
from xenmeter.xen import structs
from xenmeter.xen.calls import DeviceCalls, LibraryCalls, load, open_calls
from xenmeter.xen.hypervisor import Hypervisor
from xenmeter.xen.versions import RELEASES, domaininfo_size, physinfo_is_long

HERE = pathlib.Path(__file__).resolve().parent
REPORT = [sys.executable, str(TOP / "tests" / "helpers" / "hypervisor_report.py")]


@pytest.fixture
def fake(tmp_path):
    """dom0 with two vCPUs, and the domains 3 and 9."""
    domains = [
        Domain(0, [Vcpu(running=1, cpu=1, cpu_time=5000, entry=77, times=(5000, 30, 2, 1)), Vcpu(cpu=2, cpu_time=7)],
               flags=0x20, tot_pages=1000),
        Domain(3, [Vcpu(cpu_time=11), Vcpu(online=0, exists=0), Vcpu(cpu=3, cpu_time=2 ** 40)], handle=bytes(range(16))),
        Domain(9, [Vcpu(blocked=1, cpu_time=13)], flags=0x14, cpupool=2, ssidref=6)]
    with FakeHypervisor(tmp_path / "state", domains) as hypervisor:
        yield hypervisor


@pytest.fixture
def connect(fake):
    """A maker of connections through the library's symbols; closed, and their memory given back, at the end."""
    opened = []

    def make():
        opened.append(Hypervisor(LibraryCalls(load(fake.library))))
        return opened[-1]
    yield make
    for xen in opened:
        xen.close()
    assert fake.buffers == 0


class TestUniqueIds:
    def test_a_xen_that_has_them(self, fake, connect):
        fake.set(unique_ids=1)
        xen = connect()
        assert [xen.unique_id(domid) for domid in (0, 3, 9)] == [1000, 1003, 1009]
        with pytest.raises(DomainGone):
            xen.unique_id(77)
        assert xen.unique_id(3) == 1003

    @pytest.mark.parametrize("code", [0, errno.ENOSYS, errno.EPERM])
    def test_one_that_does_not_is_asked_once(self, fake, connect, code):
        if code:
            fake.set(unique_ids=1)
            fake.fault(op=36, cmd=90, error=code)
        xen = connect()
        before = fake.hypercalls
        assert [xen.unique_id(domid) for domid in (3, 9, 77)] == [None] * 3 and fake.hypercalls == before + 1


class TestQuestions:
    def test_what_it_says(self, fake, connect):
        xen = connect()
        assert xen.version() == (4, 17) and xen.interface_versions() == (0x15, 0x15) and xen.scheduler() == 6
        assert (xen.host().nr_cpus, xen.host().max_cpu_id, xen.host().cpu_khz) == (4, 3, 2500000)
        assert (xen.host().total_pages, xen.host().free_pages) == (1 << 20, 1 << 18)
        assert xen.idle_ns() == [10, 20, 30, 40]
        dom0, guest, other = xen.domains()
        assert (dom0.domain, dom0.cpu_time, dom0.nr_online_vcpus, dom0.max_vcpu_id, dom0.tot_pages) == (0, 5007, 2, 1, 1000)
        assert structs.uuid_of(guest.handle) == "00010203-0405-0607-0809-0a0b0c0d0e0f" and guest.max_vcpu_id == 2
        assert (other.flags, other.cpupool, other.ssidref) == (0x14, 2, 6)
        found = xen.vcpu(0, 0)
        assert (found.online, found.blocked, found.running, found.cpu_time, found.cpu) == (1, 0, 1, 5000, 1)
        assert xen.vcpu(3, 2).cpu_time == 2 ** 40
        assert xen.vcpu(3, 1) is None and xen.vcpu(3, 3) is None and xen.vcpu(9, 8) is None
        assert xen.own_runstate(0)._asdict() == dict(
            state=0, state_entry_time=77, running=5000, runnable=30, blocked=2, offline=1)
        assert xen.own_runstate(2) is None
        assert xen.hypercalls == fake.hypercalls
        with pytest.raises(DomainGone, match="domain 4: the domain is gone"):
            xen.vcpu(4, 0)

    @pytest.mark.parametrize("flagged", range(4))
    def test_the_flag_in_bit_63(self, fake, connect, flagged):
        """In any number of vCPUs' times; the domain's is their sum, modulo 2**64."""
        flag = 1 << 63
        fake.show([Domain(0, [Vcpu(cpu_time=(flag if number < flagged else 0) + 100 + number, entry=flag | 77,
                                   times=(flag | 5000, 30, 2, 1)) for number in range(3)])])
        xen = connect()
        assert xen.domains()[0].cpu_time == 303
        assert [xen.vcpu(0, number).cpu_time for number in range(3)] == [100, 101, 102]
        assert xen.own_runstate(1)[:4] == (0, 77, 5000, 30)

    @pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.name)
    def test_every_release(self, fake, connect, release):
        fake.set(sysctl=release.sysctl, domctl=release.domctl, domaininfo_size=domaininfo_size(release.sysctl),
                 physinfo_long=int(physinfo_is_long(release.sysctl)))
        xen = connect()
        assert xen.interface_versions() == (release.sysctl, release.domctl)
        assert [info.domain for info in xen.domains()] == [0, 3, 9]
        assert (xen.host().total_pages, xen.host().free_pages) == (1 << 20, 1 << 18)
        assert xen.vcpu(9, 0).cpu_time == 13 and xen.vcpu(3, 1) is None

    def test_one_question_per_reading(self, fake, connect):
        xen = connect()
        xen.domains()
        before = fake.hypercalls
        xen.domains()
        assert fake.hypercalls == before + 1

    @pytest.mark.parametrize("number", [1, 255, 256, 257, 1023, 1024, 1025, 2049])
    def test_many_domains_each_once(self, fake, connect, number):
        domids = [0] + [7 * index + 1 for index in range(number - 1)]
        fake.show([Domain(domid, [Vcpu(cpu_time=domid)]) for domid in domids])
        found = connect().domains()
        assert [info.domain for info in found] == domids
        assert [info.cpu_time for info in found] == domids

    def test_the_last_domid(self, fake, connect):
        fake.show([Domain(domid) for domid in [0] + list(range(0x7fef - 1022, 0x7ff0))])
        assert len(connect().domains()) == 1024

    def test_a_domain_without_vcpus(self, fake, connect):
        fake.show([Domain(0), Domain(5, [])])
        info = connect().domains()[1]
        assert info.max_vcpu_id == structs.NO_VCPU and info.nr_online_vcpus == 0

    @pytest.mark.parametrize("number", structs.DOMCTL_RUNSTATE_NUMBERS)
    def test_runstates_of_a_domain(self, fake, connect, number):
        fake.set(runstate_domctl=number)
        fake.show([Domain(0), Domain(7, runstate=(3, 1000, 1, 2, 3, 4, 5, 6))])
        xen = connect()
        answer = xen.domain_runstate(7)
        assert (answer.state, answer.state_entry_time, answer.full_run, answer.partial_contention) == (3, 1000, 1, 6)
        with pytest.raises(DomainGone):
            xen.domain_runstate(8)
        assert xen.domain_runstate(0) is None       # all of it zero: that one has none yet
        assert xen.domain_runstate(7) == answer


    @pytest.mark.parametrize("number", structs.DOMCTL_RUNSTATE_NUMBERS)
    @pytest.mark.parametrize("code", [errno.EINVAL, errno.EBUSY, errno.ENOMEM, 0])
    def test_no_runstates_of_one_domain(self, fake, connect, number, code):
        """It costs that domain its runstates, and no other's."""
        fake.set(runstate_domctl=number)
        known = (3, 1000, 1, 2, 3, 4, 5, 6)
        fake.show([Domain(domid, runstate=known if domid < 8 or code else None) for domid in range(6, 20)])
        for domid in range(8, 20) if code else ():
            fake.fault(op=36, cmd=number, domid=domid, error=code)
        xen = connect()
        for domid in (6, 8, 9, 10, 11, 12, 7, 13):
            answer = xen.domain_runstate(domid)
            assert (answer is not None) == (domid < 8)

    @pytest.mark.parametrize("number", structs.DOMCTL_RUNSTATE_NUMBERS)
    def test_a_number_that_is_something_else(self, fake, connect, number):
        fake.set(runstate_domctl=number)
        fake.show([Domain(domid) for domid in range(6, 20)])
        xen = connect()
        xen.vcpu(6, 0)
        before = fake.hypercalls
        assert [xen.domain_runstate(domid) for domid in (6, 6, 7)] == [None] * 3
        for _ in range(2):
            with pytest.raises(Unsupported):
                xen.domain_runstate(8)
        assert fake.hypercalls == before + 1 + 4, "1099 or 98 is not known, the other is asked for three domains"

    @pytest.mark.parametrize("code", [errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP])
    def test_a_number_that_is_forbidden_or_unknown(self, fake, connect, code):
        """Flask in enforcing mode forbids what it does not know, and says so in Xen's log each time."""
        for number in structs.DOMCTL_RUNSTATE_NUMBERS:
            fake.fault(op=36, cmd=number, error=code)
        xen = connect()
        xen.vcpu(9, 0)
        before = fake.hypercalls
        for _ in range(2):
            with pytest.raises(Unsupported):
                xen.domain_runstate(9)
        assert fake.hypercalls == before + 2


class TestFaults:
    @pytest.mark.parametrize("code, expected, text", [
        (errno.EPERM, NoPrivilege, "run in dom0"), (errno.ENOSYS, Unsupported, "another source"),
        (errno.EBUSY, SourceError, "list of domains"), (errno.EACCES, VersionMismatch, "restart")])
    def test_the_list(self, fake, connect, code, expected, text):
        xen = connect()
        xen.domains()
        fake.fault(op=35, cmd=6, error=code)
        with pytest.raises(expected, match=text):
            xen.domains()

    def test_no_version_fits(self, fake, connect):
        fake.set(sysctl=0x17, domctl=0x10, xen_version=4 << 16 | 24)
        with pytest.raises(VersionMismatch, match="Xen 4.24 takes none of the sysctl versions 0x11 to 0x16"):
            connect().domains()

    def test_not_dom0(self, fake, connect):
        fake.fault(op=35, error=errno.EPERM)
        with pytest.raises(NoPrivilege, match="dom0"):
            connect().domains()

    @pytest.mark.parametrize("size", [100, 108, 264, 512])
    def test_a_record_of_a_length_that_cannot_be(self, fake, connect, size):
        fake.set(domaininfo_size=size)
        with pytest.raises(VersionMismatch, match="%d bytes" % size):
            connect().domains()

    @pytest.mark.parametrize("size", [104, 112, 120, 128, 256])
    def test_the_length_is_measured_not_believed(self, fake, connect, size):
        """arm64's has 120 bytes; a release's tail may be patched."""
        fake.set(sysctl=0x15, domaininfo_size=size)
        found = connect().domains()
        assert [info.domain for info in found] == [0, 3, 9] and found[2].cpupool == 2

    def test_absurd_numbers(self, fake, connect):
        fake.set(pcpus=1 << 20)
        with pytest.raises(VersionMismatch, match="1048576 pCPUs"):
            connect().idle_ns()
        fake.memory[fake.domains_at + 32:fake.domains_at + 36] = b"\0\0\1\0"      # dom0's max_vcpu_id
        fake.set(pcpus=4)
        with pytest.raises(VersionMismatch, match="vCPU 65536"):
            connect().domains()

    def test_a_list_out_of_order(self, fake, connect):
        fake.domains.reverse()
        fake.memory[fake.domains_at:fake.domains_at + 2] = b"\5\0"
        with pytest.raises(VersionMismatch, match="out of order"):
            connect().domains()

    def test_a_domain_that_dies_between_two_calls(self, fake, connect):
        xen = connect()
        assert [info.domain for info in xen.domains()] == [0, 3, 9]
        fake.fault(op=36, cmd=14, domid=3, skip=1, kill=3)
        assert xen.vcpu(3, 0).cpu_time == 11
        assert xen.vcpu(3, 2) is None
        with pytest.raises(DomainGone):
            xen.vcpu(3, 0)
        assert [info.domain for info in xen.domains()] == [0, 9]

    def test_a_domain_that_dies_within_the_list(self, fake, connect):
        fake.show([Domain(domid) for domid in range(1500)])
        xen = connect()
        xen.domains()
        fake.fault(op=35, cmd=6, skip=1, times=1, kill=1400)
        assert [info.domain for info in xen.domains()] == [domid for domid in range(1500) if domid != 1400]

    @pytest.mark.parametrize("code, expected", [
        (errno.ENOENT, NotXen), (errno.EACCES, NoPrivilege), (errno.EPERM, NoPrivilege), (errno.EMFILE, SourceError)])
    def test_what_does_not_open(self, fake, capfd, code, expected):
        fake.set(open_error=code)
        with pytest.raises(expected, match="/dev/xen/privcmd"):
            LibraryCalls(load(fake.library))
        assert capfd.readouterr() == ("", "")


def run(fake, library, **extra):
    environment = fake.preload(PYTHONPATH=str(HERE.parents[1] / "plugins"), **extra)
    found = subprocess.run(REPORT + [library], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert found.stderr == b"", found.stderr.decode()
    return json.loads(found.stdout.decode())


@pytest.fixture(scope="module")
def real_libraries():
    """Where the distribution's own libraries are."""
    provision.ensure("libxen-dev")
    return provision.environment("libxen-dev").get("LD_LIBRARY_PATH", "")


class TestDevices:
    """The kernel's device is faked, all above it is real."""

    @pytest.mark.parametrize("buffer_device", [1, 0])
    def test_without_the_library(self, fake, connect, buffer_device):
        fake.set(buffer_device=buffer_device)
        found = run(fake, "libnowhere.so.1")
        assert found.pop("way") == "/dev/xen/privcmd"
        assert found["domains"] == [[0, 5007, 1, "00" * 16], [3, 11 + 2 ** 40, 2, bytes(range(16)).hex()],
                                    [9, 13, 0, "00" * 15 + "09"]]
        assert found["vcpus"][0] == [0, 1, 0, 1, 5000, 1] and found["own"] == [0, 77, 5000, 30, 2, 1]
        assert found["idle"] == [10, 20, 30, 40] and found["hypercalls"] == fake.hypercalls

    @pytest.mark.parametrize("buffer_device", [1, 0])
    def test_the_real_library_says_the_same(self, fake, real_libraries, buffer_device):
        fake.set(buffer_device=buffer_device)
        by_library = run(fake, "libxencall.so.1", LD_LIBRARY_PATH=real_libraries)
        by_device = run(fake, "libnowhere.so.1")
        assert by_library.pop("way") == "libxencall" and by_device.pop("way") == "/dev/xen/privcmd"
        assert by_library == by_device

    @pytest.mark.parametrize("code, expected", [(errno.ENOENT, "NotXen"), (errno.EACCES, "NoPrivilege")])
    def test_the_real_library_finds_no_device(self, fake, real_libraries, code, expected):
        fake.set(open_error=code)
        for library in ("libxencall.so.1", "libnowhere.so.1"):
            assert run(fake, library, LD_LIBRARY_PATH=real_libraries)["error"] == expected


@pytest.mark.parametrize("make", [Hypervisor, DeviceCalls, lambda: open_calls("libnowhere.so.1")])
def test_this_machine(make):
    """No Xen here, or one that can be closed again."""
    try:
        make().close()
    except (NotXen, NoPrivilege) as error:
        assert "/dev/xen/privcmd" in str(error)


@pytest.mark.parametrize("there", [True, False], ids=["the kernel's pages", "our own"])
def test_each_page_of_a_buffer_was_written_to(tmp_path, monkeypatch, there):
    """arm64 maps a page read-only until somebody has written to it, and then Xen's own write is EFAULT."""
    pages = tmp_path / "pages"
    pages.write_bytes(b"\xff" * 3 * mmap.PAGESIZE)
    monkeypatch.setattr("xenmeter.xen.privcmd.DEVICES", (os.devnull,))
    monkeypatch.setattr("xenmeter.xen.privcmd.BUFFER_DEVICE", str(pages if there else tmp_path / "none"))
    calls = DeviceCalls()
    buffer = calls.allocate(2 * mmap.PAGESIZE + 1)
    assert bytes(buffer.view) == bytes(2 * mmap.PAGESIZE + 1)
    assert pages.read_bytes() == (b"\0" if there else b"\xff") * 3 * mmap.PAGESIZE
    calls.free(buffer)
    calls.close()


def test_a_library_that_is_not_there():
    assert load("libnowhere.so.1") is None
