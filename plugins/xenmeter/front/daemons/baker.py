"""``xenmeter baker``: the daemon that keeps the scheduling figures, in a shared file and on a socket."""
import grp
import os
import signal
import sys
import threading
from typing import Any, Optional

from xenmeter.core.clock import thread_cpu_ns
from xenmeter.core.cpulist import format_cpus, parse_cpus
from xenmeter.core.errors import BadOption, NoPrivilege, NotXen
from xenmeter.core.lockfile import LockFile
from xenmeter.core.stopping import stopped_by
from xenmeter.xentrace.baker import sources
from xenmeter.front.daemons.systemd import Manager
from xenmeter.xen.names import LiveNames
from xenmeter.xentrace.baker.control import ControlSocket, ask
from xenmeter.xentrace.baker.bakery import BEAT_NS, Bakery
from xenmeter.xentrace.engine.frequency import checked_khz
from xenmeter.xentrace.baker.governor import Governor
from xenmeter.xentrace.baker.mute import Watch
from xenmeter.xentrace.plugin import SHARED, lengths_of
from xenmeter.xentrace.baker.rings import Rings
from xenmeter.xentrace.baker.shm import Writer, bury

__all__ = ("add", "run")

#: Exit status where this is no dom0 (a guest's hypercalls are refused) or not root's process: a service manager that tries
#: again gains nothing.
NO_DOM0 = 3


def add(subparsers: Any, parent: Any) -> None:
    parser = subparsers.add_parser(
        "baker", parents=[parent], help="the daemon: a running trace into a shared file and a socket",
        description="Keeps the scheduling figures of this host for any number of readers, until a signal ends it.")
    parser.add_argument("--source", default="rings", metavar="SOURCE",
                        help="rings (the hypervisor's own), xentrace (a child process; Xen 4.18 and later), or a FIFO or "
                             "file as xentrace writes it, or - for stdin (default: rings)")
    parser.add_argument("--buffer-pages", type=int, default=32, metavar="N",
                        help="pages of 4 KiB per pCPU for Xen's rings, where there are none yet; they stay until the host "
                             "reboots (default: 32)")
    parser.add_argument("--share", type=float, default=2.0, metavar="PERCENT",
                        help="of one pCPU that the baker may take from the rings; where the events would cost more, it "
                             "rests between observations of whole windows; 0: no bound (default: 2)")
    parser.add_argument("--state", metavar="PATH", help="where the event mask that was found is kept, to be put back "
                                                        "(default: the shared file's name and .state)")
    parser.add_argument("--restore", action="store_true",
                        help="only undo what a killed baker left behind (for ExecStopPost), then end")
    parser.add_argument("--status", action="store_true", help="only show what the baker that runs is at, then end; exit "
                                                              "status 1 where none runs")
    parser.add_argument("--shared", default=SHARED, metavar="PATH", help="the shared file (default: %s)" % SHARED)
    parser.add_argument("--socket", metavar="PATH", help="the socket (default: the shared file's name and .sock)")
    parser.add_argument("--shared-group", metavar="GROUP", help="group that may read both (default: root's alone)")
    parser.add_argument("--window", action="append", metavar="S", help="lengths of the windows in seconds (default: 1,10)")
    parser.add_argument("--per-vcpu", action="store_true", help="figures of each vCPU too")
    parser.add_argument("--allocation", action="store_true",
                        help="trace the granted time slices too (event mask 0x%08x instead of 0x%08x)" % (
                            sources.MASK_ALLOCATION, sources.MASK))
    parser.add_argument("--cpus", default="all", metavar="LIST",
                        help="pCPUs to trace, like 0-3,7; what happens on others is missing from all figures, so choose a "
                             "whole cpupool (default: all)")
    parser.add_argument("--cpu-khz", type=int, metavar="K", help="rate of the TSC in kHz (default: the hypervisor says it)")
    parser.add_argument("--stay", action="store_true", help="keep the figures readable when the source has ended")
    parser.add_argument("--until-stdin-ends", action="store_true", help="end when stdin does: for whoever starts it")
    parser.set_defaults(run=run, statuses={NotXen: NO_DOM0, NoPrivilege: NO_DOM0})


def run(arguments: Any) -> int:
    if arguments.restore:
        return _restore(arguments)
    if arguments.status:
        return _status(_socket_of(arguments))
    return _Daemon(arguments).run()


class _Daemon:
    """The options are looked at before anything is touched."""

    def __init__(self, arguments: Any) -> None:
        self._arguments = arguments
        self._manager = Manager()
        self._lengths = lengths_of(arguments.window or ["1", "10"])
        self._cpus = parse_cpus(arguments.cpus, "--cpus")
        if not 1 <= arguments.buffer_pages <= 65535:
            raise BadOption("--buffer-pages %d: takes 1 to 65535" % arguments.buffer_pages)
        if not 0 <= arguments.share <= 100:
            raise BadOption("--share %s: takes 0 to 100 percent" % arguments.share)
        self._gid = _group(arguments.shared_group)
        self._cpu_khz = checked_khz(arguments.cpu_khz) or sources.host_khz(arguments.source)

    def run(self) -> int:
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
        governor = Governor(int(arguments.share * 10000), self._lengths[-1], thread_cpu_ns) if isinstance(
            source, Rings) else None
        bound = "at most %g %% of one pCPU" % arguments.share if governor is not None and arguments.share else "no bound"
        _say("%s; %s on its own cost; TSC of %d kHz" % (source.about(), bound, self._cpu_khz))
        watch = Watch(sources.idle_times(), self._cpus) if isinstance(source, Rings) else None
        remark = None if self._cpus is None else "only pCPUs %s are traced; what happens on others is in no figure" % (
            format_cpus(self._cpus))
        return Bakery(source, self._cpu_khz, self._lengths, writer, LiveNames().snapshot, arguments.per_vcpu, governor,
                      remark, self._manager.alive, _say, watch)


def _lock(shared: str) -> LockFile:
    """Two bakers must not take each other's records, nor each other's file."""
    return LockFile(shared + ".lock", "a baker runs already: %s is in use" % shared)


def _restore(arguments: Any) -> int:
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


def _status(path: str) -> int:
    for name, value in sorted(ask(path, get="status").items()):
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
    while os.read(0, 4096):
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
