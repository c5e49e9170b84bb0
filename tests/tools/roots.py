#!/usr/bin/env python3
"""`make run`, `make lint` and `make test` as somebody has them who has just cloned: in fresh minimal systems of each release.

    python3 tests/tools/roots.py                                            # whole; half an hour and more for each release
    python3 tests/tools/roots.py --release trixie --test "make test TESTS=tests/core"
    python3 tests/tools/roots.py --keep                                     # a system in which something failed stays

In each system are git, make, python3 and ca-certificates, and a clone of the last commit. Needs root. What was said is kept
under build/roots; the status is 0 when everything went well.
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

if not __package__:
    sys.path[0] = str(pathlib.Path(__file__).resolve().parents[1])

from tools import chroot, provision
from tools.debian import ProvisionError

TOP = pathlib.Path(__file__).resolve().parents[2]
RELEASES = ("bookworm", "trixie")
PACKAGES = ("git", "make", "python3", "ca-certificates")
LOGS = provision.BUILD / "roots"
#: Of the machine's environment, what says how the registries are reached.
HANDED_OVER = re.compile(r"(?i)(.*_proxy|PIP_(CERT|(EXTRA_)?INDEX_URL)|GOPROXY|GOSUMDB|SSL_CERT_FILE)$")
AUTHORITIES = pathlib.Path("/usr/local/share/ca-certificates")


def environment():
    """What a command has inside."""
    env = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8"}
    env.update({name: value for name, value in os.environ.items() if HANDED_OVER.match(name)})
    return env


def prepare(system, commit):
    """A clone of the commit at /src, and the certificate authorities that this machine was told to trust."""
    clone = system.path("/src")
    subprocess.run(["git", "clone", "--quiet", "--no-checkout", str(TOP), str(clone)], check=True)
    subprocess.run(["git", "-C", str(clone), "checkout", "--quiet", "--detach", commit], check=True)
    if AUTHORITIES.is_dir():
        shutil.copytree(str(AUTHORITIES), str(system.path(AUTHORITIES)), dirs_exist_ok=True)
        system.run("update-ca-certificates")
    if os.path.exists("/etc/pip.conf"):
        shutil.copy("/etc/pip.conf", str(system.path("/etc/pip.conf")))


def attempt(system, release, command):
    """Runs a command in the clone: (release, command, status, seconds, the last line that it said)."""
    log = LOGS / "{}-{}.log".format(release, re.sub(r"\W+", "-", command)[:40])
    print(f"{release}: {command} (what it says: {os.path.relpath(str(log))})", flush=True)
    began = time.monotonic()
    with log.open("w") as told:
        status = subprocess.run(system.command("env", "-C", "/src", "sh", "-c", command), check=False, env=environment(),
                                stdin=subprocess.DEVNULL, stdout=told, stderr=subprocess.STDOUT).returncode
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return release, command, status, time.monotonic() - began, (lines or ["(nothing)"])[-1]


def try_release(release, commands, commit, keep):
    """The attempts in a fresh system of one release; what comes after a failure runs all the same."""
    done = []
    with chroot.fresh("root-" + release, PACKAGES, wanted=release) as system:
        prepare(system, commit)
        for command in commands:
            done.append(attempt(system, release, command))
        if keep and any(status for _, _, status, _, _ in done):
            kept = LOGS / release
            shutil.rmtree(str(kept), ignore_errors=True)
            system.root.rename(kept)
            print(f"{release}: the system stays in {os.path.relpath(str(kept))}", flush=True)
    return done


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--release", action="append", metavar="NAME", help="one of Debian's releases; may be given again; %s "
                        "unless told" % " and ".join(RELEASES))
    parser.add_argument("--run", default="make run", help="the first command (make run)")
    parser.add_argument("--lint", default="make lint", help="the second (make lint)")
    parser.add_argument("--test", default="make test", help="the third; a part of the tests is TESTS, as in: make test "
                        "TESTS='tests/core tests/front' (make test)")
    parser.add_argument("--commit", default="HEAD", help="what is cloned (HEAD)")
    parser.add_argument("--keep", action="store_true", help="leave a system in which something failed")
    options = parser.parse_args()
    commands = [command for command in (options.run, options.lint, options.test) if command]
    commit = subprocess.run(["git", "rev-parse", options.commit + "^{commit}"], cwd=str(TOP), check=True, text=True,
                            stdout=subprocess.PIPE).stdout.strip()
    LOGS.mkdir(parents=True, exist_ok=True)
    done = []
    try:
        for release in options.release or RELEASES:
            done += try_release(release, commands, commit, options.keep)
    except ProvisionError as error:
        print("roots:", error, file=sys.stderr)
        return 1
    print("\n%-10s %-40s %-6s %8s  %s" % ("release", "command", "status", "seconds", "last line"))
    for release, command, status, seconds, line in done:
        print("%-10s %-40s %-6s %8.0f  %s" % (release, command[:40], status or "ok", seconds, line[:100]))
    return int(any(status for _, _, status, _, _ in done))


if __name__ == "__main__":
    sys.exit(main())
