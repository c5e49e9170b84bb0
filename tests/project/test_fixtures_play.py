"""What a README names under fixtures/ is there, and each fixture with a manifest plays as it lies."""
import json
import re
import signal
import subprocess
import sys
import urllib.request

import pytest

from helpers.paths import FIXTURES, PLUGINS, TOP
from xenmeter.front.cli import main

RECORDINGS = sorted(path.parent for path in FIXTURES.rglob("manifest.json"))
#: Traces of one pCPU of a host that had more, and one whose losses left two records that contradict each other.
DOUBTFUL = {"all-lost-slowpoll", "sched-S1-after", "sched-cpu0only", "loss-sched-churn"}
TEXTS = [TOP / "README.md"] + sorted(path for folder in ("plugins", "conf.d", "packaging")
                                     for path in (TOP / folder).rglob("*.md"))


def test_there_are_some():
    assert len(RECORDINGS) > 40 and {path.parent.name for path in RECORDINGS} == {
        "xentop", "xentrace", "vcpu", "study"}


@pytest.mark.parametrize("folder", RECORDINGS, ids=lambda path: "%s-%s" % (path.parent.name, path.name))
def test_a_fixture_plays(folder, capsysbinary):
    if folder.parent.name in ("xentrace", "study"):
        words = ["bake", str(folder)]
    else:
        words = [folder.parent.name, "--source", str(folder), "--format", "json", "--count", "2"]
    assert main(words) == 0
    out, err = capsysbinary.readouterr()
    # What a trace leaves in doubt is in its figures, and is said; of the others there is nothing to say.
    doubts = json.loads(out.decode())["trace"].get("doubts", []) if words[0] == "bake" else []
    assert len(out) > 100 and err.decode().splitlines() == ["xenmeter: " + doubt for doubt in doubts]
    assert bool(doubts) == (folder.name in DOUBTFUL)


def test_what_a_text_names_is_there_and_can_be_given_as_a_source():
    named = {}
    for path in TEXTS:
        for name in re.findall(r"fixtures/(?:xentop|xentrace|vcpu)/[\w./-]*\w", path.read_text(encoding="utf-8")):
            named.setdefault(name, path)
    assert len(named) >= 4
    for name, path in named.items():
        place = TOP / name
        assert place.is_file() or (place / "manifest.json").exists(), "%s names %s" % (path, name)


def test_serve_of_the_example_as_the_readme_shows_it():
    words = re.search(r"^    xenmeter (serve xentop .*?) *#", (TOP / "README.md").read_text(), re.MULTILINE).group(1).split()
    process = subprocess.Popen([sys.executable, "-m", "xenmeter"] + words + ["--listen", "127.0.0.1:0"], stderr=subprocess.PIPE,
                               env={"PYTHONPATH": str(PLUGINS)})
    try:
        url = re.search(r"http://\S+", process.stderr.readline().decode()).group()
        page = ""
        while 'domain="io-guest"' not in page:
            page = urllib.request.urlopen(url, timeout=60).read().decode()
        assert 'xenmeter_up{plugin="xentop"} 1' in page
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        process.stderr.close()
