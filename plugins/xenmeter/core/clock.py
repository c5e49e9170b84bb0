"""Clocks, as integers of nanoseconds. Python 3.6 has no ``time_ns``; microseconds are what a stamp here can mean."""
import resource
import time

__all__ = ("now_ns", "thread_cpu_ns")


def now_ns():
    # type: () -> int
    """Wall-clock time since the epoch, ns, in steps of a microsecond."""
    return int(time.time() * 1000000) * 1000


def thread_cpu_ns():
    # type: () -> int
    """CPU time of the calling thread, ns. A collectd process has many threads that are not ours."""
    usage = resource.getrusage(resource.RUSAGE_THREAD)
    return int((usage.ru_utime + usage.ru_stime) * 1000000) * 1000
