"""The fuzz target's corpus, each of its texts as it is, whole and in pieces; and a short run of damage made from it."""
import random
import sys

import pytest

from tests_paths import FIXTURES, TOP
from xenmeter.xentop.parse import parse

from . import cases

sys.path.insert(0, str(TOP / "tests" / "fuzz"))
import fuzz_xentop      # noqa: E402

CORPUS = sorted((FIXTURES / "fuzz" / "xentop").iterdir())
WHOLE = parse(cases.text("credit2-2pcpu-b-d1-i3-fnxvr"))[0]


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_corpus(path):
    for seed in range(20):
        fuzz_xentop.check(path.read_bytes(), WHOLE, random.Random(seed))


def test_damage():
    chance = random.Random(7)
    texts = [path.read_bytes() for path in CORPUS]
    for _ in range(300):
        fuzz_xentop.check(fuzz_xentop.damage(chance, texts), WHOLE, random.Random(chance.randrange(2 ** 32)))
