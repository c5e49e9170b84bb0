"""Writes what is generated in the READMEs anew, between two marks: metrics tables and tested recipes. `make docs`."""
import pathlib
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "plugins"))

from xenmeter.front import plugins    # noqa: E402
from xenmeter.front.catalogue_text import as_markdown, catalogues   # noqa: E402

RECIPES = TOP / "tests" / "daemons" / "recipes"
BEGIN, END = "<!-- begin: %s, written by `make docs` -->\n", "<!-- end: %s -->\n"


def blocks():
    """What is generated: (title between the marks, text)."""
    for catalogue in catalogues():
        yield "metrics of " + catalogue.plugin, as_markdown(catalogue)
    for path in sorted(RECIPES.iterdir()):
        language = {".R": "r", ".sh": "sh"}[path.suffix]
        yield "recipe " + path.name, "```%s\n%s```\n" % (language, path.read_text(encoding="utf-8"))


def readmes():
    return [TOP / "README.md"] + [TOP / "plugins" / "xenmeter" / name / "README.md" for name in (*plugins.NAMES, "bench")]


def refreshed(text):
    """The text of a README with all that it holds of the blocks made anew."""
    for title, block in blocks():
        head, found, rest = text.partition(BEGIN % title)
        _, closed, tail = rest.partition(END % title)
        if found and closed:
            text = head + found + block + closed + tail
    return text


if __name__ == "__main__":
    for readme in readmes():
        old = readme.read_text(encoding="utf-8")
        if refreshed(old) != old:
            readme.write_text(refreshed(old), encoding="utf-8")
            print("%s: written anew" % readme.relative_to(TOP))
