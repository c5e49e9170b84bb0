"""Each case of fixtures/xentop through the command, in every format, equals the expected output beside it.

A new case is a new folder. `make golden` writes the expected files anew; the difference is for a person to read.
The figures behind them are checked against another reading of the same text in test_captures.
"""
import gzip
import re

import pytest

from xenmeter.front.cli import main

from . import cases

FORMATS = {"json": "jsonl", "influx": "influx", "csv": "csv", "prometheus": "prom", "openmetrics": "openmetrics",
           "collectd": "putval", "table": "table.txt"}
#: The meter's own figures are times of this machine.
OWN = re.compile(rb"^(?:xenmeter|# \w+ xenmeter|PUTVAL \"golden/xentop-xenmeter/).*\n", re.MULTILINE)
GOLDEN = [name for name in cases.CASES if name != "credit2-2pcpu-pipe-tty"]


#: Cases with all formats; the others have those in which each figure stands once.
RICH = ("joined", "oddnames-fnxv", "fnxv-15domu", "direct-")


def forms(case):
    if is_big(case):
        return ("json", "influx")
    return tuple(FORMATS) if any(word in case for word in RICH) else ("json", "influx", "csv")


def is_big(case):
    return cases.source(case).suffix == ".gz"


@pytest.mark.parametrize("case, form", [(case, form) for case in GOLDEN for form in forms(case)])
def test_golden(case, form, capsysbinary, monkeypatch, request):
    monkeypatch.setenv("COLLECTD_HOSTNAME", "golden")
    interval = str(cases.about(case)["interval_s"])
    status = main(["xentop", "--source", str(cases.source(case)), "--format", form, "--interval", interval,
                   "--start", "2026-01-01T00:00:00Z"])
    out, err = capsysbinary.readouterr()
    assert (status, err) == (0, b"")
    found = OWN.sub(b"", out)
    path = cases.FIXTURES / case / ("expected." + FORMATS[form] + (".gz" if is_big(case) else ""))
    if request.config.getoption("--update-golden"):
        path.write_bytes(gzip.compress(found, 9, mtime=0) if is_big(case) else found)
    expected = path.read_bytes()
    assert found == (gzip.decompress(expected) if is_big(case) else expected)
