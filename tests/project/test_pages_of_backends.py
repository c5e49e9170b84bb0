"""Each backend has a page, README's table says what was run with which version, and their links lead somewhere."""
import re

import pytest

from helpers.paths import TOP
from tools import backends

CONF = TOP / "conf.d"
PAGES = sorted(CONF.glob("*/README.md"))


def anchors(text):
    """What GitHub makes of headings."""
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.*)$", text, re.M)}


def test_every_folder_has_its_page_and_readme_names_it():
    readme = (TOP / "README.md").read_text()
    assert {page.parent for page in PAGES} == {path for path in CONF.iterdir() if path.is_dir()} and len(PAGES) >= 7
    assert [page.parent.name for page in PAGES if "conf.d/%s" % page.parent.name not in readme] == []


@pytest.mark.parametrize("page", [TOP / "README.md", *PAGES], ids=lambda page: page.parent.name)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        path, _, anchor = link.partition("#")
        target = page if not path else page.parent / path
        assert link.startswith("http") or target.exists(), link
        # the packages' documents have conf.d, and nothing above it
        assert page.parent == TOP or link.startswith("http") or CONF in target.resolve().parents, link
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target.read_text()), link


def test_what_make_backends_runs_is_there():
    for run in backends.RUNS.values():
        assert all((TOP / path).exists() for path in run.tests) and set(run.programs) <= {*backends.PACKAGES, *backends.MODULES}


@pytest.mark.parametrize("name", list(backends.MODULES))
def test_what_is_built_is_written_down_with_its_checksum(name):
    program = backends.MODULES[name]
    sums = (program.here / "go.sum").read_text()
    assert "%s v%s h1:" % (program.module, program.release()) in sums and sums.count("\n") > 50
    assert (program.main == ".") == (program.here / "main.go").exists()


def test_the_table_says_when():
    table = re.search(r"^## Backends\n(.*?)^## ", (TOP / "README.md").read_text(), re.M | re.S).group(1)
    rows = [row for row in re.findall(r"^\| (.*) \|$", table, re.M) if not row.startswith("backend")]
    assert len(rows) >= 7
    for row in rows:
        assert re.search(r"\| 20\d\d-\d\d-\d\d \|", row) or "fleets" in row, row
