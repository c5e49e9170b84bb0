"""The end of `xenmeter xentop --textfile` as systemd brings it about: SIGTERM to all processes of the unit at once."""
import os
import signal

import pytest

from helpers.stage import Running

pytestmark = pytest.mark.daemon


@pytest.mark.parametrize("fault", ["", "hang"])
def test_a_stop_of_the_whole_unit_is_no_failure_and_the_file_goes(tmp_path, xentop, fault):
    """Of a xentop that has said nothing yet, too."""
    path = tmp_path / "xentop.prom"
    if fault:
        xentop.fault(fault)
    with Running("xentop", "--source", "xentop", "--interval", "1", "--textfile", path, path=xentop.path) as running:
        child = xentop.wait_start()
        running.wait_catching(signal.SIGTERM)
        if not fault:
            running.wait_for(path.exists)
        running.process.terminate()
        os.kill(child, signal.SIGTERM if not fault else signal.SIGKILL)     # the hanging one's handler only sets a flag
        assert running.wait_end(10) == 0
    assert running.err == b"" and not path.exists()
