"""Fresh Debian systems, as folders: what packages are built, installed and tried in.

mmdebstrap (unpacked from Debian like the other tools) makes them with the machine's own apt sources, so the same archive,
proxies and keys hold; of this machine's release, or of another that the same archive has. They are kept as tar files under
build/chroots; a test gets a copy that nobody touched. Commands run in a mount and a process namespace of their own: nothing
stays mounted, and no process stays behind. All this needs root.
"""
import contextlib
import fcntl
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from . import provision
from .debian import Archive, ProvisionError, ask_for_main, complaint_in, os_release, release

CHROOTS = provision.BUILD / "chroots"
RECIPE = 1
"""Raised when the way of making them changes, so that kept ones are made anew."""

MOUNTS = """\
set -e
mount --bind "$1" "$1"      # so that / is a mount point inside too, and such systems can be made there
mount -t proc proc "$1/proc"
mount -t tmpfs -o mode=755 dev "$1/dev"
for node in null zero full random urandom tty; do
    touch "$1/dev/$node" && mount --bind "/dev/$node" "$1/dev/$node"
done
mkdir -p "$1/dev/shm" "$1/dev/pts"
mount -t tmpfs -o mode=1777 shm "$1/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$1/dev/pts"
ln -s pts/ptmx "$1/dev/ptmx"
ln -s /proc/self/fd "$1/dev/fd"
ln -s fd/0 "$1/dev/stdin"
ln -s fd/1 "$1/dev/stdout"
ln -s fd/2 "$1/dev/stderr"
root=$1 && shift
exec chroot "$root" "$@"
"""


class Chroot:
    """One system. :ivar root: its folder, seen from outside."""

    def __init__(self, root):
        self.root = pathlib.Path(root)

    def command(self, *words):
        """What runs ``words`` inside, for subprocess."""
        return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--", "sh", "-c", MOUNTS, "sh", str(self.root)] \
            + list(words)

    def run(self, *words, check=True, cwd="/", env=(), timeout=900):
        """Runs ``words`` inside and returns what subprocess.run does, both outputs in one; RuntimeError where they fail."""
        inside = dict({"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root",
                       "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}, **dict(env))
        inside.update({name: os.environ[name] for name in os.environ if name.lower().endswith("_proxy")})
        call = self.command("env", "-C", cwd, *words)
        done = subprocess.run(call, check=False, env=inside, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=timeout, text=True, errors="replace")
        if check and done.returncode:
            raise RuntimeError("{} ended with {}:\n{}".format(" ".join(words), done.returncode, done.stdout[-6000:]))
        return done

    def apt(self, *words, check=True):
        """apt-get, without questions and without what is only recommended."""
        return self.run("apt-get", "-qq", "-y", "--no-install-recommends", "-o", "Dpkg::Options::=--force-confold", *words,
                        check=check)

    def path(self, inside):
        """Where a path of the inside is on the outside."""
        return self.root / str(inside).lstrip("/")


def must_be_possible():
    """ProvisionError where such systems cannot be made, before anything is fetched for one."""
    if os.geteuid() != 0:
        raise ProvisionError("a chroot needs root: run this as root, or in a container where you are root")
    if shutil.which("unshare") is None:
        raise ProvisionError("unshare is not here: install util-linux")
    tried = subprocess.run(["unshare", "--mount", "--pid", "--fork", "sh", "-c", "mount -t tmpfs try /mnt"], check=False,
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if tried.returncode:
        raise ProvisionError("nothing can be mounted here ({}): in a chroot, let / be a mount point (outside: mount --bind ROOT "
                             "ROOT, then enter it); in a container, give it CAP_SYS_ADMIN (--privileged)".format(
                                 complaint_in(tried.stderr)))


def sources(wanted=None):
    """The machine's Debian sources, as lines of sources.list; others (PPAs, vendors) are left out.

    :param wanted: the code name of another release, for the same archives of that one.
    """
    archive = Archive(provision.BUILD, provision._say)
    archive.update()        # before that apt does not know the origin
    form = "$(ORIGIN)\tdeb [signed-by=%s] $(REPO_URI) $(RELEASE) $(COMPONENT)" % _keyring()
    found = [line.split("\t") for line in
             archive.apt("indextargets", "--format", form, "Created-By: Packages").stdout.splitlines()]
    lines = [line for origin, line in found if origin == "Debian"]
    if not lines:
        raise ProvisionError("apt has no Debian archive configured: " + ask_for_main())
    if wanted is not None:
        own = codename()
        lines = [re.sub(r"(?<=\s)%s(?=[-/\s])" % re.escape(own), wanted, line) for line in lines if own in line]
        if wanted == "sid":     # which has neither updates nor a security archive of its own
            lines = [line for line in lines if " sid " in line]
        if not lines:
            raise ProvisionError(f"/etc/apt/sources.list* does not call this release {own}, so {wanted} cannot be put for it")
    return list(dict.fromkeys(lines))


def _keyring():
    for path in ("/usr/share/keyrings/debian-archive-keyring.gpg", "/etc/apt/trusted.gpg"):
        if os.path.exists(path):
            return path
    raise ProvisionError("the keys of Debian's archive are not here: install debian-archive-keyring")


def codename():
    """The name by which the archive knows this machine's release."""
    name = os_release().get("VERSION_CODENAME")
    if name is None:
        raise ProvisionError(f"{release()} is no release of Debian: /etc/os-release has no VERSION_CODENAME")
    return name


def name_of(kind, wanted=None):
    """The name under which such a system of a release is kept; of this machine's it is the kind alone."""
    return kind if wanted in (None, codename()) else "%s-%s" % (kind, wanted)


def tarball(name, packages=(), say=None, wanted=None):
    """The kept system with ``packages`` in it (and nothing else but apt and what is essential), made where it is missing.

    :param wanted: the code name of its release; this machine's unless told.
    """
    must_be_possible()
    say = say or provision._say
    recipe = hashlib.sha256(repr((RECIPE, wanted or codename(), sorted(packages))).encode()).hexdigest()[:12]
    kept = CHROOTS / "{}-{}.tar".format(name, recipe)
    CHROOTS.mkdir(parents=True, exist_ok=True)
    with open(str(CHROOTS / (".lock-" + name)), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            say("making a fresh Debian system for {} (a minute or two)".format(name))
            for old in CHROOTS.glob(name + "-" + "[0-9a-f]" * 12 + ".tar"):     # and not what has a longer name
                old.unlink()
            _make(kept, packages, wanted)
    return kept


def _make(kept, packages, wanted=None):
    program = provision.program("mmdebstrap", "usr/bin/mmdebstrap")
    part = kept.with_suffix(".part.tar")
    call = [program, "--quiet", "--mode=root", "--variant=minbase", "--format=tar", "--aptopt=Acquire::Languages \"none\"",
            "--aptopt=APT::Install-Recommends \"false\"", "--dpkgopt=force-unsafe-io"]
    call += ["--aptopt=" + line.rstrip(";") for line in _of_the_archive()]
    call += ["--include=" + ",".join(packages)] if packages else []
    env = dict(os.environ, PATH="{}:{}".format(os.path.dirname(program), os.environ["PATH"]), LC_ALL="C.UTF-8")
    env.pop("LD_LIBRARY_PATH", None)
    done = subprocess.run(call + [wanted or codename(), str(part), "-"], check=False, env=env,
                          input="\n".join(sources(wanted)) + "\n", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        part.unlink(missing_ok=True)
        raise ProvisionError("no fresh Debian system could be made: " + " / ".join(done.stdout.splitlines()[-4:]))
    part.replace(kept)


@contextlib.contextmanager
def fresh(name, packages=(), where=None, wanted=None):
    """A copy of ``tarball(name, packages)`` that is removed afterwards; with an archive to install from, and no services."""
    kept = tarball(name, packages, wanted=wanted)
    folder = pathlib.Path(tempfile.mkdtemp(prefix=name + ".", dir=str(where or CHROOTS)))
    try:
        subprocess.run(["tar", "-xpf", str(kept), "--numeric-owner", "--exclude=./dev/*", "-C", str(folder)], check=True)
        for file in ("/etc/resolv.conf", "/etc/hosts"):
            shutil.copy(file, str(folder) + file)
        _proxies(folder)
        policy = folder / "usr/sbin/policy-rc.d"
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
        yield Chroot(folder)
    finally:
        shutil.rmtree(str(folder), ignore_errors=True)


def _proxies(folder):
    """The machine's own way to the archive."""
    (folder / "etc/apt/apt.conf.d/90machine").write_text("\n".join(_of_the_archive() + [""]))


def _of_the_archive():
    """Lines of the machine's apt configuration that tell how the archive is reached, and whether it may be older than it says."""
    dump = subprocess.run(["apt-config", "dump"], check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    return [line for line in dump if line.lower().startswith(("acquire::http", "acquire::check-valid")) and '""' not in line]
