"""What a service of Type=notify tells systemd; the sockets are real ones."""
import os
import socket

import pytest

from xenmeter.front.daemons.systemd import Manager


@pytest.fixture(params=["path", "abstract"])
def listening(request, tmp_path):
    name = str(tmp_path / "notify") if request.param == "path" else "@xenmeter-test-%d" % os.getpid()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(name.replace("@", "\0"))
        heard.setblocking(False)
        yield name, heard


def test_a_life(listening):
    name, heard = listening
    environment = {"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid()), "LANG": "C"}
    manager = Manager(environment)
    assert environment == {"LANG": "C"}         # our children do not speak for us
    manager.ready("at work")
    for _ in range(100):
        manager.alive()
    manager.ending()
    said = [heard.recv(4096) for _ in range(3)]
    assert said == [b"READY=1\nSTATUS=at work", b"WATCHDOG=1", b"STOPPING=1"]
    with pytest.raises(BlockingIOError):
        heard.recv(1)


@pytest.mark.parametrize("watchdog", [{}, {"WATCHDOG_USEC": "x"}, {"WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"}])
def test_no_watchdog_no_signs_of_life(listening, watchdog):
    name, heard = listening
    Manager(dict(watchdog, NOTIFY_SOCKET=name)).alive()
    with pytest.raises(BlockingIOError):
        heard.recv(1)


@pytest.mark.parametrize("name", ["", "relative", "/nowhere/notify"])
def test_nobody_listens(name):
    manager = Manager({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "1"})
    for say in (lambda: manager.ready("x"), manager.alive, manager.ending):
        say()
