"""What our texts tell people to type, and what they say of the sources, is so."""
import configparser
import pathlib
import re
import subprocess

import pytest

from xenmeter.front import plugins
from xenmeter.front.commands.report import BOKEH

TOP = pathlib.Path(__file__).resolve().parents[2]
CONF = TOP / "conf.d"


def texts():
    """(path, text) of everything that people read, and of what programs say to them."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=str(TOP), stdout=subprocess.PIPE, check=True).stdout.decode()
    for name in listed.split("\0"):
        if name and not name.startswith(("fixtures/", "tests/")) and not name.endswith((".png", ".xz", ".gz")):
            path = TOP / name
            if path.is_file():
                yield name, path.read_text(encoding="utf-8", errors="replace")


def by_name(text):
    """Commands that would fetch xenmeter from an index by its name: it is on none, and somebody else may take the name."""
    found = re.findall(r"\b(?:pip3?|pipx|uv|poetry|python3? -m pip)\b[^\n|;&]*?\b(?:install|add|run|download)\s[^\n|;&]*?"
                      r"(?<![/\w.-])xenmeter(?![\w/*-]|\.)(?:\[\w+\])?", text)
    return [command for command in found if "--no-index" not in command]


@pytest.mark.parametrize("text, found", [
    ("pip install 'xenmeter[report]'", True), ("pip3 install --user xenmeter", True),
    ("python3 -m pip install xenmeter==1", True), ("pipx install xenmeter", True), ("pip install xenmeter-*.whl", False),
    ("pip install .", False), ("pip install --find-links build xenmeter", True),
    ("pip install --no-index --find-links build xenmeter", False),
    ("pip install ./xenmeter-0.1.0-py3-none-any.whl[report]", False), ("pip install 'bokeh>=3.9,<4'; xenmeter report", False)])
def test_such_a_command_is_seen(text, found):
    assert bool(by_name(text)) == found


def test_no_text_of_ours_installs_us_from_an_index():
    assert {name: by_name(text) for name, text in texts() if by_name(text)} == {}


def test_what_the_report_wants_is_what_its_extra_wants():
    setup = configparser.ConfigParser()
    setup.read(str(TOP / "setup.cfg"))
    assert setup["options.extras_require"]["report"].strip().replace(" ", "") == BOKEH
    said = [name for name, text in texts() if BOKEH in text]
    assert {"plugins/xenmeter/front/report/README.md", "plugins/xenmeter/front/commands/report.py"} <= set(said)
    asked = {found for _, text in texts() for found in re.findall(r"pip install '?(bokeh[^'\s]*)", text)}
    assert asked == {BOKEH}


#: plugin -> the live sources, in the order in which auto takes them.
SOURCES = {"xentop": ("direct", "xentop"), "vcpu": ("page", "hypercalls"), "xentrace": ("baker",)}


@pytest.mark.parametrize("name", plugins.NAMES)
@pytest.mark.parametrize("daemon, pattern", [("collectd", r"# Where the figures come from: (.*?)\n *# Source"),
                                             ("telegraf", r"--source auto +(.*?)\n *##   --[a-z]")])
def test_the_files_say_what_auto_takes(name, daemon, pattern):
    text = (CONF / daemon / (name + ".conf")).read_text()
    said = re.sub(r"\s*\n *#+ *", " ", re.search(pattern, text, re.DOTALL).group(1)).replace('"', "")
    meaning = re.match(r"auto (?:or baker )?\((.*?)\)", said).group(1)
    places = [meaning.find(source) for source in SOURCES[name]]
    assert -1 not in places and places == sorted(places), meaning
    assert "installed" not in text.partition("[[")[0].partition("<Plugin")[0]
