"""Whole texts of forms that no capture holds, through the command: what people see of them."""
import json

import pytest

from xenmeter.front.cli import main

HEAD = (b"      NAME  STATE   CPU(sec) CPU(%)     MEM(k) MEM(%)  MAXMEM(k) MAXMEM(%) VCPUS NETS NETTX(k) NETRX(k) VBDS  "
        b" VBD_OO   VBD_RD   VBD_WR  VBD_RSECT  VBD_WSECT SSID\n")
ROW = b"%10s --b--- %10d %6s    1048576    3.1    1048576       3.1 %5d    0        0        0    0        0        0        0"
ROW += b"          0          0    0\n"


@pytest.fixture
def played(tmp_path, capsysbinary):
    """The JSON of each sample that the command makes of a text, ten seconds apart."""
    def play(text, said=b"", **arguments):
        (tmp_path / "xentop.txt").write_bytes(text)
        status = main(["xentop", "--source", str(tmp_path / "xentop.txt"), "--format", "json", "--start", "0"])
        out, err = capsysbinary.readouterr()
        assert status == 0 and said in err and bool(said) == bool(err), err
        return [json.loads(line) for line in out.splitlines()]
    return play


def row(name, seconds, percent=b"0.0", vcpus=1):
    return ROW % (name, seconds, percent, vcpus)


def test_vcpus_of_which_some_are_offline(played):
    text = (HEAD + row(b"web1", 500, vcpus=12)
            + b"VCPUs(sec):   0:        100s  1:        101s  2:        102s  3:        103s  4:        104s  6:        106s  7: "
              b"       107s  8:        108s  9:        109s 11:        111s\n"
            + row(b"batch1", 60, vcpus=11) + b"VCPUs(sec): \n         10:         60s\n")
    for sample in played(text * 2):
        web, batch = sample["domains"]
        assert web["vcpu_seconds"] == {str(vcpu): 100 + vcpu for vcpu in (0, 1, 2, 3, 4, 6, 7, 8, 9, 11)}
        assert batch["vcpu_seconds"] == {"10": 60}
