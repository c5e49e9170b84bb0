"""The bundle and the RPM for XCP-ng in a system whose only Python is 3.6, and both wheels by the pips of EL 8 and XCP-ng.

What of XCP-ng's dom0 it is: Python 3.6 alone, rpm, sudo, a systemctl that notes what it is asked. What not: glibc 2.17 (the
wheel's name says so much, and auditwheel finds it right), rpm 4.11, systemd 219.
"""
import os
import pathlib
import shutil
import subprocess
import tempfile

from tools import chroot, provision
from tools.debian import ProvisionError
from tools.pythons import extra_library, interpreters

from .one_file import CASE, PLAY
from .rows import holds
from .served import endpoint

SYSTEMCTL = """#!/bin/sh
echo "$@" >> /asked
"""
#: What rpm 4.11 of EL 7 knows (its lib/rpmds.c), as far as a package can ask for it.
RPM_4_11 = {"CompressedFileNames", "PayloadFilesHavePrefix", "FileDigests", "PartialHardlinkSets", "BuiltinLuaScripts",
            "PayloadIsXz", "PayloadIsBzip2", "PayloadIsLzma", "VersionedDependencies", "ScriptletInterpreterArgs"}


def oldest():
    """Python 3.6 of this machine; ProvisionError where there is none."""
    found = interpreters(newest=(3, 6))
    if not found:
        raise ProvisionError("this machine has no Python 3.6 (pyenv install 3.6.15)")
    return pathlib.Path(os.path.realpath(found[3, 6]))


def with_python(system, python):
    """Puts an interpreter into a system that has none, as /usr/bin/python3, with the libraries that it is linked with."""
    prefix = python.parents[1]
    shutil.copytree(str(prefix), str(system.path(prefix)), symlinks=True,
                    ignore=shutil.ignore_patterns("test", "__pycache__", "*.a", "idlelib", "lib2to3", "ensurepip"))
    told = subprocess.run(["ldd", str(python), *map(str, prefix.glob("lib/python3.6/lib-dynload/*.so"))], check=True,
                          stdout=subprocess.PIPE, text=True).stdout
    for path in sorted({line.split()[2] for line in told.splitlines() if "=> /" in line}):
        if not system.path(path).exists():
            system.path(path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, str(system.path(path)))
    if system.path("/usr/bin/python3").exists():
        raise RuntimeError("there is another Python")
    system.path("/usr/bin/python3").symlink_to(python)
    return system.run("/usr/bin/python3", "-c", "import ctypes, platform, zlib; print(platform.python_version())").stdout.strip()


def figures(system):
    """The golden case by the installed command."""
    shutil.copytree(str(CASE), str(system.path("/case")), dirs_exist_ok=True)
    if system.run("xenmeter", *PLAY, "/case").stdout != (CASE / "expected.jsonl").read_text():
        raise AssertionError("other figures than expected.jsonl")
    probe = "import xenmeter.xentrace.engine.compiled as c; print(c.available())"
    if system.run("/usr/bin/python3", "-c", probe, env={"PYTHONPATH": "/opt/xenmeter/lib"}).stdout != "True\n":
        raise AssertionError("the compiled parts are not loaded")


def ours(system):
    return system.run("sh", "-c", "find /opt /usr/bin /usr/lib/systemd /etc -name '*xenmeter*' | grep -v __pycache__ || :").stdout


def bundle(system, archive, python):
    """Unpacked and installed as its page says; Telegraf's files; taken away."""
    version = with_python(system, python)
    system.run("mkdir", "-p", "/run/systemd/system", "/etc/telegraf/telegraf.d")
    system.path("/usr/bin/systemctl").write_text(SYSTEMCTL)
    system.path("/usr/bin/systemctl").chmod(0o755)
    shutil.copy(str(archive), str(system.path("/")))
    system.run("sh", "-c", "tar -xf /xenmeter-*-xcp-ng.tar.gz && cd xenmeter-*-xcp-ng && ./install.sh --telegraf")
    figures(system)
    holds(system.run("xenmeter", "check", "--install", check=False).stdout, "systemctl enable --now xenmeter-serve@all")
    system.run("visudo", "-c")
    served = endpoint(system)
    asked = system.path("/asked").read_text()
    if "enable" in asked or " start" in asked:
        raise AssertionError("installing switched something on: " + asked)
    holds(system.run("/opt/xenmeter/install.sh", "--uninstall").stdout, "removed")
    if ours(system):
        raise AssertionError("left: " + ours(system))
    return "Python %s, compiled parts; serve: %s; nothing left after --uninstall" % (version, served)


def package(system, path):
    """The RPM: what it asks of rpm, the same figures, removal."""
    shutil.copy(str(path), str(system.path("/xenmeter.rpm")))
    needs = system.run("rpm", "-qp", "--requires", "/xenmeter.rpm").stdout.split()
    features = {word[len("rpmlib("):-1] for word in needs if word.startswith("rpmlib(")}
    if not features <= RPM_4_11:
        raise AssertionError("rpm 4.11 does not know " + " ".join(sorted(features - RPM_4_11)))
    weak = system.run("rpm", "-qp", "--recommends", "--suggests", "--supplements", "--enhances", "/xenmeter.rpm").stdout
    if weak:
        raise AssertionError("weak dependencies, which rpm 4.11 does not know: " + weak)
    system.run("rpm", "-i", "--nodeps", "/xenmeter.rpm")
    figures(system)
    system.run("rpm", "-e", "xenmeter-opt")
    if ours(system):
        raise AssertionError("left: " + ours(system))
    return "%s; it asks rpm for %s, all of which 4.11 knows" % (system.run("rpm", "--version").stdout.strip(),
                                                               ", ".join(sorted(features)))


def by_pip(wheels, python, old):
    """Both wheels in one folder, by Python 3.6's own pip or by 9.0.3: which one it took, and that it plays."""
    with tempfile.TemporaryDirectory(prefix="matrix-pip.") as folder:
        subprocess.run([str(python), "-m", "venv", folder + "/env"], check=True)
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": extra_library(provision.BUILD, "oldpip", provision._say) if old else ""}
        pip = [folder + "/env/bin/python", "-m", "pip"]
        version = subprocess.run([*pip, "--version"], check=True, env=env, stdout=subprocess.PIPE, text=True).stdout.split()[1]
        done = subprocess.run([*pip, "install", "--disable-pip-version-check", "--no-index", "--find-links", str(wheels),
                               "xenmeter"], check=False, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            raise RuntimeError("pip %s: %s" % (version, done.stdout))
        del env["PYTHONPATH"]
        played = subprocess.run([folder + "/env/bin/xenmeter", *PLAY, str(CASE)], check=True, env=env, cwd="/",
                                stdout=subprocess.PIPE, text=True).stdout
        if played != (CASE / "expected.jsonl").read_text():
            raise AssertionError("other figures than expected.jsonl")
        return "pip %s of Python 3.6 took the %s wheel" % (version, "compiled" if list(pathlib.Path(folder).rglob("_hot.so"))
                                                           else "pure")


def tried(rows, archive, rpm, wheels):
    """All of it."""
    place = "like XCP-ng's dom0"
    with chroot.fresh("xcp-matrix", ("rpm", "cpio", "sudo")) as system:
        if rows.attempt(place, "the bundle", lambda: bundle(system, archive, oldest())):
            rows.attempt(place, "the RPM", package, system, rpm)
    for old in (True, False):
        rows.attempt("EL 8, XCP-ng", "both wheels by pip " + ("9.0.3" if old else "of Python 3.6"),
                     lambda old=old: by_pip(wheels, oldest(), old))
