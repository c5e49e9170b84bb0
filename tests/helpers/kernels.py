"""Kernels of several Debian releases, as their packages have them, unpacked under build/kernels: real images for the readers."""
import fcntl
import pathlib
import subprocess

from tools import debian, provision
from tools.chroot import sources
from tools.debian import ProvisionError, complaint_in

__all__ = ("RELEASES", "image", "package")

#: Code name of the release -> the beginning of its kernel's version.
RELEASES = {"bullseye": "5.10", "bookworm": "6.1", "trixie": "6.12"}
META = "linux-image-amd64"


def package(release):
    """The folder with the unpacked kernel package of a release; downloaded where it is not there yet."""
    folder = provision.BUILD / "kernels" / release
    folder.mkdir(parents=True, exist_ok=True)
    with open(str(folder / ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "unpacked").is_dir():
            _unpack(folder, release)
    return folder / "unpacked"


def image(release):
    """The kernel's packed image, ``vmlinuz``."""
    found = sorted((package(release) / "boot").glob("vmlinuz-" + RELEASES[release] + ".*"))
    if len(found) != 1:
        raise ProvisionError(f"{release} has {len(found)} kernels {RELEASES[release]} where one was expected")
    return found[0]


def _unpack(folder, release):
    archive = debian.Archive(folder, provision._say)
    lines = [line for line in sources(release) if f" {release} " in line]
    (folder / "sources.list").write_text("\n".join(lines) + "\n")
    (folder / "nothing-installed").touch()
    with archive.conf.open("a") as conf:
        conf.write(f'Dir::Etc::sourcelist "{folder / "sources.list"}";\nDir::Etc::sourceparts "-";\n'
                   f'Dir::State::status "{folder / "nothing-installed"}";\n')
    archive.update()
    name, = archive.related((META,), ("linux-image-[0-9]*",))
    ran = archive.apt("-q", "download", name)
    if ran.returncode:
        raise ProvisionError(f"{name} of {release} is not to be had: {complaint_in(ran.stderr)}")
    deb, = pathlib.Path(archive.here, "archives").glob(name + "_*.deb")
    part = folder / "part"
    subprocess.run(["dpkg-deb", "-x", str(deb), str(part)], check=True)
    deb.unlink()
    part.rename(folder / "unpacked")
