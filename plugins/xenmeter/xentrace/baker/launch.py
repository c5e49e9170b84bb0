"""A baker of one's own: the command line and execd start one where none runs, and end it with themselves.

It ends when its stdin does, so it never outlives us, not even when we are killed; and it ends in order, so tracing is
stopped and the event mask put back.
"""
import os
import subprocess
import sys
import tempfile
from typing import Any, Optional, Sequence

import xenmeter
from xenmeter.core.child import BEGIN, DEVNULL, PIPE, process_cpu_ns, started
from xenmeter.core.errors import SourceError

__all__ = ("OwnBaker",)

_PATIENCE = 5.0


class OwnBaker:
    """:param shared: the shared file it is to make; :param more: other arguments of ``xenmeter baker``."""

    def __init__(self, shared: str, more: Sequence[str] = ()) -> None:
        above = os.path.dirname(os.path.dirname(os.path.abspath(xenmeter.__file__)))
        self._command = [sys.executable, "-I", "-c", BEGIN, above, "baker", "--until-stdin-ends", "--shared", shared]
        self._command += more
        self._process: Any = None
        self._said: Any = None

    def start(self) -> None:
        """Once; whoever calls it again has a baker already. SourceError where it cannot be started."""
        if self._process is not None:
            return
        said: Any = None
        try:
            said = tempfile.TemporaryFile()
            self._process, (self._stdin,) = started(self._command, (PIPE, DEVNULL, said))
        except OSError as error:
            if said is not None:
                said.close()
            raise SourceError("a baker cannot be started: %s" % (error.strerror or error))
        self._said = said

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def cpu_ns(self) -> int:
        """CPU time of the baker that runs; 0 where none does."""
        return 0 if self._process is None else process_cpu_ns(self._process.pid)

    def failure(self) -> Optional[str]:
        """Its last words where it has ended by itself, None while it runs."""
        if self._process is None or self._process.poll() is None:
            return None
        self._said.seek(0)
        lines = [line.strip() for line in self._said.read()[-4096:].decode("utf-8", "replace").split("\n") if line.strip()]
        return lines[-1].replace("xenmeter: ", "", 1)[:1000] if lines else "it ended without a word"

    def stop(self) -> None:
        if self._process is None:
            return
        os.close(self._stdin)
        for ending in (lambda: None, self._process.terminate, self._process.kill):
            ending()
            try:
                self._process.wait(_PATIENCE)
                break
            except subprocess.TimeoutExpired:
                continue
        self._said.close()
        self._process = None
