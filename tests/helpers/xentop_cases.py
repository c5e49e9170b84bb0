"""The captures under fixtures/xentop, and a second reader of xentop's text that shares nothing with the parser.

The oracle goes by positions: a cell lies between the right edges of two headings. That is right for captures whose
values fit their columns, and wrong for what the parser must also take; so it checks the parser only where both can read.
"""
import gzip
import json
import pathlib
import re

FIXTURES = pathlib.Path(__file__).resolve().parents[2] / "fixtures" / "xentop"
CASES = sorted(path.name for path in FIXTURES.iterdir())
TEXTS = [name for name in CASES if "joined" not in name and not name.startswith("direct-") and name != "credit2-2pcpu-pipe-tty"]


def source(case):
    """What --source takes for the case."""
    folder = FIXTURES / case
    for name in ("input.txt", "input.txt.gz"):
        if (folder / name).exists():
            return folder / name
    return folder


def text(case):
    """xentop's bytes."""
    path = source(case)
    if path.is_dir():
        return (path / "xentop.txt").read_bytes()
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def about(case):
    return json.loads((FIXTURES / case / "case.json").read_text())


def flags(case):
    """The letters given to xentop after -b, -d and -i."""
    return set("".join(re.findall(r"(?<= -)[fnxvrzp]+\b", about(case)["command"])))


HEADINGS = ("NAME STATE CPU(sec) CPU(%) MEM(k) MEM(%) MAXMEM(k) MAXMEM(%) VCPUS NETS NETTX(k) NETRX(k) VBDS VBD_OO "
            "VBD_RD VBD_WR VBD_RSECT VBD_WSECT SSID").split()


def by_position(data):
    """Cells of all domain rows, a list of {heading: text} (None: not readable by position) for each header."""
    blocks, edges = [], []
    for line in data.split(b"\n"):
        if line.endswith(b" SSID"):
            edges = [line.index(b" " + heading.encode() if heading != "NAME" else b"NAME")
                     + len(heading) + (heading != "NAME") for heading in HEADINGS]
            edges[1] = edges[0] + 7     # STATE stands one to the left of its column's right edge
            blocks.append([])
        elif edges and re.match(rb"[d-][s-][b-][c-][p-][r-] ", line[edges[0] + 1:]):
            if len(line) != edges[-1]:
                blocks[-1].append(None)     # a value wider than its column moved the rest
                continue
            starts = [0] + edges[:-1]
            blocks[-1].append({heading: line[start:end].strip(b" ").decode("utf-8", "backslashreplace")
                               for heading, start, end in zip(HEADINGS, starts, edges)})
    return blocks
