"""A fake xenstored, and clients of it; the compiled part."""
import pathlib

import pytest
from helpers.fake_xenstored import FakeXenstored, host
from fuzz.objects import built
from tools.compiler import build_shared

from xenmeter.xen import compiled
from xenmeter.xen.xenstore import Xenstore

SOURCE = pathlib.Path(__file__).resolve().parents[2] / "plugins" / "xenmeter" / "xen" / "counts.c"


@pytest.fixture(scope="session")
def counts_object(tmp_path_factory):
    """The compiled reader of counters, built with the flags of setup.py, or with sanitizers (test_sanitized)."""
    return built("counts") or build_shared(SOURCE, tmp_path_factory.mktemp("counts") / "_counts.so", "-Wall", "-Wextra",
                                           "-Werror")


@pytest.fixture(scope="session")
def compiled_counts(counts_object):
    found = compiled.load(counts_object)
    assert found is not None
    return found


@pytest.fixture
def server(tmp_path):
    """A xenstored that serves a host with three guests."""
    with FakeXenstored(host(3), str(tmp_path / "socket")) as fake:
        yield fake


@pytest.fixture
def store(server):
    with Xenstore(server.path, timeout=5.0) as client:
        yield client
