#!/usr/bin/env python3
"""Make the pictures of the study's page: parts of the report of its fixture, in a real Chromium.

    build/venv/bin/python tests/lab/study/pictures.py       # writes *.png beside it
"""
import pathlib
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[0] = str(HERE.parents[1])
sys.path.insert(0, str(HERE.parents[2] / "plugins"))

from helpers.browser import Browser  # noqa: E402
from helpers.screenshots import stack  # noqa: E402

from xenmeter.front.report.runspage import page_of  # noqa: E402

RUNS = HERE.parents[2] / "fixtures" / "study" / "study.jsonl"
#: Picture: the titles of the parts that it shows, one under the other.
PICTURES = {"replies": ("reply_rate", "response_time"), "waiting": ("Waiting",), "executions": ("Executions",),
            "line": ("What a request costs, and what of it each execution",)}
WIDTH = 1060
_BOX = """(() => { const box = [...document.querySelectorAll('section.plot')].find(
  (one) => one.querySelector('h3').textContent === %r).getBoundingClientRect();
  return [0, box.y + scrollY - 8, %d, box.height + 16]; })()"""


def main():
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder)
        page = place / "report.html"
        page.write_text(page_of(str(RUNS)), encoding="utf-8")
        browser = Browser()
        try:
            browser.visit(page.resolve().as_uri(), width=WIDTH, height=800)
            for name, titles in PICTURES.items():
                parts = []
                for number, title in enumerate(titles):
                    parts.append(place / f"{name}-{number}.png")
                    browser.picture(parts[-1], browser.ask(_BOX % (title, WIDTH)))
                stack(parts, HERE / f"{name}.png", WIDTH, 64)
        finally:
            browser.close()


if __name__ == "__main__":
    main()
