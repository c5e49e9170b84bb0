"""What is booted: Xen, the kernels, two initial RAM disks and dom0's root disk; made once per set of package versions."""
import dataclasses
import fcntl
import gzip
import hashlib
import pathlib
import shutil
import subprocess
import sys

if not __package__:
    sys.path[0] = str(pathlib.Path(__file__).resolve().parents[1])

from lab import cross, packages
from lab.arches import AMD64, Arch
from lab.initramfs import Kernel, unpacked_image, write_initramfs
from lab.paths import BUILD
from lab.releases import MAIN, RELEASES
from tools.debian import ProvisionError

__all__ = ("Image", "build", "compile_python", "make_disk")

HERE = pathlib.Path(__file__).resolve().parent
GUEST = HERE / "guest"
DOM0_MODULES = ("xen-privcmd", "xenfs", "xen-evtchn", "xen-gntdev", "xen-gntalloc", "xen-netback", "xen-blkback", "loop",
                "bridge", "tun")
#: What a job loads itself, with `dom0.load`.
MORE_MODULES = ("e1000", "openvswitch")
GUEST_MODULES = ("xen-netfront", "xen-blkfront")
#: Of a guest that serves others.
DRIVER_MODULES = ("xen-netback", "xen-blkback", "loop")
NOT_BOOTED = ("usr/share/doc", "usr/share/locale", "usr/share/man", "usr/share/info", "usr/share/zoneinfo",
              "usr/share/perl", "usr/share/iso-codes", "usr/share/xml", "var/log", "usr/lib/udev/hwdb.d")

#: What package scripts would have made, as far as anything in dom0 looks at it.
PASSWD = "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n"
GROUP = "root:x:0:\nadm:x:4:\ntty:x:5:\ndisk:x:6:\nnogroup:x:65534:\n"

FIND_ROOT = """\
#!/bin/sh
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
for module in /m/*; do insmod $module || echo "LAB: $module does not load"; done
# disks come up in any order, so the disk is found by its label, which ext4 has at byte 1144: not each busybox has findfs
labelled() { for disk in /dev/[sv]d?; do
  [ "$(dd if=$disk bs=1 skip=1144 count=7 2>/dev/null)" = labroot ] && return; done; return 1; }
tries=0; until labelled; do
  tries=$((tries+1)); [ $tries -gt 300 ] && { echo "LAB: no root disk"; poweroff -f; }; sleep 0.1; done
mount -t ext4 -o rw,noatime $disk /newroot || poweroff -f
for folder in dev proc sys; do mount --move /$folder /newroot/$folder; done
exec switch_root /newroot /lab/init
"""


@dataclasses.dataclass(frozen=True)
class Image:
    """Paths of what a machine boots from; ``tools`` runs mke2fs, debugfs and QEMU on this machine, ``python`` dom0's Python."""

    xen: pathlib.Path
    kernel: pathlib.Path
    initramfs: pathlib.Path
    root: pathlib.Path
    tools: packages.Tree
    python: packages.Tree
    arch: Arch
    versions: dict


def build(say, release=MAIN):
    """The image for a release's newest packages, from build/lab or made now; ProvisionError where that fails."""
    BUILD.mkdir(parents=True, exist_ok=True)
    with (BUILD / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _build(say, release)


def _build(say, release):
    host, boot, dom0 = packages.fetch_all(say, release)
    python = dom0 if release.here is release else packages.fetch_all(say, release.here)[2]
    sources = [pathlib.Path(__file__), HERE / "initramfs.py", HERE / "inside" / "init", *sorted(GUEST.iterdir())]
    made_of = "".join(tree.digest for tree in (boot, dom0)).encode() + b"".join(file.read_bytes() for file in sources)
    folder = release.folder / "image"
    image = Image(folder / "xen", folder / "vmlinuz", folder / "initramfs.gz", folder / "root.ext4", host,
                  python, release.arch, dict(dom0.versions, **boot.versions, **host.versions))
    mark = release.folder / "image.digest"
    digest = hashlib.sha256(made_of).hexdigest()
    if mark.exists() and mark.read_text() == digest and image.root.exists():
        return image
    say(f"making dom0's disk for Xen {release.xen}")
    mark.unlink(missing_ok=True)
    shutil.rmtree(str(folder), ignore_errors=True)
    folder.mkdir()
    kernel = Kernel(boot.root)
    image.xen.write_bytes(_hypervisor(boot.root))
    # Xen for x86 unpacks it itself
    image.kernel.write_bytes(kernel.image.read_bytes() if release.arch is AMD64 else unpacked_image(kernel.image, host))
    busybox = dom0.root / "bin" / "busybox"
    write_initramfs(image.initramfs, FIND_ROOT, busybox, kernel.modules(*release.arch.modules))
    _add_guest(folder, kernel, busybox, host, release.arch)
    _finish_root(dom0, python, folder, kernel)
    make_disk(host, image.root, "labroot", dom0.root, 1500)
    mark.write_text(digest)
    return image


def _hypervisor(root):
    """The bytes of the unpacked hypervisor; beside it lie its configuration and, of some releases, one for EFI."""
    data = next(file for file in sorted(root.glob("boot/xen-4*")) if file.suffix in (".gz", "")
                or file.name.endswith(("-amd64", "-arm64"))).read_bytes()
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def make_disk(tools, path, label, content=None, megabytes=64):
    """An ext4 disk with that label, with a folder's content on it."""
    with open(str(path), "wb") as file:
        file.truncate(megabytes << 20)
    command = [str(tools.program("mke2fs")), "-q", "-F", "-t", "ext4", "-O",
               "^orphan_file,^metadata_csum_seed",      # of which a kernel of 2020 knows nothing
               "-m", "0", "-L", label, "-E", "root_owner=0:0,lazy_itable_init=1,nodiscard"]
    ran = subprocess.run(command + (["-d", str(content)] if content else []) + [str(path)], check=False,
                         env=tools.environment(), stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
    if ran.returncode:
        raise ProvisionError(f"{path.name} cannot be made: {ran.stderr.strip()}")


def compile_python(python, folder):
    """Byte code for dom0's own Python, which is slow in emulation; of files that will be elsewhere, so never checked.

    :param python: the tree whose interpreter does it; one process, for its workers would start without its loader.
    """
    ran = subprocess.run([*python.command("usr/bin/python3"), "-m", "compileall", "-q", "-j", "1",
                          "--invalidation-mode", "unchecked-hash", "-x", "/(test|tests|idlelib|lib2to3)/", str(folder)],
                         check=False, stderr=subprocess.PIPE, text=True,
                         env={"PYTHONHOME": str(python.root / "usr"), "PATH": "/usr/bin:/bin"})
    if ran.returncode not in (0, 1):    # 1: some file is not Python 3, such as a template
        raise ProvisionError(f"dom0's Python does not run here: {ran.stderr.strip()}")


def _finish_root(dom0, python, folder, kernel):
    """What package scripts would do on an installed system, and the lab's own files."""
    root = dom0.root
    for name in NOT_BOOTED:
        shutil.rmtree(str(root / name), ignore_errors=True)
    for name in ("proc", "sys", "dev", "run", "tmp", "root", "code", "results", "var/log/xen", "var/lib/xen",
                 "var/lib/xenstored", "var/lib/openvswitch", "var/log/openvswitch", "etc/openvswitch",
                 "etc/collectd/collectd.conf.d"):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "etc" / "passwd").write_text(PASSWD)
    (root / "etc" / "group").write_text(GROUP)
    (root / "etc" / "hosts").write_text("127.0.0.1 localhost dom0lab\n")
    links = [("usr/bin/awk", "mawk"), ("etc/mtab", "/proc/mounts"), ("var/run", "/run"), ("var/lock", "/run/lock")]
    if (root / "usr/bin/which.debianutils").exists():       # older releases' is called which itself
        links.append(("usr/bin/which", "which.debianutils"))
    for link, target in links:
        if (root / link).is_dir() and not (root / link).is_symlink():
            shutil.rmtree(str(root / link))
        (root / link).unlink(missing_ok=True)
        (root / link).symlink_to(target)
    lab = root / "lab"
    shutil.rmtree(str(lab), ignore_errors=True)
    for place, modules in (("modules", DOM0_MODULES), ("more", MORE_MODULES)):
        (lab / place).mkdir(parents=True)
        for number, file in enumerate(kernel.modules(*modules)):
            shutil.copy(str(file), str(lab / place / f"{number:03}-{file.name}"))
    shutil.copy(str(HERE / "inside" / "init"), str(lab / "init"))
    (lab / "init").chmod(0o755)
    for file in ("guest-vmlinux", "guest-initramfs.gz"):
        shutil.copy(str(folder / file), str(lab / file))
    for name in ("vif-lab", "block-lab"):
        script = root / "etc" / "xen" / "scripts" / name
        shutil.copy(str(GUEST / name), str(script))
        script.chmod(0o755)
    for library in root.glob("usr/lib/python3.[0-9]*"):
        compile_python(python, library)
    ran = subprocess.run(["/sbin/ldconfig", "-r", str(root)], check=False, stderr=subprocess.PIPE, text=True)
    if ran.returncode:
        raise ProvisionError(f"ldconfig in dom0's root: {ran.stderr.strip()}")


def _add_guest(folder, kernel, busybox, tools, arch):
    """The guests' kernel, unpacked because the emulator is slow at that, and their RAM disk with a program of known work."""
    (folder / "guest-vmlinux").write_bytes(unpacked_image(kernel.image, tools))
    program = folder / "work"
    cross.compiled(arch, GUEST / "work.c", program, "-static", "-Wall")
    write_initramfs(folder / "guest-initramfs.gz", (GUEST / "init").read_text(), busybox,
                    kernel.modules(*GUEST_MODULES), [("bin/work", program.read_bytes())], kernel.modules(*DRIVER_MODULES))


if __name__ == "__main__":
    for xen in sys.argv[1:] or [xen for xen, release in RELEASES.items() if release.arch is AMD64]:
        build(lambda text: print(text, file=sys.stderr, flush=True), RELEASES[xen])
