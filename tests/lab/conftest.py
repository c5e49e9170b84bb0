"""Checks of what the lab's boots left behind. They fail, and never skip, where a boot did not run."""
import pytest

from lab.reading import Boot


def pytest_addoption(parser):
    parser.addoption("--boots", default="", help="judge these boots alone; the default is all, whether they ran or not")


def pytest_collection_modifyitems(config, items):
    """Checks of boots that nobody asked for are left out; a check without a parameter is of the main boot."""
    wanted = config.getoption("--boots", "").split()
    if wanted:
        items[:] = [item for item in items if getattr(item, "callspec", None) is None and "credit2" in wanted
                    or getattr(item, "callspec", None) is not None and item.callspec.params.get("boot", "credit2") in wanted]


@pytest.fixture(scope="session")
def boots():
    """The boots by name, each read once."""
    return {name: Boot(name) for name in ("credit2", "credit", "lossy", "bench", "patched")}


@pytest.fixture
def boot(boots, request):
    """The boot that a test is parametrized with. One that ended early fails a check of its own, and those of what it lacks."""
    name = getattr(request, "param", "credit2")
    found = boots.setdefault(name, Boot(name))
    assert found.results.is_dir(), f"boot {found.name} did not run: make lab"
    return found


def pytest_terminal_summary(terminalreporter):
    """The figures that people want to see in the log, be they good or bad."""
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
