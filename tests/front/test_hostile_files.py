"""Files that people are given, and links that others lay: one clear line, and nothing is written through them."""
import json
import os
import subprocess

import pytest

from xenmeter.core.errors import SourceError
from xenmeter.core.recording import open_recording
from xenmeter.front.recorder import Recorder
from xenmeter.front.report.csvlog import of_csv
from xenmeter.front.screen.logs import Logs
from xenmeter.xentrace.baker import rings

NOBODY = 65534
ROOT = os.geteuid() == 0


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "x" * 300])
def test_a_manifest_names_what_no_file_can_be_called(tmp_path, name):
    (tmp_path / "manifest.json").write_text(json.dumps({
        "format": "xenmeter-recording", "version": 1, "sources": {"xentop": {"file": name}}}))
    recording = open_recording(str(tmp_path))
    with pytest.raises(SourceError) as told:
        recording.open(recording.source("xentop")["file"])
    str(told.value).encode("utf-8")
    assert "\n" not in str(told.value) and "\0" not in str(told.value)


@pytest.mark.parametrize("lay", [lambda path: os.mkfifo(path), lambda path: os.symlink("../secret", path),
                                 lambda path: os.symlink("/dev/zero", path), lambda path: os.mkdir(path)])
@pytest.mark.parametrize("spoilt", ["manifest.json", "xentop.txt", "xentop.stamps"])
def test_what_lies_in_a_recording_and_is_no_file_of_its_own(tmp_path, lay, spoilt):
    """Whoever packed it chose what: it is not waited for, and what a link leads to is not read."""
    folder = tmp_path / "recording"
    folder.mkdir()
    (tmp_path / "secret").write_text("1\n")
    (folder / "manifest.json").write_text(json.dumps({"format": "xenmeter-recording", "version": 1, "sources": {
        "xentop": {"file": "xentop.txt", "stamps": "xentop.stamps"}}}))
    for name in ("xentop.txt", "xentop.stamps"):
        (folder / name).write_text("1\n")
    (folder / spoilt).unlink()
    lay(str(folder / spoilt))
    with pytest.raises(SourceError, match="it is a link or no regular file, and a recording's files are its own"):
        recording = open_recording(str(folder))
        source = recording.source("xentop")
        recording.open(source["file"]).close()
        recording.stamps(source)


@pytest.mark.parametrize("text", ["[" * 100000, '{"a":' * 100000, '"' + "x" * (2 << 20), "9" * 5000])
def test_a_manifest_without_an_end(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(SourceError, match="manifest.json is no JSON"):
        open_recording(str(tmp_path))


@pytest.mark.parametrize("lay", [lambda path: os.mkfifo(path), lambda path: os.symlink("/dev/zero", path),
                                 lambda path: os.mkdir(path)])
def test_a_bakers_state_that_is_none_is_not_read(tmp_path, lay):
    """Beside a shared file in a directory of others anything may lie under its name."""
    lay(str(tmp_path / "baker.state"))
    assert rings._read_state(str(tmp_path / "baker.state")) is None


def test_a_csv_with_an_endless_field():
    for lines in (["a" * 140000 + ",domain"], ["time,domain,length_ns", "a" * 140000]):
        with pytest.raises(SourceError):
            of_csv(lines, "x.csv", {})


@pytest.fixture(name="small")
def _small(tmp_path):
    if not ROOT or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(tmp_path)],
                                  stderr=subprocess.PIPE).returncode:
        pytest.skip("a small file system can be mounted by root alone")
    yield tmp_path
    subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def test_logs_on_a_full_disk(small):
    logs = Logs(str(small / "host"), 10 ** 9)
    with open(str(small / "filling"), "wb", 0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    with pytest.raises(SourceError, match="No space left on device"):
        logs.close()


@pytest.mark.skipif(not ROOT, reason="only root can give a link away")
def test_logs_and_recordings_do_not_go_through_links_of_others(tmp_path):
    (tmp_path / "secret").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    os.chown(str(tmp_path / "link"), NOBODY, -1, follow_symlinks=False)
    with pytest.raises(SourceError, match="root does not follow it"):
        Logs(str(tmp_path / "link" / "host"), 10 ** 9)
    with pytest.raises(SourceError, match="root does not follow it"):
        Recorder(str(tmp_path / "link" / "recording"), 1)
    assert os.listdir(str(tmp_path / "secret")) == []


def test_a_log_whose_name_somebody_has_linked_is_a_new_file(tmp_path):
    (tmp_path / "victim").write_text("mine")
    (tmp_path / "host.csv").symlink_to(tmp_path / "victim")
    Logs(str(tmp_path / "host"), 10 ** 9).close()
    assert (tmp_path / "victim").read_text() == "mine" and not (tmp_path / "host.csv").is_symlink()
