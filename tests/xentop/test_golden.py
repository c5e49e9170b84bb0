"""Each case of fixtures/xentop through the command, in every format, equals the expected output beside it.

A new case is a new folder. `make golden` writes the expected files anew; the difference is for a person to read.
The figures behind them are checked against another reading of the same text in test_captures.
"""

import pytest

from xenmeter.front.cli import main

from helpers import golden, xentop_cases as cases

GOLDEN = [name for name in cases.CASES if name != "credit2-2pcpu-pipe-tty"]


#: Cases with all formats; the others have those in which each figure stands once.
RICH = ("joined", "oddnames-fnxv", "fnxv-15domu", "direct-")


def forms(case):
    if is_big(case):
        return ("json", "influx")
    return tuple(golden.FORMATS) if any(word in case for word in RICH) else ("json", "influx", "csv")


def is_big(case):
    return cases.source(case).suffix == ".gz"


@pytest.mark.parametrize("case, form", [(case, form) for case in GOLDEN for form in forms(case)])
def test_golden(case, form, capsysbinary, monkeypatch, request):
    monkeypatch.setenv("COLLECTD_HOSTNAME", "golden")
    interval = str(cases.about(case)["interval_s"])
    status = main(["xentop", "--source", str(cases.source(case)), "--format", form, "--interval", interval,
                   "--start", "2026-01-01T00:00:00Z", *cases.about(case).get("options", ())])
    out, err = capsysbinary.readouterr()
    assert (status, err) == (0, b"")
    path = cases.FIXTURES / case / ("expected." + golden.FORMATS[form] + (".gz" if is_big(case) else ""))
    golden.compare(golden.figures(out), path, request.config)
