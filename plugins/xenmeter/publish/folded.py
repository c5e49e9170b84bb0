"""Stacks as folded lines, ``domain;process;outer;inner ns``: what flamegraph.pl, inferno and speedscope read, and we again."""
import re
from typing import Any, BinaryIO, Iterable, Iterator, List, Tuple

from xenmeter.core.errors import BadInput, SourceError
from xenmeter.publish.text import plain

__all__ = ("encode", "decode", "of_file")

#: A line that is longer is nobody's stack.
_LONGEST = 1 << 20
#: More digits than 64 bits have are no weight, nor are those of other scripts, some of which are no numbers.
_WEIGHT = re.compile("[0-9]{1,19}$")


def encode(stacks: Iterable[Any]) -> bytes:
    """:param stacks: (labels, frames from the outermost, samples, ns). The labels domain and process are the first frames."""
    lines: List[str] = []
    for labels, frames, _, ns in stacks:
        words = [labels["domain"], labels["process"]] + list(frames)
        lines.append("%s %d\n" % (";".join([plain(word).replace(";", ":") or "?" for word in words]), ns))
    return "".join(lines).encode("utf-8", "replace")


def decode(stream: BinaryIO) -> Iterator[Tuple[Tuple[str, ...], int]]:
    """(frames from the outermost, weight) of each line; BadInput for what is none."""
    offset = 0
    for line in iter(lambda: stream.readline(_LONGEST), b""):
        text = line.decode("utf-8", "replace").strip()
        stack, _, weight = text.rpartition(" ")
        if text:
            if not stack or not _WEIGHT.match(weight):
                raise BadInput("this is no line of folded stacks", offset)
            yield tuple(stack.split(";")), int(weight)
        offset += len(line)


def of_file(path: str) -> List[Tuple[Tuple[str, ...], int]]:
    """What :func:`decode` gives of a whole file; SourceError with its path where it cannot be read, or is none."""
    try:
        with open(path, "rb") as file:
            return list(decode(file))
    except OSError as error:
        raise SourceError("%s: %s" % (path, error.strerror))
    except BadInput as error:
        raise SourceError("%s: %s" % (path, error))
