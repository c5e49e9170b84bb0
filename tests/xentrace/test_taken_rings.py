"""All rings at one go, compiled, are what Python takes of each: bytes, what is given back to Xen, and which were full."""
import struct

from hypothesis import given
from hypothesis import strategies as st
import pytest

from xenmeter.core.errors import SourceError
from xenmeter.xen.tracebuf import Ring
from xenmeter.xentrace.engine import compiled
from xenmeter.xentrace.engine.passes import Taker
from xenmeter.xentrace.engine.scan import ROOM

#: Bytes of a ring of one page, and of a tiny one, which wraps at once.
SIZES = (4088, 96)


@pytest.fixture(scope="module", autouse=True)
def _(shared_object):
    assert compiled.use(shared_object), compiled.reason()


@st.composite
def rings(draw):
    """A ring's bytes: both pointers anywhere, empty to full, now and then with one that cannot be."""
    size = draw(st.sampled_from(SIZES))
    cons = 4 * draw(st.integers(0, size // 2 - 1))
    unread = draw(st.sampled_from((0, size, size - ROOM, size - ROOM + 4)) | st.integers(0, size // 4).map(lambda word: 4 * word))
    prod = (cons + unread) % (2 * size)
    prod = draw(st.sampled_from((prod,) * 9 + (prod + 1, 2 * size, 2 ** 32 - 4)))
    return bytearray(struct.pack("<II", cons, prod) + bytes(place % 251 for place in range(size)))


def python_alone(memories):
    """As the source does it where nothing is compiled; None where one is damaged."""
    each = [Ring(pcpu, memory) for pcpu, memory in enumerate(memories)]
    try:
        taken = [(ring.pcpu, ring.take()) for ring in each]
    except SourceError:
        return None
    return [one for one in taken if one[1]], frozenset(ring.pcpu for ring in each if ring.fill > ring.size - ROOM)


@given(st.lists(rings(), min_size=1, max_size=5))
def test_the_compiled_reader_takes_what_python_takes(memories):
    others = [bytearray(memory) for memory in memories]
    found = Taker(compiled.library(), [Ring(pcpu, memory) for pcpu, memory in enumerate(memories)]).take(ROOM)
    wanted = python_alone(others)
    assert (found is None) == (wanted is None)
    if wanted is not None:
        assert ([(pcpu, bytes(data)) for pcpu, data in found[0]], found[1]) == wanted and memories == others
