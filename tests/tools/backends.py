#!/usr/bin/env python3
"""`make backends`: newer backends than this Debian's, and the tests in which they take part. Debian's newest (sid) are fetched
and unpacked; Telegraf, the newest and the oldest that we promise, and OpenTelemetry's collector are built from their Go modules;
collectd's tests run in fresh systems of each release. It is outside CI: what is newest changes, and builds take minutes.

    python3 tests/tools/backends.py                    # all, and at the end rows for README's table
    python3 tests/tools/backends.py prometheus         # one
    python3 tests/tools/backends.py --fetch prometheus # only have its programs
"""
import argparse
import datetime
import os
import pathlib
import shutil
import subprocess
import sys
import time
import typing

if not __package__:
    sys.path[0] = str(pathlib.Path(__file__).resolve().parents[1])

from tools import chroot, debian, gobuild, provision, roots
from tools.debian import ProvisionError, complaint_in

TOP = pathlib.Path(__file__).resolve().parents[2]
FOLDER = provision.BUILD / "backends"
NEWEST = "sid"

#: Debian's newest: the packages, each with a program of its own name.
PACKAGES = {"prometheus": ("prometheus", "promtool"), "victoria-metrics": ("victoria-metrics",)}

#: Built from Go modules of versions that are written down; what they take the place of is their file's name.
MODULES = {"telegraf-newest": gobuild.NEWEST_TELEGRAF, "telegraf-oldest": gobuild.OLDEST_TELEGRAF, "otelcol": gobuild.COLLECTOR}


class Run(typing.NamedTuple):
    """Tests with one backend. programs: what takes the place of this Debian's; keyword: for pytest -k; release: of Debian, in a
    fresh system of which the tests run, with its own programs (tools)."""

    programs: tuple
    tests: tuple
    keyword: str = ""
    release: str = ""
    tools: tuple = ()


BOTH = ("prometheus", "victoria-metrics")
OF_TELEGRAF = ("tests/daemons/test_execd.py", "tests/telegraf")
OF_COLLECTD = ("tests/daemons/test_collectd_writers.py", "tests/daemons/test_collectd_values.py")
RUNS = {
    "prometheus": Run(BOTH, ("tests/backends/checks_prometheus.py", "tests/daemons/test_prometheus.py",
                             "tests/daemons/test_serve_all.py", "tests/dashboards/test_alerts.py",
                             "tests/dashboards/test_dashboards.py", "tests/fleet"), "not influxdb and not victoriametrics"),
    "victoria-metrics": Run(BOTH, ("tests/daemons/test_victoriametrics.py", "tests/dashboards/test_dashboards.py", "tests/fleet"),
                            "victoria or test_dashboards and (telegraf or graphite)"),
    "telegraf-newest": Run(("telegraf-newest",), OF_TELEGRAF),
    # without what is about its log, which said things otherwise, and about commands that it did not have
    "telegraf-oldest": Run(("telegraf-oldest",), ("tests/telegraf",), "test_values or signal_mode or started_again or "
                           "killed_over or own_test_mode or a_thousand_domains"),
    "opentelemetry": Run(("otelcol", "telegraf-newest"), ("tests/backends/checks_opentelemetry.py",)),
    **{"collectd-" + release: Run((), OF_COLLECTD, release=release, tools=("collectd", "collectd-utils", "rrdtool", "python"))
       for release in roots.RELEASES},
}


def version(name):
    """The version of a program that was fetched, as Debian has it, or as its module."""
    if name in MODULES:
        return MODULES[name].release()
    return (FOLDER / name / "stamp").read_text()


def is_ready(name):
    """True when a program is there, of today's index, or as its module is written down."""
    if name in MODULES:
        return MODULES[name].is_built(FOLDER / name)
    try:
        return time.time() - (FOLDER / name / "stamp").stat().st_mtime < debian.INDEX_AGE
    except OSError:
        return False


def ensure(*names, say=provision._say):
    """Have programs that are missing; ProvisionError where that does not work."""
    for name in names:
        if is_ready(name):
            continue
        if name in MODULES:
            gobuild.build(MODULES[name], FOLDER / name, lambda: provision.python_of("python"), say)
        else:
            _fetch(name, say)


def _fetch(name, say):
    """Unpack a package of Debian's newest; what it depends on is here in any version, for they are Go programs."""
    archive = debian.Archive(FOLDER / NEWEST, say)
    sources = FOLDER / NEWEST / "sources.list"
    sources.write_text("".join(line + "\n" for line in chroot.sources(NEWEST) if f" {NEWEST} " in line))
    with archive.conf.open("a") as conf:
        conf.write(f'Dir::Etc::SourceList "{sources}";\nDir::Etc::SourceParts "/dev/null";\n')
    archive.update()
    unpacked, folder = FOLDER / NEWEST / "unpacked", FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    for package in PACKAGES[name]:
        for old in (archive.here / "archives").glob(package + "_*.deb"):
            old.unlink()
        ran = archive.apt("-q", "download", package)
        found = list((archive.here / "archives").glob(package + "_*.deb"))
        if ran.returncode or not found:
            raise ProvisionError(f"{package} of {NEWEST} cannot be had ({complaint_in(ran.stderr)}): check the network")
        shutil.rmtree(str(unpacked), ignore_errors=True)
        subprocess.run(["dpkg-deb", "-x", str(found[0]), str(unpacked)], check=True)
        (unpacked / "usr" / "bin" / package).replace(folder / package)
    told = subprocess.run(["dpkg-deb", "-f", str(found[0]), "Version"], check=True, stdout=subprocess.PIPE,
                          text=True).stdout.strip()
    say(f"{name} {told} of Debian {NEWEST}")
    (folder / "stamp").write_text(told)


def environment(run):
    """Variables with which tests take these programs instead of their own."""
    env = dict(os.environ, PYTHONPATH=str(TOP / "plugins"), PYTHONUNBUFFERED="1")
    if run.programs:
        env[provision.OTHERS] = ",".join(f"{MODULES[name].file if name in MODULES else name}={FOLDER / name}"
                                         for name in run.programs)
    return env


def tested(name):
    """Run the tests of one backend: (exit status, the last line that was said)."""
    run = RUNS[name]
    argv = [provision.python_of("python"), "-m", "pytest", "-q", *run.tests] + (["-k", run.keyword] if run.keyword else [])
    if run.release:
        argv = [sys.executable, "tests/tools/roots.py", "--release", run.release, "--run", "", "--test",
                "python3 tests/tools/provision.py --list {} && build/venv/bin/python -m pytest -q {}".format(
                    " ".join(run.tools), " ".join(run.tests))]
    last = ""
    with subprocess.Popen(argv, cwd=str(TOP), env=environment(run), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace") as running:
        for line in running.stdout:
            print(line, end="", flush=True)
            last = line.strip() or last
    return running.returncode, last


def main(argv=None):
    """Exit status 0 all passed, 1 something failed or cannot be had."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fetch", action="store_true", help="have the programs, and run nothing")
    parser.add_argument("backends", nargs="*", metavar="BACKEND", help="some of: %s (all)" % ", ".join(RUNS))
    options = parser.parse_args(argv)
    unknown = [name for name in options.backends if name not in RUNS]
    if unknown:
        parser.error("no such backend: %s; there are %s" % (unknown[0], ", ".join(RUNS)))
    names = options.backends or list(RUNS)
    try:
        ensure(*dict.fromkeys(program for name in names for program in RUNS[name].programs))
    except ProvisionError as error:
        provision._say(str(error))
        return 1
    done = []
    for name in [] if options.fetch else names:
        began = time.monotonic()
        done.append((name, *tested(name)))
        print("%s: %.0f s" % (name, time.monotonic() - began), flush=True)
    for name, status, last in done:
        versions = ", ".join("%s %s" % (program, version(program)) for program in RUNS[name].programs) or "its own"
        print("| %s | %s | %s | %s%s |" % (name, versions, datetime.date.today(), "FAILED: " * bool(status), last.strip("= ")))
    return int(any(status for _, status, _ in done))


if __name__ == "__main__":
    sys.exit(main())
