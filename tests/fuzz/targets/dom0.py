"""What dom0's own kernel and processes say: QEMU's monitors, tapdisk's files, /proc/net/dev; and what we kept there."""
import os
import pathlib
import re
import shutil
import tempfile
from array import array

from fuzz.objects import object_of
from fuzz.target import Target, allowed
from xenmeter.core import bases
from xenmeter.core.errors import BadInput, SourceError
from xenmeter.core.identity import Lives
from xenmeter.xen import blkback, compiled as counts, netdev, tapdisk
from xenmeter.xen.qmp import Talk

_STATS = (b'{"rd_operations":7,"wr_operations":8,"rd_bytes":512,"wr_bytes":9,"rd_total_time_ns":1,"wr_total_time_ns":2,'
          b'"failed_rd_operations":0,"failed_wr_operations":1,"failed_flush_operations":0,"invalid_rd_operations":0,'
          b'"invalid_wr_operations":0,"invalid_flush_operations":0,"account_failed":true}')


class Qmp(Target):
    """Refused in one line, or disks with counters that fit 64 bits."""

    name = "qmp"
    reads = "what QEMU answers (QMP)"
    words = (b"\n", b'{"return":', b'"id":2', b'"id":1', b'{"event":"X"}\n', b'{"error":{}}', b'"device":""',
             b'"node-name":"xvda-raw"',
             b"null", b"[]", b"1e999", b"-1", b"9" * 30, b'"stats":', b"true")

    def seeds(self):
        greeting = b'{"QMP":{"version":{"qemu":{"major":7,"minor":2,"micro":0}},"capabilities":[]}}\r\n'
        disks = (b'{"return":[{"device":"","node-name":"xvda-qcow2","stats":' + _STATS +
                 b'},{"device":"ide0","stats":{}}],"id":2}\r\n')
        return [greeting + b'{"return":{},"id":1}\r\n{"event":"RESUME","timestamp":{}}\r\n' + disks, greeting + disks,
                greeting.replace(b"7", b"2"), b"{" * 900 + b"\n"]

    def check(self, data, chance):
        talk, at = Talk(), 0
        while at < len(data) and talk.disks is None:
            size = chance.choice((1, 7, 100, 5000))
            if allowed(SourceError, talk.feed, data[at:at + size]) is None:
                return
            at += size
        for name, told in (talk.disks or {}).items():
            assert isinstance(name, str) and len(name) < 12
            assert all(value is None or 0 <= value < 1 << 62 for value in told.counters)
            assert all(0 <= value < 1 << 63 for value in told.served)


class Tapdisk(Target):
    """A folder of files whose names and bytes are the input's: lines, in hexadecimal after the name."""

    name = "tapdisk"
    reads = "tapdisk3's files and their names"
    longest = 2000
    words = (b"\n", b"vbd-", b"td3-1/", b"vbd-1-51712 ", b"00" * 8, b"ff" * 8, b"vbd-99999-9999999999 ")

    def __init__(self):
        self._shm = pathlib.Path(tempfile.mkdtemp(prefix="fuzz-"))
        (self._shm / "td3-1").mkdir()
        (self._shm / "proc").mkdir()
        (self._shm / "proc" / "1").mkdir()

    def seeds(self):
        whole = tapdisk.encode(1, (2, 2, 16, 300), (4, 3, 24, 500), 1).hex().encode()
        return [b"vbd-1-51712 " + whole + b"\nvbd-2-768 " + whole[:-2], b"vbd-7-51712 " + whole.replace(b"01", b"02", 1)]

    def check(self, data, chance):
        folder = self._shm / "td3-1"
        written = 0
        for line in data.split(b"\n")[:20]:
            name, _, digits = line.partition(b" ")
            digits = bytes(one for one in digits if one in b"0123456789abcdef")
            if not name or b"/" in name or b"\0" in name or len(name) > 200 or name in (b".", b".."):
                continue
            path = os.path.join(os.fsencode(str(folder)), name)
            if len(digits) == 2:
                os.symlink(b"/proc/self/maps", path) if not os.path.lexists(path) else None
            else:
                if os.path.islink(path):
                    os.unlink(path)
                with open(path, "wb") as file:
                    file.write(bytes.fromhex(digits[:len(digits) // 2 * 2].decode()))
            written += 1
        try:
            found = tapdisk.Tapdisks(str(self._shm), str(self._shm / "proc")).read()
            assert len(found) <= written
            for (domid, dev), (counters, served, inode) in found.items():
                assert 0 <= domid < 10 ** 5 and 0 <= dev < 10 ** 10
                assert all(0 <= value < 1 << 62 for value in counters + tuple(served))
                assert inode > 0
        finally:
            for name in os.listdir(os.fsencode(str(folder))):
                os.unlink(os.path.join(os.fsencode(str(folder)), name))

    def close(self):
        shutil.rmtree(str(self._shm))


class BlockCounts(Target):
    """blkback's files and /proc/net/dev by compiled code: what Python says of the same bytes."""

    name = "block-counts"
    reads = "blkback's counters and /proc/net/dev, by compiled code"
    compiled = True
    longest = 2000
    words = (b"\n", b" ", b"-1", b"9" * 20, b"18446744073709551616", b"\0", b"\x0b", b"vif1.0:", b"\r")

    def __init__(self):
        self._counts = counts.load(object_of("counts"))
        assert self._counts is not None
        self._folder = tempfile.mkdtemp(prefix="fuzz-")
        places = [os.path.join(self._folder, str(number)) for number in range(8)]
        self._files = array("i", [os.open(place, os.O_RDWR | os.O_CREAT) for place in places])

    def seeds(self):
        return [b"".join(_LINE % name for name in (b"    lo", b"vif1.0")),
                b"5\n\n7\n\n-3\n\n18446744073709551615\n", b"1 2\n\n\n\n\n\n9"]

    def check(self, data, chance):
        parts = data.split(b"\n\n") + [b""] * len(self._files)
        for file, part in zip(self._files, parts):
            os.ftruncate(file, 0)
            os.pwrite(file, part, 0)
        numbers, bad = self._counts.files(self._files)
        expected, wrong = blkback._read_files(self._files)
        assert [bool(one) for one in bad] == [bool(one) for one in wrong]
        assert [number for number, one in zip(numbers, bad) if not one] == [
            number for number, one in zip(expected, wrong) if not one]
        told = [allowed(BadInput, netdev.NetDev(read).parse, netdev._HEADER + data) for read in (self._counts, None)]
        assert told[0] is None if told[1] is None else [list(one) for one in told[0]] == [list(one) for one in told[1]]

    def close(self):
        shutil.rmtree(self._folder)


_LINE = b"%s: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"


class NetDev(Target):
    """BadInput, or eight counters that a line had; the labels of vifs are numbers of theirs."""

    name = "net-dev"
    reads = "/proc/net/dev"
    longest = 4000
    words = (b"\n", b":", b" ", b"vif1.0", b"vif7.0-emu", b"lo", b"vif65535.4294967295", b"18446744073709551615", b"\xff", b"-1")

    def seeds(self):
        return [netdev._HEADER + b"".join(_LINE % name for name in (b"    lo", b"vif1.0", b"vif7.0-emu", b"xen:br0", b"vif\xff"))]

    def check(self, data, chance):
        found = allowed(BadInput, netdev.parse_net_dev, data)
        if found is None:
            return
        numbers = {int(digits) for digits in re.findall(rb"[0-9]+", data)}
        for name, counters in found:
            assert name.isascii() and len(counters) == 8
            assert numbers.issuperset(counters)
        for domid, labels in netdev.vif_order([name for name, _ in found], lambda name: data[:64]).items():
            assert 0 <= domid < 10 ** 5 and all(label[:1].isdigit() for label in labels)


class KeptCounters(Target):
    """The file of what devices had counted: ignored in one line, or counters that go on, and a file that is read again."""

    name = "kept-counters"
    reads = "what is kept of counters over a restart"
    longest = 3000
    words = (b"null", b"true", b"[]", b"{}", b"-1", b"1e5", b"9" * 30, b'"key":', b'"vifs":', b'"vif0":', b'"lives":', b"[[[[",
             b'"domid":5', b'"\\ud800"')

    def __init__(self):
        self._folder = tempfile.mkdtemp(prefix="fuzz-")
        self._path = os.path.join(self._folder, "x.json")

    def _read(self, counted):
        """A run of ours, two readings of a domain's vif and vbd: (what it said of the file, what it left)."""
        kept = bases.Bases(self._folder, "x")
        said = kept.remark
        lives = Lives()
        lives.restore = kept.of("direct")
        for reading, count in enumerate(counted, 1):
            lives.begin()
            life = lives.see("u", "web", "u", 5, False, 10 ** 9, {}, 1)
            told = life.vifs.update("vif0", (count,) * 8, reading, reading) + life.vbds.update("51712", (count,) * 5, reading, 1)
            assert all(value is None or value >= 0 for value in told)
            lives.end(True)
            kept.after(lives, "direct")
        kept.close(lives, "direct")
        with open(self._path, "rb") as file:
            return said, file.read()

    def seeds(self):
        boot = bases._boot().encode()
        told = self._read((7, 3))[1].replace(boot, b"BOOT")
        return [told, told.replace(b'"u"', b'["5","u"]'), told.replace(b'"key":"u"', b'"key":[5,"u"]')]

    def check(self, data, chance):
        with open(self._path, "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(data.replace(b"BOOT", bases._boot().encode()))
        said, _ = self._read((5, 9))
        assert said is None or "\n" not in said
        assert self._read((9, 10))[0] is None, "what it wrote itself"

    def close(self):
        shutil.rmtree(self._folder)
