"""The real QEMU of Debian's dom0: what it says of disks whose every read and write is known."""
import json
import os
import re
import signal
import socket
import subprocess

import pytest
from helpers.fake_hypervisor import Domain
from helpers.fake_qmp import disk
from helpers.direct_host import Direct, dom0

from tools import provision
from tools.process import poll

from xenmeter.publish.influx import LineProtocol
from xenmeter.xen.qdisks import Qdisks
from xenmeter.xen.tapdisk import RequestTimes
from xenmeter.xentop.figures import CATALOGUE

LONG = 60.0
MS = 10 ** 6    # what a request takes by QEMU's clock of tests (-accel qtest)
KIB = 1024


class Qemu:
    """QEMU without a guest, its block nodes called as xen-block calls them (there is no Xen here to make it do so)."""

    def __init__(self, folder):
        self.folder = folder
        for name, size in (("disk", 16 << 20), ("worn", 16 << 20), ("bios", 1 << 16)):
            with (folder / name).open("wb") as file:
                file.truncate(size)
        image = {"driver": "file", "filename": str(folder / "disk"), "locking": "off"}
        fault = {"event": "none", "iotype": "write", "errno": 5}
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", provision.program("qemu", "usr/libexec/xen-qemu-system-i386"), "-M", "pc",
                 "-accel", "qtest", "-nodefaults", "-no-user-config", "-S", "-display", "none", "-bios", folder / "bios",
                 "-device", "virtio-scsi-pci,id=bus",
                 "-drive", "file=%s,if=ide,index=0,media=disk,format=raw,file.locking=off" % (folder / "disk"),
                 "-blockdev", json.dumps({"driver": "raw", "node-name": "xvda-raw", "file": image}),
                 "-device", "scsi-hd,drive=xvda-raw,id=a",
                 "-blockdev", json.dumps({"driver": "blkdebug", "node-name": "xvdb-blkdebug", "inject-error": [fault],
                                          "image": dict(image, filename=str(folder / "worn"))}),
                 "-device", "scsi-hd,drive=xvdb-blkdebug,id=b"]
                + [word for name in ("qmp-libxl-7", "qmp-libxenstat-7")
                   for word in ("-qmp", "unix:%s/%s,server=on,wait=off" % (folder, name))],
                env=provision.environment("qemu"), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        poll(self._is_up, LONG, lambda text: AssertionError("QEMU is not up %s: %s" % (text, self.log.read_text())))
        self._control = socket.socket(socket.AF_UNIX)
        self._control.settimeout(LONG)
        self._control.connect(str(folder / "qmp-libxl-7"))
        self._lines = self._control.makefile("rwb")
        self._lines.readline()
        self.command("qmp_capabilities")

    def _is_up(self):
        assert self.process.poll() is None, self.log.read_text()
        return (self.folder / "qmp-libxenstat-7").exists()

    def close(self):
        self.process.kill()
        self.process.wait()
        self._lines.close()
        self._control.close()

    def command(self, name, **arguments):
        self._lines.write(json.dumps({"execute": name, "arguments": arguments}).encode() + b"\n")
        self._lines.flush()
        while True:
            answer = json.loads(self._lines.readline().decode())
            assert "error" not in answer, answer
            if "return" in answer:
                return answer["return"]

    def does(self, device, *actions):
        """Requests through a device's own backend, and until they are done; qemu-io's words."""
        for action in actions + ("aio_flush",):
            assert not self.command("human-monitor-command", **{"command-line": 'qemu-io %s "%s"' % (device, action)})


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    qemu = Qemu(tmp_path_factory.mktemp("qemu"))
    yield qemu
    qemu.close()


@pytest.fixture
def qemu(shared):
    """The disks' counters begin at 0 in each test that looks at what came since."""
    shared.before = Qdisks(str(shared.folder), LONG).read([7])[7]
    return shared


def since(qemu):
    qdisks = Qdisks(str(qemu.folder), LONG)
    now = qdisks.read([7])
    assert qdisks.failures == {}
    return {name: (tuple(after - before for after, before in zip(told.counters[1:], qemu.before[name].counters[1:])),
                   RequestTimes(*(after - before for after, before in zip(told.served, qemu.before[name].served))))
            for name, told in now[7].items()}


def test_bytes_are_bytes(qemu):
    qemu.does("-d a", "aio_read 0 1M", "aio_read 512 512", "aio_write 4k 12k")
    assert since(qemu)["xvda"] == ((2, 1, 1024 * KIB + 512, 12 * KIB), RequestTimes(2, 2 * MS, 1, MS, 0))


def test_the_emulated_disk_of_the_same_image_is_another(qemu):
    qemu.does("ide0-hd0", "aio_read 0 64k", "aio_write 0 4k")
    assert set(since(qemu).values()) == {((0, 0, 0, 0), RequestTimes(0, 0, 0, 0, 0))}


def test_requests_that_fail(qemu):
    qemu.does("-d b", "aio_write 0 4k", "aio_read 0 8k", "aio_read -i 0 512")
    assert since(qemu) == {"xvda": ((0, 0, 0, 0), RequestTimes(0, 0, 0, 0, 0)),
                           "xvdb": ((1, 0, 8 * KIB, 0), RequestTimes(1, MS, 1, MS, 2))}


def test_from_the_guests_requests_to_line_protocol(qemu, tmp_path):
    with Direct(tmp_path / "state", tmp_path / "sys", [dom0(10 ** 12), Domain(7)]) as host:
        host.qdisks = Qdisks(str(qemu.folder), LONG)
        host.xenstore.vbds[7] = {51712: "xvda", 51728: "xvdb"}
        host.xenstore.qdisks[7] = (51712, 51728)
        host.begin()
        told = []
        for _ in range(2):
            text = LineProtocol([CATALOGUE]).encode(host.reading()).decode()
            line, = [line for line in text.splitlines() if line.startswith("xen_vbd,") and ",vbd=xvda " in line]
            told.append({name: int(value) for name, value in re.findall(r"(\w+)=(\d+)i", line)})
            assert ",type=Qdisk," in line and " vbds=2i" in text.replace(",vbds", " vbds")
            qemu.does("-d a", "aio_read 0 1M", "aio_write 4k 12k", "aio_write 0 512")
        host.samples.close()
    assert host.collector.errors == {}
    assert {name: after - told[0][name] for name, after in told[1].items()} == dict(
        read_requests=1, write_requests=2, read_bytes=1024 * KIB, write_bytes=12 * KIB + 512, reads_completed=1,
        read_time_ns=MS, writes_completed=2, write_time_ns=2 * MS, errors=0)


def test_a_disk_is_plugged_in_and_out(qemu):
    qemu.command("blockdev-add", **{"driver": "raw", "node-name": "xvdc-raw", "file": {
        "driver": "file", "filename": str(qemu.folder / "disk"), "locking": "off"}})
    qemu.command("device_add", driver="scsi-hd", drive="xvdc-raw", id="c")
    qemu.does("-d c", "aio_read 0 4k")
    found = Qdisks(str(qemu.folder), LONG).read([7])[7]
    assert set(found) == {"xvda", "xvdb", "xvdc"} and found["xvdc"].counters == (None, 1, 0, 4 * KIB, 0)
    qemu.command("device_del", id="c")
    poll(lambda: set(Qdisks(str(qemu.folder), LONG).read([7])[7]) == {"xvda", "xvdb"}, LONG, AssertionError)


def test_one_client_at_a_time(qemu):
    """While another has the socket QEMU does not greet us; afterwards it does."""
    with socket.socket(socket.AF_UNIX) as other:
        other.settimeout(LONG)
        other.connect(str(qemu.folder / "qmp-libxenstat-7"))
        assert other.recv(4096).startswith(b'{"QMP"')
        qdisks = Qdisks(str(qemu.folder), 0.2)
        assert qdisks.read([7]) == {} and "does not answer in time" in qdisks.failures[7]
    assert set(Qdisks(str(qemu.folder), LONG).read([7])[7]) == {"xvda", "xvdb"}


def test_it_is_stopped_and_goes_on(qemu):
    os.kill(qemu.process.pid, signal.SIGSTOP)
    try:
        qdisks = Qdisks(str(qemu.folder), 0.2)
        assert qdisks.read([7]) == {} and "does not answer in time" in qdisks.failures[7]
    finally:
        os.kill(qemu.process.pid, signal.SIGCONT)
    assert set(Qdisks(str(qemu.folder), LONG).read([7])[7]) == {"xvda", "xvdb"}


def test_the_stand_in_is_like_it(qemu):
    real = [entry for entry in qemu.command("query-blockstats") if entry["node-name"] == "xvda-raw"][0]
    ours = disk("xvda-raw")
    assert set(ours) == set(real) and set(ours["stats"]) <= set(real["stats"]) | {"timed_stats"}
    assert all(type(ours["stats"][name]) is type(value) for name, value in real["stats"].items() if name in ours["stats"])
    version = qemu.command("query-version")["qemu"]
    if (version["major"], version["minor"]) == (7, 2):      # later ones have more figures
        assert set(real["stats"]) <= set(ours["stats"])


def test_it_ends(tmp_path):
    """Last: the socket's file stays, nobody is behind it."""
    ending = Qemu(tmp_path)
    ending.close()
    qdisks = Qdisks(str(tmp_path), LONG)
    assert qdisks.read([7]) == {} and "Connection refused" in qdisks.failures[7]
