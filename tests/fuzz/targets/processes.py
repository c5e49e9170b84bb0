"""What dom0's kernel says of processes, whose names anybody chooses, and of the block devices behind disks."""
import pathlib
import shutil
import tempfile

from fuzz.target import Target
from xenmeter.xen import backing, servants

_STAT = b"%d (%s) S 2 0 0 0 -1 %d 0 0 0 0 %d 4 0 0 20 0 1 0 100 0 0\n"
_KERNELS, _ANYBODYS = 0x208040, 0x400100
_LIVES = {0: 1, 7: 2, 12: 3}
_QEMUS, _TAPDISKS = {11: 7, 12: 12}, {13: 7}


class Processes(Target):
    """Ten processes, two looks at them; a disk's times and the mounts. Only threads of the kernel's own, and the processes that
    root's files name, are anybody's."""

    name = "processes"
    reads = "dom0's processes and the block devices behind disks"
    longest = 1500
    words = (b"\n", b") S ", b"(vif7.0-q0-guest-rx)", b"(7.xvda-0)", b"qemu-system-i38", b"tapdisk", b"xenstored", b" 2129984 ",
             b" 4194560 ", b" -1 ", b"9" * 25, b"\0", b" 8:0 ")

    def __init__(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="fuzz-"))
        self._proc, self._block, self._mounts = folder / "proc", folder / "block", folder / "mountinfo"
        for number in range(10, 20):
            (self._proc / str(number)).mkdir(parents=True)
        (self._block / "8:0" / "holders").mkdir(parents=True)
        (self._block / "8:0" / "dev").write_text("8:0\n")

    def seeds(self):
        names = [(b"vif7.0-q0-guest-rx", _KERNELS), (b"qemu-system-i38", _ANYBODYS), (b"qemu) R 1 (x", _ANYBODYS),
                 (b"tapdisk", _ANYBODYS), (b"vif12.0-q0-deal", _ANYBODYS), (b"7.xvda-0", _KERNELS), (b"xenstored", _ANYBODYS)]
        told = [_STAT % (number, name, flags, number) for number, (name, flags) in enumerate(names, 10)]
        disk = [b"40 0 0 200 20 0 0 500 3 0 0\n", b"22 1 8:1 / /boot rw - ext4 /dev/sda1 rw\n"]
        return [b"".join(told + [b"\n"] * 3 + disk), b"".join(told[:2] + [b"\n"] * 8 + disk[:1])]

    def check(self, data, chance):
        lines = (data.split(b"\n") + [b""] * 12)[:12]
        found = servants.Servants(str(self._proc), 1)
        for turn in range(2):
            for number, line in enumerate(lines[:10], 10):
                (self._proc / str(number) / "stat").write_bytes(lines[(number + turn) % 10] if chance.random() < 0.2 else line)
            for (domid, who), spent in found.read(_LIVES, _QEMUS, _TAPDISKS).items():
                assert domid in _LIVES or (domid, who) == (servants.ALL, servants.XENSTORED)
                assert who not in (servants.QEMU, servants.TAPDISK) or domid in (7, 12)
                assert spent.ended == 0 or turn
            if not turn:        # a name alone makes nobody a thread of the kernel's
                assert all(self._is_kernels(number) for number, one in found._open.items()
                           if one.owner[1] in (servants.NETBACK, servants.BLKBACK))
        found.close()
        (self._block / "8:0" / "stat").write_bytes(lines[10])
        self._mounts.write_bytes(lines[11].replace(b"\\n", b"\n"))
        disks = backing.Backings(str(self._block), str(self._mounts))
        told = disks.read({(7, 51712): (8, 0)}, [(7, 51712)])
        disks.close()
        assert all(value >= 0 for vbds in told.values() for one in vbds.values() for value in one)
        assert not told or b" 8:0 " not in lines[11] or lines[11].split(b" ", 3)[2] != b"8:0" or lines[11].count(b" ") < 4

    def _is_kernels(self, number):
        """As the kernel says it, behind the last parenthesis."""
        text = (self._proc / str(number) / "stat").read_bytes()[:1024]
        return int(text.rpartition(b")")[2].split()[6]) & 0x200000

    def close(self):
        shutil.rmtree(str(self._proc.parent))
