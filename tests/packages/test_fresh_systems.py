"""What says that packages cannot be built here does so at the start, with a way out."""
import os
import subprocess

import pytest

import build
from helpers.paths import TOP
from tools import chroot
from tools.debian import ProvisionError

pytestmark = pytest.mark.xdist_group("packages: system")


def test_it_is_possible_here():
    chroot.must_be_possible()


def test_nobody_but_root(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(ProvisionError, match="needs root"):
        chroot.must_be_possible()


def test_in_a_chroot_whose_root_is_no_mount_point(tmp_path):
    """A real one: this machine's folders in a plain folder. Its own Python will do, and is there for sure."""
    script = ("set -e; mount -t tmpfs none %(root)s; root=%(root)s/plain; mkdir $root\n"
              "for name in bin sbin lib lib64 usr etc dev proc root home opt tmp; do\n"
              "    if [ -e /$name ]; then mkdir $root/$name; mount --rbind /$name $root/$name; fi\n"
              "done\n"
              "if [ ! -e $root%(top)s ]; then mkdir -p $root%(top)s; mount --rbind %(top)s $root%(top)s; fi\n"
              "exec chroot $root /usr/bin/python3 %(top)s/packaging/tools/build.py wheel\n") % {"root": tmp_path, "top": TOP}
    ran = subprocess.run(["unshare", "--mount", "sh", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                         timeout=120)
    last = ran.stderr.strip().splitlines()[-1]
    assert ran.returncode == 1 and last.startswith("packages: nothing can be mounted here (unshare: "), ran.stderr
    assert "mount --bind ROOT ROOT" in last and ran.stdout == ""


def test_it_says_what_it_is_doing(source, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(build, "MAKERS", {"sdist": lambda *words: [], "deb": lambda *words: []})
    build.build(["deb"], "HEAD", tmp_path, say=said.append)
    assert len(said) == 2 and source.version in said[0] and said[1] == "making deb"
