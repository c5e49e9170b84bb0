"""The collector of cycles comes back, however the work ends and whoever else is at it."""
import gc
import threading

import pytest

from xenmeter.core.quiet_gc import QuietGc


@pytest.fixture(autouse=True)
def as_it_was():
    was_on = gc.isenabled()
    gc.enable()
    yield
    (gc.enable if was_on else gc.disable)()


def test_nested_and_with_an_error():
    quiet = QuietGc()
    with pytest.raises(KeyError):
        with quiet:
            with quiet:
                assert not gc.isenabled()
            assert not gc.isenabled()
            raise KeyError
    assert gc.isenabled()


def test_what_was_off_stays_off():
    gc.disable()
    with QuietGc():
        assert not gc.isenabled()
    assert not gc.isenabled()


def test_threads_that_overlap():
    quiet, inside, leave = QuietGc(), threading.Event(), threading.Event()

    def work():
        with quiet:
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=work)
    thread.start()
    assert inside.wait(10)
    with quiet:
        pass
    assert not gc.isenabled()   # the other one is still at work
    leave.set()
    thread.join()
    assert gc.isenabled()


def test_many_threads_at_once():
    quiet = QuietGc()

    def work():
        for _ in range(2000):
            with quiet:
                pass

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert gc.isenabled()
