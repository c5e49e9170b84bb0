"""A signal stops what waits, at whatever moment it comes."""
import os
import subprocess
import sys

import xenmeter

#: Waits for the event again and again as fast as it can, so much of its time is spent with the event's lock in hand, while
#: the kernel's timer sends a signal. With a handler that sets the event itself this locks up within some dozens.
HASTY = """
import signal
from xenmeter.core.stopping import stopped_by

for number in range(400):
    stop = stopped_by([signal.SIGALRM])
    signal.setitimer(signal.ITIMER_REAL, 0.0002 + number * 1e-6)
    while not stop.is_set():
        stop.wait(1e-9)
print("stopped each time")
"""


def said_by(code, timeout):
    env = dict(os.environ, PYTHONPATH=os.path.dirname(os.path.dirname(xenmeter.__file__)))
    return subprocess.run([sys.executable, "-c", code], env=env, stdout=subprocess.PIPE, timeout=timeout, check=True).stdout


def test_it_stops_at_any_moment():
    assert said_by(HASTY, 120) == b"stopped each time\n"


def test_many_signals_are_one():
    code = ("import os, signal, time\nfrom xenmeter.core.stopping import stopped_by\nstop = stopped_by([signal.SIGUSR1])\n"
            "for _ in range(100000): os.kill(os.getpid(), signal.SIGUSR1)\nprint(stop.wait(20))")
    assert said_by(code, 60) == b"True\n"
