"""What the lab is made of: Debian's packages, unpacked under build/lab. Nothing is installed, and root is not needed.

Three trees: what runs here (QEMU, mke2fs), what is booted (Xen, the kernel), and dom0's own root file system. dom0's is
resolved against an empty machine, so it is whole; it is only unpacked, not configured: no package's script runs, and
what of theirs dom0 needs, `image` does itself.
"""
import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
import subprocess

from tools import debian
from tools.debian import ProvisionError

__all__ = ("BUILD", "Tree", "fetch_all", "version_of")

BUILD = pathlib.Path(__file__).resolve().parents[2] / "build" / "lab"

HOST = ("qemu-system-x86", "qemu-system-common", "qemu-system-data", "seabios", "e2fsprogs")
#: The meta packages name the newest kernel and the newest Xen of the release.
KERNEL, XEN = "linux-image-amd64", "xen-system-amd64"
DOM0 = ("bash", "dash", "libc-bin", "debianutils", "bsdutils", "coreutils", "util-linux", "mount", "grep", "sed", "mawk",
        "findutils", "procps", "kmod", "iproute2", "tar", "base-files", "strace", "hostname", "xen-utils-common",
        "xenstore-utils", "qemu-system-xen", "collectd-core", "python3", "busybox-static", "login")
#: Of what collectd-core suggests, the library of the Python that it embeds; which one that is, the archive says.
EMBEDDED = ("libpython3.*",)
MERGED = ("bin", "sbin", "lib", "lib64")


@dataclasses.dataclass(frozen=True)
class Tree:
    """Unpacked packages: where, which, and a digest of their versions."""

    root: pathlib.Path
    versions: dict

    @property
    def digest(self):
        lines = "".join(f"{name} {self.versions[name]}\n" for name in sorted(self.versions))
        return hashlib.sha256(lines.encode()).hexdigest()[:16]

    def environment(self):
        """For programs of this tree, run on this machine."""
        libraries = [str(self.root / folder) for folder in ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu")]
        return {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8",
                "LD_LIBRARY_PATH": ":".join(libraries)}


def fetch_all(say):
    """(host, boot, dom0): the three trees, up to date; what is there already is kept."""
    BUILD.mkdir(parents=True, exist_ok=True)
    archive = debian.Archive(BUILD, say)
    archive.update()
    host = [package for package in _closure(archive, HOST, here=True) if debian.is_needed(package.name, HOST)]
    boot = [package for package in _closure(archive, (KERNEL, XEN)) if _is_booted(package.name)]
    dom0 = _closure(archive, (*DOM0, *archive.related(("collectd-core",), EMBEDDED), *(_tools_of(boot))))
    return tuple(_unpack(archive, name, packages, merged, say) for name, packages, merged in (
        ("host", host, False), ("boot", boot, False), ("dom0", dom0, True)))


def version_of(beginning):
    """The version of an unpacked package by the beginning of its name, for provenance; KeyError where there is none."""
    for name in ("host", "boot", "dom0"):
        for package, version in json.loads((BUILD / f"{name}.versions").read_text()).items():
            if package.startswith(beginning):
                return version
    raise KeyError(beginning)


def _is_booted(name):
    return name.startswith(("linux-image-6", "linux-image-7", "xen-hypervisor-4"))


def _tools_of(boot):
    """xen-utils of the hypervisor's own release: xen-hypervisor-4.17-amd64 goes with xen-utils-4.17."""
    return [package.name.replace("xen-hypervisor", "xen-utils").replace("-amd64", "")
            for package in boot if package.name.startswith("xen-")]


def _closure(archive, names, here=False):
    """The packages that the named ones need: on this machine as it is, or on an empty one."""
    status = []
    if not here:
        nothing = archive.here / "nothing-installed"
        nothing.touch()
        status = ["-o", f"Dir::State::status={nothing}"]
    ran = archive.apt(*status, "-qq", "-y", "--no-install-recommends", "--reinstall", "--print-uris", "install", *names)
    if ran.returncode:
        raise debian.no_such_package(names, debian.complaint_in(ran.stderr))
    return debian.parse_uris(ran.stdout)


def _unpack(archive, name, packages, merged, say):
    tree = Tree(BUILD / name, {package.name: package.version for package in packages})
    (BUILD / f"{name}.versions").write_text(json.dumps(tree.versions, indent=1))
    mark = BUILD / f"{name}.digest"
    if mark.exists() and mark.read_text() == tree.digest:
        return tree
    say("{}: {} packages, {:.0f} MB".format(name, len(packages), sum(package.size for package in packages) / 1e6))
    mark.unlink(missing_ok=True)
    shutil.rmtree(str(tree.root), ignore_errors=True)
    tree.root.mkdir()
    if merged:      # as in an installed Debian, where some packages still ship /bin and /lib
        for folder in MERGED:
            (tree.root / "usr" / folder).mkdir(parents=True)
            (tree.root / folder).symlink_to("usr/" + folder)
    here = archive.here / "archives"
    fetched, complaint = archive.fetch([package for package in packages if not (here / package.file).exists()])
    if not fetched:
        raise ProvisionError(f"download failed ({complaint}): check the network and try again")
    for package in packages:
        _extract(here / package.file, tree.root)
    mark.write_text(tree.digest)
    for package in packages:
        (here / package.file).unlink()
    return tree


def _extract(file, root):
    """tar, because dpkg-deb -x would replace a linked folder by a real one."""
    unpacked = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(file)], stdout=subprocess.PIPE)
    with unpacked:
        ran = subprocess.run(["tar", "-x", "--keep-directory-symlink", "--no-same-owner", "-C", str(root)], check=False,
                             stdin=unpacked.stdout, stderr=subprocess.PIPE, text=True,
                             env=dict(os.environ, LC_ALL="C"))
    if ran.returncode or unpacked.returncode:
        raise ProvisionError(f"{file.name} does not unpack ({debian.complaint_in(ran.stderr)}): is the disk full?")
