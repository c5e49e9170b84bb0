"""Profiles of guests: one whose work is known, with its kernel's file and without; one that uses its disk; one that ends."""
import pathlib
import shutil

from lab.inside import dom0, guests, steps

SPLIT = dom0.CODE / "lab" / "split"
LOCK, KEPT = pathlib.Path("/run/xenmeter-profile/lock"), pathlib.Path("/var/cache/xenmeter/kernels")
CONFIG = """\
name = "{name}"
type = "pv"
kernel = "/lab/guest-vmlinux"
ramdisk = "{ramdisk}"
vcpus = 1
memory = 128
cpu_weight = 32
extra = "console=hvc0 mitigations=off quiet"
on_crash = "destroy"
"""
DISK = 'disk = ["format=raw,vdev=xvda,access=rw,backendtype=phy,script=block-lab,target={}"]\n'


def create(name, more=""):
    """A guest with a first program of its own: a second archive goes over the files of all guests' one."""
    ramdisk = pathlib.Path(f"/tmp/{name}.gz")
    ramdisk.write_bytes(pathlib.Path("/lab/guest-initramfs.gz").read_bytes() + (dom0.CODE / "lab" / ramdisk.name).read_bytes())
    config = pathlib.Path(f"/tmp/{name}.cfg")
    config.write_text(CONFIG.format(name=name, ramdisk=ramdisk) + more)
    dom0.fetch("xl", "create", config)
    guests.wait_up(name)


def create_disk():
    """A guest that reads its disk some hundred times a second."""
    file = pathlib.Path("/tmp/disk")
    with file.open("wb") as sparse:
        sparse.truncate(16 << 20)
    create("disk", DISK.format(dom0.fetch("losetup", "--find", "--show", file).strip()))


def profile(name, domain, seconds, *more):
    """A profile in every form; what xl says of the CPU time before and after it."""
    dom0.run(f"{name}-before", "xl", "vcpu-list", domain)
    forms = [word for end in ("folded", "pb.gz", "svg", "samples") for word in ("-o", dom0.RESULTS / f"{name}.{end}")]
    dom0.run(name, *dom0.xenmeter("profile", domain, "--seconds", seconds, "--share", 60, *forms, *more), timeout=600)
    dom0.run(f"{name}-after", "xl", "vcpu-list", domain)
    dom0.mark(f"{name} done")


def without_its_file():
    """The same guest, whose kernel dom0 no longer has, nor read before."""
    shutil.rmtree(str(KEPT), ignore_errors=True)
    uuid = dom0.fetch("xl", "domid", "split").strip()
    uuid = dom0.fetch("xenstore-read", f"/local/domain/{uuid}/vm").strip()
    dom0.fetch("xenstore-write", f"{uuid}/image/kernel", "/gone")
    profile("memory", "split", 12)
    dom0.run("kept", "stat", "-c", "%n %a %u", KEPT, *sorted(KEPT.iterdir()))
    profile("again", "split", 5)


def beside_a_baker():
    """A disk's load; who asks for the trace meanwhile is told."""
    baker = dom0.start("baker", *dom0.xenmeter("baker", "--share", "0"))
    dom0.wait_for(lambda: steps.SHARED.exists() or baker.poll() is not None, 240, "the baker's file")
    told = dom0.start("told", *dom0.xenmeter("xentrace", "--source", "baker", "--format", "json", "--interval", "3"))
    profile("disk", "disk", 20, "--kernel", "/lab/guest-vmlinux")
    dom0.stop(told)
    dom0.stop(baker)


def one_that_ends():
    """It begins when the profile has, and powers itself off."""
    guests.create("dying", "die", paused=True)
    child = dom0.start("dying", *dom0.xenmeter("profile", "dying", "--seconds", 600))
    dom0.wait_for(lambda: LOCK.exists() or child.poll() is not None, 240, "the profile's lock")
    dom0.fetch("xl", "unpause", "dying")
    dom0.finish(child, 600)
    dom0.wait_for(lambda: "dying" not in dom0.fetch("xl", "list"), 240, "xl's end of the guest")
    dom0.run("list", "xl", "list")


def run():
    dom0.run("info", "xl", "info")
    create("split")
    guests.wait_up("split", word=b"SPLIT")
    dom0.mark("split is up")
    profile("split", "split", 30, "--user-symbols", SPLIT)
    dom0.write_notes()
    one_that_ends()
    dom0.mark("the other one has ended")
    dom0.write_notes()
    without_its_file()
    dom0.fetch("xl", "destroy", "split")
    dom0.write_notes()
    create_disk()
    dom0.mark("disk is up")
    beside_a_baker()
