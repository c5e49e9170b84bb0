"""tapdisk3's files in shared memory, where any user of dom0 may put others."""
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xenmeter.xen.tapdisk import RequestTimes, Tapdisks, encode

GOOD = encode(5, (20, 18, 40, 9000), (30, 29, 50, 8000), 2)
SAYS = ((5, 20, 30, 40, 50), RequestTimes(18, 9000000, 29, 8000000, 2))


@pytest.fixture
def shm(tmp_path):
    folder = tmp_path / "shm" / ("td3-%d" % os.getpid())
    folder.mkdir(parents=True)
    return folder


def read(shm):
    return {disk: found[:2] for disk, found in Tapdisks(str(shm.parent)).read().items()}


def test_what_it_says(shm):
    (shm / "vbd-7-51712").write_bytes(GOOD)
    (shm / "vbd-8-51728").write_bytes(GOOD + bytes(4000))
    (shm / "control").write_bytes(GOOD)
    assert read(shm) == {(7, 51712): SAYS, (8, 51728): SAYS}
    assert GOOD[:16] == bytes.fromhex("01000000 00000000 0500000000000000") and len(GOOD) == 96


def test_a_file_that_was_made_anew_is_another(shm):
    path = shm / "vbd-7-51712"
    path.write_bytes(GOOD)
    first = Tapdisks(str(shm.parent)).read()[7, 51712][2]
    path.write_bytes(GOOD)
    assert Tapdisks(str(shm.parent)).read()[7, 51712][2] == first
    path.rename(shm / "old")
    path.write_bytes(GOOD)
    assert Tapdisks(str(shm.parent)).read()[7, 51712][2] != first


def test_a_process_that_is_no_more(shm, tmp_path):
    (shm / "vbd-7-51712").write_bytes(GOOD)
    assert Tapdisks(str(shm.parent), str(tmp_path / "none")).read() == {}


def test_there_is_none(tmp_path):
    assert Tapdisks(str(tmp_path / "none")).read() == {}


def test_what_is_not_believed(shm, tmp_path):
    (tmp_path / "elsewhere").write_bytes(GOOD)
    (shm / "vbd-1-1").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(str(shm / "vbd-1-2"))
    (shm / "vbd-1-3").mkdir()
    (shm / "vbd-1-4").write_bytes(GOOD)
    (shm / "vbd-1-4").chmod(0o666)
    (shm / "vbd-1-5").write_bytes(GOOD[:-1])
    (shm / "vbd-1-6").write_bytes(encode(5, (20, 18, 40, 9000), (30, 29, 50, 8000), version=2))
    (shm / "vbd-1-7").write_bytes(encode(5, (1 << 63, 18, 40, 9000), (30, 29, 50, 8000)))
    (shm / "vbd-123456-1").write_bytes(GOOD)
    assert read(shm) == {}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_somebody_elses(shm):
    (shm / "vbd-1-1").write_bytes(GOOD)
    os.chown(str(shm / "vbd-1-1"), 1000, 1000)
    assert read(shm) == {}
    os.chown(str(shm / "vbd-1-1"), 0, 0)
    os.chown(str(shm), 1000, 1000)
    assert read(shm) == {}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_any_bytes(shm, data):
    (shm / "vbd-7-51712").write_bytes(data)
    assert set(read(shm)) <= {(7, 51712)}


def test_any_number_of_names_costs_nothing(shm, monkeypatch):
    """By what is listed and opened: a directory for each process, whoever makes how many names."""
    (shm / "vbd-7-51712").write_bytes(GOOD)
    made = {str(shm.parent / ("td3-%d" % (10 ** 8 + number))) for number in range(100)}
    for name in made:
        os.symlink("none", name)
    touched = set()
    for name in ("open", "listdir", "scandir"):
        monkeypatch.setattr(os, name, lambda path, *more, real=getattr(os, name), **named: touched.add(path) or real(
            path, *more, **named))
    assert read(shm) == {(7, 51712): SAYS}
    assert str(shm) in touched and not touched & (made | {str(shm.parent)})
