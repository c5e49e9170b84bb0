"""Profiles of guests: one whose work is known, one that uses its disk, one that ends meanwhile."""
import pathlib
import shutil
import subprocess

from lab.inside import dom0, guests, steps

SPLIT = dom0.CODE / "lab" / "split"
INIT = """#!/bin/sh
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t devtmpfs dev /dev
echo "GUEST up: split"
exec /bin/split 400
"""
CONFIG = """\
name = "split"
type = "pv"
kernel = "/lab/guest-vmlinux"
ramdisk = "{ramdisk}"
vcpus = 1
memory = 128
cpu_weight = 32
extra = "console=hvc0 mitigations=off quiet"
on_crash = "destroy"
"""


def create_split():
    """A guest that runs the program whose functions' shares are known: a second archive goes over the first one's files."""
    folder, ramdisk = pathlib.Path("/tmp/split"), pathlib.Path("/tmp/split.gz")
    (folder / "bin").mkdir(parents=True)
    shutil.copy(str(SPLIT), str(folder / "bin" / "split"))
    (folder / "init").write_text(INIT)
    for name in ("init", "bin/split"):
        (folder / name).chmod(0o755)
    packed = subprocess.run("find . | busybox cpio -o -H newc | gzip -1", shell=True, cwd=str(folder), check=True,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    ramdisk.write_bytes(pathlib.Path("/lab/guest-initramfs.gz").read_bytes() + packed)
    config = pathlib.Path("/tmp/split.cfg")
    config.write_text(CONFIG.format(ramdisk=ramdisk))
    dom0.fetch("xl", "create", config)
    guests.wait_up("split")


def profile(name, domain, seconds, *more):
    """A profile in every form; what xl says of the CPU time before and after it."""
    dom0.run(f"{name}-before", "xl", "vcpu-list", domain)
    forms = [word for end in ("folded", "pb.gz", "svg", "samples") for word in ("-o", dom0.RESULTS / f"{name}.{end}")]
    dom0.run(name, *dom0.xenmeter("profile", domain, "--seconds", seconds, "--share", 60, *forms, *more), timeout=600)
    dom0.run(f"{name}-after", "xl", "vcpu-list", domain)
    dom0.mark(f"{name} done")


def run():
    dom0.run("info", "xl", "info")
    create_split()
    dom0.mark("split is up")
    profile("split", "split", 40, "--user-symbols", SPLIT)
    dom0.write_notes()
    steps.make_guests("io-guest")
    profile("disk", "io-guest", 30, "--kernel", "/lab/guest-vmlinux")
    dom0.write_notes()
    guests.create("dying", "die")
    dom0.run("dying", *dom0.xenmeter("profile", "dying", "--seconds", 300), timeout=600)
    dom0.run("list", "xl", "list")
