"""The baker as a process: one for each shared file, until a signal, its source or its starter ends it."""
import grp
import os
import signal
import sys
import threading
from typing import Any, Optional

from xenmeter.core.cpulist import format_cpus, parse_cpus
from xenmeter.core.errors import BadOption
from xenmeter.core.lockfile import LockFile
from xenmeter.core.memory import give_back
from xenmeter.core.serving import tell_unbegun
from xenmeter.core.stopping import stopped_by
from xenmeter.core.waiting import received
from xenmeter.xentrace.baker import sources
from xenmeter.front.daemons.systemd import Manager
from xenmeter.xen.names import LiveNames
from xenmeter.xentrace.baker.control import ControlSocket, ask
from xenmeter.xentrace.baker.bakery import BEAT_NS, Bakery
from xenmeter.xentrace.engine.frequency import checked_khz
from xenmeter.xentrace.baker.governor import Governor
from xenmeter.xentrace.baker.mute import Watch
from xenmeter.xentrace.plugin import lengths_of
from xenmeter.xentrace.baker.rings import Rings
from xenmeter.xentrace.baker.writing import Writer, bury

__all__ = ("Baker", "restore", "status")

#: Bytes that are a piece of a trace no longer: those come ten times a second, and would have all their pages anew each time.
LARGE = 1 << 19
#: More than any host has domains at once (x86: 32752).
MOST_CAUSES = 1 << 15


class Baker:
    """:param arguments: those of the command. They are looked at before anything is touched."""

    def __init__(self, arguments: Any) -> None:
        self._arguments = arguments
        self._manager = Manager()
        self._lengths = lengths_of(arguments.window or ["1", "10"])
        self._cpus = parse_cpus(arguments.cpus, "--cpus")
        if not 1 <= arguments.buffer_pages <= 65535:
            raise BadOption("--buffer-pages %d: takes 1 to 65535" % arguments.buffer_pages)
        if not 0 <= arguments.share <= 100:
            raise BadOption("--share %s: takes 0 to 100 percent" % arguments.share)
        if not 0 <= arguments.causes <= MOST_CAUSES:
            raise BadOption("--causes %d: takes 0 to %d" % (arguments.causes, MOST_CAUSES))
        self._gid = _group(arguments.shared_group)
        self._cpu_khz = checked_khz(arguments.cpu_khz) or sources.host_khz(arguments.source)

    def run(self) -> int:
        give_back(LARGE)
        tell_unbegun(_say)
        lock = _lock(self._arguments.shared)
        try:
            return self._bake()
        finally:
            lock.release()

    def _bake(self) -> int:
        arguments = self._arguments
        stop = _stop_by_signal()
        if arguments.until_stdin_ends:
            threading.Thread(target=_watch_stdin, args=(stop,), daemon=True).start()
        bakery = self._bakery()
        answers = None
        try:
            answers = ControlSocket(_socket_of(arguments), bakery, self._gid)
            _say("baking into %s" % arguments.shared)
            self._manager.ready("baking into %s" % arguments.shared)
            bakery.run(stop)
            if arguments.stay:
                bakery.idle(stop)
            status = bakery.status()
            _say("ended: %d records of %.1f s, %d lost, %d anomalies" % (
                status["records"], status["span_ns"] / 1e9, status["lost_records"], status["anomalies"]))
            return 0
        finally:
            self._manager.ending()
            if answers is not None:
                answers.close()
            bakery.close()

    def _bakery(self) -> Bakery:
        arguments = self._arguments
        writer = Writer(arguments.shared, BEAT_NS, self._gid)
        try:
            source = sources.open_source(arguments.source, arguments.allocation, self._cpus, arguments.buffer_pages,
                                         _state_of(arguments))
        except Exception:
            writer.close()
            raise
        # Of this thread, which bakes: what is asked on the socket has a bound of its own, and must not make the baker rest.
        governor = Governor(int(arguments.share * 10000), self._lengths[-1]) if isinstance(source, Rings) else None
        bound = "at most %g %% of one pCPU" % arguments.share if governor is not None and arguments.share else "no bound"
        _say("%s; %s on its own cost; TSC of %d kHz" % (source.about(), bound, self._cpu_khz))
        watch = Watch(sources.idle_times(), self._cpus) if isinstance(source, Rings) else None
        remark = None if self._cpus is None else "only pCPUs %s are traced; what happens on others is in no figure" % (
            format_cpus(self._cpus))
        return Bakery(source, self._cpu_khz, self._lengths, writer, LiveNames(devices=False).snapshot, arguments.per_vcpu,
                      governor, remark, self._manager.alive, _say, watch, arguments.causes)


def _lock(shared: str) -> LockFile:
    """Two bakers must not take each other's records, nor each other's file."""
    return LockFile(shared + ".lock", "a baker runs already: %s is in use" % shared)


def restore(arguments: Any) -> int:
    """After a baker that was killed: its readers learn of it, and Xen's tracing is as it was before."""
    lock = _lock(arguments.shared)
    try:
        bury(arguments.shared)
        if os.path.exists(_socket_of(arguments)):
            os.unlink(_socket_of(arguments))
        if sources.undo(_state_of(arguments)):
            _say("tracing stopped, and the event mask put back")
    finally:
        lock.release()
    return 0


def _say(text: str) -> None:
    sys.stderr.write("xenmeter: %s\n" % text)
    sys.stderr.flush()


def status(arguments: Any) -> int:
    """What the baker that runs is at, for people."""
    for name, value in sorted(ask(_socket_of(arguments), get="status").items()):
        if isinstance(value, (dict, list)):
            items = value.items() if isinstance(value, dict) else [(one, "") for one in value]
            value = ", ".join(("%s %s" % item).rstrip() for item in items)
        sys.stdout.write("%-16s %s\n" % (name, "-" if value is None else str(value).lower() if isinstance(
            value, bool) else value))
    return 0


def _stop_by_signal() -> threading.Event:
    """There is no configuration to read again, so SIGHUP is what it was: the terminal has gone. nohup keeps it away."""
    return stopped_by([number for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
                       if signal.getsignal(number) != signal.SIG_IGN])


def _watch_stdin(stop: threading.Event) -> None:
    while received(0, 4096) != b"":
        pass
    stop.set()


def _group(name: Optional[str]) -> Optional[int]:
    if name is None:
        return None
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise BadOption("--shared-group: there is no group %r" % name)


def _state_of(arguments: Any) -> str:
    return arguments.state or arguments.shared + ".state"


def _socket_of(arguments: Any) -> str:
    return arguments.socket or arguments.shared + ".sock"
