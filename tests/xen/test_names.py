"""xenstore's word on the domains, where xenstored comes and goes."""
import pytest
from helpers.fake_xenstored import FakeXenstored, host

from xenmeter.core.errors import NotXen
from xenmeter.xen.names import LiveNames
from xenmeter.xen.xenstore import Xenstore


def test_xenstored_starts_later(tmp_path):
    path = str(tmp_path / "socket")
    lasting, patient = LiveNames(Xenstore(path)), LiveNames(Xenstore(path), for_good=False)
    assert lasting.snapshot() is None and patient.snapshot() is None and patient.again([3]) is None
    with FakeXenstored(host(3), path):
        assert lasting.snapshot() is None, "names are the keys, for good"
        assert b"guest-3" in {facts.name for facts in patient.snapshot().domains}


@pytest.mark.parametrize("for_good", [True, False])
def test_xenstored_goes(tmp_path, for_good):
    """That is an error, and not a host without one."""
    path = str(tmp_path / "socket")
    names = LiveNames(Xenstore(path), for_good)
    with FakeXenstored(host(3), path):
        assert names.snapshot() is not None
    for _ in range(2):
        with pytest.raises(NotXen):
            names.snapshot()
    with FakeXenstored(host(3), path):
        assert names.snapshot() is not None
