"""A figure of 2^63 and more was never counted: it is absent in every form that we publish, and told in the errors."""
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenmeter.core.reading import IMPOSSIBLE, Reading, possible
from xenmeter.front.cli import main
from xenmeter.xentop.text.encode import encode
from xenmeter.xentop.text.records import Iteration, Net, Vbd

from helpers.xentop_rows import row

BYTES = 2 ** 64 - 2 ** 31       # an int of 32 bits with a sign, as 64 bits read it
FORMS = ("influx", "openmetrics", "prometheus", "collectd", "csv", "json", "table")


@pytest.fixture
def played(tmp_path, capsysbinary, monkeypatch):
    monkeypatch.setenv("COLLECTD_HOSTNAME", "host")

    def play(form, *rows):
        path = tmp_path / "xentop.txt"
        path.write_bytes(encode(Iteration([row(b"Domain-0")] + list(rows))))
        assert main(["xentop", "--source", str(path), "--format", form, "--start", "0"]) == 0
        return capsysbinary.readouterr().out.decode()
    return play


@pytest.mark.parametrize("form", FORMS)
def test_sectors_are_absent_in_every_form_and_the_rest_is_there(played, form):
    told = played(form, row(b"bigdb1", nets=[Net(0, 5, 1, 0, 0, 77, 1, 0, 0)],
                            disks=[Vbd("BlkBack", 51712, 0, 123456789, 3000000, BYTES, 9000000)]))
    assert not any(number in told for number in (str(BYTES), str(BYTES * 512), str(float(BYTES)), "8.0 EiB", "8192.0 EiB"))
    assert "123456789" in told      # the requests


@pytest.mark.parametrize("form, known", [
    ("influx", "xen_vbd,domain=bigdb1,type=BlkBack,vbd=xvda read_requests=123456789i,write_requests=3000000i,"
               "write_bytes=4608000000i,out_of_requests=0i 0\n"),
    ("openmetrics", 'xen_vbd_write_bytes_total{domain="bigdb1",vbd="xvda"} 4608000000\n'),
    ("collectd", "/xentop-bigdb1/disk_ops-xvda\" interval=10 0.000:123456789:3000000\n")])
def test_what_is_beside_it(played, form, known):
    told = played(form, row(b"bigdb1", disks=[Vbd("BlkBack", 51712, 0, 123456789, 3000000, BYTES, 9000000)]))
    assert known in told
    assert "disk_octets" not in told.partition("bigdb1")[2]     # a list of collectd's is whole or not there
    if form != "collectd":
        assert "counter_impossible" in told


def test_in_the_mirrors_it_is_null_and_empty(played):
    disk = Vbd("BlkBack", 51712, 0, 5, 6, BYTES, 1 << 54)
    big = row(b"bigdb1", nets=[Net(0, 2 ** 63, 1, 0, 0, 2 ** 63 - 1, 1, 0, 0)], disks=[disk], vcpu=((0, 2 ** 63),))
    domain = json.loads(played("json", big))["domains"][1]
    assert domain["vbd_rsect"] is None and domain["vbd_wsect"] is None and domain["vbd_rd"] == 5
    assert domain["networks"][0]["rx_bytes"] is None and domain["networks"][0]["tx_bytes"] == 2 ** 63 - 1
    assert domain["vbd_devices"][0]["rsect"] is None and domain["vbd_devices"][0]["rd"] == 5
    assert domain["net_rx_bytes"] is None and domain["vcpu_seconds"] == {"0": None}
    cells = dict(zip(*[line.split(",") for line in played("csv", big).splitlines()[::2]]))
    assert (cells["vbd_rsect"], cells["vbd_wsect"], cells["net_rx_bytes"]) == ("", "", "") and cells["vbd_rd"] == "5"


def test_what_is_no_counter_of_a_device(played):
    told = played("influx", row(b"old", cpu_seconds=2 ** 62, mem_kib=2 ** 62))
    assert "cpu_time_ns" not in told.partition("domain=old")[2].partition(" 0\n")[0]
    assert "memory_bytes" not in told.partition("domain=old")[2].partition(" 0\n")[0]
    assert "kind=impossible,plugin=xentop errors=2i" in told


VALUES = st.lists(st.one_of(st.none(), st.integers(-2 ** 65, 2 ** 65), st.sampled_from([IMPOSSIBLE, IMPOSSIBLE - 1]),
                            st.integers(0, 5)), max_size=5).map(tuple)


@given(st.lists(VALUES, max_size=5))
def test_readings(rows):
    reading = Reading(5, {"a": [(None, ("x",), values) for values in rows], "b": [(None, (), (object(), 7, None))]})
    found, number = possible(reading)
    assert [values for _, _, values in found.tables["a"]] == [tuple(
        [value if value is not None and -IMPOSSIBLE <= value < IMPOSSIBLE else None for value in values]) for values in rows] or (
            all(value is None or value < IMPOSSIBLE for values in rows for value in values) and found is reading)
    assert found.tables["b"] == reading.tables["b"] and found.time_ns == 5
    assert number == sum(before.count(None) != after.count(None) and after.count(None) - before.count(None) for before, after in
                         zip(rows, [values for _, _, values in found.tables["a"]]))
