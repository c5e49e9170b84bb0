"""The README's rrdtool recipe takes the domain that is named, not one whose name is the same number."""
import os
import pathlib
import subprocess

RECIPE = pathlib.Path(__file__).resolve().parent / "recipes" / "rrdtool.sh"


def test_names_are_no_numbers(tmp_path):
    (tmp_path / "rrdtool").write_text('#!/bin/sh\necho "$@" >>told\n')
    (tmp_path / "rrdtool").chmod(0o755)
    (tmp_path / "xentop.csv").write_text("time,name,uuid,domid,state,cpu_seconds,cpu_percent,mem_bytes\n"
                                         "10.0,1,,,--b---,5,,4096\n10.0,1.0,,,--b---,7,,8192\n10.0,1e0,,,--b---,9,,8192\n")
    subprocess.run([str(RECIPE), "xentop.csv", "1"], cwd=str(tmp_path), check=True,
                   env=dict(os.environ, PATH="%s:%s" % (tmp_path, os.environ["PATH"])))
    assert (tmp_path / "told").read_text().splitlines()[-1] == "update 1.rrd 10.0:5:4096"
