"""Numbers that no xentop prints: int() refuses thousands of digits by an exception of its own."""
import re

import pytest

from xenmeter.xentop.text.encode import encode
from xenmeter.xentop.text.parse import Parser
from xenmeter.xentop.text.records import Iteration

from helpers.xentop_rows import disk, net, row


@pytest.mark.parametrize("digits", [21, 5000])
@pytest.mark.parametrize("before", [rb"\d(?=bytes)", rb"\d(?=s\n)", rb"(?<=RD: ).", rb"(?<=WSECT: ).", rb"\d(?=\n)",
                                    rb"(?<=b---   ).", rb"(?<=Net)\d", rb"(?<=VBD BlkBack )\d"])
def test_endless_digits_are_no_figure(before, digits):
    text = encode(Iteration([row(b"web", nets=[net()], disks=[disk()])]))
    damaged = re.sub(before, b"1" * digits, text, count=1)
    assert damaged != text
    parser = Parser()
    parser.feed(damaged)
    parser.close()
    assert parser.skipped
