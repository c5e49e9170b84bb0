"""A machine of the lab that does not come up tells why, or what it waits for, and does not take its whole time for that."""
import types

import pytest

from lab import machine
from lab.arches import AMD64
from lab.packages import Tree

#: Of what QEMU's serial line held when Xen 4.17.7 had 8 MiB for dom0, and when dom0's Linux 6.1 had an empty RAM disk.
XEN = """\
(XEN) *** Building a PV Dom0 ***\r
(XEN)  Dom0 kernel: 64-bit, PAE, lsb, paddr 0x1000000 -> 0x4a00000\r
(XEN) \r
(XEN) ****************************************\r
(XEN) Panic on CPU 0:\r
(XEN) Domain 0 allocation is too small for kernel image\r
(XEN) ****************************************\r
(XEN) \r
(XEN) Manual reset required ('noreboot' specified)\r
"""
DOM0 = """\
(XEN) Command line: console=com1 com1=115200,8n1 noreboot=1\r
[    3.340809] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\r
[    3.348694]  panic+0x118/0x2f4\r
[    3.362695] Rebooting in 5 seconds..\r
(XEN) Hardware Dom0 crashed: 'noreboot' set - not rebooting.\r
"""
#: QEMU's place: it writes what it is told to write on its serial line, and then what `more` does.
EMULATOR = """\
#!/bin/sh
for word; do case $word in file:*) console=${word#file:};; esac; done
cat "%s" >"$console"
%s
"""


@pytest.fixture
def boot(tmp_path):
    """boot(console, more): what is said of a machine whose serial line has that, and its outcome."""
    def run(console, more):
        programs = tmp_path / "tools" / "usr" / "bin"
        programs.mkdir(parents=True)
        text = tmp_path / "console.txt"
        text.write_text(console)
        scripts = {AMD64.emulator[0]: EMULATOR % (text, more), **dict.fromkeys(("mke2fs", "e2fsck", "debugfs"), "#!/bin/sh\n")}
        for name, script in scripts.items():
            (programs / name).write_text(script)
            (programs / name).chmod(0o755)
        image = types.SimpleNamespace(arch=AMD64, tools=Tree(tmp_path / "tools", {}), xen="xen", kernel="vmlinuz",
                                      initramfs="initramfs.gz", root="root.ext4")
        said, code = [], tmp_path / "code"
        code.mkdir()

        def say(line):
            said.append(line)
            (tmp_path / "said").write_text("\n".join(said))

        return said, machine.Machine(image, tmp_path / "machine", say).run(code, "short", 3600)
    return run


@pytest.mark.parametrize(("console", "reason"), [
    (XEN, "Domain 0 allocation is too small for kernel image"),
    (DOM0, "Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)")])
def test_one_that_stands_still_ends_at_once_and_says_why(boot, console, reason):
    """Its deadline is an hour away."""
    _, outcome = boot(console, "exec sleep 3600")
    assert outcome.complaint.startswith(f"the machine stands still: {reason}; its console is ")


def test_a_silent_one_shows_the_last_mark_and_the_consoles_last_line(boot, monkeypatch, tmp_path):
    """Here after a moment, in the lab after QUIET seconds; it goes on afterwards."""
    assert machine.QUIET <= 300
    monkeypatch.setattr(machine, "QUIET", 0.2)
    more = 'until grep -q "blocking state" %s 2>/dev/null; do sleep 0.1; done; echo "LAB: 9.9 power off" >>"$console"' % (
        tmp_path / "said")
    said, outcome = boot("LAB: 3.25 toolstack up\n[    4.5] xenbr0: port 1 entered blocking state\n", more)
    assert any("no mark for 0.2 s; the last one: 'LAB: 3.25 toolstack up'; the console's last line: '[    4.5] xenbr0: port 1 "
               "entered blocking state'" in line for line in said), said
    assert outcome.complaint is None
