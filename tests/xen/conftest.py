"""A fake xenstored, and clients of it."""
import pytest
from fake_xenstored import FakeXenstored, host

from xenmeter.xen.xenstore import Xenstore


@pytest.fixture
def server(tmp_path):
    """A xenstored that serves a host with three guests."""
    with FakeXenstored(host(3), str(tmp_path / "socket")) as fake:
        yield fake


@pytest.fixture
def store(server):
    with Xenstore(server.path, timeout=5.0) as client:
        yield client
