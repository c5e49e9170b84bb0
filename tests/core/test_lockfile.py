"""A lock that dies with its holder."""
import os
import signal
import subprocess
import sys

import pytest

from xenmeter.core import files
from xenmeter.core.errors import SourceError
from xenmeter.core.lockfile import LockFile

HOLD = "import sys; from xenmeter.core.lockfile import LockFile; lock = LockFile(sys.argv[1], ''); print(1, flush=True); input()"


def test_one_at_a_time(tmp_path):
    path = str(tmp_path / "new" / "lock")
    lock = LockFile(path, "busy")
    with pytest.raises(SourceError, match="^busy$"):
        LockFile(path, "busy")
    lock.release()
    assert not os.path.exists(path)
    LockFile(path, "busy").release()


def test_it_dies_with_its_holder(tmp_path):
    path = str(tmp_path / "lock")
    with subprocess.Popen([sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"1\n"
        with pytest.raises(SourceError):
            LockFile(path, "busy")
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        LockFile(path, "busy").release()


def test_a_file_that_goes_while_it_is_locked_is_not_the_lock(tmp_path, monkeypatch):
    """The holder before us removes it between our open and our flock."""
    path = str(tmp_path / "lock")
    real, opened = files.own, []

    def open_and_lose(*arguments):
        opened.append(real(*arguments))
        if len(opened) == 1:
            os.unlink(path)
        return opened[-1]
    monkeypatch.setattr(files, "own", open_and_lose)
    lock = LockFile(path, "busy")
    assert len(opened) == 2 and os.path.exists(path)
    lock.release()


def test_where_it_cannot_be(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SourceError, match="cannot lock"):
        LockFile(str(tmp_path / "file" / "lock"), "busy")
