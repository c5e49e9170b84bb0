"""`xenmeter baker` as a service of Type=notify with a watchdog."""
import signal
import socket

import pytest

from helpers.stage import Running, wait_for
from helpers.captures import KHZ, unpacked

pytestmark = pytest.mark.daemon


def test_ready_alive_and_ending_are_told(tmp_path):
    path = unpacked(tmp_path, "narrow-steady")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        heard.settimeout(30)
        with Running("baker", "--source", path, "--shared", tmp_path / "baker", "--cpu-khz", KHZ, "--stay",
                     environment={"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "2000000"}) as running:
            said = heard.recv(4096)
            assert said.startswith(b"READY=1\nSTATUS=") and (tmp_path / "baker.sock").exists()
            assert [heard.recv(4096) for _ in range(3)] == [b"WATCHDOG=1"] * 3
            running.process.send_signal(signal.SIGTERM)
            wait_for(lambda: heard.recv(4096) == b"STOPPING=1", 30, "its word on the end")
            assert running.wait_end() == 0
