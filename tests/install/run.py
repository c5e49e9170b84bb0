#!/usr/bin/env python3
"""`make install-matrix`: each form of package tried where it will live, as far as this machine can be made such a place.

    python3 tests/install/run.py                            # all; half an hour and more, as root; writes packaging/INSTALLED.md
    python3 tests/install/run.py debian-trixie openrc       # some places; the page's other rows stay
    python3 tests/install/run.py --packages FOLDER          # with packages that are built already: FOLDER/bookworm, FOLDER/trixie

The packages are those of the last commit, built on each release that they are tried on; an older commit's are there to be
upgraded. Needs root. The status is 0 when nothing failed; what cannot be had here is a row that says so.
"""
import argparse
import contextlib
import datetime
import os
import pathlib
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]
if not __package__:
    sys.path[:1] = [str(TOP / "tests"), str(TOP / "packaging" / "tools"), str(TOP / "plugins")]

import build    # noqa: E402
from install import debians, musl, one_file, openrc, xcpng  # noqa: E402
from install.rows import Rows  # noqa: E402
from tools import chroot, provision     # noqa: E402
from tools.debian import ProvisionError     # noqa: E402

RELEASES = ("bookworm", "trixie")
PAGE = TOP / "packaging" / "INSTALLED.md"
BEGIN, END = "<!-- make install-matrix writes from here -->\n", "<!-- to here -->\n"
#: The commit whose packages are the older ones, of before the bundle, the one file and --install.
OLD = "bc15658"
OLD_VERSION = "0.0.9"
PLACES = ("pyz", "musl", "debian-bookworm", "debian-trixie", "openrc", "xcp-ng")


class Packages:
    """What is built, each kind once. :param folder: where; what is there already is taken as it is."""

    def __init__(self, folder, ref="HEAD"):
        self.folder, self.ref = pathlib.Path(folder), ref

    def kind(self, kind, release=RELEASES[0], ref=None, version=None):
        """Paths of one kind, built on a release; of another commit under another version."""
        where = self.folder / (release + ("-old" if ref else ""))
        if not (where / kind).is_dir():
            try:
                build.build([kind], ref or self.ref, where, version=version, say=provision._say, tested=False, wanted=release)
            except subprocess.CalledProcessError as error:
                raise ProvisionError("no packages of %s: %s" % (ref or self.ref, error)) from error
        return sorted((where / kind).iterdir())

    def one(self, kind, ending):
        (path,) = [path for path in self.kind(kind) if path.name.endswith(ending)]
        return path


def try_place(rows, place, packages):
    """All the rows of one place."""
    if place == "pyz":
        one_file.of_this_machine(rows, packages.one("pyz", ".pyz"))
        for release in one_file.DEBIANS:
            one_file.of_debian(rows, packages.one("pyz", ".pyz"), release)
    elif place == "musl":
        musl.tried(rows, packages.one("pyz", ".pyz"))
    elif place == "openrc":
        openrc.tried(rows, RELEASES[-1], packages.kind("deb", RELEASES[-1]))
    elif place == "xcp-ng":
        xcpng.tried(rows, packages.one("xcp-ng", ".tar.gz"), packages.one("xcp-ng", ".rpm"), packages.kind("wheel")[0].parent)
    else:
        release = place.partition("-")[2]
        debians.tried(rows, release, packages.kind("deb", release), packages.one("pyz", ".pyz"),
                      lambda: packages.kind("deb", release, OLD, OLD_VERSION), OLD)


def write(page, rows, when):
    """Puts the rows into the page's table, between its marks."""
    before, rest = page.read_text().split(BEGIN)
    known, after = rest.split(END)
    page.write_text(before + BEGIN + rows.table(when, known) + END + after)


def main(argv=None):
    """Exit status 0 nothing failed, 1 something did or cannot be begun."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--packages", type=pathlib.Path, metavar="FOLDER",
                        help="keep what is built there, and take what is there")
    parser.add_argument("--ref", default="HEAD", help="the commit (HEAD)")
    parser.add_argument("places", nargs="*", metavar="PLACE", help="some of: %s (all)" % ", ".join(PLACES))
    options = parser.parse_args(argv)
    unknown = [place for place in options.places if place not in PLACES]
    if unknown:
        parser.error("no such place: %s; there are %s" % (unknown[0], ", ".join(PLACES)))
    rows = Rows(say=provision._say)
    with contextlib.ExitStack() as kept:
        folder = options.packages or kept.enter_context(tempfile.TemporaryDirectory(prefix="xenmeter-matrix."))
        try:
            chroot.must_be_possible()
            for place in options.places or PLACES:
                try_place(rows, place, Packages(folder, options.ref))
        except ProvisionError as error:
            provision._say(str(error))
            return 1
    when = "%s, %s" % (datetime.date.today(), build.git("rev-parse", "--short", options.ref))
    print(rows.table(when), end="")
    write(PAGE, rows, when)
    print("written: " + os.path.relpath(str(PAGE)))
    return int(bool(rows.failed))


if __name__ == "__main__":
    sys.exit(main())
