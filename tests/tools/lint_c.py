#!/usr/bin/env python3
"""The C of the plugins under a strict gcc with its analyzer, and under cppcheck: `make lint`.

    python3 tests/tools/lint_c.py [FILE.c ...]

Exit status 1 where one of them has something to say. Both are the machine's own or Debian's, unpacked under build/.
"""
import pathlib
import shutil
import subprocess
import sys

if not __package__:
    sys.path[0] = str(pathlib.Path(__file__).resolve().parents[1])

from tools import provision
from tools.compiler import unpacked_gcc

TOP = pathlib.Path(__file__).resolve().parents[2]
GCC_FLAGS = ("-std=gnu99", "-O2", "-fPIC", "-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-fanalyzer", "-Werror",
             "-c", "-o", "/dev/null")
CPPCHECK_FLAGS = ("--quiet", "--std=c99", "--language=c", "--enable=warning,style,performance,portability", "--inline-suppr",
                  "--error-exitcode=1")


def sources():
    """The compiled parts; what they include is checked with them."""
    return sorted((TOP / "plugins").rglob("*.c"))


def complaints(files):
    """What gcc and cppcheck have to say of the files, in their own words; empty where all is well."""
    gcc = [shutil.which("gcc")] if shutil.which("gcc") else unpacked_gcc()
    cppcheck = provision.program("cppcheck", "usr/bin/cppcheck")
    told = [_said([*gcc, *GCC_FLAGS, str(file)]) for file in files]
    env = provision.environment("cppcheck")
    return "".join(told) + _said([cppcheck, *CPPCHECK_FLAGS, *_whole(cppcheck, env), *map(str, files)], env=env)


def _whole(cppcheck, env):
    """The flag for all branches, which cppcheck looks at only when told since its 2.11."""
    known = subprocess.run([cppcheck, "--help"], env=env, check=True, stdout=subprocess.PIPE, universal_newlines=True).stdout
    return ["--check-level=exhaustive"] if "--check-level=" in known else []


def _said(command, env=None):
    ran = subprocess.run(command, env=env, cwd=str(TOP), check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, universal_newlines=True, errors="replace")
    if ran.returncode == 0:
        return ""
    return ran.stdout or "{} ended with status {}\n".format(command[0], ran.returncode)


def main(names):
    try:
        told = complaints([pathlib.Path(name).resolve() for name in names] or sources())
    except provision.ProvisionError as error:
        told = "lint_c: {}\n".format(error)
    sys.stderr.write(told)
    return 1 if told else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
