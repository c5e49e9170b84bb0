"""Programs that unpack kernels are found where the tests' tools are, on a machine that has none of its own."""
import os

import pytest

from tools import provision
from xenmeter.profile.kernel import cache


@pytest.fixture(autouse=True)
def kept(tmp_path, monkeypatch):
    """Where kernels' tables are kept: not on this machine's own."""
    monkeypatch.setattr(cache, "FOLDER", str(tmp_path / "kept" / "kernels"))
    return tmp_path / "kept" / "kernels"


@pytest.fixture(autouse=True, scope="session")
def unpackers():
    folder = os.path.dirname(provision.program("unpackers", "usr/bin/zstd"))
    before = os.environ["PATH"]
    os.environ["PATH"] = before + os.pathsep + folder
    yield
    os.environ["PATH"] = before
