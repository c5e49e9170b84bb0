"""Guests: paravirtual, the same kernel as dom0's, a RAM disk with busybox and the lab's program of known work."""
import pathlib
import platform
import subprocess

from lab.inside import dom0

__all__ = ("SERIAL", "create", "create_hvm", "wait_up", "destroy", "domid")

ARM = platform.machine() == "aarch64"
#: MiB that a guest's kernel needs at least.
LEAST = 192 if ARM else 128
#: Of Xen's schedulers; dom0 has 256. What a job waits for in dom0 must not take minutes because a guest burns.
WEIGHT = 32

CONFIG = """\
name = "{name}"
type = "{kind}"
kernel = "/lab/guest-vmlinux"
ramdisk = "/lab/guest-initramfs.gz"
vcpus = {vcpus}
memory = {memory}
cpu_weight = {WEIGHT}
extra = "console=hvc0 mitigations=off quiet role={role}{address}"
on_poweroff = "destroy"
on_reboot = "{on_reboot}"
on_crash = "destroy"
"""


HVM = """\
name = "{name}"
type = "hvm"
vcpus = 1
memory = 192
cpu_weight = {WEIGHT}
nographic = 1
vga = "none"
serial = "file:{serial}"
boot = "c"
disk = ["format=raw,vdev=hda,access=rw,backendtype=qdisk,target={disk}"]
vif = ["type=ioemu,model=rtl8139,script=vif-lab"]
on_poweroff = "destroy"
on_reboot = "destroy"
on_crash = "destroy"
"""
SERIAL = pathlib.Path("/tmp/hvm-serial")


def create(name, role, vcpus=1, memory=LEAST, address=None, disk=None, paused=False, maxvcpus=None,
           kind="pvh" if ARM else "pv", on_reboot="destroy", vif="", more=""):
    """xl create; returns the domid. ``disk``: (size in MiB, backend: phy or qdisk); vCPUs beyond ``vcpus`` and below
    ``maxvcpus`` stay offline; ``vif``: more of its configuration, see guest/vif-lab; ``more``: of the guest's. Raises when xl
    fails three times: libxl has short times of its own."""
    text = CONFIG.format(name=name.replace("\\", "\\\\").replace('"', '\\"'), role=role, kind=kind, vcpus=vcpus, memory=memory,
                         on_reboot=on_reboot,
                         WEIGHT=WEIGHT, address=f" address={address}" if address else "")
    text += more
    if maxvcpus:
        text += f"maxvcpus = {maxvcpus}\n"
    if kind != "pv" and not ARM:
        # QEMU's SVM does not tell Xen how long the guest's RDTSCP is, and Xen then cannot do it in the guest's stead
        text += 'cpuid = "host,rdtscp=0"\n'
    if address:
        text += 'vif = ["script=vif-lab{}"]\n'.format(vif and "," + vif)
    if disk:
        file = pathlib.Path("/tmp", f"disk-{role}-{disk[1]}")
        with file.open("wb") as sparse:
            sparse.truncate(disk[0] << 20)
        target = file if disk[1] == "qdisk" else dom0.fetch("losetup", "--find", "--show", file).strip()
        script = "script=block-lab," if disk[1] == "phy" else ""
        text += f'disk = ["format=raw,vdev=xvda,access=rw,backendtype={disk[1]},{script}target={target}"]\n'
    return _create(name, text, paused)


def create_hvm(name, boot_sector):
    """xl create of a machine with a BIOS, a serial line that goes to SERIAL, a network card and a disk that QEMU emulates."""
    file = pathlib.Path("/tmp", "disk-" + name)
    with file.open("wb") as disk:
        disk.write(boot_sector)
        disk.truncate(4 << 20)
    return _create(name, HVM.format(name=name, WEIGHT=WEIGHT, serial=SERIAL, disk=file))


def _create(name, text, paused=False):
    config = pathlib.Path("/tmp/guest.cfg")
    config.write_text(text)
    for left in (2, 1, 0):
        try:
            dom0.fetch("xl", "create", *(["-p"] if paused else []), str(config))
            break
        except (dom0.Failed, subprocess.TimeoutExpired) as error:
            dom0.mark(f"guest {name}: {error}")
            if not left:
                raise
            subprocess.run(["xl", "destroy", name], check=False, stderr=subprocess.DEVNULL, timeout=300)
    return domid(name)


def domid(name):
    return int(dom0.fetch("xl", "domid", name))


def wait_up(name, timeout=300, word=b"GUEST up"):
    """Until its program has said on its console that it is there, or another word."""
    log = pathlib.Path("/var/log/xen", f"guest-{name}.log")
    dom0.wait_for(lambda: word in log.read_bytes(), timeout, f"{log.name} says {word.decode()}")


def destroy(which):
    """By name or domid."""
    dom0.fetch("xl", "destroy", str(which))
