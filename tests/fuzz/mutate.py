"""Damage that is done to right inputs where no coverage leads."""


def damaged(chance, texts, words=()):
    """A text made of damaged pieces of others."""
    data = bytearray(chance.choice(texts))
    for _ in range(chance.choice((0, 1, 1, 2, 3, 8))):
        start = chance.randrange(len(data) + 1)
        end = min(len(data), start + 1 + int(chance.expovariate(1 / 40)))
        _HOW[chance.randrange(len(_HOW))](chance, data, start, end, texts, words)
    return bytes(data)


def _cut(chance, data, start, end, texts, words):
    del data[start:end]


def _end(chance, data, start, end, texts, words):
    if chance.random() < 0.3:
        del data[start:]


def _word(chance, data, start, end, texts, words):
    data[start:start if chance.random() < 0.5 else end] = chance.choice(words or _WORDS)


def _noise(chance, data, start, end, texts, words):
    data[start:end] = bytes(chance.randrange(256) for _ in range(end - start))


def _again(chance, data, start, end, texts, words):
    data[start:start] = data[start:end] * chance.randrange(1, 4)


def _other(chance, data, start, end, texts, words):
    other = chance.choice(texts)
    at = chance.randrange(len(other) + 1)
    data[start:end] = other[at:at + chance.choice((4, 40, 400, 4000))]


def _bit(chance, data, start, end, texts, words):
    if start < len(data):
        data[start] ^= 1 << chance.randrange(8)


def _number(chance, data, start, end, texts, words):
    """Another number in the place of one, as text or as a word of 32 or 64 bits."""
    value = chance.choice(_NUMBERS)
    digits = [at for at in range(start, min(len(data), start + 200)) if 48 <= data[at] <= 57]
    if digits and chance.random() < 0.7:
        stop = digits[0]
        while stop < len(data) and 48 <= data[stop] <= 57:
            stop += 1
        data[digits[0]:stop] = b"%d" % value
    else:
        width = chance.choice((2, 4, 8))
        at = start - start % 4
        data[at:at + width] = (value & (1 << 8 * width) - 1).to_bytes(width, "little")


_HOW = (_cut, _end, _word, _noise, _again, _other, _bit, _number, _number)
_WORDS = (b"\n", b" ", b"\0", b"\xff", b"\r\n", b"-", b"0", b"9" * 25, b"nan", b"\xed\xa0\x80", b"\x1b[2J", b"\xe2\x80\xae",
          b'"', b"\\")
_NUMBERS = (0, 1, -1, 2, 7, 255, 256, 4095, 4096, 65535, 65536, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 + 1,
            2 ** 62, 2 ** 63 - 1, 2 ** 63, 2 ** 64 - 1, 2 ** 64, 10 ** 25)
