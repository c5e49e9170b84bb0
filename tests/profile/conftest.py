"""Programs that unpack kernels are found where the tests' tools are, on a machine that has none of its own."""
import os

import pytest

from tools import provision


@pytest.fixture(autouse=True, scope="session")
def unpackers():
    folder = os.path.dirname(provision.program("unpackers", "usr/bin/zstd"))
    before = os.environ["PATH"]
    os.environ["PATH"] = before + os.pathsep + folder
    yield
    os.environ["PATH"] = before
