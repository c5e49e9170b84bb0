"""Texts of ``xentop -b``, damaged.

Real texts are cut, spliced, repeated and overwritten, and come in pieces of random sizes with flushes between them.
What must hold: nothing raises; every row that comes out is a line that went in; and whatever came before, two whole
iterations later the parser is right again.
"""
from fuzz.objects import object_of
from fuzz.target import Target
from xenmeter.xentop.text import batches
from xenmeter.xentop.text.encode import encode
from xenmeter.xentop.text.parse import Parser, parse
from xenmeter.xentop.text.records import Iteration
from helpers import xentop_cases as cases
from helpers.xentop_rows import disk, net, row, without_sectors


#: A name that holds a row of another domain's.
FORGED = b"x\n" + encode(Iteration([row(b"web", cpu_seconds=99999)]), vcpus=False).split(b"\n")[1] + b"\ny"


class XentopText(Target):
    name = "xentop"
    reads = "xentop -b's text"
    longest = 24000
    words = (b"\n", b" ", b"-", b"0", b"9" * 25, b"NAME", b"Net0 RX:", b"VBD ", b"VCPUs(sec): ", b"no limit", b"n/a", b"inf",
             b"nan", b"--b---", b"VCPUs(sec): \n         10:         60s\n", b"          5:          1s", b"-202", b"-8.9",
             b"-0.0", b"bytes", b"drop", b"OO:", b"\0", b"\xff", b"SSID", b"Physical CPU Usage:\n", b"%", b".")

    def __init__(self):
        self._wholes = [parse(cases.text("credit2-2pcpu-b-d1-i3-fnxvr"))[0], unplugged()]

    def seeds(self):
        return [cases.text(case)[:20000] for case in cases.TEXTS] + [
            encode(unplugged()) * 3, encode(without_sectors(unplugged()), sectors=False) * 3,
            encode(Iteration([row(b"Domain-0"), row(b"web", nets=[net()]), row(FORGED, nets=[net()]), row(b"x\ny")])) * 3]

    def check(self, data, chance):
        check(data, chance.choice(self._wholes), chance)


class XentopRows(XentopText):
    """The same by compiled code, which must say what Python says."""

    name = "rows"
    reads = "xentop -b's text, by compiled code"
    compiled = True

    def __init__(self):
        super().__init__()
        self._compiled = batches.batches(object_of("rows"))
        assert self._compiled is not None

    def check(self, data, chance):
        parsers = Parser("nxv"), Parser("nxv")
        parsers[0]._batches, parsers[1]._batches = self._compiled, None
        start, told = 0, ([], [])
        while start < len(data):
            size = chance.choice([1, 163, 4096, 100000])
            for parser, found in zip(parsers, told):
                found += parser.feed(data[start:start + size])
            start += size
        for parser, found in zip(parsers, told):
            found += parser.close()
        assert told[0] == told[1], "compiled code reads otherwise"
        assert (parsers[0].skipped, parsers[0].first_skipped) == (parsers[1].skipped, parsers[1].first_skipped)


def numbers_of(one):
    """The end of the line that a row must have come from, blanks aside."""
    sectors = one.columns.vbd_rsect is not None or one.columns.vbd_rd is None
    text = encode(Iteration([one]), nets=False, vbds=False, vcpus=False, sectors=sectors).split(b"\n")
    return plain(text[-2], sectors)


def plain(line, sectors):
    """The last words of a line as a number would be printed: a zero may have been put before one."""
    return tuple(word.lstrip(b"0") for word in line.split()[-17 if sectors else -15:])


def check(data, whole, chance):
    """Raises AssertionError for what must not be."""
    parser = Parser(chance.choice(["", "nxv", "nxvp"]))
    if chance.random() < 0.3:
        parser.know(frozenset([FORGED, b"\n", b"x\ny"]))
    found, start = [], 0
    while start < len(data):
        size = chance.choice([1, 17, 163, 4096, 100000])
        found += parser.feed(data[start:start + size])
        start += size
        if chance.random() < 0.2:
            found += parser.flush()
    lines = {plain(line, sectors) for line in data.split(b"\n") for sectors in (True, False)}
    for iteration in found:
        assert iteration.rows, "an iteration without a row"
        for one in iteration.rows:
            assert one.columns.cpu_permille is None or numbers_of(one) in lines, "a row that nobody printed: %r" % one
            assert len(one.networks) <= one.columns.nets and len(one.vbds) <= one.columns.vbds, "devices of another"
    after = parser.feed(b"\n" + encode(whole) * 3) + parser.close()
    assert after and after[-1] == whole, "not whole again: %r" % (after[-1:],)


def unplugged():
    """vCPUs with holes in the numbers, the multiples of five among them; and a device number that is printed as negative."""
    return Iteration([
        row(b"Domain-0", vcpu=[(vcpu, 5) for vcpu in range(12)], vcpus=12), row(b"batch", vcpu=[(10, 60)], vcpus=11),
        row(b"none", vcpu=[], vcpus=1), row(b"web", vcpu=[(vcpu, vcpu) for vcpu in (0, 1, 2, 3, 4, 6, 7, 8, 9, 11, 15)],
                                            vcpus=16, nets=[net()], disks=[disk(2 ** 32 - 202)])])
