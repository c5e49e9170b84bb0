#!/usr/bin/env python3
"""Get the real programs that the tests and `make run` use, under build/, without installing anything, unless one does not
run from there: then apt-get installs it where it may (as root, in no dom0), and that is said.

    python3 tests/tools/provision.py collectd python
    python3 tests/tools/provision.py --list

A second run finds everything in place and returns at once. Several runs at the same time wait for each other.
"""
import argparse
import contextlib
import fcntl
import json
import os
import pathlib
import subprocess
import sys
import typing

if not __package__:
    sys.path[0] = str(pathlib.Path(__file__).resolve().parents[1])

from tools import debian, gobuild, pythons
from tools.debian import ProvisionError

BUILD = pathlib.Path(__file__).resolve().parents[2] / "build"
ROOT = BUILD / "root"
VENV = BUILD / "venv"
ENVIRONMENTS = {"python": (VENV, "tests"), "lint": (BUILD / "environments" / "lint", "lint"),
                "bom": (BUILD / "environments" / "bom", "bom"), "pins": (BUILD / "environments" / "pins", "pins")}
"""Name -> (where it is, the name of its requirements). "all" has the first."""


class Tool(typing.NamedTuple):
    """A program from Debian: its packages, and the files in them that must start."""

    packages: tuple
    programs: tuple
    purpose: str
    links: tuple = ()
    """(link, target) pairs that the package's own install script would have made."""
    related: tuple = ()
    """Patterns of further packages, among those that the named ones depend on or suggest: their names are the release's."""
    service: bool = False
    """Installing it would start a daemon: it is never installed here."""


TOOLS = {
    "collectd": Tool(("collectd-core",), ("usr/sbin/collectd",),
                     "the daemon with its python, csv, network and write_prometheus plugins", service=True,
                     related=("libpython3.*", "libmicrohttpd*", "libprotobuf-c[0-9]*", "libgcrypt*")),
    "collectd-utils": Tool(("collectd-utils",), ("usr/bin/collectdctl",), "asks collectd's socket",
                           (("usr/lib/x86_64-linux-gnu/libcollectdclient.so.1", "../libcollectdclient.so.1"),),
                           related=("libcollectdclient*",)),
    "influxdb": Tool(("influxdb",), ("usr/bin/influxd",), "stores line protocol", service=True),
    "prometheus": Tool(("prometheus",), ("usr/bin/prometheus", "usr/bin/promtool"), "scrapes; promtool checks",
                       related=("promtool",), service=True),
    "node-exporter": Tool(("prometheus-node-exporter",), ("usr/bin/prometheus-node-exporter",),
                          "its textfile collector", service=True),
    "victoria-metrics": Tool(("victoria-metrics",), ("usr/bin/victoria-metrics",), "stores what a fleet sends", service=True),
    "zabbix-agent2": Tool(("zabbix-agent2",), ("usr/sbin/zabbix_agent2",), "asks the key of conf.d/zabbix", service=True,
                          related=("libpcre2-8-0", "libsqlite3-0", "libssl3*")),
    "sudo": Tool(("sudo",), (), "Telegraf's way to root; finds its libraries only where it is installed"),
    "tmux": Tool(("tmux",), ("usr/bin/tmux",), "the terminal in which the screen is looked at"),
    "gnuplot": Tool(("gnuplot-nox",), ("usr/bin/gnuplot-nox",), "reads the logs, draws the plot of the README"),
    "mmdebstrap": Tool(("mmdebstrap",), ("usr/bin/mmdebstrap",), "makes the systems in which packages are built and tried"),
    "rrdtool": Tool(("rrdtool",), ("usr/bin/rrdtool",), "reads the CSV form"),
    "xenalyze": Tool(("xen-utils-common",), ("usr/bin/xenalyze",), "the reference reader of Xen traces"),
    "qemu": Tool(("qemu-system-xen",), ("usr/libexec/xen-qemu-system-i386",),
                 "dom0's QEMU: what it says of the disks that it serves"),
    "faketime": Tool(("libfaketime",), (), "sets the clock of the programs that it is loaded into"),
    "compiler": Tool(("gcc", "binutils", "libc6-dev"), ("usr/bin/x86_64-linux-gnu-gcc",),
                     "a C compiler, for the compiled part and for stand-ins of libraries",
                     related=("gcc-[0-9]*", "gcc-x86-64-linux-gnu", "cpp-[0-9]*", "binutils-common", "binutils-x86-64-linux-gnu",
                              "libgcc-*-dev", "linux-libc-dev", "libcrypt-dev")),
    "xen-build": Tool(("bison", "flex", "m4", "libfl-dev", "patch"), ("usr/bin/bison", "usr/bin/flex"),
                      "what the hypervisor's build wants beside a C compiler"),
    "shellcheck": Tool(("shellcheck",), ("usr/bin/shellcheck",), "looks for faults in the scripts that are shipped",
                       related=("libffi[0-9]*", "libgmp[0-9]*", "libnuma[0-9]*")),
    "cppcheck": Tool(("cppcheck",), ("usr/bin/cppcheck",), "looks for faults in the compiled parts",
                     (("usr/bin/cfg", "../lib/x86_64-linux-gnu/cppcheck/cfg"),)),
    "selinux": Tool(("checkpolicy", "semodule-utils", "selinux-policy-default", "setools", "python3-setools", "python3-networkx"),
                    ("usr/bin/checkmodule", "usr/bin/semodule_link"), "compiles the policy, links it into Debian's, searches it"),
    "unpackers": Tool(("zstd", "lz4"), ("usr/bin/zstd", "usr/bin/lz4"), "unpack kernels that Python's own library cannot"),
    "bpftool": Tool(("bpftool",), ("usr/sbin/bpftool",), "tells a kernel's types, as the kernel's own people read them"),
    "pahole": Tool(("pahole",), ("usr/bin/pahole",), "tells where the members of a kernel's structs lie"),
    "httperf": Tool(("httperf",), ("usr/bin/httperf",), "asks a web server at a fixed rate"),
    "binutils": Tool(("binutils",), ("usr/bin/x86_64-linux-gnu-readelf", "usr/bin/x86_64-linux-gnu-objdump"),
                     "reads ELF files and disassembles them", related=("binutils-common", "binutils-x86-64-linux-gnu")),
    "libxen-dev": Tool(("libxen-dev",), (), "Xen's public headers and its stable libraries"),
    "chromium": Tool(("chromium-headless-shell", "chromium-common", "fontconfig-config", "fonts-dejavu-core"),
                     ("usr/lib/chromium/chromium-headless-shell",), "opens the report"),
    "r": Tool(("r-base-core",), ("usr/lib/R/bin/exec/R",), "reads the CSV form",
              (("usr/lib/R/etc/Renviron", "Renviron.ucf"),)),
}
NAMES = tuple(TOOLS) + ("python", "telegraf")
OTHERS = "XENMETER_BACKENDS"
"""A variable that `make backends` sets: tool=folder,... of programs of another version, which are taken instead of Debian's."""


def root_of(name):
    """Where the tool's usr/ is: build/root, or / when the machine has it installed. It is provided first where it is missing."""
    ensure(name)
    return _provided(name)


def _provided(name):
    """The same, or None where it is not provided yet."""
    stamp = _stamp(name)
    tool = TOOLS[name]
    if stamp.get("wanted") != _wanted(tool) or stamp.get("release") != debian.release():
        return None
    root = pathlib.Path(stamp["root"])
    return root if all((root / program).exists() for program in tool.programs) else None


def _wanted(tool):
    return [*tool.packages, *tool.related]


def packages_of(name):
    """{package: version} of what a tool was provided from; all its packages, by the names that this release has for them."""
    ensure(name)
    return _stamp(name)["versions"]


def _stamp(name):
    try:
        return json.loads((ROOT / ".provided" / name).read_text())
    except (OSError, ValueError):
        return {}


def is_ready(name):
    """True when nothing is left to do for this tool. Reads two files at most."""
    if name == "telegraf":
        return gobuild.telegraf_path(BUILD) is not None
    return pythons.venv_ready(*ENVIRONMENTS[name]) if name in ENVIRONMENTS else _provided(name) is not None


def python_of(name):
    """The interpreter of an environment, which is made first where it is missing."""
    ensure(name)
    return str(ENVIRONMENTS[name][0] / "bin" / "python")


def pip(python):
    """The arguments that make the interpreter of an environment run the pip that came with it."""
    with _lock(_say):
        return pythons.pip_for(python, lambda: debian.Archive(BUILD, _say), _say)


def other(name):
    """The folder of the program that is to be taken instead, or None."""
    pairs = (pair.partition("=") for pair in os.environ.get(OTHERS, "").split(","))
    return next((pathlib.Path(folder) for tool, _, folder in pairs if tool == name and folder), None)


def program(name, file):
    """The path of one file of a tool, which is provided first where it is missing."""
    instead = other(name)
    if instead:
        return str(instead / pathlib.PurePath(file).name)
    return str(root_of(name) / file)


def environment(name, **extra):
    """A fresh environment for a tool's programs: nothing of the caller's, and the unpacked libraries."""
    return dict(_environment_in(pathlib.Path("/") if other(name) else root_of(name)), **extra)


def _environment_in(root):
    env = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8",
           "XENMETER_COUNTERS": ""}     # tests keep no counters where this machine's own xenmeter would
    if root != pathlib.Path("/"):
        patterns = ("usr/lib/*-linux-gnu*", "lib/*-linux-gnu*", "usr/lib/*-linux-gnu*/blas",
                    "usr/lib/*-linux-gnu*/lapack", "usr/lib/*-linux-gnu*/pulseaudio", "usr/lib/R/lib")
        env["LD_LIBRARY_PATH"] = ":".join(str(folder) for pattern in patterns for folder in sorted(root.glob(pattern)))
    return env


def ensure(*names, say=None):
    """Provide the named tools: at almost no cost when they are there, ProvisionError when they cannot be had."""
    missing = [name for name in names if not is_ready(name)]
    if not missing:
        return
    say = say or _say
    with _lock(say):
        made = []

        def archive():
            """One apt set-up for all tools of this run, made only when something needs it."""
            if not made:
                made.append(debian.Archive(BUILD, say))
            return made[0]

        for name in missing:
            if is_ready(name):
                continue
            if name in ENVIRONMENTS:
                folder, requirements = ENVIRONMENTS[name]
                pythons.make_venv(folder, archive, say, requirements)
            elif name == "telegraf":
                gobuild.build(gobuild.TELEGRAF, BUILD / "telegraf", lambda: _python(archive, say), say)
            else:
                _provide(name, archive(), say)


def _python(archive, say):
    """An interpreter with pip."""
    if not pythons.venv_ready(VENV):
        pythons.make_venv(VENV, archive, say)
    return str(VENV / "bin" / "python")


@contextlib.contextmanager
def _lock(say):
    """One provisioning at a time; the kernel frees the lock of a process that dies."""
    try:
        BUILD.mkdir(exist_ok=True)
        held = open(str(BUILD / ".lock"), "a+")
    except OSError as error:
        raise ProvisionError(f"{error.filename}: {error.strerror}; programs are unpacked there: work in a checkout of your own")
    with held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another run that is fetching programs")
            fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _provide(name, archive, say):
    tool = TOOLS[name]
    root, versions = pathlib.Path("/"), _whole(tool, archive)
    if versions:
        say(f"{name}: this machine has it installed, nothing to do")
    else:
        say(f"{name} ({tool.purpose})")
        root, versions = _unpack_or_install(name, tool, archive, say)
    folder = ROOT / ".provided"
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / (".part." + name)
    part.write_text(json.dumps({"wanted": _wanted(tool), "release": debian.release(), "root": str(root), "versions": versions},
                               indent=1))
    part.replace(folder / name)


def _whole(tool, archive):
    """{package: version} of a tool that is installed; nothing where the machine lacks one of them."""
    if not all(map(debian.installed_version, tool.packages)):
        return {}
    versions = _installed([*tool.packages, *archive.related(tool.packages, tool.related)])
    return versions if all(versions.values()) else {}


def _installed(names):
    return {name: debian.installed_version(name) for name in names}


def _unpack_or_install(name, tool, archive, say):
    archive.update()
    names = [*tool.packages, *archive.related(tool.packages, tool.related)]
    versions = archive.unpack(names)
    for link, target in tool.links:
        (ROOT / link).unlink(missing_ok=True)
        (ROOT / link).symlink_to(target)
    absent = [file for file in tool.programs if not (ROOT / file).exists()]
    if absent:
        raise ProvisionError("{}: {} of {} have no {}; which package has it there?".format(
            name, ", ".join(names), debian.release(), ", ".join(absent)))
    reason = _does_not_start(tool, ROOT)
    if reason is None:
        return ROOT, versions
    if os.geteuid() != 0 or _is_dom0() or tool.service:
        raise ProvisionError("{} does not run unpacked ({}): install {} on this machine".format(
            name, reason, " ".join(names)))
    say("{} does not run unpacked ({}): INSTALLING {} on this machine".format(name, reason, " ".join(names)))
    archive.install(names)
    return pathlib.Path("/"), _installed(names)


def _is_dom0():
    """In a dom0 nothing is ever installed."""
    try:
        return "control_d" in pathlib.Path("/proc/xen/capabilities").read_text()
    except OSError:
        return False


def _does_not_start(tool, root):
    """Why a program does not start here, or None. Which exit status --version has differs; the loader's is 127."""
    for file in tool.programs:
        try:
            ran = subprocess.run([str(root / file), "--version"], check=False, env=_environment_in(root),
                                 stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                 text=True, errors="replace", timeout=60)
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        if ran.returncode in (126, 127) or ran.returncode < 0:
            return (ran.stderr.strip() or f"status {ran.returncode}").splitlines()[-1]
    return None


def _say(text):
    print("provision:", text, file=sys.stderr, flush=True)


def _list():
    """One line per tool for people: is it here, from where, which version."""
    for name in NAMES:
        if not is_ready(name):
            print(f"{name:14} not here yet")
        elif name in ENVIRONMENTS:
            print(f"{name:14} {ENVIRONMENTS[name][0]}")
        elif name == "telegraf":
            print(f"{name:14} {gobuild.telegraf_path(BUILD)}")
        else:
            first = TOOLS[name].packages[0]
            print("{:14} {} {} in {}".format(name, first, _stamp(name)["versions"][first], root_of(name)))


def main(argv=None):
    """Exit status 0 all there, 1 failed with one line on stderr, 2 wrong usage."""
    known = NAMES + tuple(name for name in ENVIRONMENTS if name not in NAMES)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true", help="say what is there and where")
    parser.add_argument("tools", nargs="*", metavar="TOOL", help="all, or some of: " + ", ".join(known))
    options = parser.parse_args(argv)
    names = NAMES if "all" in options.tools else tuple(options.tools)
    unknown = [name for name in names if name not in known]
    if unknown or not (names or options.list):
        parser.error(f"no such tool: {unknown[0]}" if unknown else "which TOOL? " + ", ".join(known))
    try:
        ensure(*names, say=_say)
    except ProvisionError as error:
        _say(str(error))
        return 1
    except KeyboardInterrupt:
        _say("interrupted; the next run goes on from here")
        return 1
    if options.list:
        _list()
    return 0


if __name__ == "__main__":
    sys.exit(main())
