"""The fake hypervisor, and both readers of pages."""
import pytest

from helpers.fake_hypervisor import build
from fuzz.objects import built
from helpers.paths import PLUGINS
from tools.compiler import build_shared

from xenmeter.vcpu import compiled

SOURCE = PLUGINS / "xenmeter" / "vcpu" / "pages.c"


@pytest.fixture
def compiler():
    """What the tests run against is there."""
    build()


@pytest.fixture(scope="session")
def pages_object(tmp_path_factory):
    """The compiled reader of pages, built with the flags of setup.py, or with the sanitizers of a run of test_sanitized."""
    return built("pages") or build_shared(SOURCE, tmp_path_factory.mktemp("pages") / "_pages.so", "-Wall", "-Wextra", "-Werror")


@pytest.fixture(scope="session")
def compiled_read(pages_object):
    found = compiled.load(pages_object)
    assert found is not None
    return found


@pytest.fixture(params=["python", "compiled"])
def core(request, monkeypatch):
    """Every test that asks for it runs twice: on the pages' Python reader and on the compiled one."""
    if request.param == "python":
        monkeypatch.setenv("XENMETER_COMPILED", "0")
    else:
        read = request.getfixturevalue("compiled_read")
        monkeypatch.setattr(compiled, "load", lambda path=None: read)
    return request.param
