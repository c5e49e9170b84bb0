#!/usr/bin/env python3
"""Build the hypervisor with packaging/xen/vcpu-stats.patch, from the distribution's own source: xen/ alone, not the tools.

    python3 tests/lab/hypervisor.py [--debug]

Prints the path of the hypervisor. It is kept by the versions of the source and of the patch. Performance counters are
built in, so that hypercalls can be counted (xenperf). With --debug, Xen's own assertions and checks of its locks are, too;
it takes longer for everything, so it is for a boot by itself: run.py --hypervisor PATH patched.
"""
import functools
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys

if not __package__:
    sys.path[0] = str(pathlib.Path(__file__).resolve().parents[1])

from lab import packages
from lab.paths import BUILD
from lab.releases import MAIN
from tools import debian, provision
from tools.compiler import compiler
from tools.debian import ProvisionError

__all__ = ("build", "PATCH")

PATCH = pathlib.Path(__file__).resolve().parents[2] / "packaging" / "xen" / "vcpu-stats.patch"
#: What is compiled of the patch.
TOUCHED = [name[:-1] + "o" for name in re.findall(r"^\+\+\+ b/xen/(.*\.c)$", PATCH.read_text(), re.MULTILINE)]
OPTIONS = ("CONFIG_EXPERT=y", "CONFIG_VCPU_STATS=y", "CONFIG_PERF_COUNTERS=y", "CONFIG_PERF_ARRAYS=y")


def build(say, debug=False):
    """The path of the patched hypervisor, built when the source, the patch or the options are new."""
    BUILD.mkdir(parents=True, exist_ok=True)
    options = [*OPTIONS, *["CONFIG_DEBUG=y"] * debug]
    folder = BUILD / "xen-source"
    shutil.rmtree(str(folder), ignore_errors=True)
    folder.mkdir()
    archive, versions = _versions(say, folder)
    digest = hashlib.sha256(PATCH.read_bytes() + " ".join(options + versions).encode()).hexdigest()[:16]
    made = BUILD / f"xen-patched-{digest}"
    if made.exists():
        return made
    source = _source(say, folder, archive, versions)
    command, environment = _make()
    with PATCH.open() as text:
        _run(["patch", "-p1", "-s"], source, environment, "the patch does not apply", stdin=text)
    say("building the patched hypervisor (a minute or two)")
    _run([*command, "defconfig"], source, environment, "no configuration could be made")
    with (source / "xen" / ".config").open("a") as config:
        config.write("\n".join(options) + "\n")
    _run([*command, "olddefconfig"], source, environment, "the options are not taken")
    if "CONFIG_VCPU_STATS=y\n" not in (source / "xen" / ".config").read_text():
        raise ProvisionError("the hypervisor's configuration has no CONFIG_VCPU_STATS after the patch")
    _run([*command, f"-j{os.cpu_count() or 1}"], source, environment, "the hypervisor does not build")
    _try_without(source, command, environment)
    shutil.copy(str(source / "xen" / "xen"), str(made) + ".part")
    os.replace(str(made) + ".part", str(made))
    shutil.rmtree(str(folder))
    return made


def _try_without(source, command, environment):
    """With the option off, what the patch touches compiles, and nothing of it is left."""
    kept = source / "xen" / "xen-with-it"
    os.replace(str(source / "xen" / "xen"), str(kept))
    with (source / "xen" / ".config").open("a") as config:
        config.write("# CONFIG_VCPU_STATS is not set\n")
    _run([*command, "olddefconfig"], source, environment, "the option cannot be put off")
    touched = [file for file in TOUCHED if "vcpu-stats" not in file]
    _run([*command, *touched], source, environment, "without the option it does not compile")
    for file in touched:
        names = _run(["nm", file], source / "xen", environment, f"there is no {file}")
        if "vcpu_stats" in names:
            raise ProvisionError(f"{file} has something of the option though it is off")
    os.replace(str(kept), str(source / "xen" / "xen"))


def _make():
    """The make command and its environment: the machine's compiler or the unpacked one, flex and bison unpacked."""
    provision.ensure("xen-build")
    tools = provision.root_of("xen-build")
    cc = " ".join(compiler())
    environment = dict(provision.environment("xen-build"), LC_ALL="C")
    environment["PATH"] += f":{tools / 'usr/bin'}:{provision.ROOT / 'usr/bin'}"
    if tools != pathlib.Path("/"):
        environment.update(BISON_PKGDATADIR=str(tools / "usr/share/bison"), M4=str(tools / "usr/bin/m4"))
    return ["make", "-C", "xen", f"CC={cc}", f"HOSTCC={cc}"], environment


def _versions(say, folder):
    """apt's options for the archive, and the versions of Xen's source that it lists, newest first."""
    options = _sources_of(packages.archive_of(MAIN.folder, say, MAIN.suite))
    _apt("apt-get", options, folder, "-q", "update")
    return options, _newest_first(_apt("apt-cache", options, folder, "showsrc", "xen").stdout)


def _source(say, folder, options, versions):
    """The unpacked source: the newest that the archive still has (a security archive drops sources early)."""
    complaint = "it lists none"
    for version in versions:
        ran = _apt("apt-get", options, folder, "-q", "--download-only", "source", f"xen={version}")
        if ran.returncode == 0:
            say(f"Xen's source is {version}")
            description, = folder.glob("*.dsc")
            _run(["dpkg-source", "--no-check", "-x", description.name, "xen"], folder, {}, "the source does not unpack")
            return folder / "xen"
        complaint = debian.complaint_in(ran.stderr)
    raise ProvisionError(f"Xen's source cannot be had ({complaint}): {debian.ask_for_main()}")


def _sources_of(archive):
    """Options with which apt knows the sources of the archives from which the main release's packages are taken."""
    shown = archive.apt("indextargets", "--format", "deb-src $(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages")
    here = archive.here / "sources"
    (here / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    (here / "sources.list").write_text("\n".join(sorted(set(shown.stdout.splitlines()))) + "\n")
    return ["-c", str(archive.conf), "-o", f"Dir::Etc::SourceList={here / 'sources.list'}", "-o",
            "Dir::Etc::SourceParts=-", "-o", f"Dir::State::Lists={here / 'lists'}", "-o", "Dir::Cache::pkgcache=",
            "-o", "Dir::Cache::srcpkgcache="]


def _apt(program, options, folder, *arguments):
    return subprocess.run([program, *options, *arguments], check=False, text=True, cwd=str(folder), capture_output=True,
                          stdin=subprocess.DEVNULL, env=dict(os.environ, LC_ALL="C"))


def _newest_first(shown):
    versions = {line.split()[1] for line in shown.splitlines() if line.startswith("Version:")}
    return sorted(versions, key=functools.cmp_to_key(_compare), reverse=True)


def _compare(one, other):
    return -1 if subprocess.run(["dpkg", "--compare-versions", one, "lt", other], check=False).returncode == 0 else 1


def _run(command, folder, environment, what, stdin=subprocess.DEVNULL):
    ran = subprocess.run([str(word) for word in command], check=False, cwd=str(folder), text=True, stdin=stdin,
                         env=dict(os.environ, **environment), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if ran.returncode:
        raise ProvisionError("{}: {}".format(what, "\n".join(ran.stdout.splitlines()[-15:])))
    return ran.stdout


if __name__ == "__main__":
    print(build(lambda text: print("lab:", text, file=sys.stderr, flush=True), "--debug" in sys.argv[1:]))
