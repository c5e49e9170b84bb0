"""Traces of fixtures/xentrace through the commands, in every format, equal the expected output beside them.

A case with a listing of xenstore is played as a recording with its names. `make golden` writes the expected files anew; the
difference is for a person to read. The figures behind them are checked against xenalyze's in test_captures.
"""

import pytest

from helpers import golden
from helpers.captures import capture, khz_of
from helpers.paths import TRACES
from xenmeter.front.cli import main

FEW = ("json", "influx", "csv", "openmetrics", "collectd")
#: Case -> what is asked for besides, and in which forms. Together: names, vCPUs, losses, slices, caps, births and ends, power.
CASES = {"narrow-steady": ([], tuple(golden.FORMATS)), "alloc-steady": (["--allocation"], FEW),
         "loss-sched-churn": (["--per-vcpu"], FEW), "narrow-churn": ([], FEW), "cap20": (["--causes", "4"], FEW),
         "power": ([], FEW),
         "xen-4_14-narrow": ([], ("json", "influx")), "xen-4_20-narrow": ([], ("json", "influx")),
         "xen-4_14-alloc": (["--allocation"], ("json", "influx")), "xen-4_20-alloc": (["--allocation"], ("json", "influx")),
         "xen-4_20-pvh": (["--per-vcpu"], ("json", "influx"))}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("golden")

    def path_of(case):
        place = folder / case
        if not place.exists():
            place.mkdir()
            (place / "trace.bin").write_bytes(capture(case))
        return TRACES / case if (TRACES / case / "xenstore-ls.txt").exists() else place / "trace.bin"
    return path_of


#: What is said on stderr: of xentrace's own capture two records do not fit, in a time in which others were lost.
DOUBTS = {"loss-sched-churn": b"xenmeter: anomalies: 2 records that contradict those before them; what they touch is unknown\n"}


@pytest.mark.parametrize("case, form", [(case, form) for case in CASES for form in CASES[case][1]])
def test_golden(case, form, source, capsysbinary, monkeypatch, request):
    monkeypatch.setenv("COLLECTD_HOSTNAME", "golden")
    window = "1,10" if case == "narrow-steady" and form not in ("openmetrics", "prometheus") else "4"
    status = main(["xentrace", "--window", window, "--source", str(source(case)), "--format", form,
                   "--cpu-khz", str(khz_of(case)), "--start", "2026-01-01T00:00:00Z"] + CASES[case][0])
    out, err = capsysbinary.readouterr()
    assert (status, err) == (0, DOUBTS.get(case, b""))
    golden.compare(golden.figures(out), TRACES / case / ("expected." + golden.FORMATS[form]), request.config)


@pytest.mark.parametrize("case", sorted(CASES))
def test_golden_document_of_bake(case, source, capsysbinary, request):
    assert main(["bake", str(source(case)), "--cpu-khz", str(khz_of(case)), "--window", "4"]) == 0
    out, err = capsysbinary.readouterr()
    assert err == DOUBTS.get(case, b"")
    golden.compare(out, TRACES / case / "expected.bake.json", request.config)
