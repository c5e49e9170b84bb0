#!/usr/bin/env python3
"""Make the pictures of the screen's README out of real captures: xenmeter mon in a real terminal (tmux), as SVG, and the
plot of its logs, by the commands that the README shows.

    python3 tests/tools/picture.py                # writes screen.svg and plot.svg in plugins/xenmeter/front/screen
"""
import html
import json
import lzma
import pathlib
import os
import re
import subprocess
import sys
import tempfile
import unicodedata

TESTS = pathlib.Path(__file__).resolve().parents[1]
if not __package__:
    sys.path[0] = str(TESTS)

TOP = TESTS.parent
SCREEN = TOP / "plugins" / "xenmeter" / "front" / "screen"
PICTURE, PLOT = SCREEN / "screen.svg", SCREEN / "plot.svg"
CASE, NAMES = "narrow-steady", "narrow-mask"
SIZE = (100, 26)
#: Pixels of a character.
CELL = (8, 17)
FRONT, BACK = "#d8dee9", "#1c2128"
COLOURS = ("#484f58", "#ff7b72", "#7ee787", "#e3b341", "#388bfd", "#d2a8ff", "#56d4dd", "#f0f6fc")
_SGR = re.compile(r"\x1b\[([\d;]*)m")


def cells_of(capture):
    """What `capture-pane -e` gave, without its escapes: for each line (character, columns, (front, back, bold)).

    A style lasts beyond the end of a line."""
    front, back, bold, swapped = None, None, False, False
    for line in capture.rstrip("\n").split("\n"):
        found, at = [], 0
        for match in list(_SGR.finditer(line)) + [None]:
            style = (BACK, front or FRONT, bold) if swapped else (front or FRONT, back, bold)
            for char in line[at:match.start() if match else len(line)]:
                found.append((char, 2 if unicodedata.east_asian_width(char) in "WF" else 1, style))
            if match is None:
                break
            at = match.end()
            for code in [int(word or 0) for word in match.group(1).split(";")]:
                if code == 0:
                    front, back, bold, swapped = None, None, False, False
                elif code in (1, 7):
                    bold, swapped = bold or code == 1, swapped or code == 7
                elif code in (39, 49):
                    front, back = (None, back) if code == 39 else (front, None)
                elif 30 <= code <= 37:
                    front = COLOURS[code - 30]
                elif 40 <= code <= 47:
                    back = COLOURS[code - 40]
        yield found


def svg_of(capture, columns, lines):
    """What `tmux capture-pane -e -p` gave, as an SVG file."""
    wide, high = CELL
    out = ['<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="DejaVu Sans Mono, Menlo, Consolas, '
           'monospace" font-size="13">' % (columns * wide + 16, lines * high + 16),
           '<rect width="100%%" height="100%%" rx="6" fill="%s"/>' % BACK]
    for number, cells in enumerate(cells_of(capture)):
        y = 8 + number * high
        column, runs = 0, []
        for char, width, style in cells:
            if runs and runs[-1][2] == style:
                runs[-1][1] += char
            else:
                runs.append([column, char, style])
            column += width
        for begin, text, (front, back, bold) in runs:
            width = sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)
            if back:
                out.append('<rect x="%d" y="%d" width="%d" height="%d" fill="%s"/>' % (
                    8 + begin * wide, y, width * wide, high, back))
            if text.strip():
                out.append('<text x="%d" y="%d" textLength="%d" xml:space="preserve" fill="%s"%s>%s</text>' % (
                    8 + begin * wide, y + 13, width * wide, front, ' font-weight="bold"' * bold, html.escape(text)))
    return "\n".join(out + ["</svg>", ""])


def recorded(folder):
    """The capture as a recording's directory, with the names that xenstore had."""
    folder = pathlib.Path(str(folder)) / "xen1"
    folder.mkdir()
    fixtures = TOP / "fixtures"
    (folder / "trace.bin").write_bytes(lzma.decompress((fixtures / "xentrace" / CASE / "trace.bin.xz").read_bytes()))
    (folder / "xenstore-ls.txt").write_bytes((fixtures / "xenstore" / NAMES / "xenstore-ls.txt").read_bytes())
    (folder / "manifest.json").write_text(json.dumps({
        "format": "xenmeter-recording", "version": 1,
        "sources": {"xentrace": {"file": "trace.bin", "cpu_khz": 2596120}, "xenstore": {"file": "xenstore-ls.txt"}}}))
    return folder


def taken(folder, holds=bool):
    """The picture, from a terminal of its own. :param holds: what must be true of the screen's text before it is taken."""
    from helpers.terminal_stage import Tmux, recording
    with Tmux(folder, recording(recorded(folder)), size=SIZE) as terminal:
        terminal.wait("ENDED", "CPU gotten", "q quit", holds=holds)
        capture = terminal.screen("-e")
        terminal.keys("q")
        terminal.restored()
    return svg_of(capture, *SIZE)


def plotted(folder):
    """The plot of a trace's logs, by the script in the README."""
    from helpers.terminal_stage import recording, unpacked
    subprocess.run([sys.executable, "-m", "xenmeter"] + recording(unpacked(folder, "narrow-churn")) + ["--log", "host"],
                   cwd=str(folder), env=dict(os.environ, PYTHONPATH=str(TOP / "plugins")), check=True)
    return drawn(folder)


def drawn(folder):
    """What the script in the README draws of the logs ``host*`` in a folder."""
    from tools import provision
    readme = (SCREEN / "README.md").read_text(encoding="utf-8")
    script = re.search(r"<!-- plot.gp -->\n```gnuplot\n(.*?)```", readme, re.DOTALL).group(1)
    (pathlib.Path(str(folder)) / "plot.gp").write_text(script)
    ran = subprocess.run([provision.program("gnuplot", "usr/bin/gnuplot-nox"), "plot.gp"], cwd=str(folder), check=False,
                         env=provision.environment("gnuplot"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
    assert (ran.returncode, ran.stdout) == (0, b""), ran.stdout.decode()
    return (pathlib.Path(str(folder)) / "plot.svg").read_text(encoding="utf-8")


if __name__ == "__main__":
    for path, make in ((PICTURE, taken), (PLOT, plotted)):
        with tempfile.TemporaryDirectory() as scratch:
            path.write_text(make(scratch), encoding="utf-8")
        print("%s: %d bytes" % (path.relative_to(TOP), path.stat().st_size))
