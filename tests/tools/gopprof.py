"""Google's pprof, which is in no Debian package: built from its Go module as tests/tools/pprof says, under build/pprof."""
import fcntl

from . import gobuild, provision

__all__ = ("pprof",)

MODULE = "github.com/google/pprof"
PPROF = gobuild.Program("pprof", "pprof", MODULE, MODULE)


def pprof():
    """Its path; built where it is not there yet, or of another version than go.mod's."""
    folder = provision.BUILD / "pprof"
    folder.mkdir(parents=True, exist_ok=True)
    with open(str(folder / ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not PPROF.is_built(folder):
            gobuild.build(PPROF, folder, lambda: provision.python_of("python"), provision._say)
    return folder / PPROF.file
