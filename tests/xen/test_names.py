"""xenstore's word on the domains, where xenstored comes and goes."""
import errno
import os

import pytest
from helpers.fake_xenstored import FakeXenstored, host

from xenmeter.core.errors import NotXen, SourceError
from xenmeter.xen import storelink
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


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOMEM])
def test_what_lacks_for_a_moment_is_no_host_without_a_xenstored(tmp_path, monkeypatch, number):
    """At the first question, which decides for good whether there is one."""
    def lacks(*_):
        raise OSError(number, os.strerror(number))
    path = str(tmp_path / "socket")
    names = LiveNames(Xenstore(path))
    with FakeXenstored(host(3), path):
        with monkeypatch.context() as patch:
            patch.setattr(storelink.socket, "socket", lacks)
            with pytest.raises(SourceError, match=os.strerror(number)) as raised:
                names.snapshot()
        assert not isinstance(raised.value, NotXen)
        assert len(names.snapshot().domains) == 4
