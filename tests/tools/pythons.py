"""Python for the tests: virtual environments with pinned libraries, and the interpreters of this machine.

A Debian machine may have neither pip nor ensurepip. A virtual environment can be made without both;
pip then comes as the wheel in Debian's python3-pip-whl, run from the wheel file itself.
"""
import contextlib
import fcntl
import glob
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys

from .debian import ProvisionError

REQUIREMENTS = pathlib.Path(__file__).with_name("requirements")
"""Per environment what it holds: NAME.in has the names that are wanted, NAME.txt all that these need, each at one version and
with the hashes of its files (pins.py writes it). pip takes nothing else."""
OLDEST_FOR_TESTS = (3, 11)
#: Libraries that only some tests can use, each in a folder of its own: name -> its requirements.
EXTRA = {"atheris": "fuzz", "grafana": "grafana", "nagiosplugin": "nagios", "oldpip": "oldpip"}


def pinned(name):
    """The file with the versions and hashes of an environment."""
    return REQUIREMENTS / (name + ".txt")


def fingerprint(name):
    """What the environment was made from: a change of the pinned versions makes it anew."""
    return hashlib.sha256(pinned(name).read_bytes()).hexdigest()


def venv_ready(venv, name="tests"):
    """True when the environment has the pinned libraries and its interpreter is still on the machine, and still the same."""
    try:
        stamp = (venv / "stamp").read_text()
    except OSError:
        return False
    interpreter = (venv / "bin" / "python").resolve()
    same = not re.match(r"python3\.\d+$", interpreter.name) or (venv / "lib" / interpreter.name).is_dir()
    return stamp == fingerprint(name) and interpreter.exists() and same


def make_venv(venv, archive, say, name="tests"):
    """Make an environment anew. `archive` is called for a debian.Archive only when pip has to come from there."""
    if sys.version_info < OLDEST_FOR_TESTS:
        raise ProvisionError("the test libraries need Python {}.{} or newer and this is {}.{}: run it with another "
                             "python3 (the library itself runs from 3.6 on)"
                             .format(*OLDEST_FOR_TESTS, *sys.version_info[:2]))
    say("making {} with Python {}.{}.{}".format(os.path.relpath(str(venv)), *sys.version_info))
    shutil.rmtree(str(venv), ignore_errors=True)
    base = getattr(sys, "_base_executable", sys.executable)     # this may be run by the environment that has just gone
    _run([base, "-m", "venv", "--without-pip", str(venv)], "making a virtual environment failed")
    python = str(venv / "bin" / "python")
    pip = pip_for(python, archive, say)
    names = re.findall(r"^[\w.-]+==", pinned(name).read_text(), re.MULTILINE)
    say("fetching {} Python librar{}".format(len(names), "y" if len(names) == 1 else "ies"))
    _run([python, *pip, "--disable-pip-version-check", "install", "--quiet", "--no-input", "--no-warn-script-location",
          "--require-hashes", "-r", str(pinned(name))],
         "pip cannot fetch the libraries: check the network and pip's proxy setting")
    (venv / "stamp").write_text(fingerprint(name))


def extra_library(build, name, say):
    """The folder of a library that is not in build/venv, for PYTHONPATH; fetched where it is not there yet.

    ProvisionError where it cannot be had, as where there is none for this Python.
    """
    wanted = pinned(EXTRA[name])
    folder, stamp = build / name, hashlib.sha256(wanted.read_bytes()).hexdigest()
    with open(str(build / (".lock-" + name)), "w") as lock:     # a library that is in use must not be replaced by its equal
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _holds(folder, stamp):
            say("fetching %s" % name)
            _fetch_extra(build, name, folder, wanted, stamp)
    return str(folder)


def _holds(folder, stamp):
    with contextlib.suppress(OSError):
        return (folder / "stamp").read_text() == stamp
    return False


def _fetch_extra(build, name, folder, wanted, stamp):
    part = build / ("part-%s-%d" % (name, os.getpid()))
    try:
        _run([sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-input", "--no-deps",
              "--only-binary", ":all:", "--require-hashes", "--target", str(part), "-r", str(wanted)],
             "pip cannot fetch %s" % name)
        (part / "stamp").write_text(stamp)
        shutil.rmtree(str(folder), ignore_errors=True)
        part.rename(folder)
    finally:
        shutil.rmtree(str(part), ignore_errors=True)


def pip_for(python, archive, say):
    """The arguments that make `python` run pip inside its environment: that which its interpreter brings, or Debian's."""
    ran = subprocess.run([python, "-m", "ensurepip"], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                         env=_environment())
    if ran.returncode == 0:
        return ["-m", "pip"]
    say("this Python comes without pip: taking Debian's")
    debian = archive()
    debian.unpack(["python3-pip-whl"])
    wheels = sorted(debian.root.glob("usr/share/python-wheels/pip-*.whl"))
    if not wheels:
        raise ProvisionError("python3-pip-whl holds no pip: install python3-pip and python3-venv, then try again")
    return [str(wheels[-1] / "pip")]


def _environment():
    """The caller's environment without what would send Python or pip elsewhere; proxies and certificates stay."""
    drop = ("PYTHONPATH", "PYTHONHOME", "PYTHONWARNINGS", "PIP_TARGET", "PIP_PREFIX", "PIP_USER", "VIRTUAL_ENV",
            "__PYVENV_LAUNCHER__")
    return {key: value for key, value in os.environ.items() if key not in drop}


def _run(argv, what):
    ran = subprocess.run(argv, check=False, env=_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, errors="replace")
    if ran.returncode:
        lines = [line.strip() for line in ran.stdout.splitlines() if line.strip()]
        errors = [line for line in lines if "error" in line.lower()]
        raise ProvisionError("{} ({})".format(what, (errors or lines or ["no reason given"])[-1]))


def interpreters(oldest=(3, 6), newest=(3, 13)):
    """{(3, 6): path, ...}: one interpreter per minor version, from PATH or ~/.pyenv, that really starts.

    Each is run once to ask for its version: a pyenv shim exists for versions that it then refuses to start.
    """
    found = {}
    for minor in range(oldest[1], newest[1] + 1):
        name = f"python3.{minor}"
        home = os.path.expanduser(f"~/.pyenv/versions/3.{minor}.*/bin/{name}")
        folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
        for path in [os.path.join(folder, name) for folder in folders] + sorted(glob.glob(home)):
            if os.access(path, os.X_OK) and _version(path) == (3, minor):
                found[3, minor] = path
                break
    return found


def _version(path):
    """(major, minor) of an interpreter, or None when it does not run."""
    try:
        ran = subprocess.run([path, "-I", "-c", "import sys; print(*sys.version_info[:2])"], check=False,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=20)
        return tuple(int(part) for part in ran.stdout.split()) or None
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
