"""Trace buffers of one page per pCPU (tbuf_size=1): records are lost, and what is reported must be the truth."""
import signal
import time

from lab.inside import dom0, steps


def run():
    steps.make_guests("burner", "waker")
    steps.live_baker("lossy", 3, lambda child: [stall(child) for _ in range(2)])
    file = dom0.RESULTS / "lossy-xentrace.bin"
    xentrace = dom0.start("lossy-xentrace", "xentrace", "-D", "-e", "0x00161000", file)
    dom0.wait_for(lambda: file.exists() and file.stat().st_size, 240, "records of xentrace")
    stall(xentrace)
    dom0.stop(xentrace)


def stall(child):
    """The reader does not read for seconds, and the rings, of some 250 records, overflow; then it goes on. Each short sleep
    of ours is some records, however little the guests get to do."""
    child.send_signal(signal.SIGSTOP)
    for _ in range(1000):
        time.sleep(0.004)
    child.send_signal(signal.SIGCONT)
    for _ in range(300):
        time.sleep(0.01)
