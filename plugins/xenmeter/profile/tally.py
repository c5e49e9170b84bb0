"""A profile: how often, and for how long, each stack was seen."""
from typing import Any, Dict, Iterable, List, NamedTuple, Sequence, Tuple

__all__ = ("Tally", "Key", "Seen", "shown", "OTHERS")

#: What all stacks stand under for which there is no room any more.
OTHERS = "[other stacks]"
#: Frames of different stacks that are kept. A guest may make each of its stacks another one: these are some 200 MB then.
_MOST = 1 << 21


class Key(NamedTuple):
    """Whose stack it is: ``process`` is text; the frames are the outermost first."""

    domain: str
    vcpu: int
    process: str
    frames: Tuple[str, ...]


class Seen:
    __slots__ = ("samples", "ns")

    def __init__(self) -> None:
        self.samples = 0
        self.ns = 0


class Tally:
    """:ivar seen: ``Key -> Seen``. :ivar followed: how far stacks were followed -> samples. :ivar unit: what ``ns`` is of, where
    that is no time: the name of an event."""

    def __init__(self) -> None:
        self.seen: Dict[Key, Seen] = {}
        self.followed: Dict[str, int] = {}
        self.unit = "ns"
        self._room = _MOST

    def add(self, key: Key, ns: int, samples: int = 1, followed: str = "") -> None:
        found = self.seen.get(key)
        if found is None and self._room < len(key.frames):
            key = Key(key.domain, key.vcpu, OTHERS, (OTHERS,))
            found = self.seen.get(key)
        if found is None:
            self._room -= len(key.frames)
            found = self.seen[key] = Seen()
        found.samples += samples
        found.ns += ns
        if followed:
            self.followed[followed] = self.followed.get(followed, 0) + samples

    @property
    def ns(self) -> int:
        return sum(seen.ns for seen in self.seen.values())

    @property
    def samples(self) -> int:
        return sum(seen.samples for seen in self.seen.values())

    def stacks(self) -> Iterable[Tuple[Dict[str, str], Sequence[str], int, int]]:
        """(labels, frames from the outermost, samples, ns), those of most time first: what publishers take."""
        for key, seen in sorted(self.seen.items(), key=lambda pair: (-pair[1].ns, pair[0])):
            yield {"domain": key.domain, "vcpu": str(key.vcpu), "process": key.process}, key.frames, seen.samples, seen.ns

    def by_symbol(self) -> List[Tuple[str, str, str, int, int]]:
        """(domain, process, innermost function, samples, ns), those of most time first; addresses of a file's, one row for the
        file."""
        found: Dict[Tuple[str, str, str], List[int]] = {}
        for key, seen in self.seen.items():
            sums = found.setdefault((key.domain, key.process, shown(key.frames)), [0, 0])
            sums[0] += seen.samples
            sums[1] += seen.ns
        rows: List[Any] = [whose + (samples, ns) for whose, (samples, ns) in found.items()]
        return sorted(rows, key=lambda row: (-row[4], row[:3]))


def shown(frames: Sequence[str]) -> str:
    """What a stack stands under in a table: its innermost function; of an address in a file, the file."""
    if len(frames) == 2 and frames[0].startswith("[") and frames[1].endswith(" " + frames[0]):
        return frames[0]
    return frames[-1] if frames else "?"
