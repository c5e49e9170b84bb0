"""`--textfile` goes on for years: through a full disk, a directory that is away for a moment, a boot without xenstored."""
import shutil
import subprocess

import pytest

from helpers.stage import Running, xenmeter

pytestmark = pytest.mark.daemon


@pytest.fixture()
def small(tmp_path):
    """A directory with room for 24 KiB: the meter's figures fit, those of all domains beside the last ones do not."""
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24k", "tmpfs", str(place)], check=True)
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def up(path):
    """What it says of the source: 1 with figures of domains, 0 without; a file that says 1 without is what must not be."""
    try:
        text = path.read_text()
    except OSError:
        return None
    said = "xenmeter_up{plugin=\"xentop\"} 1" in text
    assert said == ("xen_domain_cpu_seconds_total{" in text), text[:300]
    return int(said)


def fill(place):
    with open(str(place / "filler"), "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass


def test_a_full_disk_keeps_the_old_figures_then_says_that_it_is_down_and_recovers(small, xentop):
    path = small / "x.prom"
    fill(small)
    with Running("xentop", "--source", "xentop", "--interval", "1", "--textfile", path, path=xentop.path) as running:
        running.wait_for(lambda: b"No space left on device" in running.err)
        (small / "filler").unlink()
        subprocess.run(["mount", "-o", "remount,size=1m", str(small)], check=True)
        running.wait_for(lambda: up(path) == 1, what="figures")
        fill(small)
        running.wait_for(lambda: up(path) == 0, what="that they are old")
        (small / "filler").unlink()
        running.wait_for(lambda: up(path) == 1, what="figures again")
        assert running.process.poll() is None
        running.process.terminate()
        assert running.wait_end(10) == 0
    line, = running.err.decode().splitlines()
    assert line == ("xenmeter: cannot write %s: No space left on device; check the directory %s; it is tried again at each "
                    "interval" % (path, small))
    assert list(small.iterdir()) == []


def test_a_directory_that_is_away_for_a_moment(tmp_path, xentop):
    path = tmp_path / "textfiles" / "x.prom"
    path.parent.mkdir()
    with Running("xentop", "--source", "xentop", "--interval", "1", "--textfile", path, path=xentop.path) as running:
        running.wait_for(lambda: up(path) == 1)
        shutil.rmtree(str(path.parent))
        running.wait_for(lambda: b"create the directory" in running.err)
        path.parent.mkdir()
        running.wait_for(lambda: up(path) == 1)
        running.process.terminate()
        assert running.wait_end(10) == 0
    assert running.err.count(b"\n") == 1 and not path.exists()


def test_before_xenstored_is_up_it_waits_and_says_that_it_is_down(tmp_path, xentop):
    xentop.fault("no-xenstore")
    path = tmp_path / "x.prom"
    with Running("xentop", "--source", "xentop", "--interval", "1", "--textfile", path, path=xentop.path) as running:
        running.wait_for(lambda: up(path) == 0)
        assert running.process.poll() is None
        xentop.fault("")
        running.wait_for(lambda: up(path) == 1)
        running.process.terminate()
        assert running.wait_end(10) == 0
    line, = running.err.decode().splitlines()
    assert "finds no Xen here" in line


def test_with_a_count_it_ends_and_says_why(tmp_path, xentop):
    """As cron runs it."""
    xentop.fault("no-xenstore")
    ran = xenmeter("xentop", "--source", "xentop", "--textfile", tmp_path / "x.prom", "--count", "1", path=xentop.path)
    assert ran.returncode == 1 and ran.stderr.count("\n") == 1 and up(tmp_path / "x.prom") == 0


def test_what_can_never_be_is_said_at_once(tmp_path, xentop):
    ran = xenmeter("xentop", "--source", "xentop", "--textfile", tmp_path / "none" / "x.prom", path=xentop.path)
    assert ran.returncode == 1 and "create the directory %s first" % (tmp_path / "none") in ran.stderr
    ran = xenmeter("xentop", "--source", "example", "--textfile", tmp_path / "x.prom", "--format", "csv")
    assert ran.returncode == 2 and "a textfile is in Prometheus' text form; leave --format out" in ran.stderr
    ran = xenmeter("xentop", "--source", "example", "--textfile", tmp_path / "x.txt", "--format", "prometheus")
    assert ran.returncode == 0 and "node_exporter reads only files whose names end in .prom" in ran.stderr
    assert up(tmp_path / "x.txt") == 1


def test_a_recording_whose_last_sample_finds_no_room_is_a_failure(small):
    fill(small)
    ran = xenmeter("xentop", "--source", "example", "--textfile", small / "x.prom")
    assert ran.returncode == 1 and ran.stderr.splitlines()[-1].startswith(
        "xenmeter: the last sample is not in the file: cannot write %s: No space left" % (small / "x.prom"))
