"""Each case of fixtures/vcpu through the command, in every format, equals the expected output beside it.

``input.jsonl`` is a recording; ``pages.txt`` holds statistics pages as the hypervisor writes them, in hexadecimal, and
``expected.json`` what they say. A new case is a new folder. `make golden` writes the expected files anew.
"""
import json
import pathlib

import pytest
from helpers import golden
from helpers.pages import Memory

from xenmeter.core.errors import BadInput
from xenmeter.front.cli import main
from xenmeter.vcpu import compiled
from xenmeter.vcpu.page import PageReader

FIXTURES = pathlib.Path(__file__).resolve().parents[2] / "fixtures" / "vcpu"
CASES = sorted(path.name for path in FIXTURES.iterdir() if path.is_dir())
RECORDINGS = [name for name in CASES if (FIXTURES / name / "input.jsonl").exists()]
PAGES = [name for name in CASES if (FIXTURES / name / "pages.txt").exists()]


@pytest.mark.parametrize("case, form", [(case, form) for case in RECORDINGS for form in golden.FORMATS])
def test_recording(case, form, capsysbinary, monkeypatch, request):
    monkeypatch.setenv("COLLECTD_HOSTNAME", "golden")
    status = main(["vcpu", "--source", str(FIXTURES / case / "input.jsonl"), "--format", form])
    out, err = capsysbinary.readouterr()
    assert (status, err) == (0, b"")
    golden.compare(golden.figures(out), FIXTURES / case / ("expected." + golden.FORMATS[form]), request.config)


def pages(case):
    """Name, number of vCPUs and bytes of each page; lines of zeros are left out of the text."""
    for block in (FIXTURES / case / "pages.txt").read_text().split("\n\n"):
        lines = [line for line in block.splitlines() if not line.startswith("#")]
        name, vcpus, size = lines[0].split()
        data = bytearray(int(size))
        for line in lines[1:]:
            at, _, words = line.partition(":")
            found = bytes.fromhex(words.replace(" ", ""))
            data[int(at, 16):int(at, 16) + len(found)] = found
        yield name, int(vcpus), bytes(data)


@pytest.mark.parametrize("case", PAGES)
def test_pages(case, compiled_read, request):
    found = {}
    for name, vcpus, data in pages(case):
        try:
            said = PageReader(memoryview(data), vcpus).read()
        except BadInput as error:
            found[name] = str(error)
            continue
        memory = Memory(data, vcpus)
        plan = compiled.Plan(compiled_read, [memory])
        plan.read()
        assert plan.said(0) == said, name
        found[name] = [list(counters) for counters in said]
    golden.compare((json.dumps(found, indent=1) + "\n").encode(), FIXTURES / case / "expected.json", request.config)
