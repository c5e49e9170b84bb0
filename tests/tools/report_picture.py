#!/usr/bin/env python3
"""Make the picture of the report's README: the report of a real capture in a real Chromium.

    build/venv/bin/python tests/tools/report_picture.py       # writes report.png in plugins/xenmeter/front/report
"""
import pathlib
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[0] = str(HERE.parent)
sys.path.insert(0, str(HERE.parents[1] / "plugins"))

from helpers.browser import Browser  # noqa: E402
from helpers.screenshots import stack  # noqa: E402
from helpers.recordings import recorded  # noqa: E402

from xenmeter.front.report.make import make  # noqa: E402

TARGET = HERE.parents[1] / "plugins" / "xenmeter" / "front" / "report" / "report.png"
#: What the guests of the capture were called (xenstore of the same host, fixtures/xenstore/narrow-mask).
NAMES = {0: "Domain-0", 1: "busy", 2: "multi vcpu 2", 3: "io-guest", 4: "idle"}
#: Parts of the page, one under the other.
PARTS = ("#overview", "#exact", "#cpu", "#latency")
WIDTH = 1100


def main():
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder)
        page = place / "report.html"
        page.write_text(make(str(recorded(place / "narrow-churn", "narrow-churn", NAMES, None))), encoding="utf-8")
        browser = Browser()
        try:
            browser.open(page, width=WIDTH, height=800)
            pictures = [place / "top.png"]
            bar = browser.ask("(() => { const box = document.querySelector('.bar').getBoundingClientRect(); "
                              "return box.bottom + scrollY; })()")
            browser.picture(pictures[0], (0, 0, WIDTH, bar))
            for number, part in enumerate(PARTS):
                box = browser.ask("(() => { const box = document.querySelector('%s').getBoundingClientRect(); "
                                  "return [0, box.y + scrollY, %d, box.height]; })()" % (part, WIDTH))
                pictures.append(place / ("%d.png" % number))
                browser.picture(pictures[-1], box)
        finally:
            browser.close()
        stack(pictures, TARGET, WIDTH, 256)


if __name__ == "__main__":
    main()
