"""Feeds damaged captures to the xentop parser until the time is up; `make fuzz`.

Real texts are cut, spliced, repeated and overwritten, and come in pieces of random sizes with flushes between them.
What must hold: nothing raises; every row that comes out is a line that went in; and whatever came before, two whole
iterations later the parser is right again. A finding is kept in fixtures/fuzz/xentop, to be tried first ever after.
"""
import argparse
import hashlib
import os
import pathlib
import random
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "plugins"), str(TOP / "tests")]

from xenmeter.xentop.encode import encode   # noqa: E402
from xenmeter.xentop.parse import Parser, parse     # noqa: E402
from xenmeter.xentop.records import Iteration   # noqa: E402
from xentop import cases    # noqa: E402
from xentop.making import disk, net, row, without_sectors    # noqa: E402

CORPUS = TOP / "fixtures" / "fuzz" / "xentop"
WORDS = [b"\n", b" ", b"-", b"0", b"9" * 25, b"NAME", b"Net0 RX:", b"VBD ", b"VCPUs(sec): ", b"no limit", b"n/a", b"inf",
         b"nan", b"--b---", b"VCPUs(sec): \n         10:         60s\n", b"          5:          1s", b"-202", b"-8.9", b"-0.0",
         b"bytes", b"drop", b"OO:", b"\0", b"\xff", b"SSID", b"Physical CPU Usage:\n", b"%", b"."]


def damage(chance, texts):
    """A text made of damaged pieces of real ones."""
    data = bytearray(chance.choice(texts))
    for _ in range(chance.randrange(1, 8)):
        start = chance.randrange(len(data) + 1)
        end = min(len(data), start + int(chance.expovariate(1 / 60)))
        kind = chance.randrange(6)
        if kind == 0:
            del data[start:end]
        elif kind == 1:
            data[start:start] = chance.choice(WORDS)
        elif kind == 2:
            data[start:end] = bytes(chance.randrange(256) for _ in range(end - start))
        elif kind == 3:
            data[start:start] = data[start:end] * chance.randrange(1, 4)
        elif kind == 4:
            other = chance.choice(texts)
            at = chance.randrange(len(other) + 1)
            data[start:] = other[at:at + 4000]
        elif data:
            at = chance.randrange(len(data))
            data[at] ^= 1 << chance.randrange(8)
    return bytes(data)


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


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--seconds", type=float, default=600)
    arguments.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "little"))
    options = arguments.parse_args()
    texts = [cases.text(case)[:20000] for case in cases.TEXTS] + [
        path.read_bytes() for path in sorted(CORPUS.glob("*"))] + [
        encode(unplugged()) * 3, encode(without_sectors(unplugged()), sectors=False) * 3]
    wholes = [parse(cases.text("credit2-2pcpu-b-d1-i3-fnxvr"))[0], unplugged()]
    chance = random.Random(options.seed)
    deadline, count = time.monotonic() + options.seconds, 0
    while time.monotonic() < deadline:
        data = damage(chance, texts)
        seed = chance.randrange(2 ** 32)
        try:
            check(data, wholes[count % 2], random.Random(seed))
        except Exception as error:
            CORPUS.mkdir(parents=True, exist_ok=True)
            path = CORPUS / hashlib.sha256(data).hexdigest()[:16]
            path.write_bytes(data)
            print("finding after %d texts: %s: %s\nkept as %s; again with check(..., Random(%d))"
                  % (count, type(error).__name__, str(error)[:500], path.relative_to(TOP), seed))
            return 1
        count += 1
    print("%d damaged texts in %d s, seed %d: no finding" % (count, options.seconds, options.seed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
