"""A trace read from its beginning to its end: its TSC rate first, then block by block into an engine."""
from typing import Any, BinaryIO, Iterator, List, Optional

from xenmeter.core.errors import SourceError
from xenmeter.xentrace.engine.doubts import no_trace
from xenmeter.xentrace.engine.frequency import rate_of

__all__ = ("TraceFile",)


class TraceFile:
    """A stream of trace records, whoever asks for it: ``bake``, a recording that is played, the report.

    :param stream: binary, at its beginning. :param name: of it, for complaints.
    :param cpu_khz: the TSC's rate; None: it is found from the trace's own run times, which reads ahead.
    :param block: bytes that an engine is given at a time.
    :ivar cpu_khz: the rate in kHz, told or found.
    :ivar run_times: how many run times the rate was found from; 0 where it was told.
    :raises BadOption: the trace does not tell the rate.
    :raises SourceError: this is no trace, or it cannot be read.
    """

    def __init__(self, stream: BinaryIO, name: str, cpu_khz: Optional[int] = None, block: int = 1 << 20) -> None:
        self._stream = stream
        self._name = name
        self._block = block
        self._held: List[bytes] = []
        self.run_times = 0
        if cpu_khz is None:
            cpu_khz, self.run_times = rate_of(self, self._held, block, name)    # type: ignore[arg-type]
        self.cpu_khz = cpu_khz

    def read(self, size: int) -> bytes:
        """As a stream's, with what cannot be read as a SourceError."""
        try:
            return self._stream.read(size)
        except (OSError, EOFError) as error:
            raise SourceError("%s cannot be read on: %s" % (self._name, getattr(error, "strerror", None) or error))

    def feed(self, engine: Any) -> Iterator[None]:
        """Give an engine all of the trace; comes back after each block. The end is ``engine.finish``'s."""
        while True:
            data = self._held.pop(0) if self._held else self.read(self._block)
            if not data:
                return
            engine.feed(data)
            yield

    def check(self, engine: Any) -> None:
        """SourceError where nothing that the engine was given was a window of a pCPU."""
        if not engine.accounts.pcpus:
            raise no_trace(self._name, engine.given)
