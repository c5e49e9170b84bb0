"""Writes what is generated in the READMEs anew, between two marks: tables of metrics, CSV's columns and alerts, tested recipes.
`make docs`.
"""
import importlib
import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "plugins"))

from xenmeter.front import plugins    # noqa: E402
from xenmeter.front.catalogue_text import as_markdown, catalogues   # noqa: E402

RECIPES = TOP / "tests" / "daemons" / "recipes"
PROMETHEUS = TOP / "conf.d" / "prometheus"
BEGIN, END = "<!-- begin: %s, written by `make docs` -->\n", "<!-- end: %s -->\n"


def blocks():
    """What is generated: (title between the marks, text)."""
    for catalogue in catalogues():
        yield "metrics of " + catalogue.plugin, as_markdown(catalogue)
    for name in [name for name in plugins.NAMES if "csv" in plugins.get(name).mirrors]:     # others have publish.generic's
        meanings = importlib.import_module("xenmeter.%s.mirror" % name).MEANINGS
        yield "columns of " + name, "| column | meaning |\n|---|---|\n" + "".join(["| `%s` | %s |\n" % one for one in meanings])
    yield "alerts", alerts()
    for path in sorted(RECIPES.iterdir()):
        language = {".R": "r", ".sh": "sh"}[path.suffix]
        yield "recipe " + path.name, "```%s\n%s```\n" % (language, path.read_text(encoding="utf-8"))


def alerts():
    """Each alert's name, how bad it is and what it says, with words for what Prometheus fills in."""
    rows = ["| alert | severity | says |", "|---|---|---|"]
    text = (PROMETHEUS / "alerts.yml").read_text(encoding="utf-8")
    alert = r'- alert: (\w+)\n.*?severity: (\w+)\}.*?summary: "([^"\n]+)"'
    for name, severity, summary in re.findall(alert, text, re.DOTALL):
        said = re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda found: found.group(1).upper(), summary)
        said = re.sub(r"\{\{ \$value \| humanizePercentage \}\}", "N %", said)
        said = re.sub(r"\{\{ \$value \| humanizeDuration \}\}", "N s", said)
        rows.append("| %s | %s | %s |" % (name, severity, re.sub(r"\{\{ \$value.*?\}\}", "N", said)))
    return "\n".join(rows) + "\n"


def readmes():
    rooms = (*plugins.NAMES, "bench")
    return [TOP / "README.md", PROMETHEUS / "ALERTS.md"] + [TOP / "plugins" / "xenmeter" / name / "README.md" for name in rooms]


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
