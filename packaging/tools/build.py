#!/usr/bin/env python3
"""Builds the packages into build/packages/: build.py [--ref COMMIT] [--out FOLDER] [--release NAME] [--untested] [KIND ...]

Kinds are sdist, wheel (with compiled parts, and without), deb, rpm, pyz (one file), xcp-ng (a bundle and an RPM for it), and bom,
the bill of materials. All come from a clean export of one commit, so what is not committed is not in them, and all times in them
are that commit's: the same commit gives the same bytes. They are built in a fresh Debian system (tests/tools/chroot.py): that
needs root.
"""
import argparse
import email.utils
import hashlib
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests"))

from tools import chroot, provision     # noqa: E402
from tools.debian import ProvisionError, release     # noqa: E402

BUILD_NEEDS = ("build-essential", "debhelper", "dh-python", "pybuild-plugin-pyproject", "python3-all", "python3-hypothesis",
               "python3-pytest", "python3-setuptools", "python3-wheel", "fakeroot")
CHECK_NEEDS = ("lintian", "rpm", "checkpolicy", "semodule-utils", "selinux-utils", "mandoc", "man-db", "systemd",
               "bash-completion", "fish", "zsh", "cpio")
"""What the tests add to the same system."""


class Source:
    """A commit's tree in a folder. :ivar tree: the folder. :ivar version: xenmeter's. :ivar epoch: seconds since 1970."""

    def __init__(self, ref, folder, version=None):
        self.tree = pathlib.Path(folder)
        self.tree.mkdir(parents=True)
        self.epoch = int(git("log", "-1", "--format=%ct", ref))
        archive = subprocess.Popen(["git", "archive", ref], cwd=str(TOP), stdout=subprocess.PIPE)
        subprocess.run(["tar", "-x", "-C", str(self.tree)], stdin=archive.stdout, check=True)
        if archive.wait():
            raise RuntimeError("git archive %s failed" % ref)
        self.version = version_of(self.tree)
        if version is not None:
            set_version(self.tree, version, self.epoch)
            self.version = version

    @property
    def environment(self):
        return {"SOURCE_DATE_EPOCH": str(self.epoch), "PYTHONHASHSEED": "0", "TZ": "UTC"}


def git(*words):
    return subprocess.run(["git"] + list(words), cwd=str(TOP), check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def version_of(tree):
    """What stands in the one place where the version is written."""
    text = (tree / "plugins" / "xenmeter" / "__init__.py").read_text()
    return re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE).group(1)


def set_version(tree, version, epoch):
    """Writes another version into a tree: for a release, and for the tests that upgrade from an older one, which may have fewer
    kinds of packages."""
    rewrite(tree / "plugins" / "xenmeter" / "__init__.py", r'^__version__ = "[^"]+"$', '__version__ = "%s"' % version)
    for spec in (tree / "packaging" / "rpm").glob("*.spec"):
        rewrite(spec, r"^Version:( +).*$", r"Version:\g<1>" + version)
    for recipe in (tree / "packaging").glob("alpine/APKBUILD"):
        rewrite(recipe, r"^pkgver=.*$", "pkgver=" + version)
    changelog = tree / "packaging" / "debian" / "changelog"
    old = changelog.read_text()
    signed = re.search(r"^ -- (.*?)  ", old, re.MULTILINE).group(1)
    new = "xenmeter (%s-1) unstable; urgency=medium\n\n  * See CHANGELOG.md.\n\n -- %s  %s\n" % (
        version, signed, email.utils.formatdate(epoch))
    if not old.startswith("xenmeter (%s-" % version):
        changelog.write_text(new + "\n" + old)


def rewrite(path, pattern, text):
    """One line of a file; RuntimeError unless the pattern is there once."""
    changed, count = re.subn(pattern, text, path.read_text(), flags=re.MULTILINE)
    if count != 1:
        raise RuntimeError("%s has no version to set" % path)
    path.write_text(changed)


def tar_of(tree, prefix, path, epoch):
    """Packs a tree under another name for its top folder: the same tree, the same bytes."""
    call = ["tar", "-c", "--sort=name", "--mtime=@%d" % epoch, "--owner=0", "--group=0", "--numeric-owner",
            "--mode=go=rX,u+rw,a-s", "--format=gnu", "--transform=s,^\\.,%s," % prefix, "-C", str(tree), "."]
    with open(str(path), "wb") as output:
        packed = subprocess.Popen(["gzip", "-9n"], stdin=subprocess.PIPE, stdout=output)
        subprocess.run(call, stdout=packed.stdin, check=True)
        packed.stdin.close()
        if packed.wait():
            raise RuntimeError("gzip failed")


def deb(source, out, system, place="/build", options=""):
    """Source and binary packages, built in ``system`` under ``place``; the .buildinfo and .changes beside them.

    :param options: DEB_BUILD_OPTIONS, for instance "nocheck".
    """
    folder = pathlib.Path(place, "deb")
    outside = system.path(folder)
    shutil.rmtree(str(outside), ignore_errors=True)
    (archive,) = sdist(source, outside, system, place)
    name = "xenmeter-" + source.version
    tree = outside / name
    subprocess.run(["tar", "-x", "-C", str(outside), "-f", str(archive)], check=True)
    archive.rename(outside / ("xenmeter_%s.orig.tar.gz" % source.version))
    shutil.copytree(str(tree / "packaging" / "debian"), str(tree / "debian"))
    system.run("dpkg-buildpackage", "-us", "-uc", cwd=str(folder / name),
               env=dict(source.environment, DEB_BUILD_OPTIONS=options))
    return collect(outside, out, ("*.dsc", "*.tar.*", "*.deb", "*.changes", "*.buildinfo"))


MANYLINUX = (((2, 5), "manylinux1"), ((2, 12), "manylinux2010"), ((2, 17), "manylinux2014"))
"""glibc -> the name under which also an old pip knows it; newer ones are manylinux_MAJOR_MINOR (PEP 600)."""


def sdist(source, out, system, place="/build"):
    """The source archive: pip's source distribution, and what the Debian packages and the RPMs are built from. Packed anew,
    so that no time of the build is in it.
    """
    tree, outside = python_tree(source, system, place, "sdist")
    system.run("python3", "setup.py", "-q", "sdist", "--formats=tar", cwd=tree, env=source.environment)
    name = "xenmeter-" + source.version
    subprocess.run(["tar", "-x", "-C", str(outside), "-f", str(outside / "dist" / (name + ".tar"))], check=True)
    tar_of(outside / name, name, outside / (name + ".tar.gz"), source.epoch)
    return collect(outside, out, (name + ".tar.gz",))


def wheel(source, out, system, place="/build"):
    """One wheel for every Python of this platform, named after the oldest glibc that the compiled parts run with."""
    tree, outside = python_tree(source, system, place, "wheel")
    env = dict(source.environment, CFLAGS="-g0 -ffile-prefix-map=%s=." % tree, LDFLAGS="-Wl,--build-id=none -s")
    system.run("python3", "setup.py", "-q", "build", cwd=tree, env=env)
    parts = sorted(str(path.relative_to(outside)) for path in (outside / "build").rglob("_*.so"))
    if len(parts) != len(list(source.tree.glob("plugins/xenmeter/**/*.c"))):
        raise RuntimeError("not every C file was compiled: %s" % ", ".join(parts))
    needs = system.run("readelf", "--dynamic", "--version-info", *parts, cwd=tree).stdout
    system.run("python3", "setup.py", "-q", "bdist_wheel", "--plat-name", platform_of(needs), cwd=tree, env=env)
    return collect(outside, out, ("dist/*.whl",))


def pure_wheel(source, out, system, place="/build"):
    """The same without compiled parts: for any platform, and for a pip that does not know the other one's name (before 19.3)."""
    tree, outside = python_tree(source, system, place, "pure")
    system.run("python3", "setup.py", "-q", "bdist_wheel", cwd=tree, env=dict(source.environment, XENMETER_COMPILED="0"))
    return collect(outside, out, ("dist/*.whl",))


def wheels(source, out, system):
    """Both in one folder: of these pip takes the best that it can install."""
    return wheel(source, out, system) + pure_wheel(source, out, system)


def pyz(source, out, system, place="/build"):
    """xenmeter.pyz: one file for every Python from 3.6 on, with this platform's compiled parts in it."""
    tree, outside = python_tree(source, system, place, "pyz")
    (packed,) = wheel(source, outside / "packed", system, place)
    system.run("python3", "packaging/tools/single.py", "packed/" + packed.name, "xenmeter.pyz", cwd=tree, env=source.environment)
    return collect(outside, out, ("xenmeter.pyz",))


def bundle(source, out, system, place="/build"):
    """The archive for XCP-ng 8.3: what goes below /opt, and its install.sh."""
    tree, outside = python_tree(source, system, place, "bundle")
    (packed,) = wheel(source, outside / "packed", system, place)
    name = "xenmeter-%s-xcp-ng" % source.version
    system.run("python3", "packaging/tools/bundle.py", "packed/" + packed.name, name, cwd=tree, env=source.environment)
    tar_of(outside / name, name, outside / (name + ".tar.gz"), source.epoch)
    return collect(outside, out, (name + ".tar.gz",))


def xcp_ng(source, out, system, place="/build"):
    """The bundle, the same as an RPM that is for no architecture, and the digests of both."""
    (archive,) = bundle(source, out, system, place)
    spec = source.tree / "packaging" / "rpm" / "xenmeter-opt.spec"
    made = [archive, *rpmbuild(source, out, system, spec, archive, "-bb", patterns=("RPMS/noarch/*.rpm",))]
    digests = out / "SHA256SUMS"
    digests.write_text("".join("%s  %s\n" % (hashlib.sha256(path.read_bytes()).hexdigest(), path.name) for path in made))
    return made + [digests]


def platform_of(needs):
    """The wheel's platform, from what readelf tells of the compiled parts' needs."""
    libraries = set(re.findall(r"\(NEEDED\).*\[(.*?)\]", needs))
    if not libraries <= {"libc.so.6"}:
        raise RuntimeError("the compiled parts need more than the C library: %s" % ", ".join(sorted(libraries)))
    glibc = max(tuple(map(int, version.split("."))) for version in re.findall(r"Name: GLIBC_([\d.]+)", needs))
    name = next((name for newest, name in MANYLINUX if glibc[:2] <= newest), "manylinux_%d_%d" % glibc[:2])
    return "%s_%s" % (name, platform.machine())


def python_tree(source, system, place, kind):
    """A copy of the source inside ``system``: (its path there, the same from outside)."""
    tree = pathlib.Path(place, kind)
    outside = system.path(tree)
    shutil.rmtree(str(outside), ignore_errors=True)
    shutil.copytree(str(source.tree), str(outside), symlinks=True)
    return str(tree), outside


RPM_DEFINES = ("_buildhost localhost", "use_source_date_epoch_as_buildtime 1",
               "clamp_mtime_to_source_date_epoch 1", "_build_id_links none", "debug_package %{nil}")


def rpm(source, out, system, defines=(), tested=True):
    """Source and binary RPMs, built by Debian's rpmbuild. The source RPM is what other distributions build their own from:
    the binary ones fit the Python of ``system``. Debian's rpm knows nothing of what is installed: --nodeps. rpm writes the
    scripts with the paths of the build into its headers, so the place is always the same.

    :param defines: macros of another distribution, for instance "rhel 7"; :param tested: run the spec's %check.
    """
    with tempfile.TemporaryDirectory(prefix="xenmeter-source.") as folder:
        (archive,) = sdist(source, pathlib.Path(folder), system)
        spec = source.tree / "packaging" / "rpm" / "xenmeter.spec"
        words = ["-ba", "--with", "selinux"] + ["--nocheck"] * (not tested)
        return rpmbuild(source, out, system, spec, archive, *words, defines=defines)


def rpmbuild(source, out, system, spec, archive, *words, defines=(), patterns=("RPMS/*/*.rpm", "SRPMS/*.rpm")):
    """What rpmbuild makes of a spec and its source archive, always in the same place."""
    top = pathlib.Path("/build/rpm")
    outside = system.path(top)
    shutil.rmtree(str(outside), ignore_errors=True)
    for path, name in ((spec, "SPECS"), (archive, "SOURCES")):
        (outside / name).mkdir(parents=True)
        shutil.copy(str(path), str(outside / name))
        os.utime(str(outside / name / path.name), (source.epoch, source.epoch))
    call = ["rpmbuild", "--nodeps", *words]
    for define in ("_topdir %s" % top,) + RPM_DEFINES + tuple(defines):
        call += ["--define", define]
    system.run(*call, str(top / "SPECS" / spec.name), env=source.environment)
    return collect(outside, out, patterns)


def collect(folder, out, patterns):
    """Copies what was built to ``out``; their names, sorted."""
    out.mkdir(parents=True, exist_ok=True)
    found = sorted(path for pattern in patterns for path in folder.glob(pattern))
    for path in found:
        shutil.copy(str(path), str(out / path.name))
    return [out / path.name for path in found]


PACKAGES = (".deb", ".dsc", ".gz", ".xz", ".rpm", ".whl", ".pyz")
"""What a bill of materials lists. The .changes and .buildinfo beside them tell of one build, not of what is in a package."""


def bom(source, out, files):
    """The bill of materials of packages (paths), for ``source``; the tool is CycloneDX's own library."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / ("xenmeter-%s.cdx.json" % source.version)
    packages = {file.name: str(file) for file in files if file.suffix in PACKAGES}      # one source archive is in two folders
    subprocess.run([provision.python_of("bom"), str(pathlib.Path(__file__).with_name("bom.py")), source.version,
                    str(source.epoch), str(path)] + [packages[name] for name in sorted(packages)], check=True)
    return [path]


#: In the folder of a kind: the commit, and the names of its packages.
MARK = ".commit"
MAKERS = {"sdist": sdist, "wheel": wheels, "deb": deb, "rpm": rpm, "pyz": pyz, "xcp-ng": xcp_ng}
KINDS = tuple(MAKERS) + ("bom",)


def mark(folder, of, files):
    """Keeps what the packages in a folder are of: a commit, and a release of Debian."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).write_text("\n".join([of, *(path.name for path in files)]) + "\n")


def marked(folder, of):
    """The packages that lie in a folder, where they are all there and of this commit and release; else None."""
    try:
        kept, *names = (folder / MARK).read_text().splitlines()
    except (OSError, ValueError):
        return None
    files = [folder / name for name in names]
    return files if kept == of and files and all(path.is_file() for path in files) else None


def build(kinds, ref, out, version=None, say=lambda text: None, tested=True, wanted=None):
    """Builds the kinds asked for; kind -> files. "bom" is of those that are built in the same run.

    :param wanted: the release of Debian on which; this machine's unless told.
    :param tested: run the tests that are a part of the Debian packages' and the RPMs' builds; the packages are the same without,
        and those that a run before has left of this commit are taken as they are.
    """
    of = "%s/%s" % (git("rev-parse", ref), wanted or release())
    built = {kind: None if tested or version else marked(out / kind, of) for kind in MAKERS if kind in kinds}
    how = {} if tested else {"deb": {"options": "nocheck"}, "rpm": {"tested": False}}
    with tempfile.TemporaryDirectory(prefix="xenmeter-packages.") as folder:
        source = Source(ref, pathlib.Path(folder, "tree"), version)
        if "bom" in kinds:
            provision.ensure("bom")     # first: what cannot be had is said before minutes of work
        missing = [kind for kind, files in built.items() if files is None]
        if missing:
            say("xenmeter %s of commit %s, in a fresh system (%s)" % (source.version, git("rev-parse", "--short", ref),
                                                                    wanted or release()))
            with chroot.fresh(chroot.name_of("packages", wanted), BUILD_NEEDS + CHECK_NEEDS, wanted=wanted) as system:
                for kind in missing:
                    say("making %s" % kind)
                    built[kind] = MAKERS[kind](source, out / kind, system, **how.get(kind, {}))
                    if version is None:
                        mark(out / kind, of, built[kind])
        if "bom" in kinds:
            say("making bom, the bill of materials")
            built["bom"] = bom(source, out / "bom", [path for files in built.values() for path in files])
    return built


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--ref", default="HEAD", help="the commit to build (default: HEAD)")
    parser.add_argument("--out", type=pathlib.Path, help="where to put them (default: build/packages; of another release than "
                        "this machine's build/packages-NAME)")
    parser.add_argument("--release", metavar="NAME", help="the release of Debian on which they are built, and for "
                        "which the Debian packages are: bookworm, trixie (default: this machine's)")
    parser.add_argument("--untested", action="store_true", help="without the tests of the packages' own builds; what "
                        "lies in --out of the same commit is not built again")
    parser.add_argument("kinds", nargs="*", metavar="KIND", help="of %s (default: all)" % ", ".join(KINDS))
    options = parser.parse_args()
    unknown = set(options.kinds) - set(KINDS)
    if unknown:
        parser.error("no such kind: %s" % ", ".join(sorted(unknown)))
    try:
        chroot.must_be_possible()
        if git("status", "--porcelain", "--untracked-files=no"):
            print("packages: from %s; what is changed and not committed is not in them" % options.ref, file=sys.stderr)
        out = options.out or provision.BUILD / chroot.name_of("packages", options.release)
        built = build(options.kinds or KINDS, options.ref, out, tested=not options.untested, wanted=options.release,
                      say=lambda text: print("packages:", text, file=sys.stderr, flush=True))
    except (ProvisionError, RuntimeError, subprocess.CalledProcessError) as error:
        print("packages:", error, file=sys.stderr)
        return 1
    for files in built.values():
        for path in files:
            print(os.path.relpath(str(path)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
