"""What a fuzz target is: a reader of bytes that others write, where its inputs come from, and what must hold of each."""
import pathlib
import random
import zlib

from fuzz.mutate import damaged

TOP = pathlib.Path(__file__).resolve().parents[2]
FIXTURES = TOP / "fixtures"
CORPORA = FIXTURES / "fuzz"
PLUGINS = TOP / "plugins"


class Target:
    """A subclass says ``name`` and ``check``; it is made once per process.

    :cvar compiled: it runs code of ours in C, which is then built with sanitizers; without them coverage leads.
    :cvar guided: whether coverage may lead; not where an input is but the seed of what is made from it.
    :cvar longest: bytes of an input.
    :cvar words: pieces that the format knows.
    """

    name = ""
    reads = ""
    compiled = False
    guided = True
    longest = 20000
    words = ()

    def seeds(self):
        """Right inputs, as ``bytes``: what damage is done to."""
        return []

    def corpus(self):
        """Inputs that were findings once, and a few that reach far: (name, bytes)."""
        folder = CORPORA / self.name
        return [(path.name, path.read_bytes()) for path in sorted(folder.glob("*"))]

    def make(self, chance):
        """An input, without coverage to lead."""
        return damaged(chance, self.texts(), self.words)[:self.longest]

    def texts(self):
        """Seeds and corpus; made once."""
        if not hasattr(self, "_kept"):
            self._kept = self.seeds() + [data for _, data in self.corpus()] or [b""]
        return self._kept

    def check(self, data, chance):
        """Raises for what must not be: AssertionError, or whatever escapes the reader.

        :param chance: a ``random.Random`` that depends on the input alone, for how it is cut and played.
        """
        raise NotImplementedError

    def one(self, data):
        self.check(data, random.Random(zlib.crc32(data)))

    def close(self):
        """After the last input."""


def allowed(kinds, read, *arguments):
    """What ``read`` gives, or None where it refused in one clear line."""
    try:
        return read(*arguments)
    except kinds as error:
        text = str(error)
        assert text and "\n" not in text and len(text) < 3000, "no clear line: %r" % text[:500]
        return None
