"""Checks of what the lab's boots left behind. They fail, and never skip, where a boot did not run."""
import collections
import pathlib

import pytest

from lab.reading import Boot
from lab.paths import BUILD
from lab.releases import RELEASES, of_boot
from lab.run import ALL, BOOTS, BY_DEFAULT

HERE = pathlib.Path(__file__).resolve().parent


def pytest_addoption(parser):
    parser.addoption("--boots", default="", help="judge these boots alone, or all; the default is what boots by default, "
                     "whether it ran or not")


def pytest_configure(config):
    config.addinivalue_line("markers", "on(*jobs): a check of the boots of these jobs; without it, of the main job's")


def pytest_generate_tests(metafunc):
    """A check with a boot is one check for each boot of its jobs, on every release."""
    if "boot" in metafunc.fixturenames and not any("boot" in mark.args[0] for mark in
                                                   metafunc.definition.iter_markers("parametrize")):
        mark = metafunc.definition.get_closest_marker("on")
        jobs = mark.args if mark else ("credit2",)
        metafunc.parametrize("boot", [name for name in BOOTS if of_boot(name)[0] in jobs], indirect=True)


def pytest_collection_modifyitems(config, items):
    """Checks of boots that nobody asked for are left out. Pytest hands over all that it has collected, other rooms' tests too."""
    asked = config.getoption("--boots", "").split()
    wanted = ALL if asked == ["all"] else asked or BY_DEFAULT
    items[:] = [item for item in items if HERE not in item.path.parents or item.callspec.params["boot"] in wanted]


@pytest.fixture
def boot(request):
    """The boot that a test is parametrized with. One that ended early fails a check of its own, and those of what it lacks."""
    return _read(request.config, request.param)


def _read(config, name):
    """Each boot is read once."""
    found = config.__dict__.setdefault("lab_boots", {}).setdefault(name, Boot(name))
    assert found.results.is_dir(), f"boot {name} did not run: make lab"
    return found


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if call.when == "call" or report.failed:
        outcomes = item.config.__dict__.setdefault("lab_outcomes", {})
        outcomes[item.module.__name__, item.originalname, item.callspec.params["boot"], item.name] = report.passed
    return report


def matrix(outcomes):
    """Lines of a table, check by release: what passed, or how many of how many forms and boots did not."""
    cells, names = collections.defaultdict(list), {}
    for (module, name, boot, _), passed in outcomes.items():
        names[module, name] = None
        cells[module, name, of_boot(boot)[1]].append(passed)
    releases = [release for release in RELEASES.values() if any(key[2] is release for key in cells)]
    yield "| check | {} |".format(" | ".join(release.xen for release in releases))
    yield "|---|{}".format("---|" * len(releases))
    for module, name in names:
        told = []
        for release in releases:
            cell = cells[module, name, release]
            told.append("-" if not cell else f"{len(cell)} ok" if all(cell) else f"**{cell.count(False)} of {len(cell)} not**")
        yield "| {}: {} | {} |".format(module.rpartition("checks_")[2], name[5:].replace("_", " "), " | ".join(told))


def lengths(boots):
    """Lines of a table, job by release: the seconds that each boot took, or that it did not end well."""
    cells = {of_boot(boot.name): f"{boot.outcome['seconds']:.0f}" if boot.outcome["complaint"] is None else "**not to its end**"
             for boot in boots}
    releases = [release for release in RELEASES.values() if any(key[1] is release for key in cells)]
    yield "| boot, s | {} |".format(" | ".join(release.xen for release in releases))
    yield "|---|{}".format("---|" * len(releases))
    for job in dict.fromkeys(job for job, _ in cells):
        yield "| `{}` | {} |".format(job, " | ".join(cells.get((job, release), "-") for release in releases))


def pytest_terminal_summary(terminalreporter):
    """The figures that people want to see in the log, good or bad; the matrix and the boots' seconds, for RESULTS.md."""
    outcomes = getattr(terminalreporter.config, "lab_outcomes", {})
    if outcomes:
        boots = terminalreporter.config.__dict__.get("lab_boots", {}).values()
        tables = [*matrix(outcomes), "", *lengths([boot for boot in boots if (boot.folder / "outcome.json").exists()])]
        (BUILD / "matrix.md").write_text("".join(line + "\n" for line in tables))
    told = getattr(terminalreporter.config, "lab_figures", [])
    if told:
        terminalreporter.section("figures of the lab")
        for line in told:
            terminalreporter.write_line(line)


@pytest.fixture
def tell(request):
    """tell(line): a figure for the end of the log."""
    if not hasattr(request.config, "lab_figures"):
        request.config.lab_figures = []
    return request.config.lab_figures.append
