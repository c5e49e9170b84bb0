"""Stacks as Google's pprof reads them: a gzip'd protocol buffer (``proto/profile.proto`` of github.com/google/pprof), by hand."""
import gzip
from typing import Any, Dict, Iterable, Sequence

__all__ = ("encode",)


def _varint(number: int) -> bytes:
    out = bytearray()
    while True:
        out.append(number & 127 | (128 if number > 127 else 0))
        number >>= 7
        if not number:
            return bytes(out)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _packed(field: int, values: Sequence[int]) -> bytes:
    return _bytes(field, b"".join(map(_varint, values)))


class _Texts:
    """The table of texts; the first is the empty one."""

    def __init__(self) -> None:
        self._places: Dict[str, int] = {"": 0}

    def of(self, text: str) -> int:
        return self._places.setdefault(text, len(self._places))

    def encoded(self) -> bytes:
        return b"".join([_bytes(6, text.encode("utf-8", "replace")) for text in self._places])


def encode(stacks: Iterable[Any], time_ns: int, length_ns: int, period_ns: int, comments: Sequence[str] = (),
           unit: str = "ns") -> bytes:
    """A file of two values per stack, samples and CPU time in ns, with the labels of each.

    :param stacks: (labels, frames from the outermost, samples, ns). :param time_ns: when it began, :param length_ns: how long it
        took, :param period_ns: the mean time between samples. :param unit: of what is told in its place, where that is no time.
    """
    texts, functions, body = _Texts(), {}, bytearray()      # type: ignore[var-annotated]
    value = ("cpu", "nanoseconds") if unit == "ns" else (unit, "count")

    def kind(field: int, name: str, unit: str) -> bytes:
        return _bytes(field, _number(1, texts.of(name)) + _number(2, texts.of(unit)))
    body += kind(1, "samples", "count") + kind(1, *value)
    for labels, frames, samples, ns in stacks:
        places = [functions.setdefault(frame, len(functions) + 1) for frame in reversed(frames)]
        told = b"".join([_bytes(3, _number(1, texts.of(name)) + _number(2, texts.of(value))) for name, value in labels.items()])
        body += _bytes(2, _packed(1, places) + _packed(2, (samples, ns)) + told)
    body += _bytes(3, _number(1, 1) + _number(7, 1))        # one mapping, whose functions are known
    for frame, number in functions.items():
        name = texts.of(frame)
        body += _bytes(4, _number(1, number) + _number(2, 1) + _bytes(4, _number(1, number)))
        body += _bytes(5, _number(1, number) + _number(2, name) + _number(3, name))
    body += _number(9, time_ns) + _number(10, length_ns) + kind(11, *value) + _number(12, period_ns)
    for comment in comments:
        body += _number(13, texts.of(comment))
    body += _number(14, texts.of(value[0]))
    return gzip.compress(bytes(body) + texts.encoded())
