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


def test_a_negative_percentage_is_absent_and_all_else_is_there(played):
    """What xentop prints in the interval in which dom0's clock was set back: -8.9, -0.7 or -0.0."""
    text = b"".join(HEAD + row(b"Domain-0", 1000 + step, dom0) + row(b"web1", 500 + step, web) for step, dom0, web in (
        (0, b"0.0", b"0.0"), (1, b"4.2", b"55.0"), (2, b"-0.7", b"-0.0"), (3, b"4.1", b"54.9")))
    found = played(text)
    assert [sample["time_ns"] for sample in found] == [0, 10 ** 10, 2 * 10 ** 10, 3 * 10 ** 10]
    assert [[one["cpu_percent"] for one in sample["domains"]] for sample in found] == [
        [None, None], [4.2, 55.0], [None, None], [4.1, 54.9]]
    assert [[one["cpu_seconds"] for one in sample["domains"]] for sample in found] == [
        [1000 + step, 500 + step] for step in range(4)]


def test_first_iterations_one_after_the_other_have_no_percentage(played, capsysbinary, tmp_path):
    """A file to which cron's `xentop -b -i 1` adds an iteration at a time: each is 0.0 % for all."""
    text = b"".join(HEAD + row(b"Domain-0", 1000 + 60 * step) + row(b"web1", 500 + 90 * step) for step in range(3))
    found = played(text)
    assert [[one["cpu_percent"] for one in sample["domains"]] for sample in found] == [[None, None]] * 3
    main(["xentop", "--source", str(tmp_path / "xentop.txt"), "--format", "influx", "--start", "0"])
    out = capsysbinary.readouterr()[0]
    assert out.count(b"cpu_time_ns=") >= 6 and b"cpu_percent" not in out and b"cpu_time_ns=680000000000i" in out


def test_a_domain_at_rest_beside_one_that_works_has_its_zero(played):
    text = b"".join(HEAD + row(b"Domain-0", 1000 + step, b"0.4") + row(b"web1", 500) for step in range(2))
    assert [one["cpu_percent"] for one in played(text)[1]["domains"]] == [0.4, 0.0]


OLD = (b"      NAME  STATE   CPU(sec) CPU(%)     MEM(k) MEM(%)  MAXMEM(k) MAXMEM(%) VCPUS NETS NETTX(k) NETRX(k) VBDS   VBD_OO   "
       b"VBD_RD   VBD_WR SSID\n"
       b"  Domain-0 -----r      22157    0.6     768768    2.3     768768       2.3     8    0        0        0    0        0   "
       b"     0        0    0\n"
       b"    guest1 --b---        236    0.0     524288   25.0     524288      25.0     1    1     7551     1447    1        0   "
       b"  6142    43020    0\n")


def test_columns_of_xen_40_are_read_and_sectors_are_absent(played, capsysbinary, tmp_path):
    """Without the lines of disks, and with them."""
    disk = b"VBD BlkBack 51712 [ca: 0]  OO:        0   RD:     6142   WR:    43020\n"
    for text, devices in ((OLD, 0), (OLD + disk, 1)):
        for sample in played(text * 2):
            dom0, guest = sample["domains"]
            assert (dom0["name"], dom0["cpu_seconds"], dom0["vbd_rd"], dom0["vbd_rsect"]) == ("Domain-0", 22157, 0, None)
            assert (guest["vbd_rd"], guest["vbd_wr"], guest["vbd_rsect"], guest["vbd_wsect"]) == (6142, 43020, None, None)
            assert guest["net_tx_bytes"] == 7551 << 10
            assert [one["rd"] for one in guest.get("vbd_devices", [])] == [6142] * devices
        main(["xentop", "--source", str(tmp_path / "xentop.txt"), "--format", "prometheus", "--start", "0"])
        out = capsysbinary.readouterr()[0].decode()
        lines = [line for line in out.splitlines() if line[:1] != "#" and ("disk" in line or "vbd" in line or "block" in line)]
        assert [line for line in lines if line.endswith(" 6142")] and not [line for line in lines if "_bytes" in line]


def test_columns_of_older_ones_are_told(tmp_path, capsysbinary):
    text = OLD.replace(b" VBDS   VBD_OO   VBD_RD   VBD_WR", b"").replace(b"0        0        0        0    0\n", b"0\n")
    (tmp_path / "xentop.txt").write_bytes(text)
    assert main(["xentop", "--source", str(tmp_path / "xentop.txt")]) == 1
    err = capsysbinary.readouterr()[1].decode()
    assert err.count("\n") == 1 and "columns of a xentop that is not known: without VBDS, VBD_OO, VBD_RD" in err


def test_the_interval_is_collectds_where_it_runs_us_and_none_is_given(tmp_path, capsysbinary, monkeypatch):
    """collectd-exec(5)."""
    (tmp_path / "xentop.txt").write_bytes(HEAD + row(b"web1", 5) + HEAD + row(b"web1", 6))
    monkeypatch.setenv("COLLECTD_INTERVAL", "60.000")
    monkeypatch.setenv("COLLECTD_HOSTNAME", "xen7")
    for words, interval in (((), 60), (("--interval", "5"), 5)):
        assert main(["xentop", "--source", str(tmp_path / "xentop.txt"), "--format", "collectd", "--start", "0", *words]) == 0
        lines = capsysbinary.readouterr()[0].decode().splitlines()
        assert lines and {line.split()[2] for line in lines} == {"interval=%d" % interval}
        assert [line.split()[3] for line in lines if "web1/virt_cpu_total" in line] == [
            "0.000:5000000000", "%d.000:6000000000" % interval]
