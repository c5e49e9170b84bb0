"""Debian packages without installing them.

apt does what it is good at (which packages, which versions, are the bytes the signed ones) with its
own state under build/apt, so neither root nor a change of the machine is needed; dpkg-deb then unpacks
the packages under build/root. Packages that the machine has installed are left out by apt itself.
"""
import fnmatch
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import time
import typing
import urllib.parse

INDEX_AGE = 24 * 3600
"""Seconds for which the downloaded package index is good enough."""

NOT_NEEDED = ("libc6", "libc-bin", "libjs-*", "libnss-*", "libpam-*", "libsystemd*", "libudev1", "*-dev", "*-data")
"""Never unpacked. A second libc beside the machine's own loader crashes; the rest is for desktops and logins."""

APT_CONF = """\
// Written by tests/tools/debian.py: apt's state lives here, the machine's own is only read.
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
Dir::State "{here}/state";
Dir::State::Lists "{here}/lists";
Dir::State::status "/var/lib/dpkg/status";
Dir::Cache "{here}/cache";
Dir::Cache::pkgcache "pkgcache.bin";
Dir::Cache::srcpkgcache "srcpkgcache.bin";
Dir::Log "{here}/log";
Debug::NoLocking "true";
APT::Sandbox::User "root";
APT::Get::Show-User-Simulation-Note "false";
Acquire::Languages "none";
Acquire::GzipIndexes "false";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::Retries "2";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
"""


DEPENDENCY = re.compile(r"^ [ |](?:Pre)?Depends: ([a-z0-9][a-z0-9+.-]+)(?::any)?$", re.MULTILINE)
OPTIONAL = re.compile(r"^ [ |](?:Recommends|Suggests): ([a-z0-9][a-z0-9+.-]+)(?::any)?$", re.MULTILINE)
"""In the output of `apt-cache depends`. Names in <> are of nothing that could be installed."""


class ProvisionError(RuntimeError):
    """A program cannot be had; the text is one line for people and says what to do."""


def release(file="/etc/os-release"):
    """What this machine's system calls itself, the PRETTY_NAME of os-release(5)."""
    return os_release(file).get("PRETTY_NAME") or "this system"


def os_release(file="/etc/os-release"):
    """The settings of os-release(5); empty where there is no such file."""
    try:
        lines = pathlib.Path(file).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    settings = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return {name.strip(): "".join(shlex.split(value)) for name, _, value in settings}


def no_such_package(names, complaint):
    """What is said where apt knows no way to packages."""
    return ProvisionError("apt finds no way to get {} ({}): {}".format(" ".join(names), complaint, ask_for_main()))


def ask_for_main():
    """The question to whoever keeps this machine's list of archives."""
    return f"is main of {release()} in /etc/apt/sources.list*?"


class Package(typing.NamedTuple):
    """One line of `apt-get --print-uris`."""

    name: str
    version: str
    file: str
    size: int

    @property
    def mark(self):
        """The file name that records this package as unpacked."""
        return "{}_{}".format(self.name, urllib.parse.quote(self.version, safe="+~.-"))


def parse_uris(text):
    """Packages in the output of --print-uris: 'URI' name_version_arch.deb size hash."""
    found = []
    for line in text.splitlines():
        if line.startswith("'"):
            _, file, size = shlex.split(line)[:3]
            name, version, _ = urllib.parse.unquote(file).rsplit("_", 2)
            found.append(Package(name, version, file, int(size)))
    return found


def is_needed(name, named):
    """Programs asked for, and shared libraries; services, fonts and web assets are for installed systems."""
    if name in named:
        return True
    return name.startswith("lib") and not any(fnmatch.fnmatch(name, pattern) for pattern in NOT_NEEDED)


def installed_version(name):
    """The version of a package that this machine has installed, or None."""
    if shutil.which("dpkg-query") is None:
        return None
    ran = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", name],
                         check=False, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    status, _, version = ran.stdout.partition(" ")
    return version if ran.returncode == 0 and status == "installed" else None


class Archive:
    """The machine's configured Debian archive, seen through a private apt."""

    def __init__(self, build, say):
        self.here = pathlib.Path(build, "apt")
        self.root = pathlib.Path(build, "root")
        self.say = say
        for tool in ("apt-get", "dpkg-deb"):
            if shutil.which(tool) is None:
                raise ProvisionError(f"{tool} is not here ({release()}): this needs Debian 12 or 13; a container of it will do")
        for folder in ("state", "lists/partial", "cache/archives/partial", "log", "archives"):
            (self.here / folder).mkdir(parents=True, exist_ok=True)
        self.conf = self.here / "apt.conf"
        self.conf.write_text(APT_CONF.format(here=self.here))

    def apt(self, *args, env=()):
        """Run the private apt-get; its output is kept for the error message."""
        return subprocess.run(["apt-get", "-c", str(self.conf), *args], check=False, cwd=str(self.here / "archives"),
                              env=dict(os.environ, LC_ALL="C", DEBIAN_FRONTEND="noninteractive", **dict(env)),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)

    def update(self, again=False):
        """Fetch the package index, unless it is here and recent."""
        stamp = self.here / "updated"
        if not again and stamp.exists() and time.time() - stamp.stat().st_mtime < INDEX_AGE:
            return
        self.say("reading Debian's package index (some seconds)")
        stamp.unlink(missing_ok=True)
        ran = self.apt("-q", "update")
        if not any((self.here / "lists").glob("*_Packages")):
            raise ProvisionError(f"no package index could be fetched ({complaint_in(ran.stderr)}): check the network, "
                                 "apt's proxy setting and /etc/apt/sources.list*")
        if ran.returncode == 0 and "Failed to fetch" not in ran.stderr:
            stamp.touch()

    def related(self, names, patterns, options=()):
        """The packages whose names fit the patterns (fnmatch) among what the named ones depend on, recommend or suggest, and
        then among what those found depend on, and so on: names that change with each release, by the archive's own word.

        Asks the index as it is: update() comes first, unless the named ones are installed.
        """
        found, known = [], set(names)
        wanted = list(names)
        while wanted:
            ran = subprocess.run(["apt-cache", "-c", str(self.conf), *options, "depends", *wanted], check=False,
                                 env=dict(os.environ, LC_ALL="C"), capture_output=True, text=True)
            if ran.returncode:
                raise no_such_package(wanted, complaint_in(ran.stderr))
            told = DEPENDENCY.findall(ran.stdout) + ([] if found else OPTIONAL.findall(ran.stdout))
            wanted = [name for name in dict.fromkeys(told) if name not in known
                      and any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)]
            known.update(wanted)
            found.extend(wanted)
        return found

    def resolve(self, names):
        """The packages to unpack so that the named ones run on this machine."""
        ran = self.apt("-qq", "-y", "--no-install-recommends", "--reinstall", "--print-uris", "install", *names)
        if ran.returncode:
            raise no_such_package(names, complaint_in(ran.stderr))
        return [package for package in parse_uris(ran.stdout) if is_needed(package.name, names)]

    def fetch(self, packages):
        """Download packages, one line each, so that a slow network does not look like a hang."""
        wanted = [f"{package.name}={package.version}" for package in packages]
        errors = self.here / "log" / "download.err"
        with errors.open("w") as sink:
            child = subprocess.Popen(["apt-get", "-c", str(self.conf), "-q", "download", *wanted],
                                     cwd=str(self.here / "archives"), env=dict(os.environ, LC_ALL="C"),
                                     stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=sink,
                                     universal_newlines=True)
            with child:
                for line in child.stdout:
                    words = line.split()
                    if line.startswith("Get:") and len(words) > 6:
                        self.say("  {} {}".format(words[4], " ".join(words[6:])))
        return child.returncode == 0, complaint_in(errors.read_text())

    def unpack(self, names):
        """Get the named packages and their libraries under build/root; return {name: version}."""
        self.update()
        marks = self.root / ".unpacked"
        marks.mkdir(parents=True, exist_ok=True)
        for attempt in (1, 2):
            packages = self.resolve(names)
            missing = [package for package in packages if not (marks / package.mark).exists()]
            if not missing:
                break
            self.say("fetching {} package{}, {:.1f} MB".format(
                len(missing), "s"[:len(missing) > 1], sum(package.size for package in missing) / 1e6))
            fetched, complaint = self.fetch(missing)
            if fetched:
                break
            if attempt == 2:
                raise ProvisionError(f"download failed ({complaint}): check the network and try again")
            self.update(again=True)
        for package in missing:
            self._unpack_one(package, marks)
        return {package.name: package.version for package in packages}

    def _unpack_one(self, package, marks):
        deb = self.here / "archives" / package.file
        ran = subprocess.run(["dpkg-deb", "-x", str(deb), str(self.root)], check=False, stderr=subprocess.PIPE,
                             text=True)
        if ran.returncode:
            raise ProvisionError(f"{package.file} does not unpack ({complaint_in(ran.stderr)}): is the disk full?")
        (marks / package.mark).touch()
        deb.unlink()

    def install(self, names):
        """Last resort, root only: put the packages on the machine itself."""
        ran = subprocess.run(["apt-get", "-o", "Dir::State::Lists={}".format(self.here / "lists"), "-qq", "-y",
                              "--no-install-recommends", "install", *names], check=False, stdin=subprocess.DEVNULL,
                             env=dict(os.environ, LC_ALL="C", DEBIAN_FRONTEND="noninteractive"),
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if ran.returncode:
            raise ProvisionError("apt-get install {} failed: {}".format(
                " ".join(names), complaint_in(ran.stderr)))


def complaint_in(text):
    """The first error line that apt or dpkg printed: the later ones only follow from it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("E:", "Err:", "dpkg-deb: error", "W: Failed"))]
    return (errors or lines[-1:] or ["no reason given"])[0]
