"""Imported first, before all that takes time: Telegraf asks by a signal at its own times, perhaps while we still start.

Until :mod:`xenmeter.front.daemons.execd` has its handlers, a SIGHUP, SIGUSR1 or SIGUSR2 would end the process, and Telegraf would
wait (``restart_delay``) and start it again. What is left is the start of the interpreter itself, some 20 ms.
"""
import signal
import sys

__all__ = ()

if sys.argv[1:2] == ["execd"]:
    for _number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(_number, signal.SIG_IGN)
