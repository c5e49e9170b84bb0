"""A supervised child process that prints without end: its bytes as they come, its end as an error.

The child never outlives us, not even when we are killed: a shell between us and it waits on a pipe whose other end
only we hold, and takes no notice of the signals that ^C, a closing terminal or systemd sends to all of us. (A
preexec_fn with PR_SET_PDEATHSIG would run Python between fork and exec, in a process full of other people's threads:
inside collectd that can hang.) It is ended by SIGKILL: xentop's own handler only sets a flag, which it does not look
at while it waits for a xenstored that does not answer. Return codes are not used: collectd ignores SIGCHLD, and then
they are all 0.
"""
import contextlib
import fcntl
import os
import signal
import subprocess
import time
from typing import Any, List, Optional, Sequence, Tuple

from xenmeter.core.errors import printable
from xenmeter.core.waiting import readable, received

__all__ = ("Child", "started", "process_cpu_ns", "PIPE", "DEVNULL", "BEGIN")

#: As ``started`` takes them.
PIPE, DEVNULL = subprocess.PIPE, subprocess.DEVNULL
#: Ourselves in another Python: what ``python3 -I -c`` takes, then the folder of our package, then our arguments. With -m or -c
#: alone Python would import from the working directory first, which may be anybody's: -I keeps it away. Our package is found by
#: its folder, which is told, and does not stay in the way of Python's own library.
BEGIN = ("import sys; sys.path.insert(0, sys.argv.pop(1)); import xenmeter; del sys.path[0]; "
         "from xenmeter.front.cli import main; sys.exit(main())")

_WATCH = ('trap "" INT QUIT HUP TERM; exec 3<&0 </dev/null; (trap - HUP TERM; exec "$@" 3<&-) & child=$!; '
          'exec >&- 2>&-; read gone <&3; kill -9 "$child" 2>/dev/null')
_STDERR_KEPT = 4096


def process_cpu_ns(pid: int) -> int:
    """CPU time of a process so far, ns (10 ms steps, from /proc); 0 where it cannot be read."""
    try:
        with open("/proc/%d/stat" % pid) as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * (10 ** 9 // os.sysconf("SC_CLK_TCK"))
    except (OSError, IndexError, ValueError):
        return 0


def started(command: Sequence[str], streams: Sequence[Any], env: Any = None) -> Tuple[Any, List[int]]:
    """``subprocess.Popen``, and of each pipe the descriptor of our end, which is the caller's to close.

    Popen itself, in older Pythons, keeps the pipes that it has made for good where there is no descriptor for the next one: with
    too few of them each try would take more.

    :param streams: for stdin, stdout and stderr: PIPE, DEVNULL or a file.
    :raises OSError: it cannot be started; nothing is left open.
    """
    ours: List[int] = []
    with contextlib.ExitStack() as theirs, contextlib.ExitStack() as failed:
        given = []
        for number, stream in enumerate(streams):
            if stream == PIPE:
                ends = os.pipe()
                stream, own = ends if number == 0 else ends[::-1]
                theirs.callback(os.close, stream)
                failed.callback(os.close, own)
                ours.append(own)
            elif stream == DEVNULL:
                stream = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
                theirs.callback(os.close, stream)
            given.append(stream)
        process = subprocess.Popen(command, stdin=given[0], stdout=given[1], stderr=given[2], close_fds=True, env=env)
        failed.pop_all()
    return process, ours


class Child:
    """One run of a command.

    :param command: ``list`` of str; the first is found through PATH.
    """

    def __init__(self, command: List[str]) -> None:
        environment = dict(os.environ, LC_ALL="C")
        self._process, pipes = started(["/bin/sh", "-c", _WATCH, command[0]] + command, (PIPE, PIPE, PIPE), environment)
        self._in, self._out, self._err = pipes      # what it reads, what it writes, what it complains of
        for descriptor in (self._out, self._err):
            flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
            fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | os.O_NONBLOCK)
        self._open = [self._out, self._err]
        self.stderr = b""       # the last of what it said on stderr

    def read(self, timeout: float, wake: Optional[int] = None) -> Tuple[bytes, bool]:
        """Bytes from its stdout and whether it may still say more; ``b""`` after ``timeout`` seconds of silence.

        :param wake: a descriptor that ends the wait when it becomes readable.
        """
        deadline = time.monotonic() + timeout
        while self._open:
            watched = self._open + ([wake] if wake is not None else [])
            ready = readable(watched, max(0.0, deadline - time.monotonic()))
            if not ready or wake in ready:
                return b"", True
            if self._err in ready:
                self.stderr = (self.stderr + self._take(self._err))[-_STDERR_KEPT:]
            if self._out in ready:
                data = self._take(self._out)
                if data:
                    return data, True
        return b"", False

    def _take(self, descriptor: int) -> bytes:
        try:
            data = received(descriptor, 1 << 18)
        except OSError:
            self._open = [] if descriptor == self._out else [one for one in self._open if one != descriptor]
            return b""
        if data == b"":
            self._open.remove(descriptor)
        return data or b""

    def cpu_ns(self) -> int:
        """CPU time of the command so far, ns (10 ms steps, from /proc); 0 where it cannot be read."""
        try:
            with open("/proc/%d/task/%d/children" % (self._process.pid, self._process.pid)) as file:
                pids = file.read().split()
            return process_cpu_ns(int(pids[0]))
        except (OSError, IndexError, ValueError):
            return 0

    def complaint(self) -> str:
        """The last lines it wrote on stderr, as safe text: the cause is often said before the last one."""
        lines: List[str] = []
        for line in self.stderr.decode("utf-8", "replace").splitlines():
            if line.strip() and line.strip() not in lines:
                lines.append(line.strip()[:200])
        return printable("; ".join(lines[-3:]))

    def stop(self) -> None:
        """End it and wait until it is gone; at most some two seconds."""
        process = self._process
        watched = process.poll() is None
        os.close(self._in)  # the shell's read ends, and it kills the child
        try:
            process.wait(2)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            watched = False
        if not watched:
            self._kill_without_watch()
        for pipe in (self._out, self._err):
            os.close(pipe)

    def _kill_without_watch(self) -> None:
        """The shell was killed: find what it left behind, which is whatever has our pipe as its stdout."""
        pipe = os.fstat(self._out)
        for name in os.listdir("/proc"):
            if name.isdigit() and int(name) != os.getpid():
                try:
                    output = os.stat("/proc/%s/fd/1" % name)
                    if (output.st_dev, output.st_ino) == (pipe.st_dev, pipe.st_ino):
                        os.kill(int(name), signal.SIGKILL)
                except OSError:
                    pass    # another's, or gone by now
