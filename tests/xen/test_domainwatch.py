"""Domains come and go, and xenstored says so unasked."""
import os

import pytest
from helpers.fake_xenstored import WATCH, FakeXenstored, host, message, refuse

from xenmeter.core.errors import SourceError
from xenmeter.xen.domainwatch import REST_S, DomainWatch
from xenmeter.xen.xenstore import Xenstore


class Watched:
    def __init__(self, server):
        self.now = 100.0
        self.path = server.path
        self.opened = 0
        self.watch = DomainWatch(self.open, lambda: self.now)

    def open(self):
        self.opened += 1
        return Xenstore(self.path, timeout=5.0)

    def quiet(self):
        """Until nothing stirs; the events of the beginning arrive whenever they arrive."""
        for _ in range(10000):
            if not self.watch.changed():
                return
        raise AssertionError("it stirs for ever")


@pytest.fixture
def watched(server):
    found = Watched(server)
    yield found
    found.watch.close()


def until_it_stirs(watch):
    for _ in range(100000):
        if watch.changed():
            return True
    return False


def test_nothing_happens(server, watched):
    assert watched.watch.changed()      # nothing is known before the watches stand
    watched.quiet()
    asked = len(server.asked)
    assert not any(watched.watch.changed() for _ in range(100))
    assert len(server.asked) == asked == 2 and watched.opened == 1
    assert server.asked == [(WATCH, b"@introduceDomain"), (WATCH, b"@releaseDomain")]


@pytest.mark.parametrize("path", [b"@introduceDomain", b"@releaseDomain"])
def test_a_domain_comes_or_goes(server, watched, path):
    watched.watch.changed()
    watched.quiet()
    assert server.fire(path) == 1
    assert until_it_stirs(watched.watch) and not watched.watch.changed()


def test_many_events_are_one_answer(server, watched):
    watched.watch.changed()
    watched.quiet()
    for _ in range(100):
        server.fire()
    assert until_it_stirs(watched.watch)
    watched.quiet()


def test_xenstored_is_started_anew(server, watched):
    watched.watch.changed()
    watched.quiet()
    server.hang_up()
    assert until_it_stirs(watched.watch)
    assert all(watched.watch.changed() for _ in range(5)) and watched.opened == 1
    watched.now += REST_S
    assert watched.watch.changed() and watched.opened == 2
    watched.quiet()
    assert server.fire() == 1 and until_it_stirs(watched.watch)


@pytest.mark.parametrize("fault", [refuse(b"EACCES", b"@releaseDomain"), refuse(b"EINVAL", b"@introduceDomain"),
                                   lambda kind, path, reply: message(WATCH, 99, b"OK\0")])
def test_watches_that_do_not_stand(server, watched, fault):
    """Then each question has to be answered by a list."""
    server.fault = fault
    assert all(watched.watch.changed() for _ in range(5)) and watched.opened == 1


def test_no_xenstored(tmp_path):
    watch = DomainWatch(lambda: Xenstore(str(tmp_path / "none")), lambda: 0.0)
    assert all(watch.changed() for _ in range(5))


def test_another_process(server, store):
    store.watch([b"@releaseDomain"])
    child = os.fork()
    if not child:
        try:
            store.fired()
            os._exit(1)
        except SourceError:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


def test_questions_between_events(server, store):
    """Events are no answers, and answers no events."""
    store.watch([b"@releaseDomain"])
    for _ in range(20):
        server.fire()
        assert store.read("/local/domain/1/name") == b"guest-1"
    assert store.fired() and host(3) and isinstance(server, FakeXenstored)
