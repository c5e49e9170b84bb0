"""Google's pprof, which is in no Debian package: built from its Go module as tests/tools/pprof says, under build/pprof."""
import fcntl
import pathlib
import shutil
import subprocess

from . import gobuild, provision
from .debian import ProvisionError, complaint_in

__all__ = ("pprof",)

HERE = pathlib.Path(__file__).resolve().parent / "pprof"
MODULE = "github.com/google/pprof"


def pprof():
    """Its path; built where it is not there yet, or of another version than go.mod's."""
    folder = provision.BUILD / "pprof"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = (HERE / "go.mod").read_text() + (HERE / "go.sum").read_text()
    with open(str(folder / ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = folder / "made"
        if not (made.exists() and made.read_text() == wanted and (folder / "pprof").exists()):
            _build(folder)
            made.write_text(wanted)
    return folder / "pprof"


def _build(folder):
    work = folder / "work"
    gobuild._remove(work)
    work.mkdir()
    for file in HERE.iterdir():
        shutil.copy(str(file), str(work / file.name))
    go = gobuild._go(gobuild.TELEGRAF, folder, lambda: provision.python_of("python"), provision._say)
    ran = subprocess.run([go, "build", "-mod=mod", "-p", "2", "-trimpath", "-o", "pprof", MODULE], check=False, cwd=str(work),
                         env=gobuild._environment(work), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True)
    if ran.returncode:
        raise ProvisionError("pprof does not build ({}): check the network and Go's GOPROXY".format(complaint_in(ran.stdout)))
    (work / "pprof").replace(folder / "pprof")
    gobuild._remove(work)
