"""CSV in the hands of rrdtool and R, by the very commands that the README shows (recipes/)."""
import csv
import io
import pathlib
import subprocess

import pytest

from helpers.stage import FIXTURES, domain, iteration, xenmeter
from tools import daemons, provision

pytestmark = pytest.mark.daemon

RECIPES = pathlib.Path(__file__).resolve().parent / "recipes"
START = 1795192500


def csv_of(tmp_path, source, *arguments):
    ran = xenmeter("xentop", "--format", "csv", "--csv-time", "epoch", "--source", source, *arguments)
    assert (ran.returncode, ran.stderr) == (0, "")
    (tmp_path / "xentop.csv").write_text(ran.stdout)
    return list(csv.DictReader(io.StringIO(ran.stdout)))


def test_rrdtool_keeps_what_the_csv_says(tmp_path):
    steps = [b"".join(iteration([domain(b"web1", 100 + 3 * step, 30.0), domain(b"Domain-0", 900 + step)])
                      for step in range(6))]
    (tmp_path / "capture.txt").write_bytes(steps[0])
    rows = csv_of(tmp_path, tmp_path / "capture.txt", "--start", START, "--interval", "10")
    assert [row["time"] for row in rows if row["name"] == "web1"] == ["%d.000" % (START + 10 * n) for n in range(6)]
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "rrdtool").symlink_to(provision.program("rrdtool", "usr/bin/rrdtool"))
    environment = provision.environment("rrdtool")
    environment["PATH"] = "%s:%s" % (tmp_path / "bin", environment["PATH"])
    ran = subprocess.run([str(RECIPES / "rrdtool.sh"), "xentop.csv", "web1"], cwd=str(tmp_path), env=environment,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    fetched = daemons.rrdtool("fetch", tmp_path / "web1.rrd", "AVERAGE", "--start", START, "--end", START + 40)
    found = {}
    for line in fetched.stdout.splitlines():
        if ":" in line:
            stamp, _, numbers = line.partition(":")
            found[int(stamp)] = [float(number) for number in numbers.split()]
    assert fetched.stdout.split()[:2] == ["cpu_seconds", "mem_bytes"]
    for stamp in range(START + 10, START + 50, 10):
        assert found[stamp] == pytest.approx([0.3, 131072 * 1024])


def test_r_reads_numbers_as_numbers_and_unknown_as_na(tmp_path):
    text = iteration([domain(b"NA", 5, 1.5), domain(b"a,b \"c\"", 7, 2.5), domain(b"Domain-0", 9)])
    text = text.replace(b"     132096       3.1", b"   no limit       n/a", 1)
    (tmp_path / "capture.txt").write_bytes(text * 3)
    rows = csv_of(tmp_path, tmp_path / "capture.txt", "--start", START, "--interval", "10")
    code = (RECIPES / "r.R").read_text() + """
texts <- names(xentop)[!sapply(xentop, is.numeric) & !sapply(xentop, function(column) all(is.na(column)))]
cat("texts:", texts, "\\n")
cat("rows:", nrow(xentop), "columns:", ncol(xentop), "\\n")
cat("unknown rates:", sum(is.na(xentop$cpu_percent)), "limits:", sum(is.na(xentop$max_mem_bytes)), "\\n")
cat("names:", sum(is.na(xentop$name)), sum(xentop$name == "NA"), "\\n")
cat("times:", format(unique(xentop$time), digits = 15), "\\n")
cat("memory:", format(sum(xentop$mem_bytes), digits = 15), "\\n")
"""
    ran = daemons.r_script(code, cwd=str(tmp_path))
    assert ran.returncode == 0, ran.stderr
    said = dict(line.split(": ", 1) for line in ran.stdout.splitlines() if ": " in line)
    assert said["texts"].split() == ["name", "state"]
    assert said["rows"].split()[0] == "9" and said["rows"].split()[-1] == str(len(rows[0]))
    assert said["unknown rates"].split()[0] == "3" and said["unknown rates"].split()[-1] == "3"
    assert said["names"].split() == ["0", "3"]
    assert said["times"].split() == [str(START), str(START + 10), str(START + 20)]
    assert said["memory"].strip() == str(9 * 131072 * 1024)
    averages = ran.stdout[:ran.stdout.index("texts:")]
    assert "cpu_percent" in averages and "2.5" in averages and averages.count("\n") == 4


def test_r_reads_a_real_host(tmp_path):
    rows = csv_of(tmp_path, FIXTURES / "credit2-2pcpu-joined-b-d1-i3-fnxvr")
    ran = daemons.r_script((RECIPES / "r.R").read_text() + 'cat("cpu:", sum(xentop$cpu_seconds), nrow(xentop), "\\n")\n'
                           'cat("uuid:", sum(nchar(as.character(xentop$uuid)) == 36), "\\n")', cwd=str(tmp_path))
    assert ran.returncode == 0, ran.stderr
    assert "cpu: %d %d " % (sum(int(row["cpu_seconds"]) for row in rows), len(rows)) in ran.stdout
    assert "uuid: %d " % len(rows) in ran.stdout
