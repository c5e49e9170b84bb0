"""xenmeter.pyz under every Python that can be had: this machine's, and each Debian release's in a system of its own."""
import contextlib
import gzip
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from tools import chroot
from tools.pythons import interpreters

TOP = pathlib.Path(__file__).resolve().parents[2]
CASE = TOP / "fixtures" / "xentop" / "credit2-2pcpu-joined-b-d1-i3-fnxvr"
TRACE = TOP / "plugins" / "xenmeter" / "example" / "trace.bin.gz"
#: The Python packages of Debian's releases, but for those in which the Debian packages are tried, too.
DEBIANS = {"bullseye": ("python3",), "sid": ("python3", "python3.14")}
#: Where the compiled parts are kept; it must be root's alone, which /tmp is not.
CACHE = "/var/cache/xenmeter-matrix"
#: The names of the parts that a process has loaded, on the last line.
PROBE = """\
import re, sys
sys.path.insert(0, sys.argv.pop(1))
from xenmeter.front.cli import main
main()
sys.stdout.flush()
with open("/proc/self/maps") as maps:
    found = sorted(set(re.findall(r" r-xp .*/(_[a-z]+)[.]so$", maps.read(), re.M)))
print("%d.%d.%d" % sys.version_info[:3], *found)
"""
PLAY = ("xentop", "--format", "json", "--interval", "1", "--start", "2026-01-01", "--source")
BAKE = ("bake", "--cpu-khz", "2596120")


class Place:
    """Files for an attempt, in a system or on this machine. :ivar run: as Chroot.run."""

    def __init__(self, pyz, root="/"):
        self.root = pathlib.Path(root)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="matrix.", dir=str(self.root / "tmp")))
        self.inside = "/" + str(self.folder.relative_to(self.root))
        shutil.copy(str(pyz), str(self.folder / "xenmeter.pyz"))
        shutil.copytree(str(CASE), str(self.folder / "case"))
        (self.folder / "trace.bin").write_bytes(gzip.decompress(TRACE.read_bytes()))
        (self.folder / "probe.py").write_text(PROBE)

    def remove(self):
        shutil.rmtree(str(self.folder), ignore_errors=True)
        shutil.rmtree(str(self.root) + CACHE, ignore_errors=True)


@contextlib.contextmanager
def placed(pyz, root="/"):
    place = Place(pyz, root)
    try:
        yield place
    finally:
        place.remove()


def outside(*words, env=()):
    """Runs on this machine, as Chroot.run does in a system."""
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd="/", text=True, timeout=900,
                          env=dict({"PATH": os.environ["PATH"]}, **dict(env)), check=False)
    if done.returncode:
        raise RuntimeError("%s ended with %d:\n%s" % (" ".join(words), done.returncode, done.stdout[-4000:]))
    return done


def same_figures(run, python, place, expected_parts=True):
    """The golden case and the accounts of a trace, with compiled parts and without: what Python it was, and the parts.

    :param expected_parts: whether there must be compiled ones; None where either will do.
    """
    pyz, wanted = place.inside + "/xenmeter.pyz", (CASE / "expected.jsonl").read_text()
    told, parts, version = {}, set(), ""
    for cache in (CACHE, "/dev/null/none"):
        env = {"XENMETER_CACHE": cache}
        for words in (PLAY + (place.inside + "/case",), (*BAKE, place.inside + "/trace.bin")):
            done = run(python, "-Es", place.inside + "/probe.py", pyz, *words, env=env).stdout
            figures, _, last = done.rstrip("\n").rpartition("\n")
            version, *found = last.split()
            if words[0] == "xentop" and figures + "\n" != wanted:
                raise AssertionError("other figures than expected.jsonl: " + figures[-1000:])
            if told.setdefault(words[0], figures) != figures:
                raise AssertionError("%s says something else without compiled parts" % words[0])
            if cache == CACHE:
                parts.update(found)
            elif found:
                raise AssertionError("loaded from nowhere: " + " ".join(found))
    if expected_parts is not None and bool(parts) != expected_parts:
        raise AssertionError("compiled parts: %s" % (" ".join(sorted(parts)) or "none"))
    return "CPython %s, %s" % (version, "compiled parts loaded: " + " ".join(sorted(parts)) if parts else "plain Python")


def alone(run, python, place):
    """Without site-packages and what the environment says (-S -I), plain Python: what every system has of Python, whatever its C
    library."""
    done = run(python, "-S", "-I", place.inside + "/xenmeter.pyz", *PLAY, place.inside + "/case",
               env={"XENMETER_CACHE": "/dev/null/none"})
    if done.stdout != (CASE / "expected.jsonl").read_text():
        raise AssertionError("other figures than expected.jsonl: " + done.stdout[-1000:])
    return run(python, "-V").stdout.strip() + ", plain Python"


def of_this_machine(rows, pyz):
    """One row for each minor release that PATH or pyenv has."""
    with placed(pyz) as place:
        found = interpreters(newest=(3, 14))
        for (major, minor), python in sorted({one: found[one] for one in (min(found), max(found))}.items()):
            rows.attempt("this machine", "xenmeter.pyz, python%d.%d -S -I" % (major, minor), alone, outside, str(python), place)
        for (major, minor), python in sorted(found.items()):
            rows.attempt("this machine", "xenmeter.pyz, Python %d.%d" % (major, minor), same_figures, outside, str(python), place)


def in_system(system, pyz):
    """Every Python 3 that a system has in /usr/bin."""
    names = sorted(path.name for path in system.path("/usr/bin").glob("python3.*") if re.match(r"python3\.\d+$", path.name))
    with placed(pyz, system.root) as place:
        return "; ".join([same_figures(system.run, "/usr/bin/" + name, place) for name in names])


def of_debian(rows, pyz, release):
    """Debian's own, in a fresh system."""
    def tried():
        with chroot.fresh(chroot.name_of("python", release), DEBIANS[release], wanted=release) as system:
            return in_system(system, pyz)
    rows.attempt("Debian " + release, "xenmeter.pyz", tried)
