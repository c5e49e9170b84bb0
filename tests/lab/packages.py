"""What the lab is made of: Debian's packages, unpacked under build/lab. Nothing is installed, and root is not needed.

Three trees: what runs here (QEMU, mke2fs), what is booted (Xen, the kernel), and dom0's own root file system. The last two
are of the release that is booted, from the same archives as this machine's own packages. dom0's is resolved against an
empty machine, so it is whole; it is only unpacked, not configured: no package's script runs, and what of theirs dom0 needs,
`image` does itself. A program of its that runs here does so with its own C library (`Tree.command`).
"""
import dataclasses
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess

from lab.arches import AMD64
from lab.paths import BUILD
from lab.releases import MAIN, OLD_EMULATORS
from tools import chroot, debian
from tools.debian import ProvisionError

__all__ = ("Tree", "archive_of", "fetch_all", "fetch_for_here", "tree", "version_of")

#: Of the emulator, whose newer versions are in Debian's backports; and other tools.
EMULATOR, TOOLS = ("qemu-system-common", "qemu-system-data", "seabios"), ("e2fsprogs", "zstd")
#: The meta packages name the newest kernel and the newest Xen of the release; behind each stands the processor.
KERNEL, XEN = "linux-image-", "xen-system-"
DOM0 = ("bash", "dash", "libc-bin", "debianutils", "bsdutils", "coreutils", "util-linux", "mount", "grep", "sed", "mawk",
        "findutils", "procps", "kmod", "iproute2", "tar", "base-files", "strace", "hostname", "xen-utils-common",
        "xenstore-utils", "seabios", "ipxe-qemu", "openvswitch-switch", "collectd-core", "python3", "busybox-static", "login")
#: Of what collectd-core suggests, the library of the Python that it embeds; which one that is, the archive says.
EMBEDDED = ("libpython3.*",)
LIBRARIES = ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu")
PROGRAMS = ("usr/bin", "usr/sbin", "bin", "sbin")
BOOTED = re.compile(r"linux-image-\d|xen-hypervisor-\d")
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
        return {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8",
                "LD_LIBRARY_PATH": self._libraries()}

    def command(self, program):
        """The words that run a program of a whole tree here, whatever release it is of: its own loader, its own libraries."""
        loader = self.root / LIBRARIES[0] / "ld-linux-x86-64.so.2"
        return [str(loader), "--library-path", self._libraries(), str(self.root / program)]

    def program(self, name):
        """The path of a program, wherever its package has put it: that differs between releases."""
        return next(path for path in (self.root / folder / name for folder in PROGRAMS) if path.exists())

    def _libraries(self):
        return ":".join(str(self.root / folder) for folder in LIBRARIES)


def fetch_all(say, release=MAIN):
    """(host, boot, dom0): the three trees, up to date; what is there already is kept."""
    release.folder.mkdir(parents=True, exist_ok=True)
    arch = release.arch.name
    archive = archive_of(release.folder, say, release.suite, arch=arch)
    boot = [package for package in _closure(archive, (KERNEL + arch, XEN + arch)) if BOOTED.match(package.name)]
    embedded = archive.related(("collectd-core",), EMBEDDED)
    dom0 = _closure(archive, (*DOM0, *filter(None, [release.disks]), *embedded, *_tools_of(boot, arch)))
    return (_host(say, release), _unpack(archive, release.folder, "boot", boot, False, say),
            _unpack(archive, release.folder, "dom0", dom0, True, say))


def fetch_for_here(folder, suite, names, say):
    """A tree of packages whose programs run on this machine, with all that they need and this machine has not installed."""
    folder.mkdir(parents=True, exist_ok=True)
    archive = archive_of(folder, say, suite)
    return _unpack(archive, folder, "here", _closure(archive, names, here=True), False, say)


def tree(release, name):
    """A tree that fetch_all has unpacked before; FileNotFoundError where it has not."""
    return Tree(release.folder / name, json.loads((release.folder / f"{name}.versions").read_text()))


def version_of(beginning, release=MAIN):
    """The version of an unpacked package by the beginning of its name, for provenance; KeyError where there is none."""
    for name in ("boot", "dom0"):
        for package, version in tree(release, name).versions.items():
            if package.startswith(beginning):
                return version
    raise KeyError(beginning)


def _host(say, release):
    """The tools of this machine's own release, the emulator from its backports where that one is too old for what is booted."""
    own, emulator = chroot.codename(), (release.arch.emulator[1], *EMULATOR)
    end = "" if release.arch is AMD64 else "-" + release.arch.name
    if OLD_EMULATORS.get(own, release.emulator) >= release.emulator:
        folder, newer, names = BUILD / ("own" + end), (), (*emulator, *TOOLS)
    else:
        folder, newer = BUILD / ("newer" + end), (own + "-backports",)
        names = [*(f"{name}/{newer[0]}" for name in emulator), *TOOLS]
    folder.mkdir(parents=True, exist_ok=True)
    archive = archive_of(folder, say, own, *newer)
    packages = [package for package in _closure(archive, names, here=True)
                if debian.is_needed(package.name, (*emulator, *TOOLS))]
    return _unpack(archive, folder, "host", packages, False, say)


def archive_of(folder, say, suite, *more, arch=AMD64.name):
    """The machine's Debian archives for a release, with more suites of the main one; the machine's own lists where that is it."""
    archive = debian.Archive(folder, say)
    if arch != AMD64.name:
        with archive.conf.open("a") as conf:
            conf.write(f'#clear APT::Architectures;\nAPT::Architecture "{arch}";\nAPT::Architectures {{ "{arch}"; }};\n')
    if more or suite != chroot.codename():
        sources = chroot.sources(suite)
        main = next(line for line in sources if f" {suite} " in line)
        sources += [main.replace(f" {suite} ", f" {name} ") for name in more]
        listed = archive.here / "sources.list"
        listed.write_text("\n".join(sources) + "\n")
        with archive.conf.open("a") as conf:       # an old release's lists are no longer renewed
            conf.write(f'Dir::Etc::sourcelist "{listed}";\nDir::Etc::sourceparts "-";\nAcquire::Check-Valid-Until "false";\n')
    archive.update()
    return archive


def _tools_of(boot, arch):
    """xen-utils of the hypervisor's own release: xen-hypervisor-4.17-amd64 goes with xen-utils-4.17."""
    return [package.name.replace("xen-hypervisor", "xen-utils").replace("-" + arch, "")
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


def _unpack(archive, place, name, packages, merged, say):
    made = Tree(place / name, {package.name: package.version for package in packages})
    (place / f"{name}.versions").write_text(json.dumps(made.versions, indent=1))
    mark = place / f"{name}.digest"
    if mark.exists() and mark.read_text() == made.digest:
        return made
    say("{}: {} packages, {:.0f} MB".format(made.root.relative_to(BUILD), len(packages),
                                            sum(package.size for package in packages) / 1e6))
    mark.unlink(missing_ok=True)
    shutil.rmtree(str(made.root), ignore_errors=True)
    made.root.mkdir()
    if merged:      # as in an installed Debian, where some packages still ship /bin and /lib
        for folder in MERGED:
            (made.root / "usr" / folder).mkdir(parents=True)
            (made.root / folder).symlink_to("usr/" + folder)
    here = archive.here / "archives"
    missing = [package for package in packages if not (here / package.file).exists()]
    fetched, complaint = archive.fetch(missing) if missing else (True, "")
    if not fetched:
        raise ProvisionError(f"download failed ({complaint}): check the network and try again")
    for package in packages:
        _extract(here / package.file, made.root)
    mark.write_text(made.digest)
    for package in packages:
        (here / package.file).unlink()
    return made


def _extract(file, root):
    """tar, because dpkg-deb -x would replace a linked folder by a real one."""
    unpacked = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(file)], stdout=subprocess.PIPE)
    with unpacked:
        ran = subprocess.run(["tar", "-x", "--keep-directory-symlink", "--no-same-owner", "-C", str(root)], check=False,
                             stdin=unpacked.stdout, stderr=subprocess.PIPE, text=True,
                             env=dict(os.environ, LC_ALL="C"))
    if ran.returncode or unpacked.returncode:
        raise ProvisionError(f"{file.name} does not unpack ({debian.complaint_in(ran.stderr)}): is the disk full?")
