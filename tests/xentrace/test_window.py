"""Closed windows are kept packed: what they hold, and what is learnt later, is as if they were not."""
import random

import pytest

from xenmeter.xentrace.engine.domains import Domain
from xenmeter.xentrace.engine.store import PythonStore
from xenmeter.xentrace.engine.layout import F_SIZE
from xenmeter.xentrace.engine.store import Store
from xenmeter.xentrace.engine.window import Window

WIDE = 1 << 32


def lives(count):
    return [Domain(domid, 0, 0, [], []) for domid in range(count)]


def made(chance, count):
    """Columns of all kinds: the same for all, small, large, and of both signs."""
    spans = [chance.choice([(7, 7), (0, 0), (-1, -1), (0, 3), (0, WIDE - 1), (0, WIDE), (-5, 9), (1 << 40, 1 << 60)])
             for _ in range(F_SIZE)]
    return [chance.choice((low, high)) for _ in range(count) for low, high in spans]


def told(window):
    return [(life.domid, figures) for life, figures in window.ordered()]


@pytest.fixture
def store(core):
    return Store() if core == "compiled" else PythonStore()


@pytest.mark.parametrize("count", [0, 1, 2, 3, 50])
def test_a_packed_window_says_what_it_said(store, count):
    for seed in range(30):
        chance = random.Random(seed)
        window = Window(5, 10, lives(count), made(chance, count))
        expected = window.copied()
        window.pack(store)
        assert told(window) == told(expected) and len(told(window)) == count
        assert window.columns == PythonStore.pack(expected.flat)


def test_what_is_learnt_later_is_added(store):
    for seed in range(30):
        chance = random.Random(seed)
        window = Window(0, 10, lives(9), made(chance, 9))
        expected = window.copied()
        window.pack(store)
        before, kept = window.copied(), told(window)
        for step in range(20):
            change = chance.randrange(9 + step // 7), chance.randrange(F_SIZE), chance.choice((-1, 1, -WIDE, WIDE, 0))
            for one in (window, expected):
                one.add(*change)
                if step % 7 == 6:
                    one.widen(lives(len(one.lives) + 1))
        assert told(window) == told(expected) and told(window)[-1][0] == 10
        assert told(before) == kept


def test_a_packed_window_takes_less(store):
    """1000 domains of which only running, waiting and blocked times and executions differ."""
    chance = random.Random(1)
    flat = [value for _ in range(1000) for value in
            [chance.randrange(4 * 10 ** 9) for _ in range(3)] + [0, 0, chance.randrange(9)] + [0] * 5 + [-1, -1]]
    window = Window(0, 10 ** 9, lives(1000), flat)
    window.pack(store)
    assert sum(8 if isinstance(one, int) else one.itemsize * len(one) for one in window.columns) < 17000 < 8 * len(flat) // 6
